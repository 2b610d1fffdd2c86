"""Lists the Tasks of organizations, as few requests as can be, and no more per second than is allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime

from bridge.core.answers import TaskPage, TaskQuery, TaskRecord
from bridge.core.observation.plan import Plan, plan
from bridge.engine.calling.budget import Budget
from bridge.engine.reading.moving_rows import BY_END, INEXACT, Ask, cuts_of, pages_along, rows_by_start
from bridge.engine.reading.rows import ACTIVE_STATUSES
from bridge.engine.reading.unanswered import Unreadable, answered
from bridge.ports import Clock, Observer, VcdGateway

PIECE = 2_000
"""Ended Tasks that one piece has, at least."""
CENSUS_SECONDS = 60.0
"""How long the number of rows of the whole system is believed."""
SAVED_SECONDS = 0.1
"""Requests leave at an even pace: so each page has its time in every look, and nothing waits for longer than a look."""
TWICE_SECONDS = 3600.0
"""How long a VCD that has refused a joined filter is asked twice: it may have refused it for something else."""

Rows = dict[str, TaskRecord]
"""By the Task's URN."""


class Listing:
    """Asks the task query. ``budget``: of all that the look-out asks; ``progress`` is told of every answer."""

    def __init__(
        self,
        clock: Clock,
        gateway: VcdGateway,
        budget: Budget,
        per_second: float,
        observer: Observer,
        progress: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._budget = budget
        self._pace = Budget(clock, per_second, saved_seconds=SAVED_SECONDS)
        self._observer = observer
        self._progress = progress
        self._counts: dict[str, int] = {}
        """Rows by organization, as last looked."""
        self._cuts: dict[tuple[str, ...], list[datetime]] = {}
        """Where to cut the rows of a filter, as last looked."""
        self._whole: tuple[float, int] | None = None
        """When the rows of the whole system were counted, and how many they were."""
        self._twice_until = clock.monotonic()
        """VCD has refused a filter that joins statuses and a date."""
        self._is_put_off = False
        """VCD did not answer last."""
        self.requests = 0

    async def turn(self) -> None:
        """Wait until one more request may leave."""
        await self._pace.take()
        await self._budget.take()
        self.requests += 1
        self._progress()

    @property
    def _asks_twice(self) -> bool:
        return self._clock.monotonic() < self._twice_until

    def put_off(self, why: str) -> None:
        """VCD cannot be asked, or will not answer. Told once, until it has answered."""
        if not self._is_put_off:
            self._observer.observation_put_off(why)
        self._is_put_off = True

    def plan(self, organizations: Iterable[str], *, everything: bool) -> Plan:
        """The filters of the next look, by what the last ones have counted."""
        whole = self._whole
        believed = whole is not None and self._clock.monotonic() - whole[0] <= 2 * CENSUS_SECONDS
        rows = whole[1] if whole is not None and believed else None
        return plan(organizations, self._counts, everything=everything, whole=rows)

    def forget_all_but(self, chosen: Plan) -> None:
        """Where other filters were cut is of no use any more."""
        self._cuts = {asked: cuts for asked, cuts in self._cuts.items() if asked in chosen.filters}

    async def count_whole(self, since: datetime) -> None:
        """How much it would be to read the whole system; one request a minute. Raises NotNow, and Unreadable."""
        now = self._clock.monotonic()
        if not self._gateway.is_provider or (self._whole is not None and now - self._whole[0] < CENSUS_SECONDS):
            return
        lately = None if self._asks_twice else since
        page = await self._ask(TaskQuery(statuses=ACTIVE_STATUSES, or_ended_at_or_after=lately, page_size=1))
        self._whole = (now, page.total)

    async def current(
        self, organizations: tuple[str, ...], since: datetime, show: Callable[[Sequence[TaskRecord]], None]
    ) -> None:
        """``show`` what is active, or has ended ``since``, each page when it is there; without organizations of all.
        Raises NotNow, and Unreadable."""

        async def ask(query: TaskQuery) -> TaskPage:
            page = await self._ask(query)
            show(page.records)
            return page

        cuts = self._cuts.get(organizations, ())
        rows = None if self._asks_twice else await self._joined(ask, organizations, since, cuts)
        if rows is None:
            rows = await rows_by_start(ask, TaskQuery(statuses=ACTIVE_STATUSES, organizations=organizations), cuts)
            # What ends in between is among these.
            ended = TaskQuery(ended_at_or_after=since, organizations=organizations)
            async for page in pages_along(ask, ended, BY_END):
                rows.update((record.id, record) for record in page.records)
            if not self._asks_twice:
                self._twice_until = self._clock.monotonic() + TWICE_SECONDS
        self._cuts[organizations] = cuts_of(rows.values())
        self._note_counts(organizations, rows.values())

    async def ended(self, organizations: tuple[str, ...], since: datetime) -> tuple[Rows, datetime | None]:
        """A piece of what has ended ``since``, the oldest ends first, and up to when it is whole; None: up to now.
        Raises NotNow, and Unreadable."""
        rows: Rows = {}
        query = TaskQuery(ended_at_or_after=since, organizations=organizations)
        async with aclosing(pages_along(self._ask, query, BY_END)) as pages:
            async for page in pages:
                rows.update((record.id, record) for record in page.records)
                end = page.records[-1].end_date if page.records else None
                if len(rows) >= PIECE and end is not None and end > since + INEXACT:
                    return rows, end
        return rows, None

    async def _joined(
        self, ask: Ask, organizations: tuple[str, ...], since: datetime, cuts: Sequence[datetime]
    ) -> Rows | None:
        """By one filter. None: VCD takes no such filter, or none at all."""
        query = TaskQuery(statuses=ACTIVE_STATUSES, or_ended_at_or_after=since, organizations=organizations)
        try:
            return await rows_by_start(ask, query, cuts)
        except Unreadable as refused:
            self.put_off(str(refused))
            return None

    def _note_counts(self, organizations: tuple[str, ...], rows: Iterable[TaskRecord]) -> None:
        counted = Counter(row.organization for row in rows if row.organization is not None)
        if organizations:
            self._counts.update({uuid: counted[uuid] for uuid in organizations})
        else:
            self._counts = dict(counted)
            self._whole = (self._clock.monotonic(), counted.total())

    async def _ask(self, query: TaskQuery) -> TaskPage:
        await self.turn()
        answer = await self._gateway.query_tasks(query)
        self._progress()
        page = answered(answer)
        self._is_put_off = False
        return page
