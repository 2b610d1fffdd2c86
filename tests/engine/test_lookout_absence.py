"""What a look does not show, or cannot read: no end is concluded too early, and none is waited for without end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.engine.observation.findings import MAX_READ_FAILURES
from bridge.engine.observation.listing import TWICE_SECONDS
from bridge.engine.observation.lookout_pace import LookoutPace
from tests.engine.harness import virtually
from tests.engine.observing import ANSWER_SECONDS, INTERVAL, ORDERS, OVERLAP, ObservingSite, is_order, started
from tests.engine.scripted_vcd import urn
from tests.simulation.loop import EPOCH


@virtually
async def test_a_task_that_vanishes_is_told_when_nothing_shows_it_for_long() -> None:
    site = ObservingSite()
    site.vcd.begin(1)
    await started(site)
    del site.vcd.work[urn(1)]
    await site.looks(2)
    assert len(site.told()) == 1, "neither one look without it says anything, nor one reading"
    await asyncio.sleep(ANSWER_SECONDS + 3 * INTERVAL)
    (last,) = site.told()[1:]
    assert (last["final"], last["outcome"], last["reason"]["code"]) == (True, "unknown", "task_vanished")
    assert last["sequence"] == 2
    site.check_stories()


@virtually
async def test_a_task_that_no_row_shows_is_read_before_anything_is_concluded() -> None:
    site = ObservingSite()
    site.vcd.begin(1)
    await started(site)
    site.vcd.hidden.add(urn(1))
    await site.looks(10)
    assert site.story_of(1) == ["accepted running"]
    assert 0 < site.vcd.reads[urn(1)] <= 5, "every other look"
    site.vcd.end(1, "aborted")
    await site.looks(3)
    assert site.story_of(1) == ["accepted running", "finished aborted -> aborted"]


@virtually
async def test_an_end_that_cannot_be_read_is_told_from_its_row_in_the_end() -> None:
    """However long that takes: the position waits for it."""
    site = ObservingSite()
    site.policies = replace(site.policies, lookout=LookoutPace(interval=timedelta(seconds=2 * INTERVAL)))
    await started(site)
    site.vcd.past(1, site.vcd.vcd_now())
    site.vcd.unreadable.add(urn(1))
    site.vcd.past(2, site.vcd.vcd_now())
    await site.looks(4)
    assert site.ends() == {urn(2): 1}, "others do not wait for it"
    assert 2 * INTERVAL * 4 > OVERLAP
    await site.looks(8)
    assert site.ends() == {urn(1): 1, urn(2): 1}
    assert [event["task"]["details"] for event in site.told()] == ["read in full", None]


@virtually
async def test_failed_readings_are_forgotten_when_the_bus_has_the_end_read() -> None:
    site = ObservingSite()
    await started(site)
    site.vcd.past(1, site.vcd.vcd_now())
    site.vcd.unreadable.add(urn(1))
    await site.looks()
    (order,) = site.lookout.watched()
    assert order.unread == {urn(1): 1}
    site.vcd.unreadable.clear()
    site.lookout.hurry_task(urn(1))
    await asyncio.sleep(0.3)
    assert site.ends() == {urn(1): 1}
    assert order.unread == {}


@pytest.mark.parametrize("why", ["forbidden", "slow"])
def test_that_a_task_has_ended_its_row_says(why: str) -> None:
    """VCD shows the Task itself no more, or a slow cell still as running, look after look."""

    @virtually
    async def check() -> None:
        site = ObservingSite()
        await started(site)
        site.vcd.past(1, site.vcd.vcd_now())
        getattr(site.vcd, why).add(urn(1))
        site.vcd.past(2, site.vcd.vcd_now())
        await site.looks(2)
        assert site.ends() == {urn(2): 1}
        await site.looks(MAX_READ_FAILURES)
        assert site.story_of(1) == ["finished success -> success"]
        assert site.vcd.reads == {urn(1): MAX_READ_FAILURES, urn(2): 1}

    check()


@virtually
async def test_an_end_that_a_slow_cell_does_not_know_yet_is_told_in_full_when_it_does() -> None:
    site = ObservingSite()
    await started(site)
    site.vcd.past(1, site.vcd.vcd_now())
    site.vcd.slow.add(urn(1))
    await site.looks(2)
    site.vcd.slow.clear()
    await site.looks(2)
    (event,) = site.told()
    assert event["task"]["details"] == "read in full"


@virtually
async def test_the_position_follows_ends_that_cannot_be_read() -> None:
    """One after the other, for good: the window does not grow with them."""
    site = ObservingSite()
    await started(site)
    for number in range(1, 60):
        site.vcd.past(number, site.vcd.vcd_now())
        site.vcd.forbidden.add(urn(number))
        await asyncio.sleep(INTERVAL)
    (order,) = [one for one in site.lifecycles(ORDERS) if is_order(one.observation)]
    assert is_order(order.observation)
    assert order.observation.position is not None
    behind = EPOCH + timedelta(seconds=site.vcd.vcd_now()) - order.observation.position
    assert behind < timedelta(seconds=(MAX_READ_FAILURES + 2) * INTERVAL)


@virtually
async def test_a_status_that_no_filter_knows_is_read_and_told() -> None:
    site = ObservingSite()
    site.vcd.begin(1)
    await started(site)
    site.vcd.work[urn(1)].status = "expectingAction"
    await site.looks(5)
    site.vcd.end(1)
    await site.looks(2)
    assert site.story_of(1) == ["accepted running", "changed expectingAction", "finished success -> success"]
    site.check_stories()


@virtually
async def test_a_vcd_that_takes_no_joined_filter_is_asked_twice() -> None:
    """It says so once, and then it is known for a while: it may have refused the filter for something else."""
    site = ObservingSite()
    site.vcd.takes_joined_filters = False
    site.vcd.begin(1)
    await started(site)
    site.vcd.end(1)
    site.vcd.past(2, site.vcd.vcd_now())
    await site.looks(2)
    assert site.ends() == {urn(1): 1, urn(2): 1}
    joined = [query for query in site.vcd.queries if query.or_ended_at_or_after is not None]
    assert len(joined) == 1
    site.vcd.takes_joined_filters = True
    site.vcd.queries.clear()
    await asyncio.sleep(TWICE_SECONDS)
    assert site.vcd.queries[-1].or_ended_at_or_after is not None
    site.check_stories()
