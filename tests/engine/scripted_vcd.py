"""A Cloud Director behind the gateway port that answers what a test tells it to."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.core.answers import (
    Accepted,
    BlockingAbsent,
    BlockingPage,
    BlockingRead,
    BlockingReading,
    CallAnswer,
    CancelAnswer,
    EntityRead,
    EntityReading,
    HttpCall,
    NeverSent,
    OutcomeUnknown,
    ReadRefused,
    ReferenceKind,
    ReferenceReading,
    TaskPage,
    TaskQuery,
    TaskRead,
    TaskReading,
    TaskRecord,
    TaskVanished,
    Unavailable,
)
from bridge.core.blocking_task import BlockingTask
from bridge.core.task import Task, empty_document, is_final
from tests.simulation.loop import EPOCH
from tests.simulation.references import References

USER = "bridge"
TRAVEL_SECONDS = 0.01

Answer = CallAnswer | Awaitable[CallAnswer]
NO_ANSWER = OutcomeUnknown(code="no_answer", message="time-out")


@dataclass(slots=True)
class Left:
    """A call that left. ``at`` and ``leave_by``: seconds of the loop."""

    at: float
    leave_by: float
    call: HttpCall


@dataclass(slots=True)
class ScriptedVcd:
    """``on_call`` answers a call, ``entity`` and ``query`` what a look asks; the defaults know nothing.

    ``before_leaving``: seconds between the permit and the departure of a call (pool, connect); ``before_cancel``: as
    long takes a cancel.
    """

    session_ready: bool = True
    silence_seconds: float = 0.0
    travel_seconds: float = TRAVEL_SECONDS
    before_leaving: float = TRAVEL_SECONDS
    before_cancel: float = 0.0
    clock_ahead: timedelta | None = timedelta()
    asked: int = 0
    """How often the engine wanted to call."""
    calls: list[Left] = field(default_factory=list)
    cancels: list[tuple[str, str]] = field(default_factory=list)
    """Task id and call id."""
    queries: list[TaskQuery] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    on_call: Callable[[HttpCall], Answer] | None = None
    on_cancel: Callable[[str], CancelAnswer] = field(default=lambda task_id: CancelAnswer.REQUESTED)
    entity: Callable[[str], EntityReading] = field(default=lambda path: EntityRead({}, ()))
    query: Callable[[TaskQuery], TaskPage | ReadRefused | Unavailable] = field(default=lambda query: page_of(query, []))
    blocking: dict[str, BlockingTask] = field(default_factory=dict)
    """Blocking tasks that wait for a decision, by their URN."""
    references: References = field(default_factory=References)
    on_reference: Callable[[ReferenceKind, str | None], ReferenceReading] | None = None
    """Answers instead of ``references``."""
    read_references: list[tuple[ReferenceKind, str | None]] = field(default_factory=list)
    """What references were read, in order."""
    user_name: str = USER
    is_provider: bool = True
    api_version: str = "39.1"

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    @property
    def operations(self) -> list[str]:
        """What was called, in order."""
        return [left.call.operation for left in self.calls]

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def make(self, number: int, status: str = "running", *, entity: str | None = None, name: str | None = None) -> Task:
        """A Task of our user that begins now; read from now on."""
        made = task(number, status, entity=entity, name=name, began=self.now())
        self.tasks[made.id] = made
        return made

    def accept(self, number: int, status: str = "running") -> Accepted:
        """The answer to a call that makes Task ``number``."""
        return Accepted(task=self.make(number, status), http_status=202)

    def finish(self, number: int, status: str = "success") -> None:
        """The Task ends."""
        old = self.tasks[urn(number)]
        document = old.document.copy()
        document["status"] = status
        self.tasks[old.id] = Task(document)

    # --- the port -------------------------------------------------------------------------------------------------

    async def call(self, call: HttpCall, *, leave_by: float, may_leave: Callable[[], bool]) -> CallAnswer:
        self.asked += 1
        await asyncio.sleep(self.before_leaving)
        if self.now() >= leave_by:
            return NeverSent(code="lease_expired", message="too late to leave")
        if not may_leave():
            return NeverSent(code="held_back", message="held back")
        self.calls.append(Left(self.now(), leave_by, call))
        answer: Answer = self.on_call(call) if self.on_call is not None else self.accept(len(self.calls))
        if inspect.isawaitable(answer):
            answer = await answer
        return answer

    async def read_task(self, task_id: str, href: str | None) -> TaskReading:
        await asyncio.sleep(self.travel_seconds)
        found = self.tasks.get(task_id)
        return TaskRead(found) if found is not None else TaskVanished(403, "no access")

    async def cancel_task(
        self, task_id: str, call_id: str, *, leave_by: float, may_leave: Callable[[], bool]
    ) -> CancelAnswer:
        await asyncio.sleep(self.before_cancel)
        if self.now() >= leave_by or not may_leave():
            return CancelAnswer.UNAVAILABLE
        await asyncio.sleep(self.travel_seconds)
        self.cancels.append((task_id, call_id))
        return self.on_cancel(task_id)

    async def query_tasks(self, query: TaskQuery) -> TaskPage | ReadRefused | Unavailable:
        await asyncio.sleep(self.travel_seconds)
        self.queries.append(query)
        return self.query(query)

    async def query_blocking_tasks(self, page: int) -> BlockingPage | ReadRefused | Unavailable:
        await asyncio.sleep(self.travel_seconds)
        waiting = list(self.blocking.values())
        return BlockingPage(tuple(waiting[(page - 1) * 128 : page * 128]), len(waiting), None)

    async def read_blocking_task(self, blocking_task_id: str) -> BlockingReading:
        await asyncio.sleep(self.travel_seconds)
        found = self.blocking.get(blocking_task_id)
        return BlockingRead(found) if found is not None else BlockingAbsent(403, "no access")

    async def read_entity(self, path: str, organization: str | None) -> EntityReading:
        await asyncio.sleep(self.travel_seconds)
        return self.entity(path)

    async def read_reference(self, kind: ReferenceKind, text: str | None) -> ReferenceReading:
        await asyncio.sleep(self.travel_seconds)
        self.read_references.append((kind, text))
        return (self.on_reference or self.references.read)(kind, text)

    def shows(self, *numbers: int) -> None:
        """From now on the task query has rows of these Tasks, as far as they fit its start window and statuses."""
        self.query = lambda query: page_of(
            query, [row for n in numbers if fits(row := row_of(self.tasks[urn(n)]), query)]
        )


def urn(number: int) -> str:
    return f"urn:vcloud:task:{number:08d}-0000-4000-8000-000000000000"


def task(
    number: int, status: str = "running", *, entity: str | None = None, name: str | None = None,
    began: float | None = None, user: str = USER, operation_name: str | None = None,
) -> Task:  # fmt: skip
    """``entity``: path of its owner; ``name``: its owner's name; ``began``: seconds of the loop, in VCD's time."""
    document = empty_document()
    document["id"] = urn(number)
    document["href"] = f"https://vcd/api/task/{urn(number).rpartition(':')[2]}"
    document["status"] = status
    document["operationName"] = operation_name
    document["startTime"] = None if began is None else int((EPOCH.timestamp() + began) * 1000)
    document["user"] = {"href": None, "id": None, "type": None, "name": user}
    if entity is not None or name is not None:
        href = None if entity is None else f"https://vcd/api{entity}"
        document["owner"] = {"href": href, "id": None, "type": None, "name": name}
    return Task(document)


def row_of(task: Task) -> TaskRecord:
    """The Task as the task query shows it."""
    owner, start = task.document["owner"], task.document["startTime"]
    return TaskRecord(
        id=task.id, status=task.status or "", progress=None, operation_name=task.document["operationName"],
        operation=None, object_href=owner["href"] if owner else None, object_name=owner["name"] if owner else None,
        owner_name=USER, service_namespace=None,
        start_date=None if start is None else EPOCH + timedelta(milliseconds=start - EPOCH.timestamp() * 1000),
        end_date=EPOCH if is_final(task.status) else None,
    )  # fmt: skip


def fits(row: TaskRecord, query: TaskQuery) -> bool:
    """Whether VCD would show a row for a query."""
    since: datetime | None = query.started_at_or_after
    in_window = since is None or (row.start_date is not None and row.start_date >= since)
    return in_window and (not query.statuses or row.status in query.statuses) and (not query.ids or row.id in query.ids)


def page_of(query: TaskQuery, rows: list[TaskRecord]) -> TaskPage:
    """One page of these rows."""
    first = (query.page - 1) * query.page_size
    return TaskPage(tuple(rows[first : first + query.page_size]), query.page, len(rows), None)
