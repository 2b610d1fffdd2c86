"""The inbox on a real Kafka: assignments, handovers, losses, and what is read in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import pytest

from bridge.core.coordinates import TopicPartition
from bridge.errors import ConfigurationError, ProcessMustEnd, TemporaryError
from bridge.kafka import polling, rebalancing
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Connection
from bridge.kafka.consumer import KafkaInbox
from bridge.ports import Assigned, Committed, NotCommitted, OutRecord, PartitionEntries, Revoking
from tests.kafka.member import PROTOCOLS, SESSION_SECONDS, Member, Stage, running
from tests.support.kafka import KafkaNode, delete_records, produce, read_committed
from tests.support.ports import free_ports


async def test_records_are_delivered_in_order_from_where_the_partition_was_begun(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    produce(kafka.bootstrap, stage.source, [b"0", b"1", None, b"3"], key=b"k")
    async with running(stage) as member:
        await member.owning(0)
        member.begin(offset=1)
        await member.until(lambda: stage.partition() in member.ends)
        assert [(one.offset, one.key, one.value) for one in member.delivered] == [
            (1, b"k", b"1"),
            (2, b"k", None),
            (3, b"k", b"3"),
        ]
        assert member.ends[stage.partition()] == 4
        assert {one.epoch for one in member.delivered} == {member.owned[stage.partition()]}
        assert abs(member.delivered[0].timestamp_ms / 1000 - time.time()) < 60
        produce(kafka.bootstrap, stage.source, [b"4"])
        await member.until(lambda: member.delivered[-1].offset == 4)


async def test_nothing_is_read_before_a_partition_is_begun_or_for_an_old_epoch(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, partitions=2)
    produce(kafka.bootstrap, stage.source, [b"a"], partition=0)
    produce(kafka.bootstrap, stage.source, [b"b"], partition=1)
    async with running(stage) as member:
        await member.owning(0, 1)
        first = stage.partition(0)
        member.inbox.begin(first, member.owned[first] - 1, 0)
        member.begin(1)
        await member.until(lambda: stage.partition(1) in member.ends)
        assert [one.value for one in member.delivered] == [b"b"]
        assert set(member.ends) == {stage.partition(1)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_partitions_come_and_go_without_losing_or_doubling_a_record(kafka: KafkaNode, protocol: str) -> None:
    """Both read, commit on revoke, and restore: a second member joins and leaves twice while records come."""
    stage = Stage.make(kafka, partitions=2)
    stop = asyncio.Event()
    written = asyncio.ensure_future(_keep_producing(kafka, stage, stop))
    async with running(stage, PROTOCOLS[protocol]) as first:
        _work(first)
        await first.owning(0, 1)
        tasks = [asyncio.ensure_future(_resume(first))]
        for _ in range(2):
            async with running(stage, PROTOCOLS[protocol]) as second:
                _work(second)
                await _has_read_something(second)
            await first.owning(0, 1)
        stop.set()
        counts = await written
        await first.until(lambda: all(first.ends.get(stage.partition(n), 0) >= counts[n] for n in (0, 1)))
        await _commit_everything(first, frozenset(first.owned))
        for task in tasks:
            task.cancel()
    events = read_committed(kafka.bootstrap, stage.names.task_events)
    assert sorted(map(str, events)) == sorted(str(b"%d/%d" % (n, at)) for n in (0, 1) for at in range(counts[n]))


async def test_a_handover_that_takes_too_long_is_a_loss(kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebalancing, "HANDOVER_SECONDS", 0.5)
    stage = Stage.make(kafka, partitions=2)
    async with running(stage) as first:
        await first.owning(0, 1)
        held = dict(first.owned)
        never = asyncio.Event()

        async def hang(_: frozenset[TopicPartition]) -> None:
            await never.wait()

        first.on_revoking = hang
        async with running(stage) as second:
            await second.until(lambda: len(second.owned) == 1)
            gone = next(iter(second.owned))
            await first.until(lambda: first.lost == [frozenset({gone})])
            stale = first.entries(0, event=b"late", epoch=held[gone])
            assert await first.journal.commit([stale]) == NotCommitted(lost=frozenset({stage.partition(0)}))
            first.on_revoking = None
            never.set()


@pytest.mark.parametrize("protocol", ["classic", "kip-848"])
async def test_a_member_without_partitions_learns_that_it_has_joined(kafka: KafkaNode, protocol: str) -> None:
    stage = Stage.make(kafka)
    async with running(stage, PROTOCOLS[protocol]) as first:
        await first.owning(0)
        async with running(stage, PROTOCOLS[protocol]) as second:
            await second.until(lambda: second.assignments > 0)
            assert second.owned == {}


async def test_pausing_and_resuming_neither_skips_nor_repeats(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    count = 5_000
    produce(kafka.bootstrap, stage.source, [b"%d" % n for n in range(count)])
    async with running(stage) as member:
        await member.owning(0)
        member.begin()
        for share in range(1, 9):
            await member.until(partial(_has_delivered, member, share * 400))
            member.inbox.pause(stage.partition())
            member.inbox.resume(stage.partition())
        await member.until(lambda: len(member.delivered) >= count)
        assert [one.offset for one in member.delivered] == list(range(count))


async def test_no_more_is_read_than_may_be_held(kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "HELD_RECORDS", 1_000)
    stage = Stage.make(kafka)
    produce(kafka.bootstrap, stage.source, [b"x"] * 4_000)
    inbox = KafkaInbox(stage.config(), [stage.source], trouble=lambda where, message: None)
    await inbox.open()
    assigned = await inbox.next()
    assert isinstance(assigned, Assigned)
    inbox.begin(stage.partition(), assigned.epochs[stage.partition()], 0)
    thread = inbox._thread
    assert thread is not None
    await _eventually(lambda: thread._held_records >= 1_000)
    progress = thread.last_progress
    await _eventually(lambda: thread.last_progress > progress + 0.1)
    assert thread._held_records < 1_000 + polling.BATCH
    delivered = 0
    while delivered < 4_000:
        event = await inbox.next()
        delivered += len(getattr(event, "deliveries", ()))
    closing = asyncio.ensure_future(inbox.close())
    while not closing.done():
        event = await inbox.next()
        if isinstance(event, Revoking):
            inbox.release(event.partitions)
            await closing


async def test_a_position_that_retention_took_is_assigned_anew(kafka: KafkaNode) -> None:
    """The engine then compares cursor and topic again; reading does not silently go on elsewhere."""
    stage = Stage.make(kafka)
    produce(kafka.bootstrap, stage.source, [b"x"] * 10)
    delete_records(kafka.bootstrap, stage.source, 0, before=5)
    async with running(stage) as member:
        await member.owning(0)
        member.begin(offset=2)
        await member.until(lambda: member.lost == [frozenset({stage.partition()})])
        await member.until(lambda: member.owned.get(stage.partition()) == 2)
        restored = await member.store.restore(stage.partition(), 2)
        assert restored is not None
        assert (restored.low, restored.high) == (5, 10)
        member.begin(offset=restored.low)
        await member.until(lambda: stage.partition() in member.ends)
        assert [one.offset for one in member.delivered] == [5, 6, 7, 8, 9]


async def test_closing_hands_over_and_leaves_without_waiting_for_the_session(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    async with running(stage) as second:
        await second.owning(0)
        first = Member(stage, stage.config())
        await first.open()
        await first.until(lambda: first.assignments > 0)
        began = time.monotonic()
        await second.close()
        await first.owning(0)
        assert time.monotonic() - began < SESSION_SECONDS
        assert second.revoked == [frozenset({stage.partition()})]
        assert second.lost == []
        await first.close()


async def test_a_static_member_comes_back_without_a_rebalance(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, partitions=2)
    async with running(stage, {"group.instance.id": "a"}) as first:
        await first.owning(0, 1)
        async with running(stage, {"group.instance.id": "b"}) as second:
            await second.until(lambda: len(second.owned) == 1)
            had = set(second.owned)
            name = second.journal.transactional_id
            assert await second.commit(next(iter(had)).partition, event=b"1") == Committed()
        moves = (len(first.revoked), first.assignments)
        async with running(stage, {"group.instance.id": "b"}) as again:
            await again.until(lambda: len(again.owned) == 1)
            assert set(again.owned) == had
            assert again.journal.transactional_id == name
            assert await again.commit(next(iter(had)).partition, event=b"2") == Committed()
        assert (len(first.revoked), first.assignments) == moves
    assert sorted(map(str, read_committed(kafka.bootstrap, stage.names.task_events))) == ["b'1'", "b'2'"]


async def test_a_member_fenced_by_its_own_instance_id_ends_its_process(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    async with running(stage, {"group.instance.id": "same"}) as first:
        await first.owning(0)
        reading = first._reading
        assert reading is not None
        async with running(stage, {"group.instance.id": "same"}) as second:
            await second.owning(0)
            with pytest.raises(ProcessMustEnd, match=r"same group\.instance\.id"):
                await asyncio.wait_for(reading, 20)
            assert first.lost == [frozenset({stage.partition()})]
            with pytest.raises(ProcessMustEnd):
                await first.inbox.snapshot()


async def test_a_session_that_the_broker_does_not_take_is_a_configuration_error(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    config = KafkaConfig(bootstrap_servers=kafka.bootstrap, group_id="short", session_timeout_seconds=0.5)
    inbox = KafkaInbox(config, [stage.source], trouble=lambda where, message: None)
    await inbox.open()
    with pytest.raises(ConfigurationError, match="session timeout") as raised:
        await asyncio.wait_for(inbox.next(), 20)
    assert "kafka.session_timeout_seconds" in raised.value.hint


async def test_a_missing_topic_is_a_configuration_error(kafka: KafkaNode) -> None:
    config = KafkaConfig(bootstrap_servers=kafka.bootstrap, group_id="g")
    with pytest.raises(ConfigurationError, match="no such topic: nowhere"):
        await KafkaInbox(config, ["nowhere"], trouble=lambda where, message: None).open()


def test_a_cluster_that_is_not_there_is_a_temporary_error() -> None:
    config = KafkaConfig(bootstrap_servers=f"127.0.0.1:{free_ports(1)[0]}", group_id="g")
    with pytest.raises(TemporaryError, match=r"cannot be reached.*refused"):
        Connection(config).look(1.0)


# --- a small engine: every record becomes one event, committed with its offset ------------------------------------


def _work(member: Member) -> None:
    member.on_revoking = lambda partitions: _commit_everything(member, partitions)


async def _commit_everything(member: Member, partitions: frozenset[TopicPartition]) -> None:
    """What was delivered under the present assignment and is not committed yet: inside the handover, too."""
    for partition in partitions:
        epoch = member.owned.get(partition)
        mine = [one for one in member.delivered if one.partition == partition and one.epoch == epoch]
        member.delivered = [one for one in member.delivered if one not in mine]
        while mine and epoch is not None:
            whole = PartitionEntries(
                partition=partition,
                epoch=epoch,
                next_offset=mine[-1].offset + 1,
                records=tuple(
                    OutRecord(member.stage.names.task_events, 0, None, b"%d/%d" % (partition.partition, one.offset))
                    for one in mine
                ),
            )
            outcome = await member.journal.commit([whole])
            if isinstance(outcome, Committed) or outcome.lost:
                break


async def _has_read_something(member: Member) -> None:
    await member.until(lambda: len(member.owned) == 1)
    taking = asyncio.ensure_future(_resume(member))
    await member.until(partial(_has_delivered, member, 1))
    taking.cancel()


def _has_delivered(member: Member, count: int) -> bool:
    return len(member.delivered) >= count


async def _resume(member: Member) -> None:
    """Restore and begin whatever is newly assigned, as long as the test goes on."""
    begun: dict[TopicPartition, int] = {}
    while True:
        await member.until(lambda: any(begun.get(p) != e for p, e in member.owned.items()), seconds=60)
        for partition, epoch in list(member.owned.items()):
            if begun.get(partition) == epoch:
                continue
            begun[partition] = epoch
            restored = await member.store.restore(partition, epoch)
            if restored is not None:
                member.inbox.begin(partition, epoch, restored.committed or 0)


async def _keep_producing(kafka: KafkaNode, stage: Stage, stop: asyncio.Event) -> list[int]:
    """Returns how many records each partition got."""
    count = 0
    while not stop.is_set():
        for number in (0, 1):
            await asyncio.to_thread(produce, kafka.bootstrap, stage.source, [b"x"] * 5, partition=number)
        count += 5
    return [count, count]


async def _eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """For what announces itself to nobody."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
