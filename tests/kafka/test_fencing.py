"""Owners that are stopped or dead in the middle of a transaction, and those who come after them. On a real Kafka."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict

import pytest
from confluent_kafka import KafkaError

from bridge.core.coordinates import TopicPartition
from bridge.kafka.restoring import GRACE_SECONDS
from bridge.ports import Committed, NotCommitted
from tests.kafka.member import PROTOCOLS, Stage, restore, running
from tests.support.kafka import REPOSITORY, KafkaNode, committed_offset, produce, read_committed
from tests.support.proxy import CONSUMER_GROUP_HEARTBEAT, JOIN_GROUP, SYNC_GROUP, Fate, KafkaProxy


@asynccontextmanager
async def stopped_with_an_open_transaction(
    stage: Stage, protocol: str, properties: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.kafka.zombie", stage.bootstrap, json.dumps(asdict(stage.names)),
        json.dumps(PROTOCOLS[protocol] | dict(properties or {})), stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"open\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("protocol", ["classic", "kip-848"])
@pytest.mark.parametrize("restores", [False, True])
async def test_a_stopped_owners_open_transaction_is_not_committed_after_another_took_over(
    kafka: KafkaNode, protocol: str, restores: bool
) -> None:
    """With and without a restore: a restore fences the stopped one's producer, otherwise only the group does."""
    stage = Stage.make(kafka, partitions=2)
    async with (
        stopped_with_an_open_transaction(stage, protocol) as zombie,
        running(stage, PROTOCOLS[protocol]) as successor,
    ):
        await successor.owning(0, 1)
        if restores:
            restored = await successor.store.restore(stage.partition(1), successor.owned[stage.partition(1)])
            assert restored is not None
            assert restored.changelog == []
        for number in (0, 1):
            assert await successor.commit(number, event=b"after", next_offset=9) == Committed()
        zombie.send_signal(signal.SIGCONT)
        assert zombie.stdout is not None
        outcome, again = json.loads(await asyncio.wait_for(zombie.stdout.readline(), 40))
    assert outcome.startswith("NotCommitted")
    assert again.startswith("NotCommitted")
    assert sorted(read_committed(kafka.bootstrap, stage.names.task_events), key=str) == [b"after", b"after", b"before"]
    assert b"stale" not in read_committed(kafka.bootstrap, stage.changelog)
    assert committed_offset(kafka.bootstrap, stage.names.group_id, stage.source, 1)[0] == 9


async def test_a_dead_owners_open_transaction_is_ended_by_its_successor(kafka: KafkaNode) -> None:
    """Long before the broker's time-out, and only after the grace that a live owner needs; of both inputs."""
    stage = Stage.make(kafka, external=1)
    # The broker would end it itself while the group still counts the dead one in, were the machine slow.
    lasting = {"transaction.timeout.ms": "60000"}
    async with stopped_with_an_open_transaction(stage, "classic", lasting) as dead:
        dead.kill()
        async with running(stage) as successor:
            await successor.owning(0, stage.second())
            began = time.monotonic()
            both = (0, stage.second())
            restored = await asyncio.gather(*(restore(successor, at) for at in both))
            took = time.monotonic() - began
            assert any("left open" in message for _, message in successor.troubles)
    assert [[record.value for record in one.changelog] for one in restored] == [[b"before"], []]
    assert GRACE_SECONDS <= took < GRACE_SECONDS + 3


