"""The checker is tested too: a clean run passes, and each sentence is said of a run in which one thing is broken."""

from __future__ import annotations

import ast
import hashlib
import pickle
import re
from dataclasses import replace
from functools import cache
from math import inf
from pathlib import Path

import pytest

from tests.support import (
    broken_decisions,
    broken_externals,
    broken_observations,
    broken_positions,
    broken_steps,
    checker,
)
from tests.support.breaking import BREAKAGES, Break, said
from tests.support.checker import Harm, Violation, violations
from tests.support.checker.evidence import (
    Absence,
    CursorWrite,
    DeadLetter,
    EndedRecord,
    Freeze,
    InputRecord,
    Raw,
    Refusal,
    Tenure,
    VcdTask,
    story_id,
)
from tests.support.made import LOOKED, NEXT_WRITER, OPERATIONS, TOPIC, WRITER, Made, clean
from tests.support.made_external import Ticket
from tests.support.made_observation import clean_with_observations

assert all(
    module.__doc__
    for module in (broken_decisions, broken_externals, broken_observations, broken_positions, broken_steps)
), "their breakages belong to BREAKAGES"


@cache
def _told(broken: Break) -> list[Violation]:
    made = clean_with_observations()
    broken(made)
    return violations(made.evidence())


def _only(told: str, found: list[Violation]) -> bool:
    """One violation that says this; none where ``told`` is empty."""
    return [bool(re.match(told, str(one))) for one in found] == ([True] if told else [])


def _sentences() -> list[str]:
    """Patterns of all the violations that the checker's code can word."""
    found = []
    for path in Path(checker.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr) and re.match(r"I\d+ ", _pattern(node)):
                found.append(_pattern(node))
    assert len(found) > 60
    return found


def _pattern(node: ast.JoinedStr) -> str:
    parts = (part.value if isinstance(part, ast.Constant) else None for part in node.values)
    return "".join(".*" if part is None else re.escape(str(part)).replace(r"\ ", " ") for part in parts)


def birth(made: Made, request_id: str, nth: int = 0) -> str:
    return [record.birth for record in made.inputs if record.request_id == request_id][nth]


def control(made: Made, target: str) -> InputRecord:
    return next(record for record in made.inputs if record.target == target)


def another_call(made: Made, story: str, status: int | None, task: str | None, *, suffix: str = "") -> None:
    """One more call of a story, with an intent of its own, right after its last one."""
    last = made.calls(story)[-1]
    intent = next(write for write in made.states(story) if write.phase == "intent" and write.attempt == last.attempt)
    made.now = last.at + 0.05
    made.called(f"{story_id(story)}-{last.attempt + 1}{suffix}", last.operation, status, task is not None, task)
    index = made.writes.index(intent)
    made.writes.insert(index + 1, replace(intent, at=last.at + 0.01, attempt=last.attempt + 1))


# --- I1: every record ---------------------------------------------------------------------------------------------


@said("I1 story of in/0/999: there is no such input record")
def a_story_of_nothing(made: Made) -> None:
    made.events += [{**event, "birth": "in/0/999"} for event in made.story(birth(made, "plain"))]


@said("I1 dead letter of in/0/999: there is no such input record")
def a_dead_letter_of_nothing(made: Made) -> None:
    made.dead.append(DeadLetter("in/0/999"))


@said("I1 store record of in/0/999: there is no such input record")
def a_store_record_of_nothing(made: Made) -> None:
    made.change(made.states(birth(made, "unknown"))[-1], birth="in/0/999")


@said("I1 ended record of in/0/999: there is no such input record")
def an_ending_of_nothing(made: Made) -> None:
    made.ended.append(EndedRecord(birth="in/0/999", outcome="success", sequence=1))


@said("I1 .*: 2 dead letters")
def two_dead_letters(made: Made) -> None:
    made.dead *= 2


@said("I1 .*plain.*: the store remembers 2 endings")
def two_endings(made: Made) -> None:
    made.ended.append(_ending(made, birth(made, "plain")))


@said("I1 .*newest.*: never taken, the partition's cursor stands before it")
def a_record_that_is_never_taken(made: Made) -> None:
    made.inputs.append(InputRecord(TOPIC, 0, len(made.inputs), {"request_id": "newest", "operation": "deploy"}))


@said("I1 .*plain.*: a dead letter, and a story besides")
def a_dead_letter_with_a_story(made: Made) -> None:
    made.dead.append(DeadLetter(birth(made, "plain")))


@said("I1 .*wrong.*: a dead letter, though it can be read")
def a_good_record_is_thrown_away(made: Made) -> None:
    wrong = birth(made, "wrong")
    made.remove(*made.story(wrong))
    made.dead.append(DeadLetter(wrong))


@said("I1 .*wrong.*: nothing became of it")
def a_rejection_is_lost(made: Made) -> None:
    made.remove(*made.story(birth(made, "wrong")))


@said("I1 .*refused.*: nothing became of it")
def what_was_rejected_is_sent_again_and_swallowed(made: Made) -> None:
    again = birth(made, "refused", 1)
    made.remove(*made.story(again), *made.calls(again), *made.states(again), _ending(made, again))


