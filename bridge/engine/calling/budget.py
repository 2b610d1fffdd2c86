"""Requests that have to wait for their turn, so that no more of them leave per second than is allowed."""

from __future__ import annotations

import asyncio

from bridge.engine.calling.token_bucket import TokenBucket
from bridge.ports import Clock

SHORTEST_SLEEP = 0.001
"""Seconds: what lacks of a request by rounding alone is no time that a clock can tell."""


class Budget:
    """``per_second`` requests, in the order in which they are asked for; what ``saved_seconds`` give may be saved up.

    Two queues take turns: what is asked for one by one does not wait behind a long list, nor the list for ever.
    """

    def __init__(self, clock: Clock, per_second: float, *, saved_seconds: float = 1.0) -> None:
        self._clock = clock
        self._bucket = TokenBucket(per_second, clock.monotonic(), saved_seconds=saved_seconds)
        self._queues = {aside: asyncio.Lock() for aside in (False, True)}
        self._last_aside = False

    async def take(self, *, aside: bool = False) -> None:
        """Wait for the next one; ``aside``: in the second queue."""
        async with self._queues[aside]:
            while (self._last_aside is aside and self._queues[not aside].locked()) or not self._bucket.take(
                self._clock.monotonic()
            ):
                await self._clock.sleep(max(SHORTEST_SLEEP, self._bucket.seconds_until_next() or 0.0))
            self._last_aside = aside

    async def credit(self) -> None:
        """Wait until no more is owed than may be saved up."""
        while (seconds := self._bucket.seconds_until_credit(self._clock.monotonic())) > 0:
            await self._clock.sleep(max(SHORTEST_SLEEP, seconds))

    def owe(self) -> None:
        """One that has not been waited for."""
        self._bucket.owe()

    def give_back(self) -> None:
        """The last one does not count."""
        self._bucket.give_back()
