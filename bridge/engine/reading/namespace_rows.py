"""All Tasks of a service namespace from the task query, which answers in pages while Tasks come, begin and end.

A Task that is there all the while is never missed between two pages. Those that have begun are read in the order of
their start, each answer from where the last one ended, so nothing moves when others end. Those that wait for their
start have no such order: several pages of them count when they were read twice alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from bridge.core.answers import ReadRefused, TaskPage, TaskQuery, TaskRecord
from bridge.engine.reading.unanswered import NotNow, Unreadable
from bridge.ports import VcdGateway

MAX_PAGES = 400
"""Pages of the task query that are read per namespace: 51,200 Tasks."""
MAX_PASSES = 8
"""How often a list that moves is read."""
OVERLAP = timedelta(seconds=1)
"""How far an answer reaches back into the one before it: filters and rows may show times more or less exactly."""

UNSTARTED = ("queued", "preRunning")
"""A Task that waits for its start has no start date yet: a window does not show it."""

RUNNING = ("running", "postRunning")
"""VCD's own Tasks have been seen in the second one; a VCD that does not know it is not asked for it."""


async def namespace_rows(
    gateway: VcdGateway, namespace: str, *, since: datetime | None = None
) -> AsyncIterator[TaskRecord]:
    """Those that wait for their start, and those that began at ``since`` (server time) or later; without it those that
    run. One that begins meanwhile may come twice.

    Raises NotNow; and Unreadable after all rows that could be read.
    """
    refused: Unreadable | None = None
    try:
        unstarted = await _unstarted(gateway, namespace)
    except Unreadable as error:
        refused, unstarted = error, []
    for record in unstarted:
        yield record
    statuses = RUNNING if since is None else ()
    begun = TaskQuery(
        service_namespace=namespace, statuses=statuses, started_at_or_after=since, sort_ascending="startDate"
    )
    async for record in _begun(gateway, begun):
        yield record
    if refused is not None:
        raise refused


async def _unstarted(gateway: VcdGateway, namespace: str) -> list[TaskRecord]:
    # Without a sort VCD gives rows by their database id.
    query = TaskQuery(service_namespace=namespace, statuses=UNSTARTED)
    before: list[str] | None = None
    for _ in range(MAX_PASSES):
        rows, pages = await _pages(gateway, query)
        ids = [record.id for record in rows]
        if pages == 1 or ids == before:
            return [record for record in rows if record.service_namespace == namespace]
        before = ids
    raise Unreadable(
        f"the Tasks of namespace {namespace} that wait for their start change faster than they can be read"
    )


async def _pages(gateway: VcdGateway, query: TaskQuery) -> tuple[list[TaskRecord], int]:
    """All rows, and how many pages they were."""
    rows: list[TaskRecord] = []
    for page in range(1, MAX_PAGES + 1):
        answer = await _asked(gateway, replace(query, page=page))
        rows += answer.records
        if len(rows) >= answer.total or not answer.records:
            return rows, page
    raise _too_many(query)


async def _begun(gateway: VcdGateway, query: TaskQuery) -> AsyncIterator[TaskRecord]:
    seen: set[str] = set()
    rows = 0
    for _ in range(MAX_PAGES):
        answer = await _asked(gateway, query)
        for record in answer.records:
            # VCD compares without case and reads ``*`` as a wildcard: rows of similar namespaces may be among them.
            if record.id not in seen and record.service_namespace == query.service_namespace:
                yield record
        seen.update(record.id for record in answer.records)
        rows += len(answer.records)
        if rows >= answer.total or not answer.records:
            return
        since = _next_start(answer, query.started_at_or_after)
        if since is None:
            query = replace(query, page=query.page + 1)
        else:
            query, rows = replace(query, started_at_or_after=since, page=1), 0
    raise _too_many(query)


def _next_start(answer: TaskPage, since: datetime | None) -> datetime | None:
    """From when on to ask next; None: a page further, as too many began at one time or rows come in another order."""
    starts = [record.start_date for record in answer.records if record.start_date is not None]
    if len(starts) < len(answer.records) or any(later < earlier for earlier, later in pairwise(starts)):
        return None
    begin = starts[-1] - OVERLAP
    return begin if since is None or begin > since else None


async def _asked(gateway: VcdGateway, query: TaskQuery) -> TaskPage:
    answer = await gateway.query_tasks(query)
    if isinstance(answer, ReadRefused):
        raise Unreadable(f"the task query is refused with {answer.http_status}: {answer.message}")
    if not isinstance(answer, TaskPage):
        raise NotNow(answer.message)
    return answer


def _too_many(query: TaskQuery) -> Unreadable:
    return Unreadable(f"the task query of namespace {query.service_namespace} has more than {MAX_PAGES} pages")
