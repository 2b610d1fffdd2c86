"""Kafka behind the engine's ports, as a test wants it: partitions are given and taken at its word.

It is no simulation of Kafka: that is ``tests/simulation/cluster``, where the bridge's own adapters run.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from random import Random

from bridge.core.coordinates import TopicPartition
from bridge.ports import (
    Assigned,
    AtEnd,
    Committed,
    Delivery,
    Headers,
    InboxEvent,
    Lost,
    NotCommitted,
    OutRecord,
    PartitionEntries,
    Records,
    RestoredPartition,
    Revoking,
    StoredRecord,
)

SESSION_SECONDS = 6.0
TRANSACTION_SECONDS = 8.0


@dataclass(slots=True)
class Entry:
    """One offset of a log: a record, or the marker that ends a transaction (``record`` None)."""

    offset: int
    record: OutRecord | None
    transaction: int | None
    timestamp_ms: int = 0


@dataclass(slots=True)
class Transaction:
    """State ``open`` | ``committed`` | ``aborted``."""

    number: int
    owner: str
    began: float
    state: str = "open"
    touched: set[TopicPartition] = field(default_factory=set)


class SimKafka:
    """One cluster, shared by all simulated processes."""

    def __init__(self, random: Random, partitions: int) -> None:
        self.random = random
        self.partitions = partitions
        self.logs: dict[TopicPartition, list[Entry]] = defaultdict(list)
        self.transactions: dict[int, Transaction] = {}
        self.committed: dict[TopicPartition, tuple[int, str]] = {}
        self.members: dict[str, SimInbox] = {}
        self.readers: list[asyncio.Event] = []
        """Set whenever a log grows, also by the marker that ends a transaction: there may be more to read."""
        self.generation = 0
        self._rebalancing = asyncio.Lock()
        self._numbers = 0
        self._begun: list[asyncio.Future[None]] = []

    # --- logs -----------------------------------------------------------------------------------------------------

    def append(self, partition: TopicPartition, record: OutRecord | None, transaction: int | None = None) -> int:
        log = self.logs[partition]
        now_ms = int(asyncio.get_event_loop().time() * 1000)
        log.append(Entry(len(log), record, transaction, now_ms))
        for news in self.readers:
            news.set()
        return len(log) - 1

    def partition_for(self, record: OutRecord) -> int:
        if record.partition is not None:
            return record.partition
        return sum(record.key or b"") % self.partitions

    def visible(self, partition: TopicPartition) -> list[Entry]:
        """What a read_committed reader sees: up to the last stable offset, without aborted records and markers."""
        shown: list[Entry] = []
        for entry in self.logs[partition]:
            transaction = None if entry.transaction is None else self.transactions[entry.transaction]
            if transaction is not None and transaction.state == "open":
                break
            if entry.record is not None and (transaction is None or transaction.state == "committed"):
                shown.append(entry)
        return shown

    def stable_end(self, partition: TopicPartition) -> int:
        for entry in self.logs[partition]:
            if entry.transaction is not None and self.transactions[entry.transaction].state == "open":
                return entry.offset
        return len(self.logs[partition])

    # --- transactions ---------------------------------------------------------------------------------------------

    def begin(self, owner: str) -> Transaction:
        self._numbers += 1
        transaction = Transaction(self._numbers, owner, asyncio.get_event_loop().time())
        self.transactions[transaction.number] = transaction
        asyncio.get_event_loop().call_later(TRANSACTION_SECONDS, self._time_out, transaction)
        return transaction

    def end(self, transaction: Transaction, state: str) -> None:
        if transaction.state != "open":
            return
        transaction.state = state
        for partition in transaction.touched:
            self.append(partition, None, transaction.number)

    def fence(self, owner: str) -> None:
        """init_transactions: whatever this transactional id left open is aborted."""
        for transaction in list(self.transactions.values()):
            if transaction.owner == owner:
                self.end(transaction, "aborted")

    def _time_out(self, transaction: Transaction) -> None:
        self.end(transaction, "aborted")

    # --- the group ------------------------------------------------------------------------------------------------

    async def join(self, inbox: SimInbox) -> None:
        self.members[inbox.member] = inbox
        # The group's own doing: it goes on though the member that caused it dies.
        await asyncio.shield(self._rebalanced())

    async def leave(self, member: str) -> None:
        if self.members.pop(member, None) is not None:
            await self.rebalance()

    def expire(self, member: str) -> None:
        """A dead member is noticed after its session."""

        def gone() -> None:
            if self.members.pop(member, None) is not None:
                self._rebalanced()

        asyncio.get_event_loop().call_later(SESSION_SECONDS, gone)

    def _rebalanced(self) -> asyncio.Future[None]:
        begun = asyncio.ensure_future(self.rebalance())
        self._begun.append(begun)
        return begun

    async def rebalance(self) -> None:
        """Cooperative: partitions that move are revoked first, the others go on."""
        async with self._rebalancing:
            self.generation += 1
            names = sorted(self.members)
            if not names:
                return
            # As assignors do, partitions are counted, not topics: who has one of an input need not have it of another.
            topics = self.members[names[0]].topics
            pairs = [TopicPartition(topic, number) for topic in topics for number in range(self.partitions)]
            wanted = {name: pairs[index :: len(names)] for index, name in enumerate(names)}
            for name in names:
                if name in self.members:
                    await self.members[name].revoke_all_but(wanted[name])
            for name in names:
                if name in self.members:
                    self.members[name].assign(wanted[name])


class Process:
    """One simulated bridge process. After ``kill`` nothing it does has any effect."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True

    async def step(self, random: Random, longest: float = 0.01) -> None:
        """A moment in which anything may happen, the process's death included."""
        await asyncio.sleep(random.random() * longest)
        if not self.alive:
            await asyncio.get_event_loop().create_future()


