"""What the rows of a look say that is new to the observations they are for: told from rows while a Task is active, read
in full once when it has ended."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.answers import TaskRead, TaskRecord, TaskVanished, Unavailable
from bridge.core.lifecycle import Kind, Lifecycle, Phase
from bridge.core.observation.rows import as_task
from bridge.core.observation.sighting import sighted_part
from bridge.core.observation.task import is_news
from bridge.core.observing import worth_telling
from bridge.core.rules import Rules
from bridge.core.seen import SeenMissing, SeenTask
from bridge.core.task import Task, is_final
from bridge.engine.watched_order import Absence, WatchedOrder
from bridge.ports import Clock, VcdGateway

CONCURRENT_READS = 16
"""Ended Tasks that are read at the same time by looks, and as many by whoever catches up."""
MAX_READ_FAILURES = 5
"""A Task whose end no reading of so many looks has shown, while VCD answers queries, is told from its row."""
MAX_ABSENCES = 100
"""Absent Tasks that one look reads: if a query goes wrong, all are absent at once."""


@dataclass(slots=True)
class Taken:
    """How one look went for one order, whose window begins at ``start``. ``left_at``: the first end that it showed and
    that is not told yet; None: there is none. ``active``: Tasks it showed active; ``is_news``: something was found."""

    order: WatchedOrder
    start: datetime
    left_at: datetime | None = None
    is_news: bool = False
    active: int = 0

    def leave(self, ended_at: datetime) -> None:
        """An end of this time is not told by this look."""
        self.left_at = ended_at if self.left_at is None else min(self.left_at, ended_at)


class Findings:
    """``answer``: how long a cell of VCD may not know a Task, or a right may be being changed; a Task that no reading
    shows for longer is gone. ``wake`` wakes the journal loop, ``progress`` is told of every answer."""

    def __init__(
        self, clock: Clock, gateway: VcdGateway, rules: Rules, answer: timedelta, progress: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._rules = rules
        self._answer = answer.total_seconds()
        self._progress = progress
        self._free = asyncio.Semaphore(CONCURRENT_READS)
        self._free_behind = asyncio.Semaphore(CONCURRENT_READS)
        """Whoever catches up has thousands to read: what ends now does not wait behind them."""
        self.wake: Callable[[], None] = lambda: None

    async def take(
        self, orders: Sequence[WatchedOrder], rows: Mapping[str, TaskRecord], starts: Mapping[WatchedOrder, datetime],
        at: datetime, *, catching_up: bool = False,
    ) -> list[Taken]:  # fmt: skip
        """Queue what is news to each order. ``starts``: where its window begins; ``at``: VCD's time of the look.
        ``catching_up``: the rows are a piece of the past, in which a Task without a row is not conspicuous."""
        taken = {order: Taken(order, starts[order]) for order in orders}
        ended: dict[str, list[WatchedOrder]] = defaultdict(list)
        for order, mine in _sorted(orders, rows.values()):
            self._take_rows(taken[order], mine, ended)
        self.wake()
        free = self._free_behind if catching_up else self._free
        reads = [self._read_end(rows[urn], [taken[order] for order in those], free) for urn, those in ended.items()]
        if not catching_up:
            absent = [(taken[order], urn) for order in orders for urn in _absent(order, rows)]
            reads += [self._read_absent(one, urn, at) for one, urn in absent[:MAX_ABSENCES]]
        await asyncio.gather(*reads)
        return list(taken.values())

    def _take_rows(self, taken: Taken, rows: Iterable[TaskRecord], ended: dict[str, list[WatchedOrder]]) -> None:
        order, news = taken.order, []
        for row in rows:
            known = order.sighted(row.id)
            if is_final(row.status):
                if _is_new_end(row, known, taken.start):
                    ended[row.id].append(order)
                continue
            taken.active += 1
            if self._is_news(row, known):
                news.append(SeenTask(order=order.birth, task=as_task(row)))
        if news:
            taken.is_news = order.found(news)

    def _is_news(self, row: TaskRecord, known: Lifecycle | None) -> bool:
        """Of an active Task."""
        if known is None:
            return True
        return known.phase is Phase.FOLLOWING and worth_telling(
            known, row.status, row.progress, cancel_requested=None, rules=self._rules
        )

    # --- ends -----------------------------------------------------------------------------------------------------

    async def _read_end(self, row: TaskRecord, for_whom: Sequence[Taken], free: asyncio.Semaphore) -> None:
        async with free:
            if all(taken.order.lifecycle() is None for taken in for_whom):
                return
            reading = await self._gateway.read_task(row.id, None)
        self._progress()
        for taken in for_whom:
            if isinstance(reading, TaskRead) and reading.task.is_final:
                self._tell_end(reading.task, taken)
            elif (failures := taken.order.unread.get(row.id, 0) + 1) < MAX_READ_FAILURES:
                # VCD does not let it be read now, or this cell does not know yet that it has ended.
                taken.order.unread[row.id] = failures
                taken.leave(row.end_date or taken.start)
            else:
                self._tell_end(as_task(row), taken)  # that it has ended, its row says
        self.wake()

    def _tell_end(self, task: Task, taken: Taken) -> None:
        taken.order.unread.pop(task.id, None)
        taken.is_news |= taken.order.found([SeenTask(order=taken.order.birth, task=task)])

    # --- absences -------------------------------------------------------------------------------------------------

    async def _read_absent(self, taken: Taken, urn: str, at: datetime) -> None:
        order = taken.order
        async with self._free:
            known, absence = order.sighted(urn), order.absent.get(urn)
            if known is None or absence is None:
                return
            reading = await self._gateway.read_task(urn, None)
        self._progress()
        match reading:
            case TaskRead(task=task):
                order.absent[urn] = Absence()
                if is_news(known, task, self._rules):
                    taken.is_news |= order.found([SeenTask(order=order.birth, task=task)])
                    self.wake()
            case TaskVanished(http_status=status, message=message):
                now = self._clock.monotonic()
                absence.gone_since = now if absence.gone_since is None else absence.gone_since
                if now - absence.gone_since >= self._answer:
                    gone = SeenMissing(order=order.birth, task_id=urn, http_status=status, message=message, at=at)
                    taken.is_news |= order.found([gone])
                    self.wake()
            case Unavailable():
                pass


def _absent(order: WatchedOrder, rows: Mapping[str, TaskRecord]) -> list[str]:
    """URNs of those that two looks in a row have not shown: rows move while they are read."""
    known = (sighted_part(one).id for one in order.active(Kind.OBSERVED_TASK))
    order.absent = {urn: order.absent.get(urn, Absence()) for urn in known if urn not in rows}
    for absence in order.absent.values():
        absence.looks += 1
    return [urn for urn, absence in order.absent.items() if absence.looks > 1]


def _is_new_end(row: TaskRecord, known: Lifecycle | None, start: datetime) -> bool:
    """Whether it is told: of what ended before the window nothing is remembered."""
    if known is not None:
        return known.phase is Phase.FOLLOWING
    return row.end_date is not None and row.end_date >= start


def _sorted(
    orders: Sequence[WatchedOrder], rows: Iterable[TaskRecord]
) -> Iterator[tuple[WatchedOrder, Sequence[TaskRecord]]]:
    """The rows that each order is about."""
    everything = list(rows)
    by_organization: dict[str | None, list[TaskRecord]] = defaultdict(list)
    for row in everything:
        by_organization[row.organization].append(row)
    for order in orders:
        part = order.part
        if part is not None:
            uuid = part.organization_uuid
            yield order, everything if uuid is None else by_organization[uuid]
