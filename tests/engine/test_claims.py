"""One Task goes to one request at most: what looks find is held against everybody else of the process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.catalogue.operation import Recovery
from bridge.core.answers import Accepted, CallAnswer, EntityRead, HttpCall
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.inputs import Looked
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.recognition import LATEST_START
from bridge.core.rules import OperationFacts, Rules
from bridge.core.task import Task
from bridge.engine.journal.claims import Claims
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.round import PartitionRound, remembered
from tests.engine.harness import Document, Site, control, request, vapp, virtually
from tests.engine.scripted_vcd import NO_ANSWER, ScriptedVcd, task, urn
from tests.simulation.loop import EPOCH

NAME = "web01"
LONG_AGO = EPOCH - timedelta(days=30)


def _create(request_id: str, vdc: int) -> Document:
    """Makes a vApp called ``web01``; recognised by that name alone."""
    source = {"href": "https://vcd/api/vAppTemplate/vappTemplate-00000000-0000-4000-8000-000000000009"}
    return {
        "request_id": request_id,
        "operation": "instantiateVAppTemplate",
        "parameters": {"id": f"00000000-0000-4000-8000-{vdc:012d}"},
        "body": {"name": NAME, "source": source},
    }


def _vdc(call: HttpCall) -> int:
    return int(call.path.split("/")[2][-12:])


def _only_the_first_arrives(vcd: ScriptedVcd) -> None:
    """Both answers are lost; the call for vdc 1 made a Task, the other one never arrived."""

    def on_call(call: HttpCall) -> CallAnswer:
        if _vdc(call) == 1:
            vcd.make(1, name=NAME)
            vcd.shows(1)
        return NO_ANSWER

    vcd.on_call = on_call


@pytest.mark.parametrize("gap", [0.0, 0.05])
@virtually
async def test_two_in_doubt_and_one_task_that_both_could_have_started(gap: float) -> None:
    site = Site()
    _only_the_first_arrives(site.vcd)
    await site.start()
    site.send(_create("A", 1))
    await asyncio.sleep(gap)
    site.send(_create("B", 2))
    await asyncio.sleep(60)
    # Also the later one of the two: that the other is parked does not make the Task its own.
    assert site.story("A") == site.story("B") == ["parked (ambiguous)"]
    reason = site.events("B")[0]["reason"]["message"]
    assert urn(1) in reason
    assert "requests/0/0" in reason


@virtually
async def test_what_a_person_gives_to_one_is_no_others() -> None:
    site = Site()
    _only_the_first_arrives(site.vcd)
    await site.start()
    site.send(_create("A", 1))
    site.send(_create("B", 2))
    await asyncio.sleep(60)
    href = site.vcd.tasks[urn(1)].href
    site.send(control("resolve", "A", resolution={"task_href": href}))
    await asyncio.sleep(10)
    site.send(_create("C", 3))
    await asyncio.sleep(60)
    assert site.story("A") == ["parked (ambiguous)", "accepted", "changed running"]
    assert site.story("B") == ["parked (ambiguous)"]
    assert site.story("C") == ["parked (outcome_unknown)"]


@virtually
async def test_a_task_whose_owner_is_still_waiting_for_its_answer_is_not_adopted() -> None:
    site = Site()

    async def late_answer(task_number: int) -> Accepted:
        accepted = site.vcd.accept(task_number)
        site.vcd.make(task_number, name=NAME)
        site.vcd.shows(task_number)
        await asyncio.sleep(8)
        return accepted

    site.vcd.on_call = lambda call: late_answer(1) if _vdc(call) == 1 else NO_ANSWER
    await site.start()
    site.send(_create("A", 1))
    await asyncio.sleep(0.5)
    site.send(_create("B", 2))
    await asyncio.sleep(60)
    site.vcd.finish(1)
    await asyncio.sleep(10)
    assert site.story("A") == ["accepted running", "finished success -> success"]
    assert site.story("B") == ["parked (ambiguous)"]


@virtually
async def test_a_look_whose_find_has_become_anothers_says_nothing_of_a_call_that_is_on_its_way() -> None:
    site = Site(partitions=2)
    looks = asyncio.Event()

    async def held_up(entries: object) -> None:
        site.before_commit = None
        await asyncio.sleep(1)

    async def accepted() -> CallAnswer:
        answer = site.vcd.accept(1)
        made = site.vcd.make(1, entity=f"/vApp/{vapp(1)}")

        def read(path: str) -> EntityRead:
            looks.set()
            return EntityRead({}, (made,))

        site.vcd.entity = read
        await looks.wait()
        site.before_commit = held_up  # what B's look has found is decided after this answer
        return answer

    def on_call(call: HttpCall) -> CallAnswer | Awaitable[CallAnswer]:
        return accepted() if len(site.vcd.calls) == 1 else NO_ANSWER

    site.vcd.on_call = on_call
    await site.start()
    harmless: Document = {"operation": "mergeVAppMetadata", "body": {"metadataEntry": [{"key": "k"}]}}
    site.send(request("A", **harmless), partition=0)
    await asyncio.sleep(0.1)
    birth = site.send(request("B", **harmless), partition=1)
    await asyncio.sleep(9)
    assert site.story("A") == ["accepted running"]
    unsure = site.engine.partitions[birth.topic_partition].lifecycles[birth]
    assert unsure.phase is Phase.UNSURE
    [told] = [fact.values for fact in site.noted.facts if fact.name == "noted" and "recovery_overtaken" in fact.values]
    assert any("another request's meanwhile" in line for line in told[-1])
    assert len(site.vcd.calls) == 2
    await asyncio.sleep(60)
    assert [left.call.call_id for left in site.vcd.calls[1:3]] == [birth.call_id(1), birth.call_id(2)]
    assert site.vcd.calls[2].at - site.vcd.calls[1].at > 10


def test_a_task_that_became_anothers_in_the_same_round() -> None:
    owned = OwnedPartition(TopicPartition("requests", 0), 1, "id", 0, 0)
    first, second = _unsure(1), _unsure(2)
    owned.put(first)
    owned.put(second)
    work = PartitionRound(
        owned,
        first.received_at,
        lambda name: OperationFacts(Recovery.NEVER_RETRY),
        Rules(),
        0,
        lambda partition, lifecycle, request: request,
        0,
    )
    look = Looked(attempt=1, candidates=(task(1), task(2)), happened=None, evidence=())
    claims = Claims(lambda: [owned])
    rivals = f"{first.birth} could have made the same Task"
    assert claims.settle(look, second, [work], LONG_AGO) == replace(
        look, rivals=(str(first.birth),), evidence=(rivals,)
    )
    work.changed[first.birth] = replace(first, phase=Phase.FOLLOWING, task_id=urn(1), unsure_code=None)
    taken = f"{urn(1)} has become another request's meanwhile"
    assert claims.settle(look, second, [work], LONG_AGO) == replace(look, candidates=(task(2),), evidence=(taken,))
    alone = replace(look, candidates=(task(1),))
    assert claims.settle(alone, second, [work], LONG_AGO) == replace(
        alone, candidates=(), evidence=(taken,), overtaken=True
    )
    assert claims.holder(urn(1), [work]) == first.birth
    assert claims.holder(urn(2), [work]) is None
    # And once it is committed, for a look that was made before.
    owned.put(work.changed[first.birth])
    owned.put(_unsure(3))
    late = claims.settle(replace(look, candidates=(task(1),)), second, [], LONG_AGO)
    assert late == replace(look, candidates=(), evidence=(taken,), overtaken=True)
    assert claims.holder(urn(1), []) == first.birth


@pytest.mark.parametrize(("ended_before", "has_rivals"), [(None, False), (-31, False), (-29, True), (500, True)])
def test_a_task_whose_request_may_be_forgotten_is_not_adopted(ended_before: float | None, *, has_rivals: bool) -> None:
    """``ended_before``: seconds before the beginning of what is remembered; None: it runs."""
    lifecycle, found = _unsure(1), task(1)
    if ended_before is not None:
        ended = EPOCH - timedelta(seconds=ended_before)
        found = Task({**found.document, "endTime": int(ended.timestamp() * 1000)})
    look = Looked(attempt=1, candidates=(found,), happened=None, evidence=())
    settled = Claims(list).settle(look, lifecycle, [], EPOCH)
    assert settled.candidates == (found,)
    assert bool(settled.rivals) is has_rivals
    assert any("is forgotten" in line for line in settled.evidence) is has_rivals


def test_a_clock_that_is_wrong_neither_keeps_nor_drops_the_doubts_of_others() -> None:
    owned = OwnedPartition(TopicPartition("requests", 0), 1, "id", 0, 0)
    for offset, days_ago in enumerate((30, 0.5, -300, 1.5, 0.1)):
        called_at = EPOCH - timedelta(days=days_ago)
        ended = replace(_unsure(offset), phase=Phase.ENDED, intent_at=called_at, unsure_since=called_at)
        owned.remember(remembered(ended))
    owned.forget_doubts(EPOCH)
    assert sorted(doubt.birth.offset for doubt in owned.doubts) == [1, 2, 4]
    owned.forget_doubts(EPOCH + timedelta(days=2))
    assert [doubt.birth.offset for doubt in owned.doubts] == [2]


def _unsure(offset: int) -> Lifecycle:
    return Lifecycle(
        birth=Birth("requests", 0, offset), phase=Phase.UNSURE, request_id=f"r{offset}", key=None, attempt=1,
        received_at=EPOCH, created_name=NAME, unsure_code="no_answer",
    )  # fmt: skip


@virtually
async def test_partitions_of_one_process_know_each_other() -> None:
    site = Site(partitions=2)
    _only_the_first_arrives(site.vcd)
    await site.start()
    site.send(_create("A", 1), partition=0)
    site.send(_create("B", 2), partition=1)
    await asyncio.sleep(60)
    assert site.story("A") == site.story("B") == ["parked (ambiguous)"]


def _late(site: Site, number: int = 1) -> None:
    """The Task of an earlier call turns up: begun now, by the server's clock."""
    site.vcd.make(number, entity=f"/vApp/{vapp(1)}")
    site.vcd.shows(number)


