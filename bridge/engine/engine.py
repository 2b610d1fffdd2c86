"""The engine: its loops start, run, and stop in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bridge.core.coordinates import TopicPartition
from bridge.core.freeze import Freeze
from bridge.engine.ownership import Ownership
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.parts import Parts
from bridge.engine.waking import Waking


class Engine:
    """One bridge process's work."""

    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self._ownership = Ownership(parts)
        self._waking = Waking(parts.clock, parts.rounds, parts.rules)
        parts.runner.feedback = parts.rounds
        if parts.orphans is not None:
            parts.runner.found_twice = parts.orphans.begin
        parts.follower.feed = parts.rounds.feed
        if parts.watch is not None:
            parts.watch.feed = parts.rounds.feed
        parts.follower.hurry_waiting = parts.rounds.hurry
        parts.follower.partitions = lambda: list(parts.rounds.partitions.values())

    @property
    def is_ready(self) -> bool:
        """Joined its group, restored all that it was given, VCD session up."""
        return self._ownership.is_whole and self._p.gateway.session_ready

    @property
    def session_ready(self) -> bool:
        """The VCD session is up."""
        return self._p.gateway.session_ready

    @property
    def freeze(self) -> Freeze | None:
        """Why nothing is called that changes VCD; None: the group is not frozen."""
        return self._p.brake.freeze

    @property
    def call_limit(self) -> int:
        """Calls that may be out at once, as VCD has answered so far; 0 while the breaker is open."""
        return self._p.permits.limit

    @property
    def breaker(self) -> str:
        """``closed``, ``open`` or ``half_open``."""
        return str(self._p.permits.breaker.state)

    def stalled(self, seconds: float) -> list[str]:
        """Loops that have made no progress for so long, though they should have."""
        now = self._p.clock.monotonic()
        late = []
        if self._p.rounds.is_busy and now - self._p.rounds.last_progress > seconds:
            late.append("journal")
        if now - self._p.follower.last_progress > seconds:
            late.append("follower")
        if self._p.watch is not None and self._p.watch.is_stalled(seconds):
            late.append("watch")
        if self._p.lookout is not None and self._p.lookout.is_stalled(seconds):
            late.append("lookout")
        return late

    @property
    def not_taken(self) -> Mapping[TopicPartition, str]:
        """Assigned partitions that must not be worked on, with the reason; the others go on."""
        return self._ownership.not_taken

    @property
    def partitions(self) -> Mapping[TopicPartition, OwnedPartition]:
        """What this process owns now."""
        return self._p.rounds.partitions

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        """Work until ``stop`` is set, then drain and leave. Raises what breaks a loop."""
        p = self._p
        await p.gateway.open()
        await p.journal.open()
        await p.brake.open()
        await p.inbox.open()
        work = [
            self._ownership.run(),
            p.rounds.run(),
            p.follower.run(),
            self._waking.run(),
            p.brake.run(),
            p.probing.run(),
        ]
        if p.watch is not None:
            work.append(p.watch.run())
        if p.lookout is not None:
            work.append(p.lookout.run())
        if p.hints is not None:
            work.append(p.hints.run())
        loops = [asyncio.ensure_future(loop) for loop in work]
        announcement = asyncio.ensure_future(self._announce(on_ready))
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await self._until_stopped(loops, stopped)
        finally:
            stopped.cancel()
            for loop in (*loops, announcement):
                loop.cancel()
            await asyncio.gather(*loops, announcement, return_exceptions=True)
            await self._close()

    async def _until_stopped(self, loops: Sequence[asyncio.Task[Any]], stopped: asyncio.Task[Any]) -> None:
        done, _ = await asyncio.wait({*loops, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for loop in done - {stopped}:
            loop.result()
        # The reading loop goes on: leaving the group hands the partitions over through it.
        shutdown = asyncio.ensure_future(self._ownership.leave())
        done, _ = await asyncio.wait({*loops, shutdown}, return_when=asyncio.FIRST_COMPLETED)
        if shutdown not in done:
            shutdown.cancel()
        for finished in done:
            finished.result()

    async def _close(self) -> None:
        p = self._p
        self._ownership.close()
        await p.runner.close()
        # A look of the runner may have found some.
        if p.orphans is not None:
            await p.orphans.close()
        await p.journal.close()
        await p.store.close()
        await p.brake.close()
        await p.gateway.close()

    async def _announce(self, on_ready: Callable[[], None]) -> None:
        await self._ownership.ready.wait()
        on_ready()
