"""Decisions on blocking tasks: read before, called once, looked into after; on a topic of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.answers import (
    BlockingAbsent,
    BlockingReading,
    CallAnswer,
    Done,
    HttpCall,
    ReadRefused,
    Refused,
    Unavailable,
)
from bridge.core.blocking_task import BlockingTask
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.policy import Policy
from bridge.core.rules import Rules
from bridge.core.task import Task, task_at
from tests.engine.harness import NAMES, TOPIC, Document, Site, control, request, virtually
from tests.engine.scripted_vcd import NO_ANSWER, ScriptedVcd, urn

APPROVALS = "approvals"
FORBIDDEN = Refused(code="ACCESS_TO_RESOURCE_IS_FORBIDDEN", message="No access", http_status=403)
UUID = "00000000-0000-4000-8000-00000000000b"
BLOCKING = f"urn:vcloud:blockingTask:{UUID}"
HELD_TASK = urn(1)
ENDS = {"resume": "running", "abort": "aborted", "fail": "error"}
_READ = BlockingAbsent | ReadRefused | Unavailable


@dataclass(slots=True)
class HoldingVcd(ScriptedVcd):
    """Holds Task 1. ``lost``: of the next decisions the answer; ``unheard``: so many never come to VCD at all."""

    lost: int = 0
    unheard: int = 0
    unread: list[_READ] = field(default_factory=list)
    """What the next readings of the blocking task are answered instead."""
    decisions: list[str] = field(default_factory=list)
    """Those that took effect."""

    def hold(self) -> None:
        self.make(1, "preRunning")
        self.blocking[BLOCKING] = BlockingTask(id=BLOCKING, task=task_at(HELD_TASK, f"https://vcd/api/task/{UUID}"))
        self.on_call = self._decided

    def decide(self, action: str) -> None:
        """As VCD does it, by whoever's word."""
        del self.blocking[BLOCKING]
        self.finish(1, ENDS[action])

    def _decided(self, call: HttpCall) -> CallAnswer:
        if self.unheard:
            self.unheard -= 1
            return NO_ANSWER
        if BLOCKING not in self.blocking:
            return FORBIDDEN
        action = call.path.rpartition("/")[2]
        if action != "updateProgress":
            self.decide(action)
            self.decisions.append(action)
        if self.lost:
            self.lost -= 1
            return NO_ANSWER
        return Done(http_status=204)

    async def read_blocking_task(self, blocking_task_id: str) -> BlockingReading:
        if self.unread:
            return self.unread.pop(0)
        return await ScriptedVcd.read_blocking_task(self, blocking_task_id)


class ApprovalSite(Site):
    """Decisions on their own topic."""

    vcd: HoldingVcd

    def __init__(self) -> None:
        super().__init__(vcd=HoldingVcd())
        self.policies = replace(self.policies, names=replace(NAMES, approvals=APPROVALS))
        self.vcd.hold()

    def decide(self, request_id: str, action: str = "resume", **more: Any) -> Birth:
        operation = "updateBlockingTaskProgress" if action == "updateProgress" else f"{action}BlockingTask"
        document: Document = {
            "request_id": request_id, "operation": operation, "parameters": {"id": UUID},
            "body": {"message": "by the board"}, "requested_by": "anna", **more,
        }  # fmt: skip
        return self.send(document, topic=APPROVALS, key=UUID.encode())

    def last(self, request_id: str) -> Document:
        return self.events(request_id)[-1]


@pytest.mark.parametrize("action", ENDS)
@virtually
async def test_what_is_held_is_decided_once_and_the_second_is_told_what_happened(action: str) -> None:
    site = ApprovalSite()
    await site.start()
    site.decide("first", action)
    await asyncio.sleep(3)
    site.decide("second", "abort")
    await asyncio.sleep(3)
    assert site.story("first") == ["finished -> success"]
    assert site.story("second") == ["rejected -> rejected (not_held)"]
    told = site.last("second")["reason"]["message"]
    assert f"first ({action}BlockingTask by anna) ended it at" in told
    assert f"its Task {HELD_TASK} is {ENDS[action]}" in told
    assert len(site.vcd.calls) == 1
    assert site.stored(APPROVALS) == {}


