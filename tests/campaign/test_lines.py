"""Campaigns that end together keep each other's lines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.campaign import lines
from tests.campaign.fault import Fault
from tests.campaign.lines import Line, forget, keep, line_of, results
from tests.campaign.stage import Stage
from tests.support.kafka import KafkaCluster


def test_lines_that_are_kept_at_the_same_time_are_all_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lines, "RESULTS", tmp_path / "results.json")
    every = {f"fault-{number}": replace(_line(tmp_path), fault=f"fault-{number}") for number in range(40)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep, every.values()))
    assert results() == every
    forget(["fault-1", "fault-2"])
    assert list(results()) == ["fault-1", "fault-2"]
    assert [one.name for one in tmp_path.iterdir()] == ["results.json"]


def _line(directory: Path) -> Line:
    fault = Fault(name="quick", part="process", what="quick", play=lambda _: None)
    return line_of(Stage(fault, KafkaCluster(directory), directory), 1.0)