@said("I1 .*plain, merge.*: conflicts with in/0/0, and nobody was told")
def a_conflict_is_swallowed(made: Made) -> None:
    made.remove(*made.story(next(r.birth for r in made.inputs if (r.request_id, r.operation) == ("plain", "merge"))))


@said(r"I1 .*wrong.*: told \['success'\] without a lifecycle; only a rejection needs none")
def a_success_without_a_lifecycle(made: Made) -> None:
    made.story(birth(made, "wrong"))[0].update(change="finished", outcome="success")


@said("I1 .*plain.*: ended success, but the store still holds it as following")
def ended_but_stored(made: Made) -> None:
    made.remove(made.states(birth(made, "plain"))[-1])


@said("I1 .*plain.*: gone from the store without a final event")
def a_final_event_is_lost(made: Made) -> None:
    made.remove(made.story(birth(made, "plain"))[-1])


@said("I1 .*plain.*: still following though everything should have ended")
def never_ended(made: Made) -> None:
    plain = birth(made, "plain")
    made.remove(made.story(plain)[-1], made.states(plain)[-1], _ending(made, plain))


@said("I1 .*unknown.*#1: parked without a reason")
def parked_for_no_reason(made: Made) -> None:
    made.story(birth(made, "unknown"))[-1]["reason"] = None


@said("I1 .*unknown.*: parked in the store, but told nothing last")
def parked_in_silence(made: Made) -> None:
    made.remove(*made.story(birth(made, "unknown")))


@said("I1 .*unknown.*: told as parked, but the store has it not there")
def parked_and_forgotten(made: Made) -> None:
    made.state(birth(made, "unknown"), None)


# --- I1: what operators send --------------------------------------------------------------------------------------


@said("I2 .*c, cancel.*: a cancel record was called as if it were a request")
def a_cancel_is_called(made: Made) -> None:
    made.called(f"{story_id(control(made, 'nobody').birth)}-1", "cancelTask", 204, effect=True, task=None)


@said("I1 .*c, cancel.*: answered, but still waiting for its target")
def a_cancel_is_answered_and_waits(made: Made) -> None:
    made.remove(made.states(control(made, "nobody").birth)[-1])


@said("I1 .*: still pending though everything should have ended")
def a_cancel_waits_for_ever(made: Made) -> None:
    nobody = control(made, "nobody").birth
    made.remove(made.states(nobody)[-1], *made.story(nobody))


@said(r"I1 .*: told more than a rejection: \['rejected', 'rejected'\]")
def a_cancel_is_answered_twice(made: Made) -> None:
    made.events += made.story(control(made, "nobody").birth)


@said("I1 .*: swallowed, there is no request it could be about")
def a_cancel_of_nothing_is_swallowed(made: Made) -> None:
    made.remove(*made.story(control(made, "nobody").birth))


@said("I1 .*: swallowed, in/0/0 had ended already and nobody was told")
def a_late_cancel_is_swallowed(made: Made) -> None:
    made.send({"kind": "cancel", "target_request_id": "plain"})


@said("I1 .*stopped.*: swallowed, .* shows nothing of it")
def a_cancel_without_effect(made: Made) -> None:
    stopped = birth(made, "stopped")
    for write in made.states(stopped):
        made.change(write, cancel_wanted=False)


@said("I1 .*retried, retry.*: swallowed, .* shows nothing of it")
def a_retry_without_effect(made: Made) -> None:
    retried = birth(made, "retried")
    made.remove(*made.states(retried)[3:], *made.story(retried)[1:], _ending(made, retried))


@said("I1 .*resolved, resolve.*: swallowed, .* shows nothing of it")
def a_resolve_without_effect(made: Made) -> None:
    resolved = birth(made, "resolved")
    made.remove(made.states(resolved)[-1], made.story(resolved)[-1], _ending(made, resolved))


@said("I2 .*plain.* cancels, and nobody asked for it")
def an_unwanted_cancel(made: Made) -> None:
    plain = birth(made, "plain")
    made.called(f"{story_id(plain)}-1-cancel-0b", "cancelTask", 204, effect=True, task="task:plain")


@said("I2 .*stopped.* cancels before the wish is durable")
def a_hasty_cancel(made: Made) -> None:
    stopped = birth(made, "stopped")
    cancel = made.calls(stopped)[-1]
    made.change(cancel, at=made.calls(stopped)[0].at + 0.01)


@said("I2 .*stopped.* cancels task:plain, which is another's Task")
def the_wrong_task_is_canceled(made: Made) -> None:
    made.change(made.calls(birth(made, "stopped"))[-1], task_id="task:plain")


@said("I1 .*stopped.*: canceled while VCD worked on it, but VCD was never asked to cancel")
def a_cancel_that_never_leaves(made: Made) -> None:
    stopped = birth(made, "stopped")
    made.remove(made.calls(stopped)[-1])
    made.story(stopped)[-1]["observed_at"] += 60_000


# --- I2: calls ----------------------------------------------------------------------------------------------------


@said("I2 call .*: its id 'vb-0{32}-1' belongs to no input record")
def a_call_of_no_record(made: Made) -> None:
    made.called("vb-" + 32 * "0" + "-1", "deploy", 202, effect=True, task=None)


