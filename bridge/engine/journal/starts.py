"""Who may start next: lifecycles whose lane is free and whose wait is over, first come first served."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from bridge.core.coordinates import Birth
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.engine.partition.owned_partition import OwnedPartition

_STARTABLE = frozenset({Phase.RECEIVED, Phase.WAITING})


class Starts:
    """A queue of lifecycles that only lack a permit."""

    def __init__(self) -> None:
        self._queue: deque[tuple[OwnedPartition, Birth]] = deque()
        self._queued: set[tuple[Birth, int]] = set()

    def __len__(self) -> int:
        return len(self._queue)

    def consider(self, owned: OwnedPartition, lifecycle: Lifecycle, now: datetime, *, hurry: bool = False) -> None:
        """Queue a lifecycle if it may start; ``hurry``: what it waited for is over."""
        entry = (lifecycle.birth, owned.epoch)
        if entry not in self._queued and _may_start(owned, lifecycle, now, hurry=hurry):
            self._queued.add(entry)
            self._queue.append((owned, lifecycle.birth))

    def consider_lane(self, owned: OwnedPartition, lane: str, now: datetime) -> None:
        """A lane moved: its head may be free."""
        head = owned.lanes.head(lane)
        if head is not None:
            self.consider(owned, owned.lifecycles[head], now)

    def pop(self) -> tuple[OwnedPartition, Birth] | None:
        """The next lifecycle that may still start; stale entries are skipped."""
        while self._queue:
            owned, birth = self._queue.popleft()
            self._queued.discard((birth, owned.epoch))
            lifecycle = owned.lifecycles.get(birth)
            if lifecycle is not None and _stands(owned, lifecycle):
                return owned, birth
        return None

    def push_back(self, owned: OwnedPartition, birth: Birth) -> None:
        """Return one that could not be granted to the front."""
        entry = (birth, owned.epoch)
        if entry not in self._queued and birth in owned.lifecycles:
            self._queued.add(entry)
            self._queue.appendleft((owned, birth))


def _stands(owned: OwnedPartition, lifecycle: Lifecycle) -> bool:
    usable = not (owned.closed or owned.draining or owned.admitting or owned.stopped)
    return usable and lifecycle.phase in _STARTABLE and owned.lanes.may_start(lifecycle)


def _may_start(owned: OwnedPartition, lifecycle: Lifecycle, now: datetime, *, hurry: bool) -> bool:
    due = hurry or lifecycle.wake_at is None or lifecycle.wake_at <= now
    return due and _stands(owned, lifecycle)
