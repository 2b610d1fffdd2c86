"""A service account: its refresh token rotates with every use, and whoever loses the newest one is locked out.

Source: go-vcloud-director govcd/service_account.go (the token file is rewritten after each use), VCD documentation on
service accounts ("the API token rotates upon each use").
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from bridge.vcd.login.credentials import (
    Grant,
    LoginRefused,
    LoginUnavailable,
    SendLogin,
    TokenAnswer,
    TokenRefused,
    exchange_refresh_token,
)
from bridge.vcd.login.token_file import Draft, TokenFile, UnusableTokenFile

_LOOK_SECONDS = 0.5
"""How often a file with a refused token is looked at: a person is waiting then."""


def _nothing(_point: str) -> None:
    """Not testing."""


@dataclass(slots=True)
class ServiceAccountCredential:
    """The token in a file, replaced at every login: the new one is on the disk before the access token is used.

    ``reach`` is told of the points at which a test may end the process, see ``bridge.crash``.
    """

    file: TokenFile
    organization: str
    reach: Callable[[str], None] = _nothing
    _refused: str | None = field(default=None, repr=False)
    """The token that VCD did not take, until another one is tried."""
    _unsaved: tuple[str, str] | None = field(default=None, repr=False)
    """The token in the file when VCD gave the next one, and the next one, which could not be written."""

    @property
    def label(self) -> str:
        return f"service account of organization {self.organization} ({self.file.path})"

    async def changed(self) -> None:
        while not self._has_another():  # noqa: ASYNC110  # nobody tells that a file has changed
            await asyncio.sleep(_LOOK_SECONDS)

    def _has_another(self) -> bool:
        if self._refused is None:
            return False
        try:
            return self.file.read() != self._refused
        except UnusableTokenFile:
            return False

    async def log_in(self, send: SendLogin, version: str) -> Grant:
        try:
            async with self.file.taken():
                self._save_late()
                return await _to_its_end(self._exchange(send, version))
        except UnusableTokenFile as error:
            raise LoginUnavailable(f"login of {self.label}: {error}") from None

    async def _exchange(self, send: SendLogin, version: str) -> Grant:
        """Twice where somebody who does not know the lock has written a newer token in between."""
        token = self.file.read()
        try:
            return await self._exchange_one(send, version, token)
        except TokenRefused as refused:
            newer = self.file.read()
            if newer != token:
                return await self._exchange_one(send, version, newer)
            self._refused = token
            raise LoginRefused(
                f"{refused}: its token was revoked, used elsewhere, or lost on the way back from VCD; "
                f"authorize the service account again and write its new token into {self.file.path}"
            ) from None

    async def _exchange_one(self, send: SendLogin, version: str, token: str) -> Grant:
        self._refused = None
        with self.file.draft() as draft:
            answer = await exchange_refresh_token(send, version, self.organization, token, self.label)
            self.reach("token_rotated")
            self._save(draft, token, answer)
        self.reach("token_saved")
        return answer.grant

    def _save(self, draft: Draft, old: str, answer: TokenAnswer) -> None:
        if answer.refresh_token is None or answer.refresh_token == old:
            return
        try:
            draft.commit(answer.refresh_token)
        except OSError as error:
            self._unsaved = (old, answer.refresh_token)
            raise LoginUnavailable(
                f"login of {self.label}: the new token cannot be written: {error.strerror}; "
                "it is kept in memory only, and lost with this process"
            ) from None

    def _save_late(self) -> None:
        """Writes what could not be written, unless the file has got a newer token since. Raises UnusableTokenFile."""
        if self._unsaved is None:
            return
        old, new = self._unsaved
        if self.file.read() == old:
            with self.file.draft() as draft:
                try:
                    draft.commit(new)
                except OSError as error:
                    raise UnusableTokenFile(f"{self.file.path} still cannot be written: {error.strerror}") from None
        self._unsaved = None


async def _to_its_end(exchange: Coroutine[Any, Any, Grant]) -> Grant:
    """Whoever cancels it, a shutdown most often, waits for it as well: what VCD gave in return for the old token has to
    be written. The transport's time-outs bound it."""
    task = asyncio.ensure_future(exchange)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # nobody asks for it any more
        raise
