"""How looks are made: until one is whole, and again where a call could still be on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bridge.core.inputs import Looked
from bridge.core.rules import Backoff
from bridge.engine.partition import OwnedPartition
from bridge.ports import Clock

CONCURRENT_LOOKS = 16
"""Looks made at the same time: a restart can bring thousands, and VCD serves others too."""


class NotNow(Exception):
    """VCD could not be asked; the look is made again later. Says nothing about the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleTimes:
    """How long a call may still be on its way: the lease of a dead owner, and the time VCD may take to answer."""

    lease: timedelta
    answer: timedelta

    def of(self, *, dead_owner: bool) -> timedelta:
        return self.answer + self.lease if dead_owner else self.answer


@dataclass(slots=True)
class Seen:
    """What a look has gathered so far. ``incomplete``: what could not be looked at."""

    evidence: list[str] = field(default_factory=list)
    incomplete: str | None = None


LookOnce = Callable[[], Awaitable[Looked]]
"""One look. Raises NotNow."""


class Patience:
    """Makes looks of all kinds, some at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._backoff = Backoff(cap=timedelta(seconds=30))
        self._free = asyncio.Semaphore(CONCURRENT_LOOKS)

    async def whole(self, owned: OwnedPartition, look_once: LookOnce) -> Looked | None:
        """A look that VCD has answered whole. None: the partition is not ours any more."""
        failures = 0
        while not owned.closed:
            try:
                async with self._free:
                    return await look_once()
            except NotNow:
                delay = self._backoff.delay(failures, self._clock.random())
                failures += 1
                await self._clock.sleep(delay.total_seconds())
        return None

    async def again(
        self, owned: OwnedPartition, before: Looked, after: timedelta, look_once: LookOnce
    ) -> Looked | None:
        """A further look after that time, with the evidence of both."""
        seconds = after.total_seconds()
        await self._clock.sleep(seconds)
        look = await self.whole(owned, look_once)
        if look is None:
            return None
        return replace(look, evidence=(*before.evidence, f"looked again {seconds:g} s later", *look.evidence))