@said("I2 call .*: its id '' belongs to no input record")
def a_call_without_an_id(made: Made) -> None:
    made.called("", "deploy", 202, effect=True, task=None)


@said("I2 call .*: its id .* belongs to no input record")
def a_call_with_an_id_that_ends_otherwise(made: Made) -> None:
    made.called(story_id(birth(made, "plain")) + "-1-again", "deploy", 202, effect=True, task=None)


@said("I2 vb-.*-1: reached VCD 2 times")
def a_call_arrives_twice(made: Made) -> None:
    made.ledger.append(made.calls(birth(made, "plain"))[0])


@said("I2 .*: a dead letter was called")
def a_dead_letter_is_called(made: Made) -> None:
    made.called(f"{story_id(made.dead[0].birth)}-1", "deploy", 202, effect=True, task=None)


@said("I2 .*wrong.*: was called .*, but no lifecycle was opened for it")
def a_rejected_record_is_called(made: Made) -> None:
    made.called(f"{story_id(birth(made, 'wrong'))}-1", "deploy", 400, effect=False, task=None)


@said("I2 .*plain.*: was called .*, but no lifecycle was opened for it")
def a_repeat_is_called(made: Made) -> None:
    made.called(f"{story_id(birth(made, 'plain', 1))}-1", "deploy", 400, effect=False, task=None)


@said("I2 .*plain.* left without a committed intent")
def an_intent_is_not_committed(made: Made) -> None:
    made.change(next(w for w in made.states(birth(made, "plain")) if w.phase == "intent"), phase="received", attempt=0)


@said("I2 .*plain.* left 0.60 s before its intent was written")
def a_call_leaves_before_its_intent(made: Made) -> None:
    call = made.calls(birth(made, "plain"))[0]
    made.change(call, at=call.at - 0.7)


@said("I2 .*stopped.*: attempt 2 was decided though a cancel was wanted")
def called_though_canceled(made: Made) -> None:
    *_, wished, ended = made.states(birth(made, "stopped"))
    made.writes.insert(made.writes.index(ended), replace(wished, attempt=2))


@said("I2 .*resolved.*: never_retry was put back by a retry")
def never_retry_is_retried(made: Made) -> None:
    *_, parked, _ = made.states(birth(made, "resolved"))
    made.writes.insert(made.writes.index(parked) + 1, replace(parked, phase="waiting"))


@said("I2 .*unknown.*: never_retry, and call .* left after call .*unanswered")
def never_retry_is_called_again(made: Made) -> None:
    another_call(made, birth(made, "unknown"), 400, None)


@said("I2 .*repeated.*: call .* left though call .* had started task:first")
def repeated_though_it_runs(made: Made) -> None:
    made.change(made.calls(birth(made, "repeated"))[0], effect=True, task_id="task:first")
    made.tasks["task:first"] = VcdTask(status="running")


@said("I2 .*plain.*: done twice, by call .* and call")
def done_twice(made: Made) -> None:
    another_call(made, birth(made, "plain"), 202, "task:twice")
    made.tasks["task:plain"] = VcdTask(status="gone", visible=False)


@said("I2 .*repeated.* repeats call .*, and the story tells of no look")
def repeated_blindly(made: Made) -> None:
    for event in made.story(birth(made, "repeated")):
        event["evidence"] = []


@said(r"I2 .*refused.*: told rejected \(BAD_REQUEST\), but call .* was carried out")
def rejected_but_done(made: Made) -> None:
    made.change(made.calls(birth(made, "refused"))[0], effect=True)


@said(r"I2 .*expired.*: told expired .*, but call .* was carried out")
def expired_but_done(made: Made) -> None:
    made.called(f"{story_id(birth(made, 'expired'))}-1", "deploy", 202, effect=True, task=None)


@said(r"I2 .*early.*: told canceled .*, but call .* was carried out")
def canceled_but_done(made: Made) -> None:
    made.called(f"{story_id(birth(made, 'early'))}-1", "deploy", 202, effect=True, task=None)


@said("I2 .*synchronous.*: told success, but no call of its own was carried out")
def a_success_without_a_call(made: Made) -> None:
    made.remove(*made.calls(birth(made, "synchronous")))


@said("I2 .*proven.*: told success as proven, without evidence")
def proven_by_nothing(made: Made) -> None:
    made.story(birth(made, "proven"))[-1]["evidence"] = []


@said("I4 .*refused.*: told error without a Task that says so")
def an_error_of_no_task(made: Made) -> None:
    made.story(birth(made, "refused"))[-1].update(change="finished", outcome="error")


@said("I2 .*plain.*#1: vcd_request_id 'somebody-else' is another call's")
def the_answer_of_another(made: Made) -> None:
    made.story(birth(made, "plain"))[0]["vcd_request_id"] = "somebody-else"


@said("I2 .*expired.* was decided .* s after start_by")
def called_after_start_by(made: Made) -> None:
    plain = made.inputs[0]
    made.change(plain, document={**(plain.document or {}), "start_by": "1970-01-01T00:00:00+00:00"})
    expired = made.record(birth(made, "expired"))
    made.called(f"{story_id(expired.birth)}-1", "deploy", 400, effect=False, task=None)
    made.state(expired.birth, "intent", attempt=1, intent_at=made.now)


