"""Status events out and back: both framings, headers, what VCD sends against its own schema, cutting to size."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_reader
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.avro.event_codec import AvroEventCodec
from bridge.avro.event_decoder import EventDecoder, EventUndecodableError, to_json
from bridge.avro.framing import registry_prefix, single_object_prefix
from bridge.avro.schemas import load
from bridge.avro.shrinking import DROPPED
from bridge.core.coordinates import Birth
from bridge.core.events import Change, Outcome, Reason, StatusEvent
from bridge.core.task import Task, empty_document
from bridge.core.times import to_millis
from tests.avro.documents import EVENTS
from tests.avro.test_request_codec import Shelf

CODEC = AvroEventCodec("vcd-bridge")
SCHEMA = load("task-status-event")
DECODER = EventDecoder()
NOW = datetime(2026, 1, 31, 17, 0, 0, 123000, UTC)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


NO_REFERENCE = dict.fromkeys(("href", "id", "type", "name"))
NO_ERROR = dict.fromkeys(("message", "majorErrorCode", "minorErrorCode", "vendorSpecificErrorCode", "tenantError"))


def event(**changes: Any) -> StatusEvent:
    plain = StatusEvent(
        birth=Birth("vcd.action-requests", 3, 7), sequence=2, lifecycle="action_request", key=b"r-1", request_id="r-1",
        correlation_id=None, requested_by=None, catalogue_operation="deployVApp", change=Change.CHANGED,
        observed_at=NOW,
    )  # fmt: skip
    return replace(plain, **changes)


def task(**members: Any) -> Task:
    document: Any = {**empty_document(), "id": "urn:vcloud:task:1", **members}
    return Task(document)


def expected(one: StatusEvent) -> dict[str, Any]:
    """The event by the names of its schema, told independently of the codec."""
    reason = one.reason
    return {
        "event_id": f"{one.birth.topic}/{one.birth.partition}/{one.birth.offset}#{one.sequence}",
        "sequence": one.sequence,
        "birth": f"{one.birth.topic}/{one.birth.partition}/{one.birth.offset}",
        "change": one.change.value,
        "final": one.outcome is not None,
        "outcome": None if one.outcome is None else one.outcome.value,
        "reason": None if reason is None else {"code": reason.code, "message": reason.message, "field": reason.field},
        "evidence": list(one.evidence),
        "observed_at": to_millis(one.observed_at),
        "task": None if one.task is None else one.task.document,
        **{
            name: getattr(one, name)
            for name in (
                "lifecycle", "request_id", "external_key", "correlation_id", "requested_by", "catalogue_operation",
                "vcd_error", "http_status", "vcd_request_id", "previous_status", "truncated",
            )
        },
    }  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(EVENTS)
async def test_every_event_comes_back_as_it_was(one: StatusEvent) -> None:
    value, headers = CODEC.encode(one)
    assert await DECODER.decode(value, headers) == expected(one)
    assert json.dumps(to_json(await DECODER.decode(value)), allow_nan=False)


def test_single_object_encoding_without_a_registry() -> None:
    value, _ = CODEC.encode(event())
    assert value.startswith(b"\xc3\x01" + SCHEMA.fingerprint)
    document: Any = schemaless_reader(BytesIO(value[10:]), SCHEMA.parsed, None)
    assert document["observed_at"] == NOW


async def test_registry_framing_with_a_registry() -> None:
    value, headers = AvroEventCodec("vcd-bridge", schema_id=258).encode(event())
    assert value.startswith(b"\x00\x00\x00\x01\x02")
    shelf = Shelf()
    shelf.schemas[258] = SCHEMA.text
    assert await EventDecoder(shelf).decode(value, headers) == expected(event())
    assert await EventDecoder().decode(value, headers) == expected(event()), (
        "without a registry our own schema is tried"
    )


def test_headers_of_a_full_event() -> None:
    full = event(
        correlation_id="INC1", outcome=Outcome.SUCCESS, change=Change.FINISHED, task=task(status="success"),
        traceparent=TRACE, request_id="größe", vcd_request_id="of-vcd",
    )  # fmt: skip
    _, headers = AvroEventCodec("a group").encode(full)
    assert dict(headers) == {
        "content-type": b"application/avro",
        "ce_specversion": b"1.0",
        "ce_id": b"vcd.action-requests/3/7#2",
        "ce_source": b"vcd-bridge/a%20group",
        "ce_type": b"vcdbridge.v1.TaskStatusEvent",
        "ce_subject": "größe".encode(),
        "ce_time": b"2026-01-31T17:00:00.123Z",
        "traceparent": TRACE.encode(),
        "vcd_request_id": "größe".encode(),
        "vcd_correlation_id": b"INC1",
        "vcd_change": b"finished",
        "vcd_status": b"success",
        "vcd_outcome": b"success",
        "vcd_operation": b"deployVApp",
    }
    assert len(headers) == len(dict(headers))


def test_headers_that_would_be_null_are_absent() -> None:
    names = {name for name, _ in CODEC.encode(event(request_id=None, catalogue_operation=None))[1]}
    assert names == {"content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "vcd_change"}


@pytest.mark.parametrize(("wanted", "told"), [(True, b"true"), (False, None), (None, None), ("yes", None)])
def test_a_cancel_that_somebody_asked_for_is_told_in_a_header(wanted: object, told: bytes | None) -> None:
    """Whoever does the work of an external task need not decode Avro to stop it."""
    headers = dict(CODEC.encode(event(task=task(status="running", cancelRequested=wanted)))[1])
    assert headers.get("vcd_cancel_requested") == told


BUSY = {**NO_ERROR, "minorErrorCode": "BUSY_ENTITY"}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"reason": Reason("repeat", "m"), "vcd_error": BUSY}, b"repeat"),
        ({"vcd_error": BUSY, "task": task(error={**BUSY, "minorErrorCode": "OTHER"})}, b"BUSY_ENTITY"),
        ({"task": task(error=BUSY)}, b"BUSY_ENTITY"),
        ({"task": task(error=NO_ERROR)}, None),
        ({"task": task(error="broken")}, None),
        ({"task": task(error={"minorErrorCode": 7})}, None),
        ({}, None),
    ],
)
def test_the_reason_for_a_ticket_is_told_in_a_header(members: dict[str, Any], told: bytes | None) -> None:
    assert dict(CODEC.encode(event(**members))[1]).get("vcd_reason") == told


def test_an_empty_text_is_not_null_but_no_subject() -> None:
    headers = dict(CODEC.encode(event(request_id=None, correlation_id="", task=task(id=None)))[1])
    assert headers["vcd_correlation_id"] == b""
    assert "ce_subject" not in headers


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"progress": "50"}, {"progress": None}),
        ({"progress": 2**31}, {"progress": None}),
        ({"progress": 50.0}, {"progress": None}),
        ({"startTime": 2**70}, {"startTime": None}),
        ({"name": 5}, {"name": "5"}),
        ({"details": "\ud800"}, {"details": "?"}),
        ({"owner": "x"}, {"owner": None}),
        ({"owner": {"href": "h"}}, {"owner": {**NO_REFERENCE, "href": "h"}}),
        ({"cancelRequested": "yes"}, {"cancelRequested": None}),
        ({"error": {"message": "m", "majorErrorCode": ""}}, {"error": {**NO_ERROR, "message": "m"}}),
        ({"params": {"a": 1}}, {"params": '{"a": 1}'}),
        ({"link": [None, {"rel": "up"}, "x"]}, {"link": [{**NO_REFERENCE, "rel": "up", "model": None}]}),
    ],
)  # fmt: skip
async def test_what_vcd_sends_against_its_own_schema_never_stops_the_story(members: dict[str, Any], told: Any) -> None:
    value, headers = CODEC.encode(event(task=task(**members)))
    document = (await DECODER.decode(value, headers))["task"]
    assert document["id"] == "urn:vcloud:task:1"
    assert {name: document[name] for name in told} == told


async def test_a_task_document_with_a_member_missing_is_published() -> None:
    value, headers = CODEC.encode(event(task=Task({"id": "urn:vcloud:task:1", "status": "running"})))  # type: ignore[typeddict-item]
    assert (await DECODER.decode(value, headers))["task"]["progress"] is None


# --- cutting to size ----------------------------------------------------------------------------------------------

LIMIT = 64 * 1024
HUGE = st.integers(0, 400_000).map(lambda size: "ü" * size)


@settings(max_examples=25, deadline=None)
@given(EVENTS, HUGE)
async def test_a_shrunk_event_is_small_and_says_so(one: StatusEvent, text: str) -> None:
    large = replace(
        one,
        correlation_id=text,
        evidence=(text,) * 40,
        reason=Reason(text, text, text),
        vcd_error=_filled(one.vcd_error, text),
        task=Task(_filled(one.task.document, text)) if one.task is not None else None,
        previous_status=text,
    )
    value, headers = CODEC.encode(CODEC.shrink(large))
    assert len(value) + sum(len(name) + len(told or b"") for name, told in headers) <= LIMIT
    document = await DECODER.decode(value, headers)
    assert document["truncated"] is True
    same = ("event_id", "sequence", "birth", "change", "final", "outcome", "observed_at", "request_id")
    assert {name: document[name] for name in same} == {name: expected(one)[name] for name in same}


def _filled(document: Any, text: str) -> Any:
    """The document with every text in it made huge."""
    if isinstance(document, dict):
        return {name: _filled(value, text) for name, value in document.items()}
    if isinstance(document, list):
        return [_filled(value, text) for value in document] * 50
    return text if isinstance(document, str) else document


def test_shrinking_drops_free_content_and_cuts_long_texts_only() -> None:
    full = task(status="running", details="d" * 5000, name="short", **dict.fromkeys(DROPPED, "free"))
    small = CODEC.shrink(event(task=full)).task
    assert small is not None
    assert [small.document[name] for name in DROPPED] == [None] * len(DROPPED)  # type: ignore[literal-required]
    assert (small.id, small.status, small.document["name"]) == (full.id, "running", "short")
    assert small.document["details"] == "d" * 1021 + "…"


# --- reading back -------------------------------------------------------------------------------------------------


async def test_values_that_are_no_events() -> None:
    good, _ = CODEC.encode(event())
    for value in (None, b"", b"{}", good[:-1], good + b"x", b"\xc3\x0112345678", b"\x00\x00\x00\x00\x07x", b"\x00"):
        with pytest.raises(EventUndecodableError):
            await DECODER.decode(value)


async def test_an_id_that_the_registry_does_not_know() -> None:
    with pytest.raises(EventUndecodableError, match="does not know it"):
        await EventDecoder(Shelf()).decode(registry_prefix(9) + b"x")


async def test_json_form_has_rfc_3339_times_and_keeps_numbers() -> None:
    one = event(http_status=202, task=task(startTime=1000, progress=7, vcTaskList=[], link=[]))
    document = to_json(await DECODER.decode(*CODEC.encode(one)))
    assert document["observed_at"] == "2026-01-31T17:00:00.123Z"
    assert (document["task"]["startTime"], document["task"]["progress"]) == ("1970-01-01T00:00:01.000Z", 7)
    assert document["http_status"] == 202


def test_the_prefix_is_that_of_the_present_schema() -> None:
    assert CODEC.encode(event())[0][:10] == single_object_prefix(SCHEMA.fingerprint)
