"""What the rows of a look say that is new to the observations they are for: told from rows while a Task is active, read
in full once when it has ended."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.answers import TaskRead, TaskReading, TaskRecord, TaskVanished
from bridge.core.lifecycle import Kind, Lifecycle, Phase
from bridge.core.observation.rows import as_task
from bridge.core.observation.sighting import sighted_part
from bridge.core.observation_seen import SeenMissing, SeenTask
from bridge.core.own_task import is_news
from bridge.core.rules import Rules
from bridge.core.task import Task, is_final
from bridge.engine.observation.watched_order import Absence, WatchedOrder
from bridge.engine.waiting import within
from bridge.ports import Clock, VcdGateway

CONCURRENT_READS = 16
"""Ended Tasks that are read at the same time by looks, and as many by whoever catches up."""
MAX_READ_FAILURES = 5
"""A Task whose end no reading of so many looks has shown, while VCD answers queries, is told from its row."""
MAX_ABSENCES = 20
"""Absent Tasks that one look reads, of those that are active for all that is known: if a query goes wrong, or VCD has
statuses of its own, all are absent at once, and are read in turn."""


@dataclass(slots=True)
class LookResult:
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
    shows for longer is gone. ``patience``: how long a look waits for one reading. ``wake`` wakes the journal loop,
    ``progress`` is told of every answer; ``turn`` waits until one more request may leave that is no end's."""

    def __init__(
        self,
        clock: Clock,
        gateway: VcdGateway,
        rules: Rules,
        answer: timedelta,
        patience: timedelta,
        progress: Callable[[], None],
        turn: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._rules = rules
        self._answer = answer.total_seconds()
        self._patience = patience.total_seconds()
        self._progress = progress
        self._turn = turn
        self._free = asyncio.Semaphore(CONCURRENT_READS)
        self._free_behind = asyncio.Semaphore(CONCURRENT_READS)
        """Whoever catches up has thousands to read: what ends now does not wait behind them."""
        self.wake: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def look(self, starts: Mapping[WatchedOrder, datetime], *, catching_up: bool = False) -> AsyncIterator[Look]:
        """One look for these orders. ``starts``: where their windows begin; ``catching_up``: it shows a piece of the
        past, in which a Task without a row is not conspicuous."""
        look = Look(self, [LookResult(order, start) for order, start in starts.items()], catching_up=catching_up)
        try:
            yield look
        finally:
            await look.give_up()

    def is_news(self, row: TaskRecord, known: Lifecycle | None) -> bool:
        """Whether the row of an active Task says what is not told yet."""
        if known is None:
            return True
        return known.phase is Phase.FOLLOWING and is_news(known, row, self._rules)

    # --- ends -----------------------------------------------------------------------------------------------------

    async def read_end(self, row: TaskRecord, for_whom: Sequence[LookResult], *, catching_up: bool) -> None:
        """Tell an end that a row shows from a reading of the Task; where it cannot be had, leave it."""
        async with self._free_behind if catching_up else self._free:
            if all(result.order.lifecycle() is None for result in for_whom):
                return
            reading = await self._read(row.id)
        for result in for_whom:
            if isinstance(reading, TaskRead) and reading.task.is_final:
                self._tell_end(reading.task, result)
            elif (failures := result.order.unread.get(row.id, 0) + 1) < MAX_READ_FAILURES:
                # VCD does not let it be read now or soon enough, or this cell does not know yet that it has ended.
                result.order.unread[row.id] = failures
                result.leave(row.end_date or result.start)
            else:
                self._tell_end(as_task(row), result)  # that it has ended, its row says
        self.wake()

    def _tell_end(self, task: Task, result: LookResult) -> None:
        result.is_news |= result.order.found([SeenTask(order=result.order.birth, task=task)])

    # --- absences -------------------------------------------------------------------------------------------------

    async def read_absent(self, result: LookResult, urn: str, at: datetime) -> None:
        """What has become of an active Task without a row."""
        order = result.order
        await self._turn()
        async with self._free:
            known, absence = order.sighted(urn), order.absent.get(urn)
            if known is None or absence is None:
                return
            absence.reads += 1
            reading = await self._read(urn)
        match reading:
            case TaskRead(task=task):
                absence.looks, absence.gone_since = 0, None
                if is_news(known, task, self._rules):
                    result.is_news |= order.found([SeenTask(order=order.birth, task=task)])
                    self.wake()
            case TaskVanished(http_status=status, message=message):
                now = self._clock.monotonic()
                absence.gone_since = now if absence.gone_since is None else absence.gone_since
                if now - absence.gone_since >= self._answer:
                    gone = SeenMissing(order=order.birth, task_id=urn, http_status=status, message=message, at=at)
                    result.is_news |= order.found([gone])
                    self.wake()
            case _:
                pass

    async def _read(self, urn: str) -> TaskReading | None:
        """None: a look does not wait so long."""
        reading = await within(self._patience, self._gateway.read_task(urn, None))
        if reading is not None:
            self._progress()
        return reading


class Look:
    """The rows of one look, told page by page as they come."""

    def __init__(self, findings: Findings, results: Sequence[LookResult], *, catching_up: bool) -> None:
        self._findings = findings
        self._results = results
        self._catching_up = catching_up
        self._rows: dict[str, TaskRecord] = {}
        self._reads: list[asyncio.Future[None]] = []
        self._concerned: dict[str | None, list[LookResult]] = defaultdict(list)
        """By organization; None: all of them."""
        for one in results:
            if (part := one.order.part) is not None:
                self._concerned[part.organization_uuid].append(one)

    def take(self, rows: Iterable[TaskRecord]) -> None:
        """Queue what is news in these rows, and begin to read what has ended. Some rows come twice."""
        is_news = False
        for row in rows:
            before, self._rows[row.id] = self._rows.get(row.id), row
            if before is None or (is_final(row.status) and not is_final(before.status)):
                is_news |= self._take_row(row)
        if is_news:
            self._findings.wake()

    async def over(self, at: datetime) -> Sequence[LookResult]:
        """All rows are there and all ends are read, as far as they can be. ``at``: VCD's time of the look."""
        for row in self._rows.values():
            for one in () if is_final(row.status) else self._for_whom(row):
                one.active += 1
        if not self._catching_up:
            absent = [(one, urn) for one in self._results for urn in _absent(one.order, self._rows)]
            absent.sort(key=lambda pair: pair[0].order.absent[pair[1]].reads)
            self._reads += [
                asyncio.ensure_future(self._findings.read_absent(one, urn, at)) for one, urn in absent[:MAX_ABSENCES]
            ]
        await asyncio.gather(*self._reads)
        return self._results

    async def give_up(self) -> None:
        """Read no further."""
        for read in self._reads:
            read.cancel()
        await asyncio.gather(*self._reads, return_exceptions=True)

    def _for_whom(self, row: TaskRecord) -> Iterator[LookResult]:
        yield from self._concerned.get(None, ())
        if row.organization is not None:
            yield from self._concerned.get(row.organization, ())

    def _take_row(self, row: TaskRecord) -> bool:
        """Whether something is queued now."""
        if is_final(row.status):
            ended = [one for one in self._for_whom(row) if _is_new_end(row, one.order.sighted(row.id), one.start)]
            if ended:
                read = self._findings.read_end(row, ended, catching_up=self._catching_up)
                self._reads.append(asyncio.ensure_future(read))
            return False
        queued = False
        for one in self._for_whom(row):
            if self._findings.is_news(row, one.order.sighted(row.id)) and one.order.found(
                [SeenTask(order=one.order.birth, task=as_task(row))]
            ):
                one.is_news = queued = True
        return queued


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
