"""The limit that finds out how many calls VCD takes at once."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.engine.calling.call_limit import SHRINKS_TO, SLOWER_SECONDS, SLOWER_TIMES, CallLimit

FLOOR_SECONDS = 0.1
TIME_OUT_SECONDS = 10.0


def used_up(limit: CallLimit, rounds: int, *, seconds: float = FLOOR_SECONDS, now: float = 0.0) -> float:
    """So many rounds of answers, each as large as the limit. Returns the time after them."""
    for _ in range(rounds):
        for _ in range(limit.value):
            limit.answered("deployVApp", began=now, now=now + seconds, in_use=limit.value)
        now += seconds
    return now


def test_it_begins_with_all_that_the_settings_allow() -> None:
    assert CallLimit(32).value == 32


def test_a_round_without_an_answer_is_one_sign_however_many_were_out() -> None:
    limit = CallLimit(40)
    for _ in range(40):
        limit.overloaded(began=0.0, now=30.0)
    assert limit.value == int(40 * SHRINKS_TO)
    limit.overloaded(began=30.0, now=60.0)  # it left after the last time, and shows that it is still too much
    assert limit.value == int(40 * SHRINKS_TO * SHRINKS_TO)


def test_it_grows_by_one_a_round() -> None:
    limit = CallLimit(32)
    now = 0.0
    while limit.value > 4:
        limit.overloaded(began=now, now=now)
    before = limit.value
    used_up(limit, 6, now=1.0)
    assert limit.value == pytest.approx(before + 6, abs=1)


def test_what_is_not_used_does_not_grow() -> None:
    limit = CallLimit(32)
    limit.overloaded(began=0.0, now=0.0)
    before = limit.value
    for number in range(1000):
        limit.answered("deployVApp", began=number, now=number + FLOOR_SECONDS, in_use=before // 2 - 1)
    assert limit.value == before


def test_answers_that_take_clearly_longer_shrink_it_and_a_slow_one_among_quick_ones_does_not() -> None:
    limit = CallLimit(32)
    now = used_up(limit, 10)
    clearly = SLOWER_TIMES * FLOOR_SECONDS + SLOWER_SECONDS
    limit.answered("deployVApp", began=now, now=now + 3 * clearly, in_use=32)
    assert limit.value == 32
    used_up(limit, 3, seconds=3 * clearly, now=now + 10)
    assert limit.value < 32


def test_an_operation_that_always_takes_long_is_not_slow() -> None:
    limit = CallLimit(32)
    for number in range(200):
        operation, seconds = (("composeVApp", 8.0), ("powerOnVApp", 0.05))[number % 2]
        limit.answered(operation, began=number, now=number + seconds, in_use=32)
    assert limit.value == 32


def test_a_vcd_that_has_become_slower_for_good_is_believed_in_the_end() -> None:
    limit = CallLimit(16)
    now = used_up(limit, 5)
    now = used_up(limit, 30, seconds=2.0, now=now)
    assert limit.value < 16
    used_up(limit, 300, seconds=2.0, now=now)
    assert limit.value == 16


@dataclass
class Event:
    """What can happen to a call, and how long it took."""

    seconds: float
    answered: bool
    in_use: int


EVENTS = st.lists(
    st.builds(Event, st.floats(0.0, 100.0), st.booleans(), st.integers(1, 200)), min_size=1, max_size=200
)  # fmt: skip


@given(st.integers(1, 100), st.integers(1, 100), EVENTS)
def test_it_stays_between_its_ends_and_no_failure_raises_it(most: int, least: int, events: list[Event]) -> None:
    limit, now = CallLimit(most, least=least), 0.0
    for event in events:
        now += event.seconds / 2
        before = limit.value
        if event.answered:
            limit.answered("any", began=max(0.0, now - event.seconds), now=now, in_use=event.in_use)
            assert limit.value <= before + 1
        else:
            limit.overloaded(began=max(0.0, now - event.seconds), now=now)
            assert limit.value <= before
        assert min(least, most) <= limit.value <= most


@given(st.lists(st.floats(0.0, 0.2), min_size=1, max_size=500), st.integers(1, 64))
def test_answers_about_as_quick_as_ever_never_lower_it(seconds: list[float], most: int) -> None:
    limit = CallLimit(most)
    for number, one in enumerate(seconds):
        limit.answered("any", began=number, now=number + one, in_use=most)
    assert limit.value == most


@settings(deadline=None)
@given(st.integers(5, 40), st.integers(41, 64))
def test_it_settles_where_vcd_is_at_its_most(capacity: int, most: int) -> None:
    """A VCD with so many workers: more calls than that wait for one, and whoever waits too long gets no answer."""
    limit, now = CallLimit(most), 0.0
    workers = [0.0] * capacity
    out: list[tuple[float, float]] = []
    seen: list[int] = []
    for _ in range(6000):
        while len(out) < limit.value:
            free = heapq.heappop(workers)
            ends = max(free, now) + FLOOR_SECONDS
            heapq.heappush(workers, ends)
            heapq.heappush(out, (min(ends, now + TIME_OUT_SECONDS), now))
        in_use = len(out)
        now, began = heapq.heappop(out)
        if now - began >= TIME_OUT_SECONDS:
            limit.overloaded(began=began, now=now)
        else:
            limit.answered("any", began=began, now=now, in_use=in_use)
        seen.append(limit.value)
    late = seen[-2000:]
    allowed = capacity * (SLOWER_TIMES + SLOWER_SECONDS / FLOOR_SECONDS)
    assert SHRINKS_TO * capacity <= sum(late) / len(late) <= allowed
    assert max(late) <= allowed / SHRINKS_TO