class SimInbox:
    """The Inbox port."""

    def __init__(self, process: Process, kafka: SimKafka, *topics: str) -> None:
        self.process = process
        self.kafka = kafka
        self.topics = topics
        self.member = process.name
        self.epochs: dict[TopicPartition, int] = {}
        self.generation = 0
        self._epoch = 0
        self._events: asyncio.Queue[InboxEvent] = asyncio.Queue()
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._released: dict[TopicPartition, asyncio.Event] = {}
        self._pump: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self.batch = (1, 20)
        """How many records come at once: at least, at most."""

    async def open(self) -> None:
        self.kafka.readers.append(self._news)
        self._pump = asyncio.ensure_future(self._deliver())
        await self.kafka.join(self)

    async def next(self) -> InboxEvent:
        return await self._events.get()

    def begin(self, partition: TopicPartition, epoch: int, offset: int) -> None:
        if self.epochs.get(partition) == epoch:
            self._positions[partition] = offset
            self._news.set()

    def pause(self, partition: TopicPartition) -> None:
        self._paused.add(partition)

    def resume(self, partition: TopicPartition) -> None:
        self._paused.discard(partition)
        self._news.set()

    def release(self, partitions: frozenset[TopicPartition]) -> None:
        for partition in partitions:
            self._released[partition].set()

    def die(self) -> None:
        """The process is gone."""
        if self._pump is not None:
            self._pump.cancel()

    async def close(self) -> None:
        if self.process.alive:
            await self.revoke_all_but(())
            await self.kafka.leave(self.member)
        if self._pump is not None:
            self._pump.cancel()

    async def revoke_all_but(self, keep: Collection[TopicPartition]) -> None:
        going = frozenset(partition for partition in self.epochs if partition not in keep)
        if not going or not self.process.alive:
            return
        for partition in going:
            self._released[partition] = asyncio.Event()
        self._events.put_nowait(Revoking(going))
        for partition in going:
            try:
                await asyncio.wait_for(self._released[partition].wait(), 30)
            except TimeoutError:
                self._events.put_nowait(Lost(going))
            self.epochs.pop(partition, None)
            self._positions.pop(partition, None)

    def assign(self, wanted: Collection[TopicPartition]) -> None:
        self.generation = self.kafka.generation
        new: dict[TopicPartition, int] = {}
        for partition in wanted:
            if partition not in self.epochs:
                self._epoch += 1
                new[partition] = self._epoch
        self.epochs.update(new)
        self._events.put_nowait(Assigned(new))

    def lose_everything(self) -> None:
        """The session ended without this process knowing: it learns it now."""
        gone = frozenset(self.epochs)
        self.epochs.clear()
        self._positions.clear()
        self._events.put_nowait(Lost(gone))

    async def _deliver(self) -> None:
        told_end: dict[tuple[TopicPartition, int], int] = {}
        while True:
            await self._news.wait()  # hours may pass in which nothing happens; polling would be most of a run's work
            await self.process.step(self.kafka.random, 0.02)
            self._news.clear()
            for partition, position in list(self._positions.items()):
                if partition in self._paused or partition not in self.epochs:
                    continue
                epoch = self.epochs[partition]
                batch = [
                    _delivery(partition, epoch, entry)
                    for entry in self.kafka.visible(partition)[:]
                    if entry.offset >= position
                ][: self.kafka.random.randint(*self.batch)]
                end = self.kafka.stable_end(partition)
                if batch:
                    self._positions[partition] = batch[-1].offset + 1
                    self._events.put_nowait(Records(batch))
                    self._news.set()
                elif told_end.get((partition, epoch)) != end:
                    told_end[(partition, epoch)] = end
                    self._events.put_nowait(AtEnd(partition, epoch, end))


