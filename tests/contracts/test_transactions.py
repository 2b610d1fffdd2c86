"""Transactions: what can be read, who is fenced, what stays in doubt. Simulated and real Kafka answer alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError
from confluent_kafka import TopicPartition as ClientPartition

from tests.contracts.facade import Network
from tests.contracts.side import PATIENCE_SECONDS, Client, Kafka, Lost, Refusal, contract

FENCED = Refusal(KafkaError._FENCED, "F")
LATE = Refusal(KafkaError.INVALID_TXN_STATE, "F")
TORN = Refusal(KafkaError.INVALID_TXN_STATE, "A")
CONFLICT = Refusal(KafkaError._CONFLICT, "R")
TIMED_OUT = Refusal(KafkaError._TIMED_OUT, "R")
OUT_OF_ORDER = Refusal(KafkaError._STATE, "")


@contract
def test_an_open_transaction_holds_back_what_can_be_read(kafka: Kafka) -> None:
    """Markers take offsets; a read_committed reader's end of partition is the last stable offset, not the end."""
    topic, one, other = kafka.topic(), kafka.producer(kafka.name()), kafka.producer(kafka.name())
    _write(one, topic, b"a", b"b", b"c")
    one.commit_transaction(PATIENCE_SECONDS)
    _write(one, topic, b"undone", b"undone")
    one.abort_transaction(PATIENCE_SECONDS)
    kafka.until_stable(topic)
    _write(one, topic, b"d", b"e")
    _write(other, topic, b"f", b"g")
    other.commit_transaction(PATIENCE_SECONDS)
    while kafka.ends(topic)[2] < 12:
        kafka.sleep(0.02)
    assert kafka.ends(topic) == (0, 7, 12)
    assert kafka.read(topic) == ([b"a", b"b", b"c"], 7)
    everything = [b"a", b"b", b"c", b"undone", b"undone", b"d", b"e", b"f", b"g"]
    assert kafka.read(topic, isolation="read_uncommitted") == (everything, 12)
    one.commit_transaction(PATIENCE_SECONDS)
    kafka.until_stable(topic)
    assert kafka.read(topic) == ([b"a", b"b", b"c", b"d", b"e", b"f", b"g"], 13)


@contract
def test_a_position_skips_markers_and_what_was_undone(kafka: Kafka) -> None:
    topic, producer = kafka.topic(), kafka.producer(kafka.name())
    _write(producer, topic, b"a", b"b", b"c")
    producer.commit_transaction(PATIENCE_SECONDS)
    _write(producer, topic, b"undone", b"undone")
    producer.abort_transaction(PATIENCE_SECONDS)
    kafka.until_stable(topic)
    reader = kafka.consumer(kafka.name())
    reader.assign([ClientPartition(topic, 0, 0)])
    found = 0
    while reader.position([ClientPartition(topic, 0)])[0].offset < 7:
        found += len([m for m in reader.consume(10, 0.2) if m.error() is None])
    assert found == 3
    reader.close()


@contract
def test_offsets_in_doubt_are_waited_for_and_an_old_value_is_never_shown(kafka: Kafka) -> None:
    """The tag in their metadata tells afterwards whether the transaction was committed, also where no offset moved."""
    topic, group = kafka.topic(), kafka.name()
    producer = kafka.producer(kafka.name())
    assert kafka.committed(group, topic)[0] == confluent_kafka.OFFSET_INVALID
    for number, (ends, seen) in enumerate([("commit", "tag:0"), ("abort", "tag:0"), ("commit", "tag:2")]):
        _write(producer, topic, b"x")
        _send_offset(kafka, producer, group, topic, 5, f"tag:{number}")
        assert Refusal.of(lambda: kafka.committed(group, topic, seconds=0.5)) == Refusal(KafkaError._TIMED_OUT, "")
        getattr(producer, f"{ends}_transaction")(PATIENCE_SECONDS)
        assert kafka.committed(group, topic) == (5, seen)


