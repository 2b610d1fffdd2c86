"""JSON of VCD -> the bridge's core -> Avro event -> what a consumer reads: every field of TaskType arrives.

The fields come from VCD's own schema (``bridge.catalogue.types``), not from a list of the bridge's: a field that VMware
adds to it fails here until the event carries it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.avro.event_codec import AvroEventCodec
from bridge.avro.event_decoder import EventDecoder
from bridge.catalogue.types import Field, Primitive, load_types
from bridge.core.coordinates import Birth
from bridge.core.events import Change, StatusEvent
from bridge.vcd.documents.documents import read_body
from bridge.vcd.documents.wire import read_task

TYPES = load_types()
UUID = "8b9c6a0e-2c9f-4a6e-9c5a-3a4b2d1e0f99"
TASK_ID = f"urn:vcloud:task:{UUID}"
FIELDS = {field.key: field for field in TYPES["TaskType"].fields}

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
"""What is empty counts as absent in names and addresses: tests/vcd/test_wire.py."""
TIMES = st.integers(0, 2**42).map(lambda millis: datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=millis))


def json_time(at: datetime) -> str:
    """As VCD's JSON has it: milliseconds, an offset without a colon."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def values(field: Field) -> st.SearchStrategy[Any]:
    """Documents of a field by its type in VCD's schema."""
    # A type that only the generated classes have says "text" of times too.
    one = TIMES.map(json_time) if field.key in ("startTime", "endTime") else _by_type(field.type)
    return st.lists(one, min_size=1, max_size=2) if field.many else one


def _by_type(name: str) -> st.SearchStrategy[Any]:
    match TYPES.primitive(name):
        case Primitive.STRING:
            return TEXT
        case Primitive.BOOLEAN:
            return st.booleans()
        case Primitive.INTEGER:
            return st.integers(-(2**31) + 1, 2**31 - 1)
        case Primitive.DATE_TIME:
            return TIMES.map(json_time)
        case Primitive.ANY | Primitive.NUMBER:
            return st.dictionaries(TEXT, st.integers() | TEXT, min_size=1, max_size=2)
        case None:
            own = {field.key: values(field) for field in TYPES[name].fields if field.key not in SKIPPED}
            return st.fixed_dictionaries(own)


SKIPPED = {"vCloudExtension", "tasks"}
"""Extensions have a place of their own (``other``); Tasks within Tasks are references in the event."""


def document(draw: st.DrawFn) -> dict[str, Any]:
    found = {key: draw(values(field)) for key, field in FIELDS.items() if key not in SKIPPED}
    result = {"resultContent": draw(TEXT), "resultReference": draw(_by_type("ReferenceType"))}
    extension = [{"any": [draw(TEXT)], "required": True}]
    inside = {"href": f"https://vcd.example/api/task/{UUID}", "id": TASK_ID, "type": "x", "name": "task"}
    return found | {
        "id": TASK_ID, "result": result, "vCloudExtension": extension, "tasks": {"task": [inside]},
        "status": draw(st.sampled_from(["queued", "running", "postRunning", "success", "somethingNew"])),
    }  # fmt: skip


DOCUMENTS = st.composite(document)()


async def through_the_event(raw: dict[str, Any]) -> dict[str, Any]:
    """The Task in the event that a consumer decodes."""
    body = read_body("application/vnd.vmware.vcloud.task+json;version=39.1", json.dumps(raw).encode())
    assert body is not None
    task = read_task(body.content, "https://vcd.example")
    event = StatusEvent(
        birth=Birth("vcd.action-requests", 0, 7), sequence=1, lifecycle="action_request", change=Change.CHANGED,
        key=None, request_id="r", correlation_id=None, requested_by=None, catalogue_operation="deployVApp",
        task=task, observed_at=datetime(2026, 11, 27, tzinfo=UTC),
    )  # fmt: skip
    value, headers = AvroEventCodec("group").encode(event)
    decoded = await EventDecoder().decode(value, headers)
    found: dict[str, Any] = decoded["task"]
    return found


def _millis(text: str | None) -> int | None:
    return None if text is None else round(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() * 1000)


def _reference(value: dict[str, Any], *more: str) -> dict[str, Any]:
    return {name: value[name] for name in ("href", "id", "type", "name", *more)}


def _error(value: dict[str, Any]) -> dict[str, Any]:
    """All but the stack trace, which can hold what tenants must not see."""
    names = ("message", "majorErrorCode", "minorErrorCode", "vendorSpecificErrorCode")
    error = {name: value[name] for name in names}
    return error | {"tenantError": {name: value["tenantError"][name] for name in names}}


def told(key: str, raw: dict[str, Any]) -> Any:
    """What docs/records.md promises of a field."""
    value = raw[key]
    match key:
        case "startTime" | "endTime" | "expiryTime":
            return _millis(value)
        case "owner" | "user" | "organization":
            return _reference(value)
        case "link":
            return [_reference(one, "rel", "model") for one in value]
        case "error":
            return _error(value)
        case "params":
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        case "result":
            return {
                "resultContent": json.dumps(value["resultContent"], ensure_ascii=False),
                "resultReference": _reference(value["resultReference"]),
            }
        case "vcTaskList":
            times = ("startTime", "endTime")
            return [{n: _millis(v) if n in times else v for n, v in one.items()} for one in value["vcTask"]]
        case "tasks":
            return [_reference(one) for one in value["task"]]
        case _:
            return value


@given(raw=DOCUMENTS)
@settings(max_examples=60)
async def test_every_field_of_the_task_type_arrives(raw: dict[str, Any]) -> None:
    read = await through_the_event(raw)
    for key in FIELDS:
        if key != "vCloudExtension":
            assert read[key] == told(key, raw), key
    assert json.loads(read["other"]) == {"vCloudExtension": raw["vCloudExtension"]}
    assert set(read) - {"other"} == set(FIELDS) - {"vCloudExtension"}


@pytest.mark.parametrize("absent", [None, "missing"])
async def test_what_vcd_does_not_say_the_event_does_not_say(absent: str | None) -> None:
    """VCD sends absent values as null; older servers and XML leave them out."""
    nulls = dict.fromkeys(FIELDS) if absent is None else {}
    read = await through_the_event({**nulls, "id": TASK_ID, "name": "task", "status": "running"})
    given_anyway = {"id", "href", "name", "status"}
    assert {key: value for key, value in read.items() if value is not None and key not in given_anyway} == {}
