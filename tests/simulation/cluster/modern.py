"""The consumer group protocol of KIP-848 at its coordinator: no rounds; each member is led to its target on its own.

An epoch moves without any callback in the client when only others' partitions change. As measured on 4.3.1, an older
epoch is taken for partitions that the member has had since then, and refused for those it was given later, or has not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from confluent_kafka import KafkaError

from bridge.core.coordinates import TopicPartition
from tests.simulation.cluster.errors import Refused
from tests.simulation.cluster.group import Addressee, Group, spread

if TYPE_CHECKING:
    from tests.simulation.cluster.broker import SimKafka


class Reconciled(Addressee, Protocol):
    """The client's side of a member. Heartbeats' answers call it, in the member's own process, if it runs."""

    def update(self, epoch: int, gained: frozenset[TopicPartition]) -> None: ...

    def revoke(self, epoch: int, going: frozenset[TopicPartition]) -> None: ...

    def unknown(self, member_id: str) -> None: ...

    def unreleased(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Member:
    id: str
    client: Reconciled
    topics: tuple[str, ...]
    epoch: int = 0
    assigned: dict[TopicPartition, int] = field(default_factory=dict)
    """With the epoch since which it has them."""
    going: frozenset[TopicPartition] = frozenset()
    """It has been told to let go of these, and has not said that it has."""
    due: bool = False
    static: str | None = None
    is_away: bool = False
    """It has left, and its place is kept until its session ends."""


class ModernGroup(Group):
    epoch: int = 0

    def __init__(self, cluster: SimKafka, name: str) -> None:
        super().__init__(cluster, name)
        self.members: dict[str, _Member] = {}
        self._target: dict[str, list[TopicPartition]] = {}

    def check(self, member_id: str, generation: int, partitions: Iterable[TopicPartition]) -> None:
        member = self.members.get(member_id)
        if member is None:
            raise Refused(KafkaError.UNKNOWN_MEMBER_ID)
        if generation == member.epoch:
            return
        since = [member.assigned.get(partition) for partition in partitions]
        if generation > member.epoch or any(epoch is None or epoch > generation for epoch in since):
            raise Refused(KafkaError.ILLEGAL_GENERATION)

    # --- requests of members ------------------------------------------------------------------------------------------

    def join(self, client: Reconciled, member_id: str, topics: tuple[str, ...], static: str | None) -> None:
        member = self.members.get(member_id)
        if member is None:
            former = next((m for m in self.members.values() if static is not None and m.static == static), None)
            if former is not None and not former.is_away:
                self.cluster.send(client, client.unreleased)
                return
            member = self.members[member_id] = _Member(member_id, client, topics, static=static)
            if former is None:
                self._retarget()
            else:
                self._take_over(member, former)
        self.begin_session(member_id, client)
        self._answer(member, soon=True)

    def let_go(self, member_id: str, gone: frozenset[TopicPartition]) -> None:
        member = self.members.get(member_id)
        if member is None:
            return
        for partition in gone:
            member.assigned.pop(partition, None)
        member.going = frozenset()
        self._hold()
        self._answer(member, soon=True)
        for other in self.members.values():
            if gone.intersection(self._target[other.id]):
                self._answer(other)

    def _take_over(self, member: _Member, former: _Member) -> None:
        """Nobody else is told."""
        del self.members[former.id]
        self.end_session(former.id)
        self._target[member.id] = self._target.pop(former.id)

    def leave(self, member_id: str) -> None:
        member = self.members.get(member_id)
        if member is not None and member.static is not None:
            member.is_away = True
            self.let_expire(member_id)
        else:
            self._remove(member_id)

    def _remove(self, member_id: str) -> None:
        if self.members.pop(member_id, None) is not None:
            self.end_session(member_id)
            self._hold()
            self._retarget()

    def _hold(self) -> None:
        self.hold({partition: m.client.process for m in self.members.values() for partition in m.assigned})

    # --- reconciliation -----------------------------------------------------------------------------------------------

    def _retarget(self) -> None:
        self.epoch += 1
        topics = dict.fromkeys(topic for member in self.members.values() for topic in member.topics)
        partitions = [partition for topic in topics for partition in self.cluster.partitions_of(topic)]
        self._target = spread({m.id: self._target.get(m.id, ()) for m in self.members.values()}, partitions)
        for member in self.members.values():
            self._answer(member)

    def _answer(self, member: _Member, *, soon: bool = False) -> None:
        """At its next heartbeat."""
        if not member.due:
            member.due = True
            longest = 0.01 if soon else self.cluster.timing.heartbeat
            self.cluster.later(self.cluster.random.uniform(0, longest), partial(self._heartbeat, member))

    def _heartbeat(self, member: _Member) -> None:
        member.due = False
        if self.members.get(member.id) is not member or member.going or member.is_away:
            return
        client, target = member.client, self._target[member.id]
        going = frozenset(partition for partition in member.assigned if partition not in target)
        if going:
            member.going = going
            self._send(member, partial(client.revoke, member.epoch, going))
            return
        member.epoch = self.epoch
        had = {partition for other in self.members.values() for partition in other.assigned}
        gained = [partition for partition in target if partition not in had]
        member.assigned.update(dict.fromkeys(gained, member.epoch))
        self._hold()
        self._send(member, partial(client.update, member.epoch, frozenset(gained)))

    def expired(self, member_id: str) -> None:
        client = self.members[member_id].client
        self._remove(member_id)
        self.cluster.send(client, partial(client.unknown, member_id), self.cluster.timing.heartbeat)

    def _send(self, member: _Member, call: Callable[[], None]) -> None:
        """A client that stood still asks again, and what was on its way to it is void if it is out meanwhile."""

        def arrive() -> None:
            if self.members.get(member.id) is member:
                call()

        self.cluster.send(member.client, arrive)
