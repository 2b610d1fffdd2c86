"""The classic group protocol at its coordinator: all members join again, then everybody has a new generation.

Under cooperative assignors a partition that moves takes two such rounds: its owner lets go of it in the first, and in
the second it is given away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol
from zlib import crc32

from confluent_kafka import KafkaError

from bridge.core.coordinates import TopicPartition
from tests.simulation.cluster.errors import Refused
from tests.simulation.cluster.group import Addressee, Group, spread

if TYPE_CHECKING:
    from tests.simulation.cluster.broker import SimKafka

_NO_GENERATION = -1


class Joiner(Addressee, Protocol):
    """The client's side of a member. Calls arrive after a while, in the member's own process, if it runs."""

    def rebalancing(self) -> None: ...

    def joined(self, member_id: str, generation: int) -> None: ...

    def synced(self, member_id: str, generation: int, assigned: frozenset[TopicPartition]) -> None: ...

    def unknown(self, member_id: str) -> None: ...

    def replaced(self, member_id: str) -> None: ...


@dataclass(slots=True, eq=False)
class _Member:
    id: str
    client: Joiner
    topics: tuple[str, ...]
    owned: frozenset[TopicPartition] = frozenset()
    """What it claims to have."""
    since: int = _NO_GENERATION
    """The generation in which it was given that."""
    given: frozenset[TopicPartition] = frozenset()
    joining: bool = True
    static: str | None = None


@dataclass(slots=True)
class _Round:
    """Members are being collected until ``timer``."""

    timer: asyncio.TimerHandle


class ClassicGroup(Group):
    generation: int = 0

    def __init__(self, cluster: SimKafka, name: str) -> None:
        super().__init__(cluster, name)
        self.members: dict[str, _Member] = {}
        self._round: _Round | None = None
        self._numbers = 0
        self._names: dict[str, str] = {}
        """``group.instance.id`` by member id, of all that ever had one."""

    def check(self, member_id: str, generation: int, partitions: Iterable[TopicPartition]) -> None:
        if generation == _NO_GENERATION and not member_id:
            return  # a client that never joined is let through, also while others are members
        if member_id not in self.members:
            raise Refused(
                KafkaError.FENCED_INSTANCE_ID if self._has_successor(member_id) else KafkaError.UNKNOWN_MEMBER_ID
            )
        if generation != self.generation:
            raise Refused(KafkaError.ILLEGAL_GENERATION)

    # --- requests of members ------------------------------------------------------------------------------------------

    def join(
        self,
        client: Joiner,
        member_id: str,
        topics: tuple[str, ...],
        owned: frozenset[TopicPartition],
        since: int,
        static: str | None,
    ) -> None:
        if member_id and member_id not in self.members:
            answer = client.replaced if self._has_successor(member_id) else client.unknown
            self._send(client, partial(answer, member_id))
            return
        former = next((m for m in self.members.values() if static is not None and m.static == static), None)
        member = self.members.get(member_id) or self._new(client, topics, static)
        if former is not None and former is not member:
            self._replace(former)
            if self._round is None:
                # It takes the place over as it is, and nobody else is told.
                member.joining, member.given = False, former.given
                self.begin_session(member.id, client)
                self._hold()
                self._tell_assignment(member)
                return
        member.client, member.topics, member.joining = client, topics, True
        member.owned, member.since = owned, since
        self.begin_session(member.id, client)
        self._begin()
        self._complete()

    def leave(self, member_id: str) -> None:
        self._remove(member_id)

    # --- rounds -------------------------------------------------------------------------------------------------------

    def _new(self, client: Joiner, topics: tuple[str, ...], static: str | None) -> _Member:
        self._numbers += 1
        member = _Member(f"{self.name}-member-{self._numbers}", client, topics, static=static)
        if static is not None:
            self._names[member.id] = static
        self.members[member.id] = member
        return member

    def _replace(self, former: _Member) -> None:
        """Whoever joins under an instance's name takes its place."""
        self.members.pop(former.id)
        self.end_session(former.id)
        self._send(former.client, partial(former.client.replaced, former.id))
        self._hold()

    def _has_successor(self, member_id: str) -> bool:
        """Another member has its name now."""
        name = self._names.get(member_id)
        return name is not None and any(member.static == name for member in self.members.values())

    def _begin(self) -> None:
        if self._round is not None:
            return
        self._round = _Round(self.cluster.later(self.cluster.timing.rebalance, self._give_up))
        for member in self.members.values():
            if not member.joining:
                self._send(member.client, member.client.rebalancing, self.cluster.timing.heartbeat)

    def _complete(self) -> None:
        if self._round is None or not all(member.joining for member in self.members.values()):
            return
        self._round.timer.cancel()
        self._round = None
        self.generation += 1
        topics = dict.fromkeys(topic for member in self.members.values() for topic in member.topics)
        partitions = [partition for topic in topics for partition in self.cluster.partitions_of(topic)]
        claims, owner = self._claims(), self._owners()
        wanted = spread(claims, partitions)
        for member in self.members.values():
            member.joining = False
            # What another still has is given in the next round, when it has let go. Where a member counts for the owner
            # that only had it once it is nobody's in this one: the assignor takes partitions away from owners alone.
            given = frozenset(
                p for p in wanted[member.id] if p not in owner or (owner[p] == member.id and p in claims[member.id])
            )
            member.given = given
            self._tell_assignment(member)
        self._hold()

    def _tell_assignment(self, member: _Member) -> None:
        client = member.client
        self._send(client, partial(client.joined, member.id, self.generation))
        self._send(client, partial(client.synced, member.id, self.generation, member.given), 0.02, at_least=0.02)

    def _claims(self) -> dict[str, set[TopicPartition]]:
        """By member, as the sticky assignor takes them: of two who claim a partition the one whose generation is later
        has it, and nobody when that is the same."""
        claims: dict[str, set[TopicPartition]] = {member.id: set() for member in self.members.values()}
        for partition in sorted({partition for member in self.members.values() for partition in member.owned}):
            *former, last = sorted(self._claimants(partition), key=attrgetter("since"))
            if all(member.since < last.since for member in former):
                claims[last.id].add(partition)
        return claims

    def _claimants(self, partition: TopicPartition) -> list[_Member]:
        return [member for member in self.members.values() if partition in member.owned]

    def _owners(self) -> dict[TopicPartition, str]:
        """Who has to let go of a partition before another gets it: of those who claim it whoever comes last where the
        coordinator lists the members, in the order of hashes of their ids. librdkafka knows no generations here."""
        members = sorted(self.members.values(), key=lambda member: crc32(member.id.encode()))
        return {partition: member.id for member in members for partition in member.owned}

    def _hold(self) -> None:
        self.hold({partition: m.client.process for m in self.members.values() for partition in m.given})

    def _give_up(self) -> None:
        """Members that have not joined again in time are out."""
        for member in [member for member in self.members.values() if not member.joining]:
            self.members.pop(member.id)
            self.end_session(member.id)
            self._send(member.client, partial(member.client.unknown, member.id), self.cluster.timing.heartbeat)
        self._hold()
        self._complete_or_end()

    def expired(self, member_id: str) -> None:
        client = self.members[member_id].client
        self._remove(member_id)
        # Told at its next heartbeat: whoever stood still learns it only some time after waking up.
        self._send(client, partial(client.unknown, member_id), self.cluster.timing.heartbeat)

    def _remove(self, member_id: str) -> None:
        if self.members.pop(member_id, None) is None:
            return
        self.end_session(member_id)
        self._hold()
        if self._round is None and self.members:
            self._begin()
        self._complete_or_end()

    def _complete_or_end(self) -> None:
        if self.members:
            self._complete()
        elif self._round is not None:
            self._round.timer.cancel()
            self._round = None

    def _send(self, client: Joiner, call: Callable[[], None], within: float = 0.01, at_least: float = 0.0) -> None:
        self.cluster.send(client, call, within, at_least)
