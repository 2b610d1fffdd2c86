"""Writes action requests as Avro, for the command line: the other side of ``request_codec``."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bridge.avro.record_encoder import framed, millis, nested
from bridge.avro.request_document import SHAPE
from bridge.core.requests import JsonValue

_TIMES = ("start_by", "watch_until")


def encode_request(document: Mapping[str, JsonValue], schema_id: int | None = None) -> bytes:
    """A request, nested or flat, with the registry's framing, or without an id as single-object encoding.

    Raises RecordUnwritableError naming the field.
    """
    record = nested(document, SHAPE)
    if "body" in record:
        record["body"] = json.dumps(record["body"], ensure_ascii=False, separators=(",", ":"))
    for name in _TIMES:
        if name in record:
            record[name] = millis(name, record[name])
    return framed("action-request", record, schema_id)
