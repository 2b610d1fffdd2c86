"""The freeze switch: nothing leaves that changes VCD, following goes on, and after the thaw all goes on by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.core.answers import CallAnswer, CancelAnswer
from bridge.core.coordinates import TopicPartition
from bridge.core.freeze import Freeze
from bridge.engine.calling.permits import Limits
from bridge.ports import NotCommitted
from tests.engine.external import ExternalSite
from tests.engine.harness import TOPIC, Site, control, request, virtually
from tests.simulation.loop import EPOCH

FREEZE, THAW = Freeze(frozen=True, reason="upgrade"), Freeze(frozen=False)
SUCCESS = ["finished success -> success"]


def told_of_freezes(site: Site) -> list[bool]:
    return [fact.values[0].frozen for fact in site.noted.facts if fact.name == "freeze_changed"]


def shown(site: Site) -> Freeze | None:
    """As the probes show it."""
    return site.engine.freeze


@virtually
async def test_requests_are_taken_and_called_after_the_thaw_without_a_timer() -> None:
    site = Site()
    site.vcd.on_call = lambda call: site.vcd.accept(len(site.vcd.calls), "success")
    await site.start()
    site.control.say(FREEZE)
    await asyncio.sleep(1)
    for number in range(5):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(3600)
    assert (site.vcd.asked, set(site.phases().values())) == (0, {"received"})
    assert site.engine.is_ready
    assert shown(site) == FREEZE
    site.control.say(THAW)
    await asyncio.sleep(1)
    assert [site.story(f"R{number}") for number in range(5)] == [SUCCESS] * 5
    assert told_of_freezes(site) == [True, False]
    assert shown(site) is None


@virtually
async def test_a_call_that_has_not_left_is_held_back_and_needs_no_look() -> None:
    """The freeze comes between intent and call, in the first try and in one that has waited often."""
    site = Site()
    site.vcd.before_leaving = 1.0
    site.vcd.on_call = lambda call: site.vcd.accept(len(site.vcd.calls), "success")
    await site.start()
    site.send(request("R", 1, "createSnapshot"))
    for _ in range(5):
        await asyncio.sleep(0.5)
        assert site.phases() == {"R": "intent"}
        site.control.say(FREEZE)
        await asyncio.sleep(2)
        assert site.phases() == {"R": "waiting"}
        site.control.say(THAW)
        await asyncio.sleep(0.05)
    await asyncio.sleep(1.5)
    assert len(site.vcd.calls) == 1
    assert site.vcd.queries == []
    assert site.story("R") == SUCCESS
    lifecycle_notes = [fact.values[1] for fact in site.noted.facts if fact.name == "noted"]
    assert lifecycle_notes == ["retry_frozen"] * 5
    assert site.permits.out == 0


@virtually
async def test_what_is_out_is_answered_and_followed_to_its_end() -> None:
    site = Site()

    async def slow() -> CallAnswer:
        await asyncio.sleep(5)
        return site.vcd.accept(1)

    site.vcd.on_call = lambda call: slow()
    await site.start()
    site.send(request("R", 1))
    await asyncio.sleep(1)
    site.control.say(FREEZE)
    await asyncio.sleep(10)
    site.vcd.finish(1)
    await asyncio.sleep(10)
    assert site.story("R")[-1] == "finished success -> success"


async def with_a_cancel_that_waits() -> Site:
    """A frozen site with a running Task whose cancel is durable and not sent."""
    site = Site()
    site.vcd.on_cancel = lambda task_id: CancelAnswer.REQUESTED
    await site.start()
    site.send(request("running", 1))
    await asyncio.sleep(2)
    site.control.say(FREEZE)
    await asyncio.sleep(1)
    site.send(control("cancel", "running"))
    await asyncio.sleep(600)
    assert site.vcd.cancels == []
    return site


@virtually
async def test_cancels_wait_and_are_sent_after_the_thaw() -> None:
    site = await with_a_cancel_that_waits()
    site.send(request("not called", 2))
    site.send(control("cancel", "not called"))
    await asyncio.sleep(3600)
    assert site.vcd.cancels == []
    assert site.story("not called") == ["finished -> canceled (canceled_before_start)"]
    site.control.say(THAW)
    await asyncio.sleep(1)
    assert len(site.vcd.cancels) == 1


@virtually
async def test_a_cancel_that_has_not_left_is_held_back_and_sent_after_the_thaw() -> None:
    """It waits for its turn and for a connection when the group is frozen."""
    site = Site()
    await site.start()
    site.send(request("running", 1))
    await asyncio.sleep(2)
    site.vcd.before_cancel = 2.0
    site.send(control("cancel", "running"))
    await asyncio.sleep(1)
    site.control.say(FREEZE)
    await asyncio.sleep(600)
    assert site.vcd.cancels == []
    site.control.say(THAW)
    await asyncio.sleep(10)
    assert len(site.vcd.cancels) == 1


@virtually
async def test_a_cancel_that_waited_is_not_sent_by_who_lost_its_partition_meanwhile() -> None:
    """Who was stopped may hear of the thaw before it hears of its loss: only a commit can tell."""
    site = await with_a_cancel_that_waits()
    site.outcomes.append(lambda entries: NotCommitted(lost=frozenset(entry.partition for entry in entries)))
    site.control.say(THAW)
    await asyncio.sleep(60)
    assert site.engine.partitions == {}
    assert site.vcd.cancels == []


@virtually
async def test_a_cancel_that_waits_goes_with_its_partition_and_is_sent_by_the_next_owner_alone() -> None:
    site = await with_a_cancel_that_waits()
    await site.inbox.revoke_all_but(set())
    site.inbox.assign([TopicPartition(TOPIC, 0)])
    await asyncio.sleep(60)
    site.control.say(THAW)
    await asyncio.sleep(60)
    assert len(site.vcd.cancels) == 1


@virtually
async def test_start_by_passes_while_frozen() -> None:
    site = Site()
    await site.start()
    site.control.say(FREEZE)
    await asyncio.sleep(1)
    site.send(request("R", 1, start_by=(EPOCH + timedelta(seconds=60)).isoformat()))
    await asyncio.sleep(120)
    assert site.story("R") == ["finished -> expired (start_by_passed)"]
    assert site.vcd.asked == 0


@virtually
async def test_who_starts_while_frozen_calls_nothing_and_looks_all_the_same() -> None:
    """The owner dies with an intent whose call never left; the next one looks, and waits with the repeat."""
    site = Site()
    site.vcd.before_leaving = 1.0
    await site.start()
    site.send(request("R", 1, "mergeVAppMetadata", body={"metadataEntry": [{"key": "k"}]}))
    await asyncio.sleep(0.5)
    assert site.phases() == {"R": "intent"}
    site.control.say(FREEZE)
    site.crash()
    await asyncio.sleep(10)
    await site.start()
    await asyncio.sleep(120)
    assert site.vcd.calls == []
    assert site.vcd.queries
    assert site.phases() == {"R": "waiting"}
    site.vcd.before_leaving = 0.01
    site.control.say(THAW)
    await asyncio.sleep(1)
    assert len(site.vcd.calls) == 1


@virtually
async def test_nothing_is_called_before_it_is_known_that_the_group_is_not_frozen() -> None:
    site = Site()
    site.control_delay = 30.0
    await site.start()
    site.send(request("R", 1))
    await asyncio.sleep(20)
    assert site.vcd.asked == 0
    await asyncio.sleep(20)
    assert len(site.vcd.calls) == 1


@virtually
async def test_external_tasks_are_neither_made_nor_changed_while_frozen() -> None:
    site = ExternalSite()
    await site.start()
    site.create("T1")
    await asyncio.sleep(5)
    calls = len(site.vcd.calls)
    assert calls == 1
    site.control.say(FREEZE)
    await asyncio.sleep(1)
    site.update("T1", progress=50)
    site.create("T2")
    await asyncio.sleep(600)
    assert len(site.vcd.calls) == calls
    site.control.say(THAW)
    await asyncio.sleep(5)
    assert len(site.vcd.calls) == calls + 2


@virtually
async def test_a_freeze_spends_neither_tries_nor_the_longest_wait() -> None:
    site = Site()
    site.policies = replace(
        site.policies,
        limits=Limits(concurrent=1),
        rules=replace(site.policies.rules, longest_wait=timedelta(seconds=60), max_tries=1),
    )
    site.vcd.before_leaving = 1.0
    site.vcd.on_call = lambda call: site.vcd.accept(len(site.vcd.calls), "success")
    await site.start()
    site.send(request("R", 1))
    await asyncio.sleep(0.5)
    site.control.say(FREEZE)
    await asyncio.sleep(3600)
    site.control.say(THAW)
    await asyncio.sleep(0.5)
    site.control.say(FREEZE)
    await asyncio.sleep(3600)
    assert site.phases() == {"R": "waiting"}
    site.control.say(THAW)
    await asyncio.sleep(3)
    assert site.story("R") == SUCCESS


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_freeze_that_is_said_again_is_told_once(repeats: int) -> None:
    @virtually
    async def play() -> None:
        site = Site()
        await site.start()
        for _ in range(repeats):
            site.control.say(FREEZE)
            await asyncio.sleep(1)
        site.control.say(THAW)
        await asyncio.sleep(1)
        assert told_of_freezes(site) == [True, False]

    play()
