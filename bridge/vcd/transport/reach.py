"""Whether VCD can be reached: told once when it cannot any more, and once when it can again."""

from __future__ import annotations

from bridge.ports import Clock
from bridge.vcd.config import EventLog
from bridge.vcd.transport.classifier import Verdict

_SILENT = frozenset({"connect_failed", "connect_timeout", "no_answer"})
"""Faults of a VCD that is not there. A lost connection is none: most often the other side was just closing it."""


class Reach:
    """Hears of every exchange with VCD."""

    def __init__(self, clock: Clock, log: EventLog | None = None) -> None:
        self._clock = clock
        self._log = log
        self._answered_at = float("-inf")
        self._lost_at: float | None = None

    def answered(self) -> None:
        """VCD has answered, whatever it said."""
        self._answered_at = now = self._clock.monotonic()
        if self._lost_at is not None and self._log is not None:
            self._log.info("vcd.reachable", after_seconds=round(now - self._lost_at, 3))
        self._lost_at = None

    def unanswered(self, began: float, verdict: Verdict) -> None:
        """An exchange that began then (monotonic seconds) brought no answer.

        One slow call among others that are answered is no outage, so nothing may have been answered since it began.
        """
        if verdict.code not in _SILENT or began < self._answered_at or self._lost_at is not None:
            return
        self._lost_at = self._clock.monotonic()
        if self._log is not None:
            self._log.warning("vcd.unreachable", code=verdict.code, reason=verdict.message)
