"""A list that moves while it is read is read whole: nothing that stays on it is missed, and it costs few requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from random import Random

import pytest

from bridge.core.answers import TaskPage, TaskQuery, TaskRecord
from bridge.core.observation.plan import PAGE, SLICE, pages
from bridge.core.task import is_final
from bridge.engine.reading.moving_rows import BY_END, BY_START, Along, cuts_of, pages_along, rows_by_start
from bridge.engine.reading.unanswered import NotNow
from tests.engine.harness import virtually
from tests.engine.scripted_vcd import page_of, row_of, task
from tests.simulation.loop import EPOCH


def row(number: int, began: float | None, ended: float | None = None) -> TaskRecord:
    """Times are seconds after the epoch of the tests."""

    def at(seconds: float | None) -> datetime | None:
        return None if seconds is None else EPOCH + timedelta(seconds=seconds)

    status = "running" if ended is None else "success"
    return replace(row_of(task(number, status)), start_date=at(began), end_date=at(ended))


class Listing:
    """Tasks as VCD lists them. ``between`` happens before each answer but the first."""

    def __init__(self, rows: list[TaskRecord], between: Callable[[Listing], None] | None = None) -> None:
        self.rows = {one.id: one for one in rows}
        self.between = between
        self.nulls_last = False
        self.asked: list[TaskQuery] = []

    async def ask(self, query: TaskQuery) -> TaskPage:
        if self.asked and self.between is not None:
            self.between(self)
        self.asked.append(query)

        def by(one: TaskRecord) -> datetime | None:
            return one.start_date if query.sort_ascending == "startDate" else one.end_date

        found = [one for one in self.rows.values() if _fits(one, query)]
        return page_of(query, sorted(found, key=lambda one: ((by(one) is None) == self.nulls_last, by(one) or EPOCH)))


def _fits(one: TaskRecord, query: TaskQuery) -> bool:
    since, ended = query.started_at_or_after, query.or_ended_at_or_after
    active = not query.statuses or one.status in query.statuses
    lately = ended is not None and one.end_date is not None and one.end_date >= ended
    window = query.ended_at_or_after
    return (
        (active or lately)
        and (since is None or (one.start_date is not None and one.start_date >= since))
        and (window is None or (one.end_date is not None and one.end_date >= window))
    )


LIVE = TaskQuery(statuses=("running",), or_ended_at_or_after=EPOCH)
ENDED = TaskQuery(ended_at_or_after=EPOCH)


async def read(listing: Listing, query: TaskQuery, along: Along, cuts: Sequence[datetime] = ()) -> set[str]:
    if along is BY_START:
        return set(await rows_by_start(listing.ask, query, cuts))
    return {one.id async for page in pages_along(listing.ask, query, along) for one in page.records}


@virtually
async def test_tasks_that_end_between_two_pages_hide_no_other() -> None:
    """Each answer finds ten more that have ended, and ten new ones: by page numbers, rows would be missed."""
    random = Random(1)
    numbers = iter(range(1000, 100_000))

    def between(listing: Listing) -> None:
        active = [one for one in listing.rows.values() if not is_final(one.status)]
        for one in random.sample(active, 10):
            listing.rows[one.id] = replace(one, status="success", end_date=EPOCH + timedelta(seconds=2000))
        for _ in range(10):
            new = row(next(numbers), 1500.0)
            listing.rows[new.id] = new

    listing = Listing([row(number, float(number)) for number in range(1000)], between)
    stays = set(listing.rows)
    assert stays <= await read(listing, LIVE, BY_START)


@virtually
async def test_what_leaves_the_list_hides_no_other() -> None:
    """VCD takes old Tasks away, and Tasks that waited begin: the rows behind them come nearer."""

    def between(listing: Listing) -> None:
        for one in list(listing.rows.values())[:7]:
            if one.start_date is not None and one.start_date < EPOCH + timedelta(seconds=100):
                del listing.rows[one.id]

    listing = Listing([row(number, float(number)) for number in range(1000)], between)
    stays = {
        one.id for one in listing.rows.values() if one.start_date and one.start_date >= EPOCH + timedelta(seconds=100)
    }
    assert stays <= await read(listing, LIVE, BY_START)


@pytest.mark.parametrize("burst", [1, 50, 127, 128, 129, 500])
@pytest.mark.parametrize("along", [BY_START, BY_END], ids=["start", "end"])
def test_hundreds_of_one_moment_lie_across_the_borders_of_pages(burst: int, along: Along) -> None:
    rows = [row(number, float(number // burst), float(number // burst)) for number in range(1200)]

    @virtually
    async def check() -> None:
        listing = Listing(rows)
        found = await read(listing, LIVE if along is BY_START else ENDED, along)
        assert len(found) == 1200
        assert len(listing.asked) <= pages(1200)

    check()


@pytest.mark.parametrize("nulls_last", [False, True])
@pytest.mark.parametrize("waiting", [0, 1, 127, 300])
def test_tasks_that_have_not_begun_stand_at_one_end(waiting: int, nulls_last: bool) -> None:
    rows = [row(number, None) for number in range(waiting)]
    rows += [row(1000 + number, float(number)) for number in range(400)]

    @virtually
    async def check() -> None:
        listing = Listing(rows)
        listing.nulls_last = nulls_last
        assert len(await read(listing, LIVE, BY_START)) == 400 + waiting
        assert len(listing.asked) <= pages(400) + waiting // PAGE + 2

    check()


@pytest.mark.parametrize("begin_at_once", [1, 60])
@virtually
async def test_tasks_that_begin_while_the_list_is_read_hide_none_that_has_not_begun(begin_at_once: int) -> None:
    """As many have come as wait, or by far more: the list is as long as if nobody waited, or has pages of its own."""
    numbers = iter(range(10_000, 100_000))

    def between(listing: Listing) -> None:
        for number in islice(numbers, begin_at_once):
            new = row(number, 1000.0 + number)
            listing.rows[new.id] = new

    listing = Listing([row(1, None), *(row(2000 + number, float(number)) for number in range(383))], between)
    listing.nulls_last = True
    assert row(1, None).id in await read(listing, LIVE, BY_START)


@virtually
async def test_one_page_is_one_request() -> None:
    listing = Listing([row(number, None if number < 5 else float(number)) for number in range(PAGE)])
    assert len(await read(listing, LIVE, BY_START)) == PAGE
    assert len(listing.asked) == 1
    assert await read(Listing([]), LIVE, BY_START) == set()


@virtually
async def test_an_answer_that_counts_rows_and_shows_none_is_an_end() -> None:
    listing = Listing([row(number, float(number)) for number in range(3 * PAGE)])

    async def ask(query: TaskQuery) -> TaskPage:
        return replace(await listing.ask(query), records=())

    assert await rows_by_start(ask, LIVE) == {}


@virtually
async def test_a_long_list_is_read_in_slices_side_by_side() -> None:
    """Cut where the last look has seen it fit, while a third has gone and a third is new since then."""
    before = [row(number, number / 10) for number in range(3 * SLICE)]
    cuts = cuts_of(before)
    assert len(cuts) == 2
    now = [row(number, number / 10) for number in range(SLICE, 4 * SLICE)] + [row(99_000, None)]
    listing = Listing(now)
    at_once = most = 0

    async def ask(query: TaskQuery) -> TaskPage:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.1)
        at_once -= 1
        return await listing.ask(query)

    found = await rows_by_start(ask, LIVE, cuts)
    assert found.keys() == listing.rows.keys()
    assert most == 3
    assert len(listing.asked) <= pages(3 * SLICE) + 1


@virtually
async def test_a_slice_that_vcd_does_not_answer_is_no_answer() -> None:
    listing = Listing([row(number, number / 10) for number in range(2 * SLICE)])

    async def ask(query: TaskQuery) -> TaskPage:
        if query.started_at_or_after is not None:
            raise NotNow("503")
        return await listing.ask(query)

    with pytest.raises(NotNow):
        await rows_by_start(ask, LIVE, cuts_of(listing.rows.values()))