class SimJournal:
    """The Journal port: one transaction per call, with everything that can go wrong."""

    def __init__(self, process: Process, kafka: SimKafka, inbox: SimInbox, abort_rate: float) -> None:
        self.process = process
        self.kafka = kafka
        self.inbox = inbox
        self.abort_rate = abort_rate
        self.transactions = 0

    async def open(self) -> None:
        self.kafka.fence(self.process.name)

    def max_record_bytes(self, topic: str) -> int:
        return 1_000_000

    async def close(self) -> None:
        return None

    async def commit(self, entries: Sequence[PartitionEntries]) -> Committed | NotCommitted:
        owned, generation = dict(self.inbox.epochs), self.inbox.generation
        lost = frozenset(entry.partition for entry in entries if owned.get(entry.partition) != entry.epoch)
        if lost:
            return NotCommitted(lost=lost)
        self.transactions += 1
        transaction = self.kafka.begin(self.process.name)
        for entry in entries:
            for record in entry.records:
                partition = TopicPartition(record.topic, self.kafka.partition_for(record))
                transaction.touched.add(partition)
                self.kafka.append(partition, record, transaction.number)
            await self.process.step(self.kafka.random, 0.004)
        await self.process.step(self.kafka.random)
        member = self.kafka.members.get(self.inbox.member)
        if member is not self.inbox or generation != self.kafka.generation:
            # The broker's fence: membership and generation, never ownership.
            self.kafka.end(transaction, "aborted")
            return NotCommitted()
        if self.kafka.random.random() < self.abort_rate:
            self.kafka.end(transaction, "aborted")
            return NotCommitted()
        still = frozenset(e.partition for e in entries if self.inbox.epochs.get(e.partition) != e.epoch)
        if still:
            self.kafka.end(transaction, "aborted")
            return NotCommitted(lost=still)
        if transaction.state != "open":
            return NotCommitted()
        for entry in entries:
            self.kafka.committed[entry.partition] = (entry.next_offset, f"{self.process.name}:{self.transactions}")
        self.kafka.end(transaction, "committed")
        await self.process.step(self.kafka.random)
        return Committed()


class SimStore:
    """The Store port."""

    def __init__(self, process: Process, kafka: SimKafka, group: str) -> None:
        self.process = process
        self.kafka = kafka
        self.group = group

    async def restore(self, partition: TopicPartition, epoch: int) -> RestoredPartition | None:
        changelog = TopicPartition(f"{self.group}.{partition.topic}.changelog", partition.partition)
        ended = TopicPartition(f"{self.group}.{partition.topic}.ended", partition.partition)
        ends = {log: len(self.kafka.logs[log]) for log in (changelog, ended)}
        while any(self.kafka.stable_end(log) < end for log, end in ends.items()):
            await self.process.step(self.kafka.random, 0.2)
        await self.process.step(self.kafka.random, 0.1)
        latest: dict[bytes, StoredRecord] = {}
        removed_at: dict[bytes, int] = {}
        for offset, entry in enumerate(self.kafka.visible(changelog)):
            assert entry.record is not None
            key = entry.record.key or b""
            if entry.record.value is None:
                latest.pop(key, None)
                removed_at[key.rpartition(b"|")[2]] = offset
            else:
                latest[key] = StoredRecord(key, entry.record.value, entry.record.headers, offset)
        committed = self.kafka.committed.get(partition)
        return RestoredPartition(
            changelog=list(latest.values()),
            ended=[_stored(entry) for entry in self.kafka.visible(ended)],
            committed=committed[0] if committed else None,
            low=0,
            high=self.kafka.stable_end(partition),
            topic_id="simulated",
            store_partitions=self.kafka.partitions,
            input_partitions=self.kafka.partitions,
            removed_at=removed_at,
        )

    async def close(self) -> None:
        return None


def _delivery(partition: TopicPartition, epoch: int, entry: Entry) -> Delivery:
    assert entry.record is not None
    headers: Headers = entry.record.headers
    return Delivery(
        partition=partition,
        epoch=epoch,
        offset=entry.offset,
        key=entry.record.key,
        value=entry.record.value,
        headers=headers,
        timestamp_ms=entry.timestamp_ms,
    )


def _stored(entry: Entry) -> StoredRecord:
    assert entry.record is not None
    return StoredRecord(entry.record.key or b"", entry.record.value or b"", entry.record.headers)
