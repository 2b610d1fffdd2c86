"""A transport that answers from a script, a clock that a test moves, and short words for replies."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx

from bridge.core.requests import JsonValue
from bridge.vcd.transport.classifier import Verdict
from bridge.vcd.transport.transports import Departure, Head, Reply, TransportFault

VERSIONS = (
    b'<?xml version="1.0"?><SupportedVersions xmlns="http://www.vmware.com/vcloud/versions">'
    b'<VersionInfo deprecated="true"><Version>37.0</Version><LoginUrl>https://public.example/x</LoginUrl></VersionInfo>'
    b'<VersionInfo deprecated="false"><Version>38.1</Version><LoginUrl>https://public.example/x</LoginUrl>'
    b"</VersionInfo></SupportedVersions>"
)
LOST = Verdict(never_sent=False, code="connection_lost", message="ReadError: reset")
REFUSED = Verdict(never_sent=True, code="connect_failed", message="ConnectError: refused")


def reply(status: int, document: JsonValue | bytes = b"", **headers: str) -> Reply:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    kept = {"content-type": "application/json"} if body else {}
    kept.update((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, kept, body)


def fault(verdict: Verdict, head: Head | None = None) -> TransportFault:
    return TransportFault(verdict, head)


Outcome = Reply | TransportFault
Handler = Callable[[httpx.Request], Outcome | Awaitable[Outcome]]


@dataclass(slots=True)
class ScriptedTransport:
    """Answers by ``handle``; keeps what was asked."""

    handle: Handler
    requests: list[httpx.Request] = field(default_factory=list)
    closed: bool = False

    async def send(self, request: httpx.Request, departure: Departure | None = None) -> Reply:
        if departure is not None:
            departure.check(lambda: 0.0)  # leases are kept by real transports
        self.requests.append(request)
        outcome = self.handle(request)
        if inspect.isawaitable(outcome):
            outcome = await outcome
        if isinstance(outcome, TransportFault):
            raise outcome
        return outcome

    async def close(self) -> None:
        self.closed = True


@dataclass(slots=True)
class ManualClock:
    """Time stands still but for ``advance``; sleepers are let go when their time has come."""

    time: float = 1000.0
    sleeps: list[float] = field(default_factory=list)
    _sleepers: list[tuple[float, asyncio.Future[None]]] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.time

    def random(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.time + seconds, sleeper))
        await sleeper

    async def advance(self, seconds: float) -> None:
        self.time += seconds
        for when, sleeper in self._sleepers:
            if when <= self.time and not sleeper.done():
                sleeper.set_result(None)
        await settle()


async def settle() -> None:
    """Lets everything run that can run without time or network."""
    for _ in range(50):
        await asyncio.sleep(0)


@dataclass(slots=True)
class ScriptedVcd:
    """Versions and logins that work; the rest by ``rest``. ``dates``: Date headers by the last step of a path."""

    user: str = "bridge"
    user_urn: str = "urn:vcloud:user:1"
    organization: str = "System"
    organization_uuid: str = "00000000-0000-4000-8000-000000000000"
    site_urn: str | None = None
    valid: set[str] = field(default_factory=set)
    logins: list[httpx.Request] = field(default_factory=list)
    login: Callable[[int], Outcome] | None = None
    rest: Handler | None = None
    lifetime: int | None = None
    dates: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, request: httpx.Request) -> Outcome | Awaitable[Outcome]:
        outcome = self._outcome(request)
        date = self.dates.get(request.url.path.rsplit("/", 1)[-1])
        if date is None or not isinstance(outcome, Reply):
            return outcome
        return replace(outcome, headers={**outcome.headers, "date": date})

    def _outcome(self, request: httpx.Request) -> Outcome | Awaitable[Outcome]:
        path = request.url.path
        if path == "/api/versions":
            return reply(200, VERSIONS, content_type="text/xml")
        if request.method == "POST" and ("sessions" in path or path.startswith("/oauth")):
            return self._log_in(request, path)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.valid:
            return reply(401)
        if path == "/cloudapi/1.0.0/sessions/current":
            return reply(200, self.current()) if request.method == "GET" else reply(204)
        return self.rest(request) if self.rest is not None else reply(404)

    def _log_in(self, request: httpx.Request, path: str) -> Outcome:
        self.logins.append(request)
        if self.login is not None:
            outcome = self.login(len(self.logins))
            if isinstance(outcome, TransportFault) or outcome.status != 200:
                return outcome
        token = f"token-{len(self.logins)}"
        self.valid.add(token)
        if path.startswith("/oauth"):
            document: dict[str, JsonValue] = {"access_token": token, "token_type": "Bearer"}
            return reply(200, document if self.lifetime is None else {**document, "expires_in": self.lifetime})
        return reply(200, {}, x_vmware_vcloud_access_token=token, x_vmware_vcloud_token_type="Bearer")

    def current(self) -> dict[str, JsonValue]:
        return {
            "id": "urn:vcloud:session:1",
            "user": {"name": self.user, "id": self.user_urn},
            "org": {"name": self.organization, "id": f"urn:vcloud:org:{self.organization_uuid}"},
            "site": {"name": "site", "id": self.site_urn},
        }


@dataclass(slots=True)
class Log:
    """Keeps what is logged."""

    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts))

    def warning(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.lines]
