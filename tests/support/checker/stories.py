"""I4: each story by itself, as a reader of the event topic sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from tests.support.checker.evidence import ENDS, Event, ExternalRecord, InputRecord, place_of
from tests.support.checker.joined import Joined, is_repeat_answer, seconds
from tests.support.checker.violation import Harm, Violation, amiss, disordered, doubled, gap, lost

_RANK = {"queued": 0, "preRunning": 1, "running": 2, "postRunning": 3}
_OUTCOMES = ENDS | {"rejected", "expired"}
_UNSEEN = "unknown"
"""How what was observed has ended, where VCD does not show that."""


def stories_are_whole(joined: Joined) -> Iterator[Violation]:
    """Numbered without gap or repeat, known statuses never backward, exactly one final event and nothing after it."""
    for birth, story in joined.stories.items():
        name = joined.name(birth)
        sequences = [event["sequence"] for event in story]
        if sequences != list(range(1, len(story) + 1)):
            yield gap(f"I4 {name}: sequences {sequences}", birth)
        finals = [index for index, event in enumerate(story) if event["final"]]
        if len(finals) > 1:
            yield doubled(f"I4 {name}: {len(finals)} final events", birth)
        if finals and finals[0] != len(story) - 1:
            yield disordered(f"I4 {name}: {len(story) - 1 - finals[0]} events after the final one", birth)
        overdue = [event for event in story if event["change"] == "overdue"]
        if len(overdue) > 1:
            yield doubled(f"I4 {name}: overdue is told {len(overdue)} times", birth)
        yield from _statuses(name, birth, story)
        for event in story:
            yield from _event(joined, event)


def each_end_has_one_ticket_update(joined: Joined) -> Iterator[Violation]:
    """Where they are on: a ticket is told each end once, and nothing else. That a command about an external task is
    refused is no end of the task; of what observations see no ticket knows."""
    updates = joined.evidence.ticket_updates
    if updates is None:
        return
    finals = [event for event in joined.evidence.events if event["final"] and event["birth"] not in joined.sightings]
    told, ends = Counter(updates), Counter(event["event_id"] for event in finals)
    spared = {event["event_id"] for event in finals if _is_spared(joined, event)}
    for event_id in told | ends:
        if told[event_id] != ends[event_id] and (told[event_id] or event_id not in spared):
            harm = Harm.LOST if told[event_id] < ends[event_id] else Harm.DOUBLED
            said = f"I4 {event_id}: {told[event_id]} ticket updates, not {ends[event_id]}"
            yield Violation(harm, said, event_id.rpartition("#")[0])


def _is_spared(joined: Joined, event: Event) -> bool:
    """It refuses a command about a task that there is, or an update or finish."""
    record = joined.records.get(event["birth"])
    if not isinstance(record, ExternalRecord) or event["outcome"] != "rejected" or joined.opened(record.birth):
        return False
    return not record.opens or bool(record.key is not None and joined.lifecycles_of(record.place, record.key))


def _statuses(name: str, birth: str, story: Sequence[Event]) -> Iterator[Violation]:
    highest, previous = -1, None
    for event in story:
        status = (event.get("task") or {}).get("status")
        if event.get("previous_status") != previous:
            yield amiss(
                f"I4 {name}#{event['sequence']}: previous_status {event.get('previous_status')!r}, not {previous!r}",
                birth,
            )
            return
        if status is None:
            continue
        previous = status
        rank = 4 if status in ENDS else _RANK.get(status)
        if rank is not None and rank < highest:
            yield disordered(f"I4 {name}#{event['sequence']}: {status} after a later status", birth)
            return
        highest = highest if rank is None else rank


def _event(joined: Joined, event: Event) -> Iterator[Violation]:
    name = f"{joined.name(event['birth'])}#{event['sequence']}"
    if event["event_id"] != f"{event['birth']}#{event['sequence']}":
        yield amiss(f"I4 {name}: event_id is {event['event_id']!r}", event["birth"])
    if event["final"] is not (event["outcome"] is not None):
        yield amiss(f"I4 {name}: final is {event['final']}, outcome {event['outcome']}", event["birth"])
    is_unseen = event["outcome"] == _UNSEEN and event["birth"] in joined.sightings
    if event["outcome"] is not None and event["outcome"] not in _OUTCOMES and not is_unseen:
        yield amiss(f"I4 {name}: no outcome is called {event['outcome']!r}", event["birth"])
    if event["final"] is not (event["change"] in {"finished", "rejected"}):
        yield amiss(f"I4 {name}: change {event['change']!r}, final {event['final']}", event["birth"])
    if (event["change"] == "rejected") is not (event["outcome"] == "rejected"):
        yield amiss(f"I4 {name}: change {event['change']!r}, outcome {event['outcome']!r}", event["birth"])
    record = joined.records.get(event["birth"])
    if isinstance(record, ExternalRecord):
        yield from _repeats_key(joined, name, event, record)
    elif record is not None and record.document is not None:
        yield from _repeats_record(name, event, record)


def _repeats_record(name: str, event: Event, record: InputRecord) -> Iterator[Violation]:
    """What the asker gave comes back on every event, so that a ticket can be answered."""
    document = record.document or {}
    for field, wanted in (("request_id", record.request_id), ("catalogue_operation", record.operation)):
        if event.get(field) != wanted:
            yield amiss(f"I4 {name}: {field} is {event.get(field)!r}, its record has {wanted!r}", record.birth)
    for field in ("correlation_id", "requested_by"):
        wanted = document.get(field)
        if (wanted is None or isinstance(wanted, str)) and event.get(field) != wanted:
            yield amiss(f"I4 {name}: {field} is {event.get(field)!r}, its record has {wanted!r}", record.birth)


def _repeats_key(joined: Joined, name: str, event: Event, record: ExternalRecord) -> Iterator[Violation]:
    """Events of external tasks are told by their key, with the correlation of a command that was about it."""
    if (event.get("lifecycle"), event.get("external_key"), event.get("request_id")) != (
        "external_task",
        record.key,
        None,
    ):
        told = f"{event.get('lifecycle')} {event.get('external_key')!r}"
        yield amiss(f"I4 {name}: is told of {told}, its record is an external task's, {record.key!r}", record.birth)
    commands = joined.commands[(record.place, record.key)] if record.key is not None else [record]
    given = {(command.document or {}).get("correlation_id") for command in commands}
    if event.get("correlation_id") not in given | {None}:
        yield amiss(
            f"I4 {name}: correlation_id is {event.get('correlation_id')!r}, no command of {record.key!r} has it",
            record.birth,
        )


def parked_is_told(joined: Joined) -> Iterator[Violation]:
    """Parked in the store exactly while the story's last word is that it is parked."""
    for birth in {*joined.stories, *joined.states}:
        standing, told = joined.standing(birth), joined.last_told(birth)
        in_store = standing is not None and standing.phase == "parked"
        is_told = told is not None and told["change"] == "parked"
        if in_store and not is_told:
            last = told["change"] if told is not None else "nothing"
            yield lost(f"I1 {joined.name(birth)}: parked in the store, but told {last} last", birth)
        if is_told and not in_store and (standing is None or not joined.may_wait(place_of(birth))):
            phase = standing.phase if standing is not None else "not there"
            yield lost(f"I1 {joined.name(birth)}: told as parked, but the store has it {phase}", birth)


