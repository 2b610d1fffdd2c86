"""What is written as Avro is read as the same command that its JSON is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.avro.external_codec import AvroExternalCodec
from bridge.avro.external_encoder import encode_command
from bridge.avro.record_encoder import RecordUnwritableError
from bridge.core.external_commands import DecodedExternal, ExternalCommand
from tests.avro.documents import delivery

NESTED: dict[str, Any] = {
    "command": "create", "organization": "acme", "operation": "Überprüfung", "progress": 5, "params": {"a": [1, None]},
    "result": {"resultContent": "plain"}, "error": {"message": "m", "tenantError": {"message": "t"}},
    "serviceNamespace": "com.example", "expire_after_seconds": 60,
}  # fmt: skip
FLAT: dict[str, Any] = {
    "command": "finish", "status": "error", "error.message": "m", "result.resultContent": '{"rows": 5}',
    "details": None, "progress": "50", "revision": 7.0, "error.majorErrorCode": "500",
    "error.tenantError.majorErrorCode": "4",
    "error.tenantError.message": "t",
}  # fmt: skip


def decoded(value: bytes) -> DecodedExternal:
    return AvroExternalCodec().decode(delivery(value))


@pytest.mark.parametrize("document", [NESTED, FLAT])
def test_avro_and_json_of_one_document_are_one_command(document: dict[str, Any]) -> None:
    before = json.dumps(document)
    command = decoded(encode_command(document))
    assert isinstance(command, ExternalCommand)
    assert command == decoded(json.dumps(document).encode())
    assert json.dumps(document) == before


def test_with_an_id_the_registrys_framing_is_used() -> None:
    assert encode_command(NESTED, 258)[:5] == b"\x00\x00\x00\x01\x02"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"command": "update", "detials": "x"}, "detials"),
        ({"command": "update", "progress": "half"}, "progress must be a whole number, not a string"),
        ({"command": "update", "progress": 50.5}, "progress must be a whole number, not 50.5"),
        ({"command": "update", "error": "x"}, "ExternalTaskCommand"),
        ({"command": "update", "progress": 2**40}, "ExternalTaskCommand"),
        ({"command": "update", "params": '{"a":1,"a":2}'}, "params"),
        ({"details": "x"}, "ExternalTaskCommand"),
        ({"command": "update", "error": {"message": "a"}, "error.message": "b"}, "twice"),
    ],
)
def test_what_the_schema_cannot_hold_is_said(document: dict[str, Any], told: str) -> None:
    with pytest.raises(RecordUnwritableError, match=told):
        encode_command(document)
