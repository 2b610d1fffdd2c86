"""What the engine needs from outside, as protocols. Adapters implement them; the simulation doubles them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bridge.core.answers import (
    CallAnswer,
    CancelAnswer,
    EntityReading,
    HttpCall,
    ReadRefused,
    ReferenceKind,
    ReferenceReading,
    TaskPage,
    TaskQuery,
    TaskReading,
    Unavailable,
)
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.events import StatusEvent
from bridge.core.external_commands import DecodedExternal
from bridge.core.lifecycle import Cursor, Ended, Lifecycle, StoredRequest
from bridge.core.requests import Decoded, SchemaAnswer

Headers = tuple[tuple[str, bytes | None], ...]


class Clock(Protocol):
    """Time and randomness: the only source of either for the engine."""

    def now(self) -> datetime:
        """Wall clock, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds; never goes backward."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def random(self) -> float:
        """In [0, 1)."""
        ...


# --- Kafka: input -------------------------------------------------------------------------------------------------


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


# --- Kafka: journal and store -------------------------------------------------------------------------------------


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
    """One live record of the changelog or one record of the ended topic, undecoded."""

    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredPartition:
    """The store of one partition, read to its end past open transactions, and where its input stands.

    ``committed`` is the group's committed offset or None; ``low`` and ``high`` the input's watermarks.
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


class Store(Protocol):
    """Reads the store topics of input partitions back."""

    async def restore(self, partition: TopicPartition, epoch: int) -> RestoredPartition | None:
        """None when the partition was lost meanwhile.

        Raises TemporaryError when the store cannot be read, StoreConflict when the input topic is gone.
        """
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicNames:
    """The topics one input belongs with."""

    action_requests: str
    external_tasks: str | None = None
    """None: external tasks are off, and their topic is not read."""
    task_events: str
    ticket_updates: str | None = None
    """None: outcomes are told on ``task_events`` only."""
    dead_letters: str
    group_id: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """The topics that are read."""
        return (self.action_requests,) if self.external_tasks is None else (self.action_requests, self.external_tasks)

    @property
    def stores(self) -> tuple[str, ...]:
        """Changelog and ended topic of each input."""
        return tuple(name for topic in self.inputs for name in (self.changelog(topic), self.ended(topic)))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The topics that others read."""
        tickets = () if self.ticket_updates is None else (self.ticket_updates,)
        return (self.task_events, *tickets, self.dead_letters)

    def changelog(self, input_topic: str) -> str:
        return f"{self.group_id}.{input_topic}.changelog"

    def ended(self, input_topic: str) -> str:
        return f"{self.group_id}.{input_topic}.ended"


# --- Records ------------------------------------------------------------------------------------------------------


class RequestCodec(Protocol):
    """Bytes of ``vcd.action-requests`` to requests."""

    def decode(self, delivery: Delivery) -> Decoded: ...

    async def refresh(self, schema_id: int) -> SchemaAnswer:
        """Try to learn an unknown schema id from the registry. Bounded in time; never raises."""
        ...


class ExternalCodec(Protocol):
    """Bytes of ``vcd.external-tasks`` to commands."""

    def decode(self, delivery: Delivery) -> DecodedExternal: ...

    async def refresh(self, schema_id: int) -> SchemaAnswer:
        """Try to learn an unknown schema id from the registry. Bounded in time; never raises."""
        ...


class EventCodec(Protocol):
    """Status events to bytes, with the headers of the event topic."""

    def encode(self, event: StatusEvent) -> tuple[bytes, Headers]: ...

    def shrink(self, event: StatusEvent) -> StatusEvent:
        """The same event with its free content cut (flagged as truncated), small enough for any topic."""
        ...


class StoreCodec(Protocol):
    """Store records to bytes and back. Never needs the schema registry.

    Headers repeat sequence, phase, lane and format version, so that an unreadable value can still be told and parked.
    """

    def encode_state(self, lifecycle: Lifecycle) -> tuple[bytes, Headers]: ...

    def decode_state(self, record: StoredRecord) -> Lifecycle: ...

    def encode_request(self, request: StoredRequest) -> tuple[bytes, Headers]: ...

    def decode_request(self, record: StoredRecord) -> StoredRequest: ...

    def encode_cursor(self, cursor: Cursor) -> tuple[bytes, Headers]: ...

    def decode_cursor(self, record: StoredRecord) -> Cursor: ...

    def encode_ended(self, ended: Ended) -> tuple[bytes, Headers]: ...

    def decode_ended(self, record: StoredRecord) -> Ended: ...


# --- Cloud Director -----------------------------------------------------------------------------------------------


