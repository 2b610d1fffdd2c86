"""Records of observations from JSON and Avro, and without a value; what is refused; how they are written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.avro.framing import registry_prefix, single_object_prefix
from bridge.avro.observation_codec import AvroObservationCodec
from bridge.avro.observation_document import CODES, SHAPE
from bridge.avro.observation_encoder import encode_observation
from bridge.avro.record_encoder import RecordUnwritableError
from bridge.avro.schemas import load, released
from bridge.avro.writer_schema import writer_schema
from bridge.core.observation_records import Observation, ObservationAction
from bridge.core.requests import JsonValue, Malformed, SchemaAnswer, Undecodable
from bridge.ports import Headers
from tests.avro.documents import delivery
from tests.avro.test_external_codec import TRACE
from tests.avro.test_request_codec import Shelf

CODEC = AvroObservationCodec()
KEY = b"acme"
SINCE = datetime(2026, 1, 31, 17, 0, 0, 123000, tzinfo=UTC)


def decoded(document: Any, headers: Headers = (), key: bytes | None = KEY) -> object:
    value = document if isinstance(document, bytes | None) else json.dumps(document).encode()
    return CODEC.decode(delivery(value, headers, key))


def malformed(document: Any, key: bytes | None = KEY) -> Malformed:
    found = decoded(document, key=key)
    assert isinstance(found, Malformed), found
    assert found.code in CODES
    return found


def test_the_fields_are_those_of_the_schema() -> None:
    assert [field["name"] for field in load("observation").document["fields"]] == list(SHAPE.fields)


def test_everything_of_a_record() -> None:
    document: dict[str, JsonValue] = {
        "organization": "acme", "action": "start", "since": "2026-01-31T18:00:00.123+01:00", "blocking_tasks": True,
        "correlation_id": "INC1", "requested_by": "ann",
    }  # fmt: skip
    whole = Observation(
        organization="acme", since=SINCE, blocking_tasks=True, correlation_id="INC1", requested_by="ann",
        traceparent=TRACE,
    )  # fmt: skip
    headers = (("traceparent", TRACE.encode()),)
    assert decoded(document, headers) == whole
    assert decoded(encode_observation(document), headers) == whole, "and what the command line writes"
    flat: dict[str, JsonValue] = {**document, "blocking_tasks": "True", "since": "1769878800123"}
    assert decoded(flat, headers) == decoded(encode_observation(flat), headers) == whole


def test_what_is_not_given_takes_its_default() -> None:
    started = Observation(organization="acme", action=ObservationAction.START)
    assert decoded({}) == decoded({"organization": "acme", "since": None}) == started
    assert decoded({}, key=b"*") == Observation(organization="*")
    assert decoded({"action": "stop"}) == Observation(organization="acme", action=ObservationAction.STOP)


def test_no_value_stops() -> None:
    stop = Observation(organization="acme", action=ObservationAction.STOP, is_tombstone=True)
    assert decoded(None) == stop
    for key in (None, b"", b"\xff"):
        assert isinstance(decoded(None, key=key), Undecodable), "nobody can be answered"
    assert isinstance(decoded(b""), Undecodable)
    assert isinstance(decoded(b"not json"), Undecodable)


@pytest.mark.parametrize(
    ("document", "code", "field"),
    [
        ({"organization": "globex"}, "organization_mismatch", "organization"),
        ({"action": "pause"}, "unknown_action", "action"),
        ({"action": 1}, "invalid_type", "action"),
        ({"since": "yesterday"}, "invalid_time", "since"),
        ({"since": True}, "invalid_type", "since"),
        ({"blocking_tasks": "maybe"}, "invalid_type", "blocking_tasks"),
        ({"organisation": "acme"}, "unknown_field", "organisation"),
    ],
)
def test_what_is_refused_names_its_field(document: dict[str, Any], code: str, field: str) -> None:
    found = malformed({**document, "correlation_id": "INC1", "requested_by": "ann"})
    assert (found.code, found.field, found.correlation_id, found.requested_by) == (code, field, "INC1", "ann")


@pytest.mark.parametrize(
    ("key", "code"),
    [(None, "organization_missing"), (b"", "organization_missing"), (b"\xff", "organization_invalid"),
     (b"a\nb", "organization_invalid"), (b"x" * 1025, "organization_invalid")],
)  # fmt: skip
def test_the_key_is_the_organization(key: bytes | None, code: str) -> None:
    assert malformed({"organization": "acme"}, key).code == code


def test_records_of_the_first_version_are_read() -> None:
    old = released("observation")[0]
    assert old.fingerprint != load("observation").fingerprint
    value = b"\x08acme\x0astart\x00\x01"
    assert writer_schema(old.text, load("observation")).read(value)["blocking_tasks"]
    found = decoded(single_object_prefix(old.fingerprint) + value)
    assert found == Observation(organization="acme", blocking_tasks=True)


async def test_the_registrys_framing() -> None:
    shelf = Shelf()
    codec = AvroObservationCodec(shelf)
    value = encode_observation({"organization": "acme"}, 258)
    assert value.startswith(registry_prefix(258))
    assert isinstance(codec.decode(delivery(value, (), KEY)), Undecodable), "nobody knows the id"
    shelf.schemas[258] = load("observation").text
    assert await codec.refresh(258) is SchemaAnswer.LEARNT
    assert codec.decode(delivery(value, (), KEY)) == Observation(organization="acme")


@pytest.mark.parametrize(
    "document", [{"organization": 5}, {"organization": "a", "since": "x"}, {"blocking_tasks": "x"}]
)
def test_what_avro_cannot_say_is_told(document: dict[str, Any]) -> None:
    with pytest.raises(RecordUnwritableError):
        encode_observation(document)
