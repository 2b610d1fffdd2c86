"""The classic group protocol at its coordinator: all members join again, then everybody has a new generation.

Under cooperative assignors a partition that moves takes two such rounds: its owner lets go of it in the first, and in
the second it is given away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

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

    def check(self, member_id: str, generation: int, partitions: Iterable[TopicPartition]) -> None:
        if generation == _NO_GENERATION and not member_id:
            return  # a client that never joined is let through, also while others are members
        if member_id not in self.members:
            raise Refused(KafkaError.UNKNOWN_MEMBER_ID)
        if generation != self.generation:
            raise Refused(KafkaError.ILLEGAL_GENERATION)

    # --- requests of members ------------------------------------------------------------------------------------------

    def join(
        self,
        client: Joiner,
        member_id: str,
        topics: tuple[str, ...],
        owned: frozenset[TopicPartition],
        static: str | None,
    ) -> None:
        if member_id and member_id not in self.members:
            self._send(client, lambda: client.unknown(member_id))
            return
        member = self.members.get(member_id) or self._new(client, topics, static)
        member.client, member.topics, member.owned, member.joining = client, topics, owned, True
        self.begin_session(member.id, client)
        self._begin()
        self._complete()

    def leave(self, member_id: str) -> None:
        self._remove(member_id)

    # --- rounds -------------------------------------------------------------------------------------------------------

    def _new(self, client: Joiner, topics: tuple[str, ...], static: str | None) -> _Member:
        self._numbers += 1
        member = _Member(f"{self.name}-member-{self._numbers}", client, topics, static=static)
        for former in list(self.members.values()):
            if static is not None and former.static == static:
                # Whoever joins under an instance's name takes its place.
                self.members.pop(former.id)
                self.end_session(former.id)
                self._send(former.client, partial(former.client.replaced, former.id))
                self._hold()
        self.members[member.id] = member
        return member

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
        wanted = spread({member.id: member.owned for member in self.members.values()}, partitions)
        owner = {partition: m.id for m in self.members.values() for partition in m.owned}
        for member in self.members.values():
            member.joining = False
            # What another still has is given in the next round, when it has let go.
            given = frozenset(p for p in wanted[member.id] if owner.get(p, member.id) == member.id)
            member.given = given
            client, generation = member.client, self.generation
            self._send(client, partial(client.joined, member.id, generation))
            self._send(client, partial(client.synced, member.id, generation, given), 0.02, at_least=0.02)
        self._hold()

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
