"""One heap of wake-up times for all lifecycles."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from datetime import datetime

from bridge.core.coordinates import Birth

SLACK = 1000
"""Entries that may be superseded before the heap is built anew, besides as many as there are lifecycles."""


class Timers:
    """Wake-up times by lifecycle; its newest time counts, older entries are skipped when they come up.

    A time that is put off again and again, each time by days, would leave an entry each time: the heap is built anew
    before most of it is such entries.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, Birth]] = []
        self._due: dict[Birth, datetime] = {}
        self.changed = asyncio.Event()
        """Set when the earliest time may have moved."""

    def set(self, birth: Birth, when: datetime | None) -> None:
        if when is None:
            self._due.pop(birth, None)
        elif self._due.get(birth) != when:
            self._due[birth] = when
            heapq.heappush(self._heap, (when, birth))
            if len(self._heap) > 2 * len(self._due) + SLACK:
                self._heap = [(due, one) for one, due in self._due.items()]
                heapq.heapify(self._heap)
            self.changed.set()

    def next(self) -> datetime | None:
        """The earliest time at which something is due."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: datetime) -> Iterator[Birth]:
        """Remove and yield every lifecycle that is due."""
        while (when := self.next()) is not None and when <= now:
            _, birth = heapq.heappop(self._heap)
            del self._due[birth]
            yield birth
