"""The session with VCD: one login in flight, renewed ahead of time, never hammered.

Sources: VCD API docs (CloudAPI sessions, API tokens), pyvcloud client.py, go-vcloud-director govcd/api_token.go.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from bridge.errors import ConfigurationError, TemporaryError
from bridge.vcd.config import ApiToken, Hooks, Password, VcdConfig
from bridge.vcd.transports import Failed

RENEW_SHARE = 0.8
"""A token is renewed after this share of its life, so that a call never leaves with one that dies on the way."""
RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Pauses after failed logins; the last one repeats. Refused credentials wait longest at once: directories lock
accounts after a few wrong passwords."""
REFUSED_SECONDS = 60.0

Send = Callable[[httpx.Request], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    renew_at: float | None


class Session:
    """Holds the bearer token. ``on_ready`` callbacks are not needed: who waits asks ``is_ready`` again."""

    def __init__(self, config: VcdConfig, version: str, send: Send, hooks: Hooks) -> None:
        self._config = config
        self._version = version
        self._send = send
        self._hooks = hooks
        self._token: _Token | None = None
        self._login: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0
        self.user_name = ""
        self.user_id: str | None = None

    @property
    def is_ready(self) -> bool:
        """A token believed valid is at hand; asking renews one that is getting old, in the background."""
        token = self._token
        if token is None or (token.renew_at is not None and self._hooks.monotonic() >= token.renew_at):
            self._start_login()
        return token is not None

    @property
    def token(self) -> str | None:
        return self._token.value if self._token is not None else None

    def invalidate(self, used: str | None) -> None:
        """A request was answered 401 with this token. A newer token is left alone."""
        if self._token is not None and self._token.value == used:
            self._token = None
            self._start_login()

    async def open(self) -> None:
        """The first login. Raises ConfigurationError for refused credentials, TemporaryError for the rest."""
        await self._log_in()
        await self._learn_user()

    async def wait(self) -> bool:
        """Wait for a login in flight. Returns whether a token is there."""
        if self._token is None:
            self._start_login()
            if self._login is not None:
                await asyncio.shield(self._login)
        return self._token is not None

    async def close(self) -> None:
        """Log out, as far as VCD can be reached."""
        if self._login is not None:
            self._login.cancel()
        if self._token is None or isinstance(self._config.credentials, ApiToken):
            return
        request = self._request("DELETE", "/cloudapi/1.0.0/sessions/current", self._bearer())
        try:
            await self._send(request)
        except Failed as failed:
            self._hooks.trouble("logout", failed.message)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _start_login(self) -> None:
        if self._login is None or self._login.done():
            self._login = asyncio.ensure_future(self._log_in_again())

    async def _log_in_again(self) -> None:
        pause = self._not_before - self._hooks.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        try:
            await self._log_in()
        except ConfigurationError as error:
            self._not_before = self._hooks.monotonic() + REFUSED_SECONDS
            self._hooks.trouble("login", error.message)
        except TemporaryError as error:
            pause = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
            self._failures += 1
            self._not_before = self._hooks.monotonic() + pause
            self._hooks.trouble("login", error.message)

    async def _log_in(self) -> None:
        began = self._hooks.monotonic()
        try:
            response = await self._send(self._login_request())
        except Failed as failed:
            self._hooks.observe("login", "unreachable", None, self._hooks.monotonic() - began)
            raise TemporaryError(f"VCD cannot be reached to log in: {failed.message}", hint="check vcd.url") from None
        status = response.status_code
        self._hooks.observe("login", "answered", status, self._hooks.monotonic() - began)
        if status in {400, 401, 403}:
            raise ConfigurationError(
                f"VCD refused the login to organization {self._config.organization} (HTTP {status})",
                hint="check vcd.organization and the credentials",
            )
        if status != 200:
            raise TemporaryError(f"VCD answered the login with HTTP {status}")
        self._token = self._read_token(response)
        self._failures = 0

    def _login_request(self) -> httpx.Request:
        credentials = self._config.credentials
        if isinstance(credentials, Password):
            where = "sessions/provider" if self._config.is_provider else "sessions"
            user = f"{credentials.username}@{self._config.organization}:{credentials.password}"
            basic = base64.b64encode(user.encode()).decode()
            return self._request("POST", f"/cloudapi/1.0.0/{where}", f"Basic {basic}")
        tenant = "provider" if self._config.is_provider else f"tenant/{self._config.organization}"
        form = {"grant_type": "refresh_token", "refresh_token": credentials.token}
        return httpx.Request("POST", f"{self._config.url}/oauth/{tenant}/token", data=form, headers=self._accept())

    def _read_token(self, response: httpx.Response) -> _Token:
        if isinstance(self._config.credentials, Password):
            value = response.headers.get("x-vmware-vcloud-access-token")
            life: Any = None
        else:
            document = _json(response)
            value, life = document.get("access_token"), document.get("expires_in")
        if not isinstance(value, str) or not value:
            raise TemporaryError("VCD answered the login without a token")
        seconds = float(life) if isinstance(life, int | float) and life > 0 else None
        renew_at = None if seconds is None else self._hooks.monotonic() + seconds * RENEW_SHARE
        return _Token(value, renew_at)

    async def _learn_user(self) -> None:
        request = self._request("GET", "/cloudapi/1.0.0/sessions/current", self._bearer())
        try:
            response = await self._send(request)
        except Failed as failed:
            raise TemporaryError(f"VCD does not tell who we are: {failed.message}") from None
        user = _json(response).get("user") if response.status_code == 200 else None
        name = user.get("name") if isinstance(user, dict) else None
        if not isinstance(name, str) or not name:
            raise TemporaryError(f"VCD does not tell who we are (HTTP {response.status_code})")
        self.user_name = name
        self.user_id = user.get("id") if isinstance(user, dict) else None

    def _bearer(self) -> str:
        return f"Bearer {self.token}"

    def _request(self, method: str, path: str, authorization: str) -> httpx.Request:
        headers = {**self._accept(), "Authorization": authorization}
        return httpx.Request(method, f"{self._config.url}{path}", headers=headers)

    def _accept(self) -> dict[str, str]:
        return {"Accept": f"application/json;version={self._version}", "User-Agent": "vcd-bridge"}


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        document = json.loads(response.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
