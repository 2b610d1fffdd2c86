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


def test_the_fields_of_a_body_are_shown_with_types_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "createDisk"]) == 0
    text = capsys.readouterr().out
    fields, example = text.split("  body fields:\n")[1].split("  example (put ids and a host of your own in):\n")
    assert fields.startswith("    disk: Disk, required\n      href: string\n")
    assert "      size: integer, required (or sizeMb)\n      sizeMb: integer, newer than API 33\n" in fields
    assert json.loads(example)["disk"]["sizeMb"] == 1024
    assert main(["operations", "createVmAffinityRule"]) == 0
    text = capsys.readouterr().out
    assert "    polarity: string, one of Affinity, Anti-Affinity\n" in text
    assert "      vmReference: Reference[]\n        href: string, required\n" in text
    assert main(["operations", "setVAppMetadataItem"]) == 0
    assert "      _type: string, required, one of MetadataBooleanValue," in capsys.readouterr().out


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ("updateVmCpu", "OVF, not VMware's own"),
        ("convertToReplicationTrackingVm", "newer than VMware's schemas"),
        ("repairNetworkPool", "no source shows a body"),
    ],
)
def test_a_body_that_is_not_checked_is_said_to_be_so(
    operation: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["operations", operation]) == 0
    assert f"  body fields: passed through unchecked ({why})\n" in capsys.readouterr().out


def test_json_has_the_fields_and_the_example_of_each_body(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "deployVApp", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["example"] == {"powerOn": True}
    assert one["body_fields"][0] == {
        "key": "powerOn", "type": "boolean", "required": False, "array": False, "newer": False, "values": [], "or": [],
        "fields": [],
    }  # fmt: skip
    assert main(["operations", "powerOnVApp", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["body_fields"], one["example"]) == ([], None)


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
