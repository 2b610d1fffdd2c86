"""The look-out: tells observations what the Tasks of their organizations do, by looks whose cost is reckoned.

One look at a time serves all observations of this process. It shows what is active and what has ended since a while
before the last look; an observation that is further behind catches up first, a bounded piece at a time. What a look has
found waits in the partition's queue; the next look for it is made when all of that is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from bridge.core.coordinates import Birth
from bridge.core.observation.plan import Plan
from bridge.core.observation_rules import ObservationRules
from bridge.core.observation_seen import LookOver
from bridge.core.rules import Rules
from bridge.engine.calling.budget import Budget
from bridge.engine.observation.blocking_look import BlockingLook
from bridge.engine.observation.findings import Findings, LookResult
from bridge.engine.observation.hinted import HintedReads
from bridge.engine.observation.listing import Listing
from bridge.engine.observation.lookout_pace import LookoutPace
from bridge.engine.observation.watched_order import WatchedOrder, orders_of
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.moving_rows import INEXACT
from bridge.engine.reading.unanswered import NotNow, Unreadable
from bridge.engine.waiting import until_set
from bridge.ports import Clock, Observer, VcdGateway

BEHIND = timedelta(seconds=60)
"""An observation whose window reaches back so much further than the overlap catches up by itself."""

READING = timedelta(seconds=5)
"""So long, or the time between two looks, a look waits for one reading: what cannot be read holds up nothing else."""

T = TypeVar("T")


class Lookout:
    """All observations of this process."""

    def __init__(
        self, clock: Clock, gateway: VcdGateway, rules: Rules, pace: LookoutPace, answer: timedelta, observer: Observer
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._overlap = (rules.observation or ObservationRules()).overlap
        self._interval = pace.interval.total_seconds()
        self._observer = observer
        budget = Budget(clock, pace.requests_per_second)
        self._listing = Listing(clock, gateway, budget, pace.requests_per_second, observer, self._progress)
        patience = max(pace.interval, READING)
        self._findings = Findings(clock, gateway, rules, answer, patience, self._progress, self._listing.turn)
        self._blocking = BlockingLook(clock, gateway, answer, patience, self._listing.turn)
        self._hinted = HintedReads(clock, gateway, rules, budget, pace.interval, self._overlap)
        self._hinted.orders = self.watched
        self._orders: dict[Birth, WatchedOrder] = {}
        self._are_known = False
        self._next_look = clock.monotonic()
        self._more = asyncio.Event()
        self._beside: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._is_late = False
        self.partitions: Callable[[], Iterable[OwnedPartition]] = tuple
        self._last_progress = clock.monotonic()

    @property
    def wake(self) -> Callable[[], None]:
        """Wakes the journal loop."""
        return self._findings.wake

    @wake.setter
    def wake(self, wake: Callable[[], None]) -> None:
        self._findings.wake = self._blocking.wake = self._hinted.wake = wake

    def hurry_task(self, task_id: str, *, ends: bool = False) -> None:
        """There may be news of this Task, whoever's it is: it is read at once. ``ends``: before all others."""
        self._hinted.hurry(task_id, ends=ends)

    def applied(self) -> None:
        """Something was committed: there may be a new observation, or one may be looked at again."""
        self._are_known = False
        self._more.set()

    def is_stalled(self, seconds: float) -> bool:
        """A look is overdue by so long, or somebody catches up, and VCD has answered nothing since."""
        latest = self._clock.monotonic() - seconds
        overdue = bool(self._orders) and self._next_look < latest and self._last_progress < latest
        # Between two tries it waits for an interval.
        silent = self._last_progress < latest - self._interval
        return overdue or (silent and any(one.is_catching_up and one.is_drained for one in self._orders.values()))

    async def run(self) -> None:
        """Look until canceled. Raises what breaks a look: the process must not go on without seeing."""
        self._spawn(self._hinted.run())
        self._spawn(self._look_at_blocking())
        try:
            while True:
                await self._wait()
                if self._failure is not None:
                    raise self._failure
                await self.look()
        finally:
            for task in self._beside:
                task.cancel()
            await asyncio.gather(*self._beside, return_exceptions=True)

    async def look(self) -> None:
        """One look for all that are due."""
        began, self._listing.requests = self._clock.monotonic(), 0
        is_round, self._are_known = began >= self._next_look, False
        if is_round:
            self._next_look = began + self._interval
            await self._until_drained(self._interval / 4)
        wanting = [order for order in self.watched() if is_round or not order.has_looked]
        due = [order for order in wanting if order.is_drained and not order.is_catching_up]
        for order in wanting:
            order.has_looked = order in due  # the others are looked at as soon as what was found is committed
        now = self.vcd_now()
        live = [order for order in due if not self._is_behind(order, now)]
        for order in due:
            if order not in live:
                self._spawn(self._catch_up(order))
        if live or not self._orders:
            results = await self._look_at(live, is_round=is_round) if live else []
            self._report(results, self._vcd_time(began), self._clock.monotonic() - began)

    # --- when, and for whom ---------------------------------------------------------------------------------------

    def watched(self) -> list[WatchedOrder]:
        """The observations that are followed now, as far as nothing is committed since; of others all is forgotten."""
        if self._are_known:
            return list(self._orders.values())
        found: dict[Birth, WatchedOrder] = {}
        for owned in self.partitions():
            for birth in orders_of(owned):
                known = self._orders.get(birth)
                order = known if known is not None and known.owned is owned else WatchedOrder(owned, birth)
                if order.lifecycle() is not None:
                    found[birth] = order
        self._orders, self._are_known = found, True
        return list(found.values())

    def vcd_now(self) -> datetime:
        return self._clock.now() + (self._gateway.clock_ahead or timedelta())

    def _vcd_time(self, moment: float) -> datetime:
        """VCD's time at a ``moment`` (monotonic seconds) before its last answer.

        By that answer: our clock may have been set since the one before, and a position in the future would pass what
        has not ended yet.
        """
        return self.vcd_now() - timedelta(seconds=self._clock.monotonic() - moment)

    async def _wait(self) -> None:
        """Until the next look; one for observations that have had none is made at once."""
        while (seconds := self._next_look - self._clock.monotonic()) > 0 and self._failure is None:
            if any(order.waits for order in self.watched()):
                return
            self._more.clear()
            await until_set(self._more, seconds)

    async def _until_drained(self, seconds: float) -> None:
        """Looks are bundled: those that are ready wait a moment for the others."""
        until = self._clock.monotonic() + seconds
        while not all(order.is_drained or order.is_catching_up for order in self.watched()):
            if (left := until - self._clock.monotonic()) <= 0:
                return
            self._more.clear()
            await until_set(self._more, left)

    def _is_behind(self, order: WatchedOrder, at: datetime) -> bool:
        start = order.begins(self._overlap)
        return start is not None and start < at - self._overlap - BEHIND - timedelta(seconds=self._interval)

    def _progress(self) -> None:
        self._last_progress = self._clock.monotonic()

    # --- looks ----------------------------------------------------------------------------------------------------

    async def _look_at(self, orders: Sequence[WatchedOrder], *, is_round: bool) -> list[LookResult]:
        chosen = self._plan(orders)
        if is_round:
            self._listing.forget_all_but(chosen)
        looks = [self._try(self._look_with(asked, _meant(asked, orders))) for asked in chosen.filters]
        results = [one for some in await asyncio.gather(*looks) for one in some or ()]
        if not chosen.is_whole and chosen.pages > 1:
            await self._try(self._listing.count_whole(self.vcd_now() - self._overlap))
        return results

    def _plan(self, orders: Sequence[WatchedOrder]) -> Plan:
        parts = [part for order in orders if (part := order.part) is not None]
        uuids = [part.organization_uuid for part in parts if part.organization_uuid is not None]
        return self._listing.plan(uuids, everything=len(uuids) < len(parts))

    async def _look_with(self, organizations: tuple[str, ...], orders: Sequence[WatchedOrder]) -> Sequence[LookResult]:
        starts = {order: start for order in orders if (start := order.begins(self._overlap)) is not None}
        if not starts:
            return []
        began = self._clock.monotonic()
        async with self._findings.look(starts) as look:
            await self._listing.current(organizations, min(starts.values()), look.take)
            at = self._vcd_time(began)
            results = await look.over(at)
        for one in results:
            # What is left is found again: the position waits for it, and nothing else does.
            position = at if one.left_at is None else min(at, one.left_at - INEXACT)
            if one.order.found([LookOver(order=one.order.birth, position=position, is_news=one.is_news)]):
                one.order.settled = position - self._overlap
        self.wake()
        return results

    async def _look_at_blocking(self) -> None:
        """By themselves: what waits for a decision waits for no list of Tasks, nor they for it."""
        while True:
            await self._try(self._blocking.look(self.watched(), self.vcd_now))
            await self._clock.sleep(self._interval)

    # --- catching up ----------------------------------------------------------------------------------------------

    async def _catch_up(self, order: WatchedOrder) -> None:
        """All that ended long ago, a bounded piece at a time; what is active is looked at after that."""
        order.is_catching_up = True
        try:
            while order.lifecycle() is not None and self._is_behind(order, self.vcd_now()):
                if not order.is_drained:
                    self._more.clear()
                    await until_set(self._more, 1.0)
                elif not await self._try(self._next_piece(order)):
                    await self._clock.sleep(self._interval)
        finally:
            order.is_catching_up = False
            order.has_looked = False
            self._more.set()

    async def _next_piece(self, order: WatchedOrder) -> bool:
        """False: not all of it could be read."""
        began, start, part = self._clock.monotonic(), order.begins(self._overlap), order.part
        if start is None or part is None:
            return True
        uuid = part.organization_uuid
        rows, end = await self._listing.ended(() if uuid is None else (uuid,), start)
        at = self._vcd_time(began)
        async with self._findings.look({order: start}, catching_up=True) as look:
            look.take(rows.values())
            (result,) = await look.over(at)
        if result.left_at is not None:
            return False
        # Of those that ended in the piece's last moment, some may be left.
        position, settled = (at, at - self._overlap) if end is None else (end - INEXACT, end - INEXACT)
        if order.found([LookOver(order=order.birth, position=position)]):
            order.settled = settled
        self.wake()
        return True

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._beside.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._beside.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
            self._more.set()

    async def _try(self, work: Awaitable[T]) -> T | None:
        """None: VCD cannot be asked now, or will not answer; the next look tries again."""
        try:
            return await work
        except (NotNow, Unreadable) as error:
            self._listing.put_off(str(error))
            return None

    # --- telling --------------------------------------------------------------------------------------------------

    def _report(self, results: Sequence[LookResult], at: datetime, seconds: float) -> None:
        parts = [part for order in self._orders.values() if (part := order.part) is not None]
        oldest = min((part.position for part in parts if part.position is not None), default=at)
        self._observer.observation_looked(
            observations=len(parts),
            active=sum(one.active for one in results),
            requests=self._listing.requests,
            seconds=seconds,
            behind_seconds=max(0.0, (at - oldest).total_seconds()),
        )
        if (is_late := seconds > self._interval) is not self._is_late:
            self._is_late = is_late
            self._observer.observation_slow(seconds, self._interval, slow=is_late)


def _meant(organizations: tuple[str, ...], orders: Sequence[WatchedOrder]) -> list[WatchedOrder]:
    """The orders that a filter is for."""
    asked = frozenset(organizations)
    parts = ((order, order.part) for order in orders)
    return [order for order, part in parts if part is not None and (not asked or part.organization_uuid in asked)]