class VcdGateway(Protocol):
    """Everything the engine asks of VCD. No method raises for what VCD or the network does; answers say it."""

    async def open(self) -> None:
        """Negotiate the version and log in. Raises ConfigurationError or TemporaryError."""
        ...

    @property
    def session_ready(self) -> bool:
        """A token that is believed valid is at hand."""
        ...

    @property
    def api_version(self) -> str: ...

    @property
    def user_name(self) -> str:
        """The bridge's own user, as task records name it in ``ownerName``."""
        ...

    @property
    def clock_ahead(self) -> timedelta:
        """How far VCD's clock was ahead of ours when it last told the time; zero before."""
        ...

    async def call(self, call: HttpCall, *, leave_by: float, may_leave: Callable[[], bool]) -> CallAnswer:
        """Make one call that changes VCD. It leaves before ``leave_by`` (monotonic seconds, pool, connect and TLS
        included) or answers NeverSent(code="lease_expired"). ``may_leave`` is asked last; when it says no, the answer
        is NeverSent(code="held_back"). While VCD has asked to be left alone, nothing leaves and the answer is Limited
        with what is left of that time. Once begun it is awaited behind a shield."""
        ...

    async def read_task(self, task_id: str, href: str | None) -> TaskReading: ...

    async def cancel_task(self, task_id: str, call_id: str) -> CancelAnswer: ...

    async def query_tasks(self, query: TaskQuery) -> TaskPage | ReadRefused | Unavailable: ...

    async def read_entity(self, path: str, organization: str | None) -> EntityReading:
        """GET ``path`` (relative to ``/api``)."""
        ...

    @property
    def is_provider(self) -> bool:
        """The login is one of the provider (System): nobody else may make external tasks."""
        ...

    async def read_reference(self, kind: ReferenceKind, text: str | None) -> ReferenceReading:
        """Read what an external task shall name, so that VCD finds no reason to refuse it."""
        ...

    async def close(self) -> None: ...


# --- Observability ------------------------------------------------------------------------------------------------


class Observer(Protocol):
    """Facts the engine tells about itself, each one log line where it matters and one metric. Never raises."""

    def admitted(self, lifecycle: Lifecycle, *, deprecated: bool) -> None:
        """A request opened a lifecycle."""
        ...

    def refused(self, event: StatusEvent) -> None:
        """A record was answered by a one-event story (rejected, conflict, repeat with another correlation id)."""
        ...

    def repeated(self, known: Lifecycle | Ended, record: Birth) -> None:
        """An identical repeat was recognised silently."""
        ...

    def dead_lettered(self, record: Birth, stage: str, message: str) -> None: ...

    def told(self, event: StatusEvent) -> None:
        """An event of a lifecycle was committed."""
        ...

    def moved(self, before: Lifecycle | None, after: Lifecycle) -> None:
        """A lifecycle's new state was committed."""
        ...

    def noted(self, lifecycle: Lifecycle, note: str, evidence: Sequence[str] = ()) -> None:
        """A fact worth counting, e.g. ``status_regression``; ``recovery_adopted`` and its like with their evidence."""
        ...

    def call_answered(self, lifecycle: Lifecycle, call: HttpCall, answer: CallAnswer, seconds: float) -> None:
        """``lifecycle`` is as it was when the call left."""
        ...

    def committed(self, seconds: float, steps: int) -> None:
        """A group commit succeeded."""
        ...

    def not_committed(self, lost: int, refused: int) -> None: ...

    def assigned(self, partition: TopicPartition, lifecycles: int, seconds: float) -> None:
        """A partition was restored and is being read."""
        ...

    def unassigned(self, partition: TopicPartition, *, lost: bool) -> None: ...

    def partition_stopped(self, partition: TopicPartition, reason: str) -> None:
        """A partition cannot go on until a person acts; the others do."""
        ...

    def paused(self, partition: TopicPartition, *, paused: bool) -> None: ...

    def backlog_admitted(self, partition: TopicPartition) -> None: ...

    def orphan_found(self, partition: TopicPartition, external_key: str, task_id: str, policy: str) -> None:
        """A running Task bears our mark, and nobody has it; ``policy`` says what becomes of it."""
        ...

    def orphans_unknown(self, partition: TopicPartition, reason: str) -> None:
        """VCD does not say which running Tasks bear our mark."""
        ...

    def strangers_seen(self, partition: TopicPartition, namespace: str, count: int) -> None:
        """Running Tasks of others under our namespace: they are left alone."""
        ...

    def schema_waiting(self, partition: TopicPartition, schema_id: int) -> None:
        """The partition's intake waits until the registry tells a schema, or until patience is over."""
        ...

    def schema_answered(self, partition: TopicPartition, schema_id: int, answer: SchemaAnswer) -> None:
        """That wait is over."""
        ...
