"""Looks for observations: everything that VCD shows is told once, whatever moves, comes late or fails meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeGuard

import pytest

from bridge.core.observation.plan import GROUP
from bridge.core.observation_parts import OrderPart, SightedPart
from bridge.engine.observation.findings import MAX_READ_FAILURES
from bridge.engine.observation.listing import TWICE_SECONDS
from bridge.engine.observation.lookout_pace import LookoutPace
from bridge.ports import NotCommitted
from tests.engine.harness import virtually
from tests.engine.observed_vcd import organization
from tests.engine.observing import ANSWER_SECONDS, INTERVAL, OBSERVED, ORDERS, OVERLAP, ObservingSite, started
from tests.engine.scripted_vcd import urn
from tests.simulation.loop import EPOCH, VirtualClock


def since(seconds: float) -> str:
    """RFC 3339 of VCD's second after the epoch of the tests."""
    return (EPOCH + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


# --- what is told -----------------------------------------------------------------------------------------------------


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


# --- what is not there ------------------------------------------------------------------------------------------------


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


# --- failures ---------------------------------------------------------------------------------------------------------


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


# --- catching up ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.engine.observation.listing.PIECE", PIECE)


def is_order(part: OrderPart | SightedPart | None) -> TypeGuard[OrderPart]:
    return isinstance(part, OrderPart)


PIECE = 200
LONG_AGO = 900
"""Tasks that ended over an hour, from an hour ago on."""


def fill(site: ObservingSite) -> Counter[str]:
    """Three at a time, and the last hundred in one millisecond."""
    for number in range(LONG_AGO):
        site.vcd.past(number, 400 + 10 * min(number // 3, LONG_AGO // 3 - 30))
    return Counter({urn(number): 1 for number in range(LONG_AGO)})


@pytest.mark.usefixtures("small_pieces")
def test_what_ended_long_ago_is_told_a_piece_at_a_time() -> None:
    @virtually
    async def check() -> None:
        site = ObservingSite()
        await asyncio.sleep(4000)
        expected = fill(site)
        site.vcd.past(6000, 399.0)
        site.vcd.begin(7000)
        await site.start()
        site.observe(1, since=since(400))
        positions = set[datetime | None]()

        def note() -> None:
            positions.update(one.observation.position for one in site.lifecycles(ORDERS) if is_order(one.observation))

        site.after_commit = note
        await site.until(lambda: len(site.committed(OBSERVED)) > LONG_AGO)
        await site.looks(2)
        assert site.ends() == expected, "what ended from then on, each once"
        on_the_way = [one for one in positions if one is not None and one < EPOCH + timedelta(seconds=3900)]
        assert len(on_the_way) >= 1 + LONG_AGO // (PIECE + 128), "each is committed before the next is read"
        assert site.story_of(7000) == ["accepted running"]
        assert not site.sighted()[1:], "what lies behind is forgotten"

    check()


@pytest.mark.usefixtures("small_pieces")
def test_what_ends_now_does_not_wait_for_what_ended_long_ago() -> None:
    @virtually
    async def check() -> None:
        site = ObservingSite()
        await asyncio.sleep(4000)
        fill(site)
        await started(site, 2)
        site.vcd.hanging = dict.fromkeys(site.vcd.work, 3600.0)
        site.observe(1, since=since(400))
        await site.until(lambda: len(site.vcd.queries) > 3)
        site.vcd.begin(7000, in_organization=2)
        site.vcd.end(7000)
        await site.looks(2)
        assert site.ends() == {urn(7000): 1}
        site.vcd.hanging.clear()
        await site.until(lambda: site.ends().total() == LONG_AGO + 1)

    check()


@pytest.mark.usefixtures("small_pieces")
def test_catching_up_goes_on_where_it_was_after_a_crash() -> None:
    @virtually
    async def check() -> None:
        site = ObservingSite()
        await asyncio.sleep(4000)
        expected = fill(site)
        await site.start()
        site.observe(1, since=since(400))
        for told in (100, 450, 700):
            await site.until(lambda told=told: len(site.committed(OBSERVED)) >= told)  # type: ignore[misc]
            await site.next_owner(after=12.0)
        await site.until(lambda: len(site.committed(OBSERVED)) >= LONG_AGO)
        await site.looks(2)
        assert site.ends() == expected
        assert site.vcd.reads.total() < LONG_AGO + 3 * (PIECE + 128), "what was committed is not read again"
        site.check_stories()

    check()


# --- what it costs ----------------------------------------------------------------------------------------------------


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


# --- the end ----------------------------------------------------------------------------------------------------------


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
