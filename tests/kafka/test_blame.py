"""One partition's record that cannot be written does not hold up the others: whose it is is found out, in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient

from bridge.kafka.admin import NewTopic
from bridge.ports import Committed, NotCommitted, OutRecord, PartitionEntries, TopicNames
from tests.kafka.member import Member, Stage, running
from tests.support.kafka import KafkaCluster, KafkaNode, create_topics, read_committed, unique


def _with_dead_letter(member: Member, number: int) -> PartitionEntries:
    entries = member.entries(number, event=b"a")
    dead = OutRecord(member.stage.names.dead_letters, None, b"key", b"rubbish")
    return replace(entries, records=(*entries.records, dead))


async def test_a_dead_letter_topic_that_is_gone_stops_its_partition_and_no_other(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, partitions=2)
    async with running(stage) as member:
        await member.owning(0, 1)
        assert await member.commit(1, event=b"before") == Committed()
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.delete_topics([stage.names.dead_letters])[stage.names.dead_letters].result(20)
        # A broker tells of it for a moment longer. A record for it is taken then, and its transaction fails as a whole,
        # without a word about whose fault it is: that is found out with the next.
        while stage.names.dead_letters in admin.list_topics(timeout=10).topics:
            await asyncio.sleep(0)
        began = time.monotonic()
        outcome = await member.journal.commit([_with_dead_letter(member, 0), member.entries(1, event=b"b")])
        assert isinstance(outcome, NotCommitted)
        assert set(outcome.refused or {}) == {stage.partition(0)}
        assert time.monotonic() - began < 10.0
        assert await member.commit(1, event=b"after") == Committed()
    assert sorted(read_committed(kafka.bootstrap, stage.names.task_events), key=str) == [b"after", b"before"]


@pytest.mark.long
async def test_records_that_nobody_acknowledges_stall_their_partition_and_no_other(kafka_cluster: KafkaCluster) -> None:
    """The dead letters live on one node of three, and that node is killed."""
    bootstrap, going = kafka_cluster.bootstrap, kafka_cluster.nodes[2]
    names = TopicNames(
        action_requests=unique("requests"),
        task_events=unique("events"),
        dead_letters=unique("dead"),
        group_id=unique("group"),
    )
    stage = Stage(bootstrap, names)
    stores = (stage.changelog, names.ended(stage.source))
    create_topics(bootstrap, dict.fromkeys((stage.source, names.task_events, *stores), 2), replication=3)
    on_one = NewTopic(names.dead_letters, 1, replica_assignment=[[going.number]])
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([on_one])[names.dead_letters].result(20)
    for node in kafka_cluster.nodes:
        while (
            names.dead_letters not in AdminClient({"bootstrap.servers": node.bootstrap}).list_topics(timeout=10).topics
        ):
            await asyncio.sleep(0)
    try:
        async with running(stage) as member:
            await member.owning(0, 1)
            assert await member.journal.commit([_with_dead_letter(member, 0)]) == Committed()
            await asyncio.to_thread(going.kill)
            await _until_alone(member, NotCommitted(stalled=frozenset({stage.partition(0)})))
            await _until_committed(member, 1, _event)
            await asyncio.to_thread(going.restart)
            await _until_committed(member, 0, _with_dead_letter)
        assert read_committed(bootstrap, names.dead_letters) == [b"rubbish", b"rubbish"]
    finally:
        going.stop()
        going.restart()


async def _until_alone(member: Member, wanted: NotCommitted) -> None:
    """The first commits after a node's death fail for other reasons: coordinators and leaders move."""
    async with asyncio.timeout(100):
        while True:
            await member.owning(0, 1, seconds=60)
            if await member.journal.commit([_with_dead_letter(member, 0), member.entries(1, event=b"b")]) == wanted:
                return


async def _until_committed(member: Member, number: int, entries: Callable[[Member, int], PartitionEntries]) -> None:
    async with asyncio.timeout(100):
        while True:
            await member.owning(0, 1, seconds=60)
            if await member.journal.commit([entries(member, number)]) == Committed():
                return


def _event(member: Member, number: int) -> PartitionEntries:
    return member.entries(number, event=b"after")
