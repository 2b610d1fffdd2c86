"""What an entity's state proves, and which Task carries our operationKey."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.catalogue.load import load
from bridge.catalogue.operation import Probe
from bridge.core.recognition import Trace, could_be, narrowed, probe_says
from bridge.core.task import Task, empty_document

METADATA = Probe(path="/vApp/{id}/metadata", field="metadataEntry[key={key}]", value="absent")
ENTRIES = {"metadataEntry": [{"key": "owner"}, {"key": "change ticket"}, "odd", {"key": None}]}


@pytest.mark.parametrize(
    ("probe", "document", "body", "parameters", "expected"),
    [
        (("status", "4"), {"status": 4}, None, {}, True),
        (("status", "4"), {"status": 8}, None, {}, False),
        (("status", "4"), {}, None, {}, False),
        (("status", "4"), None, None, {}, None),
        (("deployed", "false"), {"deployed": False}, None, {}, True),
        (("deployed", "false"), {"deployed": None}, None, {}, False),
        (("a.b", "present"), {"a": {"b": 0}}, None, {}, True),
        (("a.b", "present"), {"a": {"b": None}}, None, {}, False),
        (("a.b", "present"), {"a": [{"b": 1}]}, None, {}, False),
        (("", "absent"), None, None, {}, True),
        (("", "absent"), {"id": "x"}, None, {}, False),
        (("t.tpmPresent", "body:tpmPresent"), {"t": {"tpmPresent": True}}, {"tpmPresent": True}, {}, True),
        (("t.tpmPresent", "body:tpmPresent"), {"t": {"tpmPresent": True}}, {"tpmPresent": False}, {}, False),
        (("t.tpmPresent", "body:tpmPresent"), {"t": None}, {"tpmPresent": False}, {}, False),
        (("t.tpmPresent", "body:tpmPresent"), {"t": {"tpmPresent": True}}, {}, {}, None),
        (("t.tpmPresent", "body:tpmPresent"), {"t": {"tpmPresent": True}}, None, {}, None),
    ],
)
def test_probes(
    probe: tuple[str, str], document: Any, body: Any, parameters: dict[str, str], expected: bool | None
) -> None:
    assert probe_says(Probe("/vApp/{id}", *probe), document, body, parameters) is expected


@pytest.mark.parametrize(
    ("document", "key", "expected"),
    [
        (ENTRIES, "owner", False),
        (ENTRIES, "change%20ticket", False),
        (ENTRIES, "own", True),
        ({"metadataEntry": []}, "owner", True),
        ({"metadataEntry": None}, "owner", True),
        ({}, "owner", True),
        (None, "owner", None),
    ],
)
def test_the_list_of_metadata_shows_whether_a_key_is_gone(document: Any, key: str, expected: bool | None) -> None:
    """A list that is hidden (403) proves nothing about its elements."""
    assert probe_says(METADATA, document, None, {"id": "vm-1", "key": key}) is expected


def test_every_probe_of_the_catalogue_can_say_no() -> None:
    """A document in which nothing of it is true disproves it, or the proof would always succeed."""
    for operation in load().values():
        probe = operation.probe
        if probe is None:
            continue
        nothing: dict[str, Any] = {"status": -1, "deployed": None, "metadataEntry": [{"key": "k"}], "configuration": {}}
        parameters = {"id": "x", "key": "k", "associationId": "y"}
        body: dict[str, Any] = {"tpmPresent": True, "gatewayType": "full"}
        assert probe_says(probe, nothing, body, parameters) is False, operation.name


# --- operationKey -------------------------------------------------------------------------------------------------


def trace(**changes: Any) -> Trace:
    fields: dict[str, Any] = {
        "entity": None,
        "created_name": None,
        "user_name": "bridge",
        "since": datetime(2026, 1, 1, tzinfo=UTC),
        "operation_name": None,
        "foreign_names": (),
        "operation_key": "vb-1",
    }
    return Trace(**{**fields, **changes})


def task(uuid: str, **fields: Any) -> Task:
    document = empty_document()
    document.update({"id": f"urn:vcloud:task:{uuid}", **fields})  # type: ignore[typeddict-item]
    return Task(document)


OWNER = {"href": None, "id": None, "type": None, "name": "data"}


def test_our_operation_key_beats_all_that_only_look_alike() -> None:
    ours, alike = task("1", operationKey="vb-1"), task("2", owner=OWNER)
    assert narrowed([alike, ours], trace(created_name="data"), ()) == (ours,)
    assert narrowed([alike], trace(created_name="data"), ()) == (alike,)
    assert narrowed([ours], trace(created_name="data"), ("urn:vcloud:task:1",)) == ()


def test_the_key_of_another_request_of_a_bridge_is_not_ours_and_a_foreign_key_says_nothing() -> None:
    assert not could_be(task("1", owner=OWNER, operationKey="vb-2"), trace(created_name="data"))
    assert could_be(task("1", owner=OWNER, operationKey="ticket-7"), trace(created_name="data"))


def test_without_entity_name_or_key_no_task_is_taken_for_ours() -> None:
    assert not could_be(task("1", owner=OWNER), trace())
    assert not could_be(task("1"), trace())
    assert could_be(task("1", operationKey="vb-1"), trace())
