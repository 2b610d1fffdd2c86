"""Tasks that VCD's message bus names: read at once for the observations, and told where there is news.

A message says neither whose a Task is nor what has become of it, so each costs a reading. A storm of them costs no more
than is allowed; what is left out, the next look shows.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from bridge.core.answers import TaskRead
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.observation.rows import reference_uuid
from bridge.core.observation.sighting import end_time
from bridge.core.observation_seen import SeenTask
from bridge.core.own_task import is_news
from bridge.core.rules import Rules
from bridge.core.task import Task
from bridge.engine.calling.budget import Budget
from bridge.engine.observation.due_queue import DueQueue
from bridge.engine.observation.watched_order import WatchedOrder
from bridge.engine.reading.eagerness import pause_after
from bridge.ports import Clock, VcdGateway

MAX_REMEMBERED = 2_000
"""Tasks whose last reading is remembered."""
MAX_STRANGERS = 20_000
"""Tasks of organizations that nobody observes, which need not be read again."""


@dataclass(slots=True)
class _Read:
    """The last reading of a Task. ``at``: its monotonic time; ``quiet``: so many in a row showed nothing new."""

    at: float = 0.0
    quiet: int = 0


class HintedReads:
    """``orders``: those that may be told. ``budget``: of all that the look-out asks; these readings and its looks take
    turns, and those of ends do not count. A Task of which there is nothing new is read twice an ``interval`` in the
    end, however often it is named."""

    def __init__(
        self, clock: Clock, gateway: VcdGateway, rules: Rules, budget: Budget, interval: timedelta, overlap: timedelta
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._rules = rules
        self._overlap = overlap
        self._budget = budget
        self._longest_pause = interval.total_seconds() / 2
        self._named = DueQueue(clock)
        self._ended = DueQueue(clock)
        """Those that are said to have ended: they wait for no other, nor for the budget, which they do not count in."""
        self._reads: OrderedDict[str, _Read] = OrderedDict()
        """By the URN of the Task."""
        self._strangers: OrderedDict[str, None] = OrderedDict()
        self._observed: tuple[WatchedOrder, ...] = ()
        self.orders: Callable[[], Iterable[WatchedOrder]] = tuple
        self.wake: Callable[[], None] = lambda: None

    def hurry(self, urn: str, *, ends: bool = False) -> None:
        """There may be news of this Task. ``ends``: it is said to have ended."""
        queue = self._ended if ends else self._named
        if not queue.takes(urn) or not self._observes() or urn in self._strangers:
            return
        now, last = self._clock.monotonic(), self._reads.get(urn)
        pause = pause_after(0 if last is None else last.quiet, self._longest_pause, ends=ends)
        queue.put(urn, now if last is None else max(now, last.at + pause))

    def _observes(self) -> bool:
        """Anything at all. What was nobody's may be somebody's when there are others."""
        observed = tuple(self.orders())
        if observed != self._observed:
            self._observed = observed
            self._strangers.clear()
        return bool(observed)

    async def run(self) -> None:
        """Read what is named until canceled. Raises what breaks a reading."""
        async with asyncio.TaskGroup() as readings:
            readings.create_task(self._work_off(self._ended, readings))
            await self._work_off(self._named, readings)

    async def _work_off(self, queue: DueQueue, readings: asyncio.TaskGroup) -> None:
        is_free = queue is self._ended
        while True:
            urn = await queue.next()
            if not any(_may_tell(order.sighted(urn)) for order in self._observed):
                continue
            await (self._budget.credit() if is_free else self._budget.take(aside=True))
            await queue.free.acquire()
            self._note(urn)
            readings.create_task(self._read(urn, queue))

    def _note(self, urn: str) -> None:
        self._reads.setdefault(urn, _Read()).at = self._clock.monotonic()
        self._reads.move_to_end(urn)
        if len(self._reads) > MAX_REMEMBERED:
            self._reads.popitem(last=False)

    async def _read(self, urn: str, queue: DueQueue) -> None:
        began = self._clock.monotonic()
        try:
            reading = await self._gateway.read_task(urn, None)
        finally:
            queue.free.release()
        is_end = isinstance(reading, TaskRead) and self._tell(
            reading.task, timedelta(seconds=self._clock.monotonic() - began)
        )
        if is_end and queue is self._named:
            self._budget.give_back()  # the next look would have read it
        elif not is_end and queue is self._ended:
            self._budget.owe()

    def _tell(self, task: Task, age: timedelta) -> bool:
        """Whether it is an end that was not told. ``age``: so long ago it may have stood like this."""
        uuid = reference_uuid(task.document["organization"])
        concerned = [order for order in self._observed if order.covers_organization(uuid)]
        news = [order for order in concerned if self._is_news(order, task, age)]
        for order in news:
            order.found([SeenTask(order=order.birth, task=task)])
        self.wake()
        if (last := self._reads.get(task.id)) is not None:
            last.quiet = 0 if news else last.quiet + 1
        if not concerned:
            self._strangers[task.id] = None
            if len(self._strangers) > MAX_STRANGERS:
                self._strangers.popitem(last=False)
        return bool(news) and task.is_final

    def _is_news(self, order: WatchedOrder, task: Task, age: timedelta) -> bool:
        known = order.sighted(task.id)
        if known is not None:
            return known.phase is Phase.FOLLOWING and is_news(known, task, self._rules)
        if not task.is_final:
            return age <= self._overlap  # an end that is told and forgotten lies further back
        start, ended_at = order.begins(self._overlap), end_time(task)
        return start is not None and ended_at is not None and ended_at >= start


def _may_tell(known: Lifecycle | None) -> bool:
    return known is None or known.phase is Phase.FOLLOWING
