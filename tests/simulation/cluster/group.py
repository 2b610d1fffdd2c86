"""What both group protocols share: offsets, their fence, and how partitions are spread."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from bridge.core.coordinates import TopicPartition
from tests.simulation.cluster.log import Transaction
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.cluster.broker import SimKafka


@dataclass(slots=True)
class Offsets:
    """Committed offsets of one group, with their metadata, and those of transactions that have not ended."""

    committed: dict[TopicPartition, tuple[int, str]] = field(default_factory=dict)
    _pending: dict[TopicPartition, dict[Transaction, int]] = field(default_factory=dict)
    """With the place of the request among all of this group."""
    _place: int = 0
    _places: dict[TopicPartition, int] = field(default_factory=dict)
    _waiting: list[Callable[[], None]] = field(default_factory=list)

    def expect(self, partition: TopicPartition, transaction: Transaction) -> None:
        self._place += 1
        self._pending.setdefault(partition, {})[transaction] = self._place

    def settle(self, transaction: Transaction, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """The transaction's marker. Of two transactions the one whose offset came later counts, whichever marker does;
        offsets themselves are not compared, so they move backwards when they are told to."""
        for partition, offset in offsets.items():
            pending = self._pending[partition]
            place = pending.pop(transaction)
            if not pending:
                del self._pending[partition]
            if transaction.commits and place > self._places.get(partition, 0):
                self.committed[partition], self._places[partition] = offset, place
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()

    def are_stable(self, partitions: Iterable[TopicPartition]) -> bool:
        """No offset of these is in doubt: only then a reader that asks for stable offsets is answered."""
        return not any(partition in self._pending for partition in partitions)

    def when_settled(self, call: Callable[[], None]) -> None:
        """Once, when any transaction's offsets have been decided."""
        self._waiting.append(call)


class Addressee(Protocol):
    """A client of a process, that brokers can tell something."""

    process: Process | None
    context: Context
    hears_until: float
    """When the last thing that is on its way to it arrives."""
    unheard: deque[Callable[[], None]]
    """What is on its way to it, in the order in which it was sent: nothing overtakes."""


@dataclass(slots=True, eq=False)
class Session:
    """How long a member may be silent. ``timer`` runs while nothing is heard of its process."""

    client: Addressee
    timer: asyncio.TimerHandle | None = None
    has_left: bool = False
    """Its client is closed, and its place is kept."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the coordinator had assigned to a process, from when until when; ``until`` None: it has it now."""

    process: Process | None
    partition: TopicPartition
    since: float
    until: float | None = None


class Group(ABC):
    """One consumer group at its coordinator. ``former`` and ``held``: who has had and has which partition."""

    def __init__(self, cluster: SimKafka, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.former: list[Held] = []
        self.held: dict[TopicPartition, Held] = {}
        self.offsets = Offsets()
        self._sessions: dict[str, Session] = {}

    @abstractmethod
    def check(self, member_id: str, generation: int, partitions: Iterable[TopicPartition]) -> None:
        """The fence of TxnOffsetCommit: membership and generation, never ownership. Raises Refused."""

    @abstractmethod
    def expired(self, member_id: str) -> None:
        """Its session has ended."""

    def hold(self, owners: Mapping[TopicPartition, Process | None]) -> None:
        """This is how partitions are assigned from now on."""
        now = self.cluster.now()
        for partition, held in list(self.held.items()):
            if partition not in owners or owners[partition] is not held.process:
                self.former.append(replace(held, until=now))
                del self.held[partition]
        for partition, process in owners.items():
            self.held.setdefault(partition, Held(process, partition, now))

    # --- sessions -----------------------------------------------------------------------------------------------------

    def begin_session(self, member_id: str, client: Addressee) -> None:
        self.end_session(member_id)
        self._sessions[member_id] = Session(client)
        if client.process is not None and not client.process.runs:
            self.silence(client.process)  # its request came after it

    def end_session(self, member_id: str) -> None:
        session = self._sessions.pop(member_id, None)
        if session is not None and session.timer is not None:
            session.timer.cancel()

    def let_expire(self, member_id: str) -> None:
        """Nothing will be heard of it any more."""
        session = self._sessions.get(member_id)
        if session is not None:
            session.has_left = True
            if session.timer is None:
                self._run_out(member_id, session)

    def silence(self, process: Process | None) -> None:
        """Nothing is heard of a process from now on."""
        for member_id, session in self._sessions.items():
            if session.client.process is process and session.timer is None:
                self._run_out(member_id, session)

    def hear(self, process: Process | None) -> None:
        """The process is heard again, if its session has not ended yet."""
        for session in self._sessions.values():
            if session.client.process is process and session.timer is not None and not session.has_left:
                session.timer.cancel()
                session.timer = None

    def _run_out(self, member_id: str, session: Session) -> None:
        # Where the coordinator moves, the next one counts from its own beginning.
        away = max(0.0, self.cluster.up_at("groups") - self.cluster.now())
        session.timer = self.cluster.later(away + self.cluster.timing.session, partial(self._expire, member_id))

    def _expire(self, member_id: str) -> None:
        session = self._sessions[member_id]
        if self.cluster.now() < self.cluster.up_at("groups"):
            self._run_out(member_id, session)
            return
        self.end_session(member_id)
        self.expired(member_id)


class NoGroup(Group):
    """A group that nobody has joined: offsets only."""

    def check(self, member_id: str, generation: int, partitions: Iterable[TopicPartition]) -> None:
        return None

    def expired(self, member_id: str) -> None:
        return None


def spread(
    had: Mapping[str, Iterable[TopicPartition]], partitions: Sequence[TopicPartition]
) -> dict[str, list[TopicPartition]]:
    """Sticky and balanced: who has a partition keeps it, up to its share; partitions are counted, not topics."""
    members = sorted(had)
    if not members:
        return {}
    low, more = divmod(len(partitions), len(members))
    # Whoever has most may keep one more.
    order = sorted(members, key=lambda member: (-len(list(had[member])), member))
    share = {member: low + (1 if index < more else 0) for index, member in enumerate(order)}
    given: dict[str, list[TopicPartition]] = {member: [] for member in members}
    taken: set[TopicPartition] = set()
    for member in members:
        for partition in sorted(had[member]):
            if partition not in taken and partition in partitions and len(given[member]) < share[member]:
                given[member].append(partition)
                taken.add(partition)
    left = [partition for partition in partitions if partition not in taken]
    for member in members:
        while len(given[member]) < share[member]:
            given[member].append(left.pop(0))
    return given
