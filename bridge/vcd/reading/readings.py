"""What is read of VCD: a Task, rows of Tasks, an entity."""

from __future__ import annotations

from dataclasses import replace

from bridge.core.answers import (
    EntityAbsent,
    EntityRead,
    EntityReading,
    ReadRefused,
    TaskPage,
    TaskQuery,
    TaskRead,
    TaskReading,
    TaskVanished,
    Unavailable,
)
from bridge.vcd.config import EventLog, VcdConfig
from bridge.vcd.documents.errors import Refusal
from bridge.vcd.documents.lenient import host_of
from bridge.vcd.documents.wire import is_task, read_task, read_tasks_in_progress, task_uuid
from bridge.vcd.login.sessions import Sessions
from bridge.vcd.reading.hosts import Hosts
from bridge.vcd.reading.organizations import Organizations, UnknownOrganization
from bridge.vcd.reading.queries import read_task_page, task_query_target
from bridge.vcd.reading.reader import GONE, Reader

_UNDOCUMENTED_STATUSES = frozenset({"canceled", "postRunning"})
"""Statuses that Tasks have but that some versions' query service refuses in a filter."""


class Readings:
    """Reads, each in the core's words."""

    def __init__(
        self, config: VcdConfig, reader: Reader, organizations: Organizations, sessions: Sessions, hosts: Hosts,
        log: EventLog | None,
    ) -> None:  # fmt: skip
        self._config = config
        self._reader = reader
        self._organizations = organizations
        self._sessions = sessions
        self._hosts = hosts
        self._log = log
        self._refused_statuses: frozenset[str] = frozenset()

    async def task(self, task_id: str, href: str | None) -> TaskReading:
        uuid = task_uuid(task_id, href)
        if uuid is None:
            return Unavailable(f"{task_id or href!r} is not the id of a Task")
        answer = await self._reader.get("readTask", f"/api/task/{uuid}")
        if isinstance(answer, Unavailable):
            return answer
        if isinstance(answer, Refusal):
            if answer.status in GONE:
                return TaskVanished(answer.status, answer.message)
            return Unavailable(f"HTTP {answer.status}: {answer.message}")
        document, _ = answer
        task = read_task(document.content, self._config.url) if is_task(document.content, document.root, None) else None
        if task is None:
            return Unavailable(f"/api/task/{uuid} answered something else")
        self._hosts.told(task.href)
        return TaskRead(task)

    async def tasks(self, query: TaskQuery) -> TaskPage | ReadRefused | Unavailable:
        asked = self._narrowed(query)
        answer = await self._reader.get("queryTasks", self._target(asked))
        if isinstance(answer, Refusal) and answer.status == 400 and _UNDOCUMENTED_STATUSES & set(asked.statuses):
            self._refused_statuses = _UNDOCUMENTED_STATUSES
            if self._log is not None:
                self._log.warning("vcd.statuses_not_queryable", statuses=sorted(_UNDOCUMENTED_STATUSES))
            asked = self._narrowed(query)
            answer = await self._reader.get("queryTasks", self._target(asked))
        if isinstance(answer, Unavailable):
            return answer
        if isinstance(answer, Refusal):
            return ReadRefused(answer.status, f"task query: {answer.message}")
        document, server_time = answer
        return self._owned(read_task_page(document, asked, server_time))

    async def entity(self, path: str, organization: str | None) -> EntityReading:
        tenant = await self._organizations.tenant(organization)
        if isinstance(tenant, UnknownOrganization):
            # Nothing was asked about the entity: it may well be there.
            return ReadRefused(404, tenant.message)
        if isinstance(tenant, Unavailable):
            return tenant
        answer = await self._reader.get("readEntity", f"/api{path}", tenant=tenant.context)
        if isinstance(answer, Unavailable):
            return answer
        if isinstance(answer, Refusal):
            kind = EntityAbsent if answer.status in GONE else ReadRefused
            return kind(answer.status, answer.message)
        document, server_time = answer
        return EntityRead(document.content, read_tasks_in_progress(document.content, self._config.url), server_time)

    def _narrowed(self, query: TaskQuery) -> TaskQuery:
        """Without the statuses that this VCD refuses; Tasks that miss in the answer are read one by one anyway."""
        kept = tuple(status for status in query.statuses if status not in self._refused_statuses)
        return replace(query, statuses=kept or query.statuses)

    def _target(self, query: TaskQuery) -> str:
        session = self._sessions.latest
        return task_query_target(
            query,
            api_version=session.api_version if session is not None else self._config.api_version_max,
            user_name=session.user_name if session is not None else "",
            is_provider=session.is_provider if session is not None else self._config.is_provider,
            base_url=self._public_url(),
        )

    def _owned(self, page: TaskPage) -> TaskPage:
        """A tenant sees none but its own organization's Tasks, whether their rows say so or not."""
        session = self._sessions.latest
        if session is None or session.is_provider or all(row.organization is not None for row in page.records):
            return page
        own = session.organization_uuid
        return replace(page, records=tuple(replace(row, organization=row.organization or own) for row in page.records))

    def _public_url(self) -> str:
        """As VCD writes hrefs of its own: its login addresses have the same host (RestApiBaseUri), the dialled address
        may have another one."""
        public = self._sessions.public_hosts
        if not public or host_of(self._config.url) in public:
            return self._config.url
        return f"https://{min(public)}"
