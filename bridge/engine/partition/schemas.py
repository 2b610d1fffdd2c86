"""Records whose schema the registry has not told yet: their partition waits, bounded; the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from bridge.core.requests import SchemaAnswer
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.ports import Clock, Observer


@dataclass(slots=True, eq=False)
class _Wait:
    """One id. ``since``: monotonic seconds when the first record began to wait for it. ``unanswered_at``: when its
    patience was over and the registry had still not been able to say."""

    since: float
    unanswered_at: float | None = None
    asking: asyncio.Task[None] | None = None
    partitions: list[OwnedPartition] = field(default_factory=list)


class SchemaWaits:
    """The ids that are waited for. ``refresh`` asks the registry for one; ``wake`` wakes the journal loop.

    Patience belongs to the id, not to the record: of a hundred records with one unknown id the first waits and the
    others follow it at once. The registry is asked again before a later one is given up.
    """

    def __init__(
        self,
        clock: Clock,
        refresh: Callable[[int], Awaitable[SchemaAnswer]],
        observer: Observer,
        *,
        patience: timedelta = timedelta(seconds=60),
        every: timedelta = timedelta(seconds=2),
    ) -> None:
        self._clock = clock
        self._refresh = refresh
        self._observer = observer
        self._patience = patience.total_seconds()
        self._every = every.total_seconds()
        self._waits: dict[int, _Wait] = {}
        self.wake: Callable[[], None] = lambda: None
        """Set when the journal loop is wired."""

    def gave_up(self, owned: OwnedPartition, schema_id: int) -> bool:
        """True when the id has been waited for long enough, and the registry was asked a moment ago."""
        wait = self._waits.get(schema_id)
        if wait is None or wait.unanswered_at is None:
            return False
        return owned.waits_for_schema == schema_id or self._clock.monotonic() - wait.unanswered_at < self._every

    def wait(self, owned: OwnedPartition, schema_id: int) -> None:
        """The partition's next record waits; the journal loop is woken as soon as it is worth looking again."""
        now = self._clock.monotonic()
        self._forget(now)
        wait = self._waits.setdefault(schema_id, _Wait(now))
        if owned.waits_for_schema != schema_id:
            owned.waits_for_schema = schema_id
            wait.partitions.append(owned)
            self._observer.schema_waiting(owned.partition, schema_id)
        if wait.asking is None:
            wait.unanswered_at = None
            wait.asking = asyncio.ensure_future(self._ask(schema_id, wait))

    async def _ask(self, schema_id: int, wait: _Wait) -> None:
        end = wait.since + self._patience
        while (answer := await self._refresh(schema_id)) is SchemaAnswer.UNANSWERED:
            left = end - self._clock.monotonic()
            if left <= 0 or all(owned.closed for owned in wait.partitions):
                break
            # Without a pause an unreachable registry would be asked as fast as it refuses connections.
            await self._clock.sleep(min(self._every, left))
        wait.asking = None
        waited, wait.partitions = wait.partitions, []
        if answer is SchemaAnswer.UNANSWERED and self._clock.monotonic() >= end:
            wait.unanswered_at = self._clock.monotonic()
        else:
            del self._waits[schema_id]
        for owned in waited:
            if not owned.closed:
                self._observer.schema_answered(owned.partition, schema_id, answer)
        self.wake()

    def _forget(self, now: float) -> None:
        """An id that nobody has asked for since so long begins anew: the registry may have been back meanwhile."""
        for schema_id, wait in list(self._waits.items()):
            if wait.asking is None and wait.unanswered_at is not None and now - wait.unanswered_at > self._patience:
                del self._waits[schema_id]