@contract
def test_offsets_move_backwards_when_they_are_told_to(kafka: Kafka) -> None:
    topic, group, producer = kafka.topic(), kafka.name(), kafka.producer(kafka.name())
    for offset in (7, 3):
        producer.begin_transaction()
        _send_offset(kafka, producer, group, topic, offset, "tag")
        producer.commit_transaction(PATIENCE_SECONDS)
        assert kafka.committed(group, topic)[0] == offset


@contract
def test_a_second_producer_of_an_id_fences_the_first_and_frees_what_it_left_open(kafka: Kafka) -> None:
    topic, owner = kafka.topic(), kafka.name()
    dead = kafka.producer(owner, timeout_seconds=60)
    _write(dead, topic, b"stale")
    assert kafka.ends(topic) == (0, 0, 1)
    successor = kafka.producer(owner)
    kafka.until_stable(topic)
    assert kafka.read(topic) == ([], 2)
    assert Refusal.of(lambda: dead.commit_transaction(PATIENCE_SECONDS)) == FENCED
    assert Refusal.of(dead.begin_transaction) == FENCED
    _write(successor, topic, b"fresh")
    successor.commit_transaction(PATIENCE_SECONDS)
    kafka.until_stable(topic)
    assert kafka.read(topic)[0] == [b"fresh"]


@contract
def test_a_transaction_that_timed_out_looks_as_if_it_were_fenced(kafka: Kafka) -> None:
    """Its records are never seen; a new producer of the same id is usable at once."""
    topic, group, owner = kafka.topic(), kafka.name(), kafka.name()
    late = kafka.producer(owner, timeout_seconds=1.0)
    _write(late, topic, b"late")
    kafka.until_stable(topic)
    assert Refusal.of(lambda: _send_offset(kafka, late, group, topic, 1, "tag")) == FENCED
    assert Refusal.of(lambda: late.commit_transaction(PATIENCE_SECONDS)) == FENCED
    assert Refusal.of(lambda: late.abort_transaction(PATIENCE_SECONDS)) == FENCED
    assert Refusal.of(lambda: late.produce(topic, b"more")) in {
        Refusal(KafkaError._FATAL, "F"), Refusal(KafkaError._FATAL, ""),
    }  # fmt: skip
    fresh = kafka.producer(owner)
    _write(fresh, topic, b"fresh")
    fresh.commit_transaction(PATIENCE_SECONDS)
    kafka.until_stable(topic)
    assert kafka.read(topic)[0] == [b"fresh"]


@contract
def test_calls_out_of_order_are_refused(kafka: Kafka) -> None:
    producer = kafka.producer(kafka.name(), init=False)
    assert Refusal.of(producer.begin_transaction) == OUT_OF_ORDER
    producer.init_transactions(PATIENCE_SECONDS)
    assert Refusal.of(lambda: producer.init_transactions(1)) == OUT_OF_ORDER
    assert Refusal.of(lambda: producer.commit_transaction(1)) == OUT_OF_ORDER
    producer.begin_transaction()
    assert Refusal.of(producer.begin_transaction) == OUT_OF_ORDER
    producer.commit_transaction(PATIENCE_SECONDS)
    producer.begin_transaction()
    producer.abort_transaction(PATIENCE_SECONDS)


@contract
def test_a_store_is_read_to_its_end_past_the_last_stable_offset(kafka: Kafka) -> None:
    """The end of before is reached only when the open transaction has ended: then it was either seen or undone."""
    topic, owner = kafka.topic(), kafka.name()
    before = kafka.producer(kafka.name())
    _write(before, topic, b"a")
    before.commit_transaction(PATIENCE_SECONDS)
    kafka.until_stable(topic)
    dead = kafka.producer(owner, timeout_seconds=60)
    _write(dead, topic, b"stale")
    end = kafka.ends(topic)[2]
    reader = kafka.consumer(kafka.name())
    reader.assign([ClientPartition(topic, 0, 0)])
    values: list[bytes | None] = []
    stopped_at: list[int] = []
    while not stopped_at or stopped_at[-1] < end:
        for message in reader.consume(100, 0.1):
            if message.error() is None:
                values.append(message.value())
                continue
            stopped_at.append(message.offset() or 0)
            if len(stopped_at) == 1:
                kafka.producer(owner)
    assert values == [b"a"]
    assert stopped_at == [2, 4]
    reader.close()


