"""Forks processes that have the bridge loaded already: ``python -m tests.support.forker DESCRIPTOR``.

Each request on the connection has the words after ``python -m``, the environment, and three files: standard output,
standard error, and where the new process's number and its exit code are told. The new one goes through the same
``__main__`` as one that was started anew. With the connection it ends, and so does all that it has forked.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass

LOADED = (
    "bridge.cli.entry", "bridge.cli.run", "bridge.app", "httpcore", "uvloop",
    "bridge.simulator.server", "tests.fidelity.conformity.answers",
)  # fmt: skip
"""All that a bridge and a simulator load on their way."""
NUMBER = struct.Struct("<i")
_LONGEST_REQUEST = 1 << 20
_STREAMS = 3


@dataclass(frozen=True, slots=True)
class Request:
    """``files``: standard output, standard error, where to tell."""

    words: list[str]
    environment: dict[str, str]
    files: list[int]

    @classmethod
    def of(cls, message: bytes, files: list[int]) -> Request:
        return cls(**json.loads(message), files=files)


class Forker:
    """Waits for requests, and for the ends of what it has forked. Has no threads: they would not be forked."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._tells: dict[int, int] = {}
        """Where to tell the end of a process, by its number."""
        self._interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def serve(self) -> Request | None:
        """Until the connection ends: None; or in a process that was forked: what it is to be."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd == woken:
                        os.read(woken, 4096)
                        self._reap(os.WNOHANG)
                        continue
                    message, files, _, _ = socket.recv_fds(self._connection, _LONGEST_REQUEST, _STREAMS)
                    if not message:
                        self._kill_all()
                        return None
                    if (forked := self._fork(Request.of(message, files))) is not None:
                        return forked

    def _fork(self, request: Request) -> Request | None:
        number = os.fork()
        if not number:
            self._become(request)
            return request
        *streams, tell = request.files
        for stream in streams:
            os.close(stream)
        self._tells[number] = tell
        _tell(tell, number)
        return None

    def _become(self, request: Request) -> None:
        """What ``exec`` would make of a process."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, self._interrupt)
        stdout, stderr, _ = request.files
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        self._connection.detach()
        os.closerange(_STREAMS, os.sysconf("SC_OPEN_MAX"))
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
        os.environ.clear()
        os.environ.update(request.environment)
        time.tzset()

    def _reap(self, how: int) -> None:
        """Tell the ends of those that have ended, or with 0 for ``how`` of all, when they have."""
        while self._tells:
            number, status = os.waitpid(-1, how)
            if not number:
                return
            tell = self._tells.pop(number)
            _tell(tell, os.waitstatus_to_exitcode(status))
            os.close(tell)

    def _kill_all(self) -> None:
        for number in self._tells:
            os.kill(number, signal.SIGKILL)
        self._reap(0)


def _tell(where: int, number: int) -> None:
    try:
        os.write(where, NUMBER.pack(number))
    except BrokenPipeError:
        return  # nobody waits for it


def main() -> None:
    gc.disable()
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
    request = Forker(socket.socket(fileno=int(sys.argv[1]))).serve()
    if request is None:
        return
    module, *arguments = request.words
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
