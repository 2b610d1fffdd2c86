"""The session: one login in flight, renewed ahead, checked when VCD doubts it, given up slowly when it is refused."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from httpx import Request

from bridge.core.requests import JsonValue
from bridge.errors import ConfigurationError, TemporaryError
from bridge.ports import Clock
from bridge.vcd.config import EventLog
from bridge.vcd.credentials import Credential, Grant, LoginRefused, LoginUnavailable
from bridge.vcd.documents import UnreadableBody, read_body
from bridge.vcd.lenient import is_object, name, uuid_in
from bridge.vcd.line import Line
from bridge.vcd.transports import Reply, TransportFault
from bridge.vcd.versions import choose_version, read_versions

CURRENT = "/cloudapi/1.0.0/sessions/current"

RENEW_AT = 0.8
"""Part of a token's life after which it is renewed: a login may fail for a while before anybody notices."""

REFUSED_DELAYS = (60.0, 300.0, 900.0)
"""Seconds between logins that VCD refuses, the last one for ever. VCD locks an account after five refusals within ten
minutes by default, and several processes may share it; a person has to act anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session with VCD. ``renew_at`` and ``expires_at`` in monotonic seconds, None where VCD did not tell."""

    token: str = field(repr=False)
    api_version: str
    user_name: str
    organization: str
    organization_uuid: str | None
    renew_at: float | None
    expires_at: float | None

    def headers(self, accept: str = "application/*+json") -> dict[str, str]:
        return {"Accept": f"{accept};version={self.api_version}", "Authorization": f"Bearer {self.token}"}


