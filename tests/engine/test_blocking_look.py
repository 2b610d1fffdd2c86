"""Blocking tasks are announced, and how they were decided is concluded from the Task behind them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.answers import BlockingPage, BlockingReading, ReadRefused, Unavailable
from bridge.core.blocking_task import BlockingTask
from bridge.core.task import task_at
from bridge.engine.observation.findings import MAX_READ_FAILURES
from tests.engine.harness import virtually
from tests.engine.observed_vcd import ObservedVcd, organization
from tests.engine.observing import ANSWER_SECONDS, INTERVAL, ObservingSite
from tests.engine.scripted_vcd import urn
from tests.simulation.loop import EPOCH

HELD = "urn:vcloud:blockingTask:00000001-0000-4000-8000-00000000000b"


def hold(site: ObservingSite, number: int = 1, in_organization: int = 1, *, seconds: float = 3600.0) -> BlockingTask:
    """Task ``number`` waits for a decision."""
    site.vcd.begin(number, in_organization, status="preRunning")
    uuid = organization(in_organization)
    held = BlockingTask(
        id=f"{HELD[:-1]}{number:x}",
        operation="vappDeploy",
        organization={"href": None, "id": f"urn:vcloud:org:{uuid}", "type": None, "name": "acme"},
        created=EPOCH,
        timeout=EPOCH + timedelta(seconds=site.vcd.vcd_now() + seconds),
        timeout_action="abort",
        task=task_at(urn(number), None),
    )
    site.vcd.blocking[held.id] = held
    return held


def decide(site: ObservingSite, held: BlockingTask, status: str) -> None:
    del site.vcd.blocking[held.id]
    task = held.task
    assert task is not None
    work = site.vcd.work[task.id]
    if status == "running":
        work.status = status
    else:
        site.vcd.end(work.number, status)


async def observed(**fields: Any) -> ObservingSite:
    site = ObservingSite()
    await site.start()
    site.observe(1, blocking_tasks=True, **fields)
    await site.looks()
    return site


@virtually
async def test_many_that_are_held_are_read_as_fast_as_may_be_asked() -> None:
    """Each costs two readings, and 20 requests a second are allowed."""
    site = await observed()
    for number in range(1, 101):
        hold(site, number)
    began = site.vcd.now()
    await site.until(lambda: len(site.blocking()) == 100)
    assert 8.0 <= site.vcd.now() - began <= INTERVAL + 11.0


@virtually
async def test_held_tasks_that_vcd_does_not_answer_for_hold_up_no_other() -> None:
    site = ObservingSite()
    site.vcd.hanging = {urn(number): 30.0 for number in (1, 2, 3)}
    await site.start()
    site.observe(1, blocking_tasks=True)
    await site.looks()
    for number in (1, 2, 3):
        hold(site, number)
    await asyncio.sleep(INTERVAL)
    other = hold(site, 9)
    await asyncio.sleep(2 * INTERVAL + 1)
    assert [event["id"] for event in site.blocking()] == [other.id]


@dataclass
class _WholeSeconds(ObservedVcd):
    """Its rows tell time-outs in whole seconds."""

    blocking_reads: int = 0

    async def query_blocking_tasks(self, page: int) -> BlockingPage | ReadRefused | Unavailable:
        found = await ObservedVcd.query_blocking_tasks(self, page)
        if not isinstance(found, BlockingPage):
            return found
        rows = tuple(replace(one, timeout=one.timeout and one.timeout.replace(microsecond=0)) for one in found.records)
        return replace(found, records=rows)

    async def read_blocking_task(self, blocking_task_id: str) -> BlockingReading:
        self.blocking_reads += 1
        return await ObservedVcd.read_blocking_task(self, blocking_task_id)


@virtually
async def test_rows_that_tell_the_time_less_exactly_are_no_news() -> None:
    vcd = _WholeSeconds()
    site = ObservingSite(vcd=vcd)
    await site.start()
    site.observe(1, blocking_tasks=True)
    hold(site, seconds=3600.437)
    await site.looks(5)
    assert [event["state"] for event in site.blocking()] == ["pending"]
    assert vcd.blocking_reads == 1


@pytest.mark.parametrize(
    ("status", "state"), [("running", "resumed"), ("success", "resumed"), ("aborted", "aborted"), ("error", "failed")]
)
def test_a_blocking_task_is_announced_and_its_end_is_concluded(status: str, state: str) -> None:
    @virtually
    async def check() -> None:
        site = await observed()
        held = hold(site)
        hold(site, 2, in_organization=2)
        await site.looks()
        decide(site, held, status)
        await site.looks(3)
        told = site.blocking()
        assert [(one["state"], one["sequence"]) for one in told] == [("pending", 1), (state, 2)]
        assert {one["id"] for one in told} == {held.id}, "of the observed organization"
        assert told[0]["task"]["status"] == "preRunning", "the Task behind it is read"

    check()


@virtually
async def test_one_whose_time_ran_out() -> None:
    site = await observed()
    held = hold(site, seconds=2 * INTERVAL)
    await site.looks(3)
    decide(site, held, "aborted")
    await site.looks(2)
    assert [one["state"] for one in site.blocking()] == ["pending", "timed_out"]


@virtually
async def test_one_that_was_gone_before_its_time_was_up_has_been_decided() -> None:
    """Though how is shown only after that: VCD does not let the Task be read, and takes its time to go on with it."""
    site = await observed()
    held = hold(site, seconds=2.7 * INTERVAL)
    site.vcd.blocking[held.id] = replace(held, timeout_action="resume")
    await site.looks()
    del site.vcd.blocking[held.id]
    site.vcd.unreadable.add(urn(1))
    await site.looks()
    site.vcd.unreadable.clear()
    assert held.timeout is not None
    assert EPOCH + timedelta(seconds=site.vcd.vcd_now()) > held.timeout
    site.vcd.work[urn(1)].status = "running"
    await site.looks()
    assert [one["state"] for one in site.blocking()] == ["pending", "resumed"]


@virtually
async def test_a_right_that_is_changed_for_a_moment_makes_no_end() -> None:
    """However long ago it was seen to be held no more, and its Task to wait still."""
    site = await observed()
    held = hold(site)
    await site.looks()
    del site.vcd.blocking[held.id]
    await asyncio.sleep(INTERVAL)
    for way in (site.vcd.unreadable, site.vcd.unreadable, site.vcd.forbidden):
        way.add(urn(1))
        await asyncio.sleep(INTERVAL)
        way.remove(urn(1))
    assert [one["state"] for one in site.blocking()] == ["pending"]
    site.vcd.work[urn(1)].status = "running"
    await site.looks()
    assert [one["state"] for one in site.blocking()] == ["pending", "resumed"]


@virtually
async def test_more_time_is_told() -> None:
    site = await observed()
    held = hold(site)
    await site.looks()
    site.vcd.blocking[held.id] = replace(held, timeout=EPOCH + timedelta(days=1))
    await site.looks(3)
    assert [(one["state"], one["sequence"]) for one in site.blocking()] == [("pending", 1), ("pending", 2)]


@virtually
async def test_what_becomes_of_its_task_is_waited_for() -> None:
    """VCD takes its time to carry a decision out; and nobody may be told at all."""
    site = await observed()
    held = hold(site)
    await site.looks()
    del site.vcd.blocking[held.id]
    await site.looks()
    assert len(site.blocking()) == 1, "gone from the list, and nobody knows how"
    site.vcd.work[urn(1)].status = "running"
    await site.looks()
    assert [one["state"] for one in site.blocking()] == ["pending", "resumed"]
    other = hold(site, 3)
    await site.looks()
    del site.vcd.blocking[other.id], site.vcd.work[urn(3)]
    await site.looks(2 + int(ANSWER_SECONDS / INTERVAL) + 1)
    assert [one["state"] for one in site.blocking()][2:] == ["pending", "gone"]


@virtually
async def test_a_status_that_nobody_knows_tells_nothing_of_the_decision() -> None:
    """What comes after it does; where nothing does, that nobody knows it is told in the end."""
    site = await observed()
    held = hold(site)
    await site.looks()
    decide(site, held, "running")
    site.vcd.work[urn(1)].status = "expectingAction"
    await site.looks()
    assert [one["state"] for one in site.blocking()] == ["pending"]
    site.vcd.work[urn(1)].status = "running"
    await site.looks()
    assert [one["state"] for one in site.blocking()] == ["pending", "resumed"]
    other = hold(site, 2)
    await site.looks()
    decide(site, other, "running")
    site.vcd.work[urn(2)].status = "expectingAction"
    await site.looks(2 + int(ANSWER_SECONDS / INTERVAL) + 1)
    assert [one["state"] for one in site.blocking()][2:] == ["pending", "gone"]


@virtually
async def test_nobody_asks_for_blocking_tasks_that_nobody_wants() -> None:
    site = ObservingSite()
    await site.start()
    site.observe(1)
    hold(site)
    await site.looks(3)
    assert site.vcd.lists_of_blocking == 0
    assert site.story_of(1) == ["accepted preRunning"]
    site.observe(1, blocking_tasks=True)
    await site.looks(2)
    assert site.vcd.lists_of_blocking > 0
    assert len(site.blocking()) == 1


@virtually
async def test_what_was_found_before_an_answer_failed_to_come_is_told() -> None:
    """The next look waits until it is: nothing would be told ever again."""
    site = await observed()
    first, second = hold(site), hold(site, 2)
    site.vcd.blocking.clear()
    await site.looks(2)
    site.vcd.blocking.update({one.id: one for one in (first, second)})
    site.vcd.unreadable.add(urn(2))
    await site.looks()
    assert [one["id"] for one in site.blocking()] == [first.id]
    site.vcd.unreadable.clear()
    await site.looks()
    assert [one["id"] for one in site.blocking()] == [first.id, second.id]


@virtually
async def test_one_whose_task_cannot_be_read_holds_up_no_other_and_is_told_from_its_row() -> None:
    site = await observed()
    site.vcd.unreadable.add(urn(1))
    poison, other = hold(site), hold(site, 2)
    await site.looks()
    assert [one["id"] for one in site.blocking()] == [other.id]
    decide(site, other, "running")
    await site.looks(MAX_READ_FAILURES)
    assert [(one["id"], one["state"]) for one in site.blocking()] == [
        (other.id, "pending"), (other.id, "resumed"), (poison.id, "pending"),
    ]  # fmt: skip
    assert site.blocking()[-1]["task"]["id"] == urn(1)


@virtually
async def test_failed_readings_are_forgotten_with_what_they_were_of() -> None:
    site = await observed()
    site.vcd.unreadable.add(urn(1))
    held = hold(site)
    await site.looks()
    assert site.lookout._blocking._unread == {held.id: 1}
    decide(site, held, "running")
    await site.looks()
    assert site.lookout._blocking._unread == {}, "nobody has been told of it"
    hold(site, 2)
    site.vcd.unreadable.add(urn(2))
    await site.looks()
    assert site.lookout._blocking._unread
    site.observe(1)
    await site.looks()
    assert site.lookout._blocking._unread == {}, "nobody wants to hear of it"


@virtually
async def test_neither_waits_for_the_other() -> None:
    """Hundreds that are decided at once, each some requests; and somebody who has long to catch up."""
    site = await observed()
    held = [hold(site, number) for number in range(1, 301)]
    await site.until(lambda: len(site.blocking()) == 300)
    for one in held:
        del site.vcd.blocking[one.id]  # how they were decided does not show yet
    site.vcd.begin(1000)
    await site.looks(2)
    assert site.story_of(1000) == ["accepted running"]
    for number in range(2000, 2020):
        site.vcd.past(number, 1.0 + number - 2000)
    await asyncio.sleep(1000)
    site.vcd.held_up, site.vcd.held_up_from = asyncio.Event(), 2000
    site.observe(2, since=EPOCH.isoformat(), blocking_tasks=True)
    for number in range(2000, 2020):
        site.vcd.past(number, 1.0 + number - 2000, in_organization=2)
    await site.looks()
    late = hold(site, 500, in_organization=2)
    await site.looks()
    assert site.blocking()[-1]["id"] == late.id
