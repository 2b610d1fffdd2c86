"""The simulated cluster: topics, coordinators, and what can befall it. All of it happens in the world's context."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import Context
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from random import Random

from confluent_kafka import KafkaError

from bridge.core.coordinates import TopicPartition
from bridge.ports import OutRecord
from tests.simulation.cluster.classic import ClassicGroup
from tests.simulation.cluster.errors import Refused
from tests.simulation.cluster.group import Addressee, Group, NoGroup
from tests.simulation.cluster.hanging import Hangs
from tests.simulation.cluster.log import Entry, PartitionLog
from tests.simulation.cluster.modern import ModernGroup
from tests.simulation.cluster.transactions import Transactions
from tests.simulation.process import Process

_CLUSTERS: dict[str, SimKafka] = {}
"""By bootstrap address: how clients find theirs."""
_HELD_UP_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds. ``heartbeat``: longest until a member hears of something. ``transaction_cleanup``: longest until a
    transaction that has timed out is noticed. ``marker``: longest until a transaction's markers are written."""

    session: float = 6.0
    heartbeat: float = 1.0
    rebalance: float = 60.0
    transaction_cleanup: float = 10.0
    marker: float = 0.01
    fetch: float = 0.02
    travel: float = 0.005


class Fate(Enum):
    """What becomes of a request. All but the first are sent again."""

    ANSWERED = auto()
    LOST = auto()
    ANSWER_LOST = auto()
    LATE = auto()
    HELD = auto()
    """As ``LATE``, and carried out when ``release`` is called."""
    SILENCE = auto()
    """Lost without a sound."""
    SILENT_ANSWER = auto()
    """Carried out; its answer is lost without a sound."""
    SILENT_LATE = auto()
    """Without a sound, and carried out after its sender has given it up."""
    SILENT_HELD = auto()
    """As ``SILENT_LATE``, and carried out when ``release`` is called."""


@dataclass(slots=True, kw_only=True)
class Faults:
    """What befalls one request, as probabilities. ``cut``: its connection breaks before or after the broker has it, and
    the client sends it again. ``late``: as ``cut``, and the first one is carried out much later. ``silent``: nothing is
    heard of it, and it is lost, or late. ``undecided``: a transaction's offsets are not taken, for no reason of its
    own."""

    cut: float = 0.0
    late: float = 0.0
    silent: float = 0.0
    undecided: float = 0.0


@dataclass(frozen=True, slots=True)
class Topic:
    """``number``: how often a topic of this name was made, this one included."""

    name: str
    partitions: int
    compacted: bool = False
    retention_seconds: float | None = None
    number: int = 1


