"""Tells when a blocking client call does not return any more.

Such a thread cannot be interrupted; only ending the process helps. While this whole process was stopped (SIGSTOP, a
paused virtual machine) a call had no time to return, so one look counts a second at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_CHECK_SECONDS = 0.5
_LONGEST_STEP_SECONDS = 1.0


class Watchdog:
    """Watches one thread, which says what it begins and when it rests.

    ``on_hung(message)`` is called once, from a thread of the watchdog's own, when nothing was said for
    ``bound_seconds`` while something was under way.
    """

    def __init__(self, name: str, *, bound_seconds: float, on_hung: Callable[[str], None]) -> None:
        self._name = name
        self._bound = bound_seconds
        self._on_hung = on_hung
        self._doing: str | None = None
        self._busy_seconds = 0.0
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name=f"{name}-watchdog", daemon=True).start()

    def begin(self, doing: str) -> None:
        """The next blocking call begins; it is counted from here."""
        self._busy_seconds = 0.0
        self._doing = doing

    def rest(self) -> None:
        """Nothing is under way."""
        self._doing = None

    def close(self) -> None:
        self._closed.set()

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._closed.wait(_CHECK_SECONDS):
            now = time.monotonic()
            passed, last = min(now - last, _LONGEST_STEP_SECONDS), now
            doing = self._doing
            if doing is None:
                continue
            self._busy_seconds += passed
            if self._busy_seconds > self._bound:
                self._on_hung(f"{self._name}: {doing} has not returned for {self._bound:.0f} s")
                return