@contract
def test_a_commit_that_comes_late_commits_the_next_transaction(kafka: Kafka) -> None:
    """Nothing tells the broker that it is one of before. An abort comes too late then, and has no effect."""
    with _ended_late(kafka, "commit") as (producer, topic):
        assert kafka.read(topic)[0] == [b"1", b"2"]
        assert Refusal.of(lambda: producer.abort_transaction(PATIENCE_SECONDS)) == LATE


@contract
def test_a_commit_that_comes_late_unheard_commits_the_next_transaction(kafka: Kafka) -> None:
    """Its connection has not broken: nothing came back on it in time, and it was asked for again on another."""
    with _ended_late(kafka, "commit", Lost.SILENTLY_HELD, **{"socket.timeout.ms": 1000}) as (producer, topic):
        assert kafka.read(topic)[0] == [b"1", b"2"]
        assert Refusal.of(lambda: producer.abort_transaction(PATIENCE_SECONDS)) == LATE


@contract
def test_an_abort_that_comes_late_aborts_the_next_transaction(kafka: Kafka) -> None:
    """What is produced behind it is refused, and the commit with it."""
    with _ended_late(kafka, "abort") as (producer, topic):
        producer.produce(topic, b"3", partition=0)
        assert Refusal.of(lambda: producer.commit_transaction(PATIENCE_SECONDS)) == TORN
        assert kafka.read(topic)[0] == []


@contextmanager
def _ended_late(kafka: Kafka, end: str, how: Lost = Lost.HELD, **settings: Any) -> Iterator[tuple[Client, str]]:
    """The request that ends a transaction arrives when the next one has a record."""
    topic = kafka.topic()
    with kafka.network() as network:
        producer = kafka.producer(kafka.name(), network=network, **settings)
        _write(producer, topic, b"1")
        network.lose_end(how)
        getattr(producer, f"{end}_transaction")(PATIENCE_SECONDS)
        _write(producer, topic, b"2")
        network.release()
        kafka.until_stable(topic)
        yield producer, topic


@contract
def test_an_end_that_comes_late_does_nothing_to_the_next_producer_of_its_id(kafka: Kafka) -> None:
    topic, owner = kafka.topic(), kafka.name()
    with kafka.network() as network:
        former = kafka.producer(owner, network=network)
        _write(former, topic, b"1")
        network.lose_end(Lost.HELD)
        former.commit_transaction(PATIENCE_SECONDS)
        producer = kafka.producer(owner, network=network)
        _write(producer, topic, b"2")
        network.release()
        producer.abort_transaction(PATIENCE_SECONDS)
    kafka.until_stable(topic)
    assert kafka.read(topic)[0] == [b"1"]


@contract
def test_after_a_lost_commit_request_only_the_commit_can_be_asked_for_again(kafka: Kafka) -> None:
    """Until then the offsets are in doubt: nobody is told the former ones."""
    topic, group = kafka.topic(), kafka.name()
    with kafka.network() as network:
        producer = kafka.producer(kafka.name(), network=network)
        _lose_the_commit(kafka, network, producer, topic, group, Lost.REQUEST)
        _expect_conflicts(producer, producer.abort_transaction)
        in_doubt = Refusal.of(lambda: kafka.committed(group, topic, seconds=0.3))
        assert in_doubt == Refusal(KafkaError._TIMED_OUT, "")
        network.heal()
        producer.commit_transaction(PATIENCE_SECONDS)
        assert kafka.committed(group, topic) == (5, "tag:2")
        kafka.until_stable(topic)
        assert kafka.read(topic)[0] == [b"1", b"2"]