@dataclass(slots=True)
class SimKafka:
    """One cluster, shared by all simulated processes.

    Topics that nobody made have ``partitions`` partitions; those whose name ends with ``.changelog`` are compacted.
    """

    random: Random
    partitions: int
    timing: Timing = field(default_factory=Timing)
    faults: Faults = field(default_factory=Faults)
    ended_retention_seconds: float | None = None
    address: str = ""
    logs: dict[TopicPartition, PartitionLog] = field(default_factory=dict)
    topics: dict[str, Topic] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    transactions: Transactions = field(init=False)
    befalls: dict[str, list[Fate]] = field(default_factory=dict)
    """What becomes of the next requests, by part; what comes after is drawn."""
    held: list[Callable[[], None]] = field(default_factory=list)
    """Requests that wait somewhere on their way."""
    hangs: Hangs = field(default_factory=Hangs)
    _up_at: dict[str, float] = field(default_factory=dict)
    _reachable_at: dict[tuple[Process, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.transactions = Transactions(self)
        self.address = f"simulated:{id(self)}"
        _CLUSTERS[self.address] = self

    @staticmethod
    def at(address: str) -> SimKafka:
        return _CLUSTERS[address]

    def close(self) -> None:
        """Nobody looks for it any more."""
        _CLUSTERS.pop(self.address, None)

    # --- time ---------------------------------------------------------------------------------------------------------

    def now(self) -> float:
        return asyncio.get_event_loop().time()

    def now_ms(self) -> int:
        return int(self.now() * 1000)

    def later(self, seconds: float, call: Callable[[], object]) -> asyncio.TimerHandle:
        return asyncio.get_event_loop().call_later(seconds, call, context=Context())

    def send(self, client: Addressee, call: Callable[[], None], within: float = 0.01, at_least: float = 0.0) -> None:
        """Tell a client something, in ``within`` seconds at most; nothing overtakes what was sent before."""
        due = max(self.now() + self.random.uniform(at_least, within), client.hears_until, self.up_at("groups"))
        client.hears_until = due
        client.unheard.append(call)
        self._arrive_at(client, due)

    def _arrive_at(self, client: Addressee, due: float) -> None:
        asyncio.get_event_loop().call_at(due, partial(self._arrive, client, due), context=client.context)

    def _arrive(self, client: Addressee, due: float) -> None:
        """One thing arrives, the one that was sent first."""
        if self.now() - due > _HELD_UP_SECONDS:
            # The process stood still: it asks again in its own time.
            client.hears_until = max(client.hears_until, self.now() + self.random.uniform(0.0, self.timing.heartbeat))
            self._arrive_at(client, client.hears_until)
        else:
            client.unheard.popleft()()

    # --- topics -------------------------------------------------------------------------------------------------------

    def create_topic(
        self, name: str, partitions: int, *, compacted: bool = False, retention_seconds: float | None = None
    ) -> None:
        former = self.topics.get(name)
        number = former.number + 1 if former is not None else 1
        self.topics[name] = Topic(name, partitions, compacted, retention_seconds, number)

    def topic(self, name: str) -> Topic:
        if name not in self.topics:
            retention = self.ended_retention_seconds if name.endswith(".ended") else None
            self.create_topic(name, self.partitions, compacted=name.endswith(".changelog"), retention_seconds=retention)
        return self.topics[name]

    def partitions_of(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in range(self.topic(topic).partitions)]

    def log(self, partition: TopicPartition) -> PartitionLog:
        """Raises Refused when there is no such partition."""
        found = self.logs.get(partition)
        if found is None:
            topic = self.topic(partition.topic)
            if not 0 <= partition.partition < topic.partitions:
                raise Refused(KafkaError.UNKNOWN_TOPIC_OR_PART)
            retention = int(topic.retention_seconds * 1000) if topic.retention_seconds is not None else None
            found = PartitionLog(partition, compacted=topic.compacted, retention_ms=retention)
            self.logs[partition] = found
        return found

    def partition_for(self, record: OutRecord) -> int:
        if record.partition is not None:
            return record.partition
        return sum(record.key or b"") % self.topic(record.topic).partitions

    def append(self, partition: TopicPartition, record: OutRecord) -> int:
        """A plain record of somebody else."""
        return self.log(partition).append(record, None, self.now_ms())

    # --- coordinators -------------------------------------------------------------------------------------------------

    def group(self, name: str) -> Group:
        if name not in self.groups:
            self.groups[name] = NoGroup(self, name)
        return self.groups[name]

    def classic_group(self, name: str) -> ClassicGroup:
        found = self.group(name)
        if not isinstance(found, ClassicGroup):
            made = self.groups[name] = ClassicGroup(self, name)
            made.offsets = found.offsets
            return made
        return found

    def modern_group(self, name: str) -> ModernGroup:
        found = self.group(name)
        if not isinstance(found, ModernGroup):
            made = self.groups[name] = ModernGroup(self, name)
            made.offsets = found.offsets
            return made
        return found

    # --- what befalls it ----------------------------------------------------------------------------------------------

    def outage(self, part: str, seconds: float) -> None:
        """``part``: ``logs``, ``transactions`` or ``groups``, as when a leader or a coordinator moves.
        Requests wait, as long as their clients have patience."""
        self._up_at[part] = max(self.up_at(part), self.now() + seconds)

    def cut_off(self, process: Process, part: str, seconds: float) -> None:
        """The same for this process alone: the network between the two is away."""
        self._reachable_at[process, part] = self.now() + seconds

    def restart(self, seconds: float) -> None:
        """All brokers are away for so long."""
        for part in ("logs", "transactions", "groups"):
            self.outage(part, seconds)

    def up_at(self, part: str, process: Process | None = None) -> float:
        """When requests to this part are answered again, those of ``process``."""
        up_at = self._up_at.get(part, 0.0)
        if process is None or not self._reachable_at:
            return up_at
        return max(up_at, self._reachable_at.get((process, part), 0.0))

    def fate(self, part: str) -> Fate:
        """What becomes of a request to this part."""
        if self.befalls.get(part):
            return self.befalls[part].pop(0)
        faults, draw = self.faults, self.random.random()
        for fate, chance in (
            (Fate.LOST, faults.cut / 2),
            (Fate.ANSWER_LOST, faults.cut / 2),
            (Fate.LATE, faults.late),
            (Fate.SILENCE, faults.silent / 2),
            (Fate.SILENT_LATE, faults.silent / 2),
        ):
            draw -= chance
            if draw < 0:
                return fate
        return Fate.ANSWERED

    def release(self) -> None:
        """What was held arrives."""
        held, self.held = self.held, []
        for arrive in held:
            arrive()

    def silence(self, process: Process | None) -> None:
        """Nothing is heard of a process from now on: it is dead, stands still, or is cut off."""
        for group in self.groups.values():
            group.silence(process)

    def hear(self, process: Process | None) -> None:
        for group in self.groups.values():
            group.hear(process)

    # --- what an outsider sees ----------------------------------------------------------------------------------------

    def visible(self, partition: TopicPartition) -> Iterator[Entry]:
        """Records in offset order, as a read_committed reader has seen them who was there all the time."""
        return self.log(partition).visible()

    @property
    def committed(self) -> dict[TopicPartition, tuple[int, str]]:
        """Committed offsets of all groups, with their metadata."""
        return {
            partition: offset for group in self.groups.values() for partition, offset in group.offsets.committed.items()
        }
