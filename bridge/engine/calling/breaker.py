"""The circuit breaker: a VCD that does not answer is spared. Pure: who uses it says what happened, and when to go on.

A request that waits is better than one whose outcome nobody knows. So while it is open no call leaves, not even to try:
what finds out whether VCD is back is a read (``probing``), and only then one call at a time leaves, until one is
answered.

A VCD that answers reads and fails at calls is no VCD that is away: a vCenter behind it may be, or the requests that
come first may be such that it fails at each. Then a call tries it at a steady, short pace: others wait behind those.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class BreakerState(StrEnum):
    """What may leave."""

    CLOSED = "closed"
    """Everything."""
    OPEN = "open"
    """Nothing."""
    HALF_OPEN = "half_open"
    """One call at a time."""


Tell = Callable[[BreakerState, str], None]


class Breaker:
    """``failures`` in a row open it. ``pause_seconds`` doubles from ``shortest`` to ``longest`` with each try that is
    not answered at all."""

    def __init__(self, *, failures: int, shortest: float, longest: float) -> None:
        self._most_failures = failures
        self._shortest, self._longest = min(shortest, longest), longest
        self._failures = 0
        self.state = BreakerState.CLOSED
        self.pause_seconds = self._shortest
        """How long VCD is left alone from an opening on before it is tried again."""
        self.tell: Tell = lambda state, reason: None
        """Told of each change, with what brought it about."""

    def lets_out(self, *, out: int) -> bool:
        """Whether one more call may leave while ``out`` are out."""
        return self.state is BreakerState.CLOSED or (self.state is BreakerState.HALF_OPEN and out == 0)

    def answered(self) -> None:
        """VCD answered a call, whatever it said."""
        self._failures, self.pause_seconds = 0, self._shortest
        self._become(BreakerState.CLOSED, "VCD answered a call")

    def failed(self, reason: str, *, answered: bool = False) -> None:
        """VCD did not answer a call; ``answered``: it did, and failed at it. What was out when it opened brings no
        news."""
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN:
            if answered:
                self.pause_seconds = self._shortest
            else:
                self._lengthen()
            self._become(BreakerState.OPEN, f"the call that tried failed: {reason}")
        elif self._failures >= self._most_failures:
            self._become(BreakerState.OPEN, f"{self._failures} calls in a row failed, the last: {reason}")

    def tried(self, *, answered: bool) -> None:
        """The pause is over, and a read was made. Does nothing where the breaker is not open any more."""
        if self.state is not BreakerState.OPEN:
            return
        if answered:
            self._become(BreakerState.HALF_OPEN, "VCD answered a read")
        else:
            self._lengthen()

    def _lengthen(self) -> None:
        self.pause_seconds = min(2 * self.pause_seconds, self._longest)

    def _become(self, state: BreakerState, reason: str) -> None:
        if self.state is not state:
            self.state = state
            self.tell(state, reason)
