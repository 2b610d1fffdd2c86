"""Two inputs in one group, on a real Kafka: each with a store of its own, both in the same transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient

from bridge.core.coordinates import TopicPartition
from bridge.errors import ConfigurationError, StoreConflict
from bridge.kafka.consumer import KafkaInbox
from bridge.ports import Committed, NotCommitted, OutRecord, PartitionEntries
from tests.kafka.member import PROTOCOLS, Member, Stage, restore, running
from tests.support.kafka import KafkaNode, committed_offset, delete_records, produce, read_committed


async def test_records_of_both_are_delivered(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, external=1)
    produce(kafka.bootstrap, stage.source, [b"request"])
    produce(kafka.bootstrap, stage.external, [b"task 0", b"task 1"])
    async with owning_all(stage) as member:
        member.begin()
        member.begin(stage.second(), offset=1)
        await member.until(lambda: set(member.ends) == set(all_of(stage)))
        assert {(one.partition, one.offset, one.value) for one in member.delivered} == {
            (stage.partition(), 0, b"request"),
            (stage.second(), 1, b"task 1"),
        }


async def test_a_transaction_commits_the_offsets_and_the_stores_of_both(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, external=1)
    async with owning_all(stage) as member:
        outcome = await member.journal.commit(
            [
                member.entries(event=b"request", next_offset=3),
                member.entries(stage.second(), event=b"task", next_offset=5),
            ]
        )
        assert outcome == Committed()
    group = stage.names.group_id
    (first, first_tag), (second, second_tag) = (committed_offset(kafka.bootstrap, group, t) for t in stage.names.inputs)
    assert (first, second) == (3, 5)
    assert first_tag == second_tag
    assert read_committed(kafka.bootstrap, stage.changelog) == [b"request"]
    assert read_committed(kafka.bootstrap, stage.names.changelog(stage.external)) == [b"task"]
    assert sorted(read_committed(kafka.bootstrap, stage.names.task_events), key=str) == [b"request", b"task"]


async def test_each_is_restored_from_its_own_store(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, partitions=1, external=2)
    produce(kafka.bootstrap, stage.external, [b"a", b"b"])
    async with owning_all(stage) as member:
        ended = replace(
            member.entries(stage.second(), event=b"task", next_offset=2),
            records=(
                OutRecord(stage.names.changelog(stage.external), 0, b"key", b"task"),
                OutRecord(stage.names.ended(stage.external), 0, b"key", b"end"),
            ),
        )
        assert await member.journal.commit([member.entries(event=b"request"), ended]) == Committed()
        restored = await asyncio.gather(*(restore(member, at) for at in (0, stage.second(0), stage.second(1))))
    assert [[record.value for record in one.changelog] for one in restored] == [[b"request"], [b"task"], []]
    assert [[record.value for record in one.ended] for one in restored] == [[], [b"end"], []]
    assert [(one.committed, one.low, one.high) for one in restored] == [(0, 0, 0), (2, 0, 2), (None, 0, 0)]
    assert [(one.input_partitions, one.store_partitions) for one in restored] == [(1, 1), (2, 2), (2, 2)]
    assert restored[0].topic_id != restored[1].topic_id == restored[2].topic_id


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_two_members_own_every_partition_of_both_once(kafka: KafkaNode, protocol: str) -> None:
    stage = Stage.make(kafka, partitions=2, external=3)
    async with owning_all(stage, protocol) as first:
        async with running(stage, PROTOCOLS[protocol]) as second:
            await shared(stage, first, second)
            assert sorted((len(first.owned), len(second.owned))) == [2, 3]
            for member in (first, second):
                for partition in list(member.owned):
                    assert await member.commit(partition, event=str(partition).encode()) == Committed()
        await first.owning(*all_of(stage))
    events = read_committed(kafka.bootstrap, stage.names.task_events)
    assert sorted(events, key=str) == sorted(str(one).encode() for one in all_of(stage))


async def test_the_range_assignor_gives_each_member_some_of_both(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, partitions=2, external=2)
    properties = {"group.protocol": "consumer", "group.remote.assignor": "range"}
    async with running(stage, properties) as first, running(stage, properties) as second:
        await shared(stage, first, second)
        for member in (first, second):
            assert {partition.topic for partition in member.owned} == set(stage.names.inputs)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_member_that_reads_one_input_only_is_given_none_of_the_other(kafka: KafkaNode, protocol: str) -> None:
    """The second input is switched on process by process."""
    stage = Stage.make(kafka, partitions=2, external=1)
    former = replace(stage, names=replace(stage.names, external_tasks=None))
    async with running(former, PROTOCOLS[protocol]) as old:
        await old.owning(0, 1)
        async with running(stage, PROTOCOLS[protocol]) as new:
            await shared(stage, old, new)
            assert stage.second() in new.owned
            assert await new.commit(stage.second(), event=b"task") == Committed()


async def test_a_partition_of_one_that_is_lost_holds_up_nothing_of_the_other(kafka: KafkaNode) -> None:
    """Retention overtakes the second input while the first goes on."""
    stage = Stage.make(kafka, external=1)
    produce(kafka.bootstrap, stage.external, [b"x"] * 4)
    async with owning_all(stage) as member:
        entries = both(member, b"a")
        delete_records(kafka.bootstrap, stage.external, 0, before=2)
        member.begin(stage.second(), offset=0)
        await member.until(lambda: member.lost == [frozenset({stage.second()})])
        await member.until(lambda: set(member.owned) == set(all_of(stage)))
        assert await member.journal.commit(entries) == NotCommitted(lost=frozenset({stage.second()}))
        assert await member.journal.commit(entries[:1]) == Committed()
        assert await member.commit(stage.second(), event=b"b") == Committed()
    assert sorted(read_committed(kafka.bootstrap, stage.names.task_events), key=str) == [b"a", b"b"]


async def test_an_input_that_is_deleted_holds_up_nothing_of_the_other(kafka: KafkaNode) -> None:
    """Neither restores nor transactions: a broker takes no offsets of a topic that is gone, and none beside them."""
    stage = Stage.make(kafka, external=1)
    async with running(stage, {"transaction.timeout.ms": "2000"}) as member:
        await member.owning(*all_of(stage))
        member.begin(stage.second())
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.delete_topics([stage.external])[stage.external].result(20)
        gone = asyncio.ensure_future(restore(member, stage.second()))
        await restore(member)
        with pytest.raises(StoreConflict, match=f"no topic {stage.external}"):
            await gone
        member.begin()
        produce(kafka.bootstrap, stage.source, [b"request"])
        await member.until(lambda: len(member.delivered) == 1)
        outcome = await member.journal.commit(both(member, b"a"))
        assert isinstance(outcome, NotCommitted)
        assert outcome.refused == {stage.second(): f"there is no topic {stage.external} any more"}
        assert await member.commit(event=b"a", next_offset=1) == Committed()
    assert read_committed(kafka.bootstrap, stage.names.task_events) == [b"a"]


async def test_a_second_input_that_is_missing_is_named_with_its_store(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    names = replace(stage.names, external_tasks="nowhere", ticket_updates="no-tickets")
    member = Member(replace(stage, names=names), stage.config())
    with pytest.raises(ConfigurationError) as raised:
        await member.journal.open()
    told = f"no such topic: nowhere, no-tickets, {names.changelog('nowhere')}, {names.ended('nowhere')}"
    assert raised.value.message == told
    assert "topics apply" in raised.value.hint
    with pytest.raises(ConfigurationError, match=r"no such topic: nowhere$"):
        await KafkaInbox(stage.config(), names.inputs, trouble=lambda where, message: None).open()
    await member.journal.close()
    await member.store.close()


@asynccontextmanager
async def owning_all(stage: Stage, protocol: str = "classic") -> AsyncIterator[Member]:
    async with running(stage, PROTOCOLS[protocol]) as member:
        await member.owning(*all_of(stage))
        yield member


async def shared(stage: Stage, *members: Member) -> None:
    """Returns when each has something, nobody what another has, and nothing is left over."""
    everything = set(all_of(stage))
    async with asyncio.timeout(20):
        while True:
            held = [set(member.owned) for member in members]
            if all(held) and sum(map(len, held)) == len(everything) and set().union(*held) == everything:
                return
            # One of two conditions may come true first, and neither tells the other.
            await asyncio.sleep(0.01)


def all_of(stage: Stage) -> list[TopicPartition]:
    """Every partition of both inputs."""
    known = AdminClient({"bootstrap.servers": stage.bootstrap}).list_topics(timeout=10).topics
    return [TopicPartition(topic, number) for topic in stage.names.inputs for number in sorted(known[topic].partitions)]


def both(member: Member, event: bytes) -> list[PartitionEntries]:
    """Entries of the first partition of each input."""
    return [member.entries(event=event, next_offset=1), member.entries(member.stage.second(), event=event)]
