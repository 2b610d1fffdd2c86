"""Groups: the fence checks membership and generation, never ownership. Simulated and real Kafka answer alike."""

from __future__ import annotations

from functools import partial

from confluent_kafka import KafkaError
from confluent_kafka import TopicPartition as ClientPartition

from tests.contracts.side import (
    PATIENCE_SECONDS,
    Client,
    Kafka,
    Member,
    Refusal,
    contract_of_groups,
    contract_of_protocols,
)

STRANGER = Refusal(KafkaError.UNKNOWN_MEMBER_ID, "A")
OLD = Refusal(KafkaError.ILLEGAL_GENERATION, "A")


@contract_of_groups
def test_a_member_that_has_left_is_refused_and_its_records_are_never_seen(kafka: Kafka, protocol: str) -> None:
    topic, group, events = kafka.topic(), kafka.name(), kafka.topic()
    gone, producer = _sole_member(kafka, group, topic, protocol), kafka.producer(kafka.name())
    stale = gone.metadata
    gone.leave()
    successor = _sole_member(kafka, group, topic, protocol)
    _write(producer, events, b"stale")
    assert Refusal.of(lambda: _send(producer, topic, stale, {0: 1})) == STRANGER
    assert Refusal.of(lambda: producer.commit_transaction(PATIENCE_SECONDS)) == STRANGER
    producer.abort_transaction(PATIENCE_SECONDS)
    _write(producer, events, b"fresh")
    _send(producer, topic, successor.metadata, {0: 2})
    producer.commit_transaction(PATIENCE_SECONDS)
    assert kafka.committed(group, topic)[0] == 2
    kafka.until_stable(events)
    assert kafka.read(events)[0] == [b"fresh"]
    successor.leave()


@contract_of_groups
def test_metadata_of_a_consumer_that_never_joined(kafka: Kafka, protocol: str) -> None:
    """The classic one has no member id, and is let through on a live group; the other has one from birth."""
    topic, group = kafka.topic(), kafka.name()
    member, producer = _sole_member(kafka, group, topic, protocol), kafka.producer(kafka.name())
    never = kafka.consumer(group, **({"group.protocol": "consumer"} if protocol == "kip-848" else {}))
    producer.begin_transaction()
    answer = Refusal.of(lambda: _send(producer, topic, never.consumer_group_metadata(), {0: 17}))
    if protocol == "classic":
        assert answer is None
        producer.commit_transaction(PATIENCE_SECONDS)
        assert kafka.committed(group, topic)[0] == 17
    else:
        assert answer == STRANGER
        producer.abort_transaction(PATIENCE_SECONDS)
    never.close()
    member.leave()


@contract_of_groups
def test_ownership_is_not_checked_and_offsets_go_back(kafka: Kafka, protocol: str) -> None:
    """Fresh metadata passes for a partition that another owns by now, with an offset that is long past."""
    topic, group, events = kafka.topic(2), kafka.name(), kafka.topic()
    former, later = _two_members(kafka, group, topic, protocol)
    (moved,) = later.owned
    producer, stale = kafka.producer(kafka.name()), kafka.producer(kafka.name())
    producer.begin_transaction()
    _send(producer, topic, later.metadata, {moved: 9})
    producer.commit_transaction(PATIENCE_SECONDS)
    _write(stale, events, b"stale")
    _send(stale, topic, former.metadata, {moved: 4})
    stale.commit_transaction(PATIENCE_SECONDS)
    assert kafka.committed(group, topic, moved)[0] == 4
    kafka.until_stable(events)
    assert kafka.read(events)[0] == [b"stale"]
    former.leave()
    later.leave()


@contract_of_groups
def test_metadata_of_an_earlier_generation(kafka: Kafka, protocol: str) -> None:
    """Classic: refused for every partition. KIP-848: taken for what it has had since, refused for what has moved."""
    topic, group = kafka.topic(2), kafka.name()
    former = _sole_member(kafka, group, topic, protocol)
    old, epoch = former.metadata, former.identity.epoch
    later = kafka.member(group, topic, protocol)
    kafka.settle([former, later], lambda: len(former.owned) == 1 == len(later.owned) and former.identity.epoch > epoch)
    producer = kafka.producer(kafka.name())
    (kept,), (moved,) = former.owned, later.owned
    for partitions, refused in (([kept], protocol == "classic"), ([moved], True), ([kept, moved], True)):
        producer.begin_transaction()
        offsets = dict.fromkeys(partitions, 3)
        answer = Refusal.of(partial(_send, producer, topic, old, offsets))
        assert answer == (OLD if refused else None)
        producer.abort_transaction(PATIENCE_SECONDS)
    former.leave()
    later.leave()


@contract_of_groups
def test_a_transaction_without_offsets_is_not_fenced_at_all(kafka: Kafka, protocol: str) -> None:
    topic, group, events = kafka.topic(), kafka.name(), kafka.topic()
    producer = kafka.producer(kafka.name())
    gone = _sole_member(kafka, group, topic, protocol)
    gone.leave()
    successor = _sole_member(kafka, group, topic, protocol)
    _write(producer, events, b"stale")
    producer.commit_transaction(PATIENCE_SECONDS)
    kafka.until_stable(events)
    assert kafka.read(events)[0] == [b"stale"]
    successor.leave()