@virtually
async def test_the_next_owner_knows_who_decided() -> None:
    site = ApprovalSite()
    await site.start()
    site.decide("first", "fail")
    await asyncio.sleep(3)
    await site.next_owner()
    site.decide("second")
    await asyncio.sleep(3)
    assert "first (failBlockingTask by anna) ended it" in site.last("second")["reason"]["message"]


@virtually
async def test_of_two_at_the_same_time_one_takes_effect() -> None:
    """The second was read while it was held; its call is refused, and the Task tells what was decided."""
    site = ApprovalSite()
    await site.start()
    site.decide("first", "resume")
    site.decide("second", "abort")
    site.decide("third", "resume")
    await asyncio.sleep(60)
    assert site.vcd.decisions == ["resume"]
    assert site.story("first") == ["finished -> success"]
    assert site.story("second") == ["rejected -> rejected (decided_otherwise)"]
    assert site.story("third") == ["rejected -> rejected (not_held)"]
    assert "first (resumeBlockingTask by anna) ended it" in site.last("third")["reason"]["message"]


@virtually
async def test_a_lost_answer_is_looked_into_before_anything_is_repeated() -> None:
    """Carried out: the Task shows it. Not carried out: it is held still, and called again."""
    site = ApprovalSite()
    site.vcd.unheard, site.vcd.lost = 1, 1
    await site.start()
    site.decide("R", "abort")
    await asyncio.sleep(120)
    assert site.story("R") == ["finished -> success (proven_by_state)"]
    assert (len(site.vcd.calls), site.vcd.decisions) == (2, ["abort"])
    assert site.vcd.calls[1].at - site.vcd.calls[0].at > 10, "the first could still have been on its way"


@virtually
async def test_a_lost_answer_and_somebody_elses_decision() -> None:
    site = ApprovalSite()
    site.vcd.unheard = 1
    await site.start()
    site.decide("R", "resume")
    await asyncio.sleep(3)
    site.vcd.decide("abort")
    await asyncio.sleep(60)
    assert site.story("R") == ["rejected -> rejected (decided_otherwise)"]
    assert f"{HELD_TASK} is aborted" in site.last("R")["reason"]["message"]
    assert len(site.vcd.calls) == 1


@virtually
async def test_a_task_that_looks_as_asked_is_no_proof_where_another_decision_is_known() -> None:
    site = ApprovalSite()
    as_vcd = site.vcd.on_call

    def resumed_and_failed_of_itself(call: HttpCall) -> CallAnswer | Awaitable[CallAnswer]:
        if as_vcd is None or call.path.endswith("/fail"):
            site.vcd.finish(1, "error")
            return NO_ANSWER
        return as_vcd(call)

    site.vcd.on_call = resumed_and_failed_of_itself
    await site.start()
    site.decide("first", "resume")
    site.decide("second", "fail")
    await asyncio.sleep(60)
    assert site.story("first") == ["finished -> success"]
    assert site.story("second") == ["rejected -> rejected (decided_otherwise)"]


@pytest.mark.parametrize("gone", [False, True])
@virtually
async def test_what_the_task_does_not_tell_is_a_persons_to_settle(gone: bool) -> None:
    """It failed: failed by somebody, or resumed and failed by itself; or VCD shows it no more."""
    site = ApprovalSite()
    site.vcd.unheard = 1
    await site.start()
    site.decide("R", "resume")
    await asyncio.sleep(3)
    site.vcd.decide("fail")
    if gone:
        del site.vcd.tasks[HELD_TASK]
    await asyncio.sleep(60)
    assert site.story("R") == ["parked (outcome_unknown)"]
    site.send(control("resolve", "R", resolution={"outcome": "error", "reason": "seen"}), topic=APPROVALS)
    await asyncio.sleep(3)
    assert site.story("R")[1:] == ["finished -> error (resolved)"]


