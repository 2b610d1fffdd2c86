"""I10: each Task of an observed organization is told whole and once, from a moment to a moment.

By committed records alone: an observation goes on from the first state in which it is followed to the one in which it
stops. Times are VCD's where they are positions or ends of Tasks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from tests.support.checker.evidence import (
    InputRecord,
    ObservationRecord,
    Order,
    StateWrite,
    VcdTask,
    place_of,
)
from tests.support.checker.joined import Joined, code
from tests.support.checker.violation import Violation, amiss, disordered, doubled, lost

_REFUSALS = {"unknown_organization", "not_observed", "since_earlier", "too_many_observations"}
_MILLISECONDS = 0.002
"""Events tell ends in whole milliseconds."""
PRESENT_SECONDS = 40.0
"""How far a position may be behind while nothing holds it up: it is not written for its own sake each time."""


@dataclass(slots=True)
class Observed:
    """One observation. ``births``: of what it has seen, by Task, in the order of their first sight."""

    birth: str
    writes: list[StateWrite]
    births: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def followed(self) -> list[tuple[StateWrite, Order]]:
        return [(write, write.order) for write in self.writes if write.order is not None]

    @property
    def stopped_at(self) -> float:
        return next((write.at for write in self.writes if write.phase in {"stopping", None}), inf)

    def covers(self, task: VcdTask) -> bool:
        organization = self.followed[0][1].organization
        return organization is None or organization == task.organization


def observations(joined: Joined) -> list[Observed]:
    """All that were followed."""
    found = {
        birth: Observed(birth, writes)
        for birth, writes in joined.states.items()
        if any(write.order is not None for write in writes)
    }
    by_age = sorted(joined.sightings.items(), key=lambda one: joined.states[one[0]][0].offset)
    for birth, sighting in by_age:
        if sighting.order in found:
            found[sighting.order].births[sighting.task_id].append(birth)
    return list(found.values())


# --- records ----------------------------------------------------------------------------------------------------------


def observation_is_accounted_for(joined: Joined, record: ObservationRecord) -> Iterator[Violation]:
    """It begins an observation, changes or stops the one there is, repeats what that does, or is refused."""
    name, story = joined.name(record.birth), joined.stories.get(record.birth, [])
    if joined.opened(record.birth):
        yield from _observation(joined, record)
    elif story:
        is_stopped = record.opens and _was_stopped_at_once(joined, record.birth)
        if not is_stopped and (len(story) != 1 or code(story[0]) not in _REFUSALS):
            yield amiss(f"I1 {name}: told {[event['change'] for event in story]} without an observation", record.birth)
    elif record.is_tombstone:
        return
    elif not _standing_at(joined, record, -joined.evidence.clock_seconds):
        yield lost(f"I1 {name}: there was no observation that it could be about, and nobody was told", record.birth)


def _observation(joined: Joined, record: ObservationRecord) -> Iterator[Violation]:
    name, birth = joined.name(record.birth), record.birth
    standing, final = joined.standing(birth), joined.final(birth)
    before = _standing_at(joined, record, joined.evidence.clock_seconds)
    if before:
        yield doubled(f"I3 {name}: begun while {before[0]} goes on", birth, before[0])
    if final is not None and standing is not None:
        yield amiss(f"I1 {name}: ended {final['outcome']}, but the store still observes, {standing.phase}", birth)
    elif standing is None and final is None:
        yield lost(f"I1 {name}: nothing observes any more, and no end was told", birth)
    if standing is not None and not joined.may_wait(record.place):
        if standing.phase != "following":
            yield lost(f"I1 {name}: still {standing.phase} though nothing holds it up", birth)
        elif (stop := _stop_of(joined, record)) is not None:
            yield lost(f"I1 {name}: goes on though {joined.name(stop.birth)} stops it", birth, stop.birth)


def _standing_at(joined: Joined, record: InputRecord, later: float) -> list[str]:
    """Observations of its organization that were there ``later`` seconds after it was taken."""
    at = (joined.taken_at(record) or 0.0) + later
    earlier = (one.birth for one in joined.openers(record.place, record.name) if one.offset < record.offset)
    observing = (birth for birth in earlier if joined.opened(birth) or _was_stopped_at_once(joined, birth))
    return [birth for birth in observing if (joined.over_at(birth) or inf) > at]


def _was_stopped_at_once(joined: Joined, birth: str) -> bool:
    """In the very step that took its record: the store has never seen it."""
    story = joined.stories.get(birth, [])
    return len(story) == 1 and code(story[0]) == "observation_stopped"


def _stop_of(joined: Joined, record: InputRecord) -> InputRecord | None:
    """The first record behind it that stops it, and has been read."""
    for one in joined.evidence.inputs:
        if isinstance(one, ObservationRecord) and (one.place, one.name) == (record.place, record.name):
            stops = one.readable and one.kind == "stop" and one.offset > record.offset
            if stops and joined.taken_at(one) is not None and not joined.was_never_read(one):
                return one
    return None


# --- what is told -----------------------------------------------------------------------------------------------------


def observed_tasks_are_told_once(joined: Joined) -> Iterator[Violation]:
    """An observation tells a Task in one story. Only of one that VCD did not show for a while a second one may begin,
    behind the word that it has vanished."""
    for observed in observations(joined):
        for births in observed.births.values():
            tasks = [birth for birth in births if not joined.sightings[birth].is_blocking]
            for former, birth in pairwise(tasks):
                final = joined.final(former)
                if final is None or code(final) != "task_vanished":
                    told = "unfinished" if final is None else f"ended {final['outcome']}"
                    yield doubled(f"I10 {joined.name(birth)}: told anew, {former} had told it as {told}", birth, former)
    for birth, sighting in joined.sightings.items():
        others = [task_id for task_id in joined.tasks_told(birth) if task_id != sighting.task_id]
        if others:
            yield amiss(f"I10 {joined.name(birth)}: tells {', '.join(others)}", birth)


def it_begins_when_it_was_asked_for(joined: Joined) -> Iterator[Violation]:
    """Or before, as its record says: what ends while VCD cannot be asked whose it is belongs to it."""
    apart = joined.evidence.clock_seconds + joined.evidence.host_clock_seconds
    for observed in observations(joined):
        late = observed.followed[0][1].floor - observed.writes[0].at
        if late > apart:
            name = joined.name(observed.birth)
            yield lost(f"I10 {name}: begins {late:.1f} s after its record was taken in", observed.birth)


def what_is_told_is_so(joined: Joined) -> Iterator[Violation]:
    """Of the organization's own Tasks, with their true ends; none that was over before the observed time."""
    for observed in observations(joined):
        since = observed.followed[0][1].floor
        for task_id, births in observed.births.items():
            known = joined.task(task_id)
            for birth in births if known is not None else ():
                assert known is not None
                name, story = joined.name(birth), joined.stories.get(birth, [])
                if not observed.covers(known):
                    yield amiss(
                        f"I10 {name}: is of {known.organization}, which {observed.birth} does not observe", birth
                    )
                was_over = bool(story) and story[0]["final"]
                if was_over and known.ended is not None and known.ended < since - _MILLISECONDS:
                    yield amiss(f"I10 {name}: ended {since - known.ended:.1f} s before what was asked for", birth)
                yield from _end_is_true(joined, birth, known)


