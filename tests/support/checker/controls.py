"""I1 for records about another's lifecycle: each takes effect on it, waits for it, or is rejected."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.checker.evidence import ExternalRecord, InputRecord, StateWrite
from tests.support.checker.joined import Joined, code, seconds
from tests.support.checker.violation import Violation, amiss, disordered, lost

_CANCELED = {"canceled_before_start", "canceled_while_parked"}


def control_is_accounted_for(joined: Joined, record: InputRecord) -> Iterator[Violation]:
    name = joined.name(record.birth)
    story = joined.stories.get(record.birth, [])
    standing = joined.standing(record.birth)
    if joined.calls.get(record.birth):
        yield amiss(f"I2 {name}: a {record.kind} record was called as if it were a request", record.birth)
    if standing is not None:
        if story:
            yield amiss(f"I1 {name}: answered, but still waiting for its target", record.birth)
        elif not joined.evidence.allow_open:
            yield lost(f"I1 {name}: still {standing.phase} though everything should have ended", record.birth)
    elif story:
        if len(story) != 1 or story[0]["outcome"] != "rejected":
            yield amiss(f"I1 {name}: told more than a rejection: {[event['change'] for event in story]}", record.birth)
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


def _shows(joined: Joined, record: InputRecord, target: str, since: float) -> bool:
    if isinstance(record, ExternalRecord):
        return joined.waited(record) or _is_heard(joined, record, target)
    final = joined.final(target)
    ended = code(final) if final is not None else None
    writes = joined.states.get(target, [])
    match record.kind:
        case "cancel":
            return ended in _CANCELED or any(write.cancel_wanted for write in writes)
        case "resolve":
            return ended == "resolved" or _left_parking(writes, since)
        case _:
            return _left_parking(writes, since)


def _is_heard(joined: Joined, record: ExternalRecord, target: str) -> bool:
    """The task's state says that its owner was heard of in the very step that passed the record."""
    return any(
        write.phase is None or before is None or write.heard_at != before.heard_at
        for before, write in joined.taken_with(record, target)
    )


def _left_parking(writes: list[StateWrite], since: float) -> bool:
    parked = [index for index, write in enumerate(writes) if write.phase == "parked"]
    return any(
        write.at >= since and write.phase != "parked" for index in parked for write in writes[index + 1 : index + 2]
    )


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
    for birth in joined.states:
        yield from _reaches_vcd(joined, birth)


def _reaches_vcd(joined: Joined, birth: str) -> Iterator[Violation]:
    wished = next((w for w in joined.states[birth] if w.cancel_wanted and w.phase == "following"), None)
    if wished is None or joined.cancels.get(birth):
        return
    final = joined.final(birth)
    told = joined.last_told(birth)
    if final is None and (joined.evidence.allow_open or (told is not None and told["change"] == "parked")):
        return
    if final is None or seconds(final) > wished.at + joined.evidence.patience_seconds:
        yield lost(
            f"I1 {joined.name(birth)}: canceled while VCD worked on it, but VCD was never asked to cancel", birth
        )
