"""Any bytes under any headers decode to one of four answers: never an exception, never a text that cannot be sent."""

from __future__ import annotations

import json
from typing import Any, assert_never

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.avro.framing import registry_prefix, single_object_prefix
from bridge.avro.request_codec import AvroRequestCodec
from bridge.avro.request_document import CODES, FIELDS, RESOLUTION_FIELDS
from bridge.avro.schemas import load
from bridge.core.requests import ActionRequest, Malformed, SchemaUnavailable, Undecodable
from bridge.ports import Headers
from tests.avro.documents import delivery
from tests.avro.test_request_codec import Shelf, avro

ID = 7
SHELF = Shelf()
SHELF.learnt[ID] = load("action-request").text
CODEC = AvroRequestCodec(SHELF)
PREFIXES = (
    b"",
    registry_prefix(ID),
    single_object_prefix(load("action-request").fingerprint),
    b"{",
    b'{"request_id":"',
)
GOOD = avro({"request_id": "r-1", "operation": "x", "parameters": {"id": "1"}, "body": "{}", "start_by": 5})

HEADERS: st.SearchStrategy[Headers] = st.lists(
    st.tuples(
        st.sampled_from(("content-type", "ce_id", "ce_source", "traceparent", "__value_schema_id", "x")),
        st.none() | st.binary(max_size=20) | st.sampled_from((b"application/avro", b"application/json")),
    ),
    max_size=4,
).map(tuple)

ANY_TEXT = st.text(max_size=12) | st.sampled_from(("\ud800", "", "cancel", "resolve", "success", "{}", "r"))
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    *FIELDS, *(f"resolution.{name}" for name in RESOLUTION_FIELDS), "parameters.id", "query.a", "body.a", "body.a.b",
    "body.", "x_own", "kid",
)  # fmt: skip


def check(value: bytes | None, headers: Headers) -> None:
    decoded = CODEC.decode(delivery(value, headers))
    texts: list[str | None]
    match decoded:
        case ActionRequest():
            texts = [decoded.request_id, decoded.correlation_id, decoded.operation]
            assert json.dumps(decoded.body, ensure_ascii=False, allow_nan=False).encode()
            assert json.dumps([dict(decoded.parameters), dict(decoded.query)], ensure_ascii=False).encode()
        case Malformed():
            assert decoded.code in CODES
            texts = [decoded.message, decoded.field, decoded.request_id, decoded.correlation_id, decoded.operation]
            assert len(decoded.message) < 2000
        case Undecodable() | SchemaUnavailable():
            texts = [decoded.message]
        case _:
            assert_never(decoded)
    assert all(text is None or text.encode() is not None for text in texts)


@settings(max_examples=400)
@given(st.sampled_from(PREFIXES), st.binary(max_size=120), HEADERS)
@example(b"", b"\x00", ())
@example(b"", b"\xef\xbb\xbf", ())
def test_any_bytes(prefix: bytes, data: bytes, headers: Headers) -> None:
    check(prefix + data, headers)


@settings(max_examples=400)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, 3))
def test_a_damaged_avro_value(position: int, byte: int, cut: int) -> None:
    damaged = bytearray(GOOD)
    damaged[position] = byte
    check(registry_prefix(ID) + bytes(damaged[: len(damaged) - cut]), ())


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(NAMES) | ANY_TEXT, ANY_JSON, max_size=6), HEADERS)
def test_any_json_object(document: dict[str, Any], headers: Headers) -> None:
    check(json.dumps(document).encode(), headers)


TEXTS = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=3)
FITTING = st.fixed_dictionaries(
    {"request_id": st.just("r-1"), "operation": st.just("deployVApp")},
    optional={
        "parameters": TEXTS,
        "query": TEXTS,
        "body": st.dictionaries(ANY_TEXT, ANY_JSON, max_size=4),
        "start_by": st.integers(-(2**60), 2**60),
        "correlation_id": ANY_TEXT,
    },
)


@settings(max_examples=400)
@given(FITTING)
def test_any_request_that_may_fit(document: dict[str, Any]) -> None:
    check(json.dumps(document).encode(), ())


def test_many_of_these_are_requests_with_content() -> None:
    """What the test above says of contents it says of some that were taken."""
    taken: list[ActionRequest] = []

    @settings(max_examples=300)
    @given(FITTING)
    def count(document: dict[str, Any]) -> None:
        decoded = CODEC.decode(delivery(json.dumps(document).encode(), ()))
        if isinstance(decoded, ActionRequest):
            taken.append(decoded)

    count()
    assert sum(bool(one.body) for one in taken) > 15
    assert sum(bool(one.parameters) for one in taken) > 15