@virtually
async def test_a_crash_between_intent_and_answer() -> None:
    site = ApprovalSite()
    site.vcd.lost = 1
    await site.start()
    site.decide("R", "fail")
    await asyncio.sleep(0.5)
    assert site.vcd.decisions == ["fail"]
    await site.next_owner()
    await asyncio.sleep(60)
    assert site.story("R") == ["finished -> success (proven_by_state)"]
    assert len(site.vcd.calls) == 1


@virtually
async def test_a_cell_that_does_not_know_yet_what_is_held_rejects_nothing() -> None:
    site = ApprovalSite()
    site.vcd.unread = [BlockingAbsent(403, "no access")]
    await site.start()
    site.decide("R")
    await asyncio.sleep(9)
    assert site.story("R") == []
    await asyncio.sleep(5)
    assert site.story("R") == ["finished -> success"]
    assert len(site.vcd.calls) == 1


@virtually
async def test_a_crash_before_anything_was_read() -> None:
    site = ApprovalSite()
    site.vcd.unread = [Unavailable("HTTP 503")] * 3
    await site.start()
    site.decide("R")
    await asyncio.sleep(0.2)
    assert [one.phase.value for one in site.lifecycles(APPROVALS)] == ["resolving"]
    await site.next_owner()
    await asyncio.sleep(10)
    assert site.story("R") == ["finished -> success"]


@virtually
async def test_an_outage_rejects_nothing_and_is_told_once() -> None:
    site = ApprovalSite()
    site.policies = replace(site.policies, rules=Rules(longest_wait=timedelta(hours=1)))
    site.vcd.unread = [Unavailable("HTTP 503")] * 20
    await site.start()
    site.decide("R")
    await asyncio.sleep(900)
    assert site.story("R") == ["waiting (hold_unanswered)", "finished -> success"]


@virtually
async def test_a_refusal_while_it_is_held_is_tried_again_and_then_told_as_vcd_says_it() -> None:
    site = ApprovalSite()
    site.policies = replace(site.policies, rules=Rules(max_tries=2))
    site.vcd.on_call = lambda call: FORBIDDEN
    await site.start()
    site.decide("R")
    await asyncio.sleep(60)
    assert site.story("R") == [f"rejected -> rejected ({FORBIDDEN.code})"]
    assert len(site.vcd.calls) == 2


@virtually
async def test_a_call_after_a_refused_one_may_be_on_its_way_as_any_other() -> None:
    site = ApprovalSite()
    answers: Iterator[CallAnswer] = iter([FORBIDDEN, NO_ANSWER])
    site.vcd.on_call = lambda call: next(answers)
    await site.start()
    site.decide("R", "abort")
    await asyncio.sleep(4)
    assert len(site.vcd.calls) == 2
    site.vcd.decide("abort")  # the second one arrives late
    await asyncio.sleep(60)
    assert site.story("R") == ["finished -> success (proven_by_state)"]
    assert len(site.vcd.calls) == 2


@virtually
async def test_putting_the_time_out_off_decides_nothing() -> None:
    site = ApprovalSite()
    site.vcd.lost = 1
    await site.start()
    site.decide("P", "updateProgress")
    await asyncio.sleep(60)
    assert (site.story("P"), len(site.vcd.calls)) == (["finished -> success"], 2)
    site.decide("R")
    await asyncio.sleep(3)
    assert site.story("R") == ["finished -> success"]
    site.decide("late", "updateProgress")
    await asyncio.sleep(3)
    assert site.story("late") == ["rejected -> rejected (not_held)"]
    assert "R (resumeBlockingTask by anna) ended it" in site.last("late")["reason"]["message"]


