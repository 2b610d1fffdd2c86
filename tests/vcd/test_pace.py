"""One rate for calls and reads together, and the silence that VCD asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from math import inf
from random import Random

import httpx
import pytest

from bridge.core.answers import CancelAnswer, Limited, TaskQuery, TaskRead, Unavailable
from bridge.vcd.transport.line import Line
from bridge.vcd.transport.pace import BURST_SECONDS, CALL_SHARE, LONGEST_HOLD_SECONDS, PATIENCE_SECONDS, Held, Pace
from bridge.vcd.transport.transports import Departure, Head, TransportFault
from tests.simulation.loop import VirtualClock, run_virtually
from tests.vcd.gateway_setup import Setup
from tests.vcd.scripted import LOST, ManualClock, Outcome, ScriptedTransport, fault, reply, settle
from tests.vcd.test_wire import NULL_FILLED, UUID

RATE = 10.0

# --- the rate -----------------------------------------------------------------------------------------------------


class Driven:
    """A line at ``RATE`` in virtual time; when each request left."""

    def __init__(self) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop(), Random(1))
        self.calls: list[float] = []
        self.reads: list[float] = []
        calls, reads = ScriptedTransport(self._noting(self.calls)), ScriptedTransport(self._noting(self.reads))
        self.line = Line("https://vcd.example", calls, reads, self.clock, pace=Pace(self.clock, RATE))

    def _noting(self, times: list[float]) -> Callable[[httpx.Request], Outcome]:
        def handle(_request: httpx.Request) -> Outcome:
            times.append(self.clock.monotonic())
            return reply(200)

        return handle

    async def read_on(self) -> None:
        while True:
            await self.line.read("readTask", self.line.request("GET", "/api/task/1", {}))

    async def call_on(self, per_second: float) -> None:
        while True:
            await self.line.call(self.line.request("POST", "/api", {}), Departure(float("inf"), lambda: True))
            await self.clock.sleep(1.0 / per_second)


async def driven_for(seconds: float, *work: Callable[[Driven], Awaitable[None]]) -> Driven:
    driven = Driven()
    tasks = [asyncio.ensure_future(one(driven)) for one in work]
    await driven.clock.sleep(seconds)
    for task in tasks:
        task.cancel()
    return driven


def most_in_a_second(times: list[float]) -> int:
    return max(sum(start <= time < start + 1.0 for time in times) for start in times)


def test_reads_keep_the_rate_however_many_want_to() -> None:
    driven = run_virtually(driven_for(60.0, *[Driven.read_on] * 16))
    assert most_in_a_second(driven.reads) <= RATE * (1 + BURST_SECONDS) + 1
    assert len(driven.reads) == pytest.approx(RATE * 60, rel=0.02)


def test_calls_and_reads_keep_it_together_and_calls_do_not_wait() -> None:
    async def calls(driven: Driven) -> None:
        await driven.call_on(RATE * CALL_SHARE)

    driven = run_virtually(driven_for(60.0, calls, *[Driven.read_on] * 16))
    assert most_in_a_second(driven.calls + driven.reads) <= RATE * (1 + BURST_SECONDS) + 1
    assert len(driven.calls) == pytest.approx(RATE * CALL_SHARE * 60, rel=0.02)
    assert len(driven.reads) == pytest.approx(RATE * (1 - CALL_SHARE) * 60, rel=0.1), "what calls leave is for reads"


def test_a_turn_that_is_too_far_away_is_not_waited_for() -> None:
    async def main() -> None:
        clock = VirtualClock(asyncio.get_running_loop(), Random(1))
        pace = Pace(clock, RATE)
        waiting = [asyncio.ensure_future(pace.turn()) for _ in range(2 * int(RATE * PATIENCE_SECONDS))]
        done = await asyncio.gather(*waiting, return_exceptions=True)
        refused = [one for one in done if isinstance(one, TransportFault)]
        assert {one.verdict.code for one in refused} == {"no_turn"}
        assert all(one.verdict.never_sent for one in refused)
        assert len(refused) == pytest.approx(RATE * PATIENCE_SECONDS, rel=0.02)
        assert clock.monotonic() == pytest.approx(PATIENCE_SECONDS, rel=0.02)

    run_virtually(main())


def test_a_reader_that_goes_away_does_not_hold_up_the_others() -> None:
    async def main() -> None:
        clock = VirtualClock(asyncio.get_running_loop(), Random(1))
        pace = Pace(clock, 1.0)
        waiting = [asyncio.ensure_future(pace.turn()) for _ in range(5)]
        await asyncio.sleep(0.5)
        for gone in waiting[1:4]:
            gone.cancel()
        await waiting[4]
        assert clock.monotonic() == pytest.approx(1.0, abs=0.01)

    run_virtually(main())


async def test_without_a_rate_nobody_waits() -> None:
    clock = ManualClock()
    pace = Pace(clock)
    for _ in range(1000):
        pace.call()
        await pace.turn()
    assert clock.sleeps == []


# --- the silence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "retry_after", "held"),
    [
        (429, "60", 60.0), (503, "60", 60.0), (429, "Tue, 24 Nov 2026 12:00:30 GMT", 30.0),
        (503, "999999999", LONGEST_HOLD_SECONDS), (429, "Fri, 31 Dec 8999 00:00:00 GMT", LONGEST_HOLD_SECONDS),
        (429, "0", 0.0), (429, "soon", 0.0), (429, "Fri, 31 Dec 9999 23:59:59 -0100", 0.0), (429, None, 0.0),
        (200, "60", 0.0), (500, "60", 0.0), (400, "60", 0.0),
    ],
)  # fmt: skip
async def test_who_is_held_and_for_how_long(status: int, retry_after: str | None, held: float) -> None:
    clock = ManualClock()
    pace = Pace(clock)
    pace.heard(Head(status, {} if retry_after is None else {"retry-after": retry_after}))
    assert pace.silence_seconds == held
    if held:
        with pytest.raises(Held) as caught:
            await pace.turn()
        assert caught.value.retry_after == timedelta(seconds=held)
        assert caught.value.http_status == status
        clock.time += held
    assert pace.silence_seconds == 0.0
    pace.call()
    await pace.turn()


async def test_a_shorter_silence_does_not_end_a_longer_one() -> None:
    clock = ManualClock()
    pace = Pace(clock)
    pace.heard(Head(503, {"retry-after": "60"}))
    pace.heard(Head(429, {"retry-after": "1"}))
    clock.time += 59.0
    with pytest.raises(Held):
        pace.call()


async def test_a_read_that_waits_for_its_turn_is_held_too() -> None:
    clock = ManualClock()
    pace = Pace(clock, 1.0)
    await pace.turn()
    waiting = asyncio.ensure_future(pace.turn())
    await settle()
    pace.heard(Head(429, {"retry-after": "60"}))
    await clock.advance(1.0)
    with pytest.raises(Held):
        await waiting


TASK = f"urn:vcloud:task:{UUID}"


async def test_while_it_lasts_nothing_leaves_and_everybody_is_told_until_when(setup: Setup) -> None:
    setup.answer(reply(429, retry_after="60"))
    first = await setup.gateway.read_task(TASK, None)
    assert setup.gateway.silence_seconds == 60.0
    assert isinstance(first, Unavailable)
    asked = len(setup.reads.requests)
    setup.clock.time += 20.0
    for _ in range(100):
        for found in (
            await setup.gateway.read_task(TASK, None),
            await setup.gateway.query_tasks(TaskQuery(own_only=True)),
            await setup.gateway.read_entity("/vApp/vapp-1", None),
        ):
            assert isinstance(found, Unavailable)
            assert found.retry_after == timedelta(seconds=40)
        assert (
            await setup.gateway.cancel_task(TASK, "vb-1-1-cancel", leave_by=inf, may_leave=lambda: True)
            is CancelAnswer.UNAVAILABLE
        )
        call = await setup.call()
        assert isinstance(call, Limited)
        assert (call.code, call.retry_after) == ("HTTP_429", timedelta(seconds=40))
        assert "not sent" in call.message
    assert len(setup.reads.requests) == asked
    assert setup.calls.requests == []
    assert setup.log.events.count("vcd.asked_for_silence") == 1
    setup.clock.time += 40.0
    setup.answer(reply(200, NULL_FILLED))
    assert isinstance(await setup.gateway.read_task(TASK, None), TaskRead)


@pytest.mark.parametrize(
    "outcome",
    [reply(429, retry_after="60"), reply(503, retry_after="60"), fault(LOST, Head(429, {"retry-after": "60"}))],
)
async def test_a_call_that_is_limited_holds_reads_too(setup: Setup, outcome: Outcome) -> None:
    setup.answer(outcome)
    await setup.call()
    asked = len(setup.reads.requests)
    assert isinstance(await setup.gateway.read_task(TASK, None), Unavailable)
    assert len(setup.reads.requests) == asked


async def test_the_session_is_kept_meanwhile(setup: Setup) -> None:
    setup.answer(reply(429, retry_after="60"))
    await setup.gateway.read_task(TASK, None)
    setup.vcd.valid.clear()
    session = setup.gateway._sessions.current
    assert session is not None
    setup.gateway._sessions.suspect(session)
    await settle()
    assert len(setup.vcd.logins) == 2
    assert setup.gateway.session_ready
