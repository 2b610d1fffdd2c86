"""I2 and I4: which Task belongs to whom, and that its story tells what became of it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.checker.evidence import Event, StateWrite, place_of
from tests.support.checker.joined import Joined, code, names_a_look, names_a_refusal
from tests.support.checker.violation import Violation, amiss, doubled, lost

_GIVEN_UP = {"resolved", "canceled_while_parked"}


def tasks_belong_to_their_callers(joined: Joined) -> Iterator[Violation]:
    """A story tells the Task that its own call started, one, and no other story tells it."""
    tellers: dict[str, str] = {}
    for birth, story in joined.stories.items():
        if birth in joined.orphans or birth in joined.sightings:
            continue  # its Task is one that nobody had, or anybody's
        told = [] if joined.facts(birth).reads else joined.tasks_told(birth)
        resumed = bool(joined.resumed_at(birth)) or any(code(event) == "resolved" for event in story)
        if len(told) > 1 and not resumed:
            yield doubled(f"I2 {joined.name(birth)}: tells {len(told)} Tasks, {', '.join(told)}", birth)
        for task_id in told:
            other = tellers.setdefault(task_id, birth)
            if other != birth and not resumed and not _could_not_know(joined, task_id, birth, other):
                yield doubled(
                    f"I2 {joined.name(birth)}: tells {task_id}, and so does {joined.name(other)}", birth, other
                )
            yield from _is_nobody_elses(joined, birth, task_id) if resumed else _is_its_own(joined, birth, task_id)


def _is_its_own(joined: Joined, birth: str, task_id: str) -> Iterator[Violation]:
    starter = joined.starters.get(task_id)
    known = joined.task(task_id)
    if starter is not None:
        owner = joined.births[starter.story]
        if owner != birth and not (_could_not_know(joined, task_id, birth, owner) or _was_misled(joined, owner)):
            yield amiss(f"I2 {joined.name(birth)}: tells {task_id}, which {joined.name(owner)} started", birth, owner)
    elif known is None or not known.look_alike:
        yield amiss(f"I2 {joined.name(birth)}: tells {task_id}, which no call of it started", birth)
    elif not any(map(names_a_look, joined.stories[birth])):
        yield amiss(f"I2 {joined.name(birth)}: tells {task_id} of somebody else, and of no look", birth)


def _was_misled(joined: Joined, birth: str) -> bool:
    """It tells the Task of somebody under the bridge's own login, who cannot be told from it: nobody knows of its own,
    and the next one whose answer is lost may take that."""
    told = map(joined.task, joined.tasks_told(birth))
    return any(known is not None and known.look_alike for known in told) and any(
        map(names_a_look, joined.stories.get(birth, ()))
    )


def _is_nobody_elses(joined: Joined, birth: str, task_id: str) -> Iterator[Violation]:
    """An operator's word gives a story no Task that another one of its partition is known to have."""
    starter = joined.starters.get(task_id)
    owner = joined.births[starter.story] if starter is not None else birth
    known, taken = _first_told(joined, owner, task_id), _first_told(joined, birth, task_id)
    if owner == birth or place_of(owner) != place_of(birth) or known is None or taken is None or known >= taken:
        return
    over = joined.over_at(owner)
    if over is None or joined.evidence.is_surely_remembered(taken - over):
        yield doubled(
            f"I2 {joined.name(birth)}: was given {task_id}, which {joined.name(owner)} had told before", birth, owner
        )


def _first_told(joined: Joined, birth: str, task_id: str) -> float | None:
    events = (event for event in joined.stories.get(birth, ()) if (event.get("task") or {}).get("id") == task_id)
    return min(map(joined.told_at, events), default=None)


def _could_not_know(joined: Joined, task_id: str, one: str, other: str) -> bool:
    """Both make something new of one name, and who took the Task after a look did not work on the other: outside the
    guarantees, as the same record key keeps the two together."""
    name = _name_of_new(joined, one)
    if name is None or name != _name_of_new(joined, other):
        return False
    return _took_unknowing(joined, task_id, one, other) or _took_unknowing(joined, task_id, other, one)


def _took_unknowing(joined: Joined, task_id: str, taker: str, other: str) -> bool:
    looked = any(map(names_a_look, joined.stories[taker]))
    writes = joined.states.get(taker, [])
    taken = next((write for write in writes if write.task_id == task_id), writes[-1] if writes else None)
    return looked and (taken is None or not _worked_on(joined, taken, other))


