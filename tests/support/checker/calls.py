"""I2: every call has its committed intent, nothing is done twice, and nothing is repeated without a look."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from tests.support.checker.evidence import STEM_LENGTH, LedgerCall, StateWrite, place_of, plain_id, story_id
from tests.support.checker.joined import Joined, code, is_repeat_answer, names_a_look
from tests.support.checker.violation import Violation, amiss, disordered, doubled, lost

_OUT_OF_SIGHT = {"task_vanished", "owner_silent"}
"""Reasons for an end whose Task cannot be shown."""
_NEVER_STARTED = {"rejected", "expired", "canceled"}


def calls_are_ours(joined: Joined) -> Iterator[Violation]:
    """Each call carries an id of its own that names the request it is for."""
    for call in joined.unknown_calls:
        yield amiss(f"I2 {call}: its id {call.call_id!r} belongs to no input record")
    ids = Counter(call.call_id for call in joined.evidence.ledger if call.ours and call.story)
    for call_id, count in ids.items():
        if count > 1:
            yield doubled(f"I2 {call_id}: reached VCD {count} times", *joined.of_call(call_id))
    for birth, calls in joined.calls.items():
        if birth in joined.dead:
            yield amiss(f"I2 {joined.name(birth)}: a dead letter was called ({calls[0]})", birth)
        elif not joined.opened(birth) and joined.records[birth].opens:
            yield amiss(f"I2 {joined.name(birth)}: was called ({calls[0]}), but no lifecycle was opened for it", birth)


def calls_have_intents(joined: Joined) -> Iterator[Violation]:
    """No call leaves before its intent is committed; none is decided after a cancel was."""
    margin = joined.evidence.clock_seconds
    for birth, calls in joined.calls.items():
        for call in calls:
            intent = joined.intent(call)
            if intent is None:
                yield amiss(f"I2 {joined.name(birth)}: {call} left without a committed intent", birth)
            elif call.at < intent.true_at - margin:
                early = f"{intent.true_at - call.at:.2f} s before its intent was written"
                yield disordered(f"I2 {joined.name(birth)}: {call} left {early}", birth)
        writes = joined.states.get(birth, [])
        for before, after in pairwise(writes):
            if before.cancel_wanted and after.cancel_wanted and after.attempt > before.attempt:
                yield amiss(
                    f"I2 {joined.name(birth)}: attempt {after.attempt} was decided though a cancel was wanted", birth
                )


def calls_are_what_was_asked_for(joined: Joined) -> Iterator[Violation]:
    """The operation of the record, on the entity of the record."""
    for birth, calls in joined.calls.items():
        record = joined.records.get(birth)
        if record is None or record.operation is None:
            continue
        parameters = (record.document or {}).get("parameters") or {}
        wanted = {plain_id(value) for value in parameters.values() if isinstance(value, str)}
        for call in calls:
            if call.operation != record.operation:
                yield amiss(f"I2 {joined.name(birth)}: {call} is another operation", birth)
            elif call.path is not None and not wanted <= {plain_id(part) for part in call.path.split("/")}:
                yield amiss(f"I2 {joined.name(birth)}: {call} went to {call.path}", birth)


def doubts_are_looked_into(joined: Joined) -> Iterator[Violation]:
    """Nothing follows from a doubt without a look that the next word tells of; what may not leave again does not."""
    for birth, writes in joined.states.items():
        if joined.key_of(birth) is not None:
            continue  # an external task's mark is its proof, and what is shown needs no word
        doubted = never = False
        for before, after in pairwise(writes):
            if before.phase == "unsure" and after.phase != "unsure":
                doubted = True
                yield from _tells_of_a_look(joined, birth, before, after)
            doubted = doubted and before.phase != "parked"
            never = doubted and after.phase == "intent" and joined.facts(birth).recovery == "never_retry"
            if never and after.attempt > before.attempt:
                text = f"I2 {joined.name(birth)}: never_retry, and attempt {after.attempt} was decided after a doubt"
                yield doubled(text, birth)


def _tells_of_a_look(joined: Joined, birth: str, before: StateWrite, after: StateWrite) -> Iterator[Violation]:
    later = joined.stories.get(birth, [])[before.sequence :]
    first = next((index for index, event in enumerate(later) if event["change"] != "overdue"), None)
    # What was looked at is told with the very next event, which may be that it takes too long.
    if first is not None and not any(map(names_a_look, later[: first + 1])):
        name, became = joined.name(birth), after.phase or "ended"
        yield amiss(f"I2 {name}#{later[first]['sequence']}: in doubt, then {became}, and tells of no look", birth)


def nothing_is_done_twice(joined: Joined) -> Iterator[Violation]:
    """After a call that may have worked, the next one has a reason that the story tells."""
    for birth in joined.calls:
        if joined.facts(birth).recovery == "never_retry" and joined.retried_at(birth):
            yield doubled(f"I2 {joined.name(birth)}: never_retry was put back by a retry", birth)
        for whole in joined.spans(birth):
            # An update of an external Task says the same again: how often it takes effect is judged elsewhere.
            span = [call for call in whole if not call.updates]
            for earlier, later in combinations(span, 2):
                if earlier.maybe_done and (found := _repeated(joined, birth, earlier, later)) is not None:
                    yield found
                    break


def _repeated(joined: Joined, birth: str, earlier: LedgerCall, later: LedgerCall) -> Violation | None:
    name, recovery = joined.name(birth), joined.facts(birth).recovery
    if recovery == "never_retry":
        return doubled(f"I2 {name}: never_retry, and {later} left after {earlier}", birth)
    if earlier.started and joined.is_visible(earlier.task_id or ""):
        return doubled(f"I2 {name}: {later} left though {earlier} had started {earlier.task_id}", birth)
    if earlier.effect and later.effect and recovery != "idempotent":
        return doubled(f"I2 {name}: done twice, by {earlier} and {later}", birth)
    within, apart = joined.evidence.repeat_within_seconds, _decided_apart(joined, earlier, later)
    # What an external task makes bears a mark: however late it is, a look tells whether it is there.
    if within is not None and joined.key_of(birth) is None and apart > within + joined.evidence.host_clock_seconds:
        return doubled(f"I2 {name}: {later} repeats {earlier} {apart:.0f} s later", birth)
    looked = any(names_a_look(event) for event in joined.stories[birth] if joined.told_at(event) >= earlier.at)
    over = joined.final(birth) is not None or not joined.may_wait(place_of(birth))
    if over and not looked:
        return doubled(f"I2 {name}: {later} repeats {earlier}, and the story tells of no look", birth)
    return None


def _decided_apart(joined: Joined, earlier: LedgerCall, later: LedgerCall) -> float:
    """Seconds between the decisions to make two calls, as they say themselves."""
    first, second = joined.intent(earlier), joined.intent(later)
    if first is None or second is None or first.intent_at is None or second.intent_at is None:
        return later.at - earlier.at
    return second.intent_at - first.intent_at


def ends_match_calls(joined: Joined) -> Iterator[Violation]:
    """What a final event without a Task claims is what the ledger shows."""
    for birth, story in joined.stories.items():
        final = joined.final(birth)
        if final is None or code(final) == "resolved" or is_repeat_answer(story) or joined.is_of_an_observation(birth):
            continue
        name, outcome = joined.name(birth), final["outcome"]
        reads = joined.facts(birth).reads
        done = [call for call in joined.spans(birth)[-1] if call.effect or (reads and call.succeeded)]
        told = final.get("task") is not None
        if outcome in _NEVER_STARTED and not told and done and code(final) != "canceled_while_parked":
            yield lost(f"I2 {name}: told {outcome} ({code(final)}), but {done[0]} was carried out", birth)
        if outcome == "success" and not told:
            yield from _success(birth, name, final, done)
        out_of_sight = joined.is_out_of_sight(birth)
        if code(final) == "task_vanished" and not out_of_sight:
            yield amiss(f"I4 {name}: told that its Task has vanished, but VCD shows it", birth)
        if outcome in {"error", "aborted"} and not told and not (code(final) in _OUT_OF_SIGHT and out_of_sight):
            yield amiss(f"I4 {name}: told {outcome} without a Task that says so", birth)


def _success(birth: str, name: str, final: object, done: Sequence[LedgerCall]) -> Iterator[Violation]:
    assert isinstance(final, dict)
    if code(final) == "proven_by_state":
        if not final["evidence"]:
            yield amiss(f"I2 {name}: told success as proven, without evidence", birth)
    elif not done:
        yield lost(f"I2 {name}: told success, but no call of its own was carried out", birth)


def answers_are_told(joined: Joined) -> Iterator[Violation]:
    """VCD's request id on an event is that of the story's own call."""
    stems: dict[str, set[str]] = defaultdict(set)
    for stem, birth in joined.births.items():
        stems[birth].add(stem)
    for commands in joined.commands.values():
        # A change that VCD refused is told with the answer to the call of the task that it is about.
        openers = {story_id(command.birth) for command in commands if command.opens}
        for command in commands:
            stems[command.birth] |= openers
    for birth, story in joined.stories.items():
        for event in story:
            told = event.get("vcd_request_id")
            if told is not None and birth in stems and told[:STEM_LENGTH] not in stems[birth]:
                yield amiss(
                    f"I2 {joined.name(birth)}#{event['sequence']}: vcd_request_id {told!r} is another call's", birth
                )
