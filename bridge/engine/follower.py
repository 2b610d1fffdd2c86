"""Follows Tasks to their ends with few requests, and watches the Tasks that busy entities wait for.

One round of looking at a time. How it is made is chosen by arithmetic (``core.following``); whatever a round shows,
a Task is read once in full before anything about it is published, and absence is never a conclusion.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.answers import TaskPage, TaskQuery, TaskRead, TaskRecord, TaskVanished
from bridge.core.coordinates import Birth
from bridge.core.following import BATCH, PAGE, Method, plan
from bridge.core.inputs import Input, Observed, Vanished
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.observing import is_regression, worth_telling
from bridge.core.rules import Rules
from bridge.core.task import FINAL_STATUSES
from bridge.engine.partition import OwnedPartition
from bridge.ports import Clock, VcdGateway

ACTIVE_STATUSES = ("queued", "preRunning", "running", "postRunning")


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowPace:
    """``interval`` between looks at a Task; ``slowest`` for those that are overdue; ``overlap`` of endDate windows.

    The overlap covers rows that commit late; ``processes`` is how many bridge processes share the VCD user.
    """

    interval: timedelta = timedelta(seconds=2)
    slowest: timedelta = timedelta(seconds=60)
    overlap: timedelta = timedelta(seconds=10)
    processes: int = 1
    concurrent_reads: int = 16


@dataclass(slots=True)
class _Followed:
    owned: OwnedPartition
    birth: Birth
    task_id: str
    href: str | None
    due: float


Feed = Callable[[OwnedPartition, Birth, Input], None]
Hurry = Callable[[OwnedPartition, Birth], None]


class Follower:
    """Everything that is followed by this process."""

    def __init__(self, clock: Clock, gateway: VcdGateway, rules: Rules, pace: FollowPace) -> None:
        self._clock = clock
        self._gateway = gateway
        self._rules = rules
        self._pace = pace
        self._followed: dict[Birth, _Followed] = {}
        self._reads = asyncio.Semaphore(pace.concurrent_reads)
        self._more = asyncio.Event()
        self._active: int | None = None
        self._ended_per_round = 0
        self._window_from: datetime | None = None
        self.partitions: Callable[[], Iterable[OwnedPartition]] = tuple
        self.feed: Feed | None = None
        self.hurry_waiting: Hurry | None = None
        self.last_method: Method | None = None
        self.last_progress = clock.monotonic()

    @property
    def count(self) -> int:
        """Tasks followed now."""
        return len(self._followed)

    def add(self, owned: OwnedPartition, lifecycle: Lifecycle) -> None:
        """Follow a lifecycle's Task until the lifecycle leaves the following phase."""
        known = lifecycle.status is not None
        due = self._clock.monotonic() + (self._pace.interval.total_seconds() if known else 0.0)
        self._followed[lifecycle.birth] = _Followed(
            owned, lifecycle.birth, lifecycle.task_id or "", lifecycle.task_href, due
        )
        self._more.set()

    def hurry(self, birth: Birth) -> None:
        """Look at this one in the next round."""
        followed = self._followed.get(birth)
        if followed is not None:
            followed.due = self._clock.monotonic()
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
            records = await self._records(due)
            await asyncio.gather(*(self._settle(followed, records) for followed in due))
        await self._look_at_blockers()
        self.last_progress = self._clock.monotonic()

    # --- what is due ----------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Until the next look: an interval, or sooner when somebody is due sooner."""
        now = self._clock.monotonic()
        interval = self._pace.interval.total_seconds()
        soonest = min((followed.due for followed in self._followed.values()), default=now + interval)
        # Looks are bundled: those that come due within a quarter of the interval share a round.
        seconds = max(interval / 4, min(interval, soonest - now))
        self._more.clear()
        if soonest <= now:
            await self._clock.sleep(0.02)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._more.wait(), seconds)

    def _take_due(self) -> list[_Followed]:
        horizon = self._clock.monotonic() + self._pace.interval.total_seconds() / 4
        due: list[_Followed] = []
        for followed in list(self._followed.values()):
            lifecycle = followed.owned.lifecycles.get(followed.birth)
            if followed.owned.closed or lifecycle is None or lifecycle.phase is not Phase.FOLLOWING:
                del self._followed[followed.birth]
            elif followed.due <= horizon and not followed.owned.draining:
                pace = self._pace.slowest if lifecycle.overdue else self._pace.interval
                followed.due = self._clock.monotonic() + pace.total_seconds()
                due.append(followed)
        return due

    # --- looking --------------------------------------------------------------------------------------------------

    async def _records(self, due: Sequence[_Followed]) -> dict[str, TaskRecord]:
        """Rows by Task id; a Task without a row is read one by one."""
        chosen = plan(
            len(due), processes=self._pace.processes, active=self._active, ended_per_round=self._ended_per_round
        )
        self.last_method = chosen.method
        if chosen.method is Method.SINGLE:
            return {}
        if chosen.method is Method.BATCH:
            ids = [followed.task_id for followed in due]
            chunks = [ids[i : i + BATCH] for i in range(0, len(ids), BATCH)]
            found = await asyncio.gather(*(self._pages(TaskQuery(ids=tuple(chunk))) for chunk in chunks))
            return {record.id: record for rows, _ in found for record in rows}
        return await self._sweep()

    async def _sweep(self) -> dict[str, TaskRecord]:
        began = self._clock.now()
        since = self._window_from or began - self._pace.overlap - self._pace.interval
        active, server_time = await self._pages(
            TaskQuery(statuses=ACTIVE_STATUSES, own_only=True, sort_ascending="startDate")
        )
        ended, ended_time = await self._pages(
            TaskQuery(
                statuses=tuple(sorted(FINAL_STATUSES)), own_only=True, ended_at_or_after=since, sort_ascending="endDate"
            )
        )
        self._active, self._ended_per_round = len(active), len(ended)
        # endDate is the server's time: the next window begins an overlap before the server's clock of this look.
        self._window_from = (server_time or ended_time or began) - self._pace.overlap
        rows = {record.id: record for record in active}
        rows.update((record.id, record) for record in ended)
        return rows

    async def _pages(self, query: TaskQuery) -> tuple[list[TaskRecord], datetime | None]:
        """All rows of a query; rows shift between pages, so what is missed here is read one by one."""
        rows: list[TaskRecord] = []
        server_time: datetime | None = None
        page = 1
        while True:
            answer = await self._gateway.query_tasks(replace(query, page=page, page_size=PAGE))
            if not isinstance(answer, TaskPage):
                return rows, server_time
            rows += answer.records
            server_time = server_time or answer.server_time
            if not answer.records or page * PAGE >= answer.total:
                return rows, server_time
            page += 1

    async def _settle(self, followed: _Followed, records: dict[str, TaskRecord]) -> None:
        lifecycle = followed.owned.lifecycles.get(followed.birth)
        record = records.get(followed.task_id)
        if lifecycle is None:
            return
        if record is not None and not worth_telling(
            lifecycle, record.status, record.progress, cancel_requested=None, rules=self._rules
        ):
            return
        async with self._reads:
            reading = await self._gateway.read_task(followed.task_id, followed.href)
        current = followed.owned.lifecycles.get(followed.birth)
        if current is None or current.task_id != followed.task_id:
            return
        if isinstance(reading, TaskVanished):
            self._say(followed, Vanished(reading.http_status, reading.message))
        elif isinstance(reading, TaskRead):
            task = reading.task
            news = worth_telling(
                lifecycle, task.status, task.progress, cancel_requested=task.cancel_requested, rules=self._rules
            )
            if news or is_regression(lifecycle, task):
                self._say(followed, Observed(task))

    def _say(self, followed: _Followed, event: Input) -> None:
        if self.feed is not None:
            self.feed(followed.owned, followed.birth, event)

    # --- Tasks that busy entities wait for ------------------------------------------------------------------------

    async def _look_at_blockers(self) -> None:
        waiting: dict[str, list[tuple[OwnedPartition, Birth]]] = {}
        for owned in self.partitions():
            if not owned.draining:
                for lifecycle in owned.in_phase(Phase.WAITING):
                    if lifecycle.waiting_for is not None:
                        waiting.setdefault(lifecycle.waiting_for, []).append((owned, lifecycle.birth))
        await asyncio.gather(*(self._blocker(task_id, births) for task_id, births in waiting.items()))

    async def _blocker(self, task_id: str, waiting: list[tuple[OwnedPartition, Birth]]) -> None:
        async with self._reads:
            reading = await self._gateway.read_task(task_id, None)
        if (isinstance(reading, TaskRead) and reading.task.is_final) and self.hurry_waiting is not None:
            for owned, birth in waiting:
                self.hurry_waiting(owned, birth)
