"""I1 for records about another's lifecycle: each takes effect on it, waits for it, or is rejected."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.checker.evidence import ExternalRecord, InputRecord, StateWrite, place_of
from tests.support.checker.joined import Joined, code, seconds
from tests.support.checker.store import may_be_full
from tests.support.checker.violation import Violation, amiss, disordered, lost

_CANCELED = {"canceled_before_start", "canceled_while_parked"}
_NOBODY = {"unknown_request", "unknown_external_key"}


def control_is_accounted_for(joined: Joined, record: InputRecord) -> Iterator[Violation]:
    name = joined.name(record.birth)
    story = joined.stories.get(record.birth, [])
    standing = joined.standing(record.birth)
    if joined.calls.get(record.birth):
        yield amiss(f"I2 {name}: a {record.kind} record was called as if it were a request", record.birth)
    if standing is not None:
        if story:
            yield amiss(f"I1 {name}: answered, but still waiting for its target", record.birth)
        elif not joined.may_wait(record.place):
            yield lost(f"I1 {name}: still {standing.phase} though everything should have ended", record.birth)
    elif story:
        if len(story) != 1 or story[0]["outcome"] != "rejected":
            yield amiss(f"I1 {name}: told more than a rejection: {[event['change'] for event in story]}", record.birth)
        yield from _is_rightly_refused(joined, record, code(story[0]))
    elif not (isinstance(record, ExternalRecord) and repeats_a_command(joined, record)):
        yield from _took_effect(joined, record)


def repeats_a_command(joined: Joined, record: ExternalRecord) -> bool:
    """The same command was taken before: it changes nothing, and nobody is told."""
    if record.key is None or record.fingerprint is None:
        return False
    earlier = (one for one in joined.commands[(record.place, record.key)] if one.offset < record.offset)
    return any(one.fingerprint == record.fingerprint and not is_refused(joined, one.birth) for one in earlier)


def is_refused(joined: Joined, birth: str) -> bool:
    """Whoever sent it was told so."""
    final = joined.final(birth)
    return final is not None and final["outcome"] == "rejected"


def _took_effect(joined: Joined, record: InputRecord) -> Iterator[Violation]:
    name = joined.name(record.birth)
    occupant = joined.occupant(record, record.target)
    waited = joined.waited(record)
    target = joined.later_target(record) if waited else occupant.birth if occupant is not None else None
    if target is None:
        yield lost(f"I1 {name}: swallowed, there is no request it could be about", record.birth)
        return
    stored = joined.states.get(record.birth)
    taken = stored[-1].at if stored else joined.taken_at(record) or 0.0
    gone = joined.gone_at(target)
    margin = joined.evidence.clock_seconds
    if gone is not None and gone < taken - margin:
        yield lost(f"I1 {name}: swallowed, {target} had ended already and nobody was told", record.birth, target)
    elif not _shows(joined, record, target, taken - margin):
        yield lost(f"I1 {name}: swallowed, {target} shows nothing of it", record.birth, target)


def _is_rightly_refused(joined: Joined, record: InputRecord, why: str | None) -> Iterator[Violation]:
    """Who is told that nobody is known by that name, or that it is too late, is told the truth."""
    name = joined.name(record.birth)
    if why in _NOBODY and (target := _could_have_had(joined, record)) is not None:
        yield lost(f"I1 {name}: told {why}, though {target} is known by that name", record.birth, target)
    occupant = joined.occupant(record, record.target)
    if why == "not_possible" and record.kind == "cancel" and occupant is not None and occupant.certain:
        over, taken = joined.over_at(occupant.birth), joined.taken_at(record) or 0.0
        if joined.records[occupant.birth].offset < record.offset and not joined.waited(record):
            if over is None or over > taken + joined.evidence.clock_seconds:
                text = f"I1 {name}: told that it is too late, though {occupant.birth} had not ended"
                yield lost(text, record.birth, occupant.birth)


def nobody_is_given_up_early(joined: Joined) -> Iterator[Violation]:
    """A record about somebody whom nobody knows waits for him, where there is room to."""
    wait = joined.evidence.unknown_wait_seconds
    for record in joined.evidence.inputs:
        final = joined.final(record.birth)
        if wait is None or record.opens or final is None or code(final) not in _NOBODY:
            continue
        since = next((write.opened_at for write in joined.states.get(record.birth, ())), None)
        waited = seconds(final) - since if since is not None else 0.0
        early = waited < wait - joined.evidence.host_clock_seconds
        if early and (since is not None or not may_be_full(joined, record)):
            yield lost(f"I1 {joined.name(record.birth)}: told {code(final)} after {waited:.0f} s", record.birth)


def _could_have_had(joined: Joined, record: InputRecord) -> str | None:
    """A lifecycle that the record could have acted on when it was taken, or while it waited; None: surely there was
    none."""
    occupant = joined.occupant(record, record.target)
    if occupant is not None:
        return occupant.birth if occupant.certain and occupant.birth not in joined.orphans else None
    later, given_up = joined.later_target(record), joined.gone_at(record.birth)
    came = joined.taken_at(joined.records[later]) if later is not None else None
    waited = came is not None and given_up is not None and came < given_up - joined.evidence.clock_seconds
    return later if waited else None


def _shows(joined: Joined, record: InputRecord, target: str, since: float) -> bool:
    if isinstance(record, ExternalRecord):
        return joined.waited(record) or _is_heard(joined, record, target)
    final = joined.final(target)
    ended = code(final) if final is not None else None
    writes = joined.states.get(target, [])
    match record.kind:
        case "cancel":
            return ended in _CANCELED or _is_wanted_from(joined, record, writes)
        case "resolve":
            return ended == "resolved" or _left_parking(joined, target, since)
        case _:
            return _left_parking(joined, target, since)


def _is_wanted_from(joined: Joined, record: InputRecord, writes: list[StateWrite]) -> bool:
    """The wish is in the target's state when the record's step is committed, or was there already."""
    passed = joined.passed(record)
    if passed is None or joined.waited(record):
        return any(write.cancel_wanted for write in writes)
    last = [write for write in writes if write.offset < passed.offset][-1:]
    return any(write.cancel_wanted for write in last)


def _is_heard(joined: Joined, record: ExternalRecord, target: str) -> bool:
    """The task's state says that its owner was heard of in the very step that passed the record."""
    return any(
        write.phase is None or before is None or write.heard_at != before.heard_at
        for before, write in joined.taken_with(record, target)
    )