@virtually
async def test_what_may_have_been_put_off_is_not_told_as_canceled() -> None:
    """That it is held still proves nothing of it: a cancel does not undo what VCD may have taken."""
    site = ApprovalSite()
    site.vcd.lost = 1
    await site.start()
    site.decide("P", "updateProgress")
    await asyncio.sleep(0.5)
    site.send(control("cancel", "P"), topic=APPROVALS, key=UUID.encode())
    await asyncio.sleep(60)
    assert site.story("P") == ["parked (outcome_unknown)"]


@virtually
async def test_a_cancel_takes_back_what_has_not_been_called() -> None:
    site = ApprovalSite()
    site.vcd.unread = [Unavailable("HTTP 503")] * 50
    await site.start()
    site.decide("R")
    await asyncio.sleep(1)
    site.send(control("cancel", "R"), topic=APPROVALS, key=UUID.encode())
    await asyncio.sleep(3)
    assert site.story("R") == ["finished -> canceled (canceled_before_start)"]
    assert site.vcd.calls == []


@virtually
async def test_each_topic_takes_what_belongs_there() -> None:
    site = ApprovalSite()
    await site.start()
    site.send(request("power"), topic=APPROVALS)
    decision = {"request_id": "wrong", "operation": "resumeBlockingTask", "parameters": {"id": UUID}}
    site.send({**decision, "body": {"message": "m"}})
    await asyncio.sleep(3)
    for name in ("power", "wrong"):
        assert site.story(name) == ["rejected -> rejected (operation_has_own_stream)"]
    assert set(site.engine.partitions) == {TopicPartition(TOPIC, 0), TopicPartition(APPROVALS, 0)}


ACME = {"href": "https://vcd/api/org/6c0d9722-80a6-4f19-b676-72ebf48e4e71", "id": None, "type": None, "name": "acme"}


@pytest.mark.parametrize(
    ("allowed", "organization", "is_allowed"),
    [
        ("ac*", ACME, True), ("6c0d9722-80a6-4f19-b676-72ebf48e4e71", ACME, True), ("beta", ACME, False),
        ("ac*", None, False),
    ],
)  # fmt: skip
@virtually
async def test_whose_operation_is_held_is_read_before_it_is_decided(
    allowed: str, organization: Any, is_allowed: bool
) -> None:
    site = ApprovalSite()
    site.policy = Policy(organizations=(allowed,))
    site.vcd.blocking[BLOCKING] = replace(site.vcd.blocking[BLOCKING], organization=organization)
    await site.start()
    site.decide("R")
    await asyncio.sleep(3)
    refused = ["rejected -> rejected (organization_not_allowed)"]
    assert site.story("R") == (["finished -> success"] if is_allowed else refused)
    assert len(site.vcd.calls) == is_allowed


@pytest.mark.parametrize("allowed", [(), ("ac*",)], ids=["anybody", "some"])
@virtually
async def test_whose_operation_is_held_has_to_be_readable_where_that_counts(allowed: tuple[str, ...]) -> None:
    site = ApprovalSite()
    site.policy = Policy(organizations=allowed)
    site.vcd.unread = [ReadRefused(406, "no such type")]
    await site.start()
    site.decide("R")
    await asyncio.sleep(3)
    assert (site.last("R")["reason"] or {}).get("code") == ("organization_not_allowed" if allowed else None)
    assert len(site.vcd.calls) == (not allowed)


@virtually
async def test_a_task_that_is_being_cleaned_up_is_looked_at_again() -> None:
    """Gone, and the Task in preRunning still: nobody can say yet what was decided."""
    site = ApprovalSite()
    site.vcd.unheard = 1
    await site.start()
    site.decide("R", "abort")
    await asyncio.sleep(0.5)
    del site.vcd.blocking[BLOCKING]
    await asyncio.sleep(3)
    assert site.story("R") == []
    site.vcd.tasks[HELD_TASK] = Task({**site.vcd.tasks[HELD_TASK].document, "status": "aborted"})
    await asyncio.sleep(60)
    assert site.story("R") == ["finished -> success (proven_by_state)"]
