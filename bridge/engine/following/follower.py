"""Follows Tasks to their ends with few requests.

One round of looking at a time. How it is made is chosen by arithmetic (``core.following_plan``); whatever a round
shows, a Task is read once in full before anything about it is published, and absence is never a conclusion.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from heapq import nsmallest

from bridge.core.answers import TaskRead, TaskVanished
from bridge.core.coordinates import Birth
from bridge.core.following_plan import Method, plan
from bridge.core.inputs import Input, Observed, Vanished
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.own_task import is_news, is_regression
from bridge.core.rules import Rules
from bridge.engine.following.blockers import Blockers, Hurry
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.eagerness import PAUSE_SECONDS, pause_after
from bridge.engine.reading.rows import Rows, TaskRows
from bridge.engine.waiting import until_set
from bridge.ports import Clock, VcdGateway

MOST_HEARD = 10_000
"""Tasks of which it is remembered that messages named them."""
CENSUS_SECONDS = 60.0
"""How long the number of active Tasks that a sweep counted is believed; then it is estimated, or counted, anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowPace:
    """``interval`` between looks at a Task; ``slowest`` for those that are overdue; ``overlap`` of endDate windows.

    The overlap covers rows that commit late. ``flag_reads_per_second``: Tasks without news that are read in full all
    the same, in turn, because a row does not show that somebody has asked VCD to cancel.
    """

    interval: timedelta = timedelta(seconds=2)
    slowest: timedelta = timedelta(seconds=60)
    overlap: timedelta = timedelta(seconds=10)
    concurrent_reads: int = 16
    flag_reads_per_second: float = 1.0


@dataclass(slots=True)
class _Followed:
    """``read_at``: when it was last read in full. ``in_full``: the next look reads it, whatever its row says.
    ``hurried``: somebody waits for that look; ``quiet``: so many such looks in a row showed nothing new.
    ``missing_since``: of the reads since then none has shown it."""

    owned: OwnedPartition
    birth: Birth
    task_id: str
    href: str | None
    due: float
    read_at: float
    in_full: bool
    hurried: bool = False
    quiet: int = 0
    missing_since: float | None = None

    def lifecycle(self) -> Lifecycle | None:
        """As it is now; None when its Task is not to be followed any more."""
        lifecycle = self.owned.lifecycles.get(self.birth)
        if lifecycle is None or not self.owned.goes_on or lifecycle.task_id != self.task_id:
            return None
        return lifecycle if lifecycle.phase is Phase.FOLLOWING else None


Feed = Callable[[OwnedPartition, Birth, Input], None]


