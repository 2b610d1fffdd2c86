"""All rows of a task query that is answered in pages while Tasks come, begin and end.

Rows are read in the order of a time that does not change any more, each answer from where the last one ended: so it
does not matter what joins or leaves the list before that. Where too many rows have one and the same time, pages are
counted instead. Rows without that time stand at one end of the list, which end depends on VCD's database; both are
read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from operator import attrgetter

from bridge.core.answers import TaskPage, TaskQuery, TaskRecord
from bridge.core.observation.plan import PAGE, READ_TWICE, SLICE
from bridge.engine.reading.unanswered import Unreadable

MAX_PAGES = 2_000
"""Pages that are read of one query: a quarter of a million Tasks."""
INEXACT = timedelta(milliseconds=1)
"""Rows show times cut or rounded to milliseconds; a filter may compare with what lies behind them."""

Ask = Callable[[TaskQuery], Awaitable[TaskPage]]
"""Raises NotNow, or Unreadable."""


@dataclass(frozen=True, slots=True)
class Along:
    """The time by which rows are read."""

    field: str
    time: Callable[[TaskRecord], datetime | None]
    since: Callable[[TaskQuery], datetime | None]
    moved: Callable[[TaskQuery, datetime], TaskQuery]

    def next_since(self, page: TaskPage, query: TaskQuery) -> datetime | None:
        """From when on to ask next; None: a page further."""
        times = [time for record in page.records if (time := self.time(record)) is not None]
        if (
            not times
            or self.time(page.records[-1]) is None
            or any(later < earlier for earlier, later in pairwise(times))
        ):
            return None
        begin, since = times[-1] - INEXACT, self.since(query)
        twice = sum(1 for time in times if time >= begin)
        return begin if twice <= READ_TWICE and (since is None or begin > since) else None


BY_START = Along(
    "startDate", attrgetter("start_date"), attrgetter("started_at_or_after"),
    lambda query, begin: replace(query, started_at_or_after=begin, page=1),
)  # fmt: skip
BY_END = Along(
    "endDate", attrgetter("end_date"), attrgetter("ended_at_or_after"),
    lambda query, begin: replace(query, ended_at_or_after=begin, page=1),
)  # fmt: skip


async def pages_along(
    ask: Ask, query: TaskQuery, along: Along, *, most: int = MAX_PAGES
) -> AsyncGenerator[TaskPage, None]:
    """The pages of a query as far as their rows have that time, so many at ``most``; some rows come twice. A Task that
    is on the list all the while is never missed.

    Raises NotNow, and Unreadable.
    """
    query = replace(query, sort_ascending=along.field, page=1, page_size=PAGE)
    read = 0
    for _ in range(most):
        page = await ask(query)
        yield page
        read += len(page.records)
        if not page.records or read >= page.total:
            return
        begin = along.next_since(page, query)
        if begin is None:
            query = replace(query, page=query.page + 1)
        else:
            query, read = along.moved(query, begin), 0
    raise Unreadable(f"the task query has more than {most} pages")


async def rows_by_start(ask: Ask, query: TaskQuery, cuts: Sequence[datetime] = ()) -> dict[str, TaskRecord]:
    """All rows of a query, by the Task's URN; in slices side by side, each from one of ``cuts`` to the next.

    Raises NotNow, and Unreadable.
    """
    rows: dict[str, TaskRecord] = {}
    firsts: list[TaskPage] = []

    async def read(since: datetime | None, until: datetime | None) -> None:
        sliced = query if since is None else replace(query, started_at_or_after=since)
        async with aclosing(pages_along(ask, sliced, BY_START)) as pages:
            async for page in pages:
                rows.update((record.id, record) for record in page.records)
                if since is None:
                    firsts.append(page)
                last = page.records[-1].start_date if page.records else None
                if until is not None and last is not None and last > until:
                    return

    slices = zip((None, *cuts), (*cuts, None), strict=True)
    # All of them come to their end: none asks on when the look is given up.
    for outcome in await asyncio.gather(*(read(*bounds) for bounds in slices), return_exceptions=True):
        if outcome is not None:
            raise outcome
    # How many rows there are says nothing of those without a start: what began meanwhile is among them.
    if firsts[0].total > PAGE and firsts[0].records and firsts[0].records[0].start_date is not None:
        await _add_unstarted(ask, query, firsts[0].total, rows)
    return rows


def cuts_of(rows: Iterable[TaskRecord]) -> list[datetime]:
    """Where to cut a list like this one."""
    starts = sorted(record.start_date for record in rows if record.start_date is not None)
    return sorted(set(starts[SLICE::SLICE]))


async def _add_unstarted(ask: Ask, query: TaskQuery, total: int, rows: dict[str, TaskRecord]) -> None:
    """The last pages of the list, as far as their rows have no start: no window shows them.

    What begins meanwhile stands before them: a list that has grown by a page is read from its new end.
    """
    number = last = ceil(total / PAGE)
    for _ in range(MAX_PAGES):
        page = await ask(replace(query, sort_ascending=BY_START.field, page=number, page_size=PAGE))
        rows.update((record.id, record) for record in page.records)
        if ceil(page.total / PAGE) > last:
            number = last = ceil(page.total / PAGE)
        elif number <= 1 or any(record.start_date is not None for record in page.records):
            return
        else:
            number -= 1
    raise Unreadable(f"the task query has more than {MAX_PAGES} pages")
