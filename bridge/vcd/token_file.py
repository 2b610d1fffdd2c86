"""A service account's refresh token in a file: one user at a time, and never a moment without a whole token.

The file holds the bare token, or the JSON object that go-vcloud-director and terraform-provider-vcd keep
(``{"refresh_token": …}``); it is written back as it was found.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.core.requests import JsonValue

LOCK_PATIENCE_SECONDS = 60.0
"""Longer than the longest wait for an answer of VCD by default: who has the lock is asking VCD."""

_LOCK_POLL_SECONDS = 0.05
_KEY = "refresh_token"


class UnusableTokenFile(Exception):
    """Says which file, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The file that will take the token file's place: made, and its space on the disk taken, before VCD is asked."""

    descriptor: int
    path: Path
    target: Path

    def commit(self, content: bytes) -> None:
        """The token file holds ``content``, whatever happens to the machine from now on. Raises OSError."""
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        _write_all(self.descriptor, content)
        os.fsync(self.descriptor)
        self.path.rename(self.target)
        _sync_folder(self.target.parent)


class TokenFile:
    """``path`` is followed through symbolic links, so that what is replaced is the file itself."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """One process at a time, by an advisory lock on ``<path>.lock``. Raises UnusableTokenFile."""
        lock = Path(f"{self.path}.lock")
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UnusableTokenFile(f"{lock} cannot be opened: {error.strerror}") from None
        try:
            await _lock(descriptor, lock)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> str:
        """The token. Raises UnusableTokenFile."""
        return self._parse(self._content())

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """Makes sure, before the token is used up, that the next one can be written. Raises UnusableTokenFile."""
        content = self._content()
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        except OSError as error:
            raise UnusableTokenFile(f"{self.path.parent} cannot be written to: {error.strerror}") from None
        try:
            try:
                _write_all(descriptor, content + b" " * 4096)
                os.fsync(descriptor)
            except OSError as error:
                raise UnusableTokenFile(f"{self.path.parent} cannot be written to: {error.strerror}") from None
            yield Draft(descriptor, Path(name), self.path)
        finally:
            os.close(descriptor)
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()

    def with_token(self, token: str) -> bytes:
        """The file's content with another token in it. Raises UnusableTokenFile."""
        document = _json(self._content())
        if document is None:
            return f"{token}\n".encode()
        return json.dumps({**document, _KEY: token}, indent=1).encode() + b"\n"

    def _content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise UnusableTokenFile(f"{self.path} cannot be read: {error.strerror}") from None

    def _parse(self, content: bytes) -> str:
        document = _json(content)
        token = content.decode("ascii", "replace").strip() if document is None else document.get(_KEY)
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable() or " " in token:
            raise UnusableTokenFile(f"{self.path} holds no refresh token")
        return token


def _json(content: bytes) -> dict[str, JsonValue] | None:
    """None for what is no JSON object: a bare token."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


async def _lock(descriptor: int, path: Path) -> None:
    """Raises UnusableTokenFile."""
    try:
        async with asyncio.timeout(LOCK_PATIENCE_SECONDS):
            while not _try_lock(descriptor):  # noqa: ASYNC110  # nobody tells that a file's lock is free
                await asyncio.sleep(_LOCK_POLL_SECONDS)
    except TimeoutError:
        raise UnusableTokenFile(f"{path} has been held by another process for a minute") from None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_folder(folder: Path) -> None:
    """So that the new name is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
