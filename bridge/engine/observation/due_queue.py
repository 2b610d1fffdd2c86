"""Tasks that are to be read, each at its time."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from bridge.engine.waiting import until_set
from bridge.ports import Clock

MAX_WAITING = 1_000
"""Tasks that wait to be read; what comes in excess is left to the next look."""
CONCURRENT_READS = 8


class DueQueue:
    """By the URN of a Task, each once. ``free``: readings that may be made at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, str]] = []
        self._waiting: set[str] = set()
        self._order = itertools.count()
        self._more = asyncio.Event()
        self.free = asyncio.Semaphore(CONCURRENT_READS)

    def takes(self, urn: str) -> bool:
        """Whether it is not there yet, and there is room for it."""
        return urn not in self._waiting and len(self._waiting) < MAX_WAITING

    def put(self, urn: str, due: float) -> None:
        """``due``: monotonic seconds."""
        self._waiting.add(urn)
        heapq.heappush(self._heap, (due, next(self._order), urn))
        self._more.set()

    async def next(self) -> str:
        """The one that is due first, when it is: whoever names it from here on has it read again."""
        while (seconds := self._heap[0][0] - self._clock.monotonic() if self._heap else None) is None or seconds > 0:
            self._more.clear()
            await until_set(self._more, seconds)
        _, _, urn = heapq.heappop(self._heap)
        self._waiting.discard(urn)
        return urn
