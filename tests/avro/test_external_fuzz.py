"""Any bytes under any key decode to one of four answers: never an exception, never a text that cannot be sent."""

from __future__ import annotations

import json
from typing import Any, assert_never

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.avro.external_codec import AvroExternalCodec
from bridge.avro.external_document import CODES
from bridge.avro.external_shape import FIELDS, NOT_SETTABLE, SHAPE
from bridge.avro.framing import registry_prefix, single_object_prefix
from bridge.avro.schemas import load
from bridge.core.external_commands import ExternalCommand
from bridge.core.requests import Malformed, SchemaUnavailable, Undecodable
from bridge.ports import Headers
from tests.avro.documents import delivery
from tests.avro.test_external_codec import AS_AVRO, avro
from tests.avro.test_request_codec import Shelf
from tests.avro.test_request_fuzz import ANY_JSON, ANY_TEXT, HEADERS

ID = 7
SHELF = Shelf()
SHELF.learnt[ID] = load("external-task-command").text
CODEC = AvroExternalCodec(SHELF)
PREFIXES = (
    b"",
    registry_prefix(ID),
    single_object_prefix(load("external-task-command").fingerprint),
    b"{",
    b'{"command":"update",',
)
GOOD = avro(AS_AVRO)
KEYS = st.none() | st.binary(max_size=8) | st.just(b"CHG0001")
NAMES = (
    *FIELDS, *NOT_SETTABLE, *(f"{path}.{name}" for path, names in SHAPE.objects.items() for name in names), "params.a",
    "params.a.b", "params.", "result.resultContent.a", "owner.href", "x_own", "comand",
)  # fmt: skip
VALUES = ANY_JSON | st.sampled_from(("create", "update", "finish", "running", "canceled", "5", "[1]", '{"a":1,"a":2}'))


def check(key: bytes | None, value: bytes | None, headers: Headers) -> None:
    decoded = CODEC.decode(delivery(value, headers, key))
    texts: list[str | None]
    match decoded:
        case ExternalCommand():
            texts = [decoded.external_key, decoded.correlation_id, decoded.operation, decoded.status]
            for content in (decoded.params, decoded.result["resultContent"] if decoded.result else None):
                if content is not None:
                    json.loads(content)
                    texts.append(content)
            texts.append(json.dumps([decoded.error, decoded.result], ensure_ascii=False, allow_nan=False))
            assert decoded.progress is None or 0 <= decoded.progress <= 100
        case Malformed():
            assert decoded.code in CODES
            texts = [decoded.message, decoded.field, decoded.external_key, decoded.correlation_id]
            assert len(decoded.message) < 2000
        case Undecodable() | SchemaUnavailable():
            texts = [decoded.message]
        case _:
            assert_never(decoded)
    assert all(text is None or text.encode() is not None for text in texts)


@settings(max_examples=300)
@given(KEYS, st.sampled_from(PREFIXES), st.binary(max_size=120), HEADERS)
@example(None, b"", b"\x00", ())
def test_any_bytes(key: bytes | None, prefix: bytes, data: bytes, headers: Headers) -> None:
    check(key, prefix + data, headers)


@settings(max_examples=300)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, 3))
def test_a_damaged_avro_value(position: int, byte: int, cut: int) -> None:
    damaged = bytearray(GOOD)
    damaged[position] = byte
    check(b"CHG0001", registry_prefix(ID) + bytes(damaged[: len(damaged) - cut]), ())


@settings(max_examples=400)
@given(KEYS, st.dictionaries(st.sampled_from(NAMES) | ANY_TEXT, VALUES, max_size=6), HEADERS)
def test_any_json_object(key: bytes | None, document: dict[str, Any], headers: Headers) -> None:
    check(key, json.dumps(document).encode(), headers)
    check(b"CHG0001", json.dumps({"command": "update", **document}).encode(), ())


FITTING = st.fixed_dictionaries(
    {"command": st.sampled_from(("create", "update"))},
    optional={
        "details": ANY_TEXT,
        "progress": st.integers(-5, 105),
        "revision": st.integers(-(2**64), 2**64),
        "params": ANY_JSON,
        "result": st.fixed_dictionaries({"resultContent": ANY_JSON}),
        "error": st.fixed_dictionaries({"message": ANY_TEXT}, optional={"majorErrorCode": st.integers(0, 700)}),
    },
)


@settings(max_examples=400)
@given(FITTING)
def test_any_command_that_may_fit(document: dict[str, Any]) -> None:
    check(b"CHG0001", json.dumps(document).encode(), ())


def test_many_of_these_are_commands_with_content() -> None:
    """What the test above says of contents it says of some that were taken."""
    taken: list[ExternalCommand] = []

    @settings(max_examples=300)
    @given(FITTING)
    def count(document: dict[str, Any]) -> None:
        decoded = CODEC.decode(delivery(json.dumps(document).encode(), (), b"CHG0001"))
        if isinstance(decoded, ExternalCommand):
            taken.append(decoded)

    count()
    assert sum(one.params is not None for one in taken) > 15
    assert sum(one.result is not None for one in taken) > 15
    assert sum(one.progress is not None for one in taken) > 15
