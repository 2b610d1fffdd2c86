"""What is written, exactly once, and read back: journal, store, and the names of their topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.coordinates import TopicPartition
from bridge.core.events import Stream
from bridge.errors import InvariantViolation
from bridge.ports.inbox import Headers


@dataclass(frozen=True, slots=True)
class OutRecord:
    """One record to be written. ``partition`` None: murmur2 of the key, as Java producers do."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionEntries:
    """Everything one input partition contributes to a transaction, in order.

    ``next_offset`` is the next input offset to read, also when nothing new was read: every touched partition's offset
    goes with the transaction, or the broker fences nothing.
    """

    partition: TopicPartition
    epoch: int
    next_offset: int
    records: tuple[OutRecord, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """All entries are durable and visible, exactly once."""


@dataclass(frozen=True, slots=True)
class NotCommitted:
    """Nothing of it is visible. Decide again from committed state, without what is named here.

    ``lost``: partitions no longer owned under the given epoch. ``refused``: partitions whose records cannot be written,
    with the reason (they stop; the others go on). ``stalled``: partitions whose records were not acknowledged in time
    while others' were (they wait a while; the others go on).
    """

    lost: frozenset[TopicPartition] = frozenset()
    refused: Mapping[TopicPartition, str] | None = None
    stalled: frozenset[TopicPartition] = frozenset()


class Journal(Protocol):
    """Exactly-once group commit: one Kafka transaction per call."""

    async def open(self) -> None: ...

    async def commit(self, entries: Sequence[PartitionEntries]) -> Committed | NotCommitted:
        """Write all entries and their offsets in one transaction. At most one call at a time.

        Retries what can be retried and settles unknown outcomes itself. Raises ProcessMustEnd when it cannot.
        """
        ...

    def max_record_bytes(self, topic: str) -> int:
        """Largest key + value + headers that ``topic`` takes."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One live record of the changelog or one record of the ended topic, undecoded. ``offset`` -1: not told."""

    key: bytes
    value: bytes
    headers: Headers
    offset: int = field(default=-1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredPartition:
    """The store of one partition, read to its end past open transactions, and where its input stands.

    ``committed`` is the group's committed offset or None; ``low`` and ``high`` the input's watermarks. ``removed_at``
    tells where the changelog has its last tombstone, by what its key has behind the last ``|``.
    """

    changelog: Sequence[StoredRecord]
    ended: Sequence[StoredRecord]
    committed: int | None
    low: int
    high: int
    topic_id: str
    store_partitions: int
    """Partitions that the changelog topic has; an input partition at or above it is not taken."""
    input_partitions: int = 0
    removed_at: Mapping[bytes, int] = field(default_factory=dict)


class Store(Protocol):
    """Reads the store topics of input partitions back."""

    async def restore(self, partition: TopicPartition, epoch: int) -> RestoredPartition | None:
        """None when the partition was lost meanwhile.

        Raises TemporaryError when the store cannot be read, StoreConflict when the input topic is gone or the
        changelog loses records.
        """
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicNames:
    """The topics one input belongs with."""

    action_requests: str
    approvals: str | None = None
    """None: decisions have no topic of their own."""
    external_tasks: str | None = None
    """None: external tasks are off, and their topic is not read."""
    observations: str | None = None
    """None: observation is off, and its topic is not read."""
    task_events: str
    observed_tasks: str | None = None
    """None, and ``blocking_tasks`` too: observation is off."""
    blocking_tasks: str | None = None
    ticket_updates: str | None = None
    """None: outcomes are told on ``task_events`` only."""
    dead_letters: str
    group_id: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """The topics that are read."""
        optional = (self.approvals, self.external_tasks, self.observations)
        return (self.action_requests, *(topic for topic in optional if topic is not None))

    @property
    def requested(self) -> dict[str, str]:
        """The inputs whose records are action requests, by the catalogue's name of what they take."""
        named = {"action_requests": self.action_requests, "approvals": self.approvals}
        return {stream: topic for stream, topic in named.items() if topic is not None}

    @property
    def stores(self) -> tuple[str, ...]:
        """Changelog and ended topic of each input."""
        return tuple(name for topic in self.inputs for name in (self.changelog(topic), self.ended(topic)))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The topics that others read."""
        optional = (self.observed_tasks, self.blocking_tasks, self.ticket_updates)
        return (self.task_events, *(topic for topic in optional if topic is not None), self.dead_letters)

    def told_on(self, stream: Stream) -> str:
        """The topic of a stream of events. Raises InvariantViolation where what would tell on it is off."""
        topics = {
            Stream.TASK_EVENTS: self.task_events,
            Stream.OBSERVED_TASKS: self.observed_tasks,
            Stream.BLOCKING_TASKS: self.blocking_tasks,
        }
        topic = topics[stream]
        if topic is None:
            raise InvariantViolation(f"an event for {stream}, which has no topic")
        return topic

    @property
    def control(self) -> str:
        """What operators tell the whole group."""
        return f"{self.group_id}.control"

    def changelog(self, input_topic: str) -> str:
        return f"{self.group_id}.{input_topic}.changelog"

    def ended(self, input_topic: str) -> str:
        return f"{self.group_id}.{input_topic}.ended"
