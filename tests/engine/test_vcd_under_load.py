"""A VCD that is away, that wants silence, or that takes less than the settings say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from bridge.core.answers import CallAnswer, HttpCall, OutcomeUnknown, TaskPage, Unavailable
from bridge.engine.calling.permits import Limits
from tests.engine.harness import Site, request, virtually
from tests.engine.scripted_vcd import NO_ANSWER

AWAY = OutcomeUnknown(code="HTTP_503", message="no cell is left", http_status=503)
ENDED = ["finished success -> success"]


def moves(site: Site) -> list[str]:
    """What the breaker became, as the observer was told."""
    return [str(fact.values[0]) for fact in site.noted.facts if fact.name == "breaker_moved"]


@virtually
async def test_a_vcd_that_is_away_is_tried_with_reads_and_one_call() -> None:
    site = Site()
    site.vcd.on_call = lambda call: AWAY
    site.vcd.query = lambda query: Unavailable("503")
    await site.start()
    for number in range(100):
        site.send(request(f"R{number}", number, "createSnapshot"))
    await asyncio.sleep(1)
    burnt = len(site.vcd.calls)
    assert burnt <= 64, "more than were out when it opened"
    await asyncio.sleep(3600)
    assert len(site.vcd.calls) == burnt
    assert set(moves(site)) == {"open"}
    assert (site.engine.call_limit, site.engine.breaker) == (0, "open")
    site.vcd.on_call = lambda call: site.vcd.accept(len(site.vcd.calls), "success")
    site.vcd.query = lambda query: TaskPage((), 1, 0, None)
    await asyncio.sleep(60)
    assert moves(site) == ["open", "half_open", "closed"]
    assert [site.story(f"R{number}") for number in range(burnt, 100)] == [ENDED] * (100 - burnt)


@virtually
async def test_reads_that_are_answered_do_not_let_many_calls_fail() -> None:
    site = Site()
    site.vcd.on_call = lambda call: NO_ANSWER
    await site.start()
    for number in range(100):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(1)
    burnt = len(site.vcd.calls)
    await asyncio.sleep(600)
    assert 10 <= len(site.vcd.calls) - burnt <= 30
    assert moves(site)[:3] == ["open", "half_open", "open"]


@virtually
async def test_a_vcd_that_fails_at_twenty_calls_and_answers_reads_costs_seconds() -> None:
    site = Site()
    site.policies = replace(site.policies, limits=Limits(concurrent=1))

    def answer(call: HttpCall) -> CallAnswer:
        return AWAY if len(site.vcd.calls) <= 20 else site.vcd.accept(len(site.vcd.calls), "success")

    site.vcd.on_call = answer
    await site.start()
    for number in range(30):
        site.send(request(f"R{number}", number, "createSnapshot"))
    await asyncio.sleep(60)
    assert moves(site)[-1] == "closed"
    assert [site.story(f"R{number}") for number in range(20, 30)] == [ENDED] * 10


@virtually
async def test_no_intent_is_spent_on_the_silence_that_vcd_asks_for() -> None:
    site = Site()
    site.vcd.on_call = lambda call: site.vcd.accept(len(site.vcd.calls), "success")
    await site.start()
    site.vcd.silence_seconds = 60.0
    for number in range(20):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(50)
    assert site.vcd.asked == 0
    assert set(site.phases().values()) == {"received"}
    site.vcd.silence_seconds = 0.0
    await asyncio.sleep(60)
    assert [site.story(f"R{number}") for number in range(20)] == [ENDED] * 20


@dataclass
class Crowded:
    """A VCD with so many workers. Each call beyond them makes all slower: they take turns, and turning costs."""

    site: Site
    workers: int = 8
    seconds: float = 0.2
    out: int = 0
    worst: int = 0
    unanswered: int = 0

    async def answer(self, number: int) -> CallAnswer:
        self.out += 1
        self.worst = max(self.worst, self.out)
        crowd = max(1.0, self.out / self.workers)
        seconds = self.seconds * crowd**2
        time_out = self.site.policies.answer_timeout.total_seconds()
        await asyncio.sleep(min(seconds, time_out))
        self.out -= 1
        if seconds >= time_out:
            self.unanswered += 1
            return OutcomeUnknown(code="no_answer", message="time-out")
        return self.site.vcd.accept(number, "success")


async def _crowd(*, least: int) -> tuple[Crowded, int]:
    """A minute of more work than such a VCD takes; how much of it ended."""
    site = Site()
    site.policies = replace(
        site.policies,
        limits=Limits(concurrent=64, least_concurrent=least, breaker_failures=1000),
        answer_timeout=timedelta(seconds=10),
    )
    crowded = Crowded(site)
    site.vcd.on_call = lambda call: crowded.answer(len(site.vcd.calls))
    await site.start()
    for number in range(1500):
        site.send(request(f"R{number}", number, "createSnapshot"))
    await asyncio.sleep(60)
    ended = sum(1 for event in site.events() if event["outcome"] == "success")
    return crowded, ended


@virtually
async def test_the_limit_finds_what_a_slow_vcd_takes_and_more_gets_done() -> None:
    fixed, done_by_fixed = await _crowd(least=64)
    found, done_by_found = await _crowd(least=1)
    assert fixed.unanswered > 100
    assert found.unanswered <= 64, "those that were out before anything could be known"
    assert done_by_found > 3 * done_by_fixed
