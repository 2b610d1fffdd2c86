"""Asks VCD before a call, until it has answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from bridge.core.answers import ReadRefused, ReferenceAbsent, Unavailable
from bridge.core.coordinates import Birth
from bridge.core.inputs import NotReferenced, ReferenceUnanswered
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.rules import Backoff
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.waiting import back_off
from bridge.ports import Clock

CONCURRENT = 8
"""Questions that are asked at the same time."""

WORTH_TELLING = 5
"""Tries without an answer after which it is told."""

_BACKOFF = Backoff(cap=timedelta(seconds=30))

Tell = Callable[[ReferenceUnanswered], None]
_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class Asked:
    """For whom something is asked, and until when that may stay unanswered."""

    owned: OwnedPartition
    birth: Birth
    until: datetime
    tell: Tell
    told: bool = False

    @property
    def is_wanted(self) -> bool:
        lifecycle = self.owned.lifecycles.get(self.birth)
        return not self.owned.closed and lifecycle is not None and lifecycle.phase is Phase.RESOLVING

    def unanswered(self, said: ReferenceUnanswered, now: datetime) -> None:
        if not self.told or now >= self.until:
            self.told = True
            self.tell(said)


class Asking:
    """Asks what lifecycles have to know before their first call. ``longest_wait``: how long an outage rejects
    nothing."""

    def __init__(self, clock: Clock, longest_wait: timedelta) -> None:
        self._clock = clock
        self._longest_wait = longest_wait
        self._free = asyncio.Semaphore(CONCURRENT)

    def of(self, owned: OwnedPartition, lifecycle: Lifecycle, tell: Tell) -> Asked:
        """``tell`` is called when VCD has not answered for several tries, and again when it has not for too long."""
        return Asked(owned, lifecycle.birth, lifecycle.received_at + self._longest_wait, tell)

    async def answer(
        self, asked: Asked, field: str, ask: Callable[[], Awaitable[_Answer | Unavailable]]
    ) -> _Answer | None:
        """What VCD says; ``field`` names what of the record is asked about. None: nobody wants to know any more."""
        failures = 0
        while asked.is_wanted:
            # Not held while waiting: one object that VCD cannot tell of must not keep others from being read.
            async with self._free:
                reading = await ask()
            if not isinstance(reading, Unavailable):
                return reading
            if failures + 1 >= WORTH_TELLING:
                asked.unanswered(ReferenceUnanswered(field, reading.message), self._clock.now())
            await back_off(self._clock, _BACKOFF, failures)
            failures += 1
        return None

    async def wait(self, length: timedelta) -> None:
        """Before it is asked again."""
        await self._clock.sleep(length.total_seconds())


def not_referenced(field: str, reading: ReferenceAbsent | ReadRefused) -> NotReferenced:
    """That VCD shows nothing under what ``field`` of the record names, in VCD's words."""
    if isinstance(reading, ReadRefused):
        return NotReferenced(field, f"VCD answered {reading.http_status}: {reading.message}")
    return NotReferenced(field, reading.message)
