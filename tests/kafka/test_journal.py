"""The journal on a real Kafka: all or nothing, exactly once, whatever happens to the commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from confluent_kafka import Producer

from bridge.kafka import transaction
from bridge.kafka.producers import BrokenConnections
from bridge.ports import Committed, NotCommitted, OutRecord, PartitionEntries
from tests.kafka.member import Stage, running
from tests.support.kafka import KafkaNode, committed_offset, create_topics, read, read_committed, set_topic, unique
from tests.support.proxy import END_TXN, Fate, KafkaProxy


@pytest.fixture
async def proxy(kafka: KafkaNode) -> AsyncIterator[KafkaProxy]:
    async with KafkaProxy(kafka.proxied_port, kafka.proxied_listener) as proxy:
        yield proxy


async def test_commit_makes_records_and_tagged_offsets_visible_exactly_once(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, partitions=2)
    async with running(stage) as member:
        await member.owning(0, 1)
        outcome = await member.journal.commit(
            [member.entries(0, event=b"a", next_offset=3), member.entries(1, event=b"b", next_offset=5)]
        )
        again = await member.commit(0, event=b"c", next_offset=3)
    assert (outcome, again) == (Committed(), Committed())
    assert sorted(read_committed(kafka.bootstrap, stage.names.task_events), key=str) == [b"a", b"b", b"c"]
    first, first_tag = committed_offset(kafka.bootstrap, stage.names.group_id, stage.source, 0)
    second, second_tag = committed_offset(kafka.bootstrap, stage.names.group_id, stage.source, 1)
    assert (first, second) == (3, 5)
    assert first_tag is not None
    assert second_tag is not None
    # The offset did not move in the second transaction, the tag did.
    assert first_tag.endswith(":2")
    assert second_tag.endswith(":1")
    assert first_tag.split(":")[0] == second_tag.split(":")[0]


async def test_store_records_name_their_writer_and_events_do_not(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    async with running(stage) as member:
        await member.owning(0)
        await member.commit(event=b"a")
        writer = member.journal.transactional_id.encode()
    assert writer.startswith(stage.names.group_id.encode())
    assert read(kafka.bootstrap, stage.changelog)[0].headers() == [("vb_writer", writer)]
    assert read(kafka.bootstrap, stage.names.task_events)[0].headers() is None


async def test_entries_of_an_earlier_assignment_are_not_committed(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, partitions=2)
    async with running(stage) as member:
        await member.owning(0, 1)
        stale = member.entries(1, event=b"stale", epoch=member.owned[stage.partition(1)] - 1)
        outcome = await member.journal.commit([member.entries(0, event=b"good"), stale])
        assert outcome == NotCommitted(lost=frozenset({stage.partition(1)}))
    assert read(kafka.bootstrap, stage.names.task_events, committed=False) == []


async def test_a_partition_lost_while_writing_aborts_the_whole_transaction(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, partitions=2)
    async with running(stage) as member:
        await member.owning(0, 1)
        writer = member.journal._writer
        assert writer is not None
        at_step = writer._step

        def lose(step: str) -> None:
            at_step(step)
            if step == "send_offsets_to_transaction":
                member.inbox.membership.drop([stage.partition(1)], lost=True)

        writer._step = lose
        outcome = await member.journal.commit([member.entries(0, event=b"a"), member.entries(1, event=b"b")])
        assert outcome == NotCommitted(lost=frozenset({stage.partition(1)}))
        writer._step = at_step
        assert await member.commit(0, event=b"again") == Committed()
    assert read_committed(kafka.bootstrap, stage.names.task_events) == [b"again"]
    assert len(read(kafka.bootstrap, stage.names.task_events, committed=False)) == 3


async def test_a_record_over_the_known_limit_refuses_only_its_partition(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, partitions=2)
    async with running(stage) as member:
        await member.owning(0, 1)
        large = b"x" * (member.journal.max_record_bytes(stage.names.task_events) + 1)
        outcome = await member.journal.commit([member.entries(0, event=b"good"), member.entries(1, event=large)])
        assert isinstance(outcome, NotCommitted)
        assert outcome.refused is not None
        assert set(outcome.refused) == {stage.partition(1)}
        assert stage.names.task_events in outcome.refused[stage.partition(1)]
        assert await member.commit(0, event=b"good") == Committed()
    assert read_committed(kafka.bootstrap, stage.names.task_events) == [b"good"]


async def test_the_largest_record_that_is_allowed_is_taken(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    async with running(stage) as member:
        await member.owning(0)
        limit = member.journal.max_record_bytes(stage.names.task_events)
        largest = OutRecord(stage.names.task_events, None, b"", b"x" * (limit - 70))
        entries = PartitionEntries(partition=stage.partition(), epoch=1, next_offset=0, records=(largest, largest))
        assert await member.journal.commit([entries]) == Committed()


async def test_each_output_has_its_own_limit(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka, partitions=2)
    stage = replace(stage, names=replace(stage.names, ticket_updates=unique("tickets")))
    tickets = stage.names.ticket_updates
    assert tickets is not None
    create_topics(kafka.bootstrap, {tickets: 1}, configs={tickets: {"max.message.bytes": "5000"}})
    async with running(stage) as member:
        await member.owning(0, 1)
        assert member.journal.max_record_bytes(tickets) < 5000 < member.journal.max_record_bytes(stage.changelog)
        good, bad = member.entries(0, event=b"good"), member.entries(1, event=b"bad")
        large = OutRecord(tickets, None, b"key", b"x" * 5000)
        outcome = await member.journal.commit([good, replace(bad, records=(*bad.records, large))])
        assert isinstance(outcome, NotCommitted)
        assert set(outcome.refused or {}) == {stage.partition(1)}
        assert await member.journal.commit([good]) == Committed()


async def test_a_record_that_the_broker_refuses_refuses_only_its_partition(kafka: KafkaNode) -> None:
    """The topic's limit was lowered after the journal had learnt it. Brokers refuse whole batches."""
    stage = Stage.make(kafka, partitions=2)
    async with running(stage) as member:
        await member.owning(0, 1)
        set_topic(kafka.bootstrap, stage.names.task_events, "max.message.bytes", "2000")
        outcome = await member.journal.commit(
            [member.entries(0, event=b"good"), member.entries(1, event=b"x" * 5000, next_offset=1)]
        )
        assert isinstance(outcome, NotCommitted)
        assert set(outcome.refused or {}) == {stage.partition(1)}
        assert await member.commit(0, event=b"good") == Committed()
    assert read_committed(kafka.bootstrap, stage.names.task_events) == [b"good"]