# --- I2: Tasks ----------------------------------------------------------------------------------------------------


@said("I2 .*plain.*: tells 2 Tasks, task:plain, task:late")
def two_tasks(made: Made) -> None:
    made.story(birth(made, "plain"))[-1]["task"] = {"id": "task:late", "status": "success"}


@said("I2 .*: tells task:plain, and so does .*plain")
def one_task_for_two(made: Made) -> None:
    for event in made.story(birth(made, "late")):
        event["task"] = event["task"] and {**event["task"], "id": "task:plain"}


@said("I2 .*late.*: tells task:plain, which .*plain.* started")
def the_task_of_another_story(made: Made) -> None:
    one_task_for_two(made)


@said("I2 .*plain.*: tells task:foreign, which no call of it started")
def the_task_of_somebody_else(made: Made) -> None:
    for event in made.story(birth(made, "plain")):
        event["task"]["id"] = "task:foreign"


@said("I2 .*plain.*: tells task:foreign of somebody else, and of no look")
def a_look_alike_without_a_look(made: Made) -> None:
    the_task_of_somebody_else(made)
    made.tasks["task:foreign"] = VcdTask(status="success", look_alike=True)


@said("I4 .*plain.*: told error, but its own Task says success")
def the_outcome_is_not_the_tasks(made: Made) -> None:
    made.story(birth(made, "plain"))[-1]["outcome"] = "error"


@said("I4 .*plain.*: told success, but VCD has task:plain as aborted")
def the_end_is_not_vcds(made: Made) -> None:
    made.tasks["task:plain"] = VcdTask(status="aborted")


@said("I2 .*refused.*: told rejected, and never task:lost, which call .* started")
def a_task_is_lost(made: Made) -> None:
    made.change(made.calls(birth(made, "refused"))[0], effect=True, status=202, task_id="task:lost")


@said("I2 .*unknown.*: parked as unknown, though VCD shows task:seen, which call .* started")
def parked_though_it_can_be_seen(made: Made) -> None:
    made.change(made.calls(birth(made, "unknown"))[0], effect=True, task_id="task:seen")
    made.tasks["task:seen"] = VcdTask(status="success")


@said("I2 .*unknown.*#1: parked as outcome_unknown without telling what was looked at")
def parked_blindly(made: Made) -> None:
    made.story(birth(made, "unknown"))[-1]["evidence"] = []


@said("I2 .*gone.*#2: parked as vanished, but VCD shows task:gone")
def parked_as_vanished(made: Made) -> None:
    made.tasks["task:gone"] = VcdTask(status="running")


# --- I3: repeats --------------------------------------------------------------------------------------------------


@said("I3 .*plain.*: opened again, plain belongs to in/0/0")
def a_repeat_is_opened(made: Made) -> None:
    made.change(made.states(birth(made, "unknown"))[0], birth=birth(made, "plain", 1))


@said(r"I3 .*plain.*: repeats in/0/0, but is answered rejected \(request_id_conflict\)")
def a_repeat_is_rejected(made: Made) -> None:
    made.answer(birth(made, "plain", 1), "rejected", "rejected", "request_id_conflict")


@said("I3 .*plain.*: told error as a repeat; in/0/0 was told success")
def a_repeat_is_told_something_else(made: Made) -> None:
    made.story(birth(made, "plain", 3))[0]["outcome"] = "error"


# --- I4: stories --------------------------------------------------------------------------------------------------


@said("I4 .*#2: 0 ticket updates, not 1")
def a_ticket_is_told_nothing(made: Made) -> None:
    made.settings["ticket_updates"] = []


@said("I4 .*#1: 1 ticket updates, not 0")
def a_ticket_is_told_of_a_step(made: Made) -> None:
    made.settings["ticket_updates"] = [event["event_id"] for event in made.events]


@said(r"I4 .*plain.*: sequences \[2\]")
def a_gap(made: Made) -> None:
    made.remove(made.story(birth(made, "plain"))[0])


@said(r"I4 .*plain.*: sequences \[1, 2, 2\]")
def a_repeated_event(made: Made) -> None:
    made.events.append(made.story(birth(made, "plain"))[-1])


@said("I4 .*plain.*: 2 final events")
def two_ends(made: Made) -> None:
    a_repeated_event(made)


@said("I4 .*plain.*: 1 events after the final one")
def told_after_the_end(made: Made) -> None:
    made.tell(birth(made, "plain"), "changed", task="task:plain", status="success")


@said("I4 .*late.*: overdue is told 2 times")
def overdue_twice(made: Made) -> None:
    late = made.story(birth(made, "late"))
    made.events.insert(made.events.index(late[1]), {**late[1]})


@said("I4 .*plain.*#2: previous_status 'queued', not 'running'")
def a_wrong_previous_status(made: Made) -> None:
    made.story(birth(made, "plain"))[1]["previous_status"] = "queued"


