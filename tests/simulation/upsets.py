"""What retention, and people with tools of their own, do to topics and offsets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from bridge.core.coordinates import TopicPartition
from tests.simulation.cluster.group import Offsets
from tests.simulation.loop import EPOCH
from tests.support.checker.evidence import Place, Refusal

if TYPE_CHECKING:
    from tests.simulation.world import World

_PATIENCE_SECONDS = 30.0
"""Who has not stopped in order by then is killed."""


@dataclass(slots=True)
class Upsets:
    """What happened, for the judge: times are those of its clock."""

    world: World
    random: Random
    removed: dict[str, float] = field(default_factory=dict)
    """Births of input records that their topic holds no more, and since when."""
    moved: dict[Place, float] = field(default_factory=dict)
    """Partitions whose committed offset somebody has set, and when last."""
    refused: list[Refusal] = field(default_factory=list)
    lost: dict[Place, float] = field(default_factory=dict)
    """Partitions whose changelog has lost all of its records, and when."""
    _resetting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def truncation(self) -> None:
        """Retention takes records away; mostly such as nobody has read, because nobody was there for long."""
        if self.random.random() < 0.3:
            self._truncate(self.random.randint)
            return
        async with self._nobody_at_work():
            await asyncio.sleep(self.random.uniform(5, 40))
            self._truncate(lambda log_start, end: end - self.random.randrange(min(3, end - log_start + 1)))

    def _truncate(self, first: Callable[[int, int], int]) -> None:
        partition = self.random.choice(self._inputs())
        log = self.world.kafka.log(partition)
        log.delete_before(first(log.start, log.end))
        self.world.chaos.note(f"{partition} begins at {log.start} now")
        for record in self.world.inputs:
            if record.place == (partition.topic, partition.partition) and record.offset < log.start:
                self.removed.setdefault(record.birth, _now())

    async def offset_reset(self) -> None:
        """Offsets that are earlier or gone are survived; later ones are refused until they are set back.

        One at a time: what a second one sets back would be what the first one has set.
        """
        async with self._resetting:
            await self._reset_offsets()

    async def _reset_offsets(self) -> None:
        kinds = {partition: self.random.choice(["earliest", "gone", "latest", None]) for partition in self._inputs()}
        right: dict[TopicPartition, tuple[int, tuple[int, str] | None]] = {}
        """What is refused: the offset that was set, and what it was before."""
        async with self._nobody_at_work():
            await asyncio.sleep(self.random.uniform(3, 20))
            committed, since = self._offsets().committed, _now()
            for partition, kind in kinds.items():
                before, end = committed.get(partition), self.world.kafka.log(partition).end
                if before is None and (kind == "earliest" or not end):
                    continue  # that there was work, without a cursor, would be refused for good
                if kind == "latest" and end > (before[0] if before is not None else 0):
                    right[partition] = end, before
                self._set(partition, {"earliest": (0, ""), "latest": (end, ""), "gone": None}.get(kind or "", before))
        if not right:
            return
        await asyncio.sleep(self.random.uniform(10, 40))
        async with self._nobody_at_work():
            for partition, (ahead, before) in right.items():
                self._set(partition, before)
                refused = Refusal(topic=partition.topic, partition=partition.partition, since=since, until=_now())
                # What retention has taken away meanwhile is skipped by nobody; work without a cursor is refused anyway.
                if before is None or ahead > self.world.kafka.log(partition).start:
                    self.refused.append(refused)

    def _set(self, partition: TopicPartition, offset: tuple[int, str] | None) -> None:
        committed = self._offsets().committed
        if committed.get(partition) == offset:
            return
        if offset is None and (partition.topic, partition.partition) in self.lost:
            return  # without both, store and offset, it is a first start to everybody
        self.world.chaos.note(f"the offset of {partition} is set from {committed.get(partition)} to {offset}")
        self.moved[partition.topic, partition.partition] = _now()
        if offset is None:
            del committed[partition]
        else:
            committed[partition] = offset

    async def store_loss(self) -> None:
        """Made anew or truncated, it is empty; its owner does not know, and may be gone soon."""
        partition = self.random.choice(self._inputs())
        changelog = TopicPartition(self.world.names.changelog(partition.topic), partition.partition)
        log = self.world.kafka.log(changelog)
        if log.end and partition not in self._offsets().committed:
            return  # somebody has taken the offset away: without both it is a first start to everybody
        log.delete_before(log.end)
        self.lost[partition.topic, partition.partition] = _now()
        self.world.chaos.note(f"{changelog} has lost all of its records")
        await asyncio.sleep(self.random.choice([0.0, 2.0, 20.0]))
        owner = self.world.owner(partition)
        if owner is not None and self.random.random() < 0.7:
            owner.process.kill()
            await self.world.start()

    # --- for this -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _nobody_at_work(self) -> AsyncIterator[None]:
        """All processes are stopped, the group is empty, and what was begun is decided."""
        world = self.world
        world.chaos.note("all processes are stopped")
        world.closed += 1
        world.may_start.clear()
        deadline = asyncio.get_event_loop().time() + _PATIENCE_SECONDS
        while world.running or self._is_group_busy():
            for running in list(world.running):
                running.stop.set()
                if asyncio.get_event_loop().time() > deadline:
                    running.process.kill()
            await asyncio.sleep(1.0)
        yield
        world.closed -= 1
        if not world.closed:
            world.may_start.set()
            for _ in range(world.plan.processes):
                await world.start()

    def _is_group_busy(self) -> bool:
        group = self.world.kafka.group(self.world.names.group_id)
        return bool(group.held) or not group.offsets.are_stable(self._inputs())

    def _offsets(self) -> Offsets:
        return self.world.kafka.group(self.world.names.group_id).offsets

    def _inputs(self) -> list[TopicPartition]:
        return [one for topic in self.world.names.inputs for one in self.world.kafka.partitions_of(topic)]


def _now() -> float:
    return EPOCH.timestamp() + asyncio.get_event_loop().time()
