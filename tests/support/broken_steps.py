"""What can be wrong with single steps: decided, committed or called by the wrong one, at the wrong time, or in part."""

from __future__ import annotations

from dataclasses import replace

from tests.support.breaking import said
from tests.support.checker.evidence import EndedRecord, Raw, RequestWrite, StateWrite, VcdTask
from tests.support.made import NEXT_WRITER, TOPIC, WRITER, Made


def birth(made: Made, request_id: str, nth: int = 0) -> str:
    return [record.birth for record in made.inputs if record.request_id == request_id][nth]


def ending(made: Made, story: str) -> EndedRecord:
    return next(record for record in made.ended if record.birth == story)


def behind(made: Made, write: StateWrite, *more: StateWrite) -> None:
    """Further writes right behind one."""
    index = made.writes.index(write)
    made.writes[index + 1 : index + 1] = more


# --- I1, I3: answers ----------------------------------------------------------------------------------------------


@said("I1 .*plain.*: repeats in/0/0 for another ticket, and nobody was told")
def another_ticket_is_told_nothing(made: Made) -> None:
    made.remove(*made.story(birth(made, "plain", 3)))


@said("I3 .*wrong.*: told request_id_conflict, and nothing of other content was there")
def a_conflict_with_nothing(made: Made) -> None:
    made.story(birth(made, "wrong"))[0]["reason"] = {"code": "request_id_conflict"}


@said("I1 .*plain, cancel.*: told unknown_request, though in/0/0 is known by that name")
def a_target_is_not_known(made: Made) -> None:
    made.answer(made.send({"kind": "cancel", "target_request_id": "plain"}), "rejected", "rejected", "unknown_request")


@said("I1 .*c, cancel.*: told unknown_request, though .* is known by that name")
def a_target_came_and_was_not_seen(made: Made) -> None:
    nobody = next(record for record in made.inputs if record.target == "nobody")
    waits = next(write for write in made.states(nobody.birth) if write.phase is None)
    late = made.ask("nobody", "deploy", "vapp-77")
    made.ended.append(EndedRecord(birth=late, outcome="success", sequence=1))
    made.writes.remove(waits)
    made.now += 5
    made.writes.append(replace(waits, at=made.now))


@said("I1 .*plain, cancel.*: told that it is too late, though in/0/0 had not ended")
def it_is_not_too_late(made: Made) -> None:
    made.answer(made.send({"kind": "cancel", "target_request_id": "plain"}), "rejected", "rejected", "not_possible")
    plain = made.states(birth(made, "plain"))[-1]
    made.change(plain, at=made.now + 60)


@said("I1 .*stopped, cancel.*: swallowed, .* shows nothing of it")
def only_an_earlier_cancel_counted(made: Made) -> None:
    """The wish was there before an operator's retry put the request back, and a later cancel was not heard."""
    stopped = birth(made, "stopped")
    wanted = next(write for write in made.states(stopped) if write.cancel_wanted)
    before = next(write for write in made.states(stopped) if write.phase == "following")
    made.remove(wanted)
    behind(made, before, replace(before, cancel_wanted=True), replace(before, phase="parked"), replace(before))


@said("I1 .*: its dead letter is not what was received")
def a_dead_letter_is_emptied(made: Made) -> None:
    letter = made.dead[0]
    made.settings["received"] = {letter.birth: Raw(b"key", b"\xff", (("source", b"itsm"),))}
    made.dead[0] = replace(letter, raw=Raw(b"key", b"", (("source", b"itsm"), ("ours", b"1"))))


@said("I1 .*c, cancel.*: told unknown_request after 0 s")
def given_up_at_once(made: Made) -> None:
    made.settings["unknown_wait_seconds"] = 0.2
    nobody = next(record for record in made.inputs if record.target == "nobody")
    made.remove(*made.states(nobody.birth))


# --- I2: calls ----------------------------------------------------------------------------------------------------


@said("I2 .*plain.*: call .* is another operation")
def another_operation(made: Made) -> None:
    made.change(made.calls(birth(made, "plain"))[0], operation="merge")


@said("I2 .*plain.*: call .* went to /vApp/vapp-2/action/deploy")
def another_entity(made: Made) -> None:
    made.change(made.calls(birth(made, "plain"))[0], path="/vApp/vapp-2/action/deploy")


@said("I2 .*plain.*: call .* left .* s before its intent was written")
def called_before_the_commit(made: Made) -> None:
    """Written it was; committed it was not yet."""
    intent = next(write for write in made.states(birth(made, "plain")) if write.phase == "intent")
    made.change(intent, committed_at=made.calls(birth(made, "plain"))[0].at + 0.3)


@said("I2 .*unknown.*: never_retry, and attempt 2 was decided after a doubt")
def decided_again_though_never(made: Made) -> None:
    unsure = next(write for write in made.states(birth(made, "unknown")) if write.phase == "unsure")
    behind(made, unsure, replace(unsure, phase="waiting"), replace(unsure, phase="intent", attempt=2))


@said("I7 transaction .*: .* wrote for .*, whose offset was not part of it")
def a_step_without_an_offset(made: Made) -> None:
    made.settings["offset_transactions"] = {(TOPIC, 0): {-1}}


