"""A consumer as librdkafka's is: isolation levels, end of partition at the last stable offset, group membership."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, OFFSET_INVALID, KafkaError, Message
from confluent_kafka import TopicPartition as ClientPartition

from bridge.core.coordinates import TopicPartition
from tests.simulation.cluster import errors
from tests.simulation.cluster.client import Client, Settings
from tests.simulation.cluster.log import Entry, PartitionLog
from tests.simulation.cluster.membership import Change, ClassicMember, GroupMember, Kind, ModernMember
from tests.simulation.process import NoAnswer
from tests.simulation.threads import Thread, current

Callback = Callable[["Consumer", list[ClientPartition]], None]


@dataclass(slots=True)
class _Fetch:
    """How far one partition has been read. ``told_end``: the end that was told last."""

    log: PartitionLog
    position: int
    paused: bool = False
    told_end: int = -1
    is_due: bool = True
    is_coming: bool = False


class Consumer(Client):
    def __init__(
        self,
        settings: Settings,
        *,
        logger: logging.Logger | None = None,
        error_cb: Callable[[KafkaError], None] | None = None,
    ) -> None:
        super().__init__(settings, error_cb, logger)
        self._group: str = settings["group.id"]
        self._committed_only = settings.get("isolation.level", "read_committed") == "read_committed"
        self._reset: str = settings.get("auto.offset.reset", "latest")
        self._fetches: dict[TopicPartition, _Fetch] = {}
        self._queue: list[Message] = []
        self._member: GroupMember | None = None
        self._on: dict[Kind, Callback] = {}
        self._thread: Thread | None = None

    # --- membership ---------------------------------------------------------------------------------------------------

    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: Callback | None = None,
        on_revoke: Callback | None = None,
        on_lost: Callback | None = None,
    ) -> None:
        for kind, call in ((Kind.ASSIGN, on_assign), (Kind.REVOKE, on_revoke), (Kind.LOSE, on_lost or on_revoke)):
            if call is not None:
                self._on[kind] = call
        self._member = self._made_member(topics)
        self._member.join()

    def consumer_group_metadata(self) -> bytes:
        """``CGMDv2:``, the epoch, and the names of group and member, as the library writes them."""
        member_id, epoch = ("", -1) if self._member is None else (self._member.id, self._member.epoch)
        return b"CGMDv2:" + epoch.to_bytes(4, "little", signed=True) + f"{self._group}\0{member_id}\0".encode()

    def _made_member(self, topics: Sequence[str]) -> GroupMember:
        static = self.settings.get("group.instance.id")
        if self.settings.get("group.protocol", "classic").lower() == "consumer":
            return ModernMember(self, self._group, topics, f"uuid-{self.cluster.random.getrandbits(32):08x}", static)
        strategy: str = self.settings.get("partition.assignment.strategy", "range")
        return ClassicMember(self, self._group, topics, cooperative=strategy.startswith("cooperative"), static=static)

    def _serve_change(self, change: Change) -> None:
        assert self._member is not None
        call = self._on.get(change.kind)
        partitions = [ClientPartition(p.topic, p.partition) for p in sorted(change.partitions)]
        if call is not None:
            call(self, partitions)
        elif change.kind is Kind.ASSIGN:
            self.incremental_assign(partitions)
        else:
            self.incremental_unassign(partitions)
        self._member.taken(change)

    def fail(self, what: str) -> None:
        self._queue.append(Message(error=KafkaError(KafkaError._FATAL, what)))
        self.wake()

    def close(self) -> None:
        self.may_hang("close")
        self._drop(list(self._fetches))
        if self._member is not None:
            self._member.leave()

    # --- what is read -------------------------------------------------------------------------------------------------

    def assign(self, partitions: Sequence[ClientPartition]) -> None:
        self._drop(list(self._fetches))
        self._add(partitions)

    def unassign(self) -> None:
        self._drop(list(self._fetches))

    def incremental_assign(self, partitions: Sequence[ClientPartition]) -> None:
        if any(_ours(partition) in self._fetches for partition in partitions):
            raise errors.conflict("a partition is assigned already")
        self._add(partitions)

    def incremental_unassign(self, partitions: Sequence[ClientPartition]) -> None:
        if any(_ours(partition) not in self._fetches for partition in partitions):
            raise errors.plain(KafkaError._INVALID_ARG, "a partition is not assigned")
        self._drop([_ours(partition) for partition in partitions])

    def pause(self, partitions: Sequence[ClientPartition]) -> None:
        for partition in partitions:
            self._fetches[_ours(partition)].paused = True

    def resume(self, partitions: Sequence[ClientPartition]) -> None:
        for partition in partitions:
            fetch = self._fetches[_ours(partition)]
            fetch.paused, fetch.is_due = False, True
        self.wake()

    def seek(self, partition: ClientPartition) -> None:
        fetch = self._fetches.get(_ours(partition))
        if fetch is None:
            raise errors.plain(KafkaError._UNKNOWN_PARTITION, "seek before assign")
        fetch.position, fetch.told_end, fetch.is_due = partition.offset, -1, True
        self.wake()

    def position(self, partitions: Sequence[ClientPartition]) -> list[ClientPartition]:
        return [ClientPartition(p.topic, p.partition, self._fetches[_ours(p)].position) for p in partitions]

    def _add(self, partitions: Sequence[ClientPartition]) -> None:
        for partition in partitions:
            log = self.cluster.log(_ours(partition))
            fetch = _Fetch(log, self._start(log, partition.offset))
            self._fetches[log.partition] = fetch
            log.watchers[self] = None
            fetch.is_due = False
            self.news(log.partition)

    def _start(self, log: PartitionLog, offset: int) -> int:
        if offset == OFFSET_BEGINNING:
            return log.start
        if offset == OFFSET_END:
            return log.stable_end if self._committed_only else log.end
        if offset != OFFSET_INVALID:
            return offset
        stored = self.cluster.group(self._group).offsets.committed.get(log.partition)
        if stored is not None:
            return stored[0]
        return log.start if self._reset in {"earliest", "beginning"} else log.stable_end

    def _drop(self, partitions: Sequence[TopicPartition]) -> None:
        for partition in partitions:
            fetch = self._fetches.pop(partition)
            fetch.log.watchers.pop(self, None)

    # --- polls --------------------------------------------------------------------------------------------------------

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """Serves changes of the assignment, and returns what has come; waits when nothing has."""
        self.may_hang("consume")
        self._thread = current()
        deadline = None if timeout < 0 else self.cluster.now() + timeout
        while True:
            self.serve()
            while self._member is not None and (change := self._member.next_change()) is not None:
                self._serve_change(change)
            found = self._taken(num_messages)
            now = self.cluster.now()
            if found or timeout == 0 or (deadline is not None and now >= deadline):
                return found
            self._thread.nap(None if deadline is None else deadline - now)

    def poll(self, timeout: float = -1) -> Message | None:
        found = self.consume(1, timeout)
        return found[0] if found else None

    def wake(self) -> None:
        """There is something in the queue."""
        if self._thread is not None:
            self._thread.nudge()

    def news(self, partition: TopicPartition) -> None:
        """The broker's answer to the fetch that waits at the log is on its way."""
        fetch = self._fetches.get(partition)
        if fetch is None or fetch.is_due or fetch.is_coming:
            return
        fetch.is_coming = True
        cluster = self.cluster
        away = max(0.0, cluster.up_at("logs") - cluster.now())
        asyncio.get_event_loop().call_later(
            away + cluster.random.uniform(0, cluster.timing.fetch), self._fetched, partition, context=self.context
        )

    def _fetched(self, partition: TopicPartition) -> None:
        fetch = self._fetches.get(partition)
        if fetch is not None:
            fetch.is_coming, fetch.is_due = False, True
            self.wake()

    def _taken(self, limit: int) -> list[Message]:
        found, self._queue = self._queue[:limit], self._queue[limit:]
        for partition, fetch in list(self._fetches.items()):
            if not fetch.is_due or fetch.paused:
                continue
            if len(found) >= limit:
                break
            found += self._read(partition, fetch, limit - len(found))
        return found

    def _read(self, partition: TopicPartition, fetch: _Fetch, limit: int) -> list[Message]:
        log = fetch.log
        if not log.start <= fetch.position <= log.end:
            if self._reset == "error":
                fetch.is_due = False
                return [_event(partition, fetch.position, KafkaError._AUTO_OFFSET_RESET, "no such offset")]
            fetch.position = self._start(log, OFFSET_BEGINNING if self._reset == "earliest" else OFFSET_END)
        entries, fetch.position = log.read(fetch.position, limit, committed=self._committed_only)
        found = [_message(partition, entry) for entry in entries]
        end = log.stable_end if self._committed_only else log.end
        if fetch.position >= end:
            fetch.is_due = False
            if fetch.told_end != end and len(found) < limit:
                fetch.told_end = end
                if self.settings.get("enable.partition.eof"):
                    found.append(_event(partition, end, KafkaError._PARTITION_EOF, "end of partition"))
            elif fetch.told_end != end:
                fetch.is_due = True
        return found

    # --- questions ----------------------------------------------------------------------------------------------------

    def committed(self, partitions: Sequence[ClientPartition], timeout: float = -1) -> list[ClientPartition]:
        return self.wait("committed", self._committed(partitions, timeout if timeout >= 0 else 3600.0))

    async def _committed(self, partitions: Sequence[ClientPartition], seconds: float) -> list[ClientPartition]:
        """Offsets that are pending are waited for; a former value is never shown meanwhile."""
        cluster, asked = self.cluster, [_ours(partition) for partition in partitions]
        deadline = cluster.now() + seconds
        try:
            while True:
                settled: asyncio.Future[None] = asyncio.get_event_loop().create_future()
                look = partial(self._stable, asked, settled)
                found = await self.ask("groups", look, deadline - cluster.now())
                if found is not None:
                    return found
                await asyncio.wait_for(settled, deadline - cluster.now())
        except (NoAnswer, TimeoutError):
            raise errors.plain(KafkaError._TIMED_OUT, "offsets are not stable") from None

    def _stable(self, asked: Sequence[TopicPartition], settled: asyncio.Future[None]) -> list[ClientPartition] | None:
        """None: not now; ``settled`` tells when it is worth asking again."""
        offsets = self.cluster.group(self._group).offsets
        if not offsets.are_stable(asked):
            offsets.when_settled(partial(_settle, settled))
            return None
        found = [(p, offsets.committed.get(p, (OFFSET_INVALID, ""))) for p in asked]
        return [ClientPartition(p.topic, p.partition, offset, metadata=told) for p, (offset, told) in found]


def _ours(partition: ClientPartition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)


def _message(partition: TopicPartition, entry: Entry) -> Message:
    record: Any = entry.record
    return Message(
        topic=partition.topic,
        partition=partition.partition,
        offset=entry.offset,
        key=record.key,
        value=record.value,
        headers=list(record.headers),
        timestamp=(1, entry.timestamp_ms),
    )


def _event(partition: TopicPartition, offset: int, code: int, what: str) -> Message:
    return Message(topic=partition.topic, partition=partition.partition, offset=offset, error=KafkaError(code, what))


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
