"""Sessions: who is logged in, by which token, until when.

Source: pyvcloud client.py, go-vcloud-director api_vcd.go and tenant_context.go, VCD Programming Guide.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.simulator.protocol.exchange import Request, unauthorized
from bridge.simulator.state.entities import Entity, EntityStore, User

MAXIMUM_SESSIONS = 10_000
MAXIMUM_REFUSED = 1_000

_SIGNING_KEY = b"simulator"
_HEADER = {"alg": "HS256", "typ": "JWT"}


@dataclass(slots=True, eq=False)
class Session:
    """``expires_at`` is the absolute end; ``used_at`` moves with each call; ``token`` is a JWT.

    ``is_restricted``: opened with a refresh token, so it manages no people and no tokens.
    """

    id: str
    token: str
    user: User
    created_at: float
    used_at: float
    expires_at: float
    is_restricted: bool = False

    @property
    def urn(self) -> str:
        return f"urn:vcloud:session:{self.id}"

    @property
    def legacy_token(self) -> str:
        """What ``x-vcloud-authorization`` carries."""
        return self.id.replace("-", "")

    @property
    def is_provider(self) -> bool:
        return self.user.is_provider


class Sessions:
    """Open sessions; at most 10,000, the oldest goes first."""

    def __init__(self, store: EntityStore, *, idle_seconds: float = 1800.0, absolute_seconds: float = 86400.0) -> None:
        self.store = store
        self.idle_seconds = idle_seconds
        self.absolute_seconds = absolute_seconds
        self.lockout = Lockout()
        self._by_token: OrderedDict[str, Session] = OrderedDict()
        self._by_id: dict[str, Session] = {}
        self.logins = 0

    def __len__(self) -> int:
        return len(self._by_token)

    def log_in(self, request: Request, session_id: str, now: float, *, provider: bool | None) -> Session:
        """A session from HTTP Basic ``user@org:password``.

        Args:
            provider: Whether the place is the provider's; None: it takes everybody.

        Raises:
            Refusal: 401 with an empty body.
        """
        name, organization, password = _basic(request.header(b"authorization") or "")
        user = self.store.users.get((name.casefold(), organization.casefold()))
        if user is None or provider not in (None, user.is_provider) or self.lockout.holds(user, now):
            raise unauthorized()
        if not user.is_enabled or user.password is None or user.password != password:
            self.lockout.note(user, now)
            raise unauthorized()
        self.lockout.forgive(user)
        return self.open(user, session_id, now)

    def open(self, user: User, session_id: str, now: float, *, restricted: bool = False) -> Session:
        """A session for somebody who has proven who he is."""
        expires_at = now + self.absolute_seconds
        claims = {
            "sub": user.name, "iss": user.org.uuid, "iat": int(now), "exp": int(expires_at), "version": "vcloud_1.0",
            "jti": session_id.replace("-", ""),
        }  # fmt: skip
        session = Session(session_id, _jwt(claims), user, now, now, expires_at, restricted)
        self._by_token[session.token] = self._by_id[session.legacy_token] = session
        self.logins += 1
        if len(self._by_token) > MAXIMUM_SESSIONS:
            self.close(next(iter(self._by_token.values())))
        return session

    def of(self, request: Request, now: float) -> Session:
        """The session of a call.

        Raises:
            Refusal: 401 with an empty body: no token, an unknown or an expired one.
        """
        session = next((one for token in _tokens(request) if (one := self.with_token(token, now)) is not None), None)
        if session is None:
            raise unauthorized()
        session.used_at = now
        return session

    def with_token(self, token: str, now: float) -> Session | None:
        """The session of a JWT or of a legacy token, if it is still one."""
        session = self._by_token.get(token) or self._by_id.get(token)
        if session is None:
            return None
        user = session.user
        known = user.is_enabled and self.store.users_by_uuid.get(user.entity.uuid) is user
        if not known or now >= session.expires_at or now - session.used_at >= self.idle_seconds:
            self.close(session)
            return None
        return session

    def tenant(self, request: Request, session: Session) -> Entity | None:
        """The organization of the tenant context headers: the bare uuid in the one, the name in the other.

        Raises:
            Refusal: 401 for anything else, as 10.2 answers to a URN (go-vcloud-director tenant_context.go).
        """
        text, name = request.header(b"x-vmware-vcloud-tenant-context"), request.header(b"x-vmware-vcloud-auth-context")
        if not text:
            return None
        org = self.store.get(text.lower())
        if org is None or org.kind.name != "org" or not (session.is_provider or org is session.user.org):
            raise unauthorized()
        if name and name.casefold() != org.name.casefold():
            raise unauthorized()
        return org

    def close(self, session: Session) -> None:
        self._by_token.pop(session.token, None)
        self._by_id.pop(session.legacy_token, None)

    def close_all(self, user: str | None = None) -> int:
        """Ends the sessions of everybody, or of ``user@org``; tells how many."""
        wanted = None if user is None else user.casefold()
        ended = [
            one
            for one in self._by_token.values()
            if wanted in (None, f"{one.user.name}@{one.user.org.name}".casefold())
        ]
        for session in ended:
            self.close(session)
        return len(ended)

    def close_of(self, user: User) -> None:
        for session in [one for one in self._by_token.values() if one.user is user]:
            self.close(session)

    def of_user(self, user: User, now: float) -> list[Session]:
        """The open sessions of somebody, oldest first."""
        return [
            one
            for one in list(self._by_token.values())
            if one.user is user and self.with_token(one.token, now) is not None
        ]

    def by_id(self, session_id: str, now: float) -> Session | None:
        """By uuid or URN."""
        return self.with_token(session_id.removeprefix("urn:vcloud:session:").replace("-", ""), now)


class Lockout:
    """An account is locked for a while after so many refused logins within that while; ``attempts`` 0: never."""

    def __init__(self) -> None:
        self.attempts = 0
        self.seconds = 600.0
        self._refused: OrderedDict[User, deque[float]] = OrderedDict()

    def holds(self, user: User, now: float) -> bool:
        return 0 < self.attempts <= sum(now - at < self.seconds for at in self._refused.get(user, ()))

    def note(self, user: User, now: float) -> None:
        if self.attempts:
            times = self._refused.setdefault(user, deque(maxlen=max(1, self.attempts)))
            times.append(now)
            if len(self._refused) > MAXIMUM_REFUSED:
                self._refused.popitem(last=False)

    def forgive(self, user: User) -> None:
        self._refused.pop(user, None)


def _tokens(request: Request) -> Iterator[str]:
    """The token as ``Authorization: Bearer``, or as the headers that carry it in answers, which old clients send."""
    scheme, _, token = (request.header(b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        yield token.strip()
    for name in (b"x-vmware-vcloud-access-token", b"x-vcloud-authorization"):
        value = request.header(name)
        if value:
            yield value


def _basic(authorization: str) -> tuple[str, str, str]:
    """User, organization, password; empty texts for what is no HTTP Basic ``user@org:password``."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", "", ""
    try:
        login, _, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", "", ""
    name, _, organization = login.rpartition("@")
    return name, organization, password


def _jwt(claims: dict[str, object]) -> str:
    signed = f"{_base64url(json.dumps(_HEADER).encode())}.{_base64url(json.dumps(claims).encode())}"
    return f"{signed}.{_base64url(hmac.digest(_SIGNING_KEY, signed.encode(), hashlib.sha256))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
