"""The types ``task`` and ``adminTask`` of the query service."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bridge.simulator.calls.queries.fiql import Comparison, Either, Expression, Field, FieldType
from bridge.simulator.calls.queries.paging import conjuncts, equal_values
from bridge.simulator.clock import parse_time, timestamp
from bridge.simulator.documents.documents import Documents
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.tasks.scripts import FINAL, Step
from bridge.simulator.state.tasks.tasks import Task, TaskEngine


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A Task as it stands at one moment."""

    task: Task
    step: Step
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Delay:
    """How late the query shows things, in seconds: ``of_all``, and the ends of a ``share`` of the Tasks by ``of_some``
    besides, as rows that are committed late."""

    of_all: float = 0.0
    share: float = 0.0
    of_some: float = 0.0

    @property
    def is_any(self) -> bool:
        return self.of_all > 0 or self.share > 0

    def hides_end(self, task: Task, now: float) -> bool:
        if self.share <= 0 or task.ended_at is None or now - self.of_all >= task.ended_at + self.of_some:
            return False
        return task.number * _SCATTER % 1.0 < self.share and task.created_at <= now - self.of_all


_SCATTER = 0.6180339887498949
"""Of the golden ratio: its multiples lie evenly, so that any share of Tasks in a row is that share of them."""


def _before_the_end(task: Task) -> Step:
    earlier = [step for step in task.script.steps if step.status not in FINAL]
    return earlier[-1] if earlier else Step(0.0, "running")


def _milliseconds(at: float | None) -> float | None:
    return None if at is None else int(at * 1000) / 1000


def _row_then(task: Task, at: float) -> TaskRow:
    """As it stood at an earlier time. Of what was canceled or forced since then it is not kept how it stood before."""
    if task.ended_at is not None and task.ended_at <= at:
        return TaskRow(task, task.step_then(at), task.ended_at)
    step = task.step_then(at)
    return TaskRow(task, Step(0.0, "running") if step.status in FINAL else step, None)


def _active_or_ended_since(part: Expression) -> str | None:
    """The date of ``status==a,status==b,…,endDate=ge=date`` in this order, where no status is an end's."""
    if not isinstance(part, Either):
        return None
    *statuses, last = part.parts
    named = equal_values(Either(tuple(statuses)), "status")
    ended = isinstance(last, Comparison) and (last.selector, last.operator) == ("endDate", "=ge=")
    if not named or not ended or any(status.casefold() in FINAL for status in named):
        return None
    return last.value if isinstance(last, Comparison) else None