_ENDS = {
    "given up": (control("cancel", "A"), "finished -> canceled (canceled_while_parked)"),
    "resolved": (control("resolve", "A", resolution={"outcome": "error"}), "finished -> error (resolved)"),
}


@pytest.mark.parametrize("restarted", [False, True], ids=["same process", "next owner"])
@pytest.mark.parametrize("end", _ENDS)
@virtually
async def test_the_task_of_a_call_in_doubt_to_the_end_is_not_the_next_ones(end: str, restarted: bool) -> None:
    """A person ends the first one without a word of its Task, which shows late; the second one's call never arrived."""
    site = Site()
    site.vcd.on_call = lambda call: NO_ANSWER
    await site.start()
    site.send(request("A", operation="createSnapshot"))
    await asyncio.sleep(20)
    assert site.story("A") == ["parked (outcome_unknown)"]
    record, told = _ENDS[end]
    site.send(record)
    await asyncio.sleep(1)
    assert site.story("A")[-1] == told
    if restarted:
        await site.next_owner()
    _late(site)
    site.send(request("B", operation="createSnapshot"))
    await asyncio.sleep(60)
    assert site.story("B") == ["parked (ambiguous)"]
    assert "requests/0/0" in site.events("B")[0]["reason"]["message"]


@virtually
async def test_what_was_given_up_long_ago_has_started_nothing_now() -> None:
    site = Site()
    site.vcd.on_call = lambda call: NO_ANSWER
    await site.start()
    site.send(request("A", operation="createSnapshot"))
    await asyncio.sleep(20)
    site.send(control("cancel", "A"))
    await asyncio.sleep(LATEST_START.total_seconds())
    _late(site)
    site.send(request("B", operation="createSnapshot"))
    await asyncio.sleep(60)
    assert site.story("B") == ["accepted running"]


