"""A Cloud Director full of Tasks of many organizations, listed as VCD lists them: in pages, sorted, while they move."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bridge.core.answers import (
    BlockingPage,
    ReadRefused,
    TaskPage,
    TaskQuery,
    TaskRead,
    TaskReading,
    TaskRecord,
    TaskVanished,
    Unavailable,
)
from bridge.core.task import Task, is_final
from tests.engine.scripted_vcd import ScriptedVcd, page_of, row_of, task, urn
from tests.simulation.loop import EPOCH


def organization(number: int) -> str:
    """Bare uuid of an organization."""
    return f"{number:08d}-0000-4000-8000-00000000000a"


@dataclass(slots=True)
class Work:
    """One Task. Times are VCD's seconds after the epoch of the tests. ``shown_at``: from when on rows and readings show
    its end; before that they show it running."""

    number: int
    organization: str
    began: float
    status: str = "running"
    progress: int | None = None
    ended: float | None = None
    ended_as: str = "success"
    shown_at: float = 0.0

    def task(self, now: float) -> Task:
        ended = self.ended is not None and now >= self.shown_at
        read = task(self.number, self.ended_as if ended else self.status, began=self.began)
        document = read.document.copy()
        document["progress"] = self.progress
        document["endTime"] = int((EPOCH.timestamp() + (self.ended or 0.0)) * 1000) if ended else None
        document["details"] = "read in full"
        document["organization"] = {
            "href": None, "id": f"urn:vcloud:org:{self.organization}", "type": None, "name": self.organization[:8],
        }  # fmt: skip
        return Task(document)

    def row(self, now: float) -> TaskRecord:
        shown = self.task(now)
        end = shown.document["endTime"]
        return replace(
            row_of(shown),
            progress=self.progress,
            start_date=_at(self.began),
            end_date=None if end is None else _at(end / 1000 - EPOCH.timestamp()),
            organization=self.organization,
        )


def _at(seconds: float) -> datetime:
    return EPOCH + timedelta(milliseconds=round(seconds * 1000))


@dataclass(slots=True)
class ObservedVcd(ScriptedVcd):
    """``before_page`` and ``before_reading`` happen before an answer; ``down``: nothing is answered."""

    work: dict[str, Work] = field(default_factory=dict)
    reads: Counter[str] = field(default_factory=Counter)
    """How often each Task was read."""
    unreadable: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    """URNs of Tasks that are answered with 403, and whose end a slow cell does not know yet."""
    hanging: dict[str, float] = field(default_factory=dict)
    """Seconds after which a reading has had no answer, by the URN of the Task."""
    lists_of_blocking: int = 0
    """How often the blocking tasks were listed."""
    hidden: set[str] = field(default_factory=set)
    """URNs of Tasks that rows do not show."""
    down: bool = False
    takes_joined_filters: bool = True
    """Whether a filter may ask for statuses or a date."""
    before_page: Callable[[], None] | None = None
    held_up: asyncio.Event | None = None
    """Readings wait for it, of Tasks whose numbers begin with ``held_up_from``."""
    held_up_from: int = 0

    def __post_init__(self) -> None:
        for number in range(1, 31):
            self.references.add("org", organization(number), f"org-{number}")

    def vcd_now(self) -> float:
        return self.now() + (self.clock_ahead or timedelta()).total_seconds()

    # --- what happens ---------------------------------------------------------------------------------------------

    def begin(self, number: int, in_organization: int = 1, *, status: str = "running", at: float | None = None) -> str:
        """A Task begins now. Returns its URN."""
        began = self.vcd_now() if at is None else at
        self.work[urn(number)] = Work(number, organization(in_organization), began, status)
        return urn(number)

    def end(self, number: int, status: str = "success", *, at: float | None = None, late: float = 0.0) -> None:
        """It ends now, or ended at VCD's second ``at``; seen ``late`` seconds from now."""
        work = self.work[urn(number)]
        work.ended, work.ended_as = self.vcd_now() if at is None else at, status
        work.shown_at = self.now() + late

    def past(self, number: int, ended: float, in_organization: int = 1) -> None:
        """A Task that ended at VCD's second ``ended``."""
        self.begin(number, in_organization, at=ended - 1)
        self.end(number, at=ended)

    # --- the port -------------------------------------------------------------------------------------------------

    async def read_task(self, task_id: str, href: str | None) -> TaskReading:
        await asyncio.sleep(self.travel_seconds)
        if self.held_up is not None and task_id >= urn(self.held_up_from):
            await self.held_up.wait()
        self.reads[task_id] += 1
        if task_id in self.hanging:
            await asyncio.sleep(self.hanging[task_id])
            return Unavailable("no answer")
        if self.down or task_id in self.unreadable:
            return Unavailable("VCD answers 500")
        work = self.work.get(task_id) if task_id not in self.forbidden else None
        if work is not None and task_id in self.slow:
            return TaskRead(work.task(-1.0))
        return TaskRead(work.task(self.now())) if work is not None else TaskVanished(403, "no access")

    async def query_tasks(self, query: TaskQuery) -> TaskPage | ReadRefused | Unavailable:
        await asyncio.sleep(self.travel_seconds)
        self.queries.append(query)
        if self.before_page is not None:
            self.before_page()
        if self.down:
            return Unavailable("VCD answers 503")
        if query.or_ended_at_or_after is not None and not self.takes_joined_filters:
            return ReadRefused(400, "Bad request: the filter")
        rows = [row for one in self.work.values() if fits(row := one.row(self.now()), query)]
        rows = [row for row in rows if row.id not in self.hidden]
        if not self.is_provider:
            rows = [row for row in rows if row.organization == organization(1)]
        by_start = query.sort_ascending == "startDate"
        return page_of(query, sorted(rows, key=lambda row: (row.start_date if by_start else row.end_date) or EPOCH))

    async def query_blocking_tasks(self, page: int) -> BlockingPage | ReadRefused | Unavailable:
        self.lists_of_blocking += 1
        # Of a class with slots, ``super()`` without arguments finds the class of before they were made.
        return await ScriptedVcd.query_blocking_tasks(self, page)


def fits(row: TaskRecord, query: TaskQuery) -> bool:
    """Whether VCD would show a row for a query of the look-out."""
    lately = query.or_ended_at_or_after
    active = not query.statuses or row.status in query.statuses
    if not active and not (lately is not None and row.end_date is not None and row.end_date >= lately):
        return False
    if query.organizations and row.organization not in query.organizations:
        return False
    if query.started_at_or_after is not None and not (row.start_date and row.start_date >= query.started_at_or_after):
        return False
    window = query.ended_at_or_after
    return window is None or (is_final(row.status) and row.end_date is not None and row.end_date >= window)
