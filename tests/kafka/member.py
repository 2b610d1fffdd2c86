"""The Kafka side of one bridge process: inbox, journal and store together, driven by a test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bridge.core.coordinates import TopicPartition
from bridge.kafka.config import KafkaConfig
from bridge.kafka.consumer import KafkaInbox
from bridge.kafka.journal import TransactionalJournal
from bridge.kafka.store import KafkaStore
from bridge.ports import (
    Assigned,
    AtEnd,
    Committed,
    Delivery,
    Lost,
    NotCommitted,
    OutRecord,
    PartitionEntries,
    Records,
    RestoredPartition,
    Revoking,
    TopicNames,
)
from tests.support.kafka import KafkaNode, create_bridge_topics, unique

SESSION_SECONDS = 3.0
PROTOCOLS = {
    "classic": {},
    "kip-848": {"group.protocol": "consumer"},
    "eager": {"partition.assignment.strategy": "range"},
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Topics of one test on a shared broker."""

    bootstrap: str
    names: TopicNames

    @classmethod
    def make(cls, kafka: KafkaNode, partitions: int = 1, *, external: int | None = None) -> Stage:
        """``external``: partitions of the second input; None: only one is read."""
        names = TopicNames(
            action_requests=unique("requests"),
            external_tasks=unique("external") if external is not None else None,
            task_events=unique("events"),
            dead_letters=unique("dead"),
            group_id=unique("group"),
        )
        create_bridge_topics(
            kafka.bootstrap, names.group_id, names.action_requests, partitions, names.task_events, names.dead_letters
        )
        if names.external_tasks is not None and external is not None:
            create_bridge_topics(kafka.bootstrap, names.group_id, names.external_tasks, external)
        return cls(kafka.bootstrap, names)

    @property
    def source(self) -> str:
        return self.names.action_requests

    @property
    def external(self) -> str:
        """The second input."""
        assert self.names.external_tasks is not None
        return self.names.external_tasks

    @property
    def changelog(self) -> str:
        return self.names.changelog(self.source)

    def partition(self, at: int | TopicPartition = 0) -> TopicPartition:
        """A number is one of the first input."""
        return TopicPartition(self.source, at) if isinstance(at, int) else at

    def second(self, number: int = 0) -> TopicPartition:
        """A partition of the second input."""
        return TopicPartition(self.external, number)

    def order(self, partition: TopicPartition) -> tuple[int, int]:
        """Those of the first input come first."""
        return self.names.inputs.index(partition.topic), partition.partition

    def config(self, properties: Mapping[str, str] | None = None, bootstrap: str | None = None) -> KafkaConfig:
        return KafkaConfig(
            bootstrap_servers=bootstrap or self.bootstrap,
            group_id=self.names.group_id,
            properties=dict(properties or {}),
            session_timeout_seconds=SESSION_SECONDS,
        )


