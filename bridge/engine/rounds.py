"""The journal loop: gather what waits, commit it in one transaction, then let it be true.

Deciding and applying are synchronous; only the commit is awaited, one at a time. So a lifecycle never has two
uncommitted steps, and what is decided is always decided from committed state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from bridge.core.commands import Command, MakeCall
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.deciding import next_wake
from bridge.core.inputs import Answered, AnyInput, Looked
from bridge.core.lifecycle import Kind, Lifecycle, Phase
from bridge.core.rules import Rules
from bridge.engine.claims import Claims
from bridge.engine.intake import Intake
from bridge.engine.partition import OwnedPartition, Room
from bridge.engine.permits import Permits, Use
from bridge.engine.records import RecordWriter
from bridge.engine.round import FactsOf, PartitionRound
from bridge.engine.starts import Starts
from bridge.engine.timers import Timers
from bridge.engine.waiting import until_set
from bridge.ports import Clock, Committed, Journal, NotCommitted, Observer, PartitionEntries

MAX_STEPS = 200
"""Steps per transaction: keeps one commit, and the loop's work for it, to some tens of milliseconds."""

Works = dict[TopicPartition, PartitionRound]
"""The round under way."""

RunCommand = Callable[[OwnedPartition, Lifecycle, Command, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundLimits:
    """Bounds of intake and memory. ``lease`` bounds the age of a committed intent when its call leaves."""

    lease: timedelta = timedelta(seconds=5)
    max_open: int = 5_000
    max_waiting_bytes: int = 64 * 1024 * 1024
    dedupe_window: timedelta = timedelta(days=7)


class Rounds:
    """Owns the partitions' memory and the only way to change it."""

    def __init__(  # the loop is where all parts meet
        self,
        *,
        clock: Clock,
        journal: Journal,
        intake: Intake,
        writer: RecordWriter,
        permits: Permits,
        rules: Rules,
        limits: RoundLimits,
        facts_of: FactsOf,
        run_command: RunCommand,
        observer: Observer,
        reach: Callable[[str], None],
        claims: Claims,
        partitions: dict[TopicPartition, OwnedPartition],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._intake = intake
        self._writer = writer
        self._permits = permits
        self._rules = rules
        self._limits = limits
        self._facts_of = facts_of
        self._run_command = run_command
        self._observer = observer
        self._reach = reach
        self.on_applied: Callable[[OwnedPartition], None] = lambda owned: None
        self.partitions = partitions
        self._claims = claims
        self.starts = Starts()
        self.timers = Timers()
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
        works = self._gather()
        self.last_progress = began
        if not works:
            await self.settle()
            return False
        self._under_way(works)
        try:
            self._reach("round_before_commit")
            if any(work.grants for work in works):
                self._reach("intent_decided")
            outcome = await self._journal.commit([self._entries(work) for work in works])
        finally:
            self._done(works)
        if isinstance(outcome, Committed):
            self._undone = 0
            self._reach_committed(works)
            self._observer.committed(self._clock.monotonic() - began, sum(work.size for work in works))
            for work in works:
                self._apply(work, began)
        else:
            self._redo(works, outcome)
            await self._clock.sleep(min(1.0, 0.02 * 2.0 ** min(self._undone, 6)))
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

    def _usable(self) -> Iterator[OwnedPartition]:
        now = self._clock.monotonic()
        return (
            owned
            for owned in self.partitions.values()
            if not owned.closed and owned.stopped is None and owned.stalled_until <= now
        )

    # --- deciding -------------------------------------------------------------------------------------------------

    def _gather(self) -> list[PartitionRound]:
        now = self._clock.now()
        works: Works = {}
        usable = list(self._usable())
        waiting = sum(1 for owned in usable if owned.inbox or owned.inputs or owned.found)
        share = max(10, MAX_STEPS // max(1, waiting))
        for owned in usable:
            owned.forget_before(now - self._limits.dedupe_window)
            works[owned.partition] = PartitionRound(
                owned,
                now,
                self._facts_of,
                self._rules,
                owned.next_offset,
                self._writer.fitted,
                self._limits.max_waiting_bytes,
                partial(self._holder_of, works),
            )
            self._take_inputs(works, works[owned.partition], share)
            if not owned.draining:
                self._intake.take_found(works[owned.partition], share)
                self._take_deliveries(works[owned.partition], share)
        self._grant(works, share)
        return [work for work in works.values() if not work.is_empty]

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
                    event = self._claims.settle(event, lifecycle, works.values())  # noqa: PLW2901
                work.apply(birth, event)

    def _take_deliveries(self, work: PartitionRound, share: int) -> None:
        owned = work.owned
        while owned.inbox and work.size < share:
            taken = self._intake.take(work, owned.inbox.first, self._room(work))
            if taken.left:
                return
            owned.inbox.pop_first()
            if taken.starts is not None and not len(self.starts):
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

    def is_full(self, owned: OwnedPartition) -> bool:
        """The partition takes no new requests until some of its open ones end."""
        return owned.room(self._limits.max_open, self._limits.max_waiting_bytes) is Room.FULL

    def _grant(self, works: Works, share: int) -> None:
        later: list[tuple[OwnedPartition, Birth]] = []
        left = share * max(1, len(works))
        while left and (entry := self.starts.pop()) is not None:
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
            self.starts.push_back(owned, birth)

    def _entries(self, work: PartitionRound) -> PartitionEntries:
        return self._writer.entries(work)

    # --- after the commit -----------------------------------------------------------------------------------------

    def _apply(self, work: PartitionRound, began: float) -> None:
        owned = work.owned
        if owned.closed:
            # Committed, and lost before we got here: it is true, but no longer ours to act on.
            for _ in work.grants:
                self._permits.release(Use.UNUSED)
            return
        lanes: set[str] = set()
        for birth, request in work.requests.items():
            if work.changed[birth].needs_request:
                owned.put_request(request)
        for birth, lifecycle in work.changed.items():
            before = owned.lifecycles.get(birth)
            lane = owned.put(lifecycle)
            if lane is not None:
                lanes.add(lane)
            if not lifecycle.needs_request:
                owned.drop_request(birth)
            self.timers.set(birth, next_wake(lifecycle, self._rules))
            self._observer.moved(before, lifecycle)
        for ended in work.ended():
            owned.remember(ended)
        owned.next_offset = owned.stored_offset = work.next_offset
        owned.stalls = 0
        self._report(work)
        self._start_more(work, lanes)
        self._run_commands(work, began)
        self.on_applied(owned)

    def _start_more(self, work: PartitionRound, lanes: set[str]) -> None:
        owned = work.owned
        now = self._clock.now()
        for lifecycle in work.changed.values():
            if lifecycle.is_open and lifecycle.kind is not Kind.CONTROL:
                self.starts.consider(owned, lifecycle, now)
        for lane in lanes:
            self.starts.consider_lane(owned, lane, now)

    def _run_commands(self, work: PartitionRound, began: float) -> None:
        leave_by = began + self._limits.lease.total_seconds()
        for birth in work.grants:
            if not any(isinstance(command, MakeCall) for command in work.commands.get(birth, ())):
                self._permits.release(Use.UNUSED)
        for birth, commands in work.commands.items():
            lifecycle = work.changed.get(birth) or work.owned.lifecycles.get(birth)
            for command in commands:
                if lifecycle is not None:
                    self._run_command(work.owned, lifecycle, command, leave_by)

    def _report(self, work: PartitionRound) -> None:
        answers = {id(event) for event in work.answers}
        for birth in work.opened:
            self._observer.admitted(work.changed[birth], deprecated=birth in work.deprecated)
        for event in work.events:
            if id(event) in answers:
                self._observer.refused(event)
            else:
                self._observer.told(event)
        for known, record in work.repeats:
            self._observer.repeated(known, record)
        for record, error in work.dead_lettered:
            self._observer.dead_lettered(record, error.stage, error.message)
        for external_key, task_id, why in work.left_found:
            self._observer.orphan_left(work.owned.partition, external_key, task_id, why)
        for birth, note, evidence in work.notes:
            lifecycle = work.changed.get(birth) or work.owned.lifecycles.get(birth)
            if lifecycle is not None:
                self._observer.noted(lifecycle, note, evidence)

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
        owned.stalled_until = self._clock.monotonic() + min(60.0, 2.0 ** min(1 + owned.stalls, 6))
        owned.stalls += 1
