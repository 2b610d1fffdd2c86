"""Tasks that VCD's message bus names: read at once for the observations, and told where there is news.

A message says neither whose a Task is nor what has become of it, so each costs a reading. A storm of them costs no more
than is allowed; what is left out, the next look shows.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import timedelta

from bridge.core.answers import TaskRead
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.observation.sighting import end_time
from bridge.core.observation.task import is_news
from bridge.core.rules import Rules
from bridge.core.seen import SeenTask
from bridge.core.task import Task
from bridge.engine.budget import Budget
from bridge.engine.watched_order import WatchedOrder
from bridge.ports import Clock, VcdGateway

MAX_WAITING = 1_000
"""Tasks that wait to be read; what comes in excess is left to the next look."""
MAX_STRANGERS = 20_000
"""Tasks of organizations that nobody observes, which need not be read again."""
CONCURRENT_READS = 8


class HintedReads:
    """``quarter``: the same Task is read once in this time at most. ``orders``: those that may be told."""

    def __init__(
        self, clock: Clock, gateway: VcdGateway, rules: Rules, quarter: timedelta, per_second: float, overlap: timedelta
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._rules = rules
        self._quarter = quarter.total_seconds()
        self._overlap = overlap
        self._budget = Budget(clock, per_second)
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._read_at: OrderedDict[str, float] = OrderedDict()
        self._strangers: OrderedDict[str, None] = OrderedDict()
        self._observed: frozenset[WatchedOrder] = frozenset()
        self._more = asyncio.Event()
        self.orders: Callable[[], Iterable[WatchedOrder]] = tuple
        self.wake: Callable[[], None] = lambda: None

    def hurry(self, urn: str) -> None:
        """There may be news of this Task."""
        observed = frozenset(self.orders())
        if observed != self._observed:
            self._observed = observed
            self._strangers.clear()
        if observed and urn not in self._strangers and len(self._waiting) < MAX_WAITING:
            self._waiting.setdefault(urn, None)
            self._more.set()

    async def run(self) -> None:
        """Read what is named until canceled. Raises what breaks a reading."""
        await asyncio.gather(*(self._read_on() for _ in range(CONCURRENT_READS)))

    async def _read_on(self) -> None:
        while True:
            while not self._waiting:
                self._more.clear()
                await self._more.wait()
            urn, _ = self._waiting.popitem(last=False)
            if any(_may_tell(order.sighted(urn)) for order in self._observed):
                await self._in_its_time(urn)
                await self._read(urn)

    async def _in_its_time(self, urn: str) -> None:
        """A Task that was read a moment ago is read a moment later: what comes meanwhile is seen then."""
        now = self._clock.monotonic()
        due = self._read_at.get(urn, now - self._quarter) + self._quarter
        self._read_at[urn] = max(now, due)
        self._read_at.move_to_end(urn)
        if len(self._read_at) > MAX_WAITING:
            self._read_at.popitem(last=False)
        if due > now:
            await self._clock.sleep(due - now)
        await self._budget.take()

    async def _read(self, urn: str) -> None:
        self._waiting.pop(urn, None)  # who named it until now is answered by this reading
        reading = await self._gateway.read_task(urn, None)
        if not isinstance(reading, TaskRead):
            return
        organization = _organization(reading.task)
        concerned = [order for order in self._observed if order.covers_organization(organization)]
        for order in concerned:
            if self._is_news(order, reading.task):
                order.found([SeenTask(order=order.birth, task=reading.task)])
        self.wake()
        if not concerned:
            self._strangers[urn] = None
            if len(self._strangers) > MAX_STRANGERS:
                self._strangers.popitem(last=False)

    def _is_news(self, order: WatchedOrder, task: Task) -> bool:
        known = order.sighted(task.id)
        if known is not None:
            return known.phase is Phase.FOLLOWING and is_news(known, task, self._rules)
        if not task.is_final:
            return True
        start, ended_at = order.begins(self._overlap), end_time(task)
        return start is not None and ended_at is not None and ended_at >= start


def _may_tell(known: Lifecycle | None) -> bool:
    return known is None or known.phase is Phase.FOLLOWING


def _organization(task: Task) -> str | None:
    """Bare uuid."""
    reference = task.document["organization"]
    told = (reference["id"] or reference["href"]) if reference is not None else None
    return told.rpartition(":")[2].rpartition("/")[2].casefold() if told is not None else None
