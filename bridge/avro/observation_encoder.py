"""Writes records of observations as Avro, for the command line: the other side of ``observation_codec``."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.avro.judging import RefusedError, flag
from bridge.avro.observation_document import SHAPE
from bridge.avro.record_encoder import RecordUnwritableError, framed, millis, nested
from bridge.core.requests import JsonValue


def encode_observation(document: Mapping[str, JsonValue], schema_id: int | None = None) -> bytes:
    """A record with the registry's framing, or without an id as single-object encoding.

    Raises RecordUnwritableError naming the field.
    """
    record = nested(document, SHAPE)
    if "since" in record:
        record["since"] = millis("since", record["since"])
    try:
        blocking_tasks = flag(record, "blocking_tasks")
    except RefusedError as refused:
        raise RecordUnwritableError(refused.flaw.message) from None
    if blocking_tasks is not None:
        record["blocking_tasks"] = blocking_tasks
    return framed("observation", record, schema_id)
