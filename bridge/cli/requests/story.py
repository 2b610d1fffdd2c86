"""The events of one lifecycle, and what comes after a record was sent."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from bridge.cli.requests.known import CLOCKS_APART
from bridge.core.events import Stream
from bridge.core.lifecycle import Ended, Lifecycle

if TYPE_CHECKING:
    from bridge.kafka.config import KafkaConfig
    from bridge.settings import Settings


async def told_of(settings: Settings, connection: KafkaConfig, one: Lifecycle | Ended) -> list[dict[str, Any]]:
    """The events of a lifecycle that its topic still holds, in their order. Raises what reading a topic raises.

    Reading begins where the request can have come, and ends with the last event that the store knows of: all of one
    key lie on one partition, in their order.
    """
    from bridge.avro.event_decoder import EventDecoder, EventUndecodableError
    from bridge.cli.connections import event_topic, schema_registry
    from bridge.core.story import event_key
    from bridge.kafka.clients import tail
    from bridge.kafka.looking import places_at

    stream = one.stream if isinstance(one, Lifecycle) else Stream.TASK_EVENTS
    (topic, schema), registry = event_topic(settings, stream), schema_registry(settings)
    decoder = EventDecoder(registry, schema)
    began = began_at(connection, one)
    places = places_at(connection, topic, began - CLOCKS_APART) if began is not None else None
    key = event_key(one.told_under, one.key) if isinstance(one, Lifecycle) else event_key(one.name, None)
    found = {}
    for record in tail(connection, [topic], until_end=True, places=places):
        if record is None or (key is not None and record.key != key):
            continue
        try:
            event = await decoder.decode(record.value, record.headers)
        except EventUndecodableError:
            continue
        if event["birth"] == str(one.birth):
            found[event["sequence"]] = event
            if key is not None and event["sequence"] >= one.sequence:
                break
    if registry is not None:
        await registry.close()
    return [found[sequence] for sequence in sorted(found)]


def began_at(connection: KafkaConfig, one: Lifecycle | Ended) -> datetime | None:
    """When its story can have begun; None: nobody knows, so all of it is read."""
    from bridge.core.times import from_millis
    from bridge.kafka.looking import record_at

    if isinstance(one, Lifecycle):
        return None if one.parked_reason == "state_unreadable" else one.received_at
    opened = record_at(connection, one.birth)
    return from_millis(opened.timestamp_ms) if opened is not None and opened.timestamp_ms > 0 else None