@contract
def test_after_a_lost_commit_answer_only_the_commit_can_be_asked_for_again(kafka: Kafka) -> None:
    """The tag says already that it has happened."""
    topic, group = kafka.topic(), kafka.name()
    with kafka.network() as network:
        producer = kafka.producer(kafka.name(), network=network)
        _lose_the_commit(kafka, network, producer, topic, group, Lost.ANSWER)
        _expect_conflicts(producer, producer.abort_transaction)
        assert kafka.committed(group, topic) == (5, "tag:2")
        network.heal()
        producer.commit_transaction(PATIENCE_SECONDS)
        assert kafka.committed(group, topic) == (5, "tag:2")
        kafka.until_stable(topic)
        assert kafka.read(topic)[0] == [b"1", b"2"]


@contract
def test_after_a_lost_abort_only_the_abort_can_be_asked_for_again(kafka: Kafka) -> None:
    topic = kafka.topic()
    with kafka.network() as network:
        producer = kafka.producer(kafka.name(), network=network)
        _write(producer, topic, b"undone")
        network.lose_end(Lost.REQUEST)
        assert Refusal.of(partial(producer.abort_transaction, 0.3)) == TIMED_OUT
        _expect_conflicts(producer, producer.commit_transaction)
        network.heal()
        producer.abort_transaction(PATIENCE_SECONDS)
        _write(producer, topic, b"1")
        producer.commit_transaction(PATIENCE_SECONDS)
        kafka.until_stable(topic)
        assert kafka.read(topic)[0] == [b"1"]


@contract
def test_who_takes_the_id_after_a_lost_commit_request_sees_the_former_tag(kafka: Kafka) -> None:
    _taken_over(kafka, Lost.REQUEST, "tag:1", [b"1"])


@contract
def test_who_takes_the_id_after_a_lost_commit_answer_sees_its_tag(kafka: Kafka) -> None:
    _taken_over(kafka, Lost.ANSWER, "tag:2", [b"1", b"2"])


def _taken_over(kafka: Kafka, lost: Lost, tag: str, values: list[bytes]) -> None:
    topic, group, owner = kafka.topic(), kafka.name(), kafka.name()
    with kafka.network() as network:
        producer = kafka.producer(owner, network=network)
        _lose_the_commit(kafka, network, producer, topic, group, lost)
        kafka.producer(owner)
        assert kafka.committed(group, topic) == (5, tag)
        kafka.until_stable(topic)
        assert kafka.read(topic)[0] == values
        network.heal()
        assert Refusal.of(lambda: producer.commit_transaction(PATIENCE_SECONDS)) == FENCED


def _lose_the_commit(kafka: Kafka, network: Network, producer: Client, topic: str, group: str, lost: Lost) -> None:
    """Of a second transaction: one whose offset is that of the first."""
    for number in (1, 2):
        _write(producer, topic, b"%d" % number)
        _send_offset(kafka, producer, group, topic, 5, f"tag:{number}")
        if number == 1:
            producer.commit_transaction(PATIENCE_SECONDS)
            kafka.until_stable(topic)
    network.lose_end(lost)
    assert Refusal.of(partial(producer.commit_transaction, 0.3)) == TIMED_OUT


def _expect_conflicts(producer: Client, other_end: Callable[[float], None]) -> None:
    """Whatever is asked for but the same end again."""
    assert Refusal.of(producer.begin_transaction) == CONFLICT
    assert Refusal.of(partial(producer.init_transactions, 0.2)) == CONFLICT
    assert Refusal.of(partial(other_end, 0.2)) == CONFLICT


def _write(producer: confluent_kafka.Producer, topic: str, *values: bytes) -> None:
    """A transaction that is left open, with records that have arrived."""
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(PATIENCE_SECONDS) == 0


def _send_offset(
    kafka: Kafka, producer: confluent_kafka.Producer, group: str, topic: str, offset: int, tag: str
) -> None:
    """With metadata of a consumer that never joined: where a group has no members, nobody minds."""
    consumer = kafka.consumer(group)
    positions = [ClientPartition(topic, 0, offset, metadata=tag)]
    try:
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), PATIENCE_SECONDS)
    finally:
        consumer.close()
