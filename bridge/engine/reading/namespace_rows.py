"""All Tasks of a service namespace from the task query, which answers in pages while Tasks come, begin and end.

A Task that is there all the while is never missed between two pages. Those that have begun are read in the order of
their start, each answer from where the last one ended, so nothing moves when others end. Those that wait for their
start have no such order: several pages of them count when they were read twice alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from functools import partial

from bridge.core.answers import TaskPage, TaskQuery, TaskRecord
from bridge.engine.reading.moving_rows import BY_START, pages_along
from bridge.engine.reading.unanswered import Unreadable, answered
from bridge.ports import VcdGateway

MAX_PAGES = 400
"""Pages of the task query that are read per namespace: 51,200 Tasks."""
MAX_PASSES = 8
"""How often a list that moves is read."""
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
    begun = TaskQuery(service_namespace=namespace, statuses=statuses, started_at_or_after=since)
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
    raise Unreadable(f"the task query has more than {MAX_PAGES} pages")


async def _begun(gateway: VcdGateway, query: TaskQuery) -> AsyncIterator[TaskRecord]:
    seen: set[str] = set()
    async with aclosing(pages_along(partial(_asked, gateway), query, BY_START, most=MAX_PAGES)) as pages:
        async for page in pages:
            for record in page.records:
                # VCD compares without case and reads ``*`` as a wildcard: rows of similar namespaces may be among them.
                if record.id not in seen and record.service_namespace == query.service_namespace:
                    yield record
            seen.update(record.id for record in page.records)


async def _asked(gateway: VcdGateway, query: TaskQuery) -> TaskPage:
    return answered(await gateway.query_tasks(query))
