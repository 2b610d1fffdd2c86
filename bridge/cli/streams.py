"""Standard output and standard error while a verb runs: what happens when nobody takes what is written."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from bridge.errors import BridgeError


class OutputFailed(BridgeError):
    """Standard output takes nothing: it is closed, or its disk is full."""

    exit_code = 1


class ReaderLeft(Exception):
    """Whoever read standard output has gone: no error, it has seen enough (``| head``)."""


class Output:
    """Standard output, whoever writes to it: a verb, a table, the help. Raises OutputFailed or ReaderLeft."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            # A terminal of another encoding gets question marks; JSON is written in ASCII.
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        with self._told() as stream:
            return stream.write(text)

    def flush(self) -> None:
        if self._stream is not None:
            with self._told() as stream:
                stream.flush()

    @contextmanager
    def _told(self) -> Iterator[TextIO]:
        if self._stream is None:
            raise OutputFailed("standard output is closed")
        try:
            yield self._stream
        except OSError as error:
            _discard(self._stream)
            if isinstance(error, BrokenPipeError):
                raise ReaderLeft from None
            raise OutputFailed(f"standard output cannot be written: {error.strerror or error}") from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream if self._stream is not None else io.StringIO(), name)


class Remarks:
    """Standard error: what cannot be written is lost and stops nothing."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream if stream is not None else io.StringIO()

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, call: Callable[[], object]) -> None:
        try:
            call()
        except OSError:
            _discard(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def guarded() -> Iterator[None]:
    """The process's streams, guarded; afterwards they are as they were."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = cast(TextIO, Output(sys.stdout)), cast(TextIO, Remarks(sys.stderr))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _discard(stream: TextIO) -> None:
    """What is buffered still would fail once more when the interpreter ends, and change its exit code."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
