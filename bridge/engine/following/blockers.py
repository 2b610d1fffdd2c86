"""Watches the Tasks that busy entities were said to be held by, so that whoever waits for them starts soon after."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bridge.core.answers import TaskRead
from bridge.core.coordinates import Birth
from bridge.core.following_plan import Method, plan
from bridge.core.lifecycle import Phase
from bridge.core.task import is_final
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.rows import TaskRows
from bridge.ports import Clock, VcdGateway

Hurry = Callable[[OwnedPartition, Birth], None]


class Blockers:
    """A look every ``interval`` seconds while anybody waits; a Task that VCD does not show us says nothing."""

    def __init__(self, clock: Clock, gateway: VcdGateway, rows: TaskRows, interval: float) -> None:
        self._clock = clock
        self._gateway = gateway
        self._rows = rows
        self._interval = interval
        self._looked_at = -interval

    async def look(self, partitions: Iterable[OwnedPartition], hurry: Hurry) -> None:
        """Hurry those whose Task has ended."""
        now = self._clock.monotonic()
        if now - self._looked_at < self._interval:
            return
        waiting = _waiting(partitions)
        if not waiting:
            return
        self._looked_at = now
        for task_id in await self._ended(list(waiting)):
            for owned, birth in waiting[task_id]:
                hurry(owned, birth)

    async def _ended(self, task_ids: list[str]) -> list[str]:
        if (
            plan(len(task_ids), processes=1, active=None, ended_per_round=0, looks_since_sweep=0).method
            is not Method.SINGLE
        ):
            rows = await self._rows.by_id(task_ids) or {}
            return [task_id for task_id, row in rows.items() if task_id in task_ids and is_final(row.status)]
        ended = []
        for task_id in task_ids:  # one or two: more of them are asked for together
            reading = await self._gateway.read_task(task_id, None)
            if isinstance(reading, TaskRead) and reading.task.is_final:
                ended.append(task_id)
        return ended


def _waiting(partitions: Iterable[OwnedPartition]) -> dict[str, list[tuple[OwnedPartition, Birth]]]:
    waiting: dict[str, list[tuple[OwnedPartition, Birth]]] = {}
    for owned in partitions:
        if not owned.draining:
            for lifecycle in owned.in_phase(Phase.WAITING):
                if lifecycle.waiting_for is not None:
                    waiting.setdefault(lifecycle.waiting_for, []).append((owned, lifecycle.birth))
    return waiting
