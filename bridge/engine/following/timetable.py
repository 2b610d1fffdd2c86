"""A slot of its own for every reading, so that those that come due together do not wait for each other."""

from __future__ import annotations

import math


class Timetable:
    """Slots of ``1 / per_second`` seconds on the monotonic clock, one reading each."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._taken: set[int] = set()

    def take(self, now: float, latest: float) -> int | None:
        """The latest free slot between ``now`` and ``latest``; None where all are taken."""
        first, slot = math.floor(now * self._per_second) + 1, math.floor(latest * self._per_second)
        while slot >= first:
            if slot not in self._taken:
                self._taken.add(slot)
                return slot
            slot -= 1
        return None

    def time(self, slot: int) -> float:
        return slot / self._per_second

    def leave(self, slot: int | None) -> None:
        """The slot is over, or not needed any more."""
        if slot is not None:
            self._taken.discard(slot)