@said("I4 .*plain.*#2: queued after a later status")
def a_status_goes_backward(made: Made) -> None:
    made.story(birth(made, "plain"))[1]["task"]["status"] = "queued"


@said("I4 .*plain.*#1: event_id is 'junk'")
def a_wrong_event_id(made: Made) -> None:
    made.story(birth(made, "plain"))[0]["event_id"] = "junk"


@said("I4 .*plain.*#2: final is True, outcome None")
def a_final_event_without_an_outcome(made: Made) -> None:
    made.story(birth(made, "plain"))[1]["outcome"] = None


@said("I4 .*plain.*#2: no outcome is called 'fine'")
def an_unknown_outcome(made: Made) -> None:
    made.story(birth(made, "plain"))[1]["outcome"] = "fine"


@said("I4 .*plain.*#2: change 'changed', final True")
def a_final_change(made: Made) -> None:
    made.story(birth(made, "plain"))[1]["change"] = "changed"


@said("I4 .*plain.*#2: change 'finished', outcome 'rejected'")
def finished_as_rejected(made: Made) -> None:
    made.story(birth(made, "plain"))[1]["outcome"] = "rejected"


@said("I4 .*plain.*#1: request_id is 'other', its record has 'plain'")
def a_wrong_request_id(made: Made) -> None:
    made.story(birth(made, "plain"))[0]["request_id"] = "other"


@said("I4 .*plain.*#1: correlation_id is None, its record has 'T1'")
def a_lost_correlation(made: Made) -> None:
    made.story(birth(made, "plain"))[0]["correlation_id"] = None


@said("I4 .*late.*: ended .* s after watch_until, and overdue was never told")
def overdue_in_silence(made: Made) -> None:
    late = made.story(birth(made, "late"))
    made.remove(late[1])


# --- I5: lanes ----------------------------------------------------------------------------------------------------


@said("I5 lane in/0:/vApp/vapp-1: .*stopped.* overtook .*plain")
def overtaken(made: Made) -> None:
    made.change(made.calls(birth(made, "stopped"))[0], at=made.calls(birth(made, "plain"))[0].at - 0.2)


@said("I5 lane in/0:/vApp/vapp-1: .*stopped.* was started .* s before .*plain.* gave the lane up")
def two_at_a_time(made: Made) -> None:
    made.story(birth(made, "plain"))[-1]["observed_at"] = int(made.calls(birth(made, "stopped"))[0].at * 1000) + 400


# --- I6: owners ---------------------------------------------------------------------------------------------------


@said(r"I6 .*plain.*: call .* outlived its lease: it reached VCD 4.1 s after its intent, of 2 s")
def a_late_call(made: Made) -> None:
    call = made.calls(birth(made, "plain"))[0]
    made.change(call, at=call.at + 4)


@said("I6 .*plain.*: call .* of group-one reached VCD .* s after group-two had committed for partition 0")
def a_call_of_a_former_owner(made: Made) -> None:
    call = made.calls(birth(made, "plain"))[0]
    made.change(call, at=1_050.0)


@said("I6 .*late.*: call .* by group-two, which had no partition 0 since")
def a_call_of_one_that_knows(made: Made) -> None:
    call = made.calls(birth(made, "late"))[0]
    made.change(call, process=NEXT_WRITER)
    made.absences.append(
        Absence(process=NEXT_WRITER, topic=TOPIC, partition=0, since=call.at - 2.0, until=call.at + 0.05)
    )


@said("I6 .*late.*: call .* by group-two, which knew of a freeze since")
def a_call_in_a_freeze(made: Made) -> None:
    call = made.calls(birth(made, "late"))[0]
    made.change(call, process=NEXT_WRITER)
    made.settings["freezes"] = [Freeze(process=NEXT_WRITER, since=call.at - 2.0, until=call.at + 1.0)]


@said("I6 store offset .* written at .* by group-one, which had no partition 0 since")
def a_commit_of_one_that_knows(made: Made) -> None:
    made.absences.append(Absence(process=WRITER, topic=TOPIC, partition=0, since=1_000.6, until=1_001.2))


# --- I7: the store ------------------------------------------------------------------------------------------------


@said(r"I7 .*plain.*: offset .* \(received, group-two\) brings an ended one back")
def brought_back(made: Made) -> None:
    made.state(birth(made, "plain"), "received")


@said("I7 .*late.*: offset .* of group-two falls back, sequence 0 after 1")
def a_stale_sequence(made: Made) -> None:
    made.change(made.states(birth(made, "late"))[-2], sequence=0)


@said("I7 .*late.*: offset .* of group-two falls back, attempt 0 after 1")
def a_stale_attempt(made: Made) -> None:
    made.change(made.states(birth(made, "late"))[-2], attempt=0)


@said("I7 .*plain.*: stored on another partition than its record's")
def a_wrong_partition(made: Made) -> None:
    made.change(made.states(birth(made, "plain"))[0], partition=1)


@said("I7 .*unknown.*: the store knows 3 events, 1 were told")
def more_is_stored_than_told(made: Made) -> None:
    made.change(made.states(birth(made, "unknown"))[-1], sequence=3)


