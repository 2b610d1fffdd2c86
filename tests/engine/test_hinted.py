"""What the message bus names is read at once and told, whoever began it; a storm of messages is none of readings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.core.answers import TaskRead, TaskReading
from bridge.engine.observation.due_queue import CONCURRENT_READS
from tests.engine.harness import virtually
from tests.engine.observed_vcd import ObservedVcd
from tests.engine.observing import INTERVAL, OBSERVED, OVERLAP, ObservingSite, started
from tests.engine.scripted_vcd import urn


class _Bus:
    """What the message bus says, as a test says it."""

    async def run(self, hint: Callable[[str], None]) -> None:
        self.say = hint
        await asyncio.Event().wait()


@virtually
async def test_a_task_that_the_bus_names_is_told_at_once() -> None:
    bus = _Bus()
    site = ObservingSite(notifications=bus)
    await started(site, 1)
    await asyncio.sleep(INTERVAL - 2)
    site.vcd.begin(1)
    bus.say(urn(1))
    await asyncio.sleep(0.1)
    assert site.story_of(1) == ["accepted running"]
    site.vcd.end(1)
    bus.say(urn(1))
    await asyncio.sleep(0.25)
    assert site.story_of(1) == ["accepted running", "finished success -> success"]
    await site.looks(3)
    site.check_stories()
    assert len(site.told()) == 2


@virtually
async def test_a_reading_that_comes_after_its_task_is_forgotten_begins_nothing() -> None:
    site = ObservingSite(vcd=_Late())
    await started(site, 1)
    await asyncio.sleep(INTERVAL - 2)
    site.vcd.begin(1)
    site.lookout.hurry_task(urn(1))
    await asyncio.sleep(0.5)
    site.vcd.end(1)
    await asyncio.sleep(2 * OVERLAP)
    assert site.sighted() == []
    await asyncio.sleep(OVERLAP)
    assert site.vcd.reads[urn(1)] == 2
    assert site.story_of(1) == ["finished success -> success"]


class _Late(ObservedVcd):
    """What a reading of a running Task shows comes late."""

    async def read_task(self, task_id: str, href: str | None) -> TaskReading:
        reading = await super().read_task(task_id, href)
        if isinstance(reading, TaskRead) and not reading.task.is_final:
            await asyncio.sleep(2.5 * OVERLAP)
        return reading


@virtually
async def test_a_storm_of_messages_is_no_storm_of_readings() -> None:
    site = ObservingSite()
    site.vcd.begin(1)
    site.vcd.begin(2, in_organization=2)
    await started(site, 1)
    for _ in range(40):
        for number in (1, 2):
            site.lookout.hurry_task(urn(number))
        await asyncio.sleep(0.25)
    assert site.vcd.reads[urn(1)] <= 9, "four an interval"
    assert site.vcd.reads[urn(2)] == 1, "nobody observes it"


@virtually
async def test_readings_of_ends_are_not_counted() -> None:
    """So many end in a second as may be read besides: each is told at once all the same."""
    site = ObservingSite()
    for number in range(1, 61):
        site.vcd.begin(number)
    await started(site, 1)
    await asyncio.sleep(INTERVAL - 2.1)  # a look has just been made
    for number in range(1, 61):
        site.vcd.end(number)
        site.lookout.hurry_task(urn(number))
        site.vcd.begin(100 + number, in_organization=2)
        site.lookout.hurry_task(urn(100 + number))
        await asyncio.sleep(0.055)
    await asyncio.sleep(0.3)
    assert site.ends().total() == 60


@virtually
async def test_an_end_after_a_message_that_came_twice_is_told_at_once() -> None:
    bus = _Bus()
    site = ObservingSite(notifications=bus)
    await started(site, 1)
    site.vcd.begin(1)
    bus.say(urn(1))
    await asyncio.sleep(0.01)
    bus.say(urn(1))
    await asyncio.sleep(0.3)
    site.vcd.end(1)
    bus.say(urn(1))
    await asyncio.sleep(0.2)
    assert site.ends() == {urn(1): 1}


@virtually
async def test_what_is_said_to_have_ended_waits_for_nothing() -> None:
    """More begins and starts than may be read, and 25 ends a second."""
    site = ObservingSite()
    await started(site, 1)
    ages: dict[str, int] = {}
    for number in range(1, 301):
        site.vcd.begin(number)
        site.lookout.hurry_task(urn(number))
        if number > 20:
            site.vcd.end(number - 20)
            site.lookout.hurry_task(urn(number - 20), ends=True)
        await asyncio.sleep(0.04)
    await asyncio.sleep(0.2)
    assert site.ends().total() == 280
    for event in site.told():
        if event["final"]:
            ages[event["task"]["id"]] = event["observed_at"] - event["task"]["endTime"]
    assert max(ages.values()) < 200, "milliseconds"


@virtually
async def test_an_end_that_is_said_outright_waits_for_no_pause() -> None:
    site = ObservingSite()
    await started(site, 1)
    site.vcd.begin(1)
    for _ in range(30):
        site.lookout.hurry_task(urn(1))
        await asyncio.sleep(0.1)
    site.vcd.end(1)
    site.lookout.hurry_task(urn(1), ends=True)
    await asyncio.sleep(0.2)
    assert site.ends() == {urn(1): 1}


@virtually
async def test_what_messages_ask_for_is_read_a_few_at_a_time() -> None:
    site = ObservingSite()
    site.vcd.hanging = {urn(number): 30.0 for number in range(1, 51)}
    await started(site, 1)
    reads = site.vcd.reads.total()
    for number in range(1, 51):
        site.lookout.hurry_task(urn(number), ends=number % 2 == 0)
    await asyncio.sleep(20)
    assert site.vcd.reads.total() - reads == 2 * CONCURRENT_READS


@virtually
async def test_what_is_wrongly_said_to_have_ended_counts() -> None:
    site = ObservingSite()
    await started(site, 1)
    for number in range(1, 401):
        site.vcd.begin(number)
    began, reads = site.vcd.now(), site.vcd.reads.total()
    for number in range(1, 401):
        site.lookout.hurry_task(urn(number), ends=True)
        await asyncio.sleep(0.01)
    assert site.vcd.reads.total() - reads < 20 * (site.vcd.now() - began) + 50


@virtually
async def test_looks_and_what_messages_ask_for_share_what_may_be_asked() -> None:
    """Many begin, each is named: the looks go on, what messages have read does too, and both take what is allowed."""
    site = ObservingSite()
    for number in range(1, 1001):
        site.vcd.begin(number, at=float(number))
    await started(site, 1)
    await site.until(lambda: len(site.committed(OBSERVED)) >= 1000)
    await site.looks()
    queries, reads, began = len(site.vcd.queries), site.vcd.reads.total(), site.vcd.now()
    for number in range(3000, 3600):
        site.vcd.begin(number)
        site.lookout.hurry_task(urn(number))
        await asyncio.sleep(1 / 30)
    seconds = site.vcd.now() - began
    asked, read = (len(site.vcd.queries) - queries) / seconds, (site.vcd.reads.total() - reads) / seconds
    assert asked > 2.0
    assert read > 10.0
    assert asked + read < 21.0


@virtually
async def test_a_task_that_is_named_all_the_time_holds_up_no_other() -> None:
    site = ObservingSite()
    site.vcd.begin(1)
    await started(site, 1)
    told_after = []
    for number in range(100, 140):
        site.vcd.begin(number)
        site.lookout.hurry_task(urn(number))
        for _ in range(10):
            site.lookout.hurry_task(urn(1))
            await asyncio.sleep(0.01)
        told_after.append(site.story_of(number))
    assert told_after == [["accepted running"]] * 40