def _left_parking(joined: Joined, target: str, since: float) -> bool:
    """It was parked, and put back by what was written next; where that waited already, by the very same step."""
    writes = joined.states.get(target, [])
    after = [writes[index + 1] for index, write in enumerate(writes[:-1]) if write.phase == "parked"]
    for event in joined.stories.get(target, ()):
        if event["change"] == "parked":
            after += [write for write in writes if write.sequence >= event["sequence"]][:1]
    return any(write.at >= since and write.phase != "parked" for write in after)


def cancels_reach_vcd(joined: Joined) -> Iterator[Violation]:
    """A Task that runs on after somebody wanted it canceled was asked to stop; nothing else is canceled."""
    evidence = joined.evidence
    wanted = {(r.place, r.target) for r in evidence.inputs if r.kind == "cancel"}
    for birth, calls in joined.cancels.items():
        record = joined.records.get(birth)
        for call in calls:
            told = joined.tasks_told(birth)
            if record is None or (record.place, record.request_id) not in wanted:
                yield amiss(f"I2 {joined.name(birth)}: {call} cancels, and nobody asked for it", birth)
            if not any(w.cancel_wanted and w.at <= call.at + evidence.clock_seconds for w in joined.states[birth]):
                yield disordered(f"I2 {joined.name(birth)}: {call} cancels before the wish is durable", birth)
            if call.task_id is not None and told and call.task_id not in told:
                yield amiss(f"I2 {joined.name(birth)}: {call} cancels {call.task_id}, which is another's Task", birth)
            gone = joined.gone_at(birth)
            # One that was long on its way may have left before the end was known.
            known = None if gone is None or call.delayed else gone + evidence.travel_seconds + evidence.clock_seconds
            if gone is not None and known is not None and call.at > known:
                late = call.at - gone
                yield disordered(f"I2 {joined.name(birth)}: {call} cancels {late:.1f} s after the end was told", birth)
    for birth in joined.states:
        yield from _reaches_vcd(joined, birth)


def _had_ended(joined: Joined, birth: str, by: float) -> bool:
    """Its Task was over in VCD by then, though its owner, who may have stood still, told so later."""
    tasks = [joined.evidence.tasks.get(task_id) for task_id in joined.tasks_told(birth)]
    ends = [task.ended if task is not None else None for task in tasks]
    return bool(ends) and all(end is not None and end <= by for end in ends)


def _reaches_vcd(joined: Joined, birth: str) -> Iterator[Violation]:
    wished = next((w for w in joined.states[birth] if w.cancel_wanted and w.phase == "following"), None)
    # What VCD shows to nobody, nobody can ask it to cancel.
    if wished is None or joined.cancels.get(birth) or joined.is_out_of_sight(birth):
        return
    final = joined.final(birth)
    told = joined.last_told(birth)
    if final is None and (joined.may_wait(place_of(birth)) or (told is not None and told["change"] == "parked")):
        return
    patient_until = wished.at + joined.evidence.patience_seconds
    if _had_ended(joined, birth, patient_until):
        return
    if final is None or joined.told_at(final) > patient_until:
        yield lost(
            f"I1 {joined.name(birth)}: canceled while VCD worked on it, but VCD was never asked to cancel", birth
        )
