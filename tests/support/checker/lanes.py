"""I5: requests for one entity, on one partition, start in input order and one at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise
from math import inf

from tests.support.checker.evidence import InputRecord, plain_id
from tests.support.checker.joined import Joined, seconds
from tests.support.checker.violation import Violation, disordered


def lanes_hold(joined: Joined) -> Iterator[Violation]:
    lanes: dict[str, list[str]] = defaultdict(list)
    for record in joined.evidence.inputs:
        lane = lane_of(joined, record)
        if lane is not None and record.opens and joined.opened(record.birth):
            lanes[lane].append(record.birth)
    for lane, births in lanes.items():
        yield from _in_order(joined, lane, births)
        yield from _one_at_a_time(joined, lane, births)


def lane_of(joined: Joined, record: InputRecord) -> str | None:
    """Partition and entity; None for what makes a new one. All views and spellings of an entity are one lane."""
    template = joined.facts(record.birth).entity
    parameters = (record.document or {}).get("parameters")
    if template is None or not isinstance(parameters, dict):
        return None
    try:
        path = template.format_map({name: plain_id(str(value)) for name, value in parameters.items()})
    except KeyError:
        return None
    for view in ("/admin/extension/", "/admin/"):
        if path.startswith(view):
            path = "/" + path.removeprefix(view)
    return f"{record.topic}/{record.partition}:{path}"


def _in_order(joined: Joined, lane: str, births: list[str]) -> Iterator[Violation]:
    """Who came first is called first, unless it had given the lane up by then."""
    for first, second in combinations(births, 2):
        calls, later_calls = joined.calls.get(first), joined.calls.get(second)
        if not calls or not later_calls or calls[0].at <= later_calls[0].at:
            continue
        released = any(moment <= later_calls[0].at for moment in _releases(joined, first))
        if not released:
            yield disordered(
                f"I5 lane {lane}: {joined.name(second)} ({later_calls[0]}) overtook {joined.name(first)} ({calls[0]})",
                second,
                first,
            )


def _one_at_a_time(joined: Joined, lane: str, births: list[str]) -> Iterator[Violation]:
    held = sorted((since, until, birth) for birth in births for since, until in _holds(joined, birth))
    for (_, until, before), (since, _, after) in pairwise(held):
        if before != after and since < until - joined.evidence.clock_seconds:
            began = f"{joined.name(after)} was called"
            yield disordered(
                f"I5 lane {lane}: {began} {until - since:.1f} s before {joined.name(before)} gave the lane up",
                after,
                before,
            )


def _holds(joined: Joined, birth: str) -> Iterator[tuple[float, float]]:
    """From a call until the lane is given up."""
    releases = _releases(joined, birth)
    until = -inf
    for call in joined.calls.get(birth, ()):
        if call.at >= until:
            until = min((moment for moment in releases if moment > call.at), default=inf)
            yield call.at, until


def _releases(joined: Joined, birth: str) -> list[float]:
    """When its lane was free again: ended, followed though overdue, or parked for long."""
    story = joined.stories.get(birth, [])
    moments = [seconds(event) for event in story if event["final"]]
    accepted = [seconds(event) for event in story if event["change"] == "accepted"]
    overdue = [seconds(event) for event in story if event["change"] == "overdue"]
    if accepted and overdue:
        moments.append(max(accepted[-1], overdue[0]))
    resumed = joined.resumed_at(birth)
    for event in story:
        if event["change"] == "parked":
            moment = seconds(event) + joined.evidence.parked_lane_release_seconds
            if not any(seconds(event) <= back < moment for back in resumed):
                moments.append(moment)
    return moments
