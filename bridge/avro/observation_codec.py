"""Bytes of ``vcd.observations`` to records. Never raises."""

from __future__ import annotations

from bridge.avro.json_text import Flaw
from bridge.avro.judging import RefusedError, malformed, short_text
from bridge.avro.observation_document import SHAPE, organization, to_observation
from bridge.avro.record_reader import Read, RecordReader, undecodable
from bridge.avro.source import SchemaSource
from bridge.avro.traceparent import traceparent_of
from bridge.core.observation_records import DecodedObservation, Observation, ObservationAction
from bridge.core.requests import Malformed, SchemaAnswer
from bridge.ports import Delivery


class AvroObservationCodec:
    """Implements ``bridge.ports.ObservationCodec``. Without a ``registry`` its framing is told to be unknown."""

    def __init__(self, registry: SchemaSource | None = None) -> None:
        self._reader = RecordReader(
            "observation",
            SHAPE,
            open_texts=lambda document: [],
            cannot_be_empty="send no value at all, or action stop",
            registry=registry,
        )

    def decode(self, delivery: Delivery) -> DecodedObservation:
        """One record, or why it is none. One without a value stops the observation that its key names."""
        if delivery.value is None:
            return _tombstone(delivery)
        read = self._reader.read(delivery)
        return _judged(read, delivery) if isinstance(read, Read) else read

    async def refresh(self, schema_id: int) -> SchemaAnswer:
        """Ask the registry for a schema id. Never raises; without a registry nothing can be learnt."""
        return await self._reader.refresh(schema_id)


def _tombstone(delivery: Delivery) -> DecodedObservation:
    named = organization(delivery.key)
    if isinstance(named, Flaw):
        return undecodable("EmptyValue", f"the value is null, and {named.message}")
    return Observation(organization=named, action=ObservationAction.STOP, is_tombstone=True)


def _judged(read: Read, delivery: Delivery) -> DecodedObservation:
    named = organization(delivery.key)
    traceparent = traceparent_of(delivery.headers)

    def refused(flaw: Flaw) -> Malformed:
        return malformed(
            flaw,
            correlation_id=short_text(read.document.get("correlation_id")),
            requested_by=short_text(read.document.get("requested_by")),
            traceparent=traceparent,
        )

    if isinstance(named, Flaw):
        return refused(named)
    if read.flaws:
        return refused(read.flaws[0])
    try:
        return to_observation(read.document, named, traceparent, closed=read.closed)
    except RefusedError as error:
        return refused(error.flaw)
