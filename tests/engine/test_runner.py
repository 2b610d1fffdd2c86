"""Commands: a call leaves only while its intent holds, and what it answers is told only while the partition is ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from bridge.core.answers import CallAnswer, CancelAnswer
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.lifecycle import Lifecycle, Phase, StoredRequest
from bridge.engine.calling.permits import Limits
from bridge.engine.runner import http_call
from bridge.ports import NotCommitted, PartitionEntries
from tests.engine.harness import TOPIC, Site, control, request, virtually
from tests.engine.scripted_vcd import urn
from tests.simulation.loop import EPOCH

LEASE = 5.0


def test_a_call_is_the_request_as_stored_with_an_id_of_its_attempt() -> None:
    birth = Birth("t", 0, 7)
    lifecycle = Lifecycle(
        birth=birth, phase=Phase.INTENT, request_id="A", key=None, received_at=EPOCH, operation="deployVApp",
        organization="acme", attempt=2,
    )  # fmt: skip
    stored = StoredRequest(
        birth=birth, method="POST", path="/vApp/vapp-1/action/deploy", query=(("force", "true"),),
        media_type="application/x+json", body='{"powerOn": true}',
    )  # fmt: skip
    call = http_call(lifecycle, stored)
    assert (call.operation, call.method, call.path) == ("deployVApp", "POST", "/vApp/vapp-1/action/deploy")
    assert (call.query, call.body, call.media_type) == ({"force": "true"}, {"powerOn": True}, "application/x+json")
    assert call.organization == "acme"
    assert call.call_id == birth.call_id(2) != birth.call_id(1)


# --- the lease --------------------------------------------------------------------------------------------------------


def _slow_commits(site: Site, seconds: float) -> None:
    async def wait(entries: Sequence[PartitionEntries]) -> None:
        await asyncio.sleep(seconds)

    site.before_commit = wait


@virtually
async def test_the_lease_is_counted_from_before_the_commit() -> None:
    site = Site()
    await site.start()
    _slow_commits(site, 4.0)
    sent = site.vcd.now()
    site.send(request("A"))
    await asyncio.sleep(10)
    [left] = site.vcd.calls
    assert left.at >= sent + 4.0
    assert left.leave_by <= sent + 0.1 + LEASE


@virtually
async def test_a_commit_that_takes_longer_than_the_lease_makes_no_call_but_another_attempt() -> None:
    site = Site()
    await site.start()
    _slow_commits(site, 6.0)
    site.send(request("A"))
    await asyncio.sleep(30)
    assert site.vcd.calls == []
    site.before_commit = None
    await asyncio.sleep(60)
    [left] = site.vcd.calls
    assert left.call.call_id != Birth(TOPIC, 0, 0).call_id(1)
    assert site.story("A") == ["accepted running"]


# --- a cancel ---------------------------------------------------------------------------------------------------------


@virtually
async def test_a_cancel_that_is_committed_with_the_intent_keeps_the_call_from_leaving() -> None:
    site = Site()
    await site.start()
    site.send(request("A"))
    site.send(control("cancel", "A"))
    await asyncio.sleep(10)
    assert site.vcd.asked == 0, "not even a connection is made"
    assert site.story("A") == ["finished -> canceled (canceled_before_start)"]


@virtually
async def test_a_cancel_that_comes_before_the_departure_keeps_the_call_from_leaving() -> None:
    site = Site()
    site.vcd.before_leaving = 2.0
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(1)
    assert site.phases() == {"A": "intent"}
    site.send(control("cancel", "A"))
    await asyncio.sleep(10)
    assert site.vcd.calls == []
    assert site.story("A") == ["finished -> canceled (canceled_before_start)"]


@virtually
async def test_a_cancel_is_sent_until_vcd_answers_also_by_the_next_owner() -> None:
    site = Site()
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(2)
    site.vcd.on_cancel = lambda task_id: CancelAnswer.UNAVAILABLE
    site.send(control("cancel", "A"))
    await asyncio.sleep(10)
    asked = len(site.vcd.cancels)
    assert asked > 1
    site.crash()
    site.vcd.on_cancel = lambda task_id: CancelAnswer.REQUESTED
    await asyncio.sleep(10)
    await site.start()
    await asyncio.sleep(300)
    assert len(site.vcd.cancels) == asked + 1
    assert {task_id for task_id, _ in site.vcd.cancels} == {urn(1)}
    assert len({call_id for _, call_id in site.vcd.cancels}) == asked + 1, "each has an id of its own"


@virtually
async def test_a_cancel_is_not_sent_for_a_task_that_has_ended() -> None:
    site = Site()
    site.vcd.on_cancel = lambda task_id: CancelAnswer.UNAVAILABLE
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(2)
    site.send(control("cancel", "A"))
    await asyncio.sleep(5)
    site.vcd.finish(1)
    await asyncio.sleep(10)
    asked = len(site.vcd.cancels)
    await asyncio.sleep(120)
    assert len(site.vcd.cancels) == asked > 0
    assert site.story("A") == ["accepted running", "finished success -> success"]


async def with_a_cancel_that_is_held_up() -> Site:
    """A site whose cancel is durable and was held up past its lease, so that it did not leave."""
    site = Site()
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(2)
    site.vcd.before_cancel = LEASE + 0.5
    site.send(control("cancel", "A"))
    await asyncio.sleep(LEASE)
    site.vcd.before_cancel = 0.0
    assert site.vcd.cancels == []
    return site


@virtually
async def test_a_cancel_that_is_held_up_past_its_lease_does_not_leave_but_another_does() -> None:
    """Who was stopped may have lost the partition meanwhile, and the Task may have ended under its next owner."""
    site = await with_a_cancel_that_is_held_up()
    await asyncio.sleep(60)
    [(task_id, _)] = site.vcd.cancels
    assert task_id == urn(1)


@virtually
async def test_a_cancel_gets_a_new_lease_from_a_commit_alone() -> None:
    """It was held up past its lease, and the partition is another's now, of which this process has not heard."""
    site = await with_a_cancel_that_is_held_up()
    site.outcomes.append(lambda entries: NotCommitted(lost=frozenset(entry.partition for entry in entries)))
    await asyncio.sleep(60)
    assert site.engine.partitions == {}
    assert site.vcd.cancels == []


