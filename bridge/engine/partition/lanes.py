"""Lanes: requests for one entity start in input order, one at a time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from bridge.core.coordinates import Birth
from bridge.core.lifecycle import Lifecycle, Phase

_NOT_STARTED = frozenset({Phase.RECEIVED, Phase.WAITING})


class Lanes:
    """The lanes of one partition, ordered by input offset. Rebuilt from the lifecycles after a restore."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Birth]] = {}
        self._started: dict[str, set[Birth]] = {}

    def update(self, before: Lifecycle | None, after: Lifecycle) -> str | None:
        """Take a committed change into account. Returns the lane whose head may be free to start now."""
        if before is not None and before.lane is not None:
            self._leave(before.lane, before.birth)
        if after.lane is None:
            return None
        if after.holds_lane:
            if after.phase in _NOT_STARTED:
                insort(self._waiting.setdefault(after.lane, []), after.birth)
            else:
                self._started.setdefault(after.lane, set()).add(after.birth)
        return after.lane

    def head(self, lane: str) -> Birth | None:
        """The one request of this lane that may start now, or None."""
        if self._started.get(lane):
            return None
        waiting = self._waiting.get(lane)
        return waiting[0] if waiting else None

    def is_free(self, lane: str | None) -> bool:
        """True when nobody stands in this lane, so that a newcomer may start at once."""
        return lane is None or (not self._started.get(lane) and not self._waiting.get(lane))

    def may_start(self, lifecycle: Lifecycle) -> bool:
        return lifecycle.lane is None or self.head(lifecycle.lane) == lifecycle.birth

    def _leave(self, lane: str, birth: Birth) -> None:
        started = self._started.get(lane)
        if started is not None:
            started.discard(birth)
            if not started:
                del self._started[lane]
        waiting = self._waiting.get(lane)
        if waiting is None:
            return
        index = bisect_left(waiting, birth)
        if index < len(waiting) and waiting[index] == birth:
            del waiting[index]
        if not waiting:
            del self._waiting[lane]


def ahead_in_lane(lifecycle: Lifecycle, others: Iterable[Lifecycle]) -> list[Lifecycle]:
    """Those of the same partition that a request which has not started has to wait for, in their order."""
    if lifecycle.lane is None or lifecycle.phase not in _NOT_STARTED:
        return []
    ahead = [
        one
        for one in others
        if one.lane == lifecycle.lane
        and one.birth.topic_partition == lifecycle.birth.topic_partition
        and one.holds_lane
        and one.birth != lifecycle.birth
        and (one.phase not in _NOT_STARTED or one.birth < lifecycle.birth)
    ]
    return sorted(ahead, key=lambda one: one.birth)