class Follower:
    """Everything that is followed by this process. A Task is gone that no read has shown over a whole ``answer`` time:
    one 403 may be a cell that does not know a new Task yet, or a right that is being changed."""

    def __init__(self, clock: Clock, gateway: VcdGateway, rules: Rules, pace: FollowPace, answer: timedelta) -> None:
        self._clock = clock
        self._gateway = gateway
        self._rules = rules
        self._pace = pace
        self._answer = answer.total_seconds()
        self._interval = pace.interval.total_seconds()
        self._quarter = self._interval / 4
        self._followed: dict[Birth, _Followed] = {}
        self._by_task: dict[str, Birth] = {}
        self._heard: OrderedDict[str, None] = OrderedDict()
        """Tasks that messages have named and that nobody follows: most are others', some will be ours in a moment."""
        self._reads = asyncio.Semaphore(pace.concurrent_reads)
        self._more = asyncio.Event()
        self._rows = TaskRows(clock, gateway, pace.overlap, self._progress)
        self._blockers = Blockers(clock, gateway, self._rows, self._interval)
        self.partitions: Callable[[], Iterable[OwnedPartition]] = tuple
        self.feed: Feed | None = None
        self.hurry_waiting: Hurry | None = None
        self.last_method: Method | None = None
        self._looks_since_sweep = 0
        self.last_progress = clock.monotonic()

    @property
    def count(self) -> int:
        """Tasks followed now."""
        return len(self._followed)

    def add(self, owned: OwnedPartition, lifecycle: Lifecycle) -> None:
        """Follow a lifecycle's Task until the lifecycle leaves the following phase."""
        before = self._followed.get(lifecycle.birth)
        if before is not None:
            self._forget(before)  # of another Task, which an operator's word has replaced
        now = self._clock.monotonic()
        known = lifecycle.status is not None
        heard = lifecycle.task_id in self._heard
        self._heard.pop(lifecycle.task_id or "", None)
        self._followed[lifecycle.birth] = _Followed(
            owned=owned,
            birth=lifecycle.birth,
            task_id=lifecycle.task_id or "",
            href=lifecycle.task_href,
            due=now + (self._interval if known and not heard else 0.0),
            read_at=now,
            in_full=heard or not known or (lifecycle.cancel_wanted and not lifecycle.cancel_requested),
            hurried=heard,
        )
        self._by_task[lifecycle.task_id or ""] = lifecycle.birth
        self._more.set()

    def hurry_task(self, task_id: str, *, ends: bool = False) -> None:
        """As ``hurry``, when this Task is followed. That may be only later: VCD can be quicker than the commit of what
        it has answered. ``ends``: it is said to have ended."""
        birth = self._by_task.get(task_id)
        if birth is not None:
            self.hurry(birth, ends=ends)
        else:
            self._heard[task_id] = None
            self._heard.move_to_end(task_id)
            if len(self._heard) > MOST_HEARD:
                self._heard.popitem(last=False)

    def hurry(self, birth: Birth, *, ends: bool = False) -> None:
        """Read this one in full at once; one that was just read, a little later: however often it is asked for in vain,
        it is read four times an interval at most, unless it is said to have ended."""
        followed = self._followed.get(birth)
        if followed is None:
            return
        pause = pause_after(followed.quiet, self._quarter, ends=ends)
        due = max(self._clock.monotonic(), followed.read_at + pause)
        if not followed.hurried or due < followed.due:
            followed.due, followed.in_full, followed.hurried = min(followed.due, due), True, True
            self._more.set()

    async def run(self) -> None:
        """Look until canceled."""
        while True:
            await self._wait()
            await self.look()

    async def look(self) -> None:
        """One round over everything that is due."""
        due = self._take_due()
        if due:
            rows = await self._rows_of(due)
            # VCD could not be asked: nothing is known, and asking Task by Task would only make it worse.
            if rows is not None:
                await asyncio.gather(*(self._read(followed) for followed in self._to_read(due, rows)))
        if self.hurry_waiting is not None:
            await self._blockers.look(self.partitions(), self.hurry_waiting)
        self._progress()

    def _progress(self) -> None:
        self.last_progress = self._clock.monotonic()

    # --- what is due ----------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Until the next look: an interval, or sooner when somebody is due sooner."""
        now = self._clock.monotonic()
        soonest = hurried = now + self._interval
        for followed in self._followed.values():
            soonest = min(soonest, followed.due)
            if followed.hurried and followed.due < hurried:
                hurried = followed.due
        # Looks are bundled: those that come due within a quarter of the interval share a round, unless one is hurried.
        seconds = min(max(self._quarter, min(self._interval, soonest - now)), hurried - now)
        self._more.clear()
        if soonest <= now:
            await self._clock.sleep(0.02)
            return
        await until_set(self._more, seconds)

    def _take_due(self) -> list[_Followed]:
        now = self._clock.monotonic()
        due: list[_Followed] = []
        for followed in list(self._followed.values()):
            lifecycle = followed.lifecycle()
            if lifecycle is None:
                self._forget(followed)
            elif followed.owned.draining or followed.owned.is_busy_with(followed.birth):
                pause = min(PAUSE_SECONDS, self._quarter) if followed.hurried else self._quarter
                followed.due = max(followed.due, now + pause)
            elif followed.due <= now or max(followed.due, followed.read_at + self._quarter * 2) <= now + self._quarter:
                pace = self._pace.slowest if lifecycle.overdue else self._pace.interval
                followed.due = now + pace.total_seconds()
                due.append(followed)
        return due

    def _forget(self, followed: _Followed) -> None:
        del self._followed[followed.birth]
        if self._by_task.get(followed.task_id) == followed.birth:
            del self._by_task[followed.task_id]

    # --- looking --------------------------------------------------------------------------------------------------

    async def _rows_of(self, due: list[_Followed]) -> Rows | None:
        """Rows by Task id; a Task without a row is read one by one. None: VCD could not be asked."""
        census = self._rows.census
        if census is not None and self._clock.monotonic() - census.counted_at > CENSUS_SECONDS:
            census = None
        chosen = plan(
            len(due),
            processes=self._processes(),
            active=census.active if census is not None else None,
            ended_per_round=census.ended_per_round if census is not None else 0,
            looks_since_sweep=self._looks_since_sweep,
        )
        self.last_method = chosen.method
        if chosen.method is Method.SINGLE:
            return {}
        if chosen.method is Method.BATCH:
            return await self._rows.by_id([followed.task_id for followed in due])
        if chosen.method is Method.WINDOW:
            rows = await self._rows.window(self._pace.interval)
            self._looks_since_sweep += 1
        else:
            rows = await self._rows.sweep(self._pace.interval)
            if rows is not None:
                self._looks_since_sweep = 0
        if rows is not None:
            self._join(due, rows)
        return rows

    def _join(self, due: list[_Followed], rows: Rows) -> None:
        """Such a look is for all Tasks: those that it shows and that were not due yet share it, and its rhythm."""
        taken = {followed.birth for followed in due}
        again = self._clock.monotonic() + self._interval
        for followed in self._followed.values():
            lifecycle = followed.lifecycle()
            if lifecycle is None or followed.birth in taken or followed.owned.draining or lifecycle.overdue:
                continue
            if followed.task_id in rows:
                followed.due = again
                due.append(followed)

    def _processes(self) -> int:
        """How many share the work, told by our share of the partitions: each of them sweeps all Tasks of our user."""
        owned = list(self.partitions())
        by_topic = {one.partition.topic: one.input_partitions for one in owned}
        return max(1, round(sum(by_topic.values()) / len(owned))) if owned else 1

    def _to_read(self, due: Sequence[_Followed], rows: Rows) -> list[_Followed]:
        """Those without a row, with news in it, or asked for; and of the others the ones not read for longest.

        A window has rows of ended Tasks only: there a missing row says nothing, not even that a read is due.
        """
        absence_counts = self.last_method is not Method.WINDOW
        reads: list[_Followed] = []
        quiet: list[_Followed] = []
        for followed in due:
            lifecycle = followed.lifecycle()
            if lifecycle is None:
                continue
            row = rows.get(followed.task_id)
            news = absence_counts if row is None else is_news(lifecycle, row, self._rules)
            (reads if news or followed.in_full else quiet).append(followed)
        budget = max(1, int(self._pace.flag_reads_per_second * self._interval))
        return reads + nsmallest(budget, quiet, key=lambda followed: followed.read_at)

    async def _read(self, followed: _Followed) -> None:
        async with self._reads:
            if followed.lifecycle() is None:
                return
            hurried = followed.hurried
            # Who asks for it from here on has seen news that this reading may not show.
            followed.in_full = followed.hurried = False
            reading = await self._gateway.read_task(followed.task_id, followed.href)
        self._progress()
        lifecycle = followed.lifecycle()
        if lifecycle is None or self.feed is None:
            return
        followed.in_full = followed.in_full or not isinstance(reading, TaskRead)
        if isinstance(reading, TaskVanished):
            now = self._clock.monotonic()
            since = followed.missing_since = now if followed.missing_since is None else followed.missing_since
            if since < now and now - since >= self._answer:
                self.feed(followed.owned, followed.birth, Vanished(reading.http_status, reading.message))
        elif isinstance(reading, TaskRead):
            task = reading.task
            followed.missing_since = None
            followed.read_at = self._clock.monotonic()
            news = is_news(lifecycle, task, self._rules)
            followed.quiet = 0 if news else followed.quiet + hurried
            if news or is_regression(lifecycle, task):
                self.feed(followed.owned, followed.birth, Observed(task))