def _end_is_true(joined: Joined, birth: str, known: VcdTask) -> Iterator[Violation]:
    final, name = joined.final(birth), joined.name(birth)
    if final is None:
        return
    if code(final) == "task_vanished":
        at = joined.told_at(final)
        if not any(since <= at and until >= at - PRESENT_SECONDS for since, until in known.hidden):
            yield amiss(f"I10 {name}: told that it has vanished, but VCD shows it as {known.status}", birth)
        return
    told = (final.get("task") or {}).get("endTime")
    if known.ended is None:
        yield amiss(f"I10 {name}: told {final['outcome']}, but it runs", birth)
    elif told is not None and abs(told / 1000 - known.ended) > _MILLISECONDS:
        yield amiss(f"I10 {name}: told to have ended {told / 1000 - known.ended:+.3f} s off its true end", birth)


def nothing_is_left_out(joined: Joined) -> Iterator[Violation]:
    """Each Task that ended in the observed time, and that VCD's lists have shown since, is told with its end."""
    late = joined.evidence.lists_late_seconds
    for observed in observations(joined):
        place, name = place_of(observed.birth), joined.name(observed.birth)
        since, upto = observed.followed[0][1].floor, observed.followed[-1][1].position
        goes_on = observed.writes[-1].phase == "following" and not joined.may_wait(place)
        for task_id, task in joined.evidence.tasks.items():
            if not observed.covers(task) or task.hidden or task.began is None:
                continue
            births = observed.births.get(task_id, [])
            is_ended = any(joined.final(birth) is not None for birth in births)
            if task.ended is not None and since + _MILLISECONDS < task.ended < upto - late and not is_ended:
                told = "its end is not told" if births else "it is not told"
                yield lost(
                    f"I10 {name}: {task_id} ended {upto - task.ended:.1f} s before its last position, {told}",
                    observed.birth, *births,
                )  # fmt: skip
            elif goes_on and task.ended is None and task.began < upto - PRESENT_SECONDS and not births:
                yield lost(
                    f"I10 {name}: {task_id} runs since {upto - task.began:.1f} s, and is not told", observed.birth
                )