async def test_of_a_refused_batch_only_the_records_to_blame_are_refused(kafka: KafkaNode) -> None:
    """A compacted topic takes no record without a key; the broker refuses the batch that holds one."""
    stage = Stage.make(kafka, partitions=2)
    set_topic(kafka.bootstrap, stage.names.task_events, "cleanup.policy", "compact")
    async with running(stage) as member:
        await member.owning(0, 1)
        keyless = PartitionEntries(
            partition=stage.partition(1),
            epoch=member.owned[stage.partition(1)],
            next_offset=0,
            records=(OutRecord(stage.names.task_events, 0, None, b"keyless"),),
        )
        good = PartitionEntries(
            partition=stage.partition(0),
            epoch=member.owned[stage.partition(0)],
            next_offset=0,
            records=(OutRecord(stage.names.task_events, 0, b"key", b"good"),),
        )
        outcome = await member.journal.commit([good, keyless])
        assert isinstance(outcome, NotCommitted)
        assert set(outcome.refused or {}) == {stage.partition(1)}
        assert await member.journal.commit([good]) == Committed(), member.troubles
    assert read_committed(kafka.bootstrap, stage.names.task_events) == [b"good"]


async def test_a_lost_commit_answer_is_asked_for_again(kafka: KafkaNode, proxy: KafkaProxy) -> None:
    stage = Stage.make(kafka)
    async with running(stage, bootstrap=kafka.proxied_bootstrap) as member:
        await member.owning(0)
        assert await member.commit(event=b"first") == Committed()
        proxy.lose_commits(Fate.SWALLOW_ANSWER)
        committing = asyncio.ensure_future(member.commit(event=b"second"))
        await proxy.lost.wait()
        proxy.heal()
        assert await committing == Committed()
        assert await member.commit(event=b"third") == Committed()
    assert read_committed(kafka.bootstrap, stage.names.task_events) == [b"first", b"second", b"third"]


