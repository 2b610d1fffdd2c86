"""How looks are made: until one is whole, and again where a call could still be on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bridge.core.inputs import Looked
from bridge.core.lifecycle import Lifecycle
from bridge.core.rules import Backoff
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.unanswered import NotNow
from bridge.engine.waiting import back_off
from bridge.ports import Clock, Observer

CONCURRENT_LOOKS = 16
"""Looks made at the same time: a restart can bring thousands, and VCD serves others too."""

_BACKOFF = Backoff(cap=timedelta(seconds=30))


@dataclass(frozen=True, slots=True)
class Pause:
    """How long to wait before looking again, and what for."""

    length: timedelta
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleTimes:
    """How long a call may still be on its way: the lease of a dead owner, and the time VCD may take to answer."""

    lease: timedelta
    answer: timedelta

    def of(self, *, dead_owner: bool) -> Pause:
        answers = f"VCD may take {self.answer.total_seconds():g} s to act on a call that is on its way"
        if not dead_owner:
            return Pause(self.answer, answers)
        lease = f"its last owner may have sent it {self.lease.total_seconds():g} s late"
        return Pause(self.answer + self.lease, f"{answers}, and {lease}")

    def unseen(self) -> Pause:
        """Before a Task that is not shown any more counts as gone."""
        return Pause(self.answer, "a cell of VCD may not know a Task for a while")


@dataclass(slots=True)
class Seen:
    """What a look has gathered so far. ``incomplete``: what could not be looked at."""

    evidence: list[str] = field(default_factory=list)
    incomplete: str | None = None


LookOnce = Callable[[], Awaitable[Looked]]
"""One look. Raises NotNow."""


class Patience:
    """Makes looks of all kinds, some at a time."""

    def __init__(self, clock: Clock, observer: Observer) -> None:
        self._clock = clock
        self._observer = observer
        self._free = asyncio.Semaphore(CONCURRENT_LOOKS)

    async def whole(self, owned: OwnedPartition, lifecycle: Lifecycle, look_once: LookOnce) -> Looked | None:
        """A look that VCD has answered whole. None: the partition is not ours any more."""
        failures = 0
        told: tuple[str, ...] = ()
        while not owned.closed:
            try:
                async with self._free:
                    look = await look_once()
                return replace(look, evidence=(*told, *look.evidence))
            except NotNow as not_now:
                if not failures:
                    self._observer.look_put_off(lifecycle, str(not_now))
                told = (f"VCD could not be asked {failures + 1} times before: {not_now}",)
                await back_off(self._clock, _BACKOFF, failures)
                failures += 1
        return None

    async def again(
        self, owned: OwnedPartition, lifecycle: Lifecycle, before: Looked, pause: Pause, look_once: LookOnce
    ) -> Looked | None:
        """A further look after that time, with the evidence of both."""
        seconds = pause.length.total_seconds()
        self._observer.look_again_later(lifecycle, seconds, pause.why, before.evidence)
        await self._clock.sleep(seconds)
        look = await self.whole(owned, lifecycle, look_once)
        if look is None:
            return None
        between = f"looked again {seconds:g} s later: {pause.why}"
        return replace(look, evidence=(*before.evidence, between, *look.evidence))
