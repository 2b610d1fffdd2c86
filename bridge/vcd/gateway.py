"""The gateway port: calls, reads and queries over one session, with every answer turned into the core's words."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from bridge.core.answers import (
    Accepted,
    CallAnswer,
    CancelAnswer,
    Done,
    EntityAbsent,
    EntityRead,
    EntityReading,
    HttpCall,
    NeverSent,
    OutcomeUnknown,
    Refused,
    TaskPage,
    TaskQuery,
    TaskRead,
    TaskReading,
    TaskVanished,
    Unavailable,
)
from bridge.core.task import task_at
from bridge.errors import TemporaryError
from bridge.vcd import queries, versions
from bridge.vcd.config import Hooks, VcdConfig
from bridge.vcd.errors import retry_after, unsuccessful
from bridge.vcd.sessions import Session
from bridge.vcd.transports import Failed, make_transport
from bridge.vcd.wire import Unreadable, body_document, is_task, json_object, read_task, task_urn, tasks_inside

CLIENT_REQUEST_ID = "X-VMWARE-VCLOUD-CLIENT-REQUEST-ID"
REQUEST_ID = "x-vmware-vcloud-request-id"
TENANT_CONTEXT = "X-VMWARE-VCLOUD-TENANT-CONTEXT"
TASK_HEADERS = (
    "x-vmware-vcloud-task-location",
    "x-vmware-vcould-task-location",
    "x-vmware-vcloud-task-href",
)
"""Where a 200 may name a Task; older builds misspelt it (RestConstants of vcd-api-bindings-java)."""

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


class HttpGateway:
    """Implements ``bridge.ports.VcdGateway``."""

    def __init__(self, config: VcdConfig, hooks: Hooks) -> None:
        self._config = config
        self._hooks = hooks
        self._transport = make_transport(config)
        self._reads = asyncio.Semaphore(config.read_concurrency)
        self._session: Session | None = None
        self._organizations: dict[str, str] = {}
        self._version = versions.HIGHEST_KNOWN

    # --- life -----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        request = httpx.Request("GET", f"{self._config.url}/api/versions", headers={"Accept": "*/*"})
        try:
            response = await self._transport.send(request)
        except Failed as failed:
            raise TemporaryError(f"VCD cannot be reached: {failed.message}", hint="check vcd.url") from None
        if response.status_code != 200:
            raise TemporaryError(f"VCD answered /api/versions with HTTP {response.status_code}")
        self._version = versions.negotiate(response.content, self._config.api_version_max)
        self._session = Session(self._config, self._version, self._transport.send, self._hooks)
        await self._session.open()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await self._transport.close()

    @property
    def session_ready(self) -> bool:
        return self._session is not None and self._session.is_ready

    @property
    def api_version(self) -> str:
        return self._version

    @property
    def user_name(self) -> str:
        return self._session.user_name if self._session is not None else ""

    # --- calls ----------------------------------------------------------------------------------------------------

    async def call(self, call: HttpCall, *, leave_by: float) -> CallAnswer:
        try:
            headers = await self._call_headers(call)
        except _NoContext as error:
            return error.answer
        if self._hooks.monotonic() + self._config.leave_margin > leave_by:
            return NeverSent(code="lease_expired", message="the call could not leave within its lease")
        session = self._session
        if session is None or session.token is None:
            return NeverSent(code="no_session", message="no session with VCD")
        token = session.token
        request = self._request(call.method, _target(call), token, headers, _content(call))
        # Once begun it is awaited to its end, whatever happens to the caller: it may be acted on.
        return await asyncio.shield(asyncio.ensure_future(self._send_call(request, token)))

    async def _send_call(self, request: httpx.Request, token: str) -> CallAnswer:
        try:
            response = await self._transport.send(request)
        except Failed as failed:
            if failed.never_sent:
                return NeverSent(code=failed.code, message=failed.message)
            return OutcomeUnknown(code=failed.code, message=failed.message)
        if response.status_code == 401 and self._session is not None:
            self._session.invalidate(token)
        return read_answer(response, self._now())

    async def _call_headers(self, call: HttpCall) -> dict[str, str]:
        headers = {CLIENT_REQUEST_ID: call.call_id}
        if call.media_type is not None and call.body is not None:
            headers["Content-Type"] = f"{call.media_type};version={self._version}"
        headers.update(await self._context(call.organization))
        return headers

    async def cancel_task(self, task_id: str, call_id: str) -> CancelAnswer:
        uuid = _task_uuid(task_id)
        if uuid is None:
            return CancelAnswer.REFUSED
        path = f"/api/task/{uuid}/action/cancel"
        response = await self._ask("cancelTask", "POST", path, {CLIENT_REQUEST_ID: call_id[:128]})
        if isinstance(response, Unavailable):
            return CancelAnswer.UNAVAILABLE
        if response.status_code < 300:
            return CancelAnswer.REQUESTED
        retried = response.status_code in {401, 408, 429} or response.status_code >= 500
        return CancelAnswer.UNAVAILABLE if retried else CancelAnswer.REFUSED

    # --- reads ----------------------------------------------------------------------------------------------------

    async def read_task(self, task_id: str, href: str | None) -> TaskReading:
        # The href's host is VCD's public address and may differ from the one we dial: only the id counts.
        uuid = _task_uuid(task_id)
        if uuid is None:
            return TaskVanished(404, f"{task_id[:80]!r} is no Task id")
        response = await self._ask("readTask", "GET", f"/api/task/{uuid}")
        if isinstance(response, Unavailable):
            return response
        if response.status_code in {403, 404}:
            return TaskVanished(response.status_code, _said(response))
        document = self._document(response)
        if isinstance(document, Unavailable):
            return document
        try:
            return TaskRead(read_task(document))
        except Unreadable as error:
            return Unavailable(f"the Task cannot be read: {error}")

    async def query_tasks(self, query: TaskQuery) -> TaskPage | Unavailable:
        text = queries.query_string(
            query, version=self._version, provider=self._config.is_provider, user_name=self.user_name
        )
        response = await self._ask("queryTasks", "GET", f"/api/query?{text}")
        if isinstance(response, Unavailable):
            return response
        document = self._document(response)
        if isinstance(document, Unavailable):
            return document
        rows = queries.records(document)
        total = document.get("total")
        return TaskPage(rows, query.page, int(total) if total is not None else len(rows), _server_time(response))

    async def read_entity(self, path: str, organization: str | None) -> EntityReading:
        try:
            context = await self._context(organization)
        except _NoContext as error:
            return Unavailable(str(error))
        response = await self._ask("readEntity", "GET", f"/api{path}", context)
        if isinstance(response, Unavailable):
            return response
        if response.status_code in {403, 404}:
            return EntityAbsent(response.status_code, _said(response))
        document = self._document(response)
        if isinstance(document, Unavailable):
            return document
        try:
            tasks = tuple(tasks_inside(document))
        except Unreadable as error:
            return Unavailable(f"the entity's Tasks cannot be read: {error}")
        return EntityRead(json_object(document), tasks, _server_time(response))

    async def _ask(
        self, name: str, method: str, path: str, headers: Mapping[str, str] | None = None
    ) -> httpx.Response | Unavailable:
        """One request that may be made again: a read, or a cancel. Replayed once after a new login."""
        session = self._session
        if session is None:
            return Unavailable("no session with VCD")
        async with self._reads:
            for _ in range(2):
                if not await session.wait() or session.token is None:
                    return Unavailable("no session with VCD")
                token = session.token
                began = self._hooks.monotonic()
                try:
                    response = await self._transport.send(self._request(method, path, token, headers or {}, None))
                except Failed as failed:
                    self._hooks.observe(name, "unreachable", None, self._hooks.monotonic() - began)
                    return Unavailable(failed.message)
                self._hooks.observe(name, "answered", response.status_code, self._hooks.monotonic() - began)
                if response.status_code != 401:
                    return response
                session.invalidate(token)
        return Unavailable("VCD answers 401 to a new session")

    def _document(self, response: httpx.Response) -> Mapping[str, Any] | Unavailable:
        status = response.status_code
        if status != 200:
            return Unavailable(f"HTTP {status}: {_said(response)}", retry_after(response.headers, self._now()))
        try:
            return body_document(response.content, response.headers.get("content-type", ""))
        except Unreadable as error:
            return Unavailable(str(error))

    # --- requests -------------------------------------------------------------------------------------------------

    def _request(
        self, method: str, path: str, token: str, headers: Mapping[str, str], content: bytes | None
    ) -> httpx.Request:
        every = {
            "Accept": f"application/*+json;version={self._version}",
            "Authorization": f"Bearer {token}",
            "User-Agent": "vcd-bridge",
            **headers,
        }
        return httpx.Request(method, f"{self._config.url}{path}", headers=every, content=content)

    async def _context(self, organization: str | None) -> dict[str, str]:
        """Tenant context of a provider session: the bare uuid (10.2 answers 401 to a URN)."""
        if organization is None or not self._config.is_provider or organization.casefold() == "system":
            return {}
        found = _UUID.search(organization)
        uuid = found.group(0) if found else await self._organization_id(organization)
        return {TENANT_CONTEXT: uuid}

    async def _organization_id(self, name: str) -> str:
        known = self._organizations.get(name)
        if known is not None:
            return known
        text = quote(f"name=={queries.escaped(name)}", safe="")
        path = f"/api/query?type=organization&format=idrecords&pageSize=2&filterEncoded=true&filter={text}"
        response = await self._ask("queryOrganization", "GET", path)
        document = response if isinstance(response, Unavailable) else self._document(response)
        if isinstance(document, Unavailable):
            raise _NoContext(NeverSent(code="organization_unresolved", message=document.message))
        rows = [row for row in document.get("record") or () if str(row.get("name", "")).casefold() == name.casefold()]
        found = _UUID.search(str(rows[0].get("id") or rows[0].get("href"))) if len(rows) == 1 else None
        if found is None:
            raise _NoContext(
                Refused(code="unknown_organization", message=f"VCD shows no organization {name!r}", http_status=404)
            )
        self._organizations[name] = found.group(0)
        return found.group(0)

    def _now(self) -> datetime:
        return datetime.now(UTC)


class _NoContext(Exception):
    """The organization of a call could not be resolved; nothing was sent."""

    def __init__(self, answer: NeverSent | Refused) -> None:
        super().__init__(answer.message)
        self.answer = answer


# --- answers --------------------------------------------------------------------------------------------------------


def read_answer(response: httpx.Response, now: datetime) -> CallAnswer:
    """An answer to a call, in any of VCD's shapes: the Task, an entity with its Task inside, an address only, nothing."""
    status = response.status_code
    request_id = response.headers.get(REQUEST_ID)
    unreadable: str | None = None
    try:
        document = body_document(response.content, response.headers.get("content-type", ""))
    except Unreadable as error:
        document, unreadable = {}, str(error)
    if not 200 <= status < 300:
        return unsuccessful(status, document, response.headers, request_id, now)
    try:
        if is_task(document):
            return Accepted(task=read_task(document), http_status=status, vcd_request_id=request_id)
        inside = tasks_inside(document)
        if inside:
            newest = max(inside, key=lambda task: task.document["startTime"] or 0)
            return Accepted(task=newest, http_status=status, vcd_request_id=request_id)
        href = _task_address(response)
        if href is not None:
            return Accepted(task=task_at(task_urn(href), href), http_status=status, vcd_request_id=request_id)
    except Unreadable as error:
        unreadable = str(error)
    if unreadable is not None or status == 202:
        # It was accepted, but the answer does not tell which Task it became: looking will.
        message = unreadable or "202 without a Task and without its address"
        return OutcomeUnknown(code="answer_unreadable", message=message, http_status=status, vcd_request_id=request_id)
    return Done(http_status=status, vcd_request_id=request_id)


def _task_address(response: httpx.Response) -> str | None:
    for name in TASK_HEADERS:
        if response.headers.get(name):
            return str(response.headers[name])
    location = response.headers.get("location")
    return location if location is not None and "/task/" in location else None


def _target(call: HttpCall) -> str:
    query = f"?{urlencode(sorted(call.query.items()))}" if call.query else ""
    return f"/api{call.path}{query}"


def _content(call: HttpCall) -> bytes | None:
    if call.body is None:
        return None
    return json.dumps(call.body, separators=(",", ":"), ensure_ascii=False).encode()


def _task_uuid(task_id: str) -> str | None:
    found = _UUID.search(task_id)
    return found.group(0) if found is not None else None


def _said(response: httpx.Response) -> str:
    try:
        document = body_document(response.content, response.headers.get("content-type", ""))
    except Unreadable:
        return "no readable message"
    return str(document.get("message") or "no message")[:500]


def _server_time(response: httpx.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
