"""I9: what VCD shows of external tasks, of all that it has: by the marks they bear, not by what stories tell."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from tests.support.checker.evidence import ENDS, ExternalTask, LedgerCall, Place
from tests.support.checker.joined import Joined, code, seconds
from tests.support.checker.violation import Violation, amiss, disordered, doubled, lost
from tests.support.checker.wanted import Wanted, history

_BY_THE_BRIDGE = {"owner_silent", "orphaned"}
"""Why the bridge itself ends a Task: with a document that nobody wanted."""


def one_task_per_key(joined: Joined) -> Iterator[Violation]:
    """Each lifecycle makes one Task, unless it is parked because nobody can know; each mark is some record's."""
    bearers: dict[tuple[Place, str], list[ExternalTask]] = defaultdict(list)
    for task in joined.evidence.external_tasks:
        bears = joined.marked(task.operation)
        if bears is not None and not task.seeded:
            bearers[bears].append(task)
    for (place, key), tasks in bearers.items():
        births = joined.lifecycles_of(place, key)
        parked = any(write.phase == "parked" for birth in births for write in joined.states.get(birth, ()))
        if not births:
            yield amiss(f"I9 {tasks[0].task_id}: bears our mark for {key!r}, which no record has")
        elif len(tasks) > len(births) and not parked:
            ids = ", ".join(task.task_id for task in tasks)
            yield doubled(f"I9 {joined.name(births[0])}: {len(tasks)} Tasks bear its mark, {ids}", *births)


def calls_are_about_their_own_task(joined: Joined) -> Iterator[Violation]:
    """A POST only while there is no Task; a PUT to the Task that the committed intent names, which the story made."""
    for birth, calls in joined.calls.items():
        name, key = joined.name(birth), joined.key_of(birth)
        for call in calls if key is not None else ():
            intent = joined.intent(call)
            its_own = intent.task_id if intent is not None else None
            if call.updates and call.task_id is not None and call.task_id != its_own:
                yield amiss(f"I9 {name}: {call} is about {call.task_id}, its intent about {its_own}", birth)
            elif call.updates and call.effect and not _is_made_by(joined, birth, call.task_id):
                yield amiss(f"I9 {name}: {call} changed {call.task_id}, which no call of it started", birth)
            elif not call.updates and its_own is not None:
                yield doubled(f"I9 {name}: {call} makes a Task, though {its_own} is its own", birth)
            if call.effect and joined.marked(call.task_operation) != key:
                yield amiss(f"I9 {name}: {call} left {call.task_operation!r}, without its mark", birth)


def _is_made_by(joined: Joined, birth: str, task_id: str | None) -> bool:
    starter = joined.starters.get(task_id or "")
    return birth in joined.orphans or (starter is not None and joined.births[starter.story] == birth)


def ends_take_effect_once(joined: Joined) -> Iterator[Violation]:
    """The Task's end is one call's, the last that takes effect; a story that tells an end has made it."""
    for birth in joined.stories:
        key, final = joined.key_of(birth), joined.final(birth)
        if key is None:
            continue
        name = joined.name(birth)
        done = [call for call in joined.calls.get(birth, ()) if call.effect]
        ends = [call for call in done if call.ends_task]
        if len(ends) > 1:
            yield doubled(f"I9 {name}: ended {len(ends)} times, by {' and '.join(map(str, ends))}", birth)
        elif ends and done[-1] is not ends[0]:
            yield disordered(f"I9 {name}: {done[-1]} took effect after {ends[0]} had ended the Task", birth)
        if final is None or final.get("task") is None:
            continue
        if code(final) == "ended_in_vcd":
            if ends:
                yield amiss(f"I9 {name}: told as ended by somebody else, but {ends[0]} ended it", birth)
        elif final["outcome"] in ENDS and code(final) != "repeat" and not ends:
            yield lost(f"I9 {name}: told {final['outcome']}, but no call of its own ended the Task", birth)


def nothing_runs_unattended(joined: Joined) -> Iterator[Violation]:
    """A Task of ours that runs has a lifecycle that is open."""
    for task in joined.evidence.external_tasks:
        bears = joined.marked(task.operation)
        if bears is None or task.seeded or task.status in ENDS or not joined.is_visible(task.task_id):
            continue
        births = joined.lifecycles_of(*bears)
        standing = [joined.standing(birth) for birth in births]
        if not any(state is not None and state.task_id in {None, task.task_id} for state in standing):
            yield lost(f"I9 {task.task_id}: of {bears[1]!r}, is {task.status}, and no open lifecycle has it", *births)


