"""Looks before it acts: finds out whether a call of unknown outcome was acted on.

A look asks the entity for its Tasks, asks the task query for Tasks of our own user that began since the intent, and,
where the catalogue names one, probes the entity's state. What it concludes is decided in ``core``; here it is gathered.
"""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import islice

from bridge.catalogue.load import Catalogue
from bridge.catalogue.operation import Operation
from bridge.core.answers import (
    EntityAbsent,
    EntityRead,
    ReadRefused,
    TaskPage,
    TaskQuery,
    TaskRead,
    TaskVanished,
    Unavailable,
)
from bridge.core.inputs import Looked
from bridge.core.lifecycle import Lifecycle
from bridge.core.proof import probe_says
from bridge.core.recognition import Trace, contradiction, is_keyed, narrowed, record_could_be, trace_of
from bridge.core.task import Task
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.patience import Patience, Seen, SettleTimes
from bridge.engine.reading.unanswered import NotNow
from bridge.ports import VcdGateway

_MOST_NAMED = 5
"""Tasks that a line of evidence, or as many lines, name."""
MAX_PAGES = 40
"""Pages of the task query read per look: 5,120 Tasks of our own user since the intent. More than that, and the look
counts as incomplete."""


class Recovery:
    """Makes looks until one is made whole. ``claimed``: Tasks that belong to others already."""

    def __init__(
        self,
        patience: Patience,
        gateway: VcdGateway,
        catalogue: Catalogue,
        settle: SettleTimes,
        claimed: Container[str],
    ) -> None:
        self._gateway = gateway
        self._catalogue = catalogue
        self._settle = settle
        self._claimed = claimed
        self._patience = patience
        self._sourced = {op.vcd_operation_name for op in catalogue.values() if op.vcd_operation_name}

    async def look(self, owned: OwnedPartition, lifecycle: Lifecycle, *, settle: bool) -> Looked | None:
        """Look at once, and again after the settling time when no Task was found, or not everything could be looked at.

        A Task found at a first look that was whole is enough. "Nothing" counts only after every moment at which the
        call could still have been on its way, and so does a state that holds: somebody else may have brought it about,
        and a call that comes after its request has ended would meet the next one's work. None: the partition is not
        ours any more.
        """
        look_once = partial(self._look_once, owned, lifecycle)
        first = await self._patience.whole(owned, lifecycle, look_once)
        if first is None or (first.candidates and first.incomplete is None):
            return first
        pause = self._settle.of(dead_owner=settle)
        return self._with_lost(first, await self._patience.again(owned, lifecycle, first, pause, look_once))

    def _with_lost(self, first: Looked, then: Looked | None) -> Looked | None:
        """The second look; it is not whole where it shows no more what the first one found, and nobody has claimed."""
        if then is None or then.incomplete is not None:
            return then
        shown = {task.id for task in then.candidates}
        lost = [task.id for task in first.candidates if task.id not in shown and task.id not in self._claimed]
        if not lost:
            return then
        told = f"{', '.join(lost[:_MOST_NAMED])} could be it and is not shown any more"
        return replace(then, incomplete=told, evidence=(*then.evidence, told))

    async def _look_once(self, owned: OwnedPartition, lifecycle: Lifecycle) -> Looked:
        operation = self._catalogue.get(lifecycle.operation or "")
        ahead = self._gateway.clock_ahead or timedelta()
        trace = trace_of(lifecycle, operation, self._gateway.user_name, self._sourced, ahead)
        seen = Seen()
        candidates = await self._candidates(lifecycle, trace, seen)
        happened = None
        if not candidates and operation is None:
            seen.incomplete = f"the catalogue of this version has no operation {lifecycle.operation}"
        elif not candidates and operation is not None:
            happened = await self._probe(owned, lifecycle, operation, seen)
        return Looked(
            attempt=lifecycle.attempt,
            candidates=candidates,
            happened=happened,
            evidence=tuple(seen.evidence),
            incomplete=seen.incomplete,
        )

    async def _candidates(self, lifecycle: Lifecycle, trace: Trace, seen: Seen) -> tuple[Task, ...]:
        if not trace.is_recognisable:
            seen.evidence.append(f"nothing tells a Task of {lifecycle.operation} from others: none was looked for")
            return ()
        tasks = await self._entity_tasks(lifecycle, seen)
        tasks += await self._queried_tasks(trace, seen)
        candidates = narrowed(tasks, trace, self._claimed)
        fitting = {task.id for task in candidates}
        passed_over = {task.id: self._why_not(task, trace) for task in tasks if task.id not in fitting}
        seen.evidence += [f"{task_id} is not it: {why}" for task_id, why in islice(passed_over.items(), _MOST_NAMED)]
        named = ", ".join(task.id for task in candidates[:_MOST_NAMED])
        seen.evidence.append(f"{len(candidates)} unclaimed Tasks fit{': ' if named else ''}{named}")
        if any(is_keyed(task, trace) for task in candidates):
            seen.incomplete = None  # it says itself whose it is: no other has to be looked at
        return candidates

    def _why_not(self, task: Task, trace: Trace) -> str:
        if task.id in self._claimed:
            return "is another request's"
        return contradiction(task, trace) or "another one fits better, by operationKey or operationName"

    async def _entity_tasks(self, lifecycle: Lifecycle, seen: Seen) -> list[Task]:
        if lifecycle.entity is None:
            return []
        reading = await self._gateway.read_entity(lifecycle.entity, lifecycle.organization)
        match reading:
            case EntityRead(tasks=tasks):
                seen.evidence.append(f"GET {lifecycle.entity}: lists {len(tasks)} Tasks")
                return list(tasks)
            case EntityAbsent(http_status=status):
                seen.evidence.append(f"GET {lifecycle.entity}: {status}")
            case ReadRefused(http_status=status, message=message):
                seen.incomplete = f"GET {lifecycle.entity} is refused with {status}: {message}"
                seen.evidence.append(seen.incomplete)
            case Unavailable(message=message):
                raise NotNow(message)
        return []

    async def _queried_tasks(self, trace: Trace, seen: Seen) -> list[Task]:
        # A Task that waits for its start has no start date yet: a window does not show it. So it is asked for first:
        # one that starts between the two queries is in the second.
        waiting = TaskQuery(own_only=True, statuses=("queued", "preRunning"))
        tasks = await self._query(waiting, trace, f"of user {trace.user_name} not started yet", seen)
        since = TaskQuery(own_only=True, started_at_or_after=trace.since, sort_ascending="startDate")
        told = f"of user {trace.user_name} since {trace.since.isoformat()}"
        return tasks + await self._query(since, trace, told, seen)

    async def _query(self, query: TaskQuery, trace: Trace, told: str, seen: Seen) -> list[Task]:
        found: list[Task] = []
        rows = 0
        for page in range(1, MAX_PAGES + 1):
            answer = await self._gateway.query_tasks(replace(query, page=page))
            if isinstance(answer, ReadRefused):
                seen.incomplete = f"the task query is refused with {answer.http_status}: {answer.message}"
                seen.evidence.append(seen.incomplete)
                return found
            if not isinstance(answer, TaskPage):
                raise NotNow(answer.message)
            rows += len(answer.records)
            for record in answer.records:
                if record.id not in self._claimed and record_could_be(record, trace):
                    found += await self._read(record.id, seen)
            if rows >= answer.total or not answer.records:
                break
        else:
            seen.incomplete = f"the task query {told} has more than {rows} rows"
        seen.evidence.append(f"task query {told}: {rows} rows")
        return found

    async def _read(self, task_id: str, seen: Seen) -> list[Task]:
        reading = await self._gateway.read_task(task_id, None)
        match reading:
            case Unavailable(message=message):
                raise NotNow(message)
            case TaskRead(task=task):
                return [task]
            case TaskVanished(http_status=status):
                # Its row fits, so it may be ours: that nothing was found cannot be said.
                seen.incomplete = f"{task_id} could be it and cannot be read ({status})"
                seen.evidence.append(seen.incomplete)
                return []

    async def _probe(
        self, owned: OwnedPartition, lifecycle: Lifecycle, operation: Operation, seen: Seen
    ) -> bool | None:
        request = owned.requests.get(lifecycle.birth)
        if operation.probe is None or request is None:
            return None
        parameters = self._catalogue.parameters_of(operation, request.path)
        path = operation.probe.path.format_map(parameters)
        reading = await self._gateway.read_entity(path, lifecycle.organization)
        if isinstance(reading, Unavailable):
            raise NotNow(reading.message)
        if isinstance(reading, ReadRefused):
            seen.evidence.append(f"probe GET {path} is refused with {reading.http_status}: {reading.message}")
            return None
        document = reading.document if isinstance(reading, EntityRead) else None
        body = json.loads(request.body) if request.body is not None else None
        happened = probe_says(operation.probe, document, body, parameters)
        told = {True: "the wanted state holds", False: "the wanted state does not hold", None: "it cannot tell"}
        seen.evidence.append(f"probe GET {path} ({operation.probe}): {told[happened]}")
        return happened
