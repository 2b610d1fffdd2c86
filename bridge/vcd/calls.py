"""Calls that change VCD: what they look like, when they must not leave, what their answers mean."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import unquote, urlencode

from httpx import InvalidURL, Request

from bridge.core.answers import (
    Accepted,
    CallAnswer,
    CancelAnswer,
    HttpCall,
    Limited,
    NeverSent,
    OutcomeUnknown,
    Refused,
    SessionExpired,
    Unavailable,
)
from bridge.ports import Clock
from bridge.vcd.documents.answers import read_call_answer
from bridge.vcd.documents.wire import task_uuid
from bridge.vcd.guard import Guard
from bridge.vcd.login.logins import Session
from bridge.vcd.login.sessions import Sessions
from bridge.vcd.reading.organizations import Organizations, Tenant, UnknownOrganization
from bridge.vcd.reading.reader import TENANT_CONTEXT
from bridge.vcd.transport.line import Line
from bridge.vcd.transport.pace import Held
from bridge.vcd.transport.transports import Departure, Head, TransportFault

CLIENT_REQUEST_ID = "X-VMWARE-VCLOUD-CLIENT-REQUEST-ID"

_BODY_DECIDES = frozenset({400, 406, 408, 409})
"""Refusals whose reaction cannot be told from the status alone."""


class Calls:
    """Makes calls, each at most once."""

    def __init__(
        self, line: Line, sessions: Sessions, organizations: Organizations, clock: Clock, guard: Guard
    ) -> None:
        self._line = line
        self._sessions = sessions
        self._organizations = organizations
        self._clock = clock
        self._guard = guard

    async def make(self, call: HttpCall, departure: Departure) -> CallAnswer:
        """The answer to a call that left as ``departure`` has it, or why it did not."""
        tenant = await self._tenant_within(call.organization, departure.by)
        if not isinstance(tenant, Tenant):
            return tenant
        session = self._sessions.current
        if session is None:
            return SessionExpired(message="there is no valid session with VCD")
        try:
            request = self._request(call, session, tenant)
        except (ValueError, InvalidURL) as error:
            return Refused(code="unsendable_request", message=f"cannot be sent: {error}", http_status=None)
        try:
            reply = await self._line.call(request, departure)
        except Held as held:
            message, status = str(held), held.http_status
            return Limited(code=f"HTTP_{status}", message=message, http_status=status, retry_after=held.retry_after)
        except TransportFault as fault:
            return self._unanswered(fault, session)
        except Exception as error:  # noqa: BLE001  # it may be out: see _unreadable
            return self._unreadable(error, None)
        return self._answer(reply, reply.body, session)

    async def cancel(self, task_id: str, call_id: str, departure: Departure) -> CancelAnswer:
        """Ask VCD to cancel a Task. It may be asked again, so it takes no connection from calls; but not by one that
        was stopped meanwhile, when the Task may long be another owner's."""
        uuid, session = task_uuid(task_id, None), self._sessions.current
        if uuid is None:
            return CancelAnswer.REFUSED
        if session is None:
            return CancelAnswer.UNAVAILABLE
        headers = {**session.headers(), CLIENT_REQUEST_ID: call_id}
        request = self._line.request("POST", f"/api/task/{uuid}/action/cancel", headers)
        try:
            reply = await self._line.cancel(request, departure)
        except TransportFault:
            return CancelAnswer.UNAVAILABLE
        if reply.status == 401:
            self._sessions.suspect(session)
        if 200 <= reply.status < 300:
            return CancelAnswer.REQUESTED
        refused = 400 <= reply.status < 500 and reply.status not in {401, 408, 429}
        return CancelAnswer.REFUSED if refused else CancelAnswer.UNAVAILABLE

    async def _tenant_within(self, organization: str | None, by: float) -> Tenant | CallAnswer:
        try:
            async with asyncio.timeout(max(0.0, by - self._clock.monotonic())):
                tenant = await self._guard.reading(self._organizations.tenant(organization))
        except TimeoutError:
            return NeverSent(code="lease_expired", message=f"organization {organization} was not found in time")
        if isinstance(tenant, UnknownOrganization):
            return Refused(code="unknown_organization", message=tenant.message, http_status=None)
        if isinstance(tenant, Unavailable):
            return NeverSent(code="organization_unavailable", message=tenant.message)
        return tenant

    def _request(self, call: HttpCall, session: Session, tenant: Tenant) -> Request:
        """Raises ValueError or InvalidURL for what cannot be written."""
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
        try:
            answer = read_call_answer(
                head.status, head.headers, body,
                base_url=self._line.base_url, user_name=session.user_name, now=self._clock.now(),
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  # see _unreadable
            return self._unreadable(error, head.status)
        if isinstance(answer, SessionExpired):
            self._sessions.suspect(session)
        return answer

    def _unreadable(self, error: Exception, status: int | None) -> OutcomeUnknown:
        """The request was on its way: whatever nobody foresaw in its answer, it may have worked."""
        message = f"an answer that cannot be read: {self._guard.told(error)}"
        return OutcomeUnknown(code="unreadable_answer", message=message, http_status=status)

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


def _check_path(path: str) -> None:
    """The last look before a call leaves: nothing of a parameter may change which resource is meant.

    Raises ValueError.
    """
    segments = [unquote(segment) for segment in path.split("/")]
    if not path.startswith("/") or any(one in {".", ".."} for one in segments) or set(path) & set("?#\\"):
        raise ValueError(f"{path[:200]!r} is not a plain path")