@pytest.mark.parametrize("again", ["by itself", "by an operator"])
@virtually
async def test_a_second_call_that_was_answered_leaves_the_first_one_in_doubt(again: str) -> None:
    site = Site()
    answers: deque[CallAnswer] = deque([NO_ANSWER])
    site.vcd.on_call = lambda call: answers.popleft() if answers else NO_ANSWER
    if again == "by itself":
        # The probe says that the vApp is off.
        site.vcd.entity = lambda path: EntityRead({"status": 8}, ())
    await site.start()
    site.send(request("A"))
    answers.append(site.vcd.accept(2, "success"))
    await asyncio.sleep(20)
    if again == "by an operator":
        assert site.story("A") == ["parked (outcome_unknown)"]
        site.send(control("retry", "A"))
        await asyncio.sleep(5)
    assert site.story("A")[-1] == "finished success -> success"
    assert len(site.vcd.calls) == 2
    _late(site)
    site.send(request("B"))
    await asyncio.sleep(60)
    assert site.story("B") == ["parked (ambiguous)"]


@virtually
async def test_a_task_of_an_ended_request_is_nobody_elses() -> None:
    site = Site()
    made = 0

    def on_call(call: HttpCall) -> CallAnswer:
        nonlocal made
        made += 1
        if made > 1:
            return NO_ANSWER
        answer = site.vcd.accept(1, "success")
        site.vcd.tasks[urn(1)] = site.vcd.make(1, "success", entity=f"/vApp/{vapp(1)}")
        site.vcd.shows(1)
        return answer

    site.vcd.on_call = on_call
    await site.start()
    site.send(request("A", operation="createSnapshot"))
    site.send(request("B", operation="createSnapshot"))
    await asyncio.sleep(60)
    assert site.story("A") == ["finished success -> success"]
    assert site.story("B") == ["parked (outcome_unknown)"]
    await site.next_owner()
    claims = Claims(site.engine.partitions.values)
    assert urn(1) in claims
