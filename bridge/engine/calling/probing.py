"""Finds out whether a VCD that was spared is back, with reads: a call that fails may leave its request in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.core.answers import TaskQuery, Unavailable
from bridge.engine.calling.breaker import Breaker, BreakerState
from bridge.ports import Clock, Observer, VcdGateway

_PROBE = TaskQuery(own_only=True, statuses=("running",), page_size=1)
"""What following cannot do without, and as small as it can be."""


class Probing:
    """Keeps a breaker. ``wake``: calls may leave again, if only one."""

    def __init__(
        self, breaker: Breaker, clock: Clock, gateway: VcdGateway, observer: Observer, wake: Callable[[], None]
    ) -> None:
        self._breaker = breaker
        self._clock = clock
        self._gateway = gateway
        self._observer = observer
        self._wake = wake
        self._opened = asyncio.Event()
        self._opened_at: float | None = None
        breaker.tell = self._moved

    async def run(self) -> None:
        """Until canceled."""
        while True:
            await self._opened.wait()
            self._opened.clear()
            while self._breaker.state is BreakerState.OPEN:
                await self._clock.sleep(self._breaker.pause_seconds)
                if self._breaker.state is BreakerState.OPEN:
                    self._breaker.tried(answered=await self._is_back())

    async def _is_back(self) -> bool:
        return not isinstance(await self._gateway.query_tasks(_PROBE), Unavailable)

    def _moved(self, state: BreakerState, reason: str) -> None:
        now = self._clock.monotonic()
        began = now if self._opened_at is None else self._opened_at
        self._opened_at = None if state is BreakerState.CLOSED else began
        if state is BreakerState.OPEN:
            self._opened.set()
        else:
            self._wake()
        self._observer.breaker_moved(state, reason, now - began)
