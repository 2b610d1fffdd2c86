"""How many calls VCD takes at once: found out by additive increase and multiplicative decrease. Pure.

It grows by one for each round of answers that it was used for, and shrinks by a part for each round in which VCD
showed that it has too much: no answer, a failure of its own, 429, or answers that take clearly longer than they did.
What VCD says about the request itself (refused, busy entity) says nothing about its load.
"""

from __future__ import annotations

from dataclasses import dataclass

SHRINKS_TO = 0.7
"""Of the limit, for each round with a sign of overload."""
SLOWER_TIMES = 2.0
SLOWER_SECONDS = 0.25
"""An operation is slow when it takes so many times as long as at its best and so much more: a stumble of one's own
machine over answers of milliseconds is none of VCD's."""
_SMOOTHING = 0.02
"""Weight of one answer in an operation's mean: about the last fifty count."""
_ALONE = 0.2
"""Weight of a call that was out alone: it shows what VCD takes by itself, which may have become more for good. In
company it could be the company that slows it, and to believe that would raise the limit without end."""
_FIRST = 5
"""So many answers make the first mean: one lucky answer is no measure."""


@dataclass(slots=True)
class _Pace:
    """How long answers to one operation take, in seconds: on the mean now, and at its best."""

    count: int = 0
    mean: float = 0.0
    best: float = 0.0

    def slowed_by(self, seconds: float, *, alone: bool) -> bool:
        """Take one more answer in. Whether it is slow, and not it alone."""
        self.count += 1
        weight = max(1.0 / self.count, _ALONE if alone else _SMOOTHING)
        self.mean += weight * (seconds - self.mean)
        if self.count <= _FIRST:
            self.best = self.mean
            return False
        if alone:
            self.best += weight * (self.mean - self.best)
        self.best = min(self.best, self.mean)
        return min(seconds, self.mean) > SLOWER_TIMES * self.best + SLOWER_SECONDS


class CallLimit:
    """A number of calls between ``least`` and ``most``. Times are monotonic seconds."""

    def __init__(self, most: int, *, least: int = 1) -> None:
        """It begins with ``most``: what the settings allow is right until VCD shows otherwise."""
        self._least, self._most = min(least, most), most
        self._value = float(most)
        self._shrunk_at = float("-inf")
        self._paces: dict[str, _Pace] = {}

    @property
    def value(self) -> int:
        """Calls that may be out at once."""
        return int(self._value)

    def answered(self, operation: str, *, began: float, now: float, in_use: int) -> None:
        """VCD answered a call that left at ``began``; ``in_use``: calls that were out, this one among them."""
        seconds = now - began
        pace = self._paces.setdefault(operation, _Pace())
        if pace.slowed_by(seconds, alone=in_use == 1):
            self._shrink(began, now)
        elif 2 * in_use >= self._value:
            # A limit that nobody comes near proves nothing by being kept.
            self._value = min(float(self._most), self._value + 1.0 / self._value)

    def overloaded(self, *, began: float, now: float) -> None:
        """VCD did not answer a call that left at ``began``, failed at it, or asked for fewer."""
        self._shrink(began, now)

    def _shrink(self, began: float, now: float) -> None:
        """Once for all calls that were out together: what left before the last time is of no news."""
        if began >= self._shrunk_at:
            self._value = max(float(self._least), self._value * SHRINKS_TO)
            self._shrunk_at = now
