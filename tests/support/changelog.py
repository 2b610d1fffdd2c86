"""Store records as the checker reads them."""

from __future__ import annotations

from typing import Any

from bridge.avro.store_codec import AvroStoreCodec
from bridge.core.lifecycle import Lifecycle
from bridge.core.observation_parts import OrderPart, SightedPart
from bridge.engine.partition.records import CURSOR_KEY
from bridge.ports import StoredRecord
from tests.support.checker.evidence import CursorWrite, EndedRecord, Order, RequestWrite, Sighting, StateWrite, Write

_CODEC = AvroStoreCodec()


def write_of(
    record: StoredRecord, value: bytes | None, *, topic: str, partition: int, offset: int, at: float, writer: str
) -> Write:
    """A record of the changelog of the input ``topic``; ``record`` holds key and headers, ``value`` None is a
    tombstone."""
    where: dict[str, Any] = {"topic": topic, "partition": partition, "offset": offset, "at": at, "writer": writer}
    if record.key == CURSOR_KEY:
        cursor = _CODEC.decode_cursor(record)
        return CursorWrite(**where, next_offset=cursor.next_offset, open_lifecycles=cursor.open_lifecycles)
    birth, _, part = record.key.decode().rpartition("|")
    if part == "request":
        size = None if value is None else _CODEC.decode_request(record).size_bytes
        return RequestWrite(**where, birth=birth, size_bytes=size)
    if value is None:
        return StateWrite(**where, birth=birth, phase=None)
    return _state(_CODEC.decode_state(record), **where)


def ended_of(record: StoredRecord) -> EndedRecord:
    """A record of the topic that remembers endings."""
    ended = _CODEC.decode_ended(record)
    return EndedRecord(
        birth=str(ended.birth), outcome=ended.outcome.value, sequence=ended.sequence, task_id=ended.task_id
    )


def _state(lifecycle: Lifecycle, **where: Any) -> StateWrite:
    return StateWrite(
        **where,
        birth=str(lifecycle.birth),
        phase=lifecycle.phase.value,
        kind=lifecycle.kind.value,
        sequence=lifecycle.sequence,
        attempt=lifecycle.attempt,
        intent_at=lifecycle.intent_at.timestamp() if lifecycle.intent_at is not None else None,
        cancel_wanted=lifecycle.cancel_wanted,
        task_id=lifecycle.task_id,
        external_key=lifecycle.external_key,
        heard_at=lifecycle.heard_at.timestamp() if lifecycle.heard_at is not None else None,
        order=_order(lifecycle.observation),
        sighting=_sighting(lifecycle.observation),
    )


def _order(part: OrderPart | SightedPart | None) -> Order | None:
    if not isinstance(part, OrderPart) or part.position is None or part.floor is None:
        return None
    return Order(
        organization=part.organization_uuid,
        position=part.position.timestamp(),
        floor=part.floor.timestamp(),
        blocking=part.blocking_tasks,
    )


def _sighting(part: OrderPart | SightedPart | None) -> Sighting | None:
    if not isinstance(part, SightedPart):
        return None
    ended_at = part.ended_at.timestamp() if part.ended_at is not None else None
    is_blocking = part.blocking is not None
    return Sighting(order=str(part.order), task_id=part.id, ended_at=ended_at, is_blocking=is_blocking)
