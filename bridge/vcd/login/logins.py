"""How a session is made: versions, login, and whom VCD says we are."""

from __future__ import annotations

from dataclasses import dataclass, field

from httpx import Request

from bridge.core.requests import JsonValue
from bridge.errors import ConfigurationError
from bridge.ports import Clock
from bridge.vcd.config import SYSTEM
from bridge.vcd.documents.documents import UnreadableBody, read_body
from bridge.vcd.documents.lenient import is_object, name, uuid_in
from bridge.vcd.login.credentials import Credential, Grant, LoginUnavailable
from bridge.vcd.login.versions import OfferedVersion, choose_version, read_versions
from bridge.vcd.transport.line import Line
from bridge.vcd.transport.transports import Reply, TransportFault

CURRENT = "/cloudapi/1.0.0/sessions/current"

RENEW_AT = 0.8
"""Part of a token's life after which it is renewed: a login may fail for a while before anybody notices."""

SHORTEST_LIFE_SECONDS = 60.0
"""A shorter life is not believed: the logins that it would take are a burden, and a 401 tells of the end as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session with VCD. ``renew_at`` and ``expires_at`` in monotonic seconds, None where VCD did not tell."""

    token: str = field(repr=False)
    api_version: str
    is_version_deprecated: bool
    user_name: str
    user_uuid: str | None
    organization: str
    organization_uuid: str | None
    renew_at: float | None
    expires_at: float | None

    @property
    def is_provider(self) -> bool:
        """VCD says that it is the provider's. Roles tell nothing more: providers make and name their own."""
        return self.organization.casefold() == SYSTEM.casefold()

    def headers(self, accept: str = "application/*+json") -> dict[str, str]:
        return {"Accept": f"{accept};version={self.api_version}", "Authorization": f"Bearer {self.token}"}


class Logins:
    """Makes sessions, and looks whether one lives. ``versions``: lowest and highest API version to speak."""

    def __init__(self, line: Line, credential: Credential, clock: Clock, versions: tuple[str, str]) -> None:
        self._line = line
        self._credential = credential
        self._clock = clock
        self._versions = versions
        self._met = False
        self._whose: _Names | None = None
        self.public_hosts: frozenset[str] = frozenset()
        """``host[:port]`` under which VCD's login addresses name it."""

    async def log_in(self) -> Session:
        """Negotiates too: after an upgrade of VCD sessions end, and other versions are served.

        Raises LoginRefused, LoginUnavailable (also where another VCD answers than the first time), TransportFault, and
        before the first success ConfigurationError.
        """
        offered = await self._negotiate()
        version = offered.version
        began = self._clock.monotonic()
        grant = await self._credential.log_in(self._send, version)
        names = _read_names(await self._current(grant.token, version))
        self._check_whose(names)
        return _session(grant, offered, began, names)

    def _check_whose(self, names: _Names) -> None:
        """An address may be another VCD's where the credentials work as well. What is under way here would look as if
        it had never happened there, and be called again. Raises LoginUnavailable."""
        if self._whose is not None and self._whose.are_elsewhere(names):
            raise LoginUnavailable(
                f"another VCD answers than at the first login (site {names.site_uuid}, user {names.user_uuid}; it was "
                f"site {self._whose.site_uuid}, user {self._whose.user_uuid}): check vcd.url and vcd.further_urls"
            )
        self._whose = self._whose or names

    async def is_alive(self, session: Session) -> bool:
        """Whether VCD shows us the session: a status alone may be a balancer's. Raises TransportFault."""
        try:
            _read_names(await self._current(session.token, session.api_version))
        except LoginUnavailable:
            return False
        return True

    async def trouble_at(self, base: str, session: Session) -> str | None:
        """What an address lacks to stand for the VCD of the session, in words; None where it does."""
        try:
            reply = await self._line.ask(base, self._current_request(session.token, session.api_version))
            names = _read_names(reply)
        except TransportFault as fault:
            return f"cannot be reached: {fault}"
        except LoginUnavailable as error:
            return f"does not know the session of the others: {error}"
        elsewhere = self._whose is not None and self._whose.are_elsewhere(names)
        return "is another VCD's" if elsewhere else None

    async def _negotiate(self) -> OfferedVersion:
        """Whatever stands at the address of a VCD that we have met is that VCD, or for now something before it."""
        try:
            version = await self._offered_version()
        except ConfigurationError as error:
            if self._met:
                raise LoginUnavailable(error.message) from None
            raise
        self._met = True
        return version

    async def _offered_version(self) -> OfferedVersion:
        reply = await self._line.session("versions", self._line.request("GET", "/api/versions", {"Accept": "*/*"}))
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
        version = choose_version(offered, *self._versions)
        self.public_hosts = frozenset(one.login_host for one in offered if one.login_host is not None)
        return version

    async def _send(self, target: str, headers: dict[str, str], body: bytes) -> Reply:
        return await self._line.session("logIn", self._line.request("POST", target, headers, body))

    async def _current(self, token: str, version: str) -> Reply:
        return await self._line.session("currentSession", self._current_request(token, version))

    def _current_request(self, token: str, version: str) -> Request:
        headers = {"Accept": f"application/json;version={version}", "Authorization": f"Bearer {token}"}
        return self._line.request("GET", CURRENT, headers)


@dataclass(frozen=True, slots=True)
class _Names:
    """Whose session it is."""

    user: str
    user_uuid: str | None
    organization: str
    organization_uuid: str | None
    site_uuid: str | None
    """VCD's own, the same for all of its cells; older versions do not tell it."""

    def are_elsewhere(self, others: _Names) -> bool:
        """Whether others are another VCD's. A user who was made anew has another uuid too, so the site goes first."""
        if self.site_uuid is not None and others.site_uuid is not None:
            return self.site_uuid != others.site_uuid
        return None not in (self.user_uuid, others.user_uuid) and self.user_uuid != others.user_uuid


def _session(grant: Grant, offered: OfferedVersion, began: float, names: _Names) -> Session:
    life = None if grant.lifetime is None else max(grant.lifetime, SHORTEST_LIFE_SECONDS)
    return Session(
        token=grant.token,
        api_version=offered.version,
        is_version_deprecated=offered.deprecated,
        user_name=names.user,
        user_uuid=names.user_uuid,
        organization=names.organization,
        organization_uuid=names.organization_uuid,
        renew_at=None if life is None else began + RENEW_AT * life,
        expires_at=None if life is None else began + life,
    )


def _read_names(reply: Reply) -> _Names:
    """Raises LoginUnavailable for anything but a session's document."""
    if reply.status != 200:
        raise LoginUnavailable(f"{CURRENT} answered HTTP {reply.status}")
    try:
        document = read_body(reply.headers.get("content-type"), reply.body)
    except UnreadableBody as error:
        raise LoginUnavailable(f"{CURRENT}: {error}") from None
    content: dict[str, JsonValue] = {} if document is None else document.content
    user, organization = _named(content.get("user")), _named(content.get("org"))
    if user[0] is None or organization[0] is None:
        raise LoginUnavailable(f"{CURRENT} names no user or organization")
    site = uuid_in(_named(content.get("site"))[1])
    return _Names(user[0], uuid_in(user[1]), organization[0], uuid_in(organization[1]), site)


def _named(value: JsonValue) -> tuple[str | None, str | None]:
    """Name and id of a CloudAPI reference."""
    return (name(value.get("name")), name(value.get("id"))) if is_object(value) else (name(value), None)
