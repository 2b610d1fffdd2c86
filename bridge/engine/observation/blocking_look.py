"""Blocking tasks for the observations that want them: those that wait, and how those that are gone were decided."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.answers import BlockingAbsent, BlockingPage, BlockingRead, ReadRefused, TaskRead, Unavailable
from bridge.core.blocking_task import BlockingTask
from bridge.core.hold import has_moved_on
from bridge.core.lifecycle import Kind, Lifecycle, Phase
from bridge.core.observation.blocking import is_news
from bridge.core.observation.rows import reference_uuid
from bridge.core.observation.sighting import sighted_part
from bridge.core.observation_seen import BlockingGone, SeenBlocking
from bridge.core.task import Task
from bridge.engine.observation.findings import MAX_READ_FAILURES
from bridge.engine.observation.watched_order import WatchedOrder
from bridge.engine.reading.unanswered import NotNow, Unreadable
from bridge.engine.waiting import within
from bridge.ports import Clock, VcdGateway

MAX_PAGES = 100


@dataclass(slots=True)
class _Gone:
    """``at``: VCD's time when that was first seen. ``is_shown``: whether the last reading has shown the Task behind it;
    ``since``: the first of those in a row that did, or did not (monotonic seconds)."""

    at: datetime
    is_shown: bool | None = None
    since: float = 0.0

    def lasts(self, *, is_shown: bool, now: float) -> float:
        """For how many seconds all readings have shown the same: that it waits still, or nothing."""
        if is_shown is not self.is_shown:
            self.is_shown, self.since = is_shown, now
        return now - self.since


TOO_SLOW = Unavailable("no answer in the time of a look")


class BlockingLook:
    """``turn`` waits until one more request may leave. ``answer``: how long the Task behind one that is gone may stay
    as it was, or unseen, before that is told; ``patience``: how long a look waits for one reading."""

    def __init__(
        self,
        clock: Clock,
        gateway: VcdGateway,
        answer: timedelta,
        patience: timedelta,
        turn: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._answer = answer.total_seconds()
        self._patience = patience.total_seconds()
        self._turn = turn
        self._gone: dict[tuple[WatchedOrder, str], _Gone] = {}
        self._unread: Counter[str] = Counter()
        """By the URN of a blocking task: how often the Task behind it could not be read."""
        self.wake: Callable[[], None] = lambda: None

    async def look(self, orders: Sequence[WatchedOrder], vcd_now: Callable[[], datetime]) -> None:
        """Queue what is news. Raises NotNow, and Unreadable."""
        wanting = [order for order in orders if (part := order.part) is not None and part.blocking_tasks]
        known = [(order, one) for order in orders for one in order.active(Kind.BLOCKING_TASK)]
        if not wanting and not known:
            self._unread.clear()
            return
        waiting = await self._all()
        await asyncio.gather(*(self._take_row(row, wanting) for row in waiting.values()))
        absent = {(order, sighted_part(one).id): one for order, one in known if sighted_part(one).id not in waiting}
        self._gone = {key: gone for key, gone in self._gone.items() if key in absent}
        unread = waiting.keys() | {urn for _, urn in absent}
        self._unread = Counter({urn: count for urn, count in self._unread.items() if urn in unread})
        await asyncio.gather(*(self._take_absent(order, urn, one, vcd_now) for (order, urn), one in absent.items()))

    async def _all(self) -> dict[str, BlockingTask]:
        found: dict[str, BlockingTask] = {}
        rows = 0
        for number in range(1, MAX_PAGES + 1):
            await self._turn()
            page = await self._gateway.query_blocking_tasks(number)
            if isinstance(page, ReadRefused):
                raise Unreadable(page.message)
            if not isinstance(page, BlockingPage):
                raise NotNow(page.message)
            found.update((one.id, one) for one in page.records)
            rows += len(page.records)
            if not page.records or rows >= page.total:
                break
        return found

    async def _take_row(self, row: BlockingTask, orders: Sequence[WatchedOrder]) -> None:
        concerned = [order for order in orders if order.covers_organization(reference_uuid(row.organization))]
        news = [order for order in concerned if _is_news(order.sighted(row.id), row)]
        if not news:
            return
        # Rows do not tell what the held Task works on. What cannot be read is told as the row has it: that it waits,
        # the row says.
        await self._turn()
        reading = await within(self._patience, self._gateway.read_blocking_task(row.id))
        whole = reading.blocking if isinstance(reading, BlockingRead) else row
        held = whole.task or row.task
        task = await self._read(row.id, held)
        if isinstance(task, Unavailable):
            return
        for order in news:
            # Told as the row has it, which the next row is compared with.
            told = replace(whole, task=task or held, timeout=row.timeout or whole.timeout)
            order.found([SeenBlocking(order=order.birth, blocking=told)])
        self.wake()

    async def _read(self, urn: str, held: Task | None) -> Task | Unavailable | None:
        """The Task behind a blocking task. None: it cannot be read. ``Unavailable``: the next look tries again; the
        others do not wait for it."""
        if held is None:
            return None
        await self._turn()
        reading = await within(self._patience, self._gateway.read_task(held.id, held.href)) or TOO_SLOW
        if isinstance(reading, Unavailable):
            self._unread[urn] += 1
            if self._unread[urn] < MAX_READ_FAILURES:
                return reading
        self._unread.pop(urn, None)
        return reading.task if isinstance(reading, TaskRead) else None

    async def _take_absent(
        self, order: WatchedOrder, urn: str, known: Lifecycle, vcd_now: Callable[[], datetime]
    ) -> None:
        await self._turn()
        reading = await within(self._patience, self._gateway.read_blocking_task(urn))
        if not isinstance(reading, BlockingAbsent):
            return  # it waits still, or VCD cannot be asked: the list has moved while it was read
        gone = self._gone.setdefault((order, urn), _Gone(vcd_now()))
        blocking = sighted_part(known).blocking
        task = await self._read(urn, blocking.task if blocking is not None else None)
        if isinstance(task, Unavailable):
            return
        lasts = gone.lasts(is_shown=task is not None, now=self._clock.monotonic())
        if has_moved_on(task) or lasts >= self._answer:
            order.found([BlockingGone(order=order.birth, blocking_task_id=urn, task=task, at=gone.at)])
            self.wake()


def _is_news(known: Lifecycle | None, row: BlockingTask) -> bool:
    return known is None or (known.phase is Phase.FOLLOWING and is_news(known, row))
