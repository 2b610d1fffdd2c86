"""The observations of a partition and what each has seen, for finding what can be forgotten without looking for it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge.core.coordinates import Birth
from bridge.core.lifecycle import Kind, Lifecycle
from bridge.core.observation_parts import OrderPart, SightedPart


@dataclass(slots=True)
class _Seen:
    """``births`` of all, in the order of their first sight; ``ends``: of those whose end is told, by when;
    ``blocking``: of blocking tasks."""

    births: dict[Birth, None] = field(default_factory=dict)
    ends: list[tuple[datetime, Birth]] = field(default_factory=list)
    blocking: dict[Birth, None] = field(default_factory=dict)


class Sightings:
    """Follows the committed states of one partition."""

    def __init__(self) -> None:
        self._seen: dict[Birth, _Seen] = {}
        self._orders: dict[Birth, None] = {}
        self.count = 0
        """Observed Tasks and blocking tasks, of all observations together."""

    @property
    def orders(self) -> Collection[Birth]:
        """The observations that are open."""
        return self._orders.keys()

    def of(self, order: Birth) -> Collection[Birth]:
        """What this observation has seen and not forgotten."""
        seen = self._seen.get(order)
        return seen.births.keys() if seen is not None else ()

    def past(self, order: Birth, moment: datetime, most: int) -> Sequence[Birth]:
        """Some of what it has seen end before ``moment``, the earliest first."""
        seen = self._seen.get(order)
        if seen is None:
            return ()
        past = bisect_left(seen.ends, moment, key=lambda one: one[0])
        return [birth for _, birth in seen.ends[: min(past, most)]]

    def blocking(self, order: Birth) -> Collection[Birth]:
        """Blocking tasks that this observation has seen and not forgotten."""
        seen = self._seen.get(order)
        return seen.blocking.keys() if seen is not None else ()

    def ownerless(self) -> Iterator[Birth]:
        """What was seen by observations that are not there any more."""
        for order, seen in self._seen.items():
            if order not in self._orders:
                yield from seen.births

    def update(self, before: Lifecycle | None, after: Lifecycle) -> None:
        """A lifecycle's committed state has changed."""
        match after.observation:
            case OrderPart():
                if after.is_open:
                    self._orders[after.birth] = None
                else:
                    self._orders.pop(after.birth, None)
            case SightedPart(order=order):
                known = before is not None and before.is_open
                if after.is_open:
                    self._put(order, before if known else None, after)
                elif known:
                    self._drop(order, after.birth, before.observation if before is not None else None)
            case None:
                pass

    def _put(self, order: Birth, before: Lifecycle | None, after: Lifecycle) -> None:
        seen = self._seen.setdefault(order, _Seen())
        if before is None:
            seen.births[after.birth] = None
            if after.kind is Kind.BLOCKING_TASK:
                seen.blocking[after.birth] = None
            self.count += 1
        ended_at, told = _ended_at(after.observation), _ended_at(before.observation if before is not None else None)
        if ended_at is not None and told is None:
            insort(seen.ends, (ended_at, after.birth))

    def _drop(self, order: Birth, birth: Birth, part: OrderPart | SightedPart | None) -> None:
        seen = self._seen[order]
        del seen.births[birth]
        seen.blocking.pop(birth, None)
        self.count -= 1
        ended_at = _ended_at(part)
        if ended_at is not None:
            del seen.ends[bisect_left(seen.ends, (ended_at, birth))]
        if not seen.births:
            del self._seen[order]


def _ended_at(part: OrderPart | SightedPart | None) -> datetime | None:
    return part.ended_at if isinstance(part, SightedPart) else None