def deadlines_are_kept(joined: Joined) -> Iterator[Violation]:
    """``watch_until`` is told when it passes before the end; nothing is called at or after ``start_by``."""
    for birth, story in joined.stories.items():
        record = joined.records.get(birth)
        if record is None or not joined.opened(birth) or is_repeat_answer(story):
            continue
        until, end = _time(record, "watch_until"), joined.final(birth)
        overdue = any(event["change"] == "overdue" for event in story)
        if until is not None and end is not None and not overdue:
            late = seconds(end) - until
            if late > joined.evidence.patience_seconds:
                yield lost(
                    f"I4 {joined.name(birth)}: ended {late:.1f} s after watch_until, and overdue was never told", birth
                )
        yield from _start_by(joined, birth, record)


def _start_by(joined: Joined, birth: str, record: InputRecord) -> Iterator[Violation]:
    start_by = _time(record, "start_by")
    if start_by is None or joined.retried_at(birth):
        return
    for call in joined.calls.get(birth, ()):
        intent = joined.intent(call)
        if intent is not None and intent.intent_at is not None and intent.intent_at >= start_by:
            yield amiss(
                f"I2 {joined.name(birth)}: {call} was decided {intent.intent_at - start_by:.1f} s after start_by", birth
            )


def _time(record: InputRecord, name: str) -> float | None:
    value = (record.document or {}).get(name)
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
