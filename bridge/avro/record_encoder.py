"""Writes input records as Avro, for the command line: the other side of ``record_reader``."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from fastavro import schemaless_writer

from bridge.avro.flat import nest
from bridge.avro.framing import registry_prefix, single_object_prefix
from bridge.avro.schemas import load
from bridge.avro.shape import Shape
from bridge.avro.times import parse_time
from bridge.core.requests import JsonValue
from bridge.core.times import to_millis


class RecordUnwritableError(ValueError):
    """The document does not fit the schema; JSON can say what Avro cannot."""


def nested(document: Mapping[str, JsonValue], shape: Shape) -> dict[str, Any]:
    """A copy of the document, nested, without what is not given. Raises RecordUnwritableError naming the field."""
    found, flaws = nest(copy.deepcopy(dict(document)), shape)
    if flaws:
        raise RecordUnwritableError(flaws[0].message)
    unknown = sorted(set(found) - set(shape.fields))
    if unknown:
        raise RecordUnwritableError(f"{unknown[0]}: {shape.record} has no such field")
    return {name: value for name, value in found.items() if value is not None}


def millis(name: str, value: JsonValue) -> int:
    """A time as Avro has it. Raises RecordUnwritableError naming the field."""
    try:
        return to_millis(parse_time(value))
    except (ValueError, TypeError) as error:
        raise RecordUnwritableError(f"{name}: {error}") from None


def framed(schema: str, record: Mapping[str, Any], schema_id: int | None) -> bytes:
    """The record with the registry's framing, or without an id as single-object encoding.

    Raises RecordUnwritableError naming the field.
    """
    loaded = load(schema)
    stream = BytesIO()
    stream.write(single_object_prefix(loaded.fingerprint) if schema_id is None else registry_prefix(schema_id))
    try:
        schemaless_writer(stream, loaded.parsed, record, strict_allow_default=True)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise RecordUnwritableError(f"does not fit the schema of {loaded.document['name']}: {error}") from None
    return stream.getvalue()
