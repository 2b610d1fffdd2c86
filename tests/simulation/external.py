"""External Tasks of the simulated Cloud Director: whole documents, kept and refused as VCD does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import Any

from bridge.core.answers import HttpCall, TaskRecord
from bridge.core.task import Task, is_final
from bridge.vcd.documents.wire import read_task
from tests.simulation.loop import EPOCH
from tests.support.checker.evidence import ExternalTask, LedgerCall, VcdTask

Json = dict[str, Any]


@dataclass(slots=True)
class Kept:
    """One external Task. ``seeded``: somebody else made it. ``gone_at``: from then on VCD shows it to nobody."""

    document: Json
    began: float
    ended: float | None = None
    seeded: bool = False
    gone_at: float | None = None

    @property
    def gone(self) -> bool:
        return self.gone_at is not None

    @property
    def id(self) -> str:
        return str(self.document["id"])

    def read(self) -> Task:
        ended = {} if self.ended is None else {"endTime": (EPOCH + timedelta(seconds=self.ended)).isoformat()}
        task = read_task({**self.document, **ended}, "https://vcd")
        assert task is not None
        return task

    def truth(self) -> VcdTask:
        epoch = EPOCH.timestamp()
        return VcdTask(
            status=self.document["status"],
            visible=not self.gone,
            began=epoch + self.began,
            ended=None if self.ended is None else epoch + self.ended,
            hidden=[] if self.gone_at is None else [(epoch + self.gone_at, inf)],
        )

    def row(self) -> TaskRecord:
        task = self.read()
        return TaskRecord(
            id=self.id,
            status=task.status or "",
            progress=task.progress,
            operation_name=task.document["operationName"],
            operation=task.document["operation"],
            object_href=None,
            object_name=None,
            owner_name="bridge",
            service_namespace=task.document["serviceNamespace"],
            start_date=EPOCH + timedelta(seconds=self.began),
            end_date=None if self.ended is None else EPOCH + timedelta(seconds=self.ended),
        )


@dataclass(slots=True)
class ExternalTasks:
    """All external Tasks, in order of creation."""

    kept: list[Kept] = field(default_factory=list)

    def make(self, body: Json, now: float, *, seeded: bool = False) -> Kept:
        task_id = f"urn:vcloud:task:{len(self.kept) + 1:08d}-0000-4000-9000-000000000000"
        began = EPOCH + timedelta(seconds=now)
        kept = Kept({"id": task_id, "startTime": began.isoformat(), **body}, now, seeded=seeded)
        kept.ended = now if is_final(body.get("status")) else None
        self.kept.append(kept)
        return kept

    def change(self, kept: Kept, now: float, **changes: Any) -> None:
        kept.document.update(changes)
        if is_final(kept.document["status"]):
            kept.ended = now

    def by_id(self, task_id: str) -> Kept | None:
        """What VCD shows."""
        return next((one for one in self.kept if one.id == task_id and not one.gone), None)

    def running(self) -> list[Kept]:
        """Those of the bridges that have not ended, as far as VCD shows them."""
        return [one for one in self.kept if one.ended is None and not one.seeded and not one.gone]

    def rows(self) -> Iterator[TaskRecord]:
        return (one.row() for one in self.kept if not one.gone)

    # --- what an outsider sees ------------------------------------------------------------------------------------

    def truth(self) -> dict[str, VcdTask]:
        return {one.id: one.truth() for one in self.kept}

    def evidence(self) -> list[ExternalTask]:
        return [
            ExternalTask(
                task_id=one.id,
                status=one.document["status"],
                operation=one.document["operation"],
                shown=one.document,
                seeded=one.seeded,
            )
            for one in self.kept
        ]


def ledger_call(
    number: int,
    at: float,
    call: HttpCall,
    status: int | None,
    kept: Kept | None,
    *,
    effect: bool,
    process: str,
    delayed: bool,
) -> LedgerCall:
    """A call as the ledger has it, with the Task as it is after it."""
    return LedgerCall(
        number=number,
        at=at,
        call_id=call.call_id,
        operation=call.operation,
        status=status,
        effect=effect,
        task_id=kept.id if kept is not None else None,
        task_status=kept.document["status"] if kept is not None else None,
        task_operation=kept.document["operation"] if kept is not None else None,
        body=json.dumps(call.body),
        process=process,
        delayed=delayed,
        path=call.path,
    )
