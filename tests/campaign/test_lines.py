"""Campaigns that end together keep each other's lines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from tests.campaign import lines
from tests.campaign.fault import Fault, faults
from tests.campaign.lines import Line, code_digest, forget, keep, line_of, results
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


def test_a_line_tells_which_bridge_it_is_of(tmp_path: Path) -> None:
    line = _line(tmp_path)
    assert line.code == code_digest()
    assert datetime.fromisoformat(line.date).tzinfo is not None


def test_each_change_of_the_code_or_a_schema_is_another_bridge(tmp_path: Path) -> None:
    found = [code_digest(tmp_path)]
    for place, text in (("bridge/a.py", "1"), ("bridge/a.py", "2"), ("schemas/a.avsc", "2"), ("bridge/b.py", "")):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(text)
        found.append(code_digest(tmp_path))
    assert len(set(found)) == len(found)
    (tmp_path / "bridge" / "a.pyc").write_text("compiled")
    assert code_digest(tmp_path) == found[-1]


def test_every_line_that_is_kept_is_as_expected_and_within_its_bounds() -> None:
    known = {one.name: one for one in faults()}
    for name, line in results().items():
        assert line.as_expected, name
        assert (line.stall or 0.0) <= known[name].at_most_stall, name
        assert (line.recovered or 0.0) <= known[name].at_most_recovery, name


def _line(directory: Path) -> Line:
    fault = Fault(name="quick", part="process", what="quick", play=lambda _: None)
    return line_of(Stage(fault, KafkaCluster(directory), directory), 1.0)
