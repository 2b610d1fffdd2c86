"""Records whose schema the registry has not told yet: their partition waits, bounded; the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.requests import SchemaUnavailable
from bridge.ports import Clock, Delivery


class SchemaWaits:
    """At most one waiting record per partition: intake is in offset order."""

    def __init__(
        self,
        clock: Clock,
        refresh: Callable[[int], Awaitable[None]],
        *,
        patience: timedelta = timedelta(seconds=60),
        every: timedelta = timedelta(seconds=2),
    ) -> None:
        self._clock = clock
        self._refresh = refresh
        self.wake: Callable[[], None] = lambda: None
        """Wakes the journal loop; set when it is wired."""
        self._patience = patience
        self._every = every
        self._since: dict[Birth, float] = {}
        self._asking: dict[TopicPartition, asyncio.Task[None]] = {}

    def gave_up(self, delivery: Delivery) -> bool:
        """True when this record has waited long enough; it is dead-lettered then."""
        since = self._since.get(delivery.birth)
        if since is None:
            return False
        if self._clock.monotonic() - since < self._patience.total_seconds():
            return False
        del self._since[delivery.birth]
        return True

    def wait(self, delivery: Delivery, unavailable: SchemaUnavailable) -> None:
        """Ask the registry in the background; the journal loop is woken when it is worth looking again."""
        self._since.setdefault(delivery.birth, self._clock.monotonic())
        running = self._asking.get(delivery.partition)
        if running is None or running.done():
            asking = asyncio.ensure_future(self._ask(unavailable.schema_id))
            self._asking[delivery.partition] = asking

    async def close(self) -> None:
        for asking in self._asking.values():
            asking.cancel()

    async def _ask(self, schema_id: int) -> None:
        await self._refresh(schema_id)
        # Without a pause an unreachable registry would be asked as fast as it refuses connections.
        await self._clock.sleep(self._every.total_seconds())
        self.wake()
