"""A record opens a lifecycle, or is answered by a story of one event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.core.commands import Decision, ReadReferences
from bridge.core.coordinates import Birth
from bridge.core.events import Change, Outcome, Reason, StatusEvent
from bridge.core.lifecycle import Ended, Kind, Lifecycle, Phase
from bridge.core.requests import ActionRequest, Malformed
from bridge.core.rules import Rules
from bridge.core.story import Story, event_key

CODES: dict[str, str] = {
    "request_id_conflict": "the request_id belongs to a request with other content",
    "repeat": "an identical request is known already; this tells where it stands",
    "unknown_request": "no request with this id was found on the partition of the record, within the wait (if any)",
    "not_possible": "the target exists, but this cannot be done to it now",
    "too_much_parked": "so many requests of the partition wait for an operator that no new one is taken",
    "too_many_tasks": "so many external tasks of the partition are open or parked that no new one is taken",
    "too_much_stored": "the external tasks of the partition hold so much content that none of them may grow",
}
"""Reason codes told here -> meaning."""


MAX_KEY_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Asker:
    """What an answer repeats of the record that it answers."""

    birth: Birth
    key: bytes | None
    request_id: str | None
    correlation_id: str | None
    requested_by: str | None
    operation: str | None
    traceparent: str | None
    lifecycle: Kind = Kind.ACTION_REQUEST
    external_key: str | None = None


def kept_key(key: bytes | None) -> bytes | None:
    """A record's key for its answer. A long one is not repeated: it would make the answer too large for its topic."""
    return key if key is not None and len(key) <= MAX_KEY_BYTES else None


def asker(birth: Birth, key: bytes | None, record: ActionRequest | Malformed) -> Asker:
    """The answerable part of a decoded record. A key is kept only where it may become an event's key."""
    return Asker(
        birth,
        kept_key(key) if record.request_id is None else None,
        record.request_id,
        record.correlation_id,
        record.requested_by,
        record.operation,
        record.traceparent,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What admission found out about a request that opens a lifecycle."""

    organization: str | None
    content_hash: str
    entity: str | None
    lane: str | None
    created_name: str | None
    start_by: datetime | None
    watch_until: datetime | None
    of_hold: bool = False
    """It is about a blocking task, which is read before anything is called."""


def open_request(now: datetime, who: Asker, opening: Opening) -> Decision:
    """A new lifecycle, received; expired at once when its ``start_by`` is past."""
    lifecycle = Lifecycle(
        birth=who.birth,
        phase=Phase.RESOLVING if opening.of_hold else Phase.RECEIVED,
        request_id=who.request_id,
        key=who.key,
        correlation_id=who.correlation_id,
        requested_by=who.requested_by,
        traceparent=who.traceparent,
        operation=who.operation,
        organization=opening.organization,
        content_hash=opening.content_hash,
        entity=opening.entity,
        lane=opening.lane,
        created_name=opening.created_name,
        received_at=now,
        start_by=opening.start_by,
        watch_until=opening.watch_until,
    )
    story = Story(now, lifecycle)
    if opening.start_by is not None and now >= opening.start_by:
        message = f"start_by {opening.start_by.isoformat()} was already past at {now.isoformat()}"
        story.end(Outcome.EXPIRED, reason=Reason("start_by_passed", message, "start_by"))
    elif opening.of_hold:
        story.commands.append(ReadReferences())
    return story.decision()


def open_control(now: datetime, who: Asker, record: ActionRequest, rules: Rules) -> Lifecycle:
    """A cancel, retry or resolve that found no target: it waits, durable and bounded."""
    resolution = record.resolution
    return Lifecycle(
        birth=who.birth,
        kind=Kind.CONTROL,
        phase=Phase.PENDING,
        request_id=who.request_id,
        key=who.key,
        correlation_id=who.correlation_id,
        requested_by=who.requested_by,
        traceparent=who.traceparent,
        received_at=now,
        wake_at=now + rules.unknown_cancel_wait,
        target_request_id=record.target_request_id,
        control=record.kind.value,
        resolution_outcome=resolution.outcome if resolution else None,
        resolution_task_href=resolution.task_href if resolution else None,
        resolution_reason=resolution.reason if resolution else None,
        resolution_decided_by=resolution.decided_by if resolution else None,
    )


def reject(now: datetime, who: Asker, reason: Reason) -> StatusEvent:
    """The one-event story of a record that is refused."""
    return _one_event(now, who, Change.REJECTED, Outcome.REJECTED, reason)


def too_much_parked(partition: int) -> Reason:
    """The partition takes no new request: its operators' records would never be read behind it."""
    message = (
        f"too many requests on partition {partition} are parked and wait for an operator's resolve, retry or cancel "
        "(intake.max_open_per_partition, intake.max_waiting_bytes_per_partition)"
    )
    return Reason("too_much_parked", message)


def too_many_tasks(partition: int) -> Reason:
    """The partition takes no new external task: updates and ends of the open ones would never be read behind it."""
    message = (
        f"too many external tasks on partition {partition} are open or parked: finish some, or spread the keys over "
        "more partitions (intake.max_open_per_partition, intake.max_waiting_bytes_per_partition)"
    )
    return Reason("too_many_tasks", message)


def too_much_stored(partition: int) -> Reason:
    """The documents of the partition's external tasks have come to their cap; an update that adds nothing is taken."""
    message = (
        f"the external tasks on partition {partition} hold as much content as they may: finish some, say less, or "
        "spread the keys over more partitions (intake.max_waiting_bytes_per_partition)"
    )
    return Reason("too_much_stored", message)


def conflict(now: datetime, who: Asker, original: Lifecycle | Ended) -> StatusEvent:
    """The same id with other content."""
    message = f"request_id {who.request_id!r} belongs to a request with other content, first seen at {original.birth}"
    return reject(now, who, Reason("request_id_conflict", message, "request_id"))


def answer_repeat(now: datetime, who: Asker, original: Lifecycle | Ended) -> StatusEvent:
    """Tell another ticket where the same request stands: its outcome, or that it is still on its way."""
    reason = Reason("repeat", f"the same request was first seen at {original.birth}", "request_id")
    if isinstance(original, Ended) or original.outcome is not None:
        return _one_event(now, who, Change.FINISHED, original.outcome, reason)
    return _one_event(now, who, Change.WAITING, None, reason)


def _one_event(now: datetime, who: Asker, change: Change, outcome: Outcome | None, reason: Reason) -> StatusEvent:
    return StatusEvent(
        birth=who.birth,
        sequence=1,
        lifecycle=who.lifecycle.value,
        key=event_key(who.external_key if who.external_key is not None else who.request_id, who.key),
        request_id=who.request_id,
        external_key=who.external_key,
        correlation_id=who.correlation_id,
        requested_by=who.requested_by,
        catalogue_operation=who.operation,
        change=change,
        outcome=outcome,
        reason=reason,
        observed_at=now,
        traceparent=who.traceparent,
    )
