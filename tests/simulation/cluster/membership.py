"""The client's side of both group protocols: what goes on in the background, and what waits for the next poll."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Protocol

from bridge.core.coordinates import TopicPartition
from tests.simulation.cluster.broker import SimKafka
from tests.simulation.process import Process, in_world

Partitions = frozenset[TopicPartition]
NOTHING: Partitions = frozenset()


class Kind(Enum):
    ASSIGN = auto()
    REVOKE = auto()
    LOSE = auto()


@dataclass(frozen=True, slots=True)
class Change:
    """Waits in the client's queue until the application polls; ``then`` is what the client does after its callback."""

    kind: Kind
    partitions: Partitions
    then: Callable[[], None]


class Owner(Protocol):
    """The consumer whose membership this is."""

    cluster: SimKafka
    process: Process | None
    context: Context

    def wake(self) -> None:
        """There is something in the queue."""
        ...

    def fail(self, what: str) -> None:
        """For good."""
        ...


class GroupMember(ABC):
    """``id`` and ``epoch`` are what group metadata says, at once when the background learns it."""

    def __init__(self, owner: Owner, group: str, topics: Iterable[str]) -> None:
        self.owner = owner
        self.cluster = owner.cluster
        self.group_name = group
        self.topics = tuple(topics)
        self.id = ""
        self.epoch = -1
        self.owned: Partitions = NOTHING
        self.changes: deque[Change] = deque()
        self.is_answering = False
        """A callback is running."""
        self.is_leaving = False
        self._is_lost = False
        """While a callback was running the background has learned that the group goes on without this member."""
        self.process, self.context, self.hears_until = owner.process, owner.context, 0.0
        self.unheard: deque[Callable[[], None]] = deque()

    @abstractmethod
    def join(self) -> None: ...

    @abstractmethod
    def leave(self) -> None:
        """As the client is closed: the coordinator is told, if it hears it."""

    def tell(self, call: Callable[[], None]) -> None:
        """A request to the coordinator, repeated by the client until it gets through."""
        now = self.cluster.now()
        away = max(0.0, self.cluster.up_at("groups") - now)
        in_world(call, after=away + self.cluster.random.uniform(0, self.cluster.timing.travel))

    def queue(self, kind: Kind, partitions: Partitions, then: Callable[[], None] = lambda: None) -> None:
        self.changes.append(Change(kind, partitions, then))
        self.owner.wake()

    def next_change(self) -> Change | None:
        """Its callback is about to be called; None: nothing waits."""
        self.is_answering = bool(self.changes)
        return self.changes.popleft() if self.changes else None

    def taken(self, change: Change) -> None:
        """Its callback has returned."""
        self.is_answering = False
        if change.kind is Kind.ASSIGN:
            self.owned |= change.partitions
        else:
            self.owned -= change.partitions
        lost, self._is_lost = self._is_lost, False
        if lost:
            self.lose()
        else:
            change.then()

    def lose(self) -> None:
        """The group goes on without this member: nothing is its own any more, and it joins anew when that was served.

        A callback that is running has its word first: only then it is known what there is to lose.
        """
        self.changes.clear()
        if self.is_answering:
            self._is_lost = True
        elif self.owned:
            self.queue(Kind.LOSE, self.owned, self.join)
        else:
            self.join()


