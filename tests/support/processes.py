"""Python processes of the tests: started anew, or forked from one that has loaded what they need."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from tests.support.forker import NUMBER

REPOSITORY = Path(__file__).resolve().parents[2]


class Running(Protocol):
    """What tests need of a process, as ``subprocess.Popen`` has it."""

    pid: int
    stdout: IO[str] | None
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


def start(
    words: Sequence[str], *, environment: Mapping[str, str], stderr: IO[str] | None, sources: Path = REPOSITORY
) -> Running:
    """``python -m`` these words, with a pipe for its output; ``sources`` holds the packages."""
    if _forkers and sources == REPOSITORY:
        return _forkers[-1].fork(words, environment, stderr)
    return subprocess.Popen(
        [sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=sources,
        env={**environment},
    )  # fmt: skip


@contextlib.contextmanager
def forking() -> Iterator[None]:
    """Processes are forked meanwhile: to load the bridge takes more than half of what a short life of it costs.

    Where there are no packets between processes that carry open files (macOS), they are started anew all the same.
    """
    if sys.platform == "darwin":
        yield
        return
    forker = _Forker()
    _forkers.append(forker)
    try:
        yield
    finally:
        _forkers.remove(forker)
        forker.close()


class Forked:
    """A process whose parent is the forker, which tells its number and its end."""

    def __init__(self, told: int, stdout: IO[str]) -> None:
        self.stdout: IO[str] | None = stdout
        self.returncode: int | None = None
        self._told = told
        self.pid = self._hear()

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            self.returncode = self._hear()
            os.close(self._told)
        return self.returncode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _hear(self) -> int:
        told = os.read(self._told, NUMBER.size)
        if not told:
            raise RuntimeError("the forker has ended; its last words are in what the tests wrote to their stderr")
        return int(NUMBER.unpack(told)[0])


class _Forker:
    """``tests.support.forker``, started when it is needed first. It ends with its connection, and ends all its own."""

    def __init__(self) -> None:
        self._connection: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    def fork(self, words: Sequence[str], environment: Mapping[str, str], stderr: IO[str] | None) -> Forked:
        request = json.dumps({"words": [*words], "environment": {**environment}}).encode()
        told, tell = os.pipe()
        output, stdout = os.pipe()
        with self._one_at_a_time:
            connection = self._connection or self._start()
            socket.send_fds(connection, [request], [stdout, stderr.fileno() if stderr is not None else 2, tell])
        os.close(tell)
        os.close(stdout)
        return Forked(told, os.fdopen(output))

    def close(self) -> None:
        if self._connection is not None and self._process is not None:
            self._connection.close()
            self._process.wait(10)

    def _start(self) -> socket.socket:
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()], cwd=REPOSITORY,
            )  # fmt: skip
        return self._connection


_forkers: list[_Forker] = []
