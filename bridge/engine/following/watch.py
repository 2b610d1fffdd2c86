"""Watches external tasks for what others do to them in VCD: a cancel, an end.

No query shows that somebody asked for a cancel, so every running Task costs a reading of its own per interval. A
budget bounds these readings; beyond it the interval grows. What an update's answer has just shown is not read again.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.answers import TaskRead, TaskVanished
from bridge.core.coordinates import Birth
from bridge.core.inputs import AnyInput, Observed, Vanished
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.own_task import is_news, is_regression
from bridge.core.rules import Rules
from bridge.core.task import Task
from bridge.engine.following.timetable import Timetable
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.waiting import until_set
from bridge.ports import Clock, VcdGateway


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPace:
    """``interval`` between readings of one Task; ``reads_per_second`` of all together."""

    interval: timedelta = timedelta(seconds=15)
    reads_per_second: float = 20.0
    concurrent_reads: int = 16


@dataclass(slots=True, eq=False)
class _Watched:
    """``due``: monotonic time of its next reading. ``asked``: something due waits for that. ``missing_since``: no
    reading has shown it from then on."""

    owned: OwnedPartition
    birth: Birth
    task_id: str
    href: str | None
    due: float
    slot: int | None = None
    asked: bool = False
    missing_since: datetime | None = None

    def lifecycle(self) -> Lifecycle | None:
        """As it is now; None when its Task is not to be watched any more."""
        lifecycle = self.owned.lifecycles.get(self.birth)
        if lifecycle is None or not self.owned.goes_on or lifecycle.task_id != self.task_id:
            return None
        return lifecycle if lifecycle.phase is not Phase.PARKED else None

    @property
    def is_busy(self) -> bool:
        """What it showed is being decided, or its partition is handed over: a reading would say nothing new."""
        return self.owned.draining or self.owned.is_busy_with(self.birth)


Feed = Callable[[OwnedPartition, Birth, AnyInput], None]

EARLY = 0.001
"""Seconds by which timers may ring early: what is due so soon is due now, and no slot of a later reading."""
AT_ONCE = float("-inf")
"""Due before everything else."""
SOON = 1.0
"""Seconds until something is read again that could not be told."""
READINGS_OF_AN_ABSENCE = 4
"""Readings, after the first that missed a Task, within the time after which it counts as gone."""


class Watch:
    """All external tasks of this process that VCD has. One is gone that no reading has shown over a whole ``answer``
    time, after which nothing of before can be on its way any more."""

    def __init__(self, clock: Clock, gateway: VcdGateway, rules: Rules, pace: WatchPace, answer: timedelta) -> None:
        self._clock = clock
        self._gateway = gateway
        self._rules = rules
        self._pace = pace
        self._interval = pace.interval.total_seconds()
        self._within = 0.95 * self._interval
        """What is read so long after the last time is told within the interval."""
        self._timetable = Timetable(pace.reads_per_second)
        self._soon = min(SOON, self._interval)
        self._answer = answer
        self._absent_pace = min(self._interval, max(self._soon, answer.total_seconds() / READINGS_OF_AN_ABSENCE))
        self._watched: dict[Birth, _Watched] = {}
        self._queue: list[tuple[float, int, _Watched]] = []
        """By due time, in the order of asking; an entry whose time is not its Task's any more is skipped."""
        self._order = itertools.count()
        self._more = asyncio.Event()
        self._free = asyncio.Semaphore(pace.concurrent_reads)
        self._reading: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._last_turn = clock.monotonic()
        self.feed: Feed | None = None

    @property
    def count(self) -> int:
        """Tasks that are watched, and those that ended since they were last due."""
        return len(self._watched)

    def is_stalled(self, seconds: float) -> bool:
        """A reading is overdue by so long, and the loop has not turned since."""
        now, first = self._clock.monotonic(), self._first()
        return first is not None and first.due < now - seconds and self._last_turn < now - seconds

    def add(self, owned: OwnedPartition, lifecycle: Lifecycle) -> None:
        """Watch a lifecycle's Task until the lifecycle ends or is parked."""
        # Restored ones are spread over the interval; what was made a moment ago has just been shown.
        ago = self._answered_ago(lifecycle)
        wait = self._within * (self._clock.random() if ago is None or ago > 1.0 else 1.0)
        before = self._watched.get(lifecycle.birth)
        if before is not None:
            self._timetable.leave(before.slot)
        watched = _Watched(owned, lifecycle.birth, lifecycle.task_id or "", lifecycle.task_href, due=0.0)
        self._watched[lifecycle.birth] = watched
        self._read_within(watched, wait)

    def hurry(self, birth: Birth) -> None:
        """Read this one now, and tell what it shows whatever that is."""
        watched = self._watched.get(birth)
        if watched is not None and not watched.asked:
            watched.asked = True
            self._read_at(watched, AT_ONCE)

    async def run(self) -> None:
        """Read until canceled. Raises what breaks a reading: the process must not go on without seeing."""
        try:
            while True:
                if self._failure is not None:
                    raise self._failure
                self._last_turn = self._clock.monotonic()
                watched = self._next_due()
                if watched is None:
                    await self._wait()
                elif self._begin(watched):
                    await self._free.acquire()
                    self._spawn(watched)
                    await self._clock.sleep(1.0 / self._pace.reads_per_second)
        finally:
            for task in self._reading:
                task.cancel()
            await asyncio.gather(*self._reading, return_exceptions=True)

    # --- what is due ----------------------------------------------------------------------------------------------

    def _read_within(self, watched: _Watched, seconds: float) -> bool:
        """Give it a slot. False where none is free: it queues at the end of that time."""
        now = self._clock.monotonic()
        self._timetable.leave(watched.slot)
        slot = self._timetable.take(now + EARLY, now + seconds)
        watched.slot = slot
        self._queue_at(watched, now + seconds if slot is None else self._timetable.time(slot))
        return slot is not None

    def _read_at(self, watched: _Watched, due: float) -> None:
        """Read it then, whatever else is read."""
        self._timetable.leave(watched.slot)
        watched.slot = None
        self._queue_at(watched, due)

    def _queue_at(self, watched: _Watched, due: float) -> None:
        watched.due = due
        heapq.heappush(self._queue, (due, next(self._order), watched))
        self._more.set()

    def _first(self) -> _Watched | None:
        """The one that is due first; those that have ended meanwhile are forgotten."""
        while self._queue:
            due, _, watched = self._queue[0]
            stale = self._watched.get(watched.birth) is not watched or watched.due != due
            if not stale and watched.lifecycle() is not None:
                return watched
            heapq.heappop(self._queue)
            if not stale:
                self._timetable.leave(watched.slot)
                del self._watched[watched.birth]
        return None

    def _next_due(self) -> _Watched | None:
        """The one that is most overdue; those that something waits for come first."""
        first = self._first()
        # Timers ring a little early, and what is due in no time at all could not be waited for.
        if first is None or first.due > self._clock.monotonic() + EARLY:
            return None
        heapq.heappop(self._queue)
        return first

    async def _wait(self) -> None:
        self._more.clear()
        first = self._first()
        seconds = None if first is None else first.due - self._clock.monotonic()
        await until_set(self._more, seconds)

    # --- reading --------------------------------------------------------------------------------------------------

    def _begin(self, watched: _Watched) -> bool:
        """Whether it is to be read now; in any case it has a next time."""
        now = self._clock.monotonic()
        lifecycle = watched.lifecycle()
        if lifecycle is None:
            return False
        if watched.is_busy:
            self._read_at(watched, now + self._soon)
            return False
        shown = None if watched.asked else self._shown_ago(lifecycle)
        # What was shown lately is read later, but not where later is taken: its own slot is now.
        if shown is not None and self._read_within(watched, self._within - shown):
            return False
        self._read_within(watched, self._within)
        return True

    def _shown_ago(self, lifecycle: Lifecycle) -> float | None:
        """Seconds since an update's answer has shown the Task, where that was lately: it counts as its reading."""
        ago = self._answered_ago(lifecycle)
        return ago if ago is not None and ago < self._interval / 2 else None

    def _answered_ago(self, lifecycle: Lifecycle) -> float | None:
        """None also where the clock says that it is to come: it was set back, and nobody knows when that was."""
        if lifecycle.sent_at is None:
            return None
        ago = (self._clock.now() - lifecycle.sent_at).total_seconds()
        return ago if ago >= 0.0 else None

    def _spawn(self, watched: _Watched) -> None:
        task = asyncio.ensure_future(self._read(watched))
        self._reading.add(task)
        task.add_done_callback(self._read_over)

    def _read_over(self, task: asyncio.Task[None]) -> None:
        self._reading.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
            self._more.set()

    async def _read(self, watched: _Watched) -> None:
        # What is asked for while this reading is under way is answered by the next one.
        began, asked = self._clock.now(), watched.asked
        try:
            reading = await self._gateway.read_task(watched.task_id, watched.href)
        finally:
            self._free.release()
        lifecycle = watched.lifecycle()
        if lifecycle is None or self.feed is None:
            return
        if isinstance(reading, TaskVanished):
            if self._is_gone(watched, lifecycle):
                self.feed(watched.owned, watched.birth, Vanished(reading.http_status, reading.message))
            self._read_at(watched, self._clock.monotonic() + self._absent_pace)
        elif isinstance(reading, TaskRead):
            watched.missing_since = None
            self._tell(self.feed, watched, lifecycle, reading.task, began, asked=asked)

    def _is_gone(self, watched: _Watched, lifecycle: Lifecycle) -> bool:
        """A 403 may be a cell that does not know a new Task yet, or a right that is being changed: only when nothing
        has shown the Task for long does it say something."""
        now, since, answered = self._clock.now(), watched.missing_since, lifecycle.sent_at
        if since is None or (answered is not None and since <= answered <= now):
            watched.missing_since = now
            return False
        return now - since >= self._answer

    def _tell(
        self, feed: Feed, watched: _Watched, lifecycle: Lifecycle, task: Task, began: datetime, *, asked: bool
    ) -> None:
        answered_since = lifecycle.sent_at is not None and began <= lifecycle.sent_at <= self._clock.now()
        if not task.is_final and (answered_since or watched.is_busy):
            # What was shown since, or is being decided, is newer: told now, this would take it back.
            self._read_within(watched, self._soon if watched.asked else self._within)
            return
        watched.asked = watched.asked and not asked
        if asked or is_news(lifecycle, task, self._rules) or task.is_final or is_regression(lifecycle, task):
            feed(watched.owned, watched.birth, Observed(task, asked=asked))
