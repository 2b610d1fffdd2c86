"""``vcd-bridge operations``."""

from __future__ import annotations

import json
import re

import pytest

from bridge.cli.entry import main


def test_json_is_always_an_array_with_the_pinned_members(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "--json"]) == 0
    every = json.loads(capsys.readouterr().out)
    assert len(every) == 202
    for operation in every:
        assert {
            "name", "method", "path", "parameters", "query", "body_type", "media_type", "answer", "lane", "recovery",
            "destructive", "since", "deprecated", "removed", "vcd_operation_name",
        } <= set(operation)  # fmt: skip
        assert re.findall(r"{(\w+)}", operation["path"]) == operation["parameters"]
    assert main(["operations", "deployVApp", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["name"], one["method"], one["path"]) == ("deployVApp", "POST", "/vApp/{id}/action/deploy")


def test_search_looks_at_names_paths_and_types(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "--search", "SNAPSHOT"]) == 0
    assert "createSnapshot" in capsys.readouterr().out
    assert main(["operations", "--search", "no such thing", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == []


def test_one_operation_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "createSnapshot"]) == 0
    text = capsys.readouterr().out
    assert "recovery: never_retry" in text
    assert "destructive: yes" in text


def test_what_makes_a_call_destructive_and_what_proves_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "undeployVApp"]) == 0
    text = capsys.readouterr().out
    assert 'body.undeployPowerAction = "force"' in text
    assert "GET /api/vApp/{id}, deployed: false proves, nothing disproves" in text
    assert "task found by: entity" in text


def test_a_name_and_a_search_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "deployVApp", "--search", "snapshot"]) == 2
    assert "give one of the two" in capsys.readouterr().err


def test_a_misspelt_name_is_usage_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "deployVap"]) == 2
    assert "did you mean deployVApp" in capsys.readouterr().err
