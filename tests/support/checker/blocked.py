"""I10 for blocking tasks: who wants to hear of them hears of each that waits, and truly how it was decided."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf

from tests.support.checker.evidence import TIMED_OUT, Blocked, place_of
from tests.support.checker.joined import Joined
from tests.support.checker.observed import PRESENT_SECONDS, Observed, observations
from tests.support.checker.violation import Violation, amiss, doubled, lost

_LOOKS_LIKE = {"resume": {"resumed", "failed"}, "abort": {"aborted"}, "fail": {"failed"}}
"""A Task that fails as soon as it is resumed cannot be told from one that somebody has let fail."""
_AS = {"resume": "resumed", "abort": "aborted", "fail": "failed"}
_CLOCKS_APART_SECONDS = 3.0
"""Of VCD's cells, and by whole seconds."""


def blocking_tasks_are_told_truly(joined: Joined) -> Iterator[Violation]:
    for observed in observations(joined):
        is_wanted = any(order.blocking for _, order in observed.followed)
        for urn, births in observed.births.items():
            ends = [
                birth for birth in births if joined.sightings[birth].is_blocking and joined.final(birth) is not None
            ]
            for former, birth in pairwise(birth for birth in births if joined.sightings[birth].is_blocking):
                if joined.final(former) is None and not _was_unwanted_between(joined, observed, former, birth):
                    yield doubled(f"I10 {joined.name(birth)}: told anew, though {former} is not over", birth, former)
            if len(ends) > 1:
                yield doubled(f"I10 {joined.name(ends[1])}: its end is told {len(ends)} times", *ends)
            known = joined.evidence.blocked.get(urn)
            for birth in births if known is not None else ():
                assert known is not None
                yield from _is_true(joined, observed, birth, known)
                if not is_wanted:
                    yield amiss(f"I10 {joined.name(birth)}: nobody wants to hear of blocking tasks", birth)


def _was_unwanted_between(joined: Joined, observed: Observed, former: str, birth: str) -> bool:
    """Then what waits is forgotten without an end."""
    since, until = (joined.states[one][0].offset for one in (former, birth))
    return any(not order.blocking and since < write.offset < until for write, order in observed.followed)


def _is_true(joined: Joined, observed: Observed, birth: str, known: Blocked) -> Iterator[Violation]:
    name, final = joined.name(birth), joined.final(birth)
    if observed.followed[0][1].organization not in {None, known.organization}:
        yield amiss(f"I10 {name}: waits in {known.organization}, which {observed.birth} does not observe", birth)
    if final is None:
        return
    if known.decided is None:
        yield amiss(f"I10 {name}: told {final['blocking_state']}, but it waits", birth)
    elif final["blocking_state"] not in _looks_like(known, joined.told_at(final)):
        truth = "its time ran out" if known.decided == TIMED_OUT else f"somebody decided {known.decided}"
        yield amiss(f"I10 {name}: told {final['blocking_state']}, but {truth}", birth)


def _looks_like(known: Blocked, told_at: float) -> set[str]:
    """Whatever VCD does when the time is up, somebody may have done before it, unseen."""
    assert known.decided is not None
    by_time = _AS.get(known.timeout_action or "")
    if known.decided == TIMED_OUT:
        return {"timed_out", "failed"} if by_time == "resumed" else {"timed_out"}
    states = _LOOKS_LIKE[known.decided]
    is_up = known.timeout is not None and told_at > known.timeout - _CLOCKS_APART_SECONDS
    return states | {"timed_out"} if is_up and by_time in states else states


def no_blocking_task_is_left_out(joined: Joined) -> Iterator[Violation]:
    """When nothing holds it up: what waits is told, and what was decided is told as that."""
    now = joined.evidence.judged_at
    for observed in observations(joined):
        goes_on = observed.writes[-1].phase == "following" and not joined.may_wait(place_of(observed.birth))
        if now is None or not goes_on:
            continue
        long_ago = now - PRESENT_SECONDS
        for urn, blocked in joined.evidence.blocked.items():
            told = observed.births.get(urn, [])
            waits = blocked.until is None and max(blocked.since, _wanted_since(observed)) < long_ago
            if waits and observed.followed[0][1].organization in {None, blocked.organization} and not told:
                text = f"{urn} waits since {now - blocked.since:.1f} s, and is not told"
                yield lost(f"I10 {joined.name(observed.birth)}: {text}", observed.birth)
            for birth in told:
                decided = blocked.until is not None and blocked.until < long_ago
                if decided and joined.final(birth) is None and joined.standing(birth) is not None:
                    yield lost(f"I10 {joined.name(birth)}: was decided long ago, and is told to wait", birth)


def _wanted_since(observed: Observed) -> float:
    """Since when without a break; never: infinity."""
    since = inf
    for write, order in observed.followed:
        since = min(since, write.at) if order.blocking else inf
    return since