@said("I7 .*plain.*: ended, and the store does not remember it")
def an_ending_is_not_remembered(made: Made) -> None:
    made.remove(_ending(made, birth(made, "plain")))


@said("I7 .*unknown.*: the store remembers error, no final event was told")
def an_ending_that_was_not_told(made: Made) -> None:
    made.ended.append(EndedRecord(birth=birth(made, "unknown"), outcome="error", sequence=1))


@said("I7 .*plain.*: the store remembers error at 2, told was success at 2")
def another_ending_is_remembered(made: Made) -> None:
    made.change(_ending(made, birth(made, "plain")), outcome="error")


@said("I7 .*plain.*: ended, but its request is still stored")
def a_secret_is_kept(made: Made) -> None:
    made.writes.append(next(write for write in made.writes if getattr(write, "size_bytes", None)))


@said("I7 in/0: group-one moved the cursor from 1 to 1")
def the_cursor_stands_still(made: Made) -> None:
    made.writes.insert(1, made.writes[0])


@said("I7 in/0: offset 3 is committed, the cursor says")
def the_offset_is_not_the_cursors(made: Made) -> None:
    made.settings["offsets"] = {(TOPIC, 0): 3}


# --- I8: memory ---------------------------------------------------------------------------------------------------


@said("I8 .*: opened while partition 0 held 2 open requests, the cap is 2")
def too_many_are_open(made: Made) -> None:
    made.settings["max_open"] = 2


@said("I8 .*: opened while partition 0 held 200 bytes, the cap is 150")
def too_much_waits(made: Made) -> None:
    made.settings["max_waiting_bytes"] = 150
    for request_id in ("first", "second", "third"):
        made.open(request_id, "merge", f"vapp-{request_id}")


# --- the tests ---------------------------------------------------------------------------------------------------


def test_a_clean_run_passes() -> None:
    assert violations(clean_with_observations().evidence()) == []


def test_an_end_in_the_very_millisecond_of_its_call_passes() -> None:
    """The ledger has finer times than events: the call that an end came of can seem to be the later."""
    made = clean_with_observations()
    story = birth(made, "synchronous")
    (call,) = made.calls(story)
    end = made.story(story)[-1]
    made.change(call, at=end["observed_at"] / 1000 + 0.0008)
    following = made.open("next", "merge", "vapp-9")
    made.call(following, 204, effect=True)
    made.over(following, "success", None)
    assert [found for found in violations(made.evidence()) if "gave the lane up" in found] == []


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_is_broken_is_told(name: str) -> None:
    pattern, broken = BREAKAGES[name]
    found = _told(broken)
    assert any(re.search(pattern, one) for one in found), found


def test_every_sentence_of_the_checker_is_said_of_some_run() -> None:
    told = [one for _, broken in BREAKAGES.values() for one in _told(broken)]
    silent = [sentence for sentence in _sentences() if not any(re.fullmatch(sentence, one) for one in told)]
    assert silent == []


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (a_rejection_is_lost, Harm.LOST),
        (done_twice, Harm.DOUBLED),
        (a_gap, Harm.GAP),
        (overtaken, Harm.ORDER),
        (a_wrong_event_id, Harm.OTHER),
    ],
)
def test_a_violation_says_what_sort_of_harm_it_is_and_to_which_stories(broken: Break, kind: Harm) -> None:
    births = {record.birth for record in clean_with_observations().inputs}
    pattern = BREAKAGES[broken.__name__][0]
    found = next(one for one in _told(broken) if re.search(pattern, one))
    assert found.kind is kind
    assert found.births
    assert set(found.births) <= births
    assert found.guarantee == pattern.split()[0]


def test_a_violation_can_be_sent_to_another_process() -> None:
    found = _told(overtaken)[0]
    again = pickle.loads(pickle.dumps(found))  # its own
    assert (again, again.kind, again.births) == (found, found.kind, found.births)


def test_what_is_under_way_may_be_open_where_the_run_allows_it() -> None:
    made = clean()
    late = birth(made, "late")
    made.remove(made.story(late)[-1], made.states(late)[-1], _ending(made, late), made.writes[-1])
    made.settings["allow_open"] = True
    assert violations(made.evidence()) == []


def test_what_retention_took_away_before_it_was_read_is_nobodys() -> None:
    made = clean()
    unread = InputRecord(TOPIC, 0, made.end(TOPIC), {"request_id": "unread", "operation": "merge"})
    made.inputs.append(unread)
    assert violations(made.evidence()) != []
    made.settings["removed"] = {unread.birth: made.now}
    assert violations(made.evidence()) == []


def test_work_whose_store_was_lost_waits() -> None:
    made = clean()
    late = birth(made, "late")
    made.remove(made.story(late)[-1], made.states(late)[-1], _ending(made, late), made.writes[-1])
    made.settings["lost_stores"] = {(TOPIC, 0): made.now}
    assert violations(made.evidence()) == []


