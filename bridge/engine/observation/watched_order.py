"""An observation as the look-out sees it: what it has to look at, and what it has found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.core.coordinates import Birth
from bridge.core.lifecycle import Kind, Lifecycle, Phase
from bridge.core.observation.order import order_part
from bridge.core.observation_parts import OrderPart
from bridge.core.observation_seen import Seen, SeenTask
from bridge.engine.partition.owned_partition import OwnedPartition


@dataclass(slots=True)
class Absence:
    """Of an active Task that no row shows. ``looks``: so many in a row since it was last seen; ``gone_since``:
    monotonic time of the first reading that did not show it either; ``reads``: how often it was read."""

    looks: int = 0
    gone_since: float | None = None
    reads: int = 0


@dataclass(slots=True, eq=False)
class WatchedOrder:
    """One observation of a partition of ours.

    ``settled``: what ended before it has been found, or left out, and nothing that VCD commits late can lie before it.
    Only known as long as the partition is ours: the next owner begins at the committed position.
    """

    owned: OwnedPartition
    birth: Birth
    settled: datetime | None = None
    has_looked: bool = False
    is_catching_up: bool = False
    absent: dict[str, Absence] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)
    """By the URN of the Task. ``unread``: readings that have not shown an end that its row shows, until it is told."""

    def lifecycle(self) -> Lifecycle | None:
        """As it is now; None when nothing is to be found for it any more, or not yet."""
        owned, lifecycle = self.owned, self.owned.lifecycles.get(self.birth)
        usable = owned.goes_on and not (owned.draining or owned.admitting)
        return lifecycle if usable and lifecycle is not None and lifecycle.phase is Phase.FOLLOWING else None

    @property
    def part(self) -> OrderPart | None:
        lifecycle = self.lifecycle()
        return None if lifecycle is None else order_part(lifecycle)

    @property
    def is_drained(self) -> bool:
        """All that was found before is committed: what is known here is what was told."""
        return not self.owned.found and not self.owned.committing

    @property
    def waits(self) -> bool:
        """It could be looked at, and has not been yet."""
        return not self.has_looked and not self.is_catching_up and self.is_drained

    def begins(self, overlap: timedelta) -> datetime | None:
        """Where the next window of ended Tasks begins."""
        part = self.part
        start = None if part is None else part.window_start(overlap)
        return start if start is None or self.settled is None else max(start, self.settled)

    def covers_organization(self, uuid: str | None) -> bool:
        """Whether what happens in this organization is told."""
        part = self.part
        return part is not None and (part.organization_uuid is None or uuid == part.organization_uuid)

    def sighted(self, urn: str) -> Lifecycle | None:
        """What is known of a Task or blocking task; None: nothing."""
        lifecycle = self.lifecycle()
        known = None if lifecycle is None else self.owned.known(f"{lifecycle.organization}/{urn}")
        return known if isinstance(known, Lifecycle) else None

    def active(self, kind: Kind) -> Iterator[Lifecycle]:
        """Those that it has seen and whose end it has not told."""
        for birth in self.owned.sighted_by(self.birth):
            one = self.owned.lifecycles.get(birth)
            if one is not None and one.kind is kind and one.phase is Phase.FOLLOWING:
                yield one

    def found(self, items: Sequence[Seen]) -> bool:
        """Queue them for the journal. False: the order is not ours any more, or has stopped."""
        if self.lifecycle() is None:
            return False
        for seen in items:
            if isinstance(seen, SeenTask) and seen.task.is_final:
                self.unread.pop(seen.task.id, None)
        self.owned.found.extend(items)
        return True


def orders_of(owned: OwnedPartition) -> Iterator[Birth]:
    """The observations of a partition that are followed."""
    for birth in owned.sightings.orders:
        order = owned.lifecycles.get(birth)
        if order is not None and order.phase is Phase.FOLLOWING:
            yield birth