def _worked_on(joined: Joined, taken: StateWrite, other: str) -> bool:
    """Whether the other was known where the Task was taken: what a process has known goes with the partition."""
    had = joined.had(taken.writer, place_of(other), taken.true_at)
    return had and taken.writer in {write.writer for write in joined.states.get(other, ())}


def _name_of_new(joined: Joined, birth: str) -> str | None:
    record = joined.records.get(birth)
    body = (record.document or {}).get("body") if record is not None else None
    if not isinstance(body, dict) or joined.facts(birth).entity is not None:
        return None
    names = [part.get("name") for part in (body, *body.values()) if isinstance(part, dict)]
    return next((name for name in names if isinstance(name, str)), None)


def ends_are_those_of_the_tasks(joined: Joined) -> Iterator[Violation]:
    """The outcome is how VCD ended the Task, no more and no less."""
    for birth in joined.stories:
        final = joined.final(birth)
        task = (final or {}).get("task")
        if final is None or task is None:
            continue
        name, outcome = joined.name(birth), final["outcome"]
        if task["status"] != outcome and code(final) != "resolved":
            yield amiss(f"I4 {name}: told {outcome}, but its own Task says {task['status']}", birth)
        known = joined.task(task["id"])
        if known is not None and known.visible and known.status != outcome:
            yield amiss(f"I4 {name}: told {outcome}, but VCD has {task['id']} as {known.status}", birth)


def told_statuses_are_the_tasks(joined: Joined) -> Iterator[Violation]:
    """An event tells a status that its Task has had."""
    for birth, story in joined.stories.items():
        for event in story:
            task = event.get("task") or {}
            known = joined.task(str(task.get("id")))
            if known is not None and known.statuses and task.get("status") not in {None, *known.statuses}:
                name = f"{joined.name(birth)}#{event['sequence']}"
                yield amiss(f"I4 {name}: tells {task['status']}, which {task['id']} never was", birth)


def started_tasks_are_told(joined: Joined) -> Iterator[Violation]:
    """A Task that a call started is not lost: its story tells it, or an operator gave it up."""
    for birth in joined.calls:
        told, last = joined.tasks_told(birth), joined.last_told(birth)
        if last is None or code(last) in _GIVEN_UP:
            continue
        for call in joined.spans(birth)[-1]:
            if not call.started or call.task_id in told or not joined.is_visible(call.task_id or ""):
                continue
            if _came_after_a_look_alike(joined, birth, told, call.task_id or ""):
                continue
            name, task_id = joined.name(birth), call.task_id
            if last["final"]:
                yield lost(f"I2 {name}: told {last['outcome']}, and never {task_id}, which {call} started", birth)
            elif code(last) == "outcome_unknown" and not _could_not_look(joined, call.at, last):
                yield amiss(f"I2 {name}: parked as unknown, though VCD shows {task_id}, which {call} started", birth)


def _could_not_look(joined: Joined, since: float, parked: Event) -> bool:
    """VCD refused to answer some reads meanwhile, and one of them was the look's: it says so."""
    return joined.was_refused(since, joined.told_at(parked)) and names_a_refusal(parked)


def _came_after_a_look_alike(joined: Joined, birth: str, told: list[str], task_id: str) -> bool:
    """Somebody else's Task was the only one to be seen when the call was looked for, on its way or not shown yet. Who
    has seen both may not choose."""
    alike = (joined.task(one) for one in told)
    seen = (line for event in joined.stories[birth] for line in event["evidence"] or ())
    return any(task is not None and task.look_alike for task in alike) and not any(task_id in line for line in seen)


def parks_are_explained(joined: Joined) -> Iterator[Violation]:
    """A parked story says why, and what was looked at; a vanished Task has vanished."""
    for birth, story in joined.stories.items():
        for event in story:
            if event["change"] != "parked":
                continue
            name = f"{joined.name(birth)}#{event['sequence']}"
            if code(event) is None:
                yield amiss(f"I1 {name}: parked without a reason", birth)
            elif code(event) in {"outcome_unknown", "ambiguous"} and not event["evidence"]:
                yield amiss(f"I2 {name}: parked as {code(event)} without telling what was looked at", birth)
            elif code(event) == "task_vanished":
                told = joined.tasks_told(birth)
                if told and all(joined.task(task_id) is not None and joined.is_visible(task_id) for task_id in told):
                    yield amiss(f"I2 {name}: parked as vanished, but VCD shows {told[-1]}", birth)