@contract_of_groups
def test_what_a_member_is_told_when_another_joins(kafka: Kafka, protocol: str) -> None:
    """Of what it gains after every revoke, be it nothing; in the classic protocol also of every new generation."""
    topic, group = kafka.topic(2), kafka.name()
    former, later = _two_members(kafka, group, topic, protocol)
    (moved,) = later.owned
    nothing = ("assign", ())
    kafka.settle([former, later], lambda: former.calls.count(nothing) >= (2 if protocol == "classic" else 1))
    told = [call for call in former.calls if call != nothing]
    assert told == [("assign", (0, 1)), ("revoke", (moved,))]
    assert [call for call in later.calls if call[1]] == [("assign", (moved,))]
    assert former.identity.epoch >= 2
    former.leave()
    later.leave()


@contract_of_groups
def test_a_member_that_joins_while_another_lets_go_leaves_no_partition_behind(kafka: Kafka, protocol: str) -> None:
    """The revoke that is running is answered first, and the round that has begun meanwhile after that."""
    topic, group = kafka.topic(3), kafka.name()
    members = [_sole_member(kafka, group, topic, protocol)]

    def join_and_dawdle() -> None:
        members.append(kafka.member(group, topic, protocol))
        kafka.sleep(1.0)  # several heartbeats

    members[0].in_revoke = join_and_dawdle
    members.append(kafka.member(group, topic, protocol))
    kafka.settle(members, lambda: len(members) == 3 and all(len(member.owned) == 1 for member in members))
    assert {number for member in members for number in member.owned} == {0, 1, 2}
    for member in members:
        member.leave()


@contract_of_groups
def test_a_new_owner_waits_for_offsets_that_a_dead_one_left_in_doubt(kafka: Kafka, protocol: str) -> None:
    """Until somebody takes its transactional id, which ends its transaction at once."""
    topic, group, owner = kafka.topic(), kafka.name(), kafka.name()
    dead, producer = _sole_member(kafka, group, topic, protocol), kafka.producer(owner, timeout_seconds=60)
    producer.begin_transaction()
    _send(producer, topic, dead.metadata, {0: 5})
    dead.leave()
    successor = _sole_member(kafka, group, topic, protocol)
    in_doubt = Refusal.of(lambda: successor.client.committed([ClientPartition(topic, 0)], timeout=0.5))
    assert in_doubt == Refusal(KafkaError._TIMED_OUT, "")
    kafka.producer(owner)
    assert successor.client.committed([ClientPartition(topic, 0)], timeout=10)[0].offset < 0
    successor.leave()


@contract_of_protocols("classic", "eager", "kip-848")
def test_what_is_sent_while_a_partition_is_revoked_is_taken_and_refused_afterwards(kafka: Kafka, protocol: str) -> None:
    topic, group, producer = kafka.topic(2), kafka.name(), kafka.producer(kafka.name())
    former = _sole_member(kafka, group, topic, protocol)
    used: list[object] = []

    def commit() -> None:
        used.append(former.metadata)
        producer.begin_transaction()
        _send(producer, topic, used[0], {0: 7, 1: 7})
        producer.commit_transaction(PATIENCE_SECONDS)

    former.in_revoke = commit
    later = kafka.member(group, topic, protocol)
    kafka.settle([former, later], lambda: len(former.owned) == 1 == len(later.owned) and used)
    assert [kafka.committed(group, topic, number)[0] for number in (0, 1)] == [7, 7]
    (moved,) = later.owned
    producer.begin_transaction()
    assert Refusal.of(lambda: _send(producer, topic, used[0], {moved: 8})) == OLD
    producer.abort_transaction(PATIENCE_SECONDS)
    former.leave()
    later.leave()


@contract_of_groups
def test_a_member_that_is_not_heard_any_more_is_out_without_having_left(kafka: Kafka, protocol: str) -> None:
    """Others get what it had, and its transaction is refused; it hears of its loss when it is heard again."""
    topic, group, events = kafka.topic(2), kafka.name(), kafka.topic()
    with kafka.network() as network:
        stale, producer = kafka.member(group, topic, protocol, network=network), kafka.producer(kafka.name())
        other = kafka.member(group, topic, protocol)
        kafka.settle([stale, other], lambda: len(stale.owned) == 1 == len(other.owned))
        (moved,) = stale.owned
        metadata = stale.metadata
        _write(producer, events, b"stale")
        network.go_silent()
        kafka.settle([other], lambda: len(other.owned) == 2)
        assert Refusal.of(lambda: _send(producer, topic, metadata, {moved: 1})) == STRANGER
        producer.abort_transaction(PATIENCE_SECONDS)
        network.heal()
        kafka.settle([stale, other], lambda: ("lose", (moved,)) in stale.calls)
        kafka.until_stable(events)
        assert kafka.read(events)[0] == []


def _sole_member(kafka: Kafka, group: str, topic: str, protocol: str) -> Member:
    member = kafka.member(group, topic, protocol)
    kafka.settle([member], lambda: member.owned)
    return member


def _two_members(kafka: Kafka, group: str, topic: str, protocol: str) -> tuple[Member, Member]:
    """The later one has a partition that the former one had."""
    former = _sole_member(kafka, group, topic, protocol)
    later = kafka.member(group, topic, protocol)
    kafka.settle(
        [former, later], lambda: former.owned and later.owned and former.identity.epoch == later.identity.epoch
    )
    return former, later


def _write(producer: Client, topic: str, value: bytes) -> None:
    producer.begin_transaction()
    producer.produce(topic, value, partition=0)
    assert producer.flush(PATIENCE_SECONDS) == 0


def _send(producer: Client, topic: str, metadata: object, offsets: dict[int, int]) -> None:
    positions = [ClientPartition(topic, number, offset) for number, offset in offsets.items()]
    producer.send_offsets_to_transaction(positions, metadata, PATIENCE_SECONDS)
