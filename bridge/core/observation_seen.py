"""What a look of the observation has found, in the order in which it is to be told.

A look's findings wait in one queue until they are committed. What stands before a ``LookOver`` is committed with it or
before it: so an order's position never passes what is not told yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.core.blocking_task import BlockingTask
from bridge.core.coordinates import Birth
from bridge.core.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTask:
    """A Task as a row shows it, or read in full; one that has ended is a full reading wherever it could be had.

    A row's facts are a Task document too: what rows do not show (``cancelRequested``, ``error``, …) is None in it.
    """

    order: Birth
    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMissing:
    """A Task was known as active, no row shows it any more, and VCD answers 403 or 404 to reads of it, also after its
    answer time. ``at``: VCD's time of the look."""

    order: Birth
    task_id: str
    http_status: int
    message: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBlocking:
    """A blocking task waits for a decision."""

    order: Birth
    blocking: BlockingTask


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockingGone:
    """A blocking task is not there any more. ``task``: the Task behind it, read after that; None: it cannot be read.
    ``at``: VCD's time when that was first seen."""

    order: Birth
    blocking_task_id: str
    task: Task | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LookOver:
    """All Tasks that ended up to ``position`` (VCD's time) stand before this in the queue, or are told already.

    ``is_news``: something of the look stands before it, or the look ended before VCD's present: then the position is
    kept at once. Else it may be left out for a while.
    """

    order: Birth
    position: datetime
    is_news: bool = True


Seen = SeenTask | SeenMissing | SeenBlocking | BlockingGone | LookOver
"""Everything that a look finds. ``order`` is the birth of the observation that it belongs to."""
