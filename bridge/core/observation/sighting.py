"""What an observed Task and a blocking task have in common: a first sight, an end that is told, being forgotten."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from bridge.core.coordinates import Birth
from bridge.core.lifecycle import Kind, Lifecycle, Phase
from bridge.core.observation.order import order_part
from bridge.core.observation_parts import SightedPart, whole_millis
from bridge.core.story import Story
from bridge.core.task import Task
from bridge.core.times import from_millis
from bridge.errors import InvariantViolation


def first_sight(now: datetime, order: Lifecycle, part: SightedPart, kind: Kind) -> Lifecycle:
    """The lifecycle of something that ``order`` sees for the first time; nothing of it is told yet."""
    return Lifecycle(
        birth=birth_of(order, part.id),
        kind=kind,
        phase=Phase.FOLLOWING,
        request_id=None,
        key=None,
        correlation_id=order.correlation_id,
        organization=order.organization,
        received_at=now,
        observation=part,
    )


def birth_of(order: Lifecycle, urn: str) -> Birth:
    """No record opened it: its offset is one that no record can have.

    It comes from the order, its position, what was last told of it, and the URN. What is forgotten and seen again has
    another birth, since the position has moved on, or the order was changed: so no event's id ever comes again.
    """
    text = f"{order.birth}\n{order_part(order).position}\n{order.sequence}\n{urn}"
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    return Birth(order.birth.topic, order.birth.partition, -1 - (int.from_bytes(digest[:8]) >> 1))


def sighted_part(lifecycle: Lifecycle) -> SightedPart:
    """Raises InvariantViolation where no observation has seen it."""
    if not isinstance(lifecycle.observation, SightedPart):
        raise InvariantViolation(f"{lifecycle.birth}: {lifecycle.kind} is not seen by an observation")
    return lifecycle.observation


def keep(story: Story, ended_at: datetime) -> None:
    """Its end is told: it is remembered by when it ended, on VCD's clock."""
    part = sighted_part(story.lifecycle)
    story.become(phase=Phase.KEPT, observation=replace(part, ended_at=whole_millis(ended_at)))


def forget(story: Story) -> None:
    story.become(phase=Phase.ENDED)


def end_time(task: Task) -> datetime | None:
    """When the Task ended, on VCD's clock; None where VCD does not say."""
    ended_at = task.document["endTime"]
    return from_millis(ended_at) if ended_at is not None else None


def is_past(order: Lifecycle, ended_at: datetime | None) -> bool:
    """Whether an end is one that the order has told and forgotten, or that it was not asked for."""
    floor = order_part(order).floor
    return ended_at is not None and floor is not None and ended_at < floor