async def test_a_static_member_that_was_let_in_again_commits_nothing_of_what_another_had_meanwhile(
    kafka: KafkaNode,
) -> None:
    """Its JoinGroup is held up until its session has ended. Then it is a new member at once, with metadata that the
    broker takes, and the client does not call that a loss."""
    stage = Stage.make(kafka, partitions=2)
    static = {"group.instance.id": "static"}
    async with (
        KafkaProxy(kafka.proxied_port, kafka.proxied_listener) as proxy,
        running(stage, static, bootstrap=kafka.proxied_bootstrap) as member,
    ):
        await member.owning(0, 1)
        for number in (0, 1):
            member.begin(number)
        stale = [member.entries(number, event=b"stale", next_offset=7) for number in (0, 1)]
        had = frozenset(member.owned)
        proxy.lose(JOIN_GROUP, Fate.SWALLOW)
        async with running(stage) as other:
            await other.owning(0, 1)
            for number in (0, 1):
                assert await other.commit(number, event=b"after", next_offset=9) == Committed()
            proxy.heal()
            # The answer to JoinGroup made it a new member; what it is assigned would come with that to SyncGroup.
            proxy.lose(SYNC_GROUP, Fate.SWALLOW)
            await proxy.lost.wait()
            assert await member.journal.commit(stale) == NotCommitted()
            proxy.heal()
            await member.until(lambda: frozenset[TopicPartition]().union(*member.lost) == had)
            assert await member.journal.commit(stale) == NotCommitted(lost=had)
            # What it kept is given to it anew: restored first, read after that.
            await member.until(lambda: len(member.owned) == 1)
            ((kept, epoch),) = member.owned.items()
            assert epoch > max(entries.epoch for entries in stale)
            assert member.inbox._thread is not None
            assert kept not in member.inbox._thread._reading
            assert member.revoked == []
            produce(kafka.bootstrap, stage.source, [b"x"], partition=kept.partition)
            member.begin(kept)
            await member.until(lambda: [one.epoch for one in member.delivered] == [epoch])
    assert read_committed(kafka.bootstrap, stage.names.task_events) == [b"after", b"after"]


class PositionLost:
    """What the client puts into its queue when the log was cut below or above a reader."""

    def __init__(self, partition: TopicPartition) -> None:
        self._partition = partition

    def error(self) -> KafkaError:
        return KafkaError(KafkaError._AUTO_OFFSET_RESET)

    def topic(self) -> str:
        return self._partition.topic

    def partition(self) -> int:
        return self._partition.partition


async def test_a_loss_that_waits_behind_a_lost_position_is_still_a_loss(kafka: KafkaNode) -> None:
    """The partition is taken away from the client then, and the client takes that for the answer to the loss."""
    stage = Stage.make(kafka, partitions=2)
    protocol = PROTOCOLS["kip-848"]
    async with (
        KafkaProxy(kafka.proxied_port, kafka.proxied_listener) as proxy,
        running(stage, protocol, bootstrap=kafka.proxied_bootstrap) as member,
    ):
        await member.owning(0, 1)
        member.begin(0)
        await member.until(lambda: stage.partition(0) in member.ends)
        had, stale = frozenset(member.owned), member.entries(1, event=b"stale", next_offset=7)
        thread = member.inbox._thread
        assert thread is not None
        turn = thread._turn

        def serve_without_polling() -> None:
            thread._serve()
            thread._wait()

        thread._turn = serve_without_polling  # type: ignore[method-assign]
        proxy.silent = True
        async with running(stage, protocol) as other:
            await other.owning(0, 1)
            for number in (0, 1):
                assert await other.commit(number, event=b"after", next_offset=9) == Committed()
            asked = asyncio.Event()
            proxy.passed = lambda api_key: asked.set() if api_key == CONSUMER_GROUP_HEARTBEAT else None
            proxy.heal()
            await asked.wait()
            assert await member.journal.commit([stale]) == NotCommitted()
            thread.submit(lambda: thread._take([PositionLost(stage.partition(0))]))  # type: ignore[list-item]
            for _ in range(10):
                assert await member.journal.commit([stale]) == NotCommitted()
            thread._turn = turn  # type: ignore[method-assign]
            await member.until(lambda: had in member.lost)
            assert member.revoked == []
    assert read_committed(kafka.bootstrap, stage.names.task_events) == [b"after", b"after"]