@pytest.mark.parametrize(("fate", "happened"), [(Fate.SWALLOW_ANSWER, True), (Fate.SWALLOW, False)])
async def test_an_unknown_commit_outcome_is_settled_by_the_tag(
    kafka: KafkaNode, proxy: KafkaProxy, monkeypatch: pytest.MonkeyPatch, fate: Fate, happened: bool
) -> None:
    """The commit request or its answer is lost, and asking again is over before the network heals. Of both inputs."""
    monkeypatch.setattr(transaction, "COMMIT_SECONDS", 0.0)
    stage = Stage.make(kafka, external=1)
    properties = {"transaction.timeout.ms": "2000"}
    async with running(stage, properties, bootstrap=kafka.proxied_bootstrap) as member:
        await member.owning(0, stage.second())

        async def commit(event: bytes) -> Committed | NotCommitted:
            return await member.journal.commit([member.entries(at, event=event) for at in (0, stage.second())])

        assert await commit(b"first") == Committed()
        writer = member.journal._writer
        assert writer is not None
        renew = writer.producers._renew

        def renew_after_healing(seconds: float) -> object:
            loop.call_soon_threadsafe(proxy.heal)
            return renew(seconds)

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(writer.producers, "_renew", renew_after_healing)
        proxy.lose_commits(fate)
        outcome = await commit(b"second")
        assert outcome == (Committed() if happened else NotCommitted())
        assert any("was in doubt" in message for _, message in member.troubles)
        if not happened:
            assert await commit(b"second") == Committed()
        assert await commit(b"third") == Committed()
    for topic in stage.names.inputs:
        changelog = stage.names.changelog(topic)
        assert read_committed(kafka.bootstrap, changelog) == [b"first", b"second", b"third"]


async def test_a_producer_whose_connection_broke_around_a_commit_is_replaced(
    kafka: KafkaNode, proxy: KafkaProxy
) -> None:
    """librdkafka has no KIP-890: a late EndTxn of the broken connection could end the next transaction."""
    stage = Stage.make(kafka)
    async with running(stage, bootstrap=kafka.proxied_bootstrap) as member:
        await member.owning(0)
        await member.commit(event=b"first")
        writer = member.journal._writer
        assert writer is not None
        before = writer.producers._current
        proxy.lose_commits(Fate.SWALLOW_ANSWER)
        committing = asyncio.ensure_future(member.commit(event=b"second"))
        await proxy.lost.wait()
        proxy.heal()
        assert await committing == Committed()
        assert await member.commit(event=b"third") == Committed()
        assert writer.producers._current is not before
    assert read_committed(kafka.bootstrap, stage.names.task_events) == [b"first", b"second", b"third"]