def stories_keep_within_their_observation(joined: Joined) -> Iterator[Violation]:
    """Nothing is told before an observation is accepted, nothing when it has stopped; then nothing of it is left."""
    for observed in observations(joined):
        accepted = min((joined.told_at(one) for one in joined.stories.get(observed.birth, ())), default=inf)
        final = joined.final(observed.birth)
        ended = joined.told_at(final) if final is not None else inf
        for births in observed.births.values():
            for birth in births:
                yield from _told_within(joined, birth, accepted, observed.stopped_at, ended)
                last = joined.states[birth][-1]
                if observed.writes[-1].phase is None and not _is_gone_by(last, observed.writes[-1]):
                    left = f"left in the store, {last.phase or 'forgotten'} behind the end of {observed.birth}"
                    yield lost(f"I7 {joined.name(birth)}: {left}", birth, observed.birth)
    for birth, sighting in joined.sightings.items():
        if not any(write.order is not None for write in joined.states.get(sighting.order, ())):
            yield amiss(f"I10 {joined.name(birth)}: seen by {sighting.order}, which was never followed", birth)


def _told_within(joined: Joined, birth: str, accepted: float, stopped: float, ended: float) -> Iterator[Violation]:
    for event in joined.stories.get(birth, ()):
        at, name = joined.told_at(event), f"{joined.name(birth)}#{event['sequence']}"
        if at < accepted:
            yield disordered(f"I10 {name}: told {accepted - at:.3f} s before its observation was accepted", birth)
        elif at > ended:
            yield disordered(f"I10 {name}: told {at - ended:.3f} s after its observation had ended", birth)
        elif at > stopped + joined.evidence.clock_seconds:
            yield disordered(f"I10 {name}: told {at - stopped:.3f} s after its observation was stopped", birth)


def _is_gone_by(last: StateWrite, end: StateWrite) -> bool:
    """Both are tombstones, in the order in which they were written, or of one step."""
    in_order = last.offset < end.offset or (last.transaction is not None and last.transaction == end.transaction)
    return last.phase is None and in_order


# --- how far it has come ----------------------------------------------------------------------------------------------


def observations_are_up_to_date(joined: Joined) -> Iterator[Violation]:
    """Positions only advance, the floor behind them; and when nothing holds them up they have reached the present."""
    now = joined.evidence.judged_at
    for observed in observations(joined):
        name = joined.name(observed.birth)
        for (_, before), (write, after) in pairwise(observed.followed):
            if after.position < before.position or after.floor < before.floor:
                back = f"from {before.position:.3f} back to {after.position:.3f} (floor {after.floor:.3f})"
                yield disordered(f"I7 {name}: offset {write.offset} of {write.writer} moves it {back}", observed.birth)
            if after.floor > after.position:
                yield amiss(f"I7 {name}: offset {write.offset} has its floor above its position", observed.birth)
        is_followed = observed.writes[-1].phase == "following" and not joined.may_wait(place_of(observed.birth))
        behind = now - observed.followed[-1][1].position if now is not None else 0.0
        if is_followed and behind > PRESENT_SECONDS:
            yield lost(f"I10 {name}: its position is {behind:.1f} s behind the present", observed.birth)


def nothing_is_kept_too_long(joined: Joined) -> Iterator[Violation]:
    """I8: of a Task whose end no window shows again nothing is kept."""
    now = joined.evidence.judged_at
    for observed in observations(joined):
        if now is None or joined.may_wait(place_of(observed.birth)):
            continue
        floor = max((order.floor for write, order in observed.followed if write.at < now - PRESENT_SECONDS), default=0)
        for births in observed.births.values():
            for birth in births:
                standing = joined.standing(birth)
                ended = standing.sighting.ended_at if standing is not None and standing.sighting is not None else None
                if ended is not None and ended < floor:
                    text = f"kept though it ended {floor - ended:.1f} s before what windows show"
                    yield amiss(f"I8 {joined.name(birth)}: {text}", birth)
