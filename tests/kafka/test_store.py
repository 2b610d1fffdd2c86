"""Restoring on a real Kafka: to the end, past open transactions, latest by key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from confluent_kafka import Producer

from bridge.errors import StoreConflict, TemporaryError
from bridge.kafka import restoring
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import REACH_SECONDS, Cluster, Connection
from bridge.kafka.store import KafkaStore
from bridge.ports import Committed, OutRecord, PartitionEntries, StoredRecord
from tests.kafka.member import Stage, restore, running
from tests.support.kafka import KafkaNode, create_topics, delete_records, produce, set_topic, unique
from tests.support.proxy import LIST_OFFSETS, OFFSET_FETCH, KafkaProxy


@pytest.fixture
async def proxy(kafka: KafkaNode) -> AsyncIterator[KafkaProxy]:
    async with KafkaProxy(kafka.proxied_port, kafka.proxied_listener) as proxy:
        yield proxy


@contextmanager
def open_transaction(stage: Stage, key: bytes, value: bytes, writer: bytes | None) -> Iterator[Producer]:
    """Somebody else's transaction on the changelog, written but not ended."""
    producer = Producer(
        {"bootstrap.servers": stage.bootstrap, "transactional.id": unique("other"), "transaction.timeout.ms": 20000}
    )
    producer.init_transactions(20)
    producer.begin_transaction()
    headers: list[tuple[str, str | bytes | None]] = [("vb_writer", writer)] if writer else []
    producer.produce(stage.changelog, value, key, 0, headers=headers)
    assert producer.flush(20) == 0
    yield producer


