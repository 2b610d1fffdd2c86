"""What looks find is told once, to whoever observes it, whatever moves or comes late meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from tests.engine.harness import virtually
from tests.engine.observing import INTERVAL, OVERLAP, ObservingSite, since, started
from tests.engine.scripted_vcd import urn


@virtually
async def test_what_is_active_is_told_as_it_changes_and_its_end_is_read_once() -> None:
    site = ObservingSite()
    site.vcd.begin(1, status="queued")
    site.vcd.begin(9, in_organization=2)
    await started(site)
    site.vcd.work[urn(1)].status = "running"
    await site.looks()
    site.vcd.work[urn(1)].progress = 50
    await site.looks()
    site.vcd.end(1, "error")
    await site.looks(3)
    assert site.story_of(1) == ["accepted queued", "changed running", "changed running", "finished error -> error"]
    assert site.told()[-1]["task"]["details"] == "read in full"
    assert site.vcd.reads == {urn(1): 1}, "what is active is told from rows, the end is read once"
    assert site.story_of(9) == [], "another organization's"
    site.check_stories()


@virtually
async def test_a_task_that_begins_and_ends_between_two_looks_is_told() -> None:
    site = ObservingSite()
    await started(site)
    await asyncio.sleep(1)
    site.vcd.begin(1)
    await asyncio.sleep(0.5)
    site.vcd.end(1)
    await site.looks()
    assert site.story_of(1) == ["finished success -> success"]


@virtually
async def test_only_what_ends_from_the_beginning_on_is_told() -> None:
    site = ObservingSite()
    site.vcd.past(1, 0.0)
    await asyncio.sleep(3)
    await started(site)
    site.vcd.past(2, site.vcd.vcd_now())
    await site.looks()
    assert site.ends() == {urn(2): 1}


@pytest.mark.parametrize("organization", [0, 1])
def test_what_ends_while_vcd_cannot_be_asked_whose_it_is_is_told(organization: int) -> None:
    @virtually
    async def play() -> None:
        site = ObservingSite()
        site.vcd.down = True
        await site.start()
        await asyncio.sleep(1)
        site.observe(organization)
        await asyncio.sleep(1)
        site.vcd.past(1, site.vcd.vcd_now())
        await asyncio.sleep(300)
        site.vcd.down = False
        await asyncio.sleep(60)
        assert site.ends() == {urn(1): 1}

    play()


@virtually
async def test_each_observation_has_a_beginning_of_its_own() -> None:
    """Two organizations share a filter; what ended too long ago for one of them is not even read."""
    site = ObservingSite()
    await asyncio.sleep(100)
    for number in (1, 2):
        site.vcd.past(number, 60.0, number)
    await site.start()
    site.observe(1, since=since(50))
    site.observe(2)
    await site.looks(2)
    assert site.ends() == {urn(1): 1}
    assert site.vcd.reads == {urn(1): 1}


@virtually
async def test_the_next_look_waits_until_all_that_was_found_is_committed() -> None:
    site = ObservingSite()
    await started(site)

    async def slowly(entries: object) -> None:
        await asyncio.sleep(2.5 * INTERVAL)

    site.before_commit = slowly
    site.vcd.past(1, site.vcd.vcd_now())
    await asyncio.sleep(INTERVAL + 1)
    site.vcd.queries.clear()
    await asyncio.sleep(2 * INTERVAL)
    assert site.vcd.queries == []
    await site.until(lambda: bool(site.vcd.queries))
    await asyncio.sleep(1)
    assert site.vcd.reads == {urn(1): 1}


@virtually
async def test_hundreds_of_tasks_of_one_millisecond_lie_across_the_pages() -> None:
    site = ObservingSite()
    await started(site)
    moment = site.vcd.vcd_now()
    for number in range(400):
        site.vcd.begin(number, at=moment)
    await site.looks()
    for number in range(400):
        site.vcd.end(number, at=moment + 7)
    await site.looks(8)
    assert site.ends() == Counter({urn(number): 1 for number in range(400)})
    site.check_stories()


@virtually
async def test_rows_that_come_late_are_told() -> None:
    """VCD shows an end long after its endDate, but within the overlap."""
    site = ObservingSite()
    await started(site)
    for number, late in enumerate((0.1, 4.0, 11.0, 20.0, OVERLAP - 2 * INTERVAL)):
        site.vcd.past(number, site.vcd.vcd_now())
        site.vcd.work[urn(number)].shown_at = site.vcd.now() + late
        site.vcd.hidden.add(urn(number))
    for _ in range(60):
        await asyncio.sleep(0.5)
        site.vcd.hidden -= {one for one in site.vcd.hidden if site.vcd.work[one].shown_at <= site.vcd.now()}
    await site.looks()
    assert site.ends() == Counter({urn(number): 1 for number in range(5)})


@virtually
async def test_cells_whose_clocks_differ() -> None:
    """An end is written by a cell ahead of the others, or behind them; in between the bridge goes on looking."""
    site = ObservingSite()
    await started(site)
    for number, skew in enumerate((-20.0, -5.0, 0.0, 5.0, 20.0, 90.0)):
        site.vcd.begin(number)
        await site.looks()
        site.vcd.end(number, at=site.vcd.vcd_now() + skew)
        await site.looks()
    await site.looks(40)
    assert site.ends() == Counter({urn(number): 1 for number in range(6)})
    assert site.sighted() == [], "nothing is remembered for longer than windows reach back"


@virtually
async def test_the_clock_of_vcd_is_what_counts() -> None:
    site = ObservingSite()
    site.vcd.clock_ahead = timedelta(hours=3)
    await started(site)
    site.vcd.begin(1)
    await site.looks()
    site.vcd.end(1)
    await site.looks()
    site.vcd.past(2, site.vcd.vcd_now())
    await site.looks(12)
    assert site.ends() == {urn(1): 1, urn(2): 1}
    assert site.sighted() == []


@virtually
async def test_after_a_stop_nothing_is_told_and_nothing_is_asked() -> None:
    site = ObservingSite()
    site.vcd.begin(1)
    await started(site)
    site.stop_observing()
    await site.looks()
    site.vcd.end(1)
    site.vcd.queries.clear()
    await site.looks(3)
    assert site.story_of(1) == ["accepted running"]
    assert site.vcd.queries == []
    assert site.orders().lifecycles == {}


@pytest.mark.parametrize("provider", [True, False])
def test_a_tenant_observes_its_own_organization(provider: bool) -> None:
    @virtually
    async def check() -> None:
        site = ObservingSite()
        site.vcd.is_provider = provider
        await site.start()
        site.observe(0)
        site.observe(1)
        site.vcd.begin(1)
        site.vcd.begin(2, in_organization=2)
        await site.looks(2)
        assert site.story_of(1) == ["accepted running"] * (2 if provider else 1)
        assert site.story_of(2) == ["accepted running"] * (1 if provider else 0)

    check()
