"""The input: membership of the group, and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.core.coordinates import Birth, TopicPartition

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One input record as read. ``epoch`` is that of the partition's present assignment."""

    partition: TopicPartition
    epoch: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    @property
    def birth(self) -> Birth:
        return Birth(self.partition.topic, self.partition.partition, self.offset)

    @property
    def size_bytes(self) -> int:
        """Key, value and headers: what it weighs in memory."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


@dataclass(frozen=True, slots=True)
class Assigned:
    """Partitions that are ours from now on, each with the epoch of this assignment. Nothing is read until begun."""

    epochs: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Revoking:
    """The group takes these partitions; the handover waits (bounded) until the engine calls ``Inbox.release``."""

    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class Lost:
    """These partitions are no longer ours, perhaps for some time already: publish and call nothing for them."""

    partitions: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class Records:
    """Input records in offset order per partition."""

    deliveries: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class AtEnd:
    """Everything below ``offset`` of this partition has been delivered: it was the end when it was seen.

    Needed because control records and aborted transactions leave offsets that are never delivered.
    """

    partition: TopicPartition
    epoch: int
    offset: int


InboxEvent = Assigned | Revoking | Lost | Records | AtEnd


class Inbox(Protocol):
    """The consumer group membership and the input records, with its own polling thread behind it."""

    async def open(self) -> None:
        """Subscribe. Raises TemporaryError or ConfigurationError."""
        ...

    async def next(self) -> InboxEvent:
        """The next event, in the order the polling thread saw them. Raises ProcessMustEnd when the thread died."""
        ...

    def begin(self, partition: TopicPartition, epoch: int, offset: int) -> None:
        """Start reading an assigned partition at ``offset``. A stale epoch is ignored."""
        ...

    def pause(self, partition: TopicPartition) -> None: ...

    def resume(self, partition: TopicPartition) -> None: ...

    def release(self, partitions: frozenset[TopicPartition]) -> None:
        """Ends a ``Revoking``: nothing of these partitions is open or in flight any more."""
        ...

    async def close(self) -> None:
        """Leave the group. ``next`` still delivers the ``Revoking`` this causes, so keep reading until it returns."""
        ...
