"""A simulated Cloud Director behind the gateway port: Tasks in virtual time, a ledger, and every class of fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from bridge.core.answers import (
    Accepted,
    Busy,
    CallAnswer,
    CancelAnswer,
    EntityRead,
    EntityReading,
    HttpCall,
    Limited,
    NeverSent,
    OutcomeUnknown,
    ReferenceKind,
    ReferenceReading,
    Refused,
    SessionExpired,
    TaskPage,
    TaskQuery,
    TaskRead,
    TaskReading,
    TaskRecord,
    TaskVanished,
    Unavailable,
)
from bridge.core.task import Task, empty_document, is_final
from tests.simulation.external import ExternalTasks, ledger_call
from tests.simulation.kafka import Process
from tests.simulation.loop import EPOCH
from tests.simulation.references import References
from tests.support.checker.evidence import LedgerCall, VcdTask

USER = "bridge"


@dataclass(slots=True)
class SimTask:
    """One Task: its end is fixed when it begins."""

    number: int
    entity: str
    began: float
    ends: float
    end_status: str
    cancel_requested: bool = False
    canceled_at: float | None = None

    @property
    def id(self) -> str:
        return f"urn:vcloud:task:{self.number:08d}-0000-4000-8000-000000000000"

    def status(self, now: float) -> str:
        if self.canceled_at is not None and now >= self.canceled_at:
            return "aborted"
        if now >= self.ends:
            return self.end_status
        return "queued" if now - self.began < 0.2 else "running"

    def read(self, now: float) -> Task:
        document = empty_document()
        status = self.status(now)
        document["id"] = self.id
        document["href"] = f"/api/task/{self.id.rsplit(':', 1)[-1]}"
        document["name"] = "task"
        document["status"] = status
        document["operationName"] = "unlikeAnything"
        document["startTime"] = int((EPOCH.timestamp() + self.began) * 1000)
        document["progress"] = min(100, int(100 * (now - self.began) / max(0.001, self.ends - self.began)))
        document["cancelRequested"] = self.cancel_requested
        document["user"] = {"href": None, "id": None, "type": None, "name": USER}
        document["owner"] = {"href": f"https://vcd/api{self.entity}", "id": None, "type": None, "name": None}
        return Task(document)


@dataclass(slots=True)
class SimVcd:
    """One Cloud Director, shared by all processes. ``fault_rate``: how often a call meets a fault."""

    random: Random
    fault_rate: float
    tasks: list[SimTask] = field(default_factory=list)
    ledger: list[LedgerCall] = field(default_factory=list)
    external: ExternalTasks = field(default_factory=ExternalTasks)
    references: References = field(default_factory=References)
    calm: bool = False
    """Faults have stopped: from here on everything must end."""

    def now(self) -> float:
        return asyncio.get_event_loop().time()

    def running_on(self, entity: str) -> SimTask | None:
        now = self.now()
        return next((t for t in self.tasks if t.entity == entity and not is_final(t.status(now))), None)

    def start(self, call: HttpCall, entity: str) -> SimTask:
        now = self.now()
        status = self.random.choices(["success", "error", "canceled"], [8, 1, 1])[0]
        task = SimTask(len(self.tasks) + 1, entity, now, now + self.random.uniform(0.0, 20.0), status)
        self.tasks.append(task)
        return task

    def note(self, call: HttpCall, entity: str, status: int | None, task: SimTask | None) -> None:
        self.ledger.append(
            LedgerCall(
                number=len(self.ledger) + 1,
                at=EPOCH.timestamp() + self.now(),
                call_id=call.call_id,
                operation=call.operation,
                status=status,
                effect=task is not None,
                task_id=task.id if task else None,
            )
        )

    def note_cancel(self, call_id: str, task: SimTask, status: int) -> None:
        self.ledger.append(
            LedgerCall(
                number=len(self.ledger) + 1,
                at=EPOCH.timestamp() + self.now(),
                call_id=call_id,
                operation="cancelTask",
                status=status,
                effect=status == 204,
                task_id=task.id,
            )
        )

    def truth(self) -> dict[str, VcdTask]:
        now = self.now()
        return {task.id: VcdTask(status=task.status(now)) for task in self.tasks} | self.external.truth()

    def carry_out(self, call: HttpCall) -> CallAnswer:
        """A call for an external Task."""
        now, status, effect = self.now(), 200, True
        if call.method == "POST":
            kept = self.external.make(dict(call.body or {}), now)
        else:
            found = self.external.by_id(f"urn:vcloud:task:{call.path.rpartition('/')[2]}")
            assert found is not None
            kept = found
            if kept.ended is not None:
                status, effect = 400, False
            else:
                self.external.change(kept, now, **dict(call.body or {}))
        at = EPOCH.timestamp() + now
        self.ledger.append(ledger_call(len(self.ledger) + 1, at, call, status, kept, effect=effect))
        if not effect:
            return Refused(code="BAD_REQUEST", message="the task has ended", http_status=400)
        return Accepted(task=kept.read(), http_status=200, vcd_request_id=f"{call.call_id}-r")


class SimGateway:
    """The gateway of one process."""

    user_name = USER
    api_version = "39.1"
    is_provider = True
    clock_ahead = timedelta()
    silence_seconds = 0.0

    def __init__(self, process: Process, vcd: SimVcd) -> None:
        self.process = process
        self.vcd = vcd
        self.session_ready = True

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def call(self, call: HttpCall, *, leave_by: float, may_leave: Callable[[], bool]) -> CallAnswer:
        random, vcd = self.vcd.random, self.vcd
        await self._travel()
        if vcd.now() >= leave_by:
            return NeverSent(code="lease_expired", message="too late to leave")
        if not may_leave():
            return NeverSent(code="held_back", message="held back")
        entity = "/" + "/".join(call.path.strip("/").split("/")[:2])
        fault = None if vcd.calm or random.random() >= vcd.fault_rate else random.choice(FAULTS)
        if fault == "never_sent":
            return NeverSent(code="connect_failed", message="refused")
        if fault == "unauthorized":
            vcd.note(call, entity, 401, None)
            return SessionExpired(message="token expired")
        if fault == "limited":
            vcd.note(call, entity, 429, None)
            return Limited(code="HTTP_429", message="slow", http_status=429, retry_after=timedelta(seconds=1))
        if fault == "lost_before":
            await asyncio.sleep(random.uniform(0, 5))
            return OutcomeUnknown(code="no_answer", message="connection reset")
        answer = vcd.carry_out(call) if call.operation in EXTERNAL else self._start(call, entity)
        if isinstance(answer, Busy):
            return answer
        await self._travel()
        if fault == "lost_after":
            await asyncio.sleep(random.uniform(0, 5))
            return OutcomeUnknown(code="no_answer", message="time-out")
        if fault == "http_500":
            return OutcomeUnknown(code="HTTP_500", message="internal", http_status=500)
        return answer

    def _start(self, call: HttpCall, entity: str) -> Accepted | Busy:
        vcd = self.vcd
        blocker = vcd.running_on(entity)
        if blocker is not None:
            vcd.note(call, entity, 400, None)
            return Busy(message="is busy", http_status=400, task_id=blocker.id)
        task = vcd.start(call, entity)
        vcd.note(call, entity, 202, task)
        return Accepted(task=task.read(vcd.now()), http_status=202, vcd_request_id=f"{call.call_id}-r")

    async def read_task(self, task_id: str, href: str | None) -> TaskReading:
        await self._travel()
        if self._unavailable():
            return Unavailable("no answer")
        task = self._find(task_id)
        kept = self.vcd.external.by_id(task_id)
        if kept is not None:
            return TaskRead(kept.read())
        return TaskRead(task.read(self.vcd.now())) if task else TaskVanished(403, "no access")

    async def cancel_task(self, task_id: str, call_id: str) -> CancelAnswer:
        await self._travel()
        if self._unavailable():
            return CancelAnswer.UNAVAILABLE
        task = self._find(task_id)
        if task is None:
            return CancelAnswer.REFUSED
        if is_final(task.status(self.vcd.now())):
            self.vcd.note_cancel(call_id, task, 400)
            return CancelAnswer.REFUSED
        self.vcd.note_cancel(call_id, task, 204)
        task.cancel_requested = True
        if self.vcd.random.random() < 0.5 and task.canceled_at is None:
            task.canceled_at = self.vcd.now() + 1.0
        return CancelAnswer.REQUESTED

    async def query_tasks(self, query: TaskQuery) -> TaskPage | Unavailable:
        await self._travel()
        if self._unavailable():
            return Unavailable("no answer")
        now = self.vcd.now()
        shown = [_row(task, now) for task in self.vcd.tasks] + [one.row() for one in self.vcd.external.kept]
        rows = [row for row in shown if _matches(row, query)]
        first = (query.page - 1) * query.page_size
        return TaskPage(tuple(rows[first : first + query.page_size]), query.page, len(rows), None)

    async def read_entity(self, path: str, organization: str | None) -> EntityReading:
        await self._travel()
        if self._unavailable():
            return Unavailable("no answer")
        now = self.vcd.now()
        recent = [t for t in self.vcd.tasks if t.entity == path and now - t.began < 3600]
        # Recently completed Tasks may have left the list already: absence proves nothing.
        shown = [t for t in recent if not is_final(t.status(now)) or self.vcd.random.random() < 0.7]
        document: Mapping[str, None] = {}
        return EntityRead(dict(document), tuple(task.read(now) for task in shown))

    async def read_reference(self, kind: ReferenceKind, text: str | None) -> ReferenceReading:
        await self._travel()
        return Unavailable("no answer") if self._unavailable() else self.vcd.references.read(kind, text)

    async def _travel(self) -> None:
        await self.process.step(self.vcd.random, 0.05)

    def _unavailable(self) -> bool:
        return not self.vcd.calm and self.vcd.random.random() < self.vcd.fault_rate / 2

    def _find(self, task_id: str) -> SimTask | None:
        return next((task for task in self.vcd.tasks if task.id == task_id), None)


EXTERNAL = frozenset({"createExternalTask", "updateTask"})
FAULTS = ("never_sent", "unauthorized", "limited", "lost_before", "lost_after", "http_500")


def _row(task: SimTask, now: float) -> TaskRecord:
    status = task.status(now)
    return TaskRecord(
        id=task.id,
        status=status,
        progress=task.read(now).progress,
        operation_name="unlikeAnything",
        operation=None,
        object_href=f"https://vcd/api{task.entity}",
        object_name=None,
        owner_name=USER,
        service_namespace="com.vmware.vcloud",
        start_date=EPOCH + timedelta(seconds=task.began),
        end_date=EPOCH + timedelta(seconds=min(task.ends, task.canceled_at or task.ends)) if is_final(status) else None,
    )


def _matches(row: TaskRecord, query: TaskQuery) -> bool:
    if query.ids and row.id not in query.ids:
        return False
    wanted = query.service_namespace
    if wanted is not None and (row.service_namespace or "").casefold() != wanted.casefold():
        return False
    if query.statuses and row.status not in query.statuses:
        return False
    if query.started_at_or_after is not None and (row.start_date is None or row.start_date < query.started_at_or_after):
        return False
    if query.ended_at_or_after is not None:
        return row.end_date is not None and row.end_date >= query.ended_at_or_after
    return True
