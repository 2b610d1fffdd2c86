"""Writes commands of external tasks as Avro, for the command line: the other side of ``external_codec``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.avro.external_document import free_content
from bridge.avro.external_shape import SHAPE
from bridge.avro.judging import RefusedError
from bridge.avro.record_encoder import RecordUnwritableError, framed, nested
from bridge.core.requests import JsonValue


def encode_command(document: Mapping[str, JsonValue], schema_id: int | None = None) -> bytes:
    """A command, nested or flat, with the registry's framing, or without an id as single-object encoding.

    Raises RecordUnwritableError naming the field.
    """
    record = nested(document, SHAPE)
    _close(record, "params", "params")
    if isinstance(record.get("result"), dict):
        _close(record["result"], "resultContent", "result.resultContent")
    return framed("external-task-command", record, schema_id)


def _close(holder: dict[str, Any], name: str, told: str) -> None:
    try:
        content = free_content(holder.get(name), told)
    except RefusedError as refused:
        raise RecordUnwritableError(refused.flaw.message) from None
    if content is not None:
        holder[name] = content