@pytest.mark.parametrize(("given", "told"), [(-1.0, ""), (0.005, "I7 .* took a store that lacks")])
def test_who_was_given_a_partition_before_its_store_was_lost_goes_on(given: float, told: str) -> None:
    """Though he had written nothing yet. ``given``: when, in seconds after the loss."""
    made = clean()
    lost_at = next(write for write in made.writes if write.writer == NEXT_WRITER).at - 0.01
    first, following = made.evidence().tenures
    made.settings["lost_stores"] = {(TOPIC, 0): lost_at}
    made.settings["tenures"] = [
        replace(first, until=lost_at + given),
        replace(following, since=lost_at + given),
    ]
    assert _only(told, violations(made.evidence()))


def test_an_offset_that_somebody_has_moved_is_not_the_cursors() -> None:
    made = clean()
    made.settings |= {"offsets": {(TOPIC, 0): 0}, "moved": {(TOPIC, 0): made.now}}
    assert violations(made.evidence()) == []


@pytest.mark.parametrize(("window", "told"), [(1e6, "swallowed"), (1.0, "")])
def test_an_id_is_free_again_when_the_dedupe_window_has_passed(window: float, told: str) -> None:
    made = clean()
    first = made.open("again", "merge", "vapp-77")
    made.call(first, 204, effect=True)
    made.over(first, "success", None)
    made.now += 100.0
    second = made.open("again", "merge", "vapp-77")
    made.call(second, 204, effect=True)
    made.over(second, "success", None)
    made.settings |= {"dedupe_seconds": window}
    assert bool(violations(made.evidence())) is bool(told)


def test_a_task_of_somebody_with_our_name_may_be_taken_for_ours_after_a_look() -> None:
    made = clean()
    adopted = made.story(birth(made, "adopted"))
    for event in adopted:
        event["task"]["id"] = "task:alike"
        event["evidence"] = LOOKED
    made.change(made.calls(birth(made, "adopted"))[0], task_id=None, effect=False)
    made.change(_ending(made, birth(made, "adopted")), task_id="task:alike")
    made.tasks["task:alike"] = VcdTask(status="error", look_alike=True)
    assert violations(made.evidence()) == []


@pytest.mark.parametrize(
    ("evidence", "told"), [(LOOKED, ""), ([*LOOKED, "2 fit: task:alike, task:adopted"], "I2 .* and never task:adopted")]
)
def test_our_own_task_is_told_by_nobody_where_a_look_saw_only_somebody_elses(evidence: list[str], told: str) -> None:
    made = clean()
    adopted = birth(made, "adopted")
    for event in made.story(adopted):
        event["task"]["id"] = "task:alike"
        event["evidence"] = evidence
    made.change(_ending(made, adopted), task_id="task:alike")
    made.tasks["task:alike"] = VcdTask(status="error", look_alike=True)
    assert _only(told, violations(made.evidence()))


@pytest.mark.parametrize(
    ("ended", "told"), [(10.0, ""), (50_000.0, "I1 .*VCD was never asked to cancel"), (None, "I1 .*")]
)
def test_what_vcd_has_ended_itself_need_not_be_canceled_however_late_that_is_told(
    ended: float | None, told: str
) -> None:
    made = clean()
    stopped = birth(made, "stopped")
    wished = next(write for write in made.states(stopped) if write.cancel_wanted)
    made.remove(made.calls(stopped)[-1])
    made.story(stopped)[-1]["observed_at"] += 60_000
    end = wished.at + ended if ended is not None else None
    made.tasks["task:stopped"] = replace(made.tasks["task:stopped"], ended=end)
    assert _only(told, violations(made.evidence()))


@pytest.mark.parametrize(("phase", "told"), [("waiting", ""), ("unsure", "I5 .* was started .* gave the lane up")])
def test_one_put_back_comes_before_one_that_a_busy_entity_keeps_waiting(phase: str, told: str) -> None:
    made = clean()
    first = made.open("first", "merge", "vapp-90")
    made.call(first, None)
    made.state(first, "unsure")
    made.park(first, "outcome_unknown", evidence=LOOKED)
    made.now += 100.0
    second = made.open("second", "merge", "vapp-90")
    made.call(second, 400)
    made.state(second, phase)
    made.say({"kind": "resolve", "target_request_id": "first", "decision": "retry"}, first, "waiting")
    made.call(first, 202, "task:first")
    made.accepted(first, "task:first")
    made.finished(first, "task:first")
    made.call(second, 202, "task:second")
    made.accepted(second, "task:second", evidence=LOOKED)
    made.finished(second, "task:second")
    assert _only(told, violations(made.evidence()))


@pytest.mark.parametrize("overdue", [True, False])
def test_who_is_overdue_has_given_the_lane_up_also_when_an_operator_has_him_followed_anew(*, overdue: bool) -> None:
    made = clean()
    slow = made.open("slow", "merge", "vapp-90", watch_until="2026-01-01T00:00:00Z")
    made.call(slow, 202, "task:slow")
    made.accepted(slow, "task:slow")
    if overdue:
        made.tell(slow, "overdue", code="watch_until_passed")
    second = made.open("second", "merge", "vapp-90")
    made.call(second, 202, "task:second")
    made.accepted(second, "task:second")
    made.finished(second, "task:second")
    made.park(slow, "task_vanished")
    made.say({"kind": "resolve", "target_request_id": "slow", "decision": "retry"}, slow, "following")
    made.accepted(slow, "task:slow")
    made.finished(slow, "task:slow")
    found = [str(one) for one in violations(made.evidence()) if "gave the lane up" in str(one)]
    assert bool(found) is not overdue


