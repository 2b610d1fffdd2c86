"""Waiting for the registry, in virtual time: how long, how often it is asked, and who is told."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from bridge.core.coordinates import TopicPartition
from bridge.core.requests import SchemaAnswer
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.schemas import SchemaWaits
from tests.simulation.loop import VirtualClock, run_virtually
from tests.support.observer import SilentObserver

PATIENCE, EVERY = 60.0, 2.0
LEARNT, REFUSED, UNANSWERED = SchemaAnswer


@dataclass
class Site(SilentObserver):
    """A registry that answers as it is told, and what was seen of it. Times are seconds since the beginning."""

    answer: SchemaAnswer = UNANSWERED
    answer_seconds: float = 0.0
    asked: list[tuple[int, float]] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    waits: SchemaWaits = field(init=False)

    def __post_init__(self) -> None:
        clock = VirtualClock(asyncio.get_running_loop(), Random(0))
        self.waits = SchemaWaits(
            clock, self.refresh, self, patience=timedelta(seconds=PATIENCE), every=timedelta(seconds=EVERY)
        )
        self.waits.wake = self.woken.set

    async def refresh(self, schema_id: int) -> SchemaAnswer:
        self.asked.append((schema_id, self.now))
        await asyncio.sleep(self.answer_seconds)
        return self.answer

    def schema_waiting(self, partition: TopicPartition, schema_id: int) -> None:
        self.facts.append(f"{partition.partition} waits for {schema_id}")

    def schema_answered(self, partition: TopicPartition, schema_id: int, answer: SchemaAnswer) -> None:
        self.facts.append(f"{partition.partition}: {schema_id} {answer}")

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def look(self, owned: OwnedPartition, schema_id: int) -> float:
        """Look at a record until it can be taken or is given up, as the journal loop does; when that was."""
        while self.answer is UNANSWERED and not self.waits.gave_up(owned, schema_id):
            self.waits.wait(owned, schema_id)
            self.woken.clear()
            await self.woken.wait()
        owned.waits_for_schema = None
        return self.now


def partition(number: int) -> OwnedPartition:
    return OwnedPartition(TopicPartition("in", number), 1, "id", 0, 0)


def play(story: Coroutine[None, None, None]) -> None:
    run_virtually(story)


def test_an_id_at_hand_wakes_the_loop_at_once() -> None:
    async def story() -> None:
        for answer in (LEARNT, REFUSED):
            site = Site(answer_seconds=0.1)
            owned = partition(0)
            began = site.now
            looking = asyncio.ensure_future(site.look(owned, 7))
            await asyncio.sleep(0)
            assert owned.waits_for_schema == 7
            site.answer = answer
            assert await looking - began < 0.2
            assert site.facts == ["0 waits for 7", f"0: 7 {answer}"]

    play(story())


def test_the_registry_is_asked_every_two_seconds_until_it_can_say() -> None:
    async def story() -> None:
        site = Site()
        looking = asyncio.ensure_future(site.look(partition(0), 7))
        await asyncio.sleep(9)
        site.answer = LEARNT
        assert await looking == 10
        assert [when for _, when in site.asked] == [0, 2, 4, 6, 8, 10]

    play(story())


def test_patience_is_the_ids_and_not_each_records() -> None:
    async def story() -> None:
        site, owned = Site(), partition(0)
        assert await site.look(owned, 7) == PATIENCE
        for _ in range(100):
            assert await site.look(owned, 7) == PATIENCE
        assert await site.look(partition(1), 7) == PATIENCE
        assert site.facts == ["0 waits for 7", "0: 7 unanswered"]
        assert await site.look(owned, 8) == 2 * PATIENCE, "another id has a patience of its own"

    play(story())


def test_two_partitions_wait_for_one_id_together() -> None:
    async def story() -> None:
        site = Site()
        first = asyncio.ensure_future(site.look(partition(0), 7))
        await asyncio.sleep(50)
        assert await site.look(partition(1), 7) == PATIENCE
        assert await first == PATIENCE
        assert site.facts == ["0 waits for 7", "1 waits for 7", "0: 7 unanswered", "1: 7 unanswered"]
        assert len({when for _, when in site.asked}) == len(site.asked)

    play(story())


def test_a_later_record_is_not_given_up_without_asking_again() -> None:
    async def story() -> None:
        site, owned = Site(answer_seconds=1.0), partition(0)
        given_up = await site.look(owned, 7)
        await asyncio.sleep(10)
        assert await site.look(owned, 7) == given_up + 11, "one more answer was waited for, and no patience"
        await asyncio.sleep(10)
        looking = asyncio.ensure_future(site.look(owned, 7))
        await asyncio.sleep(0.5)
        site.answer = LEARNT
        await looking
        assert site.facts[-1] == "0: 7 learnt"

    play(story())


def test_an_id_nobody_asked_for_in_a_long_time_begins_anew() -> None:
    async def story() -> None:
        site, owned = Site(), partition(0)
        given_up = await site.look(owned, 7)
        await asyncio.sleep(PATIENCE + 1)
        assert await site.look(owned, 7) == given_up + 2 * PATIENCE + 1

    play(story())


def test_nobody_is_asked_for_partitions_that_went() -> None:
    async def story() -> None:
        site, owned = Site(), partition(0)
        looking = asyncio.ensure_future(site.look(owned, 7))
        await asyncio.sleep(5)
        owned.close()
        looking.cancel()
        await asyncio.sleep(100)
        assert [when for _, when in site.asked] == [0, 2, 4, 6]
        assert site.facts == ["0 waits for 7"]

    play(story())
