"""Bytes of ``vcd.external-tasks`` to commands. Never raises."""

from __future__ import annotations

from bridge.avro.external_document import external_key, open_texts, to_command
from bridge.avro.external_shape import SHAPE
from bridge.avro.json_text import Flaw
from bridge.avro.judging import RefusedError, malformed, short_text
from bridge.avro.record_reader import Read, RecordReader
from bridge.avro.source import SchemaSource
from bridge.avro.traceparent import traceparent_of
from bridge.core.external_commands import DecodedExternal
from bridge.core.requests import Malformed, SchemaAnswer
from bridge.ports import Delivery


class AvroExternalCodec:
    """Implements ``bridge.ports.ExternalCodec``. Without a ``registry`` its framing is told to be unknown."""

    def __init__(self, registry: SchemaSource | None = None) -> None:
        self._reader = RecordReader(
            "external-task-command",
            SHAPE,
            open_texts=open_texts,
            cannot_be_empty="an external task cannot be deleted; send command finish",
            registry=registry,
        )

    def decode(self, delivery: Delivery) -> DecodedExternal:
        """One record to a command, or to why it is none."""
        read = self._reader.read(delivery)
        return _judged(read, delivery) if isinstance(read, Read) else read

    async def refresh(self, schema_id: int) -> SchemaAnswer:
        """Ask the registry for a schema id. Never raises; without a registry nothing can be learnt."""
        return await self._reader.refresh(schema_id)


def _judged(read: Read, delivery: Delivery) -> DecodedExternal:
    key = external_key(delivery.key)
    correlation_id = short_text(read.document.get("correlation_id"))
    traceparent = traceparent_of(delivery.headers)

    def refused(flaw: Flaw) -> Malformed:
        named = key if isinstance(key, str) else None
        return malformed(flaw, external_key=named, correlation_id=correlation_id, traceparent=traceparent)

    if isinstance(key, Flaw):
        return refused(key)
    if read.flaws:
        return refused(read.flaws[0])
    try:
        return to_command(read.document, key, traceparent, closed=read.closed)
    except RefusedError as error:
        return refused(error.flaw)
