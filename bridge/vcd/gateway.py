"""The gateway: every call to VCD and every reading of it, in the core's words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote, urlencode

from httpx import InvalidURL, Request

from bridge.core.answers import (
    Accepted,
    CallAnswer,
    CancelAnswer,
    EntityAbsent,
    EntityRead,
    EntityReading,
    HttpCall,
    Limited,
    NeverSent,
    OutcomeUnknown,
    ReadRefused,
    Refused,
    SessionExpired,
    TaskPage,
    TaskQuery,
    TaskRead,
    TaskReading,
    TaskVanished,
    Unavailable,
)
from bridge.ports import Clock
from bridge.vcd.answers import read_call_answer
from bridge.vcd.config import CallObserver, EventLog, VcdConfig
from bridge.vcd.credentials import Credential, credential_of
from bridge.vcd.errors import Refusal
from bridge.vcd.lenient import host_of
from bridge.vcd.line import Line, open_transports
from bridge.vcd.organizations import Organizations, Tenant, UnknownOrganization
from bridge.vcd.queries import read_task_page, task_query_target
from bridge.vcd.reader import TENANT_CONTEXT, Reader
from bridge.vcd.sessions import Session, Sessions
from bridge.vcd.transports import Head, TransportFault
from bridge.vcd.wire import is_task, read_task, read_tasks_in_progress, task_uuid

CLIENT_REQUEST_ID = "X-VMWARE-VCLOUD-CLIENT-REQUEST-ID"

_UNDOCUMENTED_STATUSES = frozenset({"canceled", "postRunning"})
"""Statuses that Tasks have but that some versions' query service refuses in a filter."""

_BODY_DECIDES = frozenset({400, 408, 409})
"""Refusals whose reaction cannot be told from the status alone."""


def _check_path(path: str) -> None:
    """The last look before a call leaves: nothing of a parameter may change which resource is meant.

    Raises ValueError.
    """
    segments = [unquote(segment) for segment in path.split("/")]
    if not path.startswith("/") or any(one in {".", ".."} for one in segments) or set(path) & set("?#\\"):
        raise ValueError(f"{path[:200]!r} is not a plain path")


