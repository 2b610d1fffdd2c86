"""What is remembered of ended lifecycles, by what their records call them and by the blocking task they were about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime

from bridge.core.lifecycle import Ended


class Endings:
    """Of one partition, in the order in which they were remembered."""

    def __init__(self) -> None:
        self._by_name: OrderedDict[str, Ended] = OrderedDict()
        self._about: dict[str, dict[str, Ended]] = {}
        """Lane of a blocking task -> those that have done something to it, by name."""

    def __iter__(self) -> Iterator[Ended]:
        return iter(self._by_name.values())

    def get(self, name: str) -> Ended | None:
        return self._by_name.get(name)

    def about(self, lane: str | None) -> Iterator[Ended]:
        """Those that have done something to this blocking task, the latest first."""
        return reversed(self._about.get(lane or "", {}).values())

    def put(self, name: str, ended: Ended) -> None:
        """Remember it, instead of an earlier one of this name."""
        self.drop(name)
        self._by_name[name] = ended
        if ended.decided is not None:
            self._about.setdefault(ended.decided.lane, {})[name] = ended

    def drop(self, name: str) -> None:
        ended = self._by_name.pop(name, None)
        if ended is None or ended.decided is None:
            return
        about = self._about[ended.decided.lane]
        del about[name]
        if not about:
            del self._about[ended.decided.lane]

    def drop_before(self, moment: datetime) -> Iterator[Ended]:
        """Drops those that ended before it, from the first remembered on, as they are asked for."""
        while self._by_name:
            name, oldest = next(iter(self._by_name.items()))
            if oldest.ended_at >= moment:
                return
            self.drop(name)
            yield oldest
