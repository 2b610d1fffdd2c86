"""What the next round takes: of what is owned and waits, as much as one transaction should hold.

Synchronous, from committed state alone. What it takes is gone from the queues; a round that is not committed puts it
back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.inputs import Looked
from bridge.core.lifecycle import Phase
from bridge.core.rules import Rules
from bridge.engine.calling.permits import Permits
from bridge.engine.desks.intake import Intake
from bridge.engine.journal.claims import Claims
from bridge.engine.journal.starts import Starts
from bridge.engine.partition.owned_partition import OwnedPartition, Room
from bridge.engine.partition.records import RecordWriter
from bridge.engine.partition.round import FactsOf, PartitionRound
from bridge.ports import Clock

MAX_STEPS = 200
"""Steps per transaction: keeps one commit, and the loop's work for it, to some tens of milliseconds."""

Works = dict[TopicPartition, PartitionRound]
"""The round under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundLimits:
    """Bounds of intake and memory. ``lease`` bounds the age of a committed intent when its call leaves."""

    lease: timedelta = timedelta(seconds=5)
    max_open: int = 5_000
    max_waiting_bytes: int = 64 * 1024 * 1024
    dedupe_window: timedelta = timedelta(days=7)


class Gatherer:
    """Takes inputs, found Tasks, records and starts, in this order, a fair share of each partition.

    ``clock_ahead``: how far VCD's clock is ahead of ours, None: not known.
    """

    def __init__(  # a round is made of all that can wait
        self,
        *,
        clock: Clock,
        intake: Intake,
        writer: RecordWriter,
        permits: Permits,
        starts: Starts,
        rules: Rules,
        limits: RoundLimits,
        facts_of: FactsOf,
        claims: Claims,
        clock_ahead: Callable[[], timedelta | None],
        partitions: dict[TopicPartition, OwnedPartition],
    ) -> None:
        self._clock = clock
        self._intake = intake
        self._writer = writer
        self._permits = permits
        self._starts = starts
        self._rules = rules
        self._limits = limits
        self._facts_of = facts_of
        self._claims = claims
        self._clock_ahead = clock_ahead
        self._partitions = partitions

    def gather(self) -> list[PartitionRound]:
        """The shares of the partitions for which something waits, decided but for the commit."""
        now = self._clock.now()
        ahead = self._clock_ahead()
        works: Works = {}
        usable = list(self._usable())
        waiting = sum(1 for owned in usable if owned.inbox or owned.inputs or owned.found)
        share = max(10, MAX_STEPS // max(1, waiting))
        for owned in usable:
            owned.forget_before(now - self._limits.dedupe_window)
            owned.forget_doubts(now)
            works[owned.partition] = PartitionRound(
                owned,
                now,
                self._facts_of,
                self._rules,
                owned.next_offset,
                self._writer.fitted,
                self._limits.max_waiting_bytes,
                partial(self._holder_of, works),
                now + ahead if ahead is not None else None,
            )
            self._take_inputs(works, works[owned.partition], share)
            if not owned.draining:
                self._intake.take_found(works[owned.partition], share)
                self._take_deliveries(works[owned.partition], share)
        self._grant(works, share)
        return [work for work in works.values() if not work.is_empty]

    def is_full(self, owned: OwnedPartition) -> bool:
        """The partition takes no new requests until some of its open ones end."""
        return owned.room(self._limits.max_open, self._limits.max_waiting_bytes) is Room.FULL

    def _usable(self) -> Iterator[OwnedPartition]:
        now = self._clock.monotonic()
        return (owned for owned in self._partitions.values() if owned.goes_on and owned.stalled_until <= now)

    def _take_inputs(self, works: Works, work: PartitionRound, share: int) -> None:
        queued = work.owned.inputs
        for birth in list(queued):
            if work.size >= share:
                return
            for event in queued.pop(birth):
                work.taken_inputs.append((birth, event))
                lifecycle = work.current(birth)
                if lifecycle is None:
                    continue
                if isinstance(event, Looked) and lifecycle.task_id is None:
                    since = (work.vcd_time or work.now) - self._limits.dedupe_window
                    event = self._claims.settle(event, lifecycle, works.values(), since)  # noqa: PLW2901
                work.apply(birth, event)

    def _take_deliveries(self, work: PartitionRound, share: int) -> None:
        owned = work.owned
        while owned.inbox and work.size < share:
            taken = self._intake.take(work, owned.inbox.first, self._room(work))
            if taken.left:
                return
            owned.inbox.pop_first()
            if taken.starts is not None and not len(self._starts):
                current = work.current(taken.starts.birth)
                if current is not None and current.phase is Phase.RECEIVED and self._permits.try_acquire():
                    work.grant(taken.starts.birth)

    def _holder_of(self, works: Works, task_id: str) -> Birth | None:
        return self._claims.holder(task_id, works.values())

    def _room(self, work: PartitionRound) -> Room:
        limits = self._limits
        return work.owned.room(
            limits.max_open, limits.max_waiting_bytes, more=work.new_lifecycles, more_bytes=work.new_bytes
        )

    def _grant(self, works: Works, share: int) -> None:
        later: list[tuple[OwnedPartition, Birth]] = []
        left = share * max(1, len(works))
        while left and (entry := self._starts.pop()) is not None:
            owned, birth = entry
            work = works.get(owned.partition)
            if work is None or work.owned is not owned:
                later.append(entry)  # its partition is stalled: however many these are, the others go on
            elif self._permits.try_acquire():
                work.grant(birth)
                left -= 1
            else:
                later.append(entry)
                break
        for owned, birth in reversed(later):
            self._starts.push_back(owned, birth)
