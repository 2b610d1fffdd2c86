"""How many requests looks make, and that nobody waits for more of them than his own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from bridge.core.observation.plan import GROUP
from bridge.engine.observation.lookout_pace import LookoutPace
from tests.engine.harness import virtually
from tests.engine.observed_vcd import organization
from tests.engine.observing import INTERVAL, OBSERVED, ObservingSite, started
from tests.engine.scripted_vcd import urn


@virtually
async def test_organizations_share_filters() -> None:
    site = ObservingSite()
    for number in range(300):
        site.vcd.begin(number, in_organization=30)
    await started(site, *range(1, 23))
    site.vcd.queries.clear()
    await asyncio.sleep(INTERVAL)
    asked = [query.organizations for query in site.vcd.queries]
    assert sorted(len(one) for one in asked) == [2, GROUP]
    assert sorted(uuid for one in asked for uuid in one) == [organization(number) for number in range(1, 23)]


@virtually
async def test_all_organizations_are_one_filter_which_serves_the_others_too() -> None:
    site = ObservingSite()
    await started(site, 0, 1, 2)
    site.vcd.begin(5, in_organization=2)
    site.vcd.queries.clear()
    await asyncio.sleep(INTERVAL)
    assert [query.organizations for query in site.vcd.queries] == [()]
    await site.looks()
    assert site.story_of(5) == ["accepted running"] * 2, "each observation tells a story of its own"
    site.check_stories()


@virtually
async def test_looks_become_rarer_where_the_budget_is_not_enough() -> None:
    site = ObservingSite()
    site.policies = replace(site.policies, lookout=LookoutPace(requests_per_second=0.5))
    for number in range(400):
        site.vcd.begin(number, at=float(number) / 1000)
    await started(site, 0)
    await site.until(lambda: len(site.committed(OBSERVED)) >= 400)
    site.vcd.queries.clear()
    await asyncio.sleep(100)
    assert 48 <= len(site.vcd.queries) <= 51
    slow = [fact for fact in site.noted.facts if fact.name == "observation_slow"]
    assert [fact.more["slow"] for fact in slow] == [True], "said once"


@virtually
async def test_tasks_in_a_status_that_no_filter_names_are_read_in_turn() -> None:
    site = ObservingSite()
    await started(site)
    for number in range(1, 121):
        site.vcd.begin(number)
    await site.looks()
    for number in range(1, 121):
        site.vcd.work[urn(number)].status = "suspended"
    await site.looks(2)
    reads, began = site.vcd.reads.total(), site.vcd.now()
    await site.looks(12)
    assert site.vcd.reads.total() - reads <= 5 * (site.vcd.now() - began)
    assert min(site.vcd.reads[urn(number)] for number in range(1, 121)) >= 1
    site.check_stories()


@virtually
async def test_an_end_that_vcd_does_not_answer_for_holds_up_nobody() -> None:
    site = ObservingSite()
    site.vcd.hanging = {urn(500): 30.0}
    await started(site)
    site.vcd.begin(500)
    await site.looks()
    site.vcd.end(500)
    for number in range(1, 10):
        site.vcd.begin(number)
        began = site.vcd.now()
        await site.until(lambda: bool(site.story_of(number)))  # noqa: B023
        assert site.vcd.now() - began < 2 * INTERVAL + 1
    await site.looks(3)
    assert site.ends() == {urn(500): 1}, "from its row in the end"


@virtually
async def test_no_change_waits_for_the_rest_of_its_look() -> None:
    """A look takes five of seven seconds; still nothing is told later than its next look comes by."""
    site = ObservingSite()
    site.policies = replace(site.policies, lookout=LookoutPace(interval=timedelta(seconds=7), requests_per_second=0.5))
    for number in range(300):
        site.vcd.begin(number, at=float(number))
    await started(site)
    await site.until(lambda: len(site.committed(OBSERVED)) == 300)
    await asyncio.sleep(21)
    ended: list[float] = []
    for number in range(0, 300, 5):
        site.vcd.end(number)
        ended.append(site.vcd.now())
        await asyncio.sleep(0.9)
        told = len(site.committed(OBSERVED)) - 300
        assert told >= sum(1 for moment in ended if moment < site.vcd.now() - 7.6), number