@dataclass(slots=True)
class Member:
    """Reads its events all the time, as the engine does. ``on_revoking`` runs before the partitions are let go."""

    stage: Stage
    config: KafkaConfig
    reach: Callable[[str], None] = lambda point: None
    on_revoking: Callable[[frozenset[TopicPartition]], Awaitable[None]] | None = None
    on_hung: Callable[[str], None] = lambda message: None
    owned: dict[TopicPartition, int] = field(default_factory=dict)
    delivered: list[Delivery] = field(default_factory=list)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    lost: list[frozenset[TopicPartition]] = field(default_factory=list)
    revoked: list[frozenset[TopicPartition]] = field(default_factory=list)
    assignments: int = 0
    troubles: list[tuple[str, str]] = field(default_factory=list)
    inbox: KafkaInbox = field(init=False)
    journal: TransactionalJournal = field(init=False)
    store: KafkaStore = field(init=False)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _reading: asyncio.Task[None] | None = None
    _handovers: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox = KafkaInbox(self.config, self.stage.names.inputs, trouble=self._trouble, on_hung=self.on_hung)
        self.journal = TransactionalJournal(
            self.config, self.inbox, self.stage.names, reach=self._reach, trouble=self._trouble
        )
        self.store = KafkaStore(
            self.config,
            self.inbox.membership,
            self.stage.names,
            writer_id=self.journal.transactional_id,
            trouble=self._trouble,
        )

    def _reach(self, point: str) -> None:
        self.reach(point)

    def _trouble(self, where: str, message: str) -> None:
        self.troubles.append((where, message))

    async def open(self) -> None:
        await self.journal.open()
        await self.inbox.open()
        self._reading = asyncio.ensure_future(self._read())

    async def close(self) -> None:
        await self.inbox.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self.journal.close()
        await self.store.close()

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until events have made ``condition`` true."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(condition), seconds)

    async def owning(self, *partitions: int | TopicPartition, seconds: float = 20.0) -> None:
        await self.until(lambda: set(self.owned) == {self.stage.partition(at) for at in partitions}, seconds)

    def begin(self, at: int | TopicPartition = 0, offset: int = 0) -> None:
        partition = self.stage.partition(at)
        self.inbox.begin(partition, self.owned[partition], offset)

    def entries(
        self,
        at: int | TopicPartition = 0,
        *,
        event: bytes,
        next_offset: int = 0,
        epoch: int | None = None,
        key: bytes = b"key",
    ) -> PartitionEntries:
        """One event and one state record."""
        partition = self.stage.partition(at)
        changelog = self.stage.names.changelog(partition.topic)
        return PartitionEntries(
            partition=partition,
            epoch=self.owned[partition] if epoch is None else epoch,
            next_offset=next_offset,
            records=(
                OutRecord(self.stage.names.task_events, None, key, event),
                OutRecord(changelog, partition.partition, key, event),
            ),
        )

    async def commit(
        self, at: int | TopicPartition = 0, *, event: bytes, next_offset: int = 0, epoch: int | None = None
    ) -> Committed | NotCommitted:
        return await self.journal.commit([self.entries(at, event=event, next_offset=next_offset, epoch=epoch)])

    async def _read(self) -> None:
        while True:
            event = await self.inbox.next()
            if isinstance(event, Revoking):
                # Like the engine: the events behind it are read while the handover goes on.
                self._handovers.append(asyncio.ensure_future(self._hand_over(event.partitions)))
                continue
            async with self._changed:
                self._take(event)
                self._changed.notify_all()

    async def _hand_over(self, partitions: frozenset[TopicPartition]) -> None:
        if self.on_revoking is not None:
            await self.on_revoking(partitions)
        async with self._changed:
            for partition in partitions:
                self.owned.pop(partition, None)
            self.revoked.append(partitions)
            self._changed.notify_all()
        self.inbox.release(partitions)

    def _take(self, event: Assigned | Lost | Records | AtEnd) -> None:
        match event:
            case Assigned(epochs=epochs):
                self.assignments += 1
                self.owned |= epochs
            case Lost(partitions=partitions):
                self.lost.append(partitions)
                for partition in partitions:
                    self.owned.pop(partition, None)
            case Records(deliveries=deliveries):
                self.delivered += deliveries
            case AtEnd(partition=partition, offset=offset):
                self.ends[partition] = offset


@contextlib.asynccontextmanager
async def running(
    stage: Stage,
    properties: Mapping[str, str] | None = None,
    *,
    bootstrap: str | None = None,
    reach: Callable[[str], None] = lambda point: None,
    on_hung: Callable[[str], None] = lambda message: None,
) -> AsyncIterator[Member]:
    """A member that is open, and closed at the end."""
    member = Member(stage, stage.config(properties, bootstrap), reach, on_hung=on_hung)
    try:
        await member.open()
        yield member
    finally:
        await member.close()


async def restore(member: Member, at: int | TopicPartition = 0) -> RestoredPartition:
    """What the store knows of a partition that the member owns."""
    partition = member.stage.partition(at)
    restored = await asyncio.wait_for(member.store.restore(partition, member.owned[partition]), 30)
    assert restored is not None
    return restored