class TaskRecords:
    """Fields, candidates and records of the Task queries."""

    def __init__(self, documents: Documents, engine: TaskEngine, store: EntityStore) -> None:
        self.documents = documents
        self.engine = engine
        self.store = store
        self.fields = self._fields()
        self.admin_fields = {**self.fields, **self._admin_fields()}

    def _start(self, row: TaskRow) -> float | None:
        return _milliseconds(self.documents.start_of(row.task, row.step))

    def _end(self, row: TaskRow) -> float | None:
        return None if row.ended_at is None else self.documents.end_of(row.task, row.ended_at)

    def _ended_since(self, date: str) -> list[Task]:
        """At least those whose end is written with that date or a later one."""
        at = parse_time(date)
        return self.engine.ended_since(None if at is None else at - max(0.0, self.documents.cells_apart_seconds))

    def _fields(self) -> dict[str, Field]:
        text, href = FieldType.TEXT, self.documents.references.href
        return {
            "id": Field(text, lambda row: row.task.urn),
            "href": Field(FieldType.REFERENCE, lambda row: self.documents.task_href(row.task)),
            "name": Field(text, lambda row: row.task.operation_name),
            "operation": Field(text, lambda row: row.task.operation_name),
            "operationFull": Field(text, lambda row: row.task.text(row.step)),
            "status": Field(text, lambda row: row.step.status),
            "progress": Field(FieldType.NUMBER, lambda row: row.step.progress),
            "startDate": Field(FieldType.TIME, self._start),
            "endDate": Field(FieldType.TIME, lambda row: _milliseconds(self._end(row))),
            "ownerName": Field(text, lambda row: row.task.user.name),
            "object": Field(FieldType.REFERENCE, lambda row: href(row.task.owner)),
            "objectName": Field(text, lambda row: row.task.owner.name),
            "objectType": Field(text, lambda row: row.task.owner.kind.urn),
            "org": Field(FieldType.REFERENCE, lambda row: href(row.task.org)),
            "orgName": Field(text, lambda row: row.task.org.name),
            "serviceNamespace": Field(text, lambda row: row.task.service_namespace),
        }

    def _admin_fields(self) -> dict[str, Field]:
        """What only ``adminTask`` has."""
        href = self.documents.references.href
        return {
            "owner": Field(FieldType.REFERENCE, lambda row: href(row.task.user.entity)),
            "cellName": Field(FieldType.TEXT, lambda row: row.task.cell),
            "hasOwner": Field(FieldType.FLAG, lambda _row: True),
        }

    def candidates(self, expression: Expression | None) -> Collection[Task]:
        """A superset of the Tasks that can match now: what the narrowest index that a part of the filter allows has."""
        for part in conjuncts(expression):
            ids = equal_values(part, "id") or equal_values(part, "href")
            if ids is not None:
                found = (self.engine.get(one[-36:].lower(), 0.0) for one in ids)
                return list(dict.fromkeys(task for task in found if task is not None))
        pool = self._pool(expression)
        return min((pool.values(), *self._narrower(expression, pool)), key=len)

    def _pool(self, expression: Expression | None) -> dict[str, Task]:
        """The Tasks of the namespaces that the filter names, else all."""
        for part in conjuncts(expression):
            namespaces = equal_values(part, "serviceNamespace")
            if namespaces is not None:
                return self.engine.of_namespaces(namespaces)
        return self.engine.all()

    def _narrower(self, expression: Expression | None, pool: dict[str, Task]) -> Iterator[Collection[Task]]:
        for part in conjuncts(expression):
            if isinstance(part, Comparison) and part.operator in ("=ge=", "=gt="):
                if part.selector == "endDate":
                    yield self._ended_since(part.value)
                elif part.selector == "startDate" and self.documents.queued_has_start:
                    yield self.engine.started_since(parse_time(part.value) or 0.0, pool)
            statuses = equal_values(part, "status")
            if statuses and not any(status.casefold() in FINAL for status in statuses):
                yield self.engine.active()
            if (since := _active_or_ended_since(part)) is not None:
                yield [*self.engine.active(), *self._ended_since(since)]

    def rows(self, expression: Expression | None, now: float, delay: Delay, org: Entity | None) -> Iterator[TaskRow]:
        """Tasks of an organization (None: all) that can match, as they are shown with that delay."""
        at = now - delay.of_all
        # The indexes know how Tasks stand, not how they are shown.
        candidates = self._pool(expression).values() if delay.is_any else self.candidates(expression)
        for task in candidates:
            if (org is None or task.org is org) and not task.is_gone(now):
                if delay.hides_end(task, now):
                    yield TaskRow(task, _before_the_end(task), None)
                elif delay.of_all <= 0:
                    yield TaskRow(task, task.step(now), task.ended_at)
                elif task.created_at <= at:
                    yield _row_then(task, at)

    def record(self, row: TaskRow, form: str, *, admin: bool) -> JsonObject:
        """``name`` is the operationName, ``operationFull`` the operation, ``ownerName`` the user's name."""
        task, references = row.task, self.documents.references
        start, end, whole = self._start(row), self._end(row), form == "records"
        record: JsonObject = {
            "_type": "QueryResultAdminTaskRecordType" if admin else "QueryResultTaskRecordType",
            "endDate": None if end is None else timestamp(end),
            "name": task.operation_name,
            "object": references.href(task.owner) if whole else task.owner.urn,
            "objectName": task.owner.name,
            "objectType": task.owner.kind.urn,
            "operationFull": task.text(row.step),
            "org": references.href(task.org) if whole else task.org.urn,
            "orgName": task.org.name,
            "ownerName": task.user.name,
            "progress": row.step.progress,
            "serviceNamespace": task.service_namespace,
            "startDate": None if start is None else timestamp(start),
            "status": row.step.status,
        }
        record.update({"href": self.documents.task_href(task)} if whole else {"id": task.urn})
        if admin:
            owner = task.user.entity
            record.update(owner=references.href(owner) if whole else owner.urn, cellName=task.cell, hasOwner=True)
        return record