async def test_latest_value_of_each_key_is_restored_and_tombstones_are_not(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    produce(kafka.bootstrap, stage.source, [b"r0", b"r1", b"r2"])
    ended = stage.names.ended(stage.source)
    async with running(stage) as member:
        await member.owning(0)
        for records, offset in (
            (
                (
                    OutRecord(stage.changelog, 0, b"a", b"1", (("vb_phase", b"x"),)),
                    OutRecord(stage.changelog, 0, b"b|state", b"1"),
                ),
                1,
            ),
            (
                (
                    OutRecord(stage.changelog, 0, b"a", b"2", (("vb_phase", b"y"),)),
                    OutRecord(stage.changelog, 0, b"b|state", None),
                ),
                2,
            ),
            ((OutRecord(ended, 0, b"b", b"end"), OutRecord(ended, 0, b"b", b"end again")), 3),
        ):
            entry = PartitionEntries(
                partition=stage.partition(), epoch=member.owned[stage.partition()], next_offset=offset, records=records
            )
            assert await member.journal.commit([entry]) == Committed()
        restored = await restore(member)
        writer = ("vb_writer", member.journal.transactional_id.encode())
    assert restored.changelog == [StoredRecord(b"a", b"2", (("vb_phase", b"y"), writer))]
    # The first transaction has two records and its marker.
    assert (restored.changelog[0].offset, restored.removed_at) == (3, {b"state": 4})
    assert [record.value for record in restored.ended] == [b"end", b"end again"]
    assert (restored.committed, restored.low, restored.high) == (3, 0, 3)
    assert (restored.store_partitions, restored.input_partitions) == (1, 1)
    assert len(restored.topic_id) >= 20


async def test_a_first_start_has_nothing_and_no_committed_offset(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, partitions=3)
    async with running(stage) as member:
        await member.owning(0, 1, 2)
        restored = await asyncio.gather(*(restore(member, number) for number in range(3)))
    assert [(one.changelog, one.ended, one.committed, one.high) for one in restored] == [([], [], None, 0)] * 3


async def test_a_committed_offset_may_take_its_time(kafka: KafkaNode, proxy: KafkaProxy) -> None:
    """Over a slow network every answer does: to ask again would take as long."""
    stage, troubles = Stage.make(kafka), list[str]()

    def passed(api_key: int) -> None:
        if api_key in {OFFSET_FETCH, LIST_OFFSETS}:
            proxy.latency_seconds = 2.2 if api_key == OFFSET_FETCH else 0.0

    async with running(stage) as member:
        await member.owning(0)
        proxy.passed = passed
        # Only the store's answers are late: those to heartbeats would end the session.
        near, member.store = member.store, KafkaStore(
            stage.config(bootstrap=kafka.proxied_bootstrap), member.inbox.membership, stage.names,
            writer_id=member.journal.transactional_id, trouble=lambda where, message: troubles.append(message),
        )  # fmt: skip
        await near.close()
        restored = await restore(member)
    assert (restored.committed, troubles) == (None, [])


async def test_a_changelog_that_is_cut_while_it_is_read_is_not_taken_for_whole(kafka: KafkaNode) -> None:
    """The reader goes on behind the cut as if nothing had been there: what it had read of a key before is out of date,
    and what would have said so is gone."""
    stage = Stage.make(kafka)
    for key, value in ((b"old", b"1"), (b"other", b"1"), (b"old", b"2"), (b"last", b"1")):
        produce(kafka.bootstrap, stage.changelog, [value], key=key)
    cuts: list[int] = []

    def reach(point: str) -> None:
        if point == "restoring" and not cuts:
            cuts.append(3)
            # A broker cuts nothing that is compacted only: somebody has changed that since it was looked at.
            set_topic(kafka.bootstrap, stage.changelog, "cleanup.policy", "compact,delete")
            delete_records(kafka.bootstrap, stage.changelog, 0, before=3)
            set_topic(kafka.bootstrap, stage.changelog, "cleanup.policy", "compact")

    async with running(stage) as member:
        await member.owning(0)
        await member.store.close()
        member.store = KafkaStore(
            # One record is fetched, and then there is a pause.
            stage.config({"queued.min.messages": "1", "max.partition.fetch.bytes": "1"}),
            member.inbox.membership, stage.names, writer_id=member.journal.transactional_id,
            trouble=lambda where, message: None, reach=reach,
        )  # fmt: skip
        with pytest.raises(StoreConflict, match="its records below 3 were deleted while it was read"):
            await restore(member)
        assert [record.key for record in (await restore(member)).changelog] == [b"last"]


async def test_a_restore_waits_for_a_transaction_that_its_owner_still_ends(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    async with running(stage) as member:
        await member.owning(0)
        assert await member.commit(event=b"mine") == Committed()
        with open_transaction(stage, b"late", b"1", None) as other:
            waiting = asyncio.ensure_future(restore(member))
            done, _ = await asyncio.wait([waiting], timeout=0.5)
            assert not done
            await asyncio.to_thread(other.commit_transaction, 20)
            restored = await waiting
    assert [(record.key, record.value) for record in restored.changelog] == [(b"key", b"mine"), (b"late", b"1")]


async def test_what_an_open_transaction_hides_is_read_once_it_is_undone(kafka: KafkaNode) -> None:
    """The reader's end of partition stops below it although committed records follow."""
    stage = Stage.make(kafka)
    async with running(stage) as member:
        await member.owning(0)
        with open_transaction(stage, b"undone", b"1", None) as other:
            assert await member.commit(event=b"behind") == Committed()
            waiting = asyncio.ensure_future(restore(member))
            await asyncio.wait([waiting], timeout=0.3)
            await asyncio.to_thread(other.abort_transaction, 20)
            restored = await waiting
    assert [(record.key, record.value) for record in restored.changelog] == [(b"key", b"behind")]


async def test_a_client_that_has_no_answer_yet_is_asked_again(
    kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one would begin anew: on a slow network no look would last long enough for any."""
    made: list[Connection] = []

    class Slow(Connection):
        def __init__(self, config: KafkaConfig) -> None:
            super().__init__(config)
            self.looks = 0
            made.append(self)

        def look(self, seconds: float = REACH_SECONDS) -> Cluster:
            self.looks += 1
            if self.looks < 3:
                raise TemporaryError("no answer yet")
            return super().look(seconds)

    monkeypatch.setattr(restoring, "Connection", Slow)
    stage = Stage.make(kafka)
    async with running(stage) as member:
        await member.owning(0)
        await restore(member)
        assert [one.looks for one in made if isinstance(one, Slow)] == [3]
        assert member.troubles == [("kafka store", "no answer yet")] * 2


async def test_ones_own_open_transaction_is_never_fenced(kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "GRACE_SECONDS", 0.1)
    stage = Stage.make(kafka)
    async with running(stage) as member:
        await member.owning(0)
        with open_transaction(stage, b"mine", b"1", member.journal.transactional_id.encode()) as other:
            waiting = asyncio.ensure_future(restore(member))
            await asyncio.wait([waiting], timeout=1.0)
            assert member.troubles == []
            assert await member.commit(event=b"works on") == Committed()
            await asyncio.to_thread(other.abort_transaction, 20)
            await waiting


async def test_a_partition_lost_meanwhile_is_not_restored(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    async with running(stage) as member:
        await member.owning(0)
        partition = stage.partition()
        assert await member.store.restore(partition, member.owned[partition] + 1) is None
        with open_transaction(stage, b"late", b"1", None) as other:
            waiting = asyncio.ensure_future(member.store.restore(partition, member.owned[partition]))
            await asyncio.wait([waiting], timeout=0.2)
            member.inbox.membership.drop([partition], lost=True)
            assert await asyncio.wait_for(waiting, 5) is None
            await asyncio.to_thread(other.abort_transaction, 20)


async def test_a_store_with_too_few_partitions_says_so(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    wider = Stage(stage.bootstrap, replace(stage.names, action_requests=unique("wider")))
    topics = {wider.source: 2, wider.changelog: 1, wider.names.ended(wider.source): 1}
    create_topics(kafka.bootstrap, topics, configs={wider.changelog: {"cleanup.policy": "compact"}})
    async with running(wider) as member:
        await member.owning(0, 1)
        first, second = await restore(member, 0), await restore(member, 1)
    assert (first.store_partitions, first.input_partitions) == (1, 2)
    assert (second.store_partitions, second.input_partitions) == (1, 2)


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
async def test_a_changelog_that_forgets_by_age_is_not_worked_on(kafka: KafkaNode, policy: str) -> None:
    stage = Stage.make(kafka)
    set_topic(kafka.bootstrap, stage.changelog, "cleanup.policy", policy)
    async with running(stage) as member:
        await member.owning(0)
        with pytest.raises(StoreConflict, match=f"cleanup.policy={policy}, so requests that are still open would be"):
            await restore(member)
        set_topic(kafka.bootstrap, stage.changelog, "cleanup.policy", "compact")
        assert (await restore(member)).changelog == []


async def test_many_partitions_are_restored_together(kafka: KafkaNode) -> None:
    """24 partitions with a record each: one reader, one batch; the time is that of one."""
    stage = Stage.make(kafka, partitions=24)
    async with running(stage) as member:
        await member.owning(*range(24))
        assert await member.journal.commit([member.entries(n, event=b"%d" % n) for n in range(24)]) == Committed()
        await restore(member, 0)
        began = time.monotonic()
        restored = await asyncio.gather(*(restore(member, number) for number in range(24)))
        took = time.monotonic() - began
    assert [one.changelog[0].value for one in restored] == [b"%d" % n for n in range(24)]
    assert took < 2