@virtually
async def test_a_cancel_that_has_not_left_when_its_partition_is_handed_over_is_the_next_owners() -> None:
    site = Site()
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(2)
    site.vcd.before_cancel = 2.0
    site.send(control("cancel", "A"))
    await asyncio.sleep(1)
    await site.inbox.revoke_all_but(set())
    await asyncio.sleep(60)
    assert site.vcd.cancels == []
    site.inbox.assign([TopicPartition(TOPIC, 0)])
    await asyncio.sleep(60)
    assert len(site.vcd.cancels) == 1


# --- partitions that go -----------------------------------------------------------------------------------------------


@virtually
async def test_a_partition_that_is_handed_over_calls_nothing_and_says_so_to_the_next_owner() -> None:
    site = Site()
    site.vcd.before_leaving = 2.0
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(1)
    await site.inbox.revoke_all_but(set())
    assert site.vcd.calls == []
    assert site.phases() == {"A": "waiting"}, "the next owner need not wonder"
    site.inbox.assign([TopicPartition(TOPIC, 0)])
    await asyncio.sleep(10)
    assert len(site.vcd.calls) == 1
    assert site.story("A") == ["accepted running"]


@virtually
async def test_a_call_that_is_out_is_awaited_by_the_handover() -> None:
    site = Site()
    site.vcd.on_call = lambda call: _after(5, site)
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(1)
    began = site.vcd.now()
    await site.inbox.revoke_all_but(set())
    assert 3 < site.vcd.now() - began < 5
    assert site.story("A") == ["accepted running"]


@virtually
async def test_a_handover_is_bounded_and_the_next_owner_looks() -> None:
    site = Site()
    site.vcd.on_call = lambda call: _after(60, site)
    await site.start()
    site.send(request("A", operation="createSnapshot"))
    await asyncio.sleep(1)
    began = site.vcd.now()
    await site.inbox.revoke_all_but(set())
    assert site.vcd.now() - began == pytest.approx(10, abs=0.5)
    assert site.phases() == {"A": "intent"}
    site.inbox.assign([TopicPartition(TOPIC, 0)])
    await asyncio.sleep(30)
    assert site.story("A") == ["parked (outcome_unknown)"]
    await asyncio.sleep(60)  # the answer comes to the old assignment, which is over
    assert site.story("A") == ["parked (outcome_unknown)"]
    assert site.permits.out == 0


