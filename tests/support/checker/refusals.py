"""I1 and I7: a partition whose offset or store contradicts itself is not taken."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from tests.support.checker.evidence import CursorWrite, StateWrite, Write, births_of, place_of
from tests.support.checker.joined import Joined
from tests.support.checker.violation import Violation, amiss, lost


def offsets_ahead_are_refused(joined: Joined) -> Iterator[Violation]:
    """While the group's offset is ahead of what the store says nothing is written and nothing called: work behind the
    cursor would be skipped."""
    for refusal in joined.evidence.refused:
        ahead = f"while its offset was ahead of the store, since {refusal.since:.1f}"
        for write in joined.evidence.writes:
            if write.place == refusal.place and refusal.since < write.true_at < refusal.until:
                text = f"I1 {write.topic}/{write.partition}: {write.writer} wrote offset {write.offset}"
                yield amiss(f"{text} {ahead}", *births_of(write))
        for birth, calls in joined.calls.items():
            for call in calls if place_of(birth) == refusal.place else ():
                if refusal.since + joined.evidence.travel_seconds < call.at < refusal.until and not call.delayed:
                    yield amiss(f"I1 {joined.name(birth)}: {call} was made {ahead}", birth)


def lost_stores_are_not_taken(joined: Joined) -> Iterator[Violation]:
    """Who had the partition goes on from what he knows. Nobody else takes it as long as the store lacks its cursor or a
    lifecycle that was open."""
    for place, at in joined.evidence.lost_stores.items():
        writes = [write for write in joined.evidence.writes if write.place == place]
        before = [write for write in writes if write.true_at < at]
        missing, has_cursor = _open(before), not before
        for write in writes[len(before) :]:
            if (missing or not has_cursor) and not _had_it(joined, write, at):
                lacks = f"{len(missing)} open lifecycles" if missing else "its cursor"
                text = f"I7 {place[0]}/{place[1]}: {write.writer} took a store that lacks {lacks}"
                yield lost(f"{text}, lost at {at:.1f}", *sorted(missing))
                break
            has_cursor = has_cursor or isinstance(write, CursorWrite)
            missing -= set(births_of(write)) if isinstance(write, StateWrite) else set()


def nothing_is_refused_without_cause(joined: Joined) -> Iterator[Violation]:
    """Who has a partition stops at it because somebody has moved its offset or taken its store, and for no other
    reason. Who stood still may have read a store that has had another owner since."""
    for stop in joined.evidence.stops:
        moved = any(one.place == stop.place and one.since <= stop.at <= one.until for one in joined.evidence.refused)
        missing = stop.at >= joined.evidence.lost_stores.get(stop.place, inf)
        if not moved and not missing and joined.had(stop.process, stop.place, stop.at):
            yield amiss(f"I1 {stop.topic}/{stop.partition}: {stop.process} stopped at {stop.at:.1f}: {stop.why}")


def _had_it(joined: Joined, write: Write, at: float) -> bool:
    """Whether the writer was given the partition before ``at``, for the tenure in which he writes. He may have read the
    store whole by then, though he had written nothing yet; when he has read it no outsider can see."""
    given = [
        tenure.since
        for tenure in joined.evidence.tenures
        if (tenure.place, tenure.process) == (write.place, write.writer) and tenure.since <= write.true_at
    ]
    return bool(given) and max(given) < at


def _open(writes: list[Write]) -> set[str]:
    """Births of the lifecycles that a restore would have found."""
    found: set[str] = set()
    for write in writes:
        if isinstance(write, StateWrite):
            (found.discard if write.phase is None else found.add)(write.birth)
    return found
