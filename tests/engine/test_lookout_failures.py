"""Looks go on through outages, commits that fail, crashes and clocks that are set; everything is told once."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from bridge.ports import NotCommitted
from tests.engine.harness import virtually
from tests.engine.observing import INTERVAL, ORDERS, ObservingSite, started
from tests.engine.scripted_vcd import urn
from tests.simulation.loop import VirtualClock


@virtually
async def test_what_happens_while_vcd_is_away_is_told_after_it() -> None:
    site = ObservingSite()
    site.vcd.begin(1)
    await started(site)
    site.vcd.down = True
    await asyncio.sleep(20)
    site.vcd.end(1)
    site.vcd.past(2, site.vcd.vcd_now())
    await asyncio.sleep(600)
    site.vcd.past(3, site.vcd.vcd_now())
    assert len(site.told()) == 1
    assert [fact.name for fact in site.noted.facts].count("observation_put_off") == 1, "said once"
    site.vcd.down = False
    await site.looks(3)
    assert site.ends() == {urn(1): 1, urn(2): 1, urn(3): 1}
    site.check_stories()


@virtually
async def test_a_round_that_is_not_committed_is_told_again_and_once() -> None:
    site = ObservingSite()
    await started(site)
    for number in range(300):
        site.vcd.past(number, site.vcd.vcd_now())
    failing = 0

    async def fail(entries: object) -> None:
        nonlocal failing
        failing += 1
        if failing % 2:
            site.outcomes.append(lambda entries: NotCommitted())

    site.before_commit = fail
    await site.looks(6)
    assert failing > 4
    assert site.ends() == Counter({urn(number): 1 for number in range(300)})
    site.check_stories()


@virtually
async def test_the_next_owner_goes_on_without_a_repeat() -> None:
    """Killed at any moment of a look and of its commits."""
    site = ObservingSite()
    await started(site)
    numbers = iter(range(100_000))
    for pause in (0.3, 1.1, 2.0, 3.7, 4.9):
        for _ in range(40):
            site.vcd.past(next(numbers), site.vcd.vcd_now())
        site.vcd.begin(next(numbers))
        await asyncio.sleep(pause)
        await site.next_owner(after=20.0)
    await site.looks(4)
    ended = {one for one, work in site.vcd.work.items() if work.ended is not None}
    assert site.ends() == Counter(dict.fromkeys(ended, 1))
    site.check_stories()


@virtually
async def test_nothing_more_of_a_partition_that_is_gone_is_told() -> None:
    """It is taken away while its look reads what has ended; the other partition's observation goes on."""
    site = ObservingSite(partitions=2)
    await site.start()
    site.observe(1, partition=0)
    site.observe(2, partition=1)
    await site.looks()
    site.vcd.held_up = asyncio.Event()
    gone, kept = site.orders(0), site.orders(1)
    site.vcd.past(1, site.vcd.vcd_now(), 1)
    site.vcd.past(2, site.vcd.vcd_now(), 2)
    await asyncio.sleep(INTERVAL)
    site.engine._p.rounds.drop(gone.partition)
    site.vcd.held_up.set()
    await site.looks()
    assert gone.closed
    assert not gone.found
    assert site.ends() == {urn(2): 1}
    assert kept.partition.topic == ORDERS


@virtually
async def test_a_clock_that_was_set_since_vcd_told_the_time_moves_nothing_into_the_future() -> None:
    site = ObservingSite()
    await started(site)
    clock = site.lookout._clock
    assert isinstance(clock, VirtualClock)
    clock.ahead += timedelta(seconds=45)
    now = site.vcd.now()
    site.vcd.begin(1, at=now)

    def tell_the_time() -> None:
        site.vcd.clock_ahead = -clock.ahead

    site.vcd.before_page = tell_the_time
    await site.looks()
    site.vcd.begin(2, at=now + 6.0)
    site.vcd.end(2, at=now + 6.5)
    await site.looks(2)
    assert site.ends() == {urn(2): 1}


@virtually
async def test_a_look_that_hangs_is_a_stall_and_a_vcd_that_is_away_is_none() -> None:
    site = ObservingSite()
    await started(site)
    site.vcd.down = True
    await asyncio.sleep(300)
    assert "lookout" not in site.engine.stalled(60)
    site.vcd.down, site.vcd.travel_seconds = False, 1e6
    await asyncio.sleep(300)
    assert "lookout" in site.engine.stalled(60)