def orphans_bear_our_mark(joined: Joined) -> Iterator[Violation]:
    """What is taken over without a record bore this group's mark when it was found; others' Tasks are left alone."""
    for birth in joined.orphans:
        for event in joined.stories.get(birth, ())[:1]:
            task = event.get("task") or {}
            if joined.marked(task.get("operation")) != joined.key_of(birth):
                yield amiss(f"I9 {birth}: took {task.get('id')} over, which bore {task.get('operation')!r}", birth)


def documents_go_forward(joined: Joined) -> Iterator[Violation]:
    """Each call that took effect shows a document that was wanted, never an older one than the call before."""
    for birth, calls in joined.calls.items():
        wanted = history(joined, birth)
        if wanted is not None:
            done = [call for call in calls if call.effect and call.body is not None]
            yield from _go_forward(joined, birth, done, wanted)


def _go_forward(joined: Joined, birth: str, calls: list[LedgerCall], wanted: list[Wanted]) -> Iterator[Violation]:
    name, shown = joined.name(birth), 0
    for call in calls:
        document = json.loads(call.body or "{}")
        matching = [index for index, one in enumerate(wanted) if one.is_in(document)]
        later = [index for index in matching if index >= shown]
        if later:
            shown = later[0]
        elif matching:
            yield disordered(f"I9 {name}: {call} brings an older document back, {matching[-1]} after {shown}", birth)
        elif not (call.ends_task and _is_ended_by_us(joined, birth)):
            yield amiss(f"I9 {name}: {call} shows what nobody wanted", birth)


def the_last_word_is_shown(joined: Joined) -> Iterator[Violation]:
    """When a story has ended as its owner wanted, VCD shows the whole of what was said, the last word included."""
    for birth in joined.stories:
        final, wanted = joined.final(birth), history(joined, birth)
        if final is None or final.get("task") is None or wanted is None or code(final) in {"ended_in_vcd", "repeat"}:
            continue
        task = joined.external_task(final["task"]["id"])
        wrong = wanted[-1].unlike(task.shown) if task is not None and not _is_ended_by_us(joined, birth) else []
        if wrong:
            yield lost(f"I9 {joined.name(birth)}: VCD shows another {', '.join(wrong)} than was wanted last", birth)


def what_is_never_shown_is_refused(joined: Joined) -> Iterator[Violation]:
    """Where somebody else has ended the Task, whoever asked for what it never showed is told so."""
    for birth in joined.stories:
        final, wanted = joined.final(birth), history(joined, birth)
        if final is None or final.get("task") is None or wanted is None or code(final) != "ended_in_vcd":
            continue
        sent = [json.loads(call.body) for call in joined.calls.get(birth, ()) if call.effect and call.body is not None]
        shown = max((i for i, one in enumerate(wanted) if any(map(one.is_in, sent))), default=0)
        left = len(wanted) - 1 - shown
        if left:
            yield lost(
                f"I1 {joined.name(birth)}: ended in VCD, its last {left} commands never shown, nobody told", birth
            )


def silence_lasts_as_long_as_was_said(joined: Joined) -> Iterator[Violation]:
    """An owner's silence ends his task so long after his last word, neither sooner nor, where a bridge was there all
    the time, much later."""
    late_seconds, apart = joined.evidence.silence_late_seconds, joined.evidence.host_clock_seconds
    for birth in joined.stories:
        final, key = joined.final(birth), joined.key_of(birth)
        commands = joined.commands.get(key, []) if key is not None else []
        said = [float(found) for one in commands if (found := (one.document or {}).get("expire_after_seconds"))]
        heard = [write.heard_at for write in joined.states.get(birth, ()) if write.heard_at is not None]
        if final is None or code(final) != "owner_silent" or not said or not heard:
            continue
        name, silent = joined.name(birth), seconds(final) - heard[-1]
        if silent < min(said) - apart:
            yield lost(f"I9 {name}: ended after {silent:.0f} s of silence, not {min(said):.0f}", birth)
        taken = max(at for one in commands if (at := joined.taken_at(one)) is not None)
        late = seconds(final) - taken - max(said)
        if late_seconds is not None and late > late_seconds + apart:
            yield amiss(f"I9 {name}: ended {late:.0f} s after its owner's silence had lasted too long", birth)


def _is_ended_by_us(joined: Joined, birth: str) -> bool:
    final = joined.final(birth)
    return final is not None and code(final) in _BY_THE_BRIDGE
