"""A Cloud Director that keeps external Tasks: makes them, takes whole documents, refuses them after the end."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from bridge.core.answers import Accepted, CallAnswer, HttpCall, Refused, TaskPage, TaskQuery, TaskRecord
from bridge.core.task import Task, is_final
from bridge.vcd.documents.wire import read_task
from tests.engine.scripted_vcd import ScriptedVcd, fits, page_of, row_of, urn
from tests.simulation.loop import EPOCH

ORG, OWNER, USER = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
NAMESPACE = "com.example.tickets"

Json = dict[str, Any]


@dataclass(slots=True)
class ExternalVcd(ScriptedVcd):
    """``keeping`` is the default of ``on_call``; a test's own ``on_call`` may use it, before or after a fault.

    Organization ``acme``, a virtual machine and the bridge's own user exist. ``reads``: when which Task was read.
    """

    documents: dict[str, Json] = field(default_factory=dict)
    """The Tasks as VCD has them, by URN; made in this order."""
    reads: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.references.add("org", ORG, "acme")
        self.references.add("vm", OWNER, "web")
        self.references.add("user", USER, "bridge", own=True)
        self.on_call = self.keeping
        self.query = self.rows

    # --- what others do -------------------------------------------------------------------------------------------

    def seed(self, operation: str, *, status: str = "running", namespace: str = NAMESPACE) -> str:
        """A Task of somebody, or of a bridge that nobody remembers. Returns its URN."""
        return self._make({"operation": operation, "status": status, "serviceNamespace": namespace, "name": "task"})

    def person_cancels(self, number: int = 1) -> None:
        self._change(urn(number), cancelRequested=True)

    def ends(self, number: int = 1, status: str = "aborted") -> None:
        """The Task ends by itself, or somebody else ends it."""
        self._change(urn(number), status=status)

    def loses(self, number: int = 1) -> None:
        """VCD shows the Task to nobody any more."""
        del self.tasks[urn(number)]

    # --- what was asked -------------------------------------------------------------------------------------------

    def bodies(self, method: str) -> list[Json]:
        """Bodies of all calls of a method, in order."""
        return [dict(left.call.body or {}) for left in self.calls if left.call.method == method]

    def at(self, method: str) -> list[float]:
        """When the calls of a method left."""
        return [left.at for left in self.calls if left.call.method == method]

    def shown(self, number: int = 1) -> Json:
        return self.documents[urn(number)]

    # --- the calls ------------------------------------------------------------------------------------------------

    def keeping(self, call: HttpCall) -> CallAnswer:
        body = dict(call.body or {})
        if call.path == f"/tasksList/{ORG}":
            return Accepted(task=self.tasks[self._make(body)], http_status=200)
        if call.method == "POST":
            return Accepted(task=self.tasks[self._make({"name": "task", "status": "running"})], http_status=202)
        known = self.documents.get(f"urn:vcloud:task:{call.path.rpartition('/')[2]}")
        if known is None:
            return Refused(code="ACCESS_TO_RESOURCE_IS_FORBIDDEN", message="no access", http_status=403)
        if is_final(known["status"]):
            return Refused(code="BAD_REQUEST", message="the task has ended", http_status=400)
        self._change(known["id"], **body)
        return Accepted(task=self.tasks[known["id"]], http_status=200)

    def rows(self, query: TaskQuery) -> TaskPage:
        """As VCD compares: without case, and ``*`` stands for anything."""
        wanted = (query.service_namespace or "*").casefold()
        rows = [self.row(task) for task in self.tasks.values()]
        found = [row for row in rows if fnmatch.fnmatchcase((row.service_namespace or "").casefold(), wanted)]
        if query.sort_ascending == "startDate":
            found.sort(key=lambda row: row.start_date or EPOCH)
        return page_of(query, [row for row in found if fits(row, query)])

    def row(self, task: Task) -> TaskRecord:
        document = task.document
        return replace(row_of(task), operation=document["operation"], service_namespace=document["serviceNamespace"])

    def _make(self, body: Json) -> str:
        task_id = urn(len(self.documents) + 1)
        began = EPOCH + timedelta(seconds=self.now())
        href = f"https://vcd/api/task/{task_id.rpartition(':')[2]}"
        self.documents[task_id] = {"id": task_id, "href": href, "startTime": began.isoformat(), **body}
        self._change(task_id)
        return task_id

    def _change(self, task_id: str, **changes: Any) -> None:
        self.documents[task_id].update(changes)
        read = read_task(self.documents[task_id], "https://vcd")
        assert read is not None
        self.tasks[task_id] = read
