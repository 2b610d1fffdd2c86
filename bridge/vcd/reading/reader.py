"""Reads as the session's user: waits for a session, logs in again after a 401, repeats once what may be repeated."""

from __future__ import annotations

from datetime import datetime

from bridge.core.answers import Unavailable
from bridge.ports import Clock
from bridge.vcd.documents.documents import Document, UnreadableBody, read_body
from bridge.vcd.documents.errors import Reaction, Refusal, read_http_date, read_refusal
from bridge.vcd.login.logins import Session
from bridge.vcd.login.sessions import Sessions
from bridge.vcd.transport.line import Line
from bridge.vcd.transport.pace import Held
from bridge.vcd.transport.transports import Reply, TransportFault

TENANT_CONTEXT = "X-VMWARE-VCLOUD-TENANT-CONTEXT"

SESSION_PATIENCE_SECONDS = 10.0
"""How long a read waits for a check of the session or a login under way."""

GONE = frozenset({403, 404})
"""Not there, or not for us: VCD answers both alike."""

_FOR_GOOD = GONE | {400, 405, 406}
"""Refusals that the same question will meet again."""


class Reader:
    """GETs of documents, each ending in a document, a refusal that VCD itself wrote, or Unavailable."""

    def __init__(self, line: Line, sessions: Sessions, clock: Clock) -> None:
        self._line = line
        self._sessions = sessions
        self._clock = clock

    async def get(
        self, operation: str, target: str, *, tenant: str | None = None
    ) -> tuple[Document, datetime | None] | Refusal | Unavailable:
        """The document at ``target`` and the server's time. ``tenant``: bare uuid of the organization to act in."""
        reply = await self._reply(operation, target, tenant)
        if isinstance(reply, Unavailable):
            return reply
        if not 200 <= reply.status < 300:
            return self._refused(reply)
        try:
            document = read_body(reply.headers.get("content-type"), reply.body)
        except UnreadableBody as error:
            return Unavailable(f"GET {_path(target)}: HTTP {reply.status} with a body that cannot be read: {error}")
        if document is None:
            return Unavailable(f"GET {_path(target)}: HTTP {reply.status} without a body")
        return document, read_http_date(reply.headers.get("date"))

    async def _reply(self, operation: str, target: str, tenant: str | None) -> Reply | Unavailable:
        lost: Unavailable | None = None
        for _ in range(2):
            session = await self._sessions.usable(SESSION_PATIENCE_SECONDS)
            if session is None:
                return Unavailable("no session with VCD")
            request = self._line.request("GET", target, _headers(session, tenant))
            try:
                reply = await self._line.read(operation, request)
            except Held as held:
                return Unavailable(f"GET {_path(target)}: {held}", held.retry_after)
            except TransportFault as fault:
                lost = Unavailable(f"GET {_path(target)}: {fault}")
                if fault.verdict.code != "connection_lost":
                    return lost
                continue  # most often a connection that the other side was just closing
            if not _ends_session(reply):
                return reply
            self._sessions.suspect(session)
            lost = Unavailable(f"GET {_path(target)}: HTTP {reply.status} to a new session too")
        return lost or Unavailable(f"GET {_path(target)}: no answer")

    def _refused(self, reply: Reply) -> Refusal | Unavailable:
        """A gateway in between writes refusals of its own, which say nothing about what was asked for."""
        refusal = read_refusal(reply.status, reply.headers, reply.body)
        if reply.status in _FOR_GOOD and refusal.is_vcds_word and refusal.reaction is Reaction.REFUSED:
            return refusal
        return Unavailable(f"HTTP {reply.status}: {refusal.message}", refusal.retry_after(self._clock.now()))


def _ends_session(reply: Reply) -> bool:
    if reply.status not in (401, 406):
        return False
    return read_refusal(reply.status, reply.headers, reply.body).reaction is Reaction.EXPIRED


def _headers(session: Session, tenant: str | None) -> dict[str, str]:
    headers = session.headers()
    if tenant is not None:
        headers[TENANT_CONTEXT] = tenant
    return headers


def _path(target: str) -> str:
    return target.partition("?")[0]