@pytest.mark.parametrize("fate", [Fate.HOLD, Fate.HOLD_SILENTLY])
async def test_a_commit_request_that_arrives_late_does_not_end_the_next_transaction(
    kafka: KafkaNode, proxy: KafkaProxy, fate: Fate
) -> None:
    """It waits in the network while its connection breaks, or is given up because nothing comes back; it is asked for
    again on another."""
    stage = Stage.make(kafka)
    async with running(stage, bootstrap=kafka.proxied_bootstrap) as member:
        await member.owning(0)
        assert await member.commit(event=b"first") == Committed()
        met = iter((fate,))
        proxy.fate = lambda api_key: next(met, Fate.PASS) if api_key == END_TXN else Fate.PASS
        assert await member.commit(event=b"second") == Committed()
        await proxy.lost.wait()
        written, goes_on = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def stop_before_the_commit(point: str) -> None:
            if point == "offsets_sent":
                loop.call_soon_threadsafe(written.set)
                goes_on.wait(20)

        writer = member.journal._writer
        assert writer is not None
        writer._reach = stop_before_the_commit
        committing = asyncio.ensure_future(member.commit(event=b"third"))
        await written.wait()
        assert await proxy.release() >= 1
        seen = await asyncio.to_thread(read_committed, kafka.bootstrap, stage.changelog)
        assert seen == [b"first", b"second"], "what is not committed yet shows"
        goes_on.set()
        assert await committing == Committed()
    assert read_committed(kafka.bootstrap, stage.changelog) == [b"first", b"second", b"third"]


async def test_a_producer_that_is_fenced_with_records_on_their_way_is_replaced(kafka: KafkaNode) -> None:
    """By whoever uses its transactional id; the reports of its records come while the client fails."""
    stage = Stage.make(kafka)
    async with running(stage) as member:
        await member.owning(0)
        assert await member.commit(event=b"first") == Committed()
        writer = member.journal._writer
        assert writer is not None
        at_step = writer._step

        def fence(step: str) -> None:
            if step == "begin_transaction":
                writer._step = at_step
                settings = {"bootstrap.servers": stage.bootstrap, "transactional.id": member.journal.transactional_id}
                Producer(settings).init_transactions(20)
            at_step(step)

        writer._step = fence
        assert await member.commit(event=b"second") == NotCommitted()
        assert await member.commit(event=b"second") == Committed()
    assert read_committed(kafka.bootstrap, stage.changelog) == [b"first", b"second"]


def test_a_connection_that_never_came_up_puts_no_producer_in_doubt() -> None:
    """While a node is down the client says so again and again; nothing of ours can be on its way there."""
    for said, broken in (
        ("n1: Connect to ipv4#n1 failed: Connection refused (after 0ms in state CONNECT)", False),
        ("TxnCoordinator: n1: Disconnected: connection closed by peer (after 60ms in state UP)", True),
        ("n1: 1 request(s) timed out: disconnect (after 2000ms in state UP, 1 identical error(s) suppressed)", True),
        ("n1: something new", True),
    ):
        connections = BrokenConnections()
        connections.log(20, "%s [%s] %s", "FAIL", "vcd-bridge#producer-1", f"[thrd:n1]: {said}")
        assert connections.broken is broken, said


def test_a_request_without_an_answer_puts_the_producer_in_doubt() -> None:
    """That its connection is given up is said at debug level only (librdkafka 2.16.0). What has not left, or is asked
    before a connection can carry anything, ends no transaction."""
    for said, broken in (
        ("TxnCoordinator/1: Timed out EndTxnRequest in flight (after 3003ms, timeout #0)", True),
        ("n1: Timed out ApiVersionRequest in flight (after 4000ms, timeout #0)", False),
        ("n1: Timed out 0 in-flight, 0 retry-queued, 1 out-queue, 0 partially-sent requests", False),
    ):
        connections = BrokenConnections()
        connections.log(20, "%s [%s] %s", "REQTMOUT", "vcd-bridge#producer-1", f"[thrd:n1]: {said}")
        assert connections.broken is broken, said


def test_an_idle_connection_that_is_closed_puts_no_producer_in_doubt() -> None:
    connections = BrokenConnections()
    told = "[thrd:n1]: n1: Connection max idle time exceeded (6000ms since last activity) (after 60ms in state UP)"
    connections.log(10, "%s [%s] %s", "FAIL", "vcd-bridge#producer-1", told)
    assert not connections.broken
