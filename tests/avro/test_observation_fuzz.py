"""Any bytes under any key decode to one of four answers: never an exception, never a text that cannot be sent."""

from __future__ import annotations

import json
from typing import Any, assert_never

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.avro.framing import single_object_prefix
from bridge.avro.observation_codec import AvroObservationCodec
from bridge.avro.observation_document import CODES, SHAPE
from bridge.avro.observation_encoder import encode_observation
from bridge.avro.schemas import load
from bridge.core.observation_records import Observation
from bridge.core.requests import Malformed, SchemaUnavailable, Undecodable
from bridge.ports import Headers
from tests.avro.documents import delivery
from tests.avro.test_request_fuzz import ANY_JSON, HEADERS

CODEC = AvroObservationCodec()
GOOD = encode_observation({"organization": "acme", "since": "2026-01-31T18:00:00Z", "correlation_id": "CHG1"})
PREFIXES = (b"", single_object_prefix(load("observation").fingerprint), b"{", b'{"action":"stop",')
KEYS = st.none() | st.binary(max_size=8) | st.sampled_from((b"acme", b"*"))
VALUES = ANY_JSON | st.sampled_from(("start", "stop", "acme", "true", "False", "1769878800123", "2026-01-31T18:00:00Z"))


def check(key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
    decoded = CODEC.decode(delivery(value, headers, key))
    match decoded:
        case Observation():
            assert decoded.organization == (key or b"").decode()
            assert decoded.is_tombstone == (value is None)
            texts = [decoded.organization, decoded.correlation_id, decoded.requested_by]
        case Malformed():
            assert decoded.code in CODES
            texts = [decoded.message, decoded.field, decoded.correlation_id, decoded.requested_by]
        case Undecodable() | SchemaUnavailable():
            texts = [decoded.message]
        case _:
            assert_never(decoded)
    assert all(text is None or text.encode() is not None for text in texts)


@settings(max_examples=150)
@given(KEYS, st.sampled_from(PREFIXES), st.binary(max_size=80) | st.none(), HEADERS)
def test_any_bytes(key: bytes | None, prefix: bytes, data: bytes | None, headers: Headers) -> None:
    check(key, prefix + data if data is not None else None, headers)


@settings(max_examples=150)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, 3))
def test_a_damaged_avro_value(position: int, byte: int, cut: int) -> None:
    damaged = bytearray(GOOD)
    damaged[position] = byte
    check(b"acme", bytes(damaged[: len(damaged) - cut]))


@settings(max_examples=150)
@given(KEYS, st.dictionaries(st.sampled_from((*SHAPE.fields, "since.", "x_own", "sinse")), VALUES, max_size=5))
def test_any_document(key: bytes | None, document: dict[str, Any]) -> None:
    check(key, json.dumps(document).encode())
