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
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bridge.core.requests import JsonValue

LOCK_PATIENCE_SECONDS = 60.0
"""Longer than the longest wait for an answer of VCD by default: who has the lock is asking VCD."""

LARGEST_FILE_BYTES = 65_536
"""A refresh token has some dozens of characters, a JSON file around it some hundreds."""

_LOCK_POLL_SECONDS = 0.05
_KEY = "refresh_token"


class UnusableTokenFile(Exception):
    """Says which file, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The file that will take the token file's place: made, and its space on the disk taken, before VCD is asked.

    ``content``: what the token file held then.
    """

    descriptor: int
    path: Path
    target: Path
    content: bytes = field(repr=False)

    def commit(self, token: str) -> None:
        """The token file holds ``token``, whatever happens to the machine from now on. Raises OSError."""
        content = _with_token(self.content, token)
        _fill(self.descriptor, content)
        try:
            self.path.rename(self.target)
        except OSError:
            # A file that is mounted by itself, or another user's in a sticky directory, can only be written over.
            _write_over(self.target, content)
        else:
            _sync_folder(self.target.parent)


class TokenFile:
    """``path`` is followed through symbolic links at each use, so that what is replaced is the file itself."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """One process at a time, by an advisory lock on ``<path>.lock``. Raises UnusableTokenFile."""
        lock = Path(f"{self._target}.lock")
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
        content, target = self._content(), self._target
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        except OSError as error:
            raise UnusableTokenFile(f"{target.parent} cannot be written to: {error.strerror}") from None
        try:
            try:
                _fill(descriptor, content + b" " * 4096)
            except OSError as error:
                raise UnusableTokenFile(f"{target.parent} cannot be written to: {error.strerror}") from None
            yield Draft(descriptor, Path(name), target, content)
        finally:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                Path(name).unlink()

    @property
    def _target(self) -> Path:
        return Path(os.path.realpath(self.path))

    def _content(self) -> bytes:
        try:
            with open(self.path, "rb", opener=_open_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise UnusableTokenFile(f"{self.path} is no regular file")
                content = file.read(LARGEST_FILE_BYTES + 1)
        except OSError as error:
            raise UnusableTokenFile(f"{self.path} cannot be read: {error.strerror}") from None
        if len(content) > LARGEST_FILE_BYTES:
            raise UnusableTokenFile(f"{self.path} holds no refresh token: it is larger than {LARGEST_FILE_BYTES} bytes")
        return content

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


def _with_token(content: bytes, token: str) -> bytes:
    """A token file's content with another token in it."""
    document = _json(content)
    if document is None:
        return f"{token}\n".encode()
    return json.dumps({**document, _KEY: token}, indent=1).encode() + b"\n"


async def _lock(descriptor: int, path: Path) -> None:
    """Raises UnusableTokenFile."""
    try:
        async with asyncio.timeout(LOCK_PATIENCE_SECONDS):
            while not _try_lock(descriptor, path):  # noqa: ASYNC110  # nobody tells that a file's lock is free
                await asyncio.sleep(_LOCK_POLL_SECONDS)
    except TimeoutError:
        raise UnusableTokenFile(f"{path} has been held by another process for a minute") from None


def _try_lock(descriptor: int, path: Path) -> bool:
    """Raises UnusableTokenFile where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise UnusableTokenFile(f"{path} cannot be locked: {error.strerror}") from None
    return True


def _open_at_once(path: str, flags: int) -> int:
    """Opening a pipe would wait for somebody who writes into it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _write_over(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        _fill(descriptor, content)
    finally:
        os.close(descriptor)


def _fill(descriptor: int, content: bytes) -> None:
    """``content`` is all that the file holds, and is on the disk. The file is cut last, so that its space stays its."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
    os.ftruncate(descriptor, len(content))
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """So that the new name is on the disk too, where a directory can be synced: not on every file system, and not one
    that may be written and not read. The token is in its place by then, so that is no reason to refuse it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