@virtually
async def test_a_shutdown_awaits_the_calls_that_are_out_and_starts_no_others() -> None:
    site = Site()
    site.policies = replace(site.policies, limits=Limits(concurrent=1))
    site.vcd.on_call = lambda call: _after(20, site)
    await site.start()
    site.send(request("A", 1))
    site.send(request("B", 2))
    await asyncio.sleep(1)
    await site.stop()
    assert site.story("A") == ["accepted running"]
    assert site.phases() == {"A": "following", "B": "received"}
    assert site.vcd.asked == 1


@virtually
async def test_a_partition_that_is_handed_over_takes_no_more_records() -> None:
    site = Site()
    site.vcd.session_ready = False
    await site.start()
    _slow_commits(site, 2.0)
    site.send(request("A", 1))
    await asyncio.sleep(0.5)
    site.send(request("B", 2))
    await asyncio.sleep(0.5)
    assert len(site.owned().inbox) == 1
    await site.inbox.revoke_all_but(set())
    assert site.phases() == {"A": "received"}
    assert site.kafka.committed[TopicPartition(TOPIC, 0)][0] == 1


async def _after(seconds: float, site: Site) -> CallAnswer:
    await asyncio.sleep(seconds)
    return site.vcd.accept(1)


LOST: dict[str, Callable[[Site], None]] = {
    "before the departure": lambda site: setattr(site.vcd, "before_leaving", 2.0),
    "right after the commit": lambda site: setattr(site, "after_commit", site.inbox.lose_everything),
}


@pytest.mark.parametrize("prepare", LOST.values(), ids=LOST)
@virtually
async def test_a_lost_partition_calls_nothing(prepare: Callable[[Site], None]) -> None:
    site = Site()
    await site.start()
    prepare(site)
    site.send(request("A"))
    await asyncio.sleep(1)
    if site.after_commit is None:
        site.inbox.lose_everything()
    await asyncio.sleep(10)
    assert site.vcd.calls == []
    assert site.events() == []
    assert site.phases() == {"A": "intent"}
    assert site.permits.out == 0
    assert site.engine.partitions == {}


@virtually
async def test_the_answer_to_a_call_of_a_lost_partition_is_told_by_nobody() -> None:
    site = Site()
    site.vcd.on_call = lambda call: _after(5, site)
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(1)
    site.inbox.lose_everything()
    await asyncio.sleep(10)
    assert len(site.vcd.calls) == 1
    assert site.events() == []
    assert site.permits.out == 0


@virtually
async def test_a_partition_that_cannot_go_on_calls_nothing_more_and_the_others_do() -> None:
    site = Site(partitions=2)
    await site.start()
    stopped = TopicPartition(TOPIC, 0)
    site.outcomes.append(lambda entries: NotCommitted(refused={stopped: "too large"}))
    site.send(b"\x00", partition=0)
    await asyncio.sleep(1)
    site.send(request("A"), partition=0)
    site.send(request("B", 2), partition=1)
    await asyncio.sleep(10)
    assert (site.story("A"), site.story("B")) == ([], ["accepted running"])
    assert site.owned(0).stopped == "too large"
    assert stopped not in site.kafka.committed


# --- what cannot be called --------------------------------------------------------------------------------------------


@virtually
async def test_a_missing_request_parks_and_calls_nothing() -> None:
    site = Site()
    site.vcd.session_ready = False
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(1)
    del site.owned().requests[Birth(TOPIC, 0, 0)]
    site.vcd.session_ready = True
    await asyncio.sleep(5)
    assert site.vcd.calls == []
    assert site.story("A") == ["parked (state_unreadable)"]
    assert site.permits.out == 0


@virtually
async def test_a_bug_in_a_command_ends_the_process() -> None:
    site = Site()

    def broken(call: object) -> CallAnswer:
        raise ZeroDivisionError

    site.vcd.on_call = broken
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(5)
    assert [type(failure) for failure in site.failures] == [ZeroDivisionError]
