"""Rows of the task query for many Tasks at once: by id, or by windows over all Tasks of our own user.

A row shows status and progress, neither the error nor ``cancelRequested``. What VCD does not answer is None as a whole:
half an answer would look like Tasks that are gone, and each of those is read one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.answers import TaskPage, TaskQuery, TaskRecord
from bridge.core.following_plan import BATCH, PAGE
from bridge.core.task import FINAL_STATUSES
from bridge.ports import Clock, VcdGateway

ACTIVE_STATUSES = ("queued", "preRunning", "running", "postRunning")

Rows = Mapping[str, TaskRecord]
"""By the Task's URN."""


@dataclass(frozen=True, slots=True)
class Census:
    """What the last sweep counted: Tasks of our user, all processes together."""

    active: int
    ended_per_round: int
    counted_at: float


class TaskRows:
    """Asks the task query. ``overlap``: how far a window reaches back, for rows that commit late. ``progress`` is told
    of every answer, so that a VCD that hangs is not taken for a loop that hangs."""

    def __init__(self, clock: Clock, gateway: VcdGateway, overlap: timedelta, progress: Callable[[], None]) -> None:
        self._clock = clock
        self._gateway = gateway
        self._overlap = overlap
        self._progress = progress
        self._window_from: datetime | None = None
        self.census: Census | None = None

    async def by_id(self, ids: Sequence[str]) -> Rows | None:
        """The rows of these Tasks, as far as VCD has them; None: VCD could not be asked."""
        chunks = [tuple(ids[i : i + BATCH]) for i in range(0, len(ids), BATCH)]
        answers = await asyncio.gather(*(self._pages(TaskQuery(ids=chunk)) for chunk in chunks))
        rows: dict[str, TaskRecord] = {}
        for answer in answers:
            if answer is None:
                return None
            rows.update((record.id, record) for record in answer[0])
        return rows

    async def window(self, interval: timedelta) -> Rows | None:
        """The Tasks of our user that ended since the last look; None: VCD could not be asked."""
        began = self._clock.now()
        since = self._window_from or began - self._overlap - interval
        finals = tuple(sorted(FINAL_STATUSES))
        ended = await self._pages(
            TaskQuery(statuses=finals, own_only=True, ended_at_or_after=since, sort_ascending="endDate")
        )
        if ended is None:
            return None
        # endDate is the server's time: the next window begins an overlap before the server's clock of this look.
        self._window_from = (ended[1] or began) - self._overlap
        return {record.id: record for record in ended[0]}

    async def sweep(self, interval: timedelta) -> Rows | None:
        """All active Tasks of our user, and those that ended since the last look; None: VCD could not be asked."""
        active = await self._pages(TaskQuery(statuses=ACTIVE_STATUSES, own_only=True, sort_ascending="startDate"))
        if active is None:
            return None
        ended = await self.window(interval)
        if ended is None:
            return None
        self.census = Census(len(active[0]), len(ended), self._clock.monotonic())
        # The later answer wins: a Task that ended between the two is told as ended.
        return {**{record.id: record for record in active[0]}, **ended}

    async def _pages(self, query: TaskQuery) -> tuple[list[TaskRecord], datetime | None] | None:
        """All rows of a query; rows shift between pages, so what is missed here is read one by one."""
        rows: list[TaskRecord] = []
        server_time: datetime | None = None
        page = 1
        while True:
            answer = await self._gateway.query_tasks(replace(query, page=page, page_size=PAGE))
            self._progress()
            if not isinstance(answer, TaskPage):
                return None
            rows += answer.records
            server_time = server_time or answer.server_time
            if not answer.records or page * PAGE >= answer.total:
                return rows, server_time
            page += 1
