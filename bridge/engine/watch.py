"""Watches external tasks for what others do to them in VCD: a cancel, an end.

No query shows that somebody asked for a cancel, so every running Task costs a reading of its own per interval. A
budget bounds these readings; beyond it the interval grows. What an update's answer has just shown is not read again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bridge.core.answers import TaskRead, TaskVanished
from bridge.core.coordinates import Birth
from bridge.core.inputs import AnyInput, Observed, Vanished
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.observing import is_regression, worth_telling
from bridge.core.rules import Rules
from bridge.engine.partition import OwnedPartition
from bridge.ports import Clock, VcdGateway


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPace:
    """``interval`` between readings of one Task; ``reads_per_second`` of all together."""

    interval: timedelta = timedelta(seconds=15)
    reads_per_second: float = 20.0
    concurrent_reads: int = 16


@dataclass(slots=True)
class _Watched:
    """``asked``: something due waits for the next reading. ``missing``: VCD did not show it at the last one."""

    owned: OwnedPartition
    birth: Birth
    task_id: str
    href: str | None
    due: float
    asked: bool = False
    missing: bool = False

    def lifecycle(self) -> Lifecycle | None:
        """As it is now; None when its Task is not to be watched any more."""
        lifecycle = self.owned.lifecycles.get(self.birth)
        usable = not self.owned.closed and self.owned.stopped is None
        if lifecycle is None or not usable or lifecycle.task_id != self.task_id or lifecycle.phase is Phase.PARKED:
            return None
        return lifecycle


Feed = Callable[[OwnedPartition, Birth, AnyInput], None]


class Watch:
    """All external tasks of this process that VCD has."""

    def __init__(self, clock: Clock, gateway: VcdGateway, rules: Rules, pace: WatchPace) -> None:
        self._clock = clock
        self._gateway = gateway
        self._rules = rules
        self._pace = pace
        self._interval = pace.interval.total_seconds()
        self._watched: dict[Birth, _Watched] = {}
        self._more = asyncio.Event()
        self._free = asyncio.Semaphore(pace.concurrent_reads)
        self._reading: set[asyncio.Task[None]] = set()
        self.feed: Feed | None = None

    @property
    def count(self) -> int:
        return len(self._watched)

    def add(self, owned: OwnedPartition, lifecycle: Lifecycle) -> None:
        """Watch a lifecycle's Task until the lifecycle ends or is parked."""
        # Restored ones are spread over the interval; what was made a moment ago has just been shown.
        restored = lifecycle.sent_at is None or (self._clock.now() - lifecycle.sent_at).total_seconds() > 1.0
        wait = self._interval * (self._clock.random() if restored else 1.0)
        self._watched[lifecycle.birth] = _Watched(
            owned, lifecycle.birth, lifecycle.task_id or "", lifecycle.task_href, self._clock.monotonic() + wait
        )
        self._more.set()

    def hurry(self, birth: Birth) -> None:
        """Read this one now, and tell what it shows whatever that is."""
        watched = self._watched.get(birth)
        if watched is not None:
            watched.due = self._clock.monotonic()
            watched.asked = True
            self._more.set()

    async def run(self) -> None:
        """Read until canceled."""
        try:
            while True:
                watched = await self._next()
                if watched is not None:
                    await self._begin(watched)
        finally:
            for task in self._reading:
                task.cancel()

    async def _next(self) -> _Watched | None:
        """The one that is most overdue, where its time has come; those that something waits for first."""
        self._forget_ended()
        now = self._clock.monotonic()
        due = [watched for watched in self._watched.values() if watched.due <= now]
        if due:
            return min(due, key=lambda one: (not one.asked, one.due))
        earliest = min((watched.due for watched in self._watched.values()), default=None)
        self._more.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._more.wait(), None if earliest is None else earliest - now)
        return None

    def _forget_ended(self) -> None:
        for birth in [birth for birth, watched in self._watched.items() if watched.lifecycle() is None]:
            del self._watched[birth]

    async def _begin(self, watched: _Watched) -> None:
        lifecycle = watched.lifecycle()
        watched.due = self._clock.monotonic() + self._interval
        if lifecycle is None or (not watched.asked and self._shown_lately(watched, lifecycle)):
            return
        await self._free.acquire()
        task = asyncio.ensure_future(self._read(watched))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        await self._clock.sleep(1.0 / self._pace.reads_per_second)

    def _shown_lately(self, watched: _Watched, lifecycle: Lifecycle) -> bool:
        """An update's answer has shown the Task within the interval: that counts as its reading."""
        if lifecycle.sent_at is None:
            return False
        ago = (self._clock.now() - lifecycle.sent_at).total_seconds()
        if ago >= self._interval / 2:
            return False
        watched.due -= ago
        return True

    async def _read(self, watched: _Watched) -> None:
        try:
            reading = await self._gateway.read_task(watched.task_id, watched.href)
        finally:
            self._free.release()
        lifecycle = watched.lifecycle()
        if lifecycle is None or self.feed is None:
            return
        missing, watched.missing = watched.missing, isinstance(reading, TaskVanished)
        if isinstance(reading, TaskVanished):
            # One 403 may be a cell that does not know a new Task yet, or a right that is being changed.
            if missing:
                self.feed(watched.owned, watched.birth, Vanished(reading.http_status, reading.message))
            watched.due = self._clock.monotonic() + min(1.0, self._interval)
            self._more.set()
        elif isinstance(reading, TaskRead):
            task, asked = reading.task, watched.asked
            watched.asked = False
            news = worth_telling(
                lifecycle, task.status, task.progress, cancel_requested=task.cancel_requested, rules=self._rules
            )
            if asked or news or task.is_final or is_regression(lifecycle, task):
                self.feed(watched.owned, watched.birth, Observed(task, asked=asked))
