"""Sessions: CloudAPI login (tenant and provider), API tokens, Bearer tokens, expiry, logout.

Source: pyvcloud client.py, go-vcloud-director api_token.go and tenant_context.go, VCD Programming Guide.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import OrderedDict
from dataclasses import dataclass

from bridge.simulator.protocol.exchange import Request, bad_request, unauthorized
from bridge.simulator.state.entities import Entity, EntityStore, User

MAXIMUM_SESSIONS = 10_000


@dataclass(slots=True, eq=False)
class Session:
    """``expires_at`` is the absolute end; ``used_at`` moves with each call."""

    id: str
    token: str
    user: User
    created_at: float
    used_at: float
    expires_at: float

    @property
    def urn(self) -> str:
        return f"urn:vcloud:session:{self.id}"

    @property
    def is_provider(self) -> bool:
        return self.user.is_provider


class Sessions:
    """Open sessions by token; at most 10,000, the oldest goes first."""

    def __init__(self, store: EntityStore, *, idle_seconds: float = 1800.0, absolute_seconds: float = 86400.0) -> None:
        self.store = store
        self.idle_seconds = idle_seconds
        self.absolute_seconds = absolute_seconds
        self._by_token: OrderedDict[str, Session] = OrderedDict()
        self.logins = 0

    def __len__(self) -> int:
        return len(self._by_token)

    def log_in(self, request: Request, session_id: str, now: float, *, provider: bool) -> Session:
        """A session from HTTP Basic ``user@org:password``.

        Raises:
            Refusal: 401 with an empty body.
        """
        user = self._user_of_basic(request.header(b"authorization") or "")
        if user is None or user.is_provider is not provider:
            raise unauthorized()
        return self._open(user, session_id, now)

    def log_in_with_token(self, refresh_token: str, organization: str | None, session_id: str, now: float) -> Session:
        """A session from an API token; ``organization`` None is the provider's endpoint.

        Raises:
            Refusal: 400, as OAuth's ``invalid_grant``.
        """
        user = self.store.users_by_api_token.get(refresh_token)
        expected = "System" if organization is None else organization
        if user is None or user.org.name.casefold() != expected.casefold():
            raise bad_request("invalid_grant")
        return self._open(user, session_id, now)

    def of(self, request: Request, now: float) -> Session:
        """The session of a call.

        Raises:
            Refusal: 401 with an empty body: no token, an unknown or an expired one.
        """
        authorization = request.headers.get(b"authorization", b"")
        scheme, _, token = authorization.partition(b" ")
        session = self._by_token.get(token.strip().decode("latin-1")) if scheme.lower() == b"bearer" else None
        if session is None:
            raise unauthorized()
        if now >= session.expires_at or now - session.used_at >= self.idle_seconds:
            self.close(session)
            raise unauthorized()
        session.used_at = now
        return session

    def tenant(self, request: Request, session: Session) -> Entity | None:
        """The organization of the tenant context header, which takes a bare uuid.

        Raises:
            Refusal: 401 for anything else, as 10.2 answers to a URN (go-vcloud-director tenant_context.go).
        """
        text = request.header(b"x-vmware-vcloud-tenant-context")
        if not text:
            return None
        org = self.store.get(text.lower())
        if org is None or org.kind.name != "org" or not (session.is_provider or org is session.user.org):
            raise unauthorized()
        return org

    def close(self, session: Session) -> None:
        self._by_token.pop(session.token, None)

    def close_all(self, user: str | None = None) -> int:
        """Ends the sessions of everybody, or of ``user@org``; tells how many."""
        ended = [one for one in self._by_token.values() if user in (None, f"{one.user.name}@{one.user.org.name}")]
        for session in ended:
            self.close(session)
        return len(ended)

    def by_id(self, session_id: str) -> Session | None:
        return next((one for one in self._by_token.values() if session_id in (one.id, one.urn)), None)

    def _open(self, user: User, session_id: str, now: float) -> Session:
        claims = {"sub": user.name, "iss": user.org.uuid, "exp": int(now + self.absolute_seconds), "jti": session_id}
        token = ".".join(
            base64.urlsafe_b64encode(part).rstrip(b"=").decode()
            for part in (b'{"alg":"none","typ":"JWT"}', json.dumps(claims).encode(), session_id.encode())
        )
        session = Session(session_id, token, user, now, now, now + self.absolute_seconds)
        self._by_token[token] = session
        self.logins += 1
        if len(self._by_token) > MAXIMUM_SESSIONS:
            self._by_token.popitem(last=False)
        return session

    def _user_of_basic(self, authorization: str) -> User | None:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            login, _, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        name, _, organization = login.rpartition("@")
        user = self.store.users.get((name.casefold(), organization.casefold()))
        return user if user is not None and user.password == password else None
