"""The journal: everything one round decided becomes true in one Kafka transaction, exactly once, or not at all."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bridge.core.coordinates import TopicPartition
from bridge.errors import BridgeError, ProcessMustEnd
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Connection, require_topics
from bridge.kafka.consumer import KafkaInbox
from bridge.kafka.limits import DEFAULT_BYTES, OVERHEAD_BYTES, record_bytes, topic_limits
from bridge.kafka.outcomes import Attempt, End
from bridge.kafka.rights import read_topics, require_rights, written
from bridge.kafka.transaction import TransactionalWriter, Work
from bridge.kafka.worker import Worker
from bridge.ports import Committed, NotCommitted, PartitionEntries, TopicNames

HUNG_SECONDS = 45.0
"""A single client call beyond this will not return any more. (``send_offsets_to_transaction`` was seen to come back
after 25 s of a broker's absence, and otherwise never.)"""
_REJOIN_SECONDS = 0.2


class TransactionalJournal:
    """Implements ``bridge.ports.Journal``.

    ``reach`` is the crash points' function; ``trouble(where, message)`` is told of what is cured without the engine;
    ``on_hung(message)`` ends the process when a client call hangs. All three are called from other threads.
    """

    def __init__(
        self,
        config: KafkaConfig,
        inbox: KafkaInbox,
        names: TopicNames,
        *,
        reach: Callable[[str], None],
        trouble: Callable[[str, str], None],
        on_hung: Callable[[str], None] | None = None,
    ) -> None:
        self._config = config
        self._inbox = inbox
        self._names = names
        self._reach = reach
        self._trouble = trouble
        instance = config.group_instance_id or uuid.uuid4().hex[:12]
        self.transactional_id = f"{config.group_id}-{instance}"
        # A restart under the same instance counts from 1 again; its tags must not be taken for its predecessor's.
        self._tag_prefix = f"{instance}.{uuid.uuid4().hex[:8]}" if config.group_instance_id else instance
        self._number = 0
        self._limits: Mapping[str, int] = {}
        self._embedded = False
        self._connection: Connection | None = None
        self._topics: list[str] = []
        self._worker = Worker("kafka-producer", bound_seconds=HUNG_SECONDS, on_hung=on_hung)
        self._writer: TransactionalWriter | None = None

    async def open(self) -> None:
        """Learn the topics' limits and get a producer. Raises TemporaryError or ConfigurationError."""
        await self._worker.run(self._open)

    async def commit(self, entries: Sequence[PartitionEntries]) -> Committed | NotCommitted:
        """Write all entries and their offsets in one transaction. At most one call at a time.

        Retries what can be retried and settles unknown outcomes itself. Raises ProcessMustEnd when it cannot.
        """
        writer = self._writer
        if writer is None:
            raise ProcessMustEnd("the journal is not open")
        if not entries:
            return Committed()
        # Taken before the first produce and never again in this transaction: metadata fresher than the decision would
        # let a transaction that was begun before a pause be committed after it (measured).
        snapshot = await self._inbox.snapshot()
        lost = frozenset(e.partition for e in entries if snapshot.epochs.get(e.partition) != e.epoch)
        if lost:
            return NotCommitted(lost=lost)
        refused = self._too_large(entries)
        if refused:
            return NotCommitted(refused=refused)
        if snapshot.group_metadata is None:
            # Between two memberships; the callback that says so is on its way.
            await asyncio.sleep(_REJOIN_SECONDS)
            return self._undone(entries)
        self._number += 1
        membership = self._inbox.membership
        partitions = [entry.partition for entry in entries]
        work = Work(
            entries=entries,
            tag=f"{self._tag_prefix}:{self._number}",
            group_metadata=snapshot.group_metadata,
            still_owned=lambda: not (membership.lost_since(snapshot) or membership.gone_since(snapshot, partitions)),
        )
        attempt = await self._worker.run(lambda: writer.attempt(work))
        return await self._outcome(writer, work, attempt)

    def max_record_bytes(self, topic: str) -> int:
        """Largest key + value + headers that ``topic`` takes."""
        return self._limits.get(topic, DEFAULT_BYTES) - OVERHEAD_BYTES

    async def close(self) -> None:
        """Let the producer go; a transaction that is open is aborted by the broker."""
        if self._writer is not None:
            self._writer.producers.close()
        self._worker.close()

    # --- outcomes -----------------------------------------------------------------------------------------------------

    async def _outcome(self, writer: TransactionalWriter, work: Work, attempt: Attempt) -> Committed | NotCommitted:
        match attempt.end:
            case End.COMMITTED:
                return Committed()
            case End.ABORTED:
                return await self._blamed(writer, work, attempt)
            case End.DOUBT:
                if self._embedded:
                    raise ProcessMustEnd(
                        f"the embedded broker keeps no offsets to settle a commit by: {attempt.detail}"
                    )
                partitions = [entry.partition for entry in work.entries]
                happened = await self._worker.run(lambda: _settle(writer, partitions, work.tag))
                found = "committed" if happened else "not committed"
                self._trouble("kafka journal", f"transaction {work.tag} was in doubt ({attempt.detail}): {found}")
                return Committed() if happened else await self._blamed(writer, work, attempt)

    async def _blamed(self, writer: TransactionalWriter, work: Work, attempt: Attempt) -> NotCommitted:
        if attempt.refused or attempt.input_missing:
            attempt = await self._worker.run(lambda: self._blame(writer, work, attempt))
        return self._undone(work.entries, attempt)

    def _blame(self, writer: TransactionalWriter, work: Work, attempt: Attempt) -> Attempt:
        """Whose record it was that could not be written, or whose offset; in the worker's thread."""
        if attempt.input_missing:
            return replace(attempt, refused=self._without_input(work.entries))
        limits = self._topic_limits()
        if limits != self._limits:
            self._limits = limits
            writer.producers.resize(limits)
            return replace(attempt, refused=self._too_large(work.entries))
        # Tried once more, each alone: a broker refuses whole batches, and a topic can be unknown for a moment.
        suspects = [entry for entry in work.entries if entry.partition in attempt.refused]
        return replace(attempt, refused=writer.refusals(suspects))

    def _without_input(self, entries: Sequence[PartitionEntries]) -> dict[TopicPartition, str]:
        """Those whose topic was deleted: no transaction that carries their offset is taken. Others' must not wait."""
        try:
            there = self._connection.look() if self._connection is not None else None
        except BridgeError:
            there = None  # nobody is to blame before it is known; the next transaction asks again
        partitions = [entry.partition for entry in entries if there and not there.partitions(entry.partition.topic)]
        return {partition: f"there is no topic {partition.topic} any more" for partition in partitions}

    def _undone(self, entries: Sequence[PartitionEntries], attempt: Attempt | None = None) -> NotCommitted:
        membership = self._inbox.membership
        lost = frozenset(e.partition for e in entries if not membership.owns(e.partition, e.epoch))
        refused = dict(attempt.refused) if attempt is not None else {}
        if attempt is not None and attempt.end is End.ABORTED and attempt.detail:
            self._trouble("kafka journal", f"transaction aborted: {attempt.detail}")
        stalled = attempt.stalled if attempt is not None else frozenset[TopicPartition]()
        if len(stalled) == len(entries):
            stalled = frozenset()  # nobody is to blame: it is Kafka that does not answer
        return NotCommitted(lost=lost, refused=refused or None, stalled=stalled)

    def _too_large(self, entries: Sequence[PartitionEntries]) -> dict[TopicPartition, str]:
        """One record too large would poison the transaction of all partitions."""
        refused: dict[TopicPartition, str] = {}
        for entry in entries:
            for record in entry.records:
                size = record_bytes(record)
                if size > self.max_record_bytes(record.topic) and entry.partition not in refused:
                    refused[entry.partition] = (
                        f"a record of {size} bytes does not fit into {record.topic}, which takes"
                        f" {self.max_record_bytes(record.topic)}; raise its max.message.bytes"
                    )
        return refused

    # --- opening, in the worker's thread ------------------------------------------------------------------------------

    def _open(self) -> None:
        connection = Connection(self._config)
        cluster = connection.look()
        self._embedded = cluster.is_embedded
        self._topics = [*self._names.outputs, *self._names.stores]
        # The inputs as well: one message shall name all that has to be made.
        require_topics(cluster, [*self._names.inputs, *self._topics])
        if not self._embedded:
            require_rights(connection, read=read_topics(self._names), write=written(self._names))
        self._connection = connection
        self._limits = self._topic_limits()
        self._writer = TransactionalWriter(
            self._config,
            self.transactional_id,
            self._limits,
            frozenset(self._names.stores),
            step=self._worker.step,
            reach=self._reach,
            trouble=self._trouble,
        )
        self._writer.producers.open()

    def _topic_limits(self) -> Mapping[str, int]:
        limits = dict.fromkeys(self._topics, DEFAULT_BYTES)
        if self._connection is not None and not self._embedded:
            limits |= topic_limits(self._connection, self._topics)
        own = self._config.properties.get("message.max.bytes")
        if own is None:
            return limits
        return {topic: min(limit, int(own)) for topic, limit in limits.items()}


def _settle(writer: TransactionalWriter, partitions: Sequence[TopicPartition], tag: str) -> bool:
    """The outcome of a transaction in doubt. Fencing it first is what makes the answer final."""
    writer.producers.replace()
    return writer.was_committed(partitions, tag)
