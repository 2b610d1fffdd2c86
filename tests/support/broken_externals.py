"""What can be wrong with external tasks, one thing at a time, and what the checker has to say of it."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.support.breaking import said
from tests.support.checker.evidence import ExternalRecord, ExternalTask, LedgerCall, RequestWrite, StateWrite, story_id
from tests.support.made import EXTERNAL, GROUP, Made
from tests.support.made_external import Ticket


def birth(made: Made, key: str, command: str = "create", nth: int = 0) -> str:
    return [r.birth for r in made.inputs if (r.topic, r.name, r.kind) == (EXTERNAL, key, command)][nth]


def heard(made: Made, key: str, command: str, nth: int = 0) -> StateWrite:
    """The state in which an update or finish was taken."""
    offset = int(birth(made, key, command, nth).rpartition("/")[2])
    cursor = next(w for w in made.writes if (w.topic, getattr(w, "next_offset", None)) == (EXTERNAL, offset + 1))
    return next(w for w in reversed(made.writes[: made.writes.index(cursor)]) if isinstance(w, StateWrite))


def shown(made: Made, key: str) -> ExternalTask:
    return next(task for task in made.external_tasks if f"/{key}]" in task.operation)


def call(made: Made, key: str, nth: int) -> LedgerCall:
    return made.calls(birth(made, key))[nth]


# --- I1: every command --------------------------------------------------------------------------------------------


@said("I1 .*newcomer, create.*: never taken, the partition's cursor stands before it")
def a_command_that_is_never_taken(made: Made) -> None:
    Ticket(made, "newcomer").send("create")


@said("I1 .*shown.*: still intent though everything should have ended")
def a_task_never_ends(made: Made) -> None:
    story = birth(made, "shown")
    made.remove(made.story(story)[-1], made.states(story)[-1], *(e for e in made.ended if e.birth == story))


@said("I1 .*shown.*: gone from the store without a final event")
def the_end_of_a_task_is_not_told(made: Made) -> None:
    made.remove(made.story(birth(made, "shown"))[-1])


@said("I1 ext/0/-77: ended error, but the store still holds it as following")
def the_end_of_an_orphan_is_not_stored(made: Made) -> None:
    made.remove(made.states("ext/0/-77")[-1])
    made.change(made.states("ext/0/-77")[-1], phase="following")


@said("I1 .*shown, update.*: swallowed, ext/0/0 shows nothing of it")
def an_update_is_swallowed(made: Made) -> None:
    made.remove(heard(made, "shown", "update"))


@said("I1 .*twice, update.*: swallowed, .* had ended already and nobody was told")
def an_update_after_the_end_is_swallowed(made: Made) -> None:
    made.remove(*made.story(birth(made, "twice", "update", 2)))


@said("I1 .*nobody, finish.*: swallowed, there is no request it could be about")
def a_finish_of_nothing_is_swallowed(made: Made) -> None:
    made.remove(*made.story(birth(made, "nobody", "finish")))


@said("I1 .*nobody, finish.*: answered, but still waiting for its target")
def a_finish_is_answered_and_waits(made: Made) -> None:
    made.remove(made.states(birth(made, "nobody", "finish"))[-1])


@said("I7 .*nobody, finish.*: ended, but its request is still stored")
def a_waiting_command_is_kept(made: Made) -> None:
    story = birth(made, "nobody", "finish")
    made.remove([w for w in made.writes if isinstance(w, RequestWrite) and w.birth == story][-1])


@said("I7 .*shown.*: ended, but its request is still stored")
def the_document_of_an_ended_task_is_kept(made: Made) -> None:
    story = birth(made, "shown")
    made.remove([w for w in made.writes if isinstance(w, RequestWrite) and w.birth == story][-1])


@said("I1 .*twice, create.*: conflicts with .*, and nobody was told")
def a_create_with_other_content_is_swallowed(made: Made) -> None:
    made.remove(*made.story(birth(made, "twice", "create", 2)))


@said("I3 .*twice, create.*: opened again, twice belongs to")
def a_repeated_create_is_opened(made: Made) -> None:
    made.state(birth(made, "twice", "create", 1), "received", kind="external_task", external_key="twice")


@said("I1 .*twice, None.*: a dead letter, though it can be read")
def a_good_command_is_thrown_away(made: Made) -> None:
    made.change(next(r for r in made.inputs if r.document is None and r.topic == EXTERNAL), document={"progress": 1})


@said("I7 ext/0: offset 3 is committed, the cursor says")
def the_other_offset_is_not_the_cursors(made: Made) -> None:
    made.settings["offsets"] = {**made.evidence().offsets, (EXTERNAL, 0): 3}


# --- I2: calls ----------------------------------------------------------------------------------------------------


@said("I2 .*shown.*: call .*createExternalTask.* left without a committed intent")
def a_post_without_an_intent(made: Made) -> None:
    first = next(w for w in made.states(birth(made, "shown")) if w.phase == "intent")
    made.change(first, phase="received", attempt=0)


@said("I2 .*shown.*: call .*updateTask.* left without a committed intent")
def a_put_without_an_intent(made: Made) -> None:
    last = [w for w in made.states(birth(made, "shown")) if w.phase == "intent"][-1]
    made.change(last, phase="waiting", attempt=last.attempt - 1)


@said("I2 .*shown.*: call .*updateTask.* left 0.60 s before its intent was written")
def a_put_before_its_intent(made: Made) -> None:
    put = call(made, "shown", -1)
    made.change(put, at=put.at - 0.7)


@said("I2 call .*: its id 'vb-0{32}-1' belongs to no input record")
def a_put_of_nobody(made: Made) -> None:
    put = call(made, "shown", 1)
    made.ledger.append(replace(put, number=999, call_id="vb-" + 32 * "0" + "-1"))


@said("I2 .*shown, update.*: a update record was called as if it were a request")
def an_update_is_called_by_itself(made: Made) -> None:
    update = birth(made, "shown", "update")
    made.called(f"{story_id(update)}-1", "updateTask", 200, effect=False, task=None)


@said("I2 .*doubted.*: call .* left though call .* had started task:doubted")
def a_second_post_though_the_first_was_carried_out(made: Made) -> None:
    post = call(made, "doubted", 0)
    intent = next(w for w in made.states(birth(made, "doubted")) if w.phase == "intent")
    made.ledger.append(replace(post, number=998, at=post.at + 0.05, call_id=post.call_id[:-1] + "9", effect=False))
    made.writes.insert(made.writes.index(intent) + 1, replace(intent, at=post.at + 0.02, attempt=9))


@said("I2 .*asked-twice.* repeats call .*, and the story tells of no look")
def a_second_post_without_a_look(made: Made) -> None:
    for event in made.story(birth(made, "asked-twice")):
        event["evidence"] = []


@said("I2 .*refused, update.*#1: vcd_request_id .* is another call's")
def a_refusal_that_another_call_met(made: Made) -> None:
    made.story(birth(made, "refused", "update"))[0]["vcd_request_id"] = call(made, "shown", 0).call_id


@said("I6 .*shown.*: call .*updateTask.* outlived its lease")
def a_put_of_a_zombie(made: Made) -> None:
    put = call(made, "shown", -1)
    made.change(put, at=put.at + 5)


# --- I4: stories --------------------------------------------------------------------------------------------------


@said(r"I4 .*shown.*: sequences \[2\]")
def a_gap_in_an_external_story(made: Made) -> None:
    made.remove(made.story(birth(made, "shown"))[0])


@said("I4 .*shown.*#1: is told of action_request 'shown', its record is an external task's, 'shown'")
def told_as_a_request(made: Made) -> None:
    made.story(birth(made, "shown"))[0]["lifecycle"] = "action_request"


@said("I4 .*shown.*#1: is told of external_task 'other', its record")
def told_of_another_key(made: Made) -> None:
    made.story(birth(made, "shown"))[0]["external_key"] = "other"


@said("I4 .*shown.*#1: correlation_id is 'C9', no command of 'shown' has it")
def told_to_another_ticket(made: Made) -> None:
    made.story(birth(made, "shown"))[0]["correlation_id"] = "C9"


# --- I9: what VCD shows -------------------------------------------------------------------------------------------


@said("I9 .*shown.*: 2 Tasks bear its mark, task:shown, task:hidden")
def two_tasks_for_one_key(made: Made) -> None:
    made.external_tasks.append(replace(shown(made, "shown"), task_id="task:hidden"))


@said("I9 task:made-up: bears our mark for 'unheard of', which no record has")
def a_task_for_nobody(made: Made) -> None:
    operation = f"[{GROUP}/{EXTERNAL}-0/unheard of]"
    made.external_tasks.append(ExternalTask(task_id="task:made-up", status="success", operation=operation))


@said("I9 .*shown.*: call .* is about task:doubted, its intent about task:shown")
def the_task_of_another_key_is_changed(made: Made) -> None:
    made.change(call(made, "shown", 1), task_id="task:doubted")


@said("I9 .*shown.*: call .* changed task:theirs-1, which no call of it started")
def the_task_of_another_group_is_changed(made: Made) -> None:
    for write in made.states(birth(made, "shown")):
        made.change(write, task_id="task:theirs-1")
    for put in made.calls(birth(made, "shown"))[1:]:
        made.change(put, task_id="task:theirs-1")


@said("I2 call .*cancelTask.*: its id '' belongs to no input record")
def a_task_of_others_is_canceled_by_our_user(made: Made) -> None:
    made.called("", "cancelTask", 204, effect=True, task="task:theirs-0")


@said("I9 .*shown.*: call .*createExternalTask.* makes a Task, though task:shown is its own")
def posted_though_there_is_a_task(made: Made) -> None:
    made.change(call(made, "shown", 1), operation="createExternalTask")


@said("I9 .*shown.*: call .* left 'Change', without its mark")
def the_mark_is_lost(made: Made) -> None:
    made.change(call(made, "shown", 1), task_operation="Change")


@said("I9 .*shown.*: ended 2 times, by call .* and call")
def ended_twice(made: Made) -> None:
    made.change(call(made, "shown", -2), task_status="success")


@said("I9 .*shown.*: call .* took effect after call .* had ended the Task")
def changed_after_the_end(made: Made) -> None:
    first, last = call(made, "shown", -2), call(made, "shown", -1)
    made.change(first, task_status="success")
    made.change(last, task_status="running")


@said("I9 .*taken.*: told as ended by somebody else, but call .* ended it")
def its_own_end_is_not_recognised(made: Made) -> None:
    made.change(call(made, "taken", 0), task_status="error")


@said("I9 .*shown.*: told success, but no call of its own ended the Task")
def an_end_that_nobody_made(made: Made) -> None:
    made.change(call(made, "shown", -1), effect=False)


@said("I9 task:shown: of 'shown', is running, and no open lifecycle has it")
def a_task_runs_for_ever(made: Made) -> None:
    task = shown(made, "shown")
    made.change(task, status="running")


@said("I9 ext/0/-77: took task:lost over, which bore 'Theirs'")
def a_task_of_others_is_taken_over(made: Made) -> None:
    made.story("ext/0/-77")[0]["task"]["operation"] = "Theirs"


@said("I9 .*shown.*: call .* brings an older document back, 1 after 2")
def an_older_document_comes_back(made: Made) -> None:
    older, newer = call(made, "shown", 1), call(made, "shown", 2)
    made.change(older, body=newer.body)
    made.change(newer, body=older.body)


@said("I9 .*shown.*: call .* shows what nobody wanted")
def a_document_is_made_up(made: Made) -> None:
    put = call(made, "shown", 1)
    made.change(put, body=json.dumps({**json.loads(put.body or ""), "progress": 7}))


@said("I9 .*shown.*: VCD shows another details, status than was wanted last")
def the_last_word_is_lost(made: Made) -> None:
    task = shown(made, "shown")
    made.change(task, shown={**task.shown, "details": "nearly", "status": "running"})


@said("I9 .*shown.*: VCD shows another operation than was wanted last")
def the_operation_is_lost(made: Made) -> None:
    task = shown(made, "shown")
    made.change(task, shown={**task.shown, "operation": "Something else"})


@said("I1 .*taken, create.*: ended in VCD, its last 1 commands never shown, nobody told")
def a_command_that_is_never_shown_and_never_told(made: Made) -> None:
    update = {"command": "update", "details": "never shown"}
    made.inputs.append(ExternalRecord(EXTERNAL, 0, made.end(EXTERNAL), update, "taken"))


# --- I9: silence --------------------------------------------------------------------------------------------------


def _expires(made: Made, key: str, seconds: float) -> None:
    create = next(record for record in made.inputs if record.birth == birth(made, key))
    made.change(create, document={**(create.document or {}), "expire_after_seconds": seconds})


@said("I9 .*silent.*: ended after .* s of silence, not 400")
def silent_for_less_than_was_said(made: Made) -> None:
    _expires(made, "silent", 400)


@said("I9 .*silent.*: ended .* s after its owner's silence had lasted too long")
def silent_for_more_than_was_said(made: Made) -> None:
    made.settings["silence_late_seconds"] = 0.1
    _expires(made, "silent", 0.1)
