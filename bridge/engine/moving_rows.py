"""All rows of a task query that is answered in pages while Tasks come, begin and end.

Rows are read in the order of a time that does not change any more, each answer from where the last one ended: so it
does not matter what joins or leaves the list before that. Where too many rows have one and the same time, pages are
counted instead. Rows without that time stand at one end of the list, which end depends on VCD's database; both are
read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from operator import attrgetter

from bridge.core.answers import TaskPage, TaskQuery, TaskRecord
from bridge.core.observation.plan import PAGE, READ_TWICE
from bridge.engine.namespace_rows import Refused

MAX_PAGES = 2_000
"""Pages that are read of one query: a quarter of a million Tasks."""
INEXACT = timedelta(milliseconds=1)
"""Rows show times cut or rounded to milliseconds; a filter may compare with what lies behind them."""

Ask = Callable[[TaskQuery], Awaitable[TaskPage]]
"""Raises NotNow, or Refused."""


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


async def pages_along(ask: Ask, query: TaskQuery, along: Along) -> AsyncGenerator[TaskPage, None]:
    """The pages of a query; some rows come twice. A Task that is on the list all the while is never missed.

    Raises NotNow, and Refused.
    """
    query = first = replace(query, sort_ascending=along.field, page=1, page_size=PAGE)
    ids: set[str] = set()
    at_first: int | None = None
    read = 0
    for _ in range(MAX_PAGES):
        page = await ask(query)
        yield page
        ids.update(record.id for record in page.records)
        at_first = page.total if at_first is None else at_first
        read += len(page.records)
        if not page.records or read >= page.total:
            break
        begin = along.next_since(page, query)
        if begin is None:
            query = replace(query, page=query.page + 1)
        else:
            query, read = along.moved(query, begin), 0
    else:
        raise Refused(f"the task query has more than {MAX_PAGES} pages")
    async for page in _behind(ask, first, along, at_first, len(ids)):
        yield page


async def _behind(ask: Ask, query: TaskQuery, along: Along, total: int, read: int) -> AsyncGenerator[TaskPage, None]:
    """The last pages of the list, as far as their rows have no time: no window by that time shows them."""
    number = ceil(total / PAGE)
    while number > 1 and read < total:
        page = await ask(replace(query, page=number))
        yield page
        if any(along.time(record) is not None for record in page.records):
            return
        number -= 1
