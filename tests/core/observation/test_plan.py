"""What a look of the observation costs: few requests, however the Tasks lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.observation.plan import GROUP, PAGE, pages, plan

BUDGET = 20.0
FRESHNESS_SECONDS = 5.0
ENDED = 300
"""Tasks in the window of those that ended lately."""


def spread(tasks: int, organizations: int, seed: int, skew: float) -> Counter[str]:
    """Tasks over organizations: evenly (``skew`` 0) to nearly all in few."""
    weights = [(number + 1) ** -skew for number in range(organizations)]
    names = [f"org-{number:03d}" for number in range(organizations)]
    counted = Counter(dict.fromkeys(names, 0))
    counted.update(Random(seed).choices(names, weights, k=tasks))
    return counted


def naive(active: Mapping[str, int], ended: Mapping[str, int]) -> int:
    """What it costs to ask for each organization by itself: once for what is active, once for what has ended."""
    return sum(pages(active[one]) + pages(ended.get(one, 0)) for one in active)


distributions = st.tuples(st.integers(0, 10_000), st.floats(0.0, 6.0))
elsewhere = st.none() | st.integers(0, 1_000_000)
"""Tasks of organizations that nobody observes; None: not known."""


@settings(deadline=None, max_examples=50, derandomize=True, database=None)
@given(distributions, distributions, elsewhere)
def test_a_hundred_organizations_with_ten_thousand_tasks_stay_within_the_budget(
    active: tuple[int, float], ended: tuple[int, float], others: int | None
) -> None:
    rows = spread(10_000, 100, *active) + spread(ENDED, 100, *ended)
    whole = None if others is None else rows.total() + others
    look = plan([f"org-{number:03d}" for number in range(100)], rows, everything=False, whole=whole)
    assert look.pages / FRESHNESS_SECONDS <= BUDGET


@settings(deadline=None, max_examples=50, derandomize=True, database=None)
@given(distributions, elsewhere, st.integers(1, 300), st.integers(0, 20_000))
def test_it_is_never_dearer_than_to_ask_for_each_by_itself(
    drawn: tuple[int, float], others: int | None, organizations: int, tasks: int
) -> None:
    active = spread(tasks, organizations, *drawn)
    ended = spread(tasks // 10, organizations, *drawn)
    rows = active + ended
    whole = None if others is None else rows.total() + others
    look = plan(active, rows, everything=False, whole=whole)
    assert look.pages <= naive(active, ended)
    covered = [one for group in look.filters for one in group]
    assert look.is_whole or covered == sorted(active), "each is asked for once"
    assert all(len(group) <= GROUP for group in look.filters)


def test_the_whole_system_is_read_where_that_is_less() -> None:
    few = {f"org-{number}": 1 for number in range(100)}
    assert plan(few, few, everything=False, whole=150).is_whole
    assert plan(few, few, everything=False, whole=150).pages == 3
    assert plan(few, few, everything=False, whole=100_000).pages == 5
    assert plan(few, few, everything=False, whole=None).pages == 5, "what is not known is not hoped for"


def test_who_observes_everything_asks_for_everything() -> None:
    look = plan(["a"], {"a": 5}, everything=True, whole=None)
    assert (look.filters, look.pages) == (((),), 1)


@pytest.mark.parametrize(("rows", "expected"), [(0, 1), (1, 1), (115, 1), (116, 3), (10_000, 88)])
def test_pages_of_rows_some_of_which_are_read_twice(rows: int, expected: int) -> None:
    assert pages(rows) == expected
    assert pages(rows) * PAGE >= rows
