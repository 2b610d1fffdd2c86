"""The journal loop: gather what waits, commit it in one transaction, then let it be true.

Deciding and applying are synchronous; only the commit is awaited, one at a time. So a lifecycle never has two
uncommitted steps, and what is decided is always decided from committed state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.deciding import next_wake
from bridge.core.inputs import Answered, AnyInput
from bridge.core.rules import Backoff, Rules
from bridge.engine.calling.permits import Permits, Use
from bridge.engine.journal.effects import Effects
from bridge.engine.journal.gathering import Gatherer
from bridge.engine.journal.starts import Starts
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.records import RecordWriter
from bridge.engine.partition.round import PartitionRound
from bridge.engine.partition.timers import Timers
from bridge.engine.waiting import until_set
from bridge.ports import Clock, Committed, Journal, NotCommitted, Observer

_UNDONE = Backoff(base=timedelta(milliseconds=20), cap=timedelta(seconds=1), floor=timedelta(0))
"""After a commit that did not happen, before the next one."""
_STALLED = Backoff(base=timedelta(seconds=2), cap=timedelta(seconds=60))
"""Of a partition whose records were not acknowledged, before it is tried again."""


class Rounds:
    """Owns the partitions' memory and the only way to change it."""

    def __init__(  # the loop is where all parts meet
        self,
        *,
        clock: Clock,
        journal: Journal,
        gatherer: Gatherer,
        effects: Effects,
        writer: RecordWriter,
        permits: Permits,
        starts: Starts,
        timers: Timers,
        rules: Rules,
        observer: Observer,
        reach: Callable[[str], None],
        partitions: dict[TopicPartition, OwnedPartition],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._gatherer = gatherer
        self._effects = effects
        self._writer = writer
        self._permits = permits
        self._rules = rules
        self._observer = observer
        self._reach = reach
        self.partitions = partitions
        self.starts = starts
        self.timers = timers
        self._work = asyncio.Event()
        self._settled = asyncio.Condition()
        self._committing = False
        self._undone = 0
        """Commits in a row that did not happen: the pause before the next one grows with them."""
        self._failure: BaseException | None = None
        self.last_progress = clock.monotonic()

    @property
    def is_busy(self) -> bool:
        """A commit is under way, or something waits for one."""
        return self._committing or self._work.is_set()

    # --- what others say ------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something waits for a decision."""
        self._work.set()

    def feed(self, owned: OwnedPartition, birth: Birth, event: AnyInput) -> None:
        """Something happened to a lifecycle."""
        owned.feed(birth, event)
        self._work.set()

    def hurry(self, owned: OwnedPartition, birth: Birth) -> None:
        """What a waiting lifecycle waited for is over."""
        lifecycle = owned.lifecycles.get(birth)
        if lifecycle is not None and not owned.closed:
            self.starts.consider(owned, lifecycle, self._clock.now(), hurry=True)
            self._work.set()

    def fail(self, error: BaseException) -> None:
        """Something outside the loop broke: the loop ends with it, and so does the process."""
        self._failure = error
        self._work.set()

    def adopt(self, owned: OwnedPartition) -> None:
        """Take a restored partition in."""
        self.partitions[owned.partition] = owned
        for lifecycle in owned.lifecycles.values():
            self.timers.set(lifecycle.birth, next_wake(lifecycle, self._rules))
        self._work.set()

    def drop(self, partition: TopicPartition) -> OwnedPartition | None:
        """Forget a partition that is not ours any more."""
        owned = self.partitions.pop(partition, None)
        if owned is not None:
            owned.close()
            for birth in owned.lifecycles:
                self.timers.set(birth, None)
            self._work.set()
        return owned

    async def quiet(self, owned: Iterable[OwnedPartition]) -> None:
        """Wait until these partitions have nothing out, nothing queued, nothing uncommitted."""
        waited = list(owned)
        async with self._settled:
            await self._settled.wait_for(
                lambda: (
                    not any(p.committing or p.calls_out or (p.inputs and not p.stopped) for p in waited if not p.closed)
                )
            )

    async def settle(self) -> None:
        """Tell those who wait in ``quiet`` that something changed."""
        async with self._settled:
            self._settled.notify_all()

    # --- the loop -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Commit rounds until canceled."""
        while True:
            if not await self.once():
                await self._wait_for_work()

    async def once(self) -> bool:
        """One round. Returns False when nothing waited."""
        if self._failure is not None:
            raise self._failure
        began = self._clock.monotonic()
        works = self._gatherer.gather()
        self.last_progress = began
        if not works:
            await self.settle()
            return False
        self._under_way(works)
        try:
            self._reach("round_before_commit")
            if any(work.grants for work in works):
                self._reach("intent_decided")
            outcome = await self._journal.commit([self._writer.entries(work) for work in works])
        finally:
            self._done(works)
        if isinstance(outcome, Committed):
            self._undone = 0
            self._reach_committed(works)
            self._observer.committed(self._clock.monotonic() - began, sum(work.size for work in works))
            for work in works:
                self._effects.apply(work, began)
        else:
            self._redo(works, outcome)
            await self._clock.sleep(_UNDONE.delay(self._undone, 0.0).total_seconds())
            self._undone += 1
        await self.settle()
        return True

    def _reach_committed(self, works: Sequence[PartitionRound]) -> None:
        self._reach("round_committed")
        if any(lifecycle.heard_at == work.now for work in works for lifecycle in work.changed.values()):
            self._reach("command_committed")
        if any(isinstance(event, Answered) for work in works for _, event in work.taken_inputs):
            self._reach("answer_committed")
        if any(not lifecycle.is_open for work in works for lifecycle in work.changed.values()):
            self._reach("end_committed")

    def _under_way(self, works: Iterable[PartitionRound]) -> None:
        self._committing = True
        for work in works:
            work.owned.committing = True
            work.owned.deciding = frozenset(birth for birth, _ in work.taken_inputs)

    def _done(self, works: Iterable[PartitionRound]) -> None:
        self._committing = False
        for work in works:
            work.owned.committing = False
            work.owned.deciding = frozenset()

    async def _wait_for_work(self) -> None:
        now = self._clock.monotonic()
        waits = [owned.stalled_until - now for owned in self.partitions.values() if owned.stalled_until > now]
        if len(self.starts) and (until_free := self._permits.seconds_until_free()) is not None:
            waits.append(until_free)
        seconds = min(waits, default=None)
        await until_set(self._work, seconds)
        self._work.clear()

    def _redo(self, works: list[PartitionRound], outcome: NotCommitted) -> None:
        """Nothing happened: everything that was taken waits again, without the partitions that are named."""
        refused = outcome.refused or {}
        self._observer.not_committed(len(outcome.lost), len(refused))
        for work in works:
            owned = work.owned
            for _ in work.grants:
                self._permits.release(Use.UNUSED)
            if owned.partition in outcome.lost:
                if self.partitions.get(owned.partition) is owned:
                    self.drop(owned.partition)
                continue
            owned.inbox.put_back(work.taken_deliveries)
            owned.found.extendleft(reversed(work.taken_found))
            for birth, event in reversed(work.taken_inputs):
                owned.put_back(birth, event)
            if owned.partition in outcome.stalled:
                self._stall(owned)
            if owned.partition in refused:
                owned.stopped = refused[owned.partition]
                self._observer.partition_stopped(owned.partition, owned.stopped)
                continue
            for birth in reversed(work.grants):
                self.starts.push_back(owned, birth)
        self._work.set()

    def _stall(self, owned: OwnedPartition) -> None:
        """Its records were not acknowledged: it is tried again later, so that it does not hold up the others."""
        owned.stalled_until = self._clock.monotonic() + _STALLED.delay(owned.stalls, 0.0).total_seconds()
        owned.stalls += 1
