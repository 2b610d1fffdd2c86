"""Writes commands of external tasks as Avro, for the command line: the other side of ``external_codec``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.avro.external_document import free_content
from bridge.avro.external_shape import SHAPE
from bridge.avro.judging import RefusedError, whole
from bridge.avro.record_encoder import RecordUnwritableError, framed, nested
from bridge.core.requests import JsonValue

_NUMBERS = (
    ("", ("revision", "progress", "expire_after_seconds")),
    ("error", ("majorErrorCode",)),
    ("error.tenantError", ("majorErrorCode",)),
)
_FREE = (("", "params"), ("result", "resultContent"))


def encode_command(document: Mapping[str, JsonValue], schema_id: int | None = None) -> bytes:
    """A command, nested or flat, with the registry's framing, or without an id as single-object encoding.

    Raises RecordUnwritableError naming the field.
    """
    record = nested(document, SHAPE)
    try:
        for path, names in _NUMBERS:
            for name in names:
                _replace(
                    record, path, name, whole(_inner(record, path), name, _prefix(path), least=-(2**63), most=2**63 - 1)
                )
        for path, name in _FREE:
            _replace(record, path, name, free_content(_inner(record, path).get(name), f"{_prefix(path)}{name}"))
    except RefusedError as refused:
        raise RecordUnwritableError(refused.flaw.message) from None
    return framed("external-task-command", record, schema_id)


def _inner(record: dict[str, Any], path: str) -> dict[str, Any]:
    """The object at a dotted path, or an empty one: what stands in its place is the schema's to refuse."""
    found: Any = record
    for part in path.split(".") if path else ():
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _replace(record: dict[str, Any], path: str, name: str, value: object) -> None:
    if value is not None:
        _inner(record, path)[name] = value


def _prefix(path: str) -> str:
    return f"{path}." if path else ""
