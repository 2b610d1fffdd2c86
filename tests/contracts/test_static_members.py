"""Static members: whoever has a name comes back to what it had, and of two with one name only one goes on."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import KafkaError
from confluent_kafka import TopicPartition as ClientPartition

from tests.contracts.side import PATIENCE_SECONDS, Kafka, Member, Refusal, contract, contract_of_groups

FENCED = Refusal(KafkaError.FENCED_INSTANCE_ID, "A")
STRANGER = Refusal(KafkaError.UNKNOWN_MEMBER_ID, "A")
_CLASSIC = {
    "group.protocol": "classic",
    "session.timeout.ms": "1000",
    "heartbeat.interval.ms": "200",
    "partition.assignment.strategy": "cooperative-sticky",
}
_KIP_848 = {"group.protocol": "consumer"}
"""The session is the broker's."""


@dataclass(slots=True)
class Named(Member):
    """With a ``group.instance.id``."""

    def __post_init__(self) -> None:
        settings = _KIP_848 if self.protocol == "kip-848" else _CLASSIC
        self.client = self.kafka.consumer(self.group, **settings, **{"group.instance.id": "name"})
        self.client.subscribe([self.topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose)

    @property
    def is_told_to_end(self) -> bool:
        """By what its next poll brings."""
        errors = [message.error() for message in self.client.consume(100, 0.02)]
        return any(error is not None and error.code() == KafkaError._FATAL for error in errors)

    def another(self) -> Named:
        """Another client with the same name."""
        return Named(self.kafka, self.group, self.topic, self.protocol)

    def leave(self) -> None:
        self.client.close()
        self.kafka.sleep(0.05)  # a simulated client does not wait until the coordinator has heard it


@contract_of_groups
def test_a_static_member_that_comes_back_in_time_has_what_it_had_and_nobody_is_told(
    kafka: Kafka, protocol: str
) -> None:
    former, other = _two_members(kafka, protocol)
    had, told, stale, member_id = set(former.owned), list(other.calls), former.metadata, former.identity.member_id
    former.leave()
    again = former.another()
    kafka.settle([again, other], lambda: again.owned)
    assert again.owned == had
    assert again.identity.member_id != member_id
    assert again.identity.epoch == other.identity.epoch
    assert other.calls == told
    assert _refusal(kafka, again, again.metadata) is None
    assert _refusal(kafka, again, stale) == _of_a_former_one(protocol)
    other.leave()
    again.leave()


@contract_of_groups
def test_of_two_members_with_one_name_only_one_goes_on(kafka: Kafka, protocol: str) -> None:
    """Classic: the later one takes the place, and the former is told for good. KIP-848: the later one is refused for
    as long as the former one lives, and is told that for good."""
    former, other = _two_members(kafka, protocol)
    had = set(former.owned)
    later = former.another()
    ended, going = (later, former) if protocol == "kip-848" else (former, later)
    kafka.settle([going, other], lambda: going.owned and ended.is_told_to_end)
    assert going.owned == had
    assert not going.is_told_to_end
    assert _refusal(kafka, going, ended.metadata) == _of_a_former_one(protocol)
    assert _refusal(kafka, going, going.metadata) is None
    other.leave()
    going.leave()


@contract_of_groups
def test_a_static_member_whose_session_has_ended_comes_back_as_another(kafka: Kafka, protocol: str) -> None:
    former, other = _two_members(kafka, protocol)
    stale = former.metadata
    former.leave()
    kafka.settle([other], lambda: other.owned == {0, 1})
    assert _refusal(kafka, other, stale) == STRANGER
    again = former.another()
    kafka.settle([again, other], lambda: len(again.owned) == 1 == len(other.owned))
    assert again.owned | other.owned == {0, 1}
    assert _refusal(kafka, again, stale) == _of_a_former_one(protocol)
    other.leave()
    again.leave()


@contract
def test_what_a_static_member_has_let_go_of_is_nobodys_when_it_comes_back_without_having_joined_again(
    kafka: Kafka,
) -> None:
    """It takes its place over as it is, without a rebalance; nobody is told, until the next one.

    Its former self is still in its callback by then, and is told afterwards that it is over. It is made to hear that: a
    real client that closes with a callback still to be served waits for it, for good.
    """
    topic, group = kafka.topic(2), kafka.name()
    former = Named(kafka, group, topic, "classic")
    kafka.settle([former], lambda: former.owned == {0, 1})
    other = kafka.member(group, topic, "classic")
    going: list[Member] = [other]

    def dies() -> None:
        going.append(former.another())
        kafka.settle(going, lambda: going[-1].owned)

    former.in_revoke = dies
    kafka.settle(going, lambda: former.is_told_to_end)
    again, end = going[-1], kafka.now() + 1.0
    kafka.settle(going, lambda: kafka.now() > end)
    assert (len(again.owned), other.owned) == (1, set())
    going.append(kafka.member(group, topic, "classic"))
    kafka.settle(going, lambda: {number for member in going for number in member.owned} == {0, 1})
    for member in reversed(going):
        member.leave()


def _of_a_former_one(protocol: str) -> Refusal:
    """While another has its name."""
    return STRANGER if protocol == "kip-848" else FENCED


def _two_members(kafka: Kafka, protocol: str) -> tuple[Named, Member]:
    """One partition each."""
    topic, group = kafka.topic(2), kafka.name()
    named, other = Named(kafka, group, topic, protocol), kafka.member(group, topic, protocol)
    members = [named, other]
    kafka.settle(members, lambda: named.owned and other.owned and named.identity.epoch == other.identity.epoch)
    return named, other


def _refusal(kafka: Kafka, owner: Member, metadata: object) -> Refusal | None:
    """Of an offset of what ``owner`` has."""
    producer = kafka.producer(kafka.name())
    producer.begin_transaction()
    position = ClientPartition(owner.topic, min(owner.owned), 1)
    refusal = Refusal.of(lambda: producer.send_offsets_to_transaction([position], metadata, PATIENCE_SECONDS))
    producer.abort_transaction(PATIENCE_SECONDS)
    return refusal