@pytest.mark.parametrize(("until", "told"), [(-0.1, ""), (inf, "I2 .*another")])
def test_the_task_of_a_new_one_of_the_same_name_is_known_while_its_partition_is_owned(until: float, told: str) -> None:
    """``until``: when the other partition left, in seconds after the look."""
    made = clean()
    document = {"operation": "createDisk", "parameters": {}, "body": {"disk": {"name": "n1"}}}
    made.inputs.append(InputRecord(TOPIC, 1, 0, {**document, "request_id": "another"}))
    another = made.inputs[-1].birth
    made.write(CursorWrite, another, next_offset=1)
    made.state(another, "received")
    made.call(another, 202, "task:another")
    made.accepted(another, "task:another")
    made.finished(another, "task:another")
    late = made.send({**document, "request_id": "late one"})
    made.state(late, "received")
    made.call(late, 400)
    made.state(late, "unsure")
    made.accepted(late, "task:another", evidence=LOOKED)
    made.settings["tenures"] = [
        *made.evidence().tenures,
        Tenure(process=made.writer, topic=TOPIC, partition=1, since=0.0, until=made.now + until),
    ]
    made.finished(late, "task:another")
    found = [str(one) for one in violations(made.evidence())]
    assert bool(found) is bool(told), found
    assert any(re.match(told, one) for one in found) or not told


def test_what_was_looked_at_may_be_told_with_the_word_that_it_takes_too_long() -> None:
    made = clean()
    slow = made.open("slow", "merge", "vapp-21")
    made.call(slow, 503)
    made.state(slow, "unsure")
    made.state(slow, "waiting")
    made.tell(slow, "overdue", code="watch_until_passed", evidence=LOOKED)
    made.call(slow, 202, "task:slow")
    made.accepted(slow, "task:slow")
    made.finished(slow, "task:slow")
    assert violations(made.evidence()) == []


@pytest.mark.parametrize("upset", ["refused", "lost_stores"])
def test_who_finds_an_offset_moved_or_a_store_lost_stops(upset: str) -> None:
    made = clean()
    since, at, until = made.now + 1.0, made.now + 2.0, made.now + 3.0
    ahead = Refusal(topic=TOPIC, partition=0, since=since, until=until)
    made.settings[upset] = {"refused": [ahead], "lost_stores": {ahead.place: since}}[upset]
    made.settings["stops"] = [broken_positions.stop(NEXT_WRITER, at)]
    assert violations(made.evidence()) == []


def test_what_was_on_its_way_had_left_before_the_partition_was_lost() -> None:
    """As long as anything travels, or longer by the ledger's word."""
    made = clean()
    (call,) = made.calls(birth(made, "plain"))

    def lost(seconds: float) -> list[Violation]:
        since = call.at - seconds
        made.absences[:] = [Absence(process=WRITER, topic=TOPIC, partition=0, since=since, until=call.at + 0.01)]
        return [found for found in violations(made.evidence()) if "call" in found and "had no partition" in found]

    travel = made.evidence().travel_seconds
    assert lost(travel + 0.1)
    assert not lost(travel - 0.1)
    made.change(call, delayed=True)
    assert not lost(travel + 0.1)


def test_a_create_takes_the_place_of_what_waited_for_it_however_much_there_is() -> None:
    made = clean()
    made.settings["max_waiting_bytes"] = 1
    ticket = Ticket(made, "CHG-1")
    waiting = ticket.wait("update", details="half")
    made.transaction += 1
    ticket.create()
    ticket.came(waiting, "update", details="half")
    assert [found for found in violations(made.evidence()) if "CHG-1" in found and found.guarantee == "I8"] == []


def test_reads_change_nothing_and_may_tell_anybody_s_task() -> None:
    made = clean()
    read = made.open("read", "read", "vapp-20")
    made.call(read, 200, effect=False)
    made.tell(read, "finished", outcome="success", task="task:plain", status="success")
    made.end_it(read, "success")
    assert OPERATIONS["read"].reads
    assert violations(made.evidence()) == []


@pytest.mark.parametrize(
    ("key", "digest", "told"),
    [(b"key", b"\xff", ""), (None, b"\xff", ""), (b"key", b"other", "I1 .*: its dead letter")],
)
def test_a_stub_stands_for_what_it_has_the_hash_of(key: bytes | None, digest: bytes, told: str) -> None:
    made = clean()
    letter = made.dead[0]
    made.settings["received"] = {letter.birth: Raw(b"key", b"\xff", (("source", b"itsm"),))}
    stub = (("vb_value_sha256", hashlib.sha256(digest).hexdigest().encode()), ("vb_value_bytes", b"1"))
    made.dead[0] = replace(letter, raw=Raw(key, None, (("ours", b"1"), *stub)))
    assert _only(told, violations(made.evidence()))


def _ending(made: Made, story: str) -> EndedRecord:
    return next(record for record in made.ended if record.birth == story)
