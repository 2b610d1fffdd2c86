"""I6: who calls and commits for a partition is who owns it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import inf

from tests.support.checker.evidence import LedgerCall, Place, StateWrite, Write, births_of, place_of
from tests.support.checker.joined import Joined
from tests.support.checker.violation import Violation, amiss


def calls_leave_within_their_lease(joined: Joined) -> Iterator[Violation]:
    """From the decision of the intent on a call has its lease to leave; later it is nobody's to make."""
    evidence = joined.evidence
    if evidence.lease_seconds is None:
        return
    longest = evidence.lease_seconds + evidence.travel_seconds + evidence.host_clock_seconds
    for birth, call, intent in _with_intents(joined):
        age = call.at - (intent.intent_at or intent.at)
        if age > longest and not call.delayed:
            late = f"{age:.1f} s after its intent, of {evidence.lease_seconds:g} s"
            yield amiss(f"I6 {joined.name(birth)}: {call} outlived its lease: it reached VCD {late}", birth)


def calls_are_made_by_owners(joined: Joined) -> Iterator[Violation]:
    """Who decided an intent makes its call, and nobody does once another process has committed for the partition."""
    successors = _successors(joined)
    margin = joined.evidence.travel_seconds + joined.evidence.clock_seconds
    for birth, call, intent in _with_intents(joined):
        if call.process is not None and call.process != intent.writer:
            text = f"I6 {joined.name(birth)}: {call} was made by {call.process}, its intent is {intent.writer}'s"
            yield amiss(text, birth)
        taken = successors[(intent.place, intent.offset)]
        # Who has not heard yet that it is out may still call within its lease.
        leave_by = intent.true_at + (joined.evidence.lease_seconds or 0.0)
        arrives_by = max(taken.at, leave_by) + margin if taken is not None else inf
        if taken is not None and call.at > arrives_by and not call.delayed:
            late = call.at - taken.at
            then = f"after {taken.writer} had committed for partition {intent.partition}"
            yield amiss(f"I6 {joined.name(birth)}: {call} of {intent.writer} reached VCD {late:.1f} s {then}", birth)


def nobody_writes_into_a_tenure(joined: Joined) -> Iterator[Violation]:
    """Once an owner has written for its partition, nothing of another becomes visible there until its time is over."""
    writes: dict[Place, list[Write]] = defaultdict(list)
    for write in joined.evidence.writes:
        writes[write.place].append(write)
    for tenure in joined.evidence.tenures:
        held = [write for write in writes[tenure.place] if tenure.since <= write.true_at < tenure.until]
        first = next((index for index, write in enumerate(held) if write.writer == tenure.process), len(held))
        for write in held[first:]:
            if write.writer != tenure.process:
                late = write.true_at - tenure.since
                where = f"into partition {tenure.partition}, {late:.1f} s after {tenure.process} was given it"
                yield amiss(f"I6 store offset {write.offset}: {write.writer} wrote {where}", *births_of(write))


def _successors(joined: Joined) -> dict[tuple[Place, int], Write | None]:
    """For each intent, by place and offset: the first write of another process behind it."""
    found: dict[tuple[Place, int], Write | None] = {}
    upcoming: dict[Place, list[Write]] = {}
    """Read from the end: the next write, and the next one of another writer than that."""
    for write in reversed(joined.evidence.writes):
        following = upcoming.get(write.place, [])
        found[(write.place, write.offset)] = next((one for one in following if one.writer != write.writer), None)
        upcoming[write.place] = [write, *(one for one in following if one.writer != write.writer)][:2]
    return found


def those_who_lost_a_partition_keep_quiet(joined: Joined) -> Iterator[Violation]:
    """From the callback on a process calls and commits nothing for the partition, until it is given it again."""
    travel = joined.evidence.travel_seconds
    for absence in joined.evidence.absences:
        where = f"{absence.process}, which had no partition {absence.partition} since {absence.since:.2f}"
        for births in (joined.calls, joined.cancels):
            for birth, calls in births.items():
                if place_of(birth) != absence.place:
                    continue
                for call in calls:
                    # What left before that is still on its way then.
                    away = call.process == absence.process and absence.since + travel < call.at < absence.until
                    if away and not call.delayed:
                        yield amiss(f"I6 {joined.name(birth)}: {call} at {call.at:.2f} by {where}", birth)
        for write in joined.evidence.writes:
            if (write.place, write.writer) == (absence.place, absence.process):
                if absence.since < write.at < absence.until:
                    yield amiss(
                        f"I6 store offset {write.offset} written at {write.at:.2f} by {where}", *births_of(write)
                    )


def _with_intents(joined: Joined) -> Iterator[tuple[str, LedgerCall, StateWrite]]:
    for birth, calls in joined.calls.items():
        for call in calls:
            intent = joined.intent(call)
            if intent is not None:
                yield birth, call, intent
