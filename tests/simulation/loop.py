"""An asyncio loop in virtual time: it never waits, it jumps to the next timer. Runs the engine unchanged."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

Result = TypeVar("Result")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Stuck(AssertionError):
    """Nothing is scheduled any more: somebody waits for something that will never come."""


class _Jumping(selectors.DefaultSelector):
    """A selector whose waits move the clock instead of passing time."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck("no timer is set and nothing is ready")
        self.elapsed += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its ``time()`` is virtual."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.elapsed


class VirtualClock:
    """The engine's Clock port on a virtual loop. ``ahead``: how wrong the host's wall clock is."""

    def __init__(self, loop: asyncio.AbstractEventLoop, random: Random, ahead: timedelta = timedelta()) -> None:
        self._loop = loop
        self._random = random
        self.ahead = ahead

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.time()) + self.ahead

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return self._random.random()


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), 60))
        loop.close()
