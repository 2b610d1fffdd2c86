"""Looks for an external task whose call was not answered: for our mark, or at the Task itself."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, timedelta
from functools import partial

from bridge.core.answers import TaskRead, TaskVanished, Unavailable
from bridge.core.external.marks import Marker
from bridge.core.external_rules import ExternalRules
from bridge.core.inputs import Looked
from bridge.core.lifecycle import Lifecycle
from bridge.core.task import Task
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.namespace_rows import namespace_rows
from bridge.engine.reading.patience import Patience, Seen, SettleTimes
from bridge.engine.reading.unanswered import NotNow, Unreadable
from bridge.ports import Clock, VcdGateway

EARLIER = timedelta(hours=1)
"""How much earlier than the intent a Task may seem to have begun: the intent bears the clock of the host that had it.
The mark is the proof, this only bounds the rows."""
CLOCKS_APART = timedelta(minutes=1)
"""What two clocks that are right may differ by."""


class ExternalLooks:
    """Makes looks until one is made whole. ``claimed``: Tasks that belong to others already."""

    def __init__(
        self,
        clock: Clock,
        patience: Patience,
        gateway: VcdGateway,
        rules: ExternalRules,
        settle: SettleTimes,
        claimed: Container[str],
    ) -> None:
        self._clock = clock
        self._patience = patience
        self._gateway = gateway
        self._rules = rules
        self._settle = settle
        self._claimed = claimed

    async def look(self, owned: OwnedPartition, lifecycle: Lifecycle, *, settle: bool) -> Looked | None:
        """Look at once, and again after the settling time where the call may still be on its way.

        None: the partition is not ours any more. A Task that bears our mark, or that has ended, is enough at once. A
        refused update is on its way nowhere: one look that shows the Task tells how it stands. One that shows a known
        Task no more proves little, a cell may not know it yet or a right may be being changed: it counts when it has
        not been shown over a whole answer time.
        """
        look_once = partial(self._look_once, owned, lifecycle)
        first = await self._patience.whole(owned, lifecycle, look_once)
        if first is None or self._is_enough(lifecycle, first):
            return first
        pause = self._settle.of(dead_owner=settle)
        second = await self._patience.again(owned, lifecycle, first, pause, look_once)
        lost_sight_of = bool(first.candidates) and second is not None and not second.candidates
        if second is None or not lost_sight_of:
            return second
        return await self._patience.again(owned, lifecycle, second, self._settle.unseen(), look_once)

    @staticmethod
    def _is_enough(lifecycle: Lifecycle, look: Looked) -> bool:
        if lifecycle.task_id is None or lifecycle.refused_code is not None:
            return bool(look.candidates)
        return any(task.is_final for task in look.candidates)

    async def _look_once(self, owned: OwnedPartition, lifecycle: Lifecycle) -> Looked:
        seen = Seen()
        if lifecycle.task_id is not None:
            candidates = await self._task_itself(lifecycle.task_id, lifecycle.task_href, seen)
        else:
            candidates = await self._marked(owned, lifecycle, seen)
        return Looked(
            attempt=lifecycle.attempt,
            candidates=tuple(candidates),
            happened=None,
            evidence=tuple(seen.evidence),
            incomplete=seen.incomplete,
        )

    async def _task_itself(self, task_id: str, href: str | None, seen: Seen) -> list[Task]:
        reading = await self._gateway.read_task(task_id, href)
        match reading:
            case Unavailable(message=message):
                raise NotNow(message)
            case TaskVanished(http_status=status):
                seen.evidence.append(f"GET {task_id}: {status}")
                return []
            case TaskRead(task=task):
                seen.evidence.append(f"GET {task_id}: {task.status}")
                return [task]

    async def _marked(self, owned: OwnedPartition, lifecycle: Lifecycle, seen: Seen) -> list[Task]:
        """The Tasks that bear our mark, the likeliest first: the oldest since the intent, then those before it."""
        found: list[Task] = []
        intent = self._intent(lifecycle)
        namespaces = [lifecycle.service_namespace] if lifecycle.service_namespace else list(self._rules.namespaces)
        for namespace in namespaces:
            since = None if intent is None else intent - EARLIER
            found += await self._matching(owned, lifecycle, namespace, since, seen)
        by_id = {task.id: task for task in found}
        ours = sorted(by_id.values(), key=lambda task: _age(task, intent))
        seen.evidence.append(f"{len(ours)} Tasks bear the mark of {lifecycle.external_key}")
        return ours

    def _intent(self, lifecycle: Lifecycle) -> datetime | None:
        """When the first call may have left, in VCD's time."""
        if lifecycle.first_intent_at is None:
            return None
        # Another host's clock may be ahead of ours; what it has done is in the past all the same.
        return min(lifecycle.first_intent_at, self._clock.now()) + (self._gateway.clock_ahead or timedelta())

    async def _matching(
        self, owned: OwnedPartition, lifecycle: Lifecycle, namespace: str, since: datetime | None, seen: Seen
    ) -> list[Task]:
        marker = Marker(self._rules.group_id, owned.partition)
        found: list[Task] = []
        rows = 0
        try:
            async for record in namespace_rows(self._gateway, namespace, since=since):
                rows += 1
                bears = marker.bears(record.operation, lifecycle.external_key or "")
                if bears and record.id not in self._claimed:
                    shown = await self._task_itself(record.id, None, seen)
                    if not shown:
                        seen.incomplete = f"{record.id} bears the mark and cannot be read"
                        seen.evidence.append(seen.incomplete)
                    found += shown
        except Unreadable as refused:
            seen.incomplete = str(refused)
            seen.evidence.append(seen.incomplete)
        seen.evidence.append(f"task query of namespace {namespace}: {rows} rows")
        return found


def _age(task: Task, intent: datetime | None) -> tuple[bool, float]:
    """An orphan of an older story is not taken before the Task that the call made."""
    began = (task.document["startTime"] or 0) / 1000
    return intent is not None and 0 < began < (intent - CLOCKS_APART).timestamp(), began
