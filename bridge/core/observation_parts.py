"""What a lifecycle of an observation remembers besides what every lifecycle does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.blocking_task import BlockingTask
from bridge.core.coordinates import Birth

EVERYTHING = "*"
"""Instead of an organization: all of them."""


def whole_millis(time: datetime) -> datetime:
    """Cut to what VCD tells and the store keeps: what is decided before and after a restore is the same."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPart:
    """Of a standing order. Times are VCD's.

    ``organization_uuid``: None for all organizations, and until it was read. ``asked_at``: when its record was taken
    in; None: VCD had not told its time by then. ``since``: as asked, None: from ``asked_at`` on; once it is followed,
    where it began. ``position``: all Tasks that ended up to here are told. ``floor``: Tasks that ended before it are
    told or left out, and nothing is remembered of them. Both are None until the order is followed.
    """

    organization_uuid: str | None = None
    asked_at: datetime | None = None
    since: datetime | None = None
    position: datetime | None = None
    floor: datetime | None = None
    blocking_tasks: bool = False

    @property
    def forgotten_before(self) -> datetime | None:
        """What ended before it is shown by no look any more.

        None as long as the position has not left the beginning by the overlap: a row that comes late may show as active
        what ended shortly before the observation began, and what it has told must not be told anew.
        """
        return self.floor if self.floor != self.since else None

    def window_start(self, overlap: timedelta) -> datetime | None:
        """Where the next window of ended Tasks begins: late rows are still found in it, told ones not told again.

        The floor bounds it, so that a longer ``overlap`` than before brings nothing back that is forgotten.
        """
        if self.position is None or self.floor is None:
            return None
        return max(self.floor, self.position - overlap)


@dataclass(frozen=True, slots=True, kw_only=True)
class SightedPart:
    """Of a Task or a blocking task that an observation has seen. No record is about it, and no Task of ours is it.

    ``order``: the observation. ``id``: URN of the Task or of the blocking task. ``ended_at``: VCD's time of its end;
    None while it is active. ``blocking``: a blocking task as last told.
    """

    order: Birth
    id: str
    ended_at: datetime | None = None
    blocking: BlockingTask | None = None
