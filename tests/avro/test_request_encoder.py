"""What is written as Avro is read as the same request that its JSON is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.avro.record_encoder import RecordUnwritableError
from bridge.avro.request_codec import AvroRequestCodec
from bridge.avro.request_encoder import encode_request
from bridge.core.coordinates import TopicPartition
from bridge.core.requests import ActionRequest, Decoded
from bridge.ports import Delivery

NESTED: dict[str, Any] = {
    "request_id": "r-1", "operation": "deployVApp", "parameters": {"id": "vapp-1"}, "query": {"force": "true"},
    "body": {"powerOn": True, "note": "für später", "list": [1, 2.5, None]}, "organization": "acme",
    "correlation_id": "INC-1", "start_by": "2026-01-31T18:00:00+01:00", "watch_until": 1_800_000_000_000,
}  # fmt: skip
FLAT: dict[str, Any] = {
    "request_id": "r-1", "operation": "deployVApp", "parameters.id": "vapp-1", "body.powerOn": True,
}  # fmt: skip
CONTROL: dict[str, Any] = {
    "kind": "resolve", "target_request_id": "r-1", "resolution": {"outcome": "success", "reason": "seen"},
}  # fmt: skip


def decoded(value: bytes) -> Decoded:
    delivery = Delivery(
        partition=TopicPartition("t", 0), epoch=0, offset=0, key=None, value=value, headers=(), timestamp_ms=0
    )
    return AvroRequestCodec().decode(delivery)


@pytest.mark.parametrize("document", [NESTED, FLAT, CONTROL])
def test_avro_and_json_of_one_document_are_one_request(document: dict[str, Any]) -> None:
    before = json.dumps(document)
    request = decoded(encode_request(document))
    assert isinstance(request, ActionRequest)
    assert request == decoded(json.dumps(document).encode())
    assert json.dumps(document) == before


def test_with_an_id_the_registrys_framing_is_used() -> None:
    assert encode_request(NESTED, 258)[:5] == b"\x00\x00\x00\x01\x02"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"opration": "x"}, "opration"),
        ({"start_by": "tomorrow"}, "start_by"),
        ({"parameters": {"id": 5}}, "ActionRequest"),
        ({"parameters": {"id": "a"}, "parameters.id": "b"}, "twice"),
        ({"operation": 5}, "ActionRequest"),
    ],
)
def test_what_the_schema_cannot_hold_is_said(document: dict[str, Any], told: str) -> None:
    with pytest.raises(RecordUnwritableError, match=told):
        encode_request(document)
