"""What an entity's state says about a call whose answer was lost."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.catalogue.load import load
from bridge.catalogue.operation import Operation
from bridge.catalogue.probes import Probe
from bridge.core.proof import probe_says

STATUS = Probe("/vApp/{id}", "status", ("4",), ("3", "8"))
OFF = Probe("/vApp/{id}", "status", ("8", "20"), ())
FLAG = Probe("/vApp/{id}", "deployed", ("false",), ("true",))
DELETED = Probe("/vApp/{id}", "", ("absent",), ("present",))
TPM = Probe("/vApp/{id}", "t.tpmPresent", ("body:tpmPresent",), ("false",))
SIZE = Probe("/edge/{id}", "c.size", ("body:gatewayType",), ("other",))
TASK = Probe("/task/{id}", "status", ("body:status",), ('"queued"', '"running"'))


@pytest.mark.parametrize(
    ("probe", "document", "body", "expected"),
    [
        # A value that proves, one that disproves, one that does neither.
        (STATUS, {"status": 4}, None, True),
        (STATUS, {"status": 8}, None, False),
        (STATUS, {"status": 20}, None, None),
        (OFF, {"status": 20}, None, True),
        (OFF, {"status": 8}, None, True),
        (OFF, {"status": 4}, None, None),
        (FLAG, {"deployed": False}, None, True),
        (FLAG, {"deployed": True}, None, False),
        # Missing, null, of another type: it says nothing.
        (STATUS, {}, None, None),
        (STATUS, {"status": None}, None, None),
        (STATUS, {"status": True}, None, None),
        (STATUS, {"status": "POWERED_OFF"}, None, None),
        (STATUS, {"status": [8]}, None, None),
        (STATUS, {"status": {"value": 8}}, None, None),
        (STATUS, None, None, None),
        (FLAG, {"deployed": None}, None, None),
        (FLAG, {"deployed": "maybe"}, None, None),
        (FLAG, {"deployed": 1}, None, None),
        # XML writes everything as text.
        (STATUS, {"status": "4"}, None, True),
        (STATUS, {"status": " 8 "}, None, False),
        (FLAG, {"deployed": "false"}, None, True),
        (FLAG, {"deployed": "TRUE"}, None, False),
        # The entity itself: 403 and 404 are its absence.
        (DELETED, None, None, True),
        (DELETED, {}, None, False),
        (Probe("/site/{id}", "", ("absent",), ()), {"id": "x"}, None, None),
        # What the request asked for.
        (TPM, {"t": {"tpmPresent": True}}, {"tpmPresent": True}, True),
        (TPM, {"t": {"tpmPresent": "true"}}, {"tpmPresent": True}, True),
        (TPM, {"t": {"tpmPresent": True}}, {"tpmPresent": "true"}, True),
        (TPM, {"t": {"tpmPresent": False}}, {"tpmPresent": True}, False),
        (TPM, {"t": {"tpmPresent": True}}, {"tpmPresent": False}, None),
        (TPM, {"t": None}, {"tpmPresent": True}, None),
        (TPM, {"t": {"tpmPresent": True}}, {}, None),
        (TPM, {"t": {"tpmPresent": True}}, None, None),
        (SIZE, {"c": {"size": "full"}}, {"gatewayType": "full"}, True),
        (SIZE, {"c": {"size": "FULL"}}, {"gatewayType": "full"}, True),
        (SIZE, {"c": {"size": "compact"}}, {"gatewayType": "full"}, False),
        (SIZE, {"c": {"size": 4}}, {"gatewayType": "full"}, None),
        (SIZE, {"c": {"size": "compact"}}, {"gatewayType": ["full"]}, None),
        (SIZE, {"c": {"size": None}}, {"gatewayType": "full"}, None),
        (SIZE, {"c": {"size": "compact"}}, {}, None),
        (TASK, {"status": "success"}, {"status": "success"}, True),
        (TASK, {"status": "running"}, {"status": "success"}, False),
        (TASK, {"status": "aborted"}, {"status": "success"}, None),
    ],
)  # fmt: skip
def test_a_probe_tells_only_what_is_there_to_be_read(probe: Probe, document: Any, body: Any, expected: Any) -> None:
    assert probe_says(probe, document, body, {}) is expected


METADATA = Probe("/vApp/{id}/metadata", "metadataEntry[key={key}]", ("absent",), ("present",))
ENTRIES = {"metadataEntry": [{"key": "owner"}, {"key": "change ticket"}]}


@pytest.mark.parametrize(
    ("document", "key", "expected"),
    [
        (ENTRIES, "owner", False),
        (ENTRIES, "change%20ticket", False),
        (ENTRIES, "own", True),
        (ENTRIES, "Owner", True),
        ({"metadataEntry": {"key": "owner"}}, "owner", False),
        ({"metadataEntry": {"key": "owner"}}, "other", True),
        ({"metadataEntry": []}, "owner", True),
        # No list, or one with an entry that cannot be read: it may hide the key.
        ({"metadataEntry": None}, "owner", None),
        ({}, "owner", None),
        ({"metadataEntry": "owner"}, "owner", None),
        ({"metadataEntry": [{"key": "a"}, "odd"]}, "owner", None),
        ({"metadataEntry": [{"key": None}]}, "owner", None),
        ({"metadataEntry": [{"key": None}, {"key": "owner"}]}, "owner", False),
        (None, "owner", None),
    ],
)
def test_a_list_shows_whether_an_element_is_there(document: Any, key: str, expected: bool | None) -> None:
    """A list that is hidden (403) proves nothing about its elements."""
    assert probe_says(METADATA, document, None, {"id": "vm-1", "key": key}) is expected


DISKS = Probe("/vdc/{id}", "entities.entity[name=body:disk.name]", (), ("absent",))


@pytest.mark.parametrize(
    ("document", "body", "expected"),
    [
        ({"entities": {"entity": [{"name": "data"}]}}, {"disk": {"name": "data"}}, None),
        ({"entities": {"entity": {"name": "data"}}}, {"disk": {"name": "logs"}}, False),
        ({"entities": {"entity": []}}, {"disk": {"name": "data"}}, False),
        ({"entities": None}, {"disk": {"name": "data"}}, None),
        ({"entities": {"entity": []}}, {"disk": {}}, None),
        ({"entities": {"entity": []}}, None, None),
        (None, {"disk": {"name": "data"}}, None),
    ],
)
def test_only_the_absence_of_a_new_entity_says_something(document: Any, body: Any, expected: bool | None) -> None:
    assert probe_says(DISKS, document, body, {"id": "x"}) is expected


def test_a_field_below_an_element() -> None:
    probe = Probe("/x", "list[key={key}].value", ("1",), ("2",))
    document: Any = {"list": [{"key": "a", "value": 1}, {"key": "b", "value": 2}, {"key": "c"}]}
    said = {key: probe_says(probe, document, None, {"key": key}) for key in "abcd"}
    assert said == {"a": True, "b": False, "c": None, "d": None}, "an element that is not there has no value"


PROBED = [operation for operation in load().values() if operation.probe is not None]
PARAMETERS = {"id": "x", "key": "k", "associationId": "y"}
BODY: dict[str, Any] = {
    "tpmPresent": True, "gatewayType": "full", "status": "success", "name": "n", "disk": {"name": "n"},
}  # fmt: skip


@pytest.mark.parametrize("operation", PROBED, ids=lambda operation: operation.name)
def test_no_probe_of_the_catalogue_takes_an_empty_document_for_an_answer(operation: Operation) -> None:
    """Neither does one that is not shown, unless the entity itself was to be removed."""
    probe = operation.probe
    assert probe is not None
    if probe.field:
        assert probe_says(probe, {}, BODY, PARAMETERS) is None
        assert probe_says(probe, None, BODY, PARAMETERS) is None
    else:
        assert probe_says(probe, None, None, PARAMETERS) is True
        assert probe_says(probe, {}, None, PARAMETERS) is (False if probe.disproved_by else None)


POWER: dict[str, dict[int, bool | None]] = {
    "powerOnVApp": {3: False, 4: True, 8: False, 10: None, 20: False},
    "powerOffVApp": {3: None, 4: None, 8: True, 10: None, 20: True},
    "shutdownVApp": {3: None, 4: False, 8: True, 10: None, 20: True},
    "suspendVApp": {3: True, 4: False, 8: None, 10: None, 20: None},
}
"""3 SUSPENDED, 4 POWERED_ON, 8 POWERED_OFF, 10 MIXED, 20 PARTIALLY_POWERED_OFF: off, and still deployed."""


@pytest.mark.parametrize("name", POWER)
def test_power_states(name: str) -> None:
    probe = load()[name].probe
    assert probe is not None
    assert {status: probe_says(probe, {"status": status}, None, {}) for status in POWER[name]} == POWER[name]