@said("I2 .*adopted.*#1: in doubt, then following, and tells of no look")
def adopted_without_a_look(made: Made) -> None:
    for event in made.story(birth(made, "adopted")):
        event["evidence"] = []


@said("I2 .*resolved.*: was given task:plain, which .*plain.* had told before")
def given_the_task_of_another(made: Made) -> None:
    made.story(birth(made, "resolved"))[-1]["task"] = {"id": "task:plain", "status": "success"}


@said("I2 .*repeated.*: call .* repeats call .* 0 s later")
def repeated_too_late(made: Made) -> None:
    made.settings["repeat_within_seconds"] = 0.01
    made.settings["travel_seconds"] = 0.01


@said("I2 .*stopped.*: call .* cancels .* s after the end was told")
def canceled_after_the_end(made: Made) -> None:
    cancel = next(call for call in made.calls(birth(made, "stopped")) if call.is_cancel)
    made.change(cancel, at=made.states(birth(made, "stopped"))[-1].at + 5)


# --- I4: what is told ---------------------------------------------------------------------------------------------


@said("I4 .*plain.*#1: tells running, which task:plain never was")
def a_status_that_never_was(made: Made) -> None:
    made.tasks["task:plain"] = VcdTask(status="success", statuses=("queued", "success"))


@said("I4 .*plain.*#1: told in transaction 999, its state was written in 1")
def told_apart_from_its_state(made: Made) -> None:
    made.event_transactions[f"{birth(made, 'plain')}#1"] = 999


@said("I7 .*plain.*: its ending is remembered in transaction 999, not")
def remembered_apart_from_its_end(made: Made) -> None:
    made.change(ending(made, birth(made, "plain")), transaction=999)


# --- I5: lanes ----------------------------------------------------------------------------------------------------


@said("I5 lane in/0:/vApp/vapp-1: .*stopped.* was started .* s before .*plain.* gave the lane up")
def decided_while_another_holds_the_lane(made: Made) -> None:
    """Its call was lost before it reached VCD: the intent alone shows it."""
    stopped = birth(made, "stopped")
    first = next(write for write in made.states(stopped) if write.phase == "intent")
    made.change(first, at=made.story(birth(made, "plain"))[-1]["observed_at"] / 1000 - 0.4)


@said("I5 lane in/0:/vApp/vapp-1: .*stopped.* overtook .*plain")
def decided_before_an_earlier_one(made: Made) -> None:
    first = next(write for write in made.states(birth(made, "stopped")) if write.phase == "intent")
    made.change(first, at=made.states(birth(made, "plain"))[0].at - 0.3)


@said("I5 .*wrong.*: told rejected for BUSY_ENTITY, which passes")
def refused_for_being_busy(made: Made) -> None:
    made.story(birth(made, "wrong"))[-1]["reason"] = {"code": "BUSY_ENTITY"}


# --- I6: owners ---------------------------------------------------------------------------------------------------


@said("I6 .*plain.*: call .* was made by group-two, its intent is group-one's")
def called_by_another(made: Made) -> None:
    made.change(made.calls(birth(made, "plain"))[0], process=NEXT_WRITER)


@said("I6 store offset .*: group-one wrote into partition 0, .* s after group-two was given it")
def written_into_the_time_of_the_next(made: Made) -> None:
    made.change(made.states(birth(made, "late"))[1], writer=WRITER)


@said("I6 store offset .*: group-one wrote into partition 0, .* s after group-two was given it")
def committed_into_the_time_of_the_next(made: Made) -> None:
    """It was written while the partition was still its own."""
    early = next(write for write in made.writes if write.writer == WRITER)
    late = made.states(birth(made, "late"))[1]
    made.remove(early)
    made.writes.insert(made.writes.index(late), replace(early, committed_at=late.at))


# --- I7: the store ------------------------------------------------------------------------------------------------


@said("I7 .*plain.*: offset .* of group-one forgets that VCD has accepted it: it is waiting again")
def accepted_and_forgotten(made: Made) -> None:
    followed = next(write for write in made.states(birth(made, "plain")) if write.phase == "following")
    behind(made, followed, replace(followed, phase="waiting"))


@said("I7 .*plain.*: offset .* of group-one forgets its Task task:plain")
def its_task_is_forgotten(made: Made) -> None:
    followed = next(write for write in made.states(birth(made, "plain")) if write.phase == "following")
    behind(made, followed, replace(followed, task_id=None))


@said("I7 .*stopped.*: offset .* of group-two forgets that a cancel was wanted")
def a_wish_is_forgotten(made: Made) -> None:
    wanted = next(write for write in made.states(birth(made, "stopped")) if write.cancel_wanted)
    behind(made, wanted, replace(wanted, cancel_wanted=False))


@said("I7 .*plain.*: its request outlives the step in which VCD had accepted it")
def a_secret_is_kept_for_a_while(made: Made) -> None:
    plain = birth(made, "plain")
    followed = next(write for write in made.states(plain) if write.phase == "following")
    dropped = next(write for write in made.writes if isinstance(write, RequestWrite) and write.birth == plain
                   and write.size_bytes is None)  # fmt: skip
    made.remove(dropped)
    behind(made, followed, replace(followed))


@said("I7 .*plain.*: the store remembers task:other, told was task:plain")
def another_task_is_remembered(made: Made) -> None:
    made.change(ending(made, birth(made, "plain")), task_id="task:other")