class ClassicMember(GroupMember):
    """``cooperative``: what it keeps it need not let go of first. ``static``: its ``group.instance.id``."""

    def __init__(
        self, owner: Owner, group: str, topics: Iterable[str], *, cooperative: bool, static: str | None
    ) -> None:
        super().__init__(owner, group, topics)
        self._cooperative = cooperative
        self._static = static
        self._joining = False
        self._was_let_in = False
        """Of the two answers that make it a member of a generation the first has come."""
        self._is_behind = False
        """A round has begun while a callback was running."""
        self._owned_since = -1
        """The generation of the last assignment."""
        self._former: set[str] = set()
        """Ids that the group does not know any more: what is still answered to them is thrown away."""
        self._group = self.cluster.classic_group(group)

    def join(self) -> None:
        if self.is_leaving or self._joining:
            return
        self._joining, self._was_let_in = True, False
        request = partial(self._group.join, self, self.id, self.topics)
        self.tell(partial(request, self.owned, self._owned_since, self._static))

    def leave(self) -> None:
        self.is_leaving = True
        if self.id:
            self.tell(partial(self._group.leave if self._static is None else self._group.let_expire, self.id))

    def taken(self, change: Change) -> None:
        super().taken(change)
        behind, self._is_behind = self._is_behind, False
        if behind:
            self.rebalancing()

    # --- heard from the coordinator -----------------------------------------------------------------------------------

    def rebalancing(self) -> None:
        if self._joining or self.is_leaving:
            return
        if self.is_answering:
            # Its heartbeats say so again when the callback has returned: only then it is known what it still has.
            self._is_behind = True
        elif self.changes:
            # It joins again when the application has answered what waits for it; an eager one lets go of that first.
            last = self.changes.pop()
            self.changes.append(Change(last.kind, last.partitions, _both(last.then, self.rebalancing)))
        elif self._cooperative or not self.owned:
            self.join()
        else:
            self.queue(Kind.REVOKE, self.owned, self.join)

    def joined(self, member_id: str, generation: int) -> None:
        if self._joining and member_id not in self._former:
            self.id, self.epoch, self._was_let_in = member_id, generation, True

    def synced(self, member_id: str, generation: int, assigned: Partitions) -> None:
        if not self._joining or (member_id, generation) != (self.id, self.epoch):
            return
        self._joining, self._owned_since = False, generation
        going, gained = self.owned - assigned, assigned - self.owned
        if going:
            # What is gained comes after the revoke, and the next round after that.
            self.queue(Kind.REVOKE, going, partial(self.queue, Kind.ASSIGN, gained, self.join))
        else:
            self.queue(Kind.ASSIGN, gained)

    def unknown(self, member_id: str) -> None:
        if member_id != self.id or self.is_leaving:
            return
        awaits = (self._joining and not self._was_let_in) or self.is_answering or self.changes
        self._former.add(self.id)
        self.id = ""
        self._joining = self._is_behind = False
        if self._static is not None and awaits:
            # Whoever has a name is let in again as soon as it asks, and its client does not call that a loss: after
            # what waits for the application, if anything does, it joins with what it had.
            self.rebalancing()
        else:
            self.lose()

    def replaced(self, member_id: str) -> None:
        if member_id == self.id and not self.is_leaving:
            self.is_leaving = True
            self.changes.clear()
            self.owner.fail("another member has taken the instance's place")


class ModernMember(GroupMember):
    """KIP-848: the id is its own from birth, and its epoch moves without the application being told."""

    def __init__(self, owner: Owner, group: str, topics: Iterable[str], member_id: str, static: str | None) -> None:
        super().__init__(owner, group, topics)
        self.id, self.epoch = member_id, 0
        self._static = static
        self._group = self.cluster.modern_group(group)

    def join(self) -> None:
        self.epoch = 0
        if not self.is_leaving:
            self.tell(partial(self._group.join, self, self.id, self.topics, self._static))

    def leave(self) -> None:
        self.is_leaving = True
        self.tell(partial(self._group.leave, self.id))

    # --- heard from the coordinator -----------------------------------------------------------------------------------

    def update(self, epoch: int, gained: Partitions) -> None:
        self.epoch = epoch
        if gained:
            self.queue(Kind.ASSIGN, gained)

    def revoke(self, epoch: int, going: Partitions) -> None:
        # What is gained, here nothing, comes after the revoke; the coordinator hears of it after that.
        gone = partial(self.tell, partial(self._group.let_go, self.id, going))
        self.queue(Kind.REVOKE, going, partial(self.queue, Kind.ASSIGN, NOTHING, gone))

    def unreleased(self) -> None:
        self.is_leaving = True
        self.owner.fail("another member has the instance's name")

    def unknown(self, member_id: str) -> None:
        # The old id and epoch stay until the loss was served.
        if not self.is_leaving:
            self.lose()


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        first()
        second()

    return call
