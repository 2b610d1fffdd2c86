"""A Task that is in a namespace all the while is among the rows, whatever else comes, begins and ends meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from bridge.core.answers import ReadRefused, TaskPage, TaskQuery, Unavailable
from bridge.engine.reading.namespace_rows import MAX_PASSES, namespace_rows
from bridge.engine.reading.unanswered import NotNow, Unreadable
from tests.engine.external_vcd import NAMESPACE, ExternalVcd
from tests.engine.harness import virtually
from tests.simulation.loop import EPOCH

SINCE = EPOCH - timedelta(hours=1)


async def _ids(vcd: ExternalVcd, *, since: bool = True) -> list[str]:
    return [record.id async for record in namespace_rows(vcd, NAMESPACE, since=SINCE if since else None)]


def _meanwhile(vcd: ExternalVcd, happens: Callable[[TaskQuery], None]) -> None:
    """``happens`` after each answer."""

    def query(query: TaskQuery) -> TaskPage:
        answer = vcd.rows(query)
        happens(query)
        return answer

    vcd.query = query


async def _one_after_the_other(vcd: ExternalVcd, count: int, seconds: float = 2.0) -> list[str]:
    made = []
    for number in range(count):
        made.append(vcd.seed(f"task {number}"))
        await asyncio.sleep(seconds)
    return made


@virtually
async def test_thousands_of_rows_are_read_each_once() -> None:
    vcd = ExternalVcd()
    made = await _one_after_the_other(vcd, 5300)
    waiting = [vcd.seed("waits", status="queued") for _ in range(300)]
    for one in waiting:
        vcd._change(one, startTime=None)
    assert sorted(await _ids(vcd)) == sorted(made + waiting)
    assert sorted(await _ids(vcd, since=False)) == sorted(made + waiting)


@virtually
async def test_many_that_began_at_one_moment_are_read_too() -> None:
    vcd = ExternalVcd()
    made = await _one_after_the_other(vcd, 100)
    made += await _one_after_the_other(vcd, 500, seconds=0.0)
    made += await _one_after_the_other(vcd, 200)
    assert await _ids(vcd) == made
    assert await _ids(vcd, since=False) == made


@pytest.mark.parametrize("seed", range(10))
@virtually
async def test_of_running_ones_none_is_missed_while_others_end_and_begin(seed: int) -> None:
    """As many begin as end: the total does not tell."""
    vcd, random = ExternalVcd(), Random(seed)
    made = await _one_after_the_other(vcd, 600)
    going = random.sample(made, 40)
    staying = set(made) - set(going)

    def replaced(query: TaskQuery) -> None:
        for _ in range(10):
            if going and "running" in query.statuses:
                vcd._change(going.pop(), status="success")
                vcd.seed("newcomer")

    _meanwhile(vcd, replaced)
    assert staying <= set(await _ids(vcd, since=False))
    assert going == []


@pytest.mark.parametrize("seed", range(10))
@virtually
async def test_of_those_that_wait_none_is_missed_while_others_come_and_begin(seed: int) -> None:
    """VCD's order without a start date is any: who comes may stand before who was there."""
    vcd, random = ExternalVcd(), Random(seed)
    made = [vcd.seed("waits", status="queued") for _ in range(400)]
    going = random.sample(made, 5)
    staying = set(made) - set(going)

    def replaced(query: TaskQuery) -> None:
        if going and "queued" in query.statuses:
            vcd._change(going.pop(), status="running")
            tasks = list(vcd.tasks.items())
            newcomer = vcd.seed("newcomer", status="queued")
            tasks.insert(random.randrange(len(tasks)), (newcomer, vcd.tasks[newcomer]))
            vcd.tasks = dict(tasks)

    _meanwhile(vcd, replaced)
    assert staying <= set(await _ids(vcd, since=False))
    assert going == []


@virtually
async def test_a_list_that_never_rests_proves_nothing_but_the_others_are_read() -> None:
    vcd = ExternalVcd()
    for _ in range(200):
        vcd.seed("waits", status="queued")
    running = vcd.seed("runs")
    passes = 0

    def moves(query: TaskQuery) -> None:
        nonlocal passes
        if "queued" in query.statuses and query.page == 2:
            passes += 1
            vcd._change(next(one for one, task in vcd.tasks.items() if task.status == "queued"), status="success")
            vcd.seed("newcomer", status="queued")

    _meanwhile(vcd, moves)
    found = []
    with pytest.raises(Unreadable, match="faster than they can be read"):
        async for record in namespace_rows(vcd, NAMESPACE):
            found.append(record.id)
    assert (found, passes) == ([running], MAX_PASSES)


@virtually
async def test_one_that_begins_between_the_two_lists_is_not_missed() -> None:
    vcd = ExternalVcd()
    waiting = vcd.seed("waits", status="queued")
    vcd._change(waiting, startTime=None)
    _meanwhile(vcd, lambda query: vcd._change(waiting, status="running", startTime=EPOCH.isoformat()))
    assert waiting in await _ids(vcd)


@virtually
async def test_rows_in_another_order_than_asked_for_are_read_page_by_page() -> None:
    vcd = ExternalVcd()
    made = await _one_after_the_other(vcd, 400)
    vcd.tasks = dict(reversed(vcd.tasks.items()))
    rows = vcd.rows
    vcd.query = lambda query: rows(replace(query, sort_ascending=None))
    assert sorted(await _ids(vcd)) == sorted(made)


@virtually
async def test_no_answer_and_a_refusal_are_told_apart() -> None:
    vcd = ExternalVcd()
    vcd.query = lambda query: Unavailable("away")
    with pytest.raises(NotNow, match="away"):
        await _ids(vcd)
    vcd.query = lambda query: ReadRefused(400, "bad filter")
    with pytest.raises(Unreadable, match="refused with 400: bad filter"):
        await _ids(vcd)
