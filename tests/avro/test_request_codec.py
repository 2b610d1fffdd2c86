"""Action requests from JSON, nested and flat, and from Avro in both framings; what is refused and how it is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_writer
from fastavro.schema import parse_schema
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.avro.framing import registry_prefix, single_object_prefix
from bridge.avro.request_codec import AvroRequestCodec
from bridge.avro.request_document import CODES
from bridge.avro.schemas import load
from bridge.core.requests import ActionRequest, Malformed, RequestKind, Resolution, SchemaUnavailable, Undecodable
from bridge.ports import Headers
from tests.avro.documents import JSON_OBJECTS, REQUEST_IDS, TEXT, TIMES, delivery, json_delivery

CODEC = AvroRequestCodec()
MINIMAL = {"request_id": "r-1", "operation": "deployVApp"}
RESOLVE = {"kind": "resolve", "target_request_id": "x"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CE: Headers = (("ce_source", b"/servicenow"), ("ce_id", b"INC1"))


class Shelf:
    """Schemas by id, as a registry client knows them."""

    def __init__(self) -> None:
        self.schemas: dict[int, str] = {}
        self.learnt: dict[int, str] = {}
        self.reachable = True

    def known(self, schema_id: int) -> str | None:
        return self.learnt.get(schema_id)

    def refused(self, schema_id: int) -> str | None:
        return "the registry does not know it" if self.reachable and schema_id not in self.schemas else None

    async def learn(self, schema_id: int) -> None:
        if self.reachable and schema_id in self.schemas:
            self.learnt[schema_id] = self.schemas[schema_id]


def request(document: Any, headers: Headers = ()) -> ActionRequest:
    decoded = CODEC.decode(json_delivery(document, headers))
    assert isinstance(decoded, ActionRequest), decoded
    return decoded


def malformed(document: Any, headers: Headers = ()) -> Malformed:
    value = document if isinstance(document, bytes) else json.dumps(document).encode()
    decoded = CODEC.decode(delivery(value, headers))
    assert isinstance(decoded, Malformed), decoded
    assert decoded.code in CODES
    return decoded


def undecodable(value: bytes | None, headers: Headers = (), codec: AvroRequestCodec = CODEC) -> Undecodable:
    decoded = codec.decode(delivery(value, headers))
    assert isinstance(decoded, Undecodable), decoded
    return decoded


def avro(document: dict[str, Any], schema: Any = None) -> bytes:
    stream = BytesIO()
    schemaless_writer(stream, load("action-request").parsed if schema is None else parse_schema(schema), document)
    return stream.getvalue()


def framed(document: dict[str, Any]) -> bytes:
    return single_object_prefix(load("action-request").fingerprint) + avro(document)


# --- what is taken ------------------------------------------------------------------------------------------------


def test_everything_of_a_nested_record() -> None:
    document = {
        "kind": "request", "request_id": "r-1", "operation": "deployVApp", "parameters": {"id": "vapp-1"},
        "query": {"force": "true"}, "body": {"powerOn": True, "list": [1, {"a": None}]}, "organization": "acme",
        "correlation_id": "INC1", "requested_by": "ann", "start_by": "2026-01-31T18:00:00.5+01:00",
        "watch_until": 1769880600000,
    }  # fmt: skip
    assert request(document, (("traceparent", TRACE.encode()),)) == ActionRequest(
        request_id="r-1", operation="deployVApp", parameters={"id": "vapp-1"}, query={"force": "true"},
        body={"powerOn": True, "list": [1, {"a": None}]}, organization="acme", correlation_id="INC1",
        requested_by="ann", start_by=datetime(2026, 1, 31, 17, 0, 0, 500000, UTC),
        watch_until=datetime(2026, 1, 31, 17, 30, tzinfo=UTC), traceparent=TRACE,
    )  # fmt: skip


def test_flat_means_nested() -> None:
    flat = {
        **MINIMAL, "parameters.id": "vapp-1", "query.filter": "name==a.b", "query.a.b": "c", "body.powerOn": True,
        "body.deploy.leaseSeconds": 10, "body.deploy.note": None, "start_by": "1769880600000",
    }  # fmt: skip
    nested = {
        **MINIMAL, "parameters": {"id": "vapp-1"}, "query": {"filter": "name==a.b", "a.b": "c"},
        "body": {"powerOn": True, "deploy": {"leaseSeconds": 10, "note": None}}, "start_by": 1769880600000,
    }  # fmt: skip
    assert request(flat) == request(nested)


def test_flat_and_nested_complete_each_other() -> None:
    mixed = {
        **MINIMAL,
        "body": {"a": {"x": 1}, "b.c": 0},
        "body.a.y": 2,
        "parameters": {"id": "1"},
        "parameters.id": "1",
    }
    assert request(mixed).body == {"a": {"x": 1, "y": 2}, "b.c": 0}
    assert request({**MINIMAL, "body": None, "body.a": 1}).body == {"a": 1}


def test_flat_body_can_be_json_text_because_flat_json_has_no_lists() -> None:
    assert request({**MINIMAL, "body": '{"vms": [1, 2]}', "body.name": "x"}).body == {"vms": [1, 2], "name": "x"}


def test_flat_scalars_are_not_coerced() -> None:
    body = {"a": "true", "b": "1", "c": 1, "d": 1.5, "e": True}
    assert request({**MINIMAL, **{f"body.{name}": value for name, value in body.items()}}).body == body


def test_null_means_absent() -> None:
    names = ("kind", "parameters", "query", "body", "organization", "correlation_id", "start_by", "resolution")
    assert request({**MINIMAL, **dict.fromkeys(names)}) == request(MINIMAL)


@pytest.mark.parametrize(
    "nulls",
    [
        {"parameters.other": None, "query.force": None},
        {"parameters": {"id": "1", "other": None}, "query": {"force": None}},
        {"parameters": {"id": "1"}, "parameters.id": None},
        {"parameters": {"id": None}, "parameters.id": "1"},
    ],
)
def test_a_null_parameter_is_none_in_every_form(nulls: dict[str, Any]) -> None:
    assert request({**MINIMAL, "parameters.id": "1", **nulls}) == request({**MINIMAL, "parameters": {"id": "1"}})


def test_a_null_in_a_body_is_a_value() -> None:
    assert request({**MINIMAL, "body.powerOn": None}).body == {"powerOn": None}
    assert malformed({**MINIMAL, "body": {"a": 1}, "body.a": None}).code == "conflicting_field"


def test_a_byte_order_mark_is_passed_over() -> None:
    decoded = CODEC.decode(delivery(b"\xef\xbb\xbf" + json.dumps(MINIMAL).encode()))
    assert isinstance(decoded, ActionRequest)


def test_extensions_are_passed_over() -> None:
    assert request({**MINIMAL, "x_sys_id": 1, "x-team": {"a": 1}}) == request(MINIMAL)
    assert request({**MINIMAL, "x_snow.sys_id": "a", "X-Team.lead.name": None, "x_.": {}}) == request(MINIMAL)


def test_controls() -> None:
    cancel = request({"kind": "cancel", "target_request_id": "r-1"})
    assert (cancel.kind, cancel.target_request_id, cancel.request_id) == (RequestKind.CANCEL, "r-1", None)
    assert request({"kind": "retry", "target_request_id": "r-1", "request_id": "x"}).request_id == "x"
    flat = {"kind": "resolve", "target_request_id": "r-1", "resolution.outcome": "success", "resolution.reason": "seen"}
    assert request(flat).resolution == Resolution(outcome="success", reason="seen")
    nested = {
        "kind": "resolve",
        "target_request_id": "r-1",
        "resolution": {"task_href": "https://x", "decided_by": "a"},
    }
    assert request(nested).resolution == Resolution(task_href="https://x", decided_by="a")


def test_request_id_from_the_cloudevent() -> None:
    assert request({"operation": "x"}, CE).request_id == '["/servicenow","INC1"]'
    assert request(MINIMAL, CE).request_id == "r-1"


@given(st.tuples(TEXT, TEXT), st.tuples(TEXT, TEXT))
def test_cloudevent_ids_are_joined_injectively(one: tuple[str, str], other: tuple[str, str]) -> None:
    def joined(pair: tuple[str, str]) -> object:
        headers = (("ce_source", pair[0].encode()), ("ce_id", pair[1].encode()))
        decoded = CODEC.decode(json_delivery({"operation": "x"}, headers))
        return decoded.request_id if isinstance(decoded, ActionRequest) else pair

    assert (joined(one) == joined(other)) == (one == other)


@pytest.mark.parametrize(
    "text",
    [
        TRACE.replace("00-", "ff-", 1), TRACE + "-extra", TRACE.upper(), TRACE[:-1], "", "x",
        "00-" + "0" * 32 + TRACE[35:], TRACE[:36] + "0" * 16 + "-01", TRACE + "\n",
    ],
)  # fmt: skip
def test_an_invalid_traceparent_is_left_out(text: str) -> None:
    assert request(MINIMAL, (("traceparent", text.encode()),)).traceparent is None


def test_a_later_version_of_traceparent_is_carried() -> None:
    later = "01" + TRACE[2:] + "-more"
    assert request(MINIMAL, (("traceparent", later.encode()),)).traceparent == later


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-31T17:00:00Z", datetime(2026, 1, 31, 17, tzinfo=UTC)),
        ("2026-01-31t17:00:00z", datetime(2026, 1, 31, 17, tzinfo=UTC)),
        ("2026-01-31T17:00:00.1239999999+00:00", datetime(2026, 1, 31, 17, 0, 0, 123000, UTC)),
        ("2026-01-31 19:30:00+02:30", datetime(2026, 1, 31, 17, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1500.0, datetime(1970, 1, 1, 0, 0, 1, 500000, UTC)),
        (-1, datetime(1970, 1, 1, tzinfo=UTC) - timedelta(milliseconds=1)),
    ],
)
def test_times(value: Any, expected: datetime) -> None:
    assert request({**MINIMAL, "start_by": value}).start_by == expected


# --- what is refused, and how it is told --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"operation": None}, "missing_field", "operation"),
        ({"operation": ""}, "missing_field", "operation"),
        ({"operation": 5}, "invalid_type", "operation"),
        ({"request_id": None}, "missing_request_id", "request_id"),
        ({"request_id": ""}, "invalid_request_id", "request_id"),
        ({"request_id": "a\nb"}, "invalid_request_id", "request_id"),
        ({"request_id": "x" * 257}, "invalid_request_id", "request_id"),
        ({"kind": "Cancel"}, "unknown_kind", "kind"),
        ({"kind": 1}, "invalid_type", "kind"),
        ({"parameters": []}, "invalid_type", "parameters"),
        ({"parameters": {"id": 1}}, "invalid_type", "parameters.id"),
        ({"parameters.id": True}, "invalid_type", "parameters.id"),
        ({"body": []}, "invalid_type", "body"),
        ({"body": "text"}, "invalid_type", "body"),
        ({"body": "[1]"}, "invalid_type", "body"),
        ({"body.a": [1]}, "invalid_type", "body.a"),
        ({"correlation_id": 7}, "invalid_type", "correlation_id"),
        ({"organization": "o" * 1025}, "too_long", "organization"),
        ({"start_by": True}, "invalid_type", "start_by"),
        ({"start_by": {}}, "invalid_type", "start_by"),
        ({"start_by": "2026-01-31T17:00:00"}, "invalid_time", "start_by"),
        ({"start_by": "tomorrow"}, "invalid_time", "start_by"),
        ({"start_by": "2026-02-30T17:00:00Z"}, "invalid_time", "start_by"),
        ({"start_by": 10**17}, "invalid_time", "start_by"),
        ({"watch_until": "0001-01-01T00:00:00+14:00"}, "invalid_time", "watch_until"),
        ({"watch_until": 1.5}, "invalid_type", "watch_until"),
        ({"star_by": 1}, "unknown_field", "star_by"),
        ({"request_id.x": 1}, "unknown_field", "request_id.x"),
        ({"body..a": 1}, "unknown_field", "body..a"),
        ({"parameters.": "x"}, "unknown_field", "parameters."),
        ({"parameters": {"id": "a"}, "parameters.id": "b"}, "conflicting_field", "parameters.id"),
        ({"body": {"a": 1}, "body.a": True}, "conflicting_field", "body.a"),
        ({"body.a": 1, "body.a.b": 1}, "conflicting_field", "body.a.b"),
        ({"parameters": "x", "parameters.id": "b"}, "conflicting_field", "parameters.id"),
        ({"body." + "a." * 40 + "b": 1}, "too_deep", None),
        ({"target_request_id": "r-0"}, "unexpected_field", "target_request_id"),
        ({"resolution": {}}, "unexpected_field", "resolution"),
        ({"kind": "cancel"}, "missing_field", "target_request_id"),
        (RESOLVE, "missing_field", "resolution"),
        ({**RESOLVE, "resolution": {"reason": "y"}}, "missing_field", "resolution"),
        ({**RESOLVE, "resolution.outcome": "done"}, "invalid_value", "resolution.outcome"),
        ({**RESOLVE, "resolution.outcom": "error"}, "unknown_field", "resolution.outcom"),
        ({**RESOLVE, "resolution.outcome": "error", "resolution.task_href": "h"}, "conflicting_field",
         "resolution.task_href"),
    ],
)  # fmt: skip
def test_refused_with_what_could_be_read(change: dict[str, Any], code: str, field: str | None) -> None:
    told = malformed({**MINIMAL, "correlation_id": "INC1", "requested_by": "ann", **change})
    assert told.code == code
    if field is not None:
        assert told.field == field
        assert field.rpartition(".")[2].rstrip(".") in told.message or field in told.message
    if "correlation_id" not in change:
        assert told.correlation_id == "INC1"
    if "request_id" not in change:
        assert told.request_id == "r-1"
    assert told.requested_by == "ann"


def test_a_misspelt_name_is_told_the_nearest() -> None:
    assert "did you mean start_by?" in malformed({**MINIMAL, "startBy": 1}).message
    message = malformed({"kind": "resolve", "target_request_id": "x", "resolution": {"outcom": "error"}}).message
    assert "did you mean resolution.outcome?" in message


def test_a_number_for_a_text_is_told_to_be_quoted() -> None:
    assert malformed({**MINIMAL, "parameters": {"id": 1}}).message == (
        "parameters.id must be a string, not a number; put it in quotes"
    )


def test_a_name_given_twice_is_refused() -> None:
    told = malformed(b'{"request_id":"r-1","operation":"x","correlation_id":"c","body":{"a":1,"a":2}}')
    assert (told.code, told.field, told.correlation_id, told.request_id) == ("duplicate_field", "a", "c", "r-1")


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 5000, b"9" * 309, b"-" + b"9" * 309])
def test_numbers_beyond_a_double(number: bytes) -> None:
    told = malformed(b'{"request_id":"r-1","operation":"x","body":{"a":' + number + b"}}")
    assert (told.code, told.request_id) == ("invalid_number", "r-1")


@pytest.mark.parametrize("digits", ["9" * 308, "1" + "0" * 308, "-1" + "0" * 308])
def test_a_large_number_that_is_a_double_is_taken(digits: str) -> None:
    assert request({**MINIMAL, "body": {"a": int(digits)}}).body == {"a": int(digits)}


def test_half_a_surrogate_pair() -> None:
    for document in (
        {**MINIMAL, "body": {"a": "\ud800"}},
        {**MINIMAL, "parameters": {"\udfff": "x"}},
        {**MINIMAL, "\ud800": 1},
        {"request_id": "\ud800", "operation": "x"},
        {**MINIMAL, "kind": "\ud800"},
        {**MINIMAL, "body": '{"a": "\\ud800"}'},
    ):
        told = malformed(document)
        assert told.code == "invalid_text"
        for text in (told.message, told.field, told.request_id):
            assert text is None or text.encode()
    assert request({**MINIMAL, "body": {"a": "\U0001f600"}}).body == {"a": "\U0001f600"}


def test_nested_too_deeply() -> None:
    def deep(levels: int) -> bytes:
        return b'{"request_id":"r-1","operation":"x","body":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"

    assert isinstance(CODEC.decode(delivery(deep(63))), ActionRequest)
    assert malformed(deep(64)).code == "too_deep"
    assert malformed(deep(64)).request_id == "r-1"
    assert "deeply" in undecodable(deep(100_000)).message
    assert malformed({**MINIMAL, "body": "[" * 70 + "]" * 70}).code == "too_deep"


def test_a_structured_cloudevent_is_told_to_come_in_binary_mode() -> None:
    headers = (("content-type", b"application/cloudevents+json"),)
    told = malformed({"specversion": "1.0", "id": "1", "data": {}}, headers)
    assert told.code == "structured_event"
    assert "binary mode" in told.message


def test_ids_of_a_cloudevent_that_cannot_be_a_request_id() -> None:
    long = (("ce_source", b"s" * 250), ("ce_id", b"INC1"))
    assert malformed({"operation": "x", "correlation_id": "c"}, long).code == "invalid_request_id"
    assert request({"kind": "cancel", "target_request_id": "r"}, long).request_id is None


# --- what nobody can be answered about ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "error_class"),
    [
        (None, "EmptyValue"),
        (b"", "EmptyValue"),
        (b"[]", "NotAnObject"),
        (b"null", "NotAnObject"),
        (b'"text"', "NotAnObject"),
        (b"{", "NotJson"),
        (b"{}{}", "NotJson"),
        (b'{"a": NaN}', "NotJson"),
        (b'{"request_id": "\xff"}', "NotJson"),
        ('{"request_id": "r"}'.encode("utf-16"), "NotJson"),
        (b"hello", "NotJson"),
        (b'{"request_id": 5, "operation": "x", "correlation_id": "c"}', "WrongType"),
        (b'{"request_id": ["r"]}', "WrongType"),
        (b'{"request_id": false}', "WrongType"),
        (b"\x00\x00", "FramingError"),
        (b"\x00\x00\x00\x00\x07x", "UnknownSchema"),
        (b"\xc3\x0112345678x", "UnknownSchema"),
    ],
)
def test_dead_letters(value: bytes | None, error_class: str) -> None:
    found = undecodable(value)
    assert (found.stage, found.error_class) == ("VALUE_CONVERTER", error_class)
    assert found.message


# --- Avro ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    request_id=REQUEST_IDS,
    parameters=st.dictionaries(TEXT, TEXT, max_size=3),
    body=st.none() | JSON_OBJECTS,
    correlation_id=st.none() | TEXT,
    start_by=st.none() | TIMES,
)
def test_json_nested_and_avro_mean_the_same(
    request_id: str, parameters: dict[str, str], body: Any, correlation_id: str | None, start_by: datetime | None
) -> None:
    document = {
        "request_id": request_id, "operation": "deployVApp", "parameters": parameters, "correlation_id": correlation_id,
    }  # fmt: skip
    as_json = request({**document, "body": body, "start_by": start_by.isoformat() if start_by else None})
    text = json.dumps(body) if body is not None else None
    as_avro = CODEC.decode(delivery(framed({**document, "body": text, "start_by": start_by})))
    assert as_avro == as_json
    flat = {"request_id": request_id, "operation": "deployVApp", "correlation_id": correlation_id}
    flat |= {f"parameters.{name}": value for name, value in parameters.items() if name}
    if all(parameters) and start_by is None:
        assert request({**flat, "body": text}) == as_json


def test_avro_that_is_refused() -> None:
    for document, code, field in (
        ({"operation": "x"}, "missing_request_id", "request_id"),
        ({**MINIMAL, "body": "{"}, "invalid_type", "body"),
        ({**MINIMAL, "body": "[]"}, "invalid_type", "body"),
        ({**MINIMAL, "body": '{"a":1,"a":2}'}, "duplicate_field", "a"),
        ({**MINIMAL, "start_by": 2**62}, "invalid_time", "start_by"),
        ({**MINIMAL, "kind": "x"}, "unknown_kind", "kind"),
    ):
        decoded = CODEC.decode(delivery(framed({**document, "correlation_id": "c"})))
        assert isinstance(decoded, Malformed)
        assert (decoded.code, decoded.field, decoded.correlation_id) == (code, field, "c")


def test_avro_that_does_not_decode() -> None:
    good = framed({**MINIMAL, "parameters": {"id": "1"}})
    assert isinstance(CODEC.decode(delivery(good)), ActionRequest)
    for broken in (good[:-1], good + b"\x00", good[:10] + b"\xff" * 20, good[:10]):
        assert undecodable(broken).error_class == "Undecoded"


@pytest.mark.parametrize("claim", [2**62, 2**40, 2**31, -(2**40), -1])
def test_claimed_lengths_cost_nothing(claim: int) -> None:
    def zigzag(number: int) -> bytes:
        number = (number << 1) ^ (number >> 63)
        out = bytearray()
        while number > 0x7F:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        return bytes([*out, number])

    prefix = single_object_prefix(load("action-request").fingerprint)
    assert undecodable(prefix + zigzag(claim) + b"abc").error_class == "Undecoded"
    in_a_map = b"\x02x\x00\x00" + zigzag(claim) + b"\x02a\x02b"
    assert undecodable(prefix + in_a_map).error_class == "Undecoded"


async def test_a_schema_id_is_asked_for_once_and_known_for_ever() -> None:
    shelf = Shelf()
    shelf.schemas[7] = load("action-request").text
    codec = AvroRequestCodec(shelf)
    record = delivery(registry_prefix(7) + avro(MINIMAL))
    shelf.reachable = False
    assert codec.decode(record) == SchemaUnavailable(schema_id=7, message="schema 7 cannot be had from the registry")
    await codec.refresh(7)
    assert isinstance(codec.decode(record), SchemaUnavailable)
    shelf.reachable = True
    await codec.refresh(7)
    assert isinstance(codec.decode(record), ActionRequest)
    shelf.reachable, shelf.learnt = False, {}
    assert isinstance(codec.decode(record), ActionRequest)


async def test_an_id_that_the_registry_does_not_know() -> None:
    codec = AvroRequestCodec(Shelf())
    await codec.refresh(8)
    found = undecodable(registry_prefix(8) + b"x", codec=codec)
    assert (found.error_class, found.message) == ("UnknownSchema", "schema 8: the registry does not know it")


def own_schema(*fields: dict[str, Any], name: str = "com.acme.Ticket") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def _list_of(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


async def registered(schema: dict[str, Any], document: dict[str, Any]) -> object:
    shelf = Shelf()
    shelf.schemas[7] = json.dumps(schema)
    codec = AvroRequestCodec(shelf)
    await codec.refresh(7)
    return codec.decode(delivery(registry_prefix(7) + avro(document, schema)))


NEEDED = ({"name": "request_id", "type": "string"}, {"name": "operation", "type": "string"})


async def test_a_later_version_of_our_schema_is_read_with_ours() -> None:
    later = json.loads(load("action-request").text)
    later["fields"].insert(0, {"name": "priority", "type": "int", "default": 0})
    assert await registered(later, {**MINIMAL, "priority": 5}) == request(MINIMAL)


async def test_a_schema_of_the_senders_own_is_read_by_its_names() -> None:
    schema = own_schema(*NEEDED, {"name": "sys_id", "type": "long"}, {"name": "start_by", "type": "string"})
    decoded = await registered(schema, {**MINIMAL, "sys_id": 1, "start_by": "2026-01-31T17:00:00Z"})
    assert decoded == request({**MINIMAL, "start_by": "2026-01-31T17:00:00Z"})


async def test_a_schema_of_the_senders_own_with_a_wrong_type_is_answered() -> None:
    schema = own_schema(*NEEDED, {"name": "parameters", "type": {"type": "map", "values": "int"}})
    decoded = await registered(schema, {**MINIMAL, "parameters": {"id": 1}})
    assert isinstance(decoded, Malformed)
    assert (decoded.code, decoded.field, decoded.request_id) == ("invalid_type", "parameters.id", "r-1")
    schema = own_schema(*NEEDED, {"name": "body", "type": {"type": "map", "values": "double"}})
    decoded = await registered(schema, {**MINIMAL, "body": {"a": float("nan")}})
    assert isinstance(decoded, Malformed)
    assert decoded.field == "body"


async def test_a_request_id_of_another_type_in_the_senders_schema() -> None:
    schema = own_schema({"name": "request_id", "type": "long"})
    decoded = await registered(schema, {"request_id": 1})
    assert isinstance(decoded, Undecodable)
    assert decoded.error_class == "WrongType"


@pytest.mark.parametrize(
    ("schema", "document", "why"),
    [
        (own_schema({"name": "x", "type": _list_of("null")}), {"x": []}, "take no bytes"),
        (own_schema({"name": "x", "type": _list_of(own_schema(name="Empty"))}), {"x": []}, "take no bytes"),
        (own_schema({"name": "next", "type": ["null", "com.acme.Ticket"]}), {"next": None}, "recursive"),
    ],
)  # fmt: skip
async def test_schemas_that_would_cost_more_than_their_records(schema: Any, document: Any, why: str) -> None:
    decoded = await registered(schema, document)
    assert isinstance(decoded, Undecodable)
    assert decoded.error_class == "SchemaRefused"
    assert why in decoded.message


@pytest.mark.parametrize("text", ["", "{", "{}", '"no such type"', "[]", '{"type":"record","name":"a"}', "[" * 100_000])
async def test_a_registry_that_tells_nonsense(text: str) -> None:
    shelf = Shelf()
    shelf.schemas[7] = text
    codec = AvroRequestCodec(shelf)
    await codec.refresh(7)
    found = undecodable(registry_prefix(7) + b"x", codec=codec)
    assert found.error_class in {"SchemaRefused", "Undecoded"}
