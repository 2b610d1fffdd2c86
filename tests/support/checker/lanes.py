"""I5: requests for one entity, on one partition, start in input order and one at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from math import inf

from tests.support.checker.evidence import InputRecord, plain_id
from tests.support.checker.joined import Joined, code, seconds
from tests.support.checker.violation import Violation, disordered, lost

_MILLISECOND = 0.001
"""What is told has whole ones, the ledger has not: an end can seem to be told before the call that it came of."""

_PASSES = {"BUSY_ENTITY", "OPERATION_LIMITS_EXCEEDED", "HTTP_429"}
"""What VCD says that holds for now only. Whoever was told so for too long is told that, by another code."""


def what_passes_is_waited_for(joined: Joined) -> Iterator[Violation]:
    """No story ends because VCD had no time for it just then."""
    for birth in joined.stories:
        final = joined.final(birth)
        if final is not None and code(final) in _PASSES:
            yield lost(f"I5 {joined.name(birth)}: told {final['outcome']} for {code(final)}, which passes", birth)


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
    """Who came first is started first. (Nobody gives up a lane in which he has not been started.)"""
    overtaking: tuple[float, str] | None = None
    for birth in reversed(births):
        start = _first_start(joined, birth)
        if start is None:
            continue
        if overtaking is not None and overtaking[0] < start:
            second = overtaking[1]
            names = f"{_called(joined, second)} overtook {_called(joined, birth)}"
            yield disordered(f"I5 lane {lane}: {names}", second, birth)
        overtaking = min(overtaking or (start, birth), (start, birth))


def _called(joined: Joined, birth: str) -> str:
    calls = joined.calls.get(birth)
    return f"{joined.name(birth)} ({calls[0]})" if calls else joined.name(birth)


def _one_at_a_time(joined: Joined, lane: str, births: list[str]) -> Iterator[Violation]:
    held = sorted((since, until, birth) for birth in births for since, until in _holds(joined, birth))
    for (_, until, before), (since, _, after) in pairwise(held):
        if since >= until - joined.evidence.clock_seconds or _takes_its_place(joined, after, before, since):
            continue
        if before != after:
            began = f"{joined.name(after)} was started"
            yield disordered(
                f"I5 lane {lane}: {began} {until - since:.1f} s before {joined.name(before)} gave the lane up",
                after,
                before,
            )


def _takes_its_place(joined: Joined, earlier: str, later: str, at: float) -> bool:
    """A retry puts back who had given up his lane for being parked for long: he comes before those who came later and
    are not under way, be it that VCD has told them that the entity is busy."""
    in_order = joined.records[earlier].offset < joined.records[later].offset
    if not in_order or not any(back <= at for back in joined.retried_at(earlier)):
        return False
    written = [write for write in joined.states.get(later, ()) if write.at <= at]
    return bool(written) and written[-1].phase == "waiting"


def _starts(joined: Joined, birth: str) -> list[float]:
    """When its intents were written: not every call gets as far as VCD. A call without one counts by itself."""
    intents = [write.at for write in joined.states.get(birth, ()) if write.phase == "intent"]
    return sorted([*intents, *(call.at for call in joined.calls.get(birth, ()) if joined.intent(call) is None)])


def _first_start(joined: Joined, birth: str) -> float | None:
    """When it was first heard of, as an intent or as a call."""
    calls = joined.calls.get(birth)
    return min([*_starts(joined, birth)[:1], *([calls[0].at] if calls else [])], default=None)


def _holds(joined: Joined, birth: str) -> Iterator[tuple[float, float]]:
    """From a start until the lane is given up."""
    releases = _releases(joined, birth)
    until = -inf
    for start in _starts(joined, birth):
        if start >= until:
            until = min((moment for moment in releases if moment > start - _MILLISECOND), default=inf)
            yield start, until


def _releases(joined: Joined, birth: str) -> list[float]:
    """When its lane was free again: ended, followed though overdue, or parked for long."""
    story = joined.stories.get(birth, [])
    moments = [joined.told_at(event) for event in story if event["final"]]
    accepted = [joined.told_at(event) for event in story if event["change"] == "accepted"]
    overdue = [joined.told_at(event) for event in story if event["change"] == "overdue"]
    starts = _starts(joined, birth)
    for followed in accepted if overdue else ():
        moment = max(followed, overdue[0])
        # Called again since, it is not followed when it becomes overdue.
        if not any(followed < start <= moment for start in starts):
            moments.append(moment)
    resumed = joined.resumed_at(birth)
    for event in story:
        if event["change"] == "parked":
            parked = joined.told_at(event)
            # By the owner's clock, from when it decided that: earlier than it was told.
            since = min(parked, seconds(event)) - joined.evidence.host_clock_seconds
            moment = max(parked, since + joined.evidence.parked_lane_release_seconds)
            if not any(parked <= back < moment for back in resumed):
                moments.append(moment)
    return moments
