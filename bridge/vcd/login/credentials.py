"""How the bridge proves who it is. One strategy per kind of credential.

Source: VCD API programming guide (sessions); go-vcloud-director govcd/api_token.go; terraform-provider-vcd #905 for the
error of a dead token. Service accounts: ``bridge.vcd.login.service_account``.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeGuard
from urllib.parse import quote, urlencode

from bridge.core.requests import JsonValue
from bridge.vcd.config import SYSTEM
from bridge.vcd.documents.documents import UnreadableBody, read_body
from bridge.vcd.documents.errors import read_http_date, read_refusal
from bridge.vcd.documents.lenient import integer, is_object
from bridge.vcd.transport.transports import Reply

SendLogin = Callable[[str, dict[str, str], bytes], Awaitable[Reply]]
"""Target path, headers and body of a POST to VCD. Raises TransportFault."""


class LoginRefused(Exception):
    """VCD does not take the credentials: trying again soon cannot help and could lock the account."""


class TokenRefused(LoginRefused):
    """VCD does not know the refresh token, or not any more (OAuth's ``invalid_grant``)."""


class LoginUnavailable(Exception):
    """VCD could not be asked, or its answer was not one; trying again may help."""


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token. ``lifetime`` in seconds where VCD told."""

    token: str = field(repr=False)
    lifetime: float | None


class Credential(Protocol):
    """Opens sessions."""

    @property
    def label(self) -> str:
        """Who logs in, for people; no secret."""
        ...

    async def log_in(self, send: SendLogin, version: str) -> Grant:
        """Raises LoginRefused, LoginUnavailable or TransportFault."""
        ...

    async def changed(self) -> None:
        """Returns once a person has put another secret in place of a refused one; for most kinds never."""
        ...


@dataclass(frozen=True, slots=True)
class PasswordCredential:
    """User name and password at POST /cloudapi/1.0.0/sessions, or …/sessions/provider."""

    username: str
    password: str = field(repr=False)
    organization: str

    @property
    def label(self) -> str:
        return f"user {self.username}@{self.organization}"

    async def changed(self) -> None:
        await _never()

    async def log_in(self, send: SendLogin, version: str) -> Grant:
        target = "/cloudapi/1.0.0/sessions" + ("/provider" if _is_system(self.organization) else "")
        login = f"{self.username}@{self.organization}:{self.password}"
        headers = {
            "Accept": f"application/json;version={version}",
            "Authorization": "Basic " + base64.b64encode(login.encode()).decode(),
        }
        reply = await send(target, headers, b"")
        _check(reply, self.label, self.password)
        token = reply.headers.get("x-vmware-vcloud-access-token")
        if not _is_token(token):
            raise LoginUnavailable(f"the login of {self.label} was answered without a token")
        return Grant(token, _jwt_lifetime(token, reply))


@dataclass(frozen=True, slots=True)
class ApiTokenCredential:
    """A user's API token at POST /oauth/tenant/{org}/token, or /oauth/provider/token; it does not rotate."""

    refresh_token: str = field(repr=False)
    organization: str

    @property
    def label(self) -> str:
        return f"API token of organization {self.organization}"

    async def changed(self) -> None:
        await _never()

    async def log_in(self, send: SendLogin, version: str) -> Grant:
        try:
            answer = await exchange_refresh_token(send, version, self.organization, self.refresh_token, self.label)
        except TokenRefused as refused:
            raise LoginRefused(
                f"{refused}: it was revoked, or belongs to another organization; make a new one in VCD and set "
                "vcd.api_token"
            ) from None
        return answer.grant


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """``refresh_token``: the one for the next time."""

    grant: Grant
    refresh_token: str | None = field(repr=False)


async def exchange_refresh_token(
    send: SendLogin, version: str, organization: str, refresh_token: str, label: str
) -> TokenAnswer:
    """An access token for a refresh token. Raises TokenRefused, LoginRefused, LoginUnavailable or TransportFault."""
    place = "provider" if _is_system(organization) else f"tenant/{quote(organization, safe='')}"
    form = urlencode({"grant_type": "refresh_token", "refresh_token": refresh_token})
    headers = {
        "Accept": f"application/json;version={version}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    reply = await send(f"/oauth/{place}/token", headers, form.encode())
    _check(reply, label, refresh_token)
    document = _json_object(reply.body)
    token, following = document.get("access_token"), document.get("refresh_token")
    if not _is_token(token):
        raise LoginUnavailable(f"the login of {label} was answered without an access token")
    seconds = _seconds(document.get("expires_in"))
    life = float(seconds) if seconds is not None else _jwt_lifetime(token, reply)
    return TokenAnswer(Grant(token, life), following if _is_token(following) else None)


async def _never() -> None:
    """For what comes with the settings."""
    await asyncio.Event().wait()


def _is_system(organization: str) -> bool:
    return organization.casefold() == SYSTEM.casefold()


def _check(reply: Reply, label: str, secret: str) -> None:
    if 200 <= reply.status < 300:
        return
    refusal = read_refusal(reply.status, reply.headers, reply.body)
    said = f"HTTP {reply.status}" if refusal.error is None else f"HTTP {reply.status}, {refusal.message}"
    message = f"login of {label}: {said.replace(secret, '***') if secret else said}"
    if reply.status == 400 and "invalid_grant" in _codes(reply.body):
        raise TokenRefused(message)
    if reply.status == 401 or (400 <= reply.status < 500 and reply.status not in {408, 429} and not _is_page(reply)):
        raise LoginRefused(message)
    raise LoginUnavailable(message)


def _codes(body: bytes) -> set[JsonValue]:
    """The error codes of an answer: VCD's, and OAuth's where something else answers for VCD."""
    document = _json_object(body)
    return {code for code in (document.get("minorErrorCode"), document.get("error")) if isinstance(code, str)}


def _is_page(reply: Reply) -> bool:
    """A page for people: something before VCD has answered."""
    try:
        read_body(reply.headers.get("content-type"), reply.body)
    except UnreadableBody:
        return True
    return False


def _jwt_lifetime(token: str, reply: Reply) -> float | None:
    """Seconds that a JWT lives, by its own claims; read, not verified: VCD does that."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = _json_object(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    ends, began = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
    if ends is None:
        return None
    if began is None:
        sent = read_http_date(reply.headers.get("date"))
        began = None if sent is None else int(sent.timestamp())
    return float(ends - began) if began is not None and ends > began else None


def _seconds(value: JsonValue) -> int | None:
    """Seconds of a life, or since the epoch."""
    return integer(value, largest=2**40)


def _is_token(value: JsonValue) -> TypeGuard[str]:
    """What can be written into a header."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def _json_object(body: bytes) -> dict[str, JsonValue]:
    try:
        document: JsonValue = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if is_object(document) else {}
