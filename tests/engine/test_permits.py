"""Permits to call: how many at once and per second, when VCD is spared, and that none is ever lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.answers import Busy, CallAnswer, Limited, NeverSent, OutcomeUnknown, Refused, SessionExpired
from bridge.core.coordinates import TopicPartition
from bridge.engine.calling.breaker import BreakerState
from bridge.engine.calling.permits import Limits, Made, Permits, Use, use_of
from bridge.ports import NotCommitted, PartitionEntries
from tests.engine.harness import TOPIC, Site, control, request, virtually
from tests.engine.scripted_vcd import NO_ANSWER, TRAVEL_SECONDS
from tests.simulation.loop import EPOCH


@dataclass
class Desk:
    """Permits with a clock that is moved by hand."""

    limits: Limits
    seconds: float = 0.0
    session_ready: bool = True
    silence_seconds: float = 0.0
    is_on: bool = False
    """The brake."""

    def __post_init__(self) -> None:
        self.permits = Permits(self.limits, self, self, self)  # type: ignore[arg-type]

    def monotonic(self) -> float:
        return self.seconds

    def take(self) -> int:
        """How many can be had now."""
        taken = 0
        while taken < 1000 and self.permits.try_acquire():
            taken += 1
        return taken

    def give(self, use: Use, times: int = 1) -> None:
        """Calls come back after a tenth of a second."""
        began = self.seconds
        self.seconds += 0.1
        for _ in range(times):
            self.permits.release(use, Made("deployVApp", began), "no_answer")

    def fail(self, times: int) -> None:
        for _ in range(times):
            assert self.permits.try_acquire()
            self.give(Use.FAILED)


# --- limits -----------------------------------------------------------------------------------------------------------


def test_so_many_at_once() -> None:
    desk = Desk(Limits(concurrent=3))
    assert desk.take() == 3
    desk.permits.release(Use.ANSWERED)
    assert desk.take() == 1
    assert desk.permits.out == 3
    assert desk.permits.seconds_until_free() is None  # a release will tell


def test_so_many_per_second_and_no_more_saved_up_than_one_second_gives() -> None:
    desk = Desk(Limits(concurrent=1000, per_second=5.0))
    assert desk.take() == 5
    assert desk.permits.seconds_until_free() == pytest.approx(0.2)
    desk.seconds += 0.2
    assert desk.take() == 1
    desk.seconds += 3600
    assert desk.take() == 5


def test_a_rate_below_one_a_second_lets_one_out_at_a_time() -> None:
    desk = Desk(Limits(per_second=0.1))
    desk.seconds += 10
    assert desk.take() == 1
    desk.seconds += 9.9
    assert desk.take() == 0
    desk.seconds += 0.2
    assert desk.take() == 1


def test_none_without_a_session() -> None:
    desk = Desk(Limits(), session_ready=False)
    assert desk.take() == 0
    assert desk.permits.seconds_until_free() == pytest.approx(0.25)
    desk.session_ready = True
    assert desk.take() == 64


def test_none_while_frozen_and_the_thaw_tells() -> None:
    desk = Desk(Limits(per_second=1.0), is_on=True)
    assert desk.take() == 0
    assert desk.permits.seconds_until_free() is None
    desk.is_on = False
    assert desk.take() == 1


def test_none_while_vcd_wants_silence() -> None:
    desk = Desk(Limits(), silence_seconds=7.0)
    assert desk.take() == 0
    assert desk.permits.seconds_until_free() == 7.0
    desk.silence_seconds = 0.0
    assert desk.take() == 64


# --- what VCD shows ---------------------------------------------------------------------------------------------------


def test_the_breaker_holds_all_back_until_it_is_tried() -> None:
    desk = Desk(Limits(breaker_failures=3))
    desk.fail(3)
    assert desk.take() == 0
    assert desk.permits.limit == 0
    assert desk.permits.seconds_until_free() is None  # whoever tries VCD will tell
    desk.permits.breaker.tried(answered=True)
    assert desk.permits.limit == 1
    assert desk.take() == 1
    desk.give(Use.ANSWERED)
    assert desk.permits.limit > 1


def test_what_vcd_does_not_take_is_asked_of_it_less() -> None:
    desk = Desk(Limits(concurrent=10, breaker_failures=100))
    assert desk.take() == 10
    desk.give(Use.FAILED, 10)
    assert desk.take() == 7
    desk.give(Use.LIMITED, 7)
    assert desk.take() == 4
    desk.give(Use.ANSWERED, 4)
    assert desk.take() == 5


def test_what_it_says_of_requests_changes_nothing() -> None:
    desk = Desk(Limits(concurrent=10))
    for _ in range(20):
        desk.take()
        desk.give(Use.ANSWERED, 10)
    assert desk.permits.limit == 10


def test_a_limited_call_is_an_answer() -> None:
    desk = Desk(Limits(concurrent=10, breaker_failures=2))
    desk.fail(1)
    desk.permits.try_acquire()
    desk.give(Use.LIMITED)
    desk.fail(1)
    assert desk.permits.breaker.state is BreakerState.CLOSED


def test_an_unused_permit_says_nothing_about_vcd() -> None:
    desk = Desk(Limits(concurrent=10, breaker_failures=1))
    for _ in range(5):
        desk.permits.try_acquire()
        desk.give(Use.UNUSED)
        desk.permits.try_acquire()
        desk.permits.release(Use.UNUSED)
    assert desk.permits.limit == 10
    desk.fail(1)
    desk.permits.breaker.tried(answered=True)
    assert desk.take() == 1
    desk.give(Use.UNUSED)
    assert desk.take() == 1  # the call that should have tried was not made: the next one does
    assert desk.permits.breaker.state is BreakerState.HALF_OPEN


@pytest.mark.parametrize(
    ("answer", "use"),
    [
        (NO_ANSWER, Use.SILENT),
        (OutcomeUnknown(code="HTTP_503", message="", http_status=503), Use.FAILED),
        (NeverSent(code="connect_failed", message=""), Use.SILENT),
        (NeverSent(code="lease_expired", message=""), Use.UNUSED),
        (NeverSent(code="handed_over", message=""), Use.UNUSED),
        (NeverSent(code="held_back", message=""), Use.UNUSED),
        (Refused(code="BAD_REQUEST", message="", http_status=400), Use.ANSWERED),
        (Busy(message="", http_status=400), Use.ANSWERED),
        (NeverSent(code="frozen", message=""), Use.UNUSED),
        (Limited(code="HTTP_429", message="", http_status=429), Use.LIMITED),
        (Limited(code="HTTP_503", message="", http_status=503), Use.LIMITED),
        (Limited(code="OPERATION_LIMITS_EXCEEDED", message="", http_status=400), Use.ANSWERED),
        (SessionExpired(message=""), Use.ANSWERED),
    ],
    ids=lambda part: getattr(part, "code", None) or type(part).__name__,
)
def test_what_an_answer_says_about_vcd(answer: CallAnswer, use: Use) -> None:
    assert use_of(answer) is use


# --- none is lost -----------------------------------------------------------------------------------------------------


def _few(concurrent: int = 2, **more: Any) -> Site:
    site = Site()
    site.policies = replace(site.policies, limits=Limits(concurrent=concurrent, **more))
    return site


async def _all_are_there(site: Site) -> None:
    """Everything still works with as many permits as in the beginning."""
    assert site.permits.out == 0
    site.vcd.on_call = lambda call: site.vcd.accept(len(site.vcd.calls), "success")
    for number in range(20):
        site.send(request(f"after-{number}", 100 + number))
    await asyncio.sleep(10)
    assert all(site.story(f"after-{number}") == ["finished success -> success"] for number in range(20))
    assert site.permits.out == 0


@virtually
async def test_calls_are_spread_over_the_permits() -> None:
    site, most = _few(2), 0

    async def slow() -> CallAnswer:
        nonlocal most
        most = max(most, site.permits.out)
        await asyncio.sleep(1)
        return site.vcd.accept(len(site.vcd.calls), "success")

    site.vcd.on_call = lambda call: slow()
    await site.start()
    for number in range(6):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(10)
    assert most == 2
    assert len(site.vcd.calls) == 6
    await _all_are_there(site)


@virtually
async def test_none_is_lost_when_a_round_is_decided_again() -> None:
    site = _few()
    await site.start()
    site.fail_commits(10)
    for number in range(5):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(30)
    assert len(site.vcd.calls) == 5
    await _all_are_there(site)


@virtually
async def test_none_is_lost_when_the_partition_is_lost_with_the_round() -> None:
    site = _few()
    await site.start()
    partition = TopicPartition(TOPIC, 0)

    def lost(entries: Sequence[PartitionEntries]) -> NotCommitted:
        return NotCommitted(lost=frozenset({partition}))

    site.outcomes.append(lost)
    for number in range(5):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(2)
    assert site.vcd.calls == []
    assert partition not in site.engine.partitions
    site.inbox.lose_everything()
    site.inbox.assign([partition])
    await asyncio.sleep(2)
    assert len(site.vcd.calls) == 5
    await _all_are_there(site)


@virtually
async def test_none_is_lost_when_the_partition_goes_between_commit_and_call() -> None:
    site = _few()
    await site.start()
    site.after_commit = site.inbox.lose_everything
    for number in range(5):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(2)
    assert site.vcd.calls == []
    site.after_commit = None
    site.inbox.assign([TopicPartition(TOPIC, 0)])
    await asyncio.sleep(30)
    await _all_are_there(site)


@virtually
async def test_none_is_lost_when_the_lease_ends_before_the_call_leaves() -> None:
    site = _few()
    site.vcd.before_leaving = 6.0
    await site.start()
    for number in range(5):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(60)
    assert site.vcd.calls == []
    site.vcd.before_leaving = TRAVEL_SECONDS
    await asyncio.sleep(120)
    assert len(site.vcd.calls) == 5
    await _all_are_there(site)


@virtually
async def test_none_is_lost_when_a_grant_ends_in_no_call() -> None:
    """A cancel comes in the very round in which its request gets its permit, or right after it has got it."""
    site = _few(1)
    await site.start()
    site.vcd.session_ready = False
    for number in range(3):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(1)
    site.inbox.batch = (20, 20)  # a request and its cancel come together
    site.vcd.session_ready = True
    for number in range(3):
        site.send(control("cancel", f"R{number}"))
    for number in range(3, 6):
        site.send(request(f"R{number}", number))
        site.send(control("cancel", f"R{number}"))
    await asyncio.sleep(10)
    assert all(site.story(f"R{number}") == ["finished -> canceled (canceled_before_start)"] for number in range(6))
    assert site.vcd.calls == []
    await _all_are_there(site)


@virtually
async def test_who_waits_for_a_permit_past_its_start_by_takes_none() -> None:
    site = _few(1)

    async def slow() -> CallAnswer:
        await asyncio.sleep(20)
        return site.vcd.accept(1, "success")

    site.vcd.on_call = lambda call: slow()
    await site.start()
    site.send(request("first", 0))
    start_by = (EPOCH + timedelta(seconds=10)).isoformat()
    for number in range(1, 5):
        site.send(request(f"R{number}", number, start_by=start_by))
    await asyncio.sleep(30)
    assert {site.story(f"R{number}")[0] for number in range(1, 5)} == {"finished -> expired (start_by_passed)"}
    await _all_are_there(site)


@virtually
async def test_none_is_lost_when_what_is_asked_for_cannot_be_read() -> None:
    site = _few()
    site.vcd.session_ready = False
    await site.start()
    for number in range(3):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(2)
    for number in range(3):
        site.damage(f"{number}|request")
    site.vcd.session_ready = True
    await site.next_owner()
    await asyncio.sleep(10)
    assert set(site.phases().values()) == {"parked"}
    await _all_are_there(site)


@virtually
async def test_an_outage_of_vcd_is_met_with_few_calls() -> None:
    """A hundred requests, and a VCD that does not answer: without the breaker all would be in doubt at once."""
    site = Site()
    site.vcd.on_call = lambda call: NeverSent(code="connect_failed", message="refused")
    await site.start()
    for number in range(100):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(60)
    assert len(site.vcd.calls) <= 64 + 8
    calls = len(site.vcd.calls)
    await asyncio.sleep(90)
    assert 1 <= len(site.vcd.calls) - calls <= 4  # a probe every half minute
    site.vcd.on_call = lambda call: site.vcd.accept(len(site.vcd.calls), "success")
    await asyncio.sleep(60)
    assert all(site.story(f"R{number}") == ["finished success -> success"] for number in range(100))