class HttpGateway:
    """Implements ``bridge.ports.VcdGateway`` over HTTP."""

    def __init__(
        self,
        config: VcdConfig,
        clock: Clock,
        *,
        observer: CallObserver | None = None,
        log: EventLog | None = None,
        credential: Credential | None = None,
        line: Line | None = None,
    ) -> None:
        """Raises ConfigurationError for certificates that cannot be used."""
        self._config = config
        self._clock = clock
        self._log = log
        self._line = line or Line(config.url, *open_transports(config, clock), clock, observer)
        versions = (config.api_version_min, config.api_version_max)
        self._sessions = Sessions(self._line, credential or credential_of(config), clock, versions=versions, log=log)
        self._reader = Reader(self._line, self._sessions, clock)
        self._organizations = Organizations(config, self._reader, self._sessions, clock)
        self._refused_statuses: frozenset[str] = frozenset()
        self._named_hosts: set[str] = set()

    # --- session --------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        await self._sessions.open()

    @property
    def session_ready(self) -> bool:
        return self._sessions.current is not None

    @property
    def api_version(self) -> str:
        session = self._sessions.latest
        return session.api_version if session is not None else ""

    @property
    def user_name(self) -> str:
        session = self._sessions.latest
        return session.user_name if session is not None else ""

    @property
    def own_hosts(self) -> frozenset[str]:
        """``host[:port]`` under which this VCD is known: as dialled, as its login addresses and its Tasks name it."""
        dialled = host_of(self._config.url)
        return self._sessions.public_hosts | self._named_hosts | ({dialled} if dialled is not None else set())

    async def close(self) -> None:
        await self._sessions.close()
        await self._line.close()

    # --- calls ----------------------------------------------------------------------------------------------------

    @property
    def clock_ahead(self) -> timedelta:
        return self._reader.clock_ahead

    async def call(self, call: HttpCall, *, leave_by: float, may_leave: Callable[[], bool]) -> CallAnswer:
        tenant = await self._tenant_within(call.organization, leave_by)
        if not isinstance(tenant, Tenant):
            return tenant
        session = self._sessions.current
        if session is None:
            return SessionExpired(message="there is no valid session with VCD")
        try:
            request = self._call_request(call, session, tenant)
        except (ValueError, InvalidURL) as error:
            return Refused(code="unsendable_request", message=f"cannot be sent: {error}", http_status=None)
        if not may_leave():
            return NeverSent(code="held_back", message="held back right before it would have left")
        try:
            reply = await self._line.call(request, leave_by)
        except TransportFault as fault:
            return self._unanswered(fault, session)
        return self._answer(reply, reply.body, session)

    async def _tenant_within(self, organization: str | None, leave_by: float) -> Tenant | CallAnswer:
        try:
            async with asyncio.timeout(max(0.0, leave_by - self._clock.monotonic())):
                tenant = await self._organizations.tenant(organization)
        except TimeoutError:
            return NeverSent(code="lease_expired", message=f"organization {organization} was not found in time")
        if isinstance(tenant, UnknownOrganization):
            return Refused(code="unknown_organization", message=tenant.message, http_status=None)
        if isinstance(tenant, Unavailable):
            return NeverSent(code="organization_unavailable", message=tenant.message)
        return tenant

    def _call_request(self, call: HttpCall, session: Session, tenant: Tenant) -> Request:
        _check_path(call.path)
        headers = session.headers()
        headers[CLIENT_REQUEST_ID] = call.call_id
        if tenant.context is not None:
            headers[TENANT_CONTEXT] = tenant.context
        content = None
        if call.body is not None:
            headers["Content-Type"] = call.media_type or "application/*+json"
            content = json.dumps(call.body, separators=(",", ":"), ensure_ascii=False).encode()
        query = f"?{urlencode(call.query)}" if call.query else ""
        return self._line.request(call.method, f"/api{call.path}{query}", headers, content)

    def _answer(self, head: Head, body: bytes, session: Session) -> CallAnswer:
        answer = read_call_answer(head.status, head.headers, body, base_url=self._config.url, now=self._clock.now())
        if isinstance(answer, SessionExpired):
            self._sessions.suspect(session)
        return answer

    def _unanswered(self, fault: TransportFault, session: Session) -> CallAnswer:
        verdict, head = fault.verdict, fault.head
        if verdict.never_sent:
            return NeverSent(code=verdict.code, message=verdict.message)
        if head is not None and head.status not in _BODY_DECIDES:
            # The body was cut, but the head alone may say enough: a Task's address, a plain refusal.
            answer = self._answer(head, b"", session)
            if isinstance(answer, Accepted | Limited | SessionExpired | Refused):
                return answer
        status = head.status if head is not None else None
        return OutcomeUnknown(code=verdict.code, message=verdict.message, http_status=status)

    # --- Tasks ----------------------------------------------------------------------------------------------------

    async def read_task(self, task_id: str, href: str | None) -> TaskReading:
        uuid = task_uuid(task_id, href)
        if uuid is None:
            return Unavailable(f"{task_id or href!r} is not the id of a Task")
        answer = await self._reader.get("readTask", f"/api/task/{uuid}")
        if isinstance(answer, Unavailable):
            return answer
        if isinstance(answer, Refusal):
            if answer.status in {403, 404}:
                return TaskVanished(answer.status, answer.message)
            return Unavailable(f"HTTP {answer.status}: {answer.message}")
        document, _ = answer
        task = read_task(document.content, self._config.url) if is_task(document.content, document.root, None) else None
        if task is None:
            return Unavailable(f"/api/task/{uuid} answered something else")
        if (host := host_of(task.href)) is not None:
            self._named_hosts.add(host)
        return TaskRead(task)

    async def cancel_task(self, task_id: str, call_id: str) -> CancelAnswer:
        uuid, session = task_uuid(task_id, None), self._sessions.current
        if uuid is None:
            return CancelAnswer.REFUSED
        if session is None:
            return CancelAnswer.UNAVAILABLE
        headers = {**session.headers(), CLIENT_REQUEST_ID: call_id}
        request = self._line.request("POST", f"/api/task/{uuid}/action/cancel", headers)
        try:
            reply = await self._line.command("cancelTask", request)
        except TransportFault:
            return CancelAnswer.UNAVAILABLE
        if reply.status == 401:
            self._sessions.suspect(session)
        if 200 <= reply.status < 300:
            return CancelAnswer.REQUESTED
        refused = 400 <= reply.status < 500 and reply.status not in {401, 408, 429}
        return CancelAnswer.REFUSED if refused else CancelAnswer.UNAVAILABLE

    async def query_tasks(self, query: TaskQuery) -> TaskPage | ReadRefused | Unavailable:
        asked = self._narrowed(query)
        answer = await self._reader.get("queryTasks", self._task_query(asked))
        if isinstance(answer, Refusal) and answer.status == 400 and _UNDOCUMENTED_STATUSES & set(asked.statuses):
            self._refused_statuses = _UNDOCUMENTED_STATUSES
            if self._log is not None:
                self._log.warning("vcd.statuses_not_queryable", statuses=sorted(_UNDOCUMENTED_STATUSES))
            asked = self._narrowed(query)
            answer = await self._reader.get("queryTasks", self._task_query(asked))
        if isinstance(answer, Unavailable):
            return answer
        if isinstance(answer, Refusal):
            return ReadRefused(answer.status, f"task query: {answer.message}")
        document, server_time = answer
        return read_task_page(document, asked, server_time)

    def _narrowed(self, query: TaskQuery) -> TaskQuery:
        """Without the statuses that this VCD refuses; Tasks that miss in the answer are read one by one anyway."""
        kept = tuple(status for status in query.statuses if status not in self._refused_statuses)
        return replace(query, statuses=kept or query.statuses)

    def _task_query(self, query: TaskQuery) -> str:
        version = self.api_version or self._config.api_version_max
        return task_query_target(
            query, api_version=version, user_name=self.user_name, is_provider=self._config.is_provider
        )

    # --- entities -------------------------------------------------------------------------------------------------

    async def read_entity(self, path: str, organization: str | None) -> EntityReading:
        tenant = await self._organizations.tenant(organization)
        if isinstance(tenant, UnknownOrganization):
            return EntityAbsent(404, tenant.message)
        if isinstance(tenant, Unavailable):
            return tenant
        answer = await self._reader.get("readEntity", f"/api{path}", tenant=tenant.context)
        if isinstance(answer, Unavailable):
            return answer
        if isinstance(answer, Refusal):
            if answer.status in {403, 404}:
                return EntityAbsent(answer.status, answer.message)
            return ReadRefused(answer.status, answer.message)
        document, server_time = answer
        return EntityRead(document.content, read_tasks_in_progress(document.content, self._config.url), server_time)
