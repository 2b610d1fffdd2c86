"""The circuit breaker: when it opens, who tries VCD, and how it closes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.engine.calling.breaker import Breaker, BreakerState

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def breaker(failures: int = 3) -> Breaker:
    return Breaker(failures=failures, shortest=2.0, longest=10.0)


def fail(one: Breaker, times: int) -> None:
    for _ in range(times):
        one.failed("no_answer")


def test_failures_in_a_row_open_it_and_one_answer_between_does_not() -> None:
    one = breaker(3)
    fail(one, 2)
    one.answered()
    fail(one, 2)
    assert one.state is CLOSED
    fail(one, 1)
    assert one.state is OPEN
    assert not one.lets_out(out=0)


def test_a_read_lets_one_call_out_and_its_answer_all() -> None:
    one = breaker()
    fail(one, 3)
    one.tried(answered=True)
    assert one.state is HALF_OPEN
    assert one.lets_out(out=0)
    assert not one.lets_out(out=1)
    one.answered()
    assert one.state is CLOSED
    assert one.lets_out(out=40)


def test_the_pause_grows_with_all_that_is_not_answered_and_begins_small_again() -> None:
    one = breaker()
    fail(one, 3)
    pauses = [one.pause_seconds]
    for _ in range(2):
        one.tried(answered=False)
        pauses.append(one.pause_seconds)
    one.tried(answered=True)
    one.failed("no_answer")
    pauses.append(one.pause_seconds)
    assert pauses == [2.0, 4.0, 8.0, 10.0]
    one.answered()
    fail(one, 3)
    assert one.pause_seconds == 2.0


def test_calls_that_are_answered_and_failed_at_are_tried_at_the_shortest_pause() -> None:
    one = breaker()
    fail(one, 3)
    one.tried(answered=False)
    for _ in range(5):
        one.tried(answered=True)
        one.failed("HTTP_503", answered=True)
        assert (one.state, one.pause_seconds) == (OPEN, 2.0)


def test_calls_that_were_out_when_it_opened_do_not_lengthen_the_pause_and_one_answer_among_them_closes_it() -> None:
    one = breaker(8)
    fail(one, 64)
    assert (one.state, one.pause_seconds) == (OPEN, 2.0)
    one.answered()
    assert one.state is CLOSED


def test_a_read_that_comes_late_opens_nothing() -> None:
    one = breaker()
    one.tried(answered=True)
    one.tried(answered=False)
    assert (one.state, one.pause_seconds) == (CLOSED, 2.0)


def test_each_change_is_told_once_with_what_brought_it_about() -> None:
    one, told = breaker(2), []
    one.tell = lambda state, reason: told.append((state, reason))
    fail(one, 4)
    one.tried(answered=False)
    one.tried(answered=True)
    one.failed("HTTP_503")
    one.tried(answered=True)
    one.answered()
    one.answered()
    assert told == [
        (OPEN, "2 calls in a row failed, the last: no_answer"),
        (HALF_OPEN, "VCD answered a read"),
        (OPEN, "the call that tried failed: HTTP_503"),
        (HALF_OPEN, "VCD answered a read"),
        (CLOSED, "VCD answered a call"),
    ]


STEPS: dict[str, Callable[[Breaker], None]] = {
    "answered": lambda one: one.answered(),
    "failed": lambda one: one.failed("x"),
    "failed at": lambda one: one.failed("x", answered=True),
    "read": lambda one: one.tried(answered=True),
    "no read": lambda one: one.tried(answered=False),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=60))
def test_whatever_happens_a_read_and_an_answer_close_it(steps: list[str]) -> None:
    one = breaker()
    for step in steps:
        STEPS[step](one)
        assert 2.0 <= one.pause_seconds <= 10.0
    one.tried(answered=True)
    assert one.lets_out(out=0)
    one.answered()
    assert one.state is CLOSED


@pytest.mark.parametrize("state", [CLOSED, HALF_OPEN])
def test_it_never_opens_by_reads(state: BreakerState) -> None:
    one = breaker()
    if state is HALF_OPEN:
        fail(one, 3)
        one.tried(answered=True)
    one.tried(answered=False)
    assert one.state is state
