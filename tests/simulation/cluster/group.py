"""What both group protocols share: offsets, their fence, and how partitions are spread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
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
    """When the last thing that is on its way to it arrives: nothing overtakes."""


class Group(ABC):
    """One consumer group at its coordinator. ``owners`` and ``members`` are for those who watch a run."""

    def __init__(self, cluster: SimKafka, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.offsets = Offsets()

    @abstractmethod
    def check(self, member_id: str, generation: int, partitions: Iterable[TopicPartition]) -> None:
        """The fence of TxnOffsetCommit: membership and generation, never ownership. Raises Refused."""

    @abstractmethod
    def silence(self, process: Process | None) -> None:
        """Nothing is heard of a process from now on: its sessions run."""

    @abstractmethod
    def hear(self, process: Process | None) -> None:
        """The process is heard again, if its session has not ended yet."""


class NoGroup(Group):
    """A group that nobody has joined: offsets only."""

    def check(self, member_id: str, generation: int, partitions: Iterable[TopicPartition]) -> None:
        return None

    def silence(self, process: Process | None) -> None:
        return None

    def hear(self, process: Process | None) -> None:
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
