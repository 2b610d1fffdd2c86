"""Writes action requests as Avro, for the command line: the other side of ``request_codec``."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from fastavro import schemaless_writer

from bridge.avro.flat import nest
from bridge.avro.framing import registry_prefix, single_object_prefix
from bridge.avro.request_document import FIELDS
from bridge.avro.schemas import load
from bridge.avro.times import parse_time, to_millis
from bridge.core.requests import JsonValue

_TIMES = ("start_by", "watch_until")


class RequestUnwritableError(ValueError):
    """The document does not fit the schema; JSON can say what Avro cannot."""


def encode_request(document: Mapping[str, JsonValue], schema_id: int | None = None) -> bytes:
    """A request, nested or flat, with the registry's framing, or without an id as single-object encoding.

    Raises RequestUnwritableError naming the field.
    """
    schema = load("action-request")
    nested, flaws = nest(copy.deepcopy(dict(document)))
    if flaws:
        raise RequestUnwritableError(flaws[0].message)
    unknown = sorted(set(nested) - set(FIELDS))
    if unknown:
        raise RequestUnwritableError(f"{unknown[0]}: ActionRequest has no such field")
    record: dict[str, Any] = {name: value for name, value in nested.items() if value is not None}
    if "body" in record:
        record["body"] = json.dumps(record["body"], ensure_ascii=False, separators=(",", ":"))
    for name in _TIMES:
        if name in record:
            record[name] = _millis(name, record[name])
    stream = BytesIO()
    stream.write(single_object_prefix(schema.fingerprint) if schema_id is None else registry_prefix(schema_id))
    try:
        schemaless_writer(stream, schema.parsed, record, strict_allow_default=True)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise RequestUnwritableError(f"does not fit the schema of ActionRequest: {error}") from None
    return stream.getvalue()


def _millis(name: str, value: JsonValue) -> int:
    try:
        return to_millis(parse_time(value))
    except (ValueError, TypeError) as error:
        raise RequestUnwritableError(f"{name}: {error}") from None