class Sessions:
    """Keeps a session. Only the keeper logs in, so that one login is in flight at most."""

    def __init__(
        self,
        line: Line,
        credential: Credential,
        clock: Clock,
        *,
        versions: tuple[str, str],
        log: EventLog | None = None,
    ) -> None:
        self._line = line
        self._credential = credential
        self._clock = clock
        self._versions = versions
        self._log = log
        self._session: Session | None = None
        self._suspected = False
        self._refusal: str | None = None
        self._wanted = asyncio.Event()
        self._settled = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self.public_hosts: frozenset[str] = frozenset()
        """``host[:port]`` under which VCD's login addresses name it."""

    @property
    def latest(self) -> Session | None:
        """The last session there was, valid or not: who the bridge is and which version it speaks."""
        return self._session

    @property
    def current(self) -> Session | None:
        """The session, as long as nothing speaks against its token."""
        session = self._session
        if session is None or self._suspected:
            return None
        expired = session.expires_at is not None and self._clock.monotonic() >= session.expires_at
        return None if expired else session

    async def open(self) -> None:
        """Negotiate and log in once. Raises ConfigurationError or TemporaryError."""
        try:
            self._install(await self._log_in())
        except LoginRefused as error:
            raise ConfigurationError(
                str(error), hint="check vcd.organization and the credentials; VCD may also have locked the account"
            ) from None
        except LoginUnavailable as error:
            raise TemporaryError(str(error)) from None
        except TransportFault as fault:
            raise _unreachable(self._line.base_url, fault) from None
        self._keeper = asyncio.create_task(self._keep(), name="vcd-session")

    def suspect(self, session: Session) -> None:
        """VCD answered 401 to this session's token."""
        if session is self._session and not self._suspected:
            self._suspected = True
            self._settled.clear()
            self._wanted.set()

    async def usable(self, patience: float) -> Session | None:
        """The session, waiting a while for a check or login under way; None when there is none."""
        if self.current is None and self._refusal is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._settled.wait()
        return self.current

    async def close(self) -> None:
        """Stop keeping, and log out if that is quick."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        session = self.current
        self._session = None
        if session is None:
            return
        request = self._line.request("DELETE", CURRENT, session.headers("application/json"))
        with contextlib.suppress(TransportFault, TimeoutError):
            async with asyncio.timeout(2.0):
                await self._line.read("logOut", request)

    # --- keeping --------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            try:
                await self._keep_once()
            except Exception as error:  # noqa: BLE001  # a keeper that dies unseen would leave the bridge without VCD
                self._note("vcd.session_keeper_failed", loud=True, detail=f"{type(error).__name__}: {error}")
                self._wanted.set()
                await self._clock.sleep(5.0)

    async def _keep_once(self) -> None:
        await self._until_wanted()
        if self._suspected and self._session is not None and await self._is_alive(self._session):
            # The 401 was about the request (a tenant context, say), not about the session.
            self._note("vcd.session_confirmed", loud=True)
            self._suspected = False
            self._settled.set()
        else:
            await self._renew()

    async def _until_wanted(self) -> None:
        session = self._session
        wait = None
        if session is not None and session.renew_at is not None:
            wait = max(0.0, session.renew_at - self._clock.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._wanted.wait()
        self._wanted.clear()

    async def _renew(self) -> None:
        refusals = failures = 0
        while True:
            try:
                self._install(await self._log_in())
                return
            except (LoginRefused, ConfigurationError) as error:
                delay = REFUSED_DELAYS[min(refusals, len(REFUSED_DELAYS) - 1)]
                refusals += 1
                self._refusal = str(error)
                self._settled.set()
                self._note("vcd.login_refused", loud=True, detail=str(error), next_try_seconds=delay)
            except (LoginUnavailable, TransportFault) as error:
                delay = min(30.0, 0.5 * 2.0 ** min(failures, 10)) * (1.0 - 0.5 * self._clock.random())
                failures += 1
                self._note("vcd.login_failed", loud=True, detail=str(error), next_try_seconds=round(delay, 2))
            await self._clock.sleep(delay)

    async def _is_alive(self, session: Session) -> bool:
        try:
            reply = await self._line.read("currentSession", self._current_request(session.token, session.api_version))
        except TransportFault:
            return False
        return reply.status == 200

    def _install(self, session: Session) -> None:
        self._session = session
        self._suspected = False
        self._refusal = None
        self._wanted.clear()
        self._settled.set()
        self._note(
            "vcd.logged_in",
            user=f"{session.user_name}@{session.organization}",
            api_version=session.api_version,
        )

    # --- logging in -----------------------------------------------------------------------------------------------

    async def _log_in(self) -> Session:
        """Negotiates too: after an upgrade of VCD sessions end, and other versions are served."""
        version = await self._negotiate()
        began = self._clock.monotonic()
        grant = await self._credential.log_in(self._send_login, version)
        reply = await self._line.read("currentSession", self._current_request(grant.token, version))
        if reply.status != 200:
            raise LoginUnavailable(f"{CURRENT} answered HTTP {reply.status} right after the login")
        return _session(grant, version, began, reply)

    async def _negotiate(self) -> str:
        reply = await self._line.read("versions", self._line.request("GET", "/api/versions", {"Accept": "*/*"}))
        if reply.status >= 500 or reply.status in {408, 429}:
            raise LoginUnavailable(f"/api/versions answered HTTP {reply.status}")
        try:
            if reply.status != 200:
                raise UnreadableBody(f"HTTP {reply.status}")
            offered = read_versions(reply.body)
        except UnreadableBody as error:
            raise ConfigurationError(
                f"{self._line.base_url}/api/versions is not a Cloud Director's: {error}",
                hint="set vcd.url to https://host[:port] of VCD, without /api",
            ) from None
        self.public_hosts = frozenset(one.login_host for one in offered if one.login_host is not None)
        return choose_version(offered, *self._versions)

    async def _send_login(self, target: str, headers: dict[str, str], body: bytes) -> Reply:
        return await self._line.read("logIn", self._line.request("POST", target, headers, body))

    def _current_request(self, token: str, version: str) -> Request:
        headers = {"Accept": f"application/json;version={version}", "Authorization": f"Bearer {token}"}
        return self._line.request("GET", CURRENT, headers)

    def _note(self, event: str, *, loud: bool = False, **facts: object) -> None:
        if self._log is not None:
            (self._log.warning if loud else self._log.info)(event, **facts)


def _session(grant: Grant, version: str, began: float, reply: Reply) -> Session:
    try:
        document = read_body(reply.headers.get("content-type"), reply.body)
    except UnreadableBody as error:
        raise LoginUnavailable(f"{CURRENT}: {error}") from None
    content: dict[str, JsonValue] = {} if document is None else document.content
    user, organization = _named(content.get("user")), _named(content.get("org"))
    if user[0] is None or organization[0] is None:
        raise LoginUnavailable(f"{CURRENT} names no user or organization")
    life = grant.lifetime
    return Session(
        token=grant.token,
        api_version=version,
        user_name=user[0],
        organization=organization[0],
        organization_uuid=uuid_in(organization[1]),
        renew_at=None if life is None else began + RENEW_AT * life,
        expires_at=None if life is None else began + life,
    )


def _named(value: JsonValue) -> tuple[str | None, str | None]:
    """Name and id of a CloudAPI reference."""
    return (name(value.get("name")), name(value.get("id"))) if is_object(value) else (name(value), None)


def _unreachable(base_url: str, fault: TransportFault) -> ConfigurationError | TemporaryError:
    message = f"{base_url} cannot be reached: {fault}"
    if "certificate" in message.casefold():
        return ConfigurationError(message, hint="set vcd.ca_file to the authority that signed VCD's certificate")
    return TemporaryError(message, hint="check vcd.url and the network")
