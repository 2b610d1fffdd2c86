"""Requests that have to wait for their turn, so that no more of them leave per second than is allowed."""

from __future__ import annotations

import asyncio

from bridge.engine.calling.token_bucket import TokenBucket
from bridge.ports import Clock

SHORTEST_SLEEP = 0.001
"""Seconds: what lacks of a request by rounding alone is no time that a clock can tell."""


class Budget:
    """``per_second`` requests, in the order in which they are asked for; those of ``saved_seconds`` may be saved up."""

    def __init__(self, clock: Clock, per_second: float, *, saved_seconds: float = 1.0) -> None:
        self._clock = clock
        self._bucket = TokenBucket(per_second, clock.monotonic(), saved_seconds=saved_seconds)
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Wait for the next one."""
        async with self._turn:
            while not self._bucket.take(self._clock.monotonic()):
                await self._clock.sleep(max(SHORTEST_SLEEP, self._bucket.seconds_until_next() or 0.0))

    def give_back(self) -> None:
        """The last one does not count."""
        self._bucket.give_back()
