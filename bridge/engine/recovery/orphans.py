"""Running Tasks that bear our mark and that nobody has: judged by the owner of the partition that the mark names.

Once per assignment, after restore and backlog, and when a look has found two Tasks of one call; partitions that come
together share the queries. Tasks with another group's mark, or none, are others' business: they are counted, and left
alone. So are those whose mark names a partition that does not exist: nobody judges them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from bridge.core.answers import TaskRead, TaskReading, Unavailable
from bridge.core.external.marks import Marker
from bridge.core.external_rules import ExternalRules, OrphanPolicy
from bridge.core.found import FoundOrphan
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.rules import Backoff
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.namespace_rows import namespace_rows
from bridge.engine.reading.unanswered import NotNow, Unreadable
from bridge.engine.waiting import back_off
from bridge.ports import Clock, Observer, VcdGateway

GATHER_SECONDS = 1.0
"""How long the first partition waits for others of the same assignment."""
MAX_READ_FAILURES = 8
"""A Task that cannot be read so often in a row, over some minutes, is left: others wait behind it."""

_BACKOFF = Backoff()
_MAY_FIND_IT = frozenset({Phase.INTENT, Phase.UNSURE, Phase.PARKED})
"""Phases of a lifecycle without a Task in which a Task with its mark may be its own."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A running Task with the mark of one of our partitions."""

    owned: OwnedPartition
    external_key: str
    task_id: str


class Orphans:
    """``wake`` wakes the journal loop, ``fail`` ends it."""

    def __init__(
        self,
        clock: Clock,
        gateway: VcdGateway,
        rules: ExternalRules,
        observer: Observer,
        wake: Callable[[], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._rules = rules
        self._observer = observer
        self._wake = wake
        self._fail = fail
        self._waiting: list[OwnedPartition] = []
        self._judging: asyncio.Task[None] | None = None

    def begin(self, owned: OwnedPartition) -> None:
        """Judge the Tasks of a partition whose backlog has been admitted."""
        if owned not in self._waiting:
            self._waiting.append(owned)
        if self._judging is None:
            self._judging = asyncio.ensure_future(self._judge())
            self._judging.add_done_callback(self._finished)

    async def close(self) -> None:
        self._waiting.clear()
        if self._judging is not None:
            self._judging.cancel()
            await asyncio.gather(self._judging, return_exceptions=True)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._judging = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)
        elif self._waiting:
            self.begin(self._waiting.pop())

    async def _judge(self) -> None:
        await self._clock.sleep(GATHER_SECONDS)
        judged, self._waiting = self._waiting, []
        for namespace in self._rules.namespaces:
            candidates = await self._until_answered(partial(self._candidates, judged, namespace), judged)
            for candidate in candidates or ():
                await self._look_at(candidate)

    async def _until_answered(
        self, ask: Callable[[], Awaitable[T]], judged: Sequence[OwnedPartition], *, most: int | None = None
    ) -> T | None:
        """Ask until VCD answers, ``most`` times at most. None: it did not, or nobody waits for it any more."""
        failures = 0
        while failures != most and not all(owned.closed for owned in judged):
            try:
                return await ask()
            except NotNow:
                await back_off(self._clock, _BACKOFF, failures)
                failures += 1
        return None

    # --- whose they are -------------------------------------------------------------------------------------------

    async def _candidates(self, judged: Sequence[OwnedPartition], namespace: str) -> list[_Candidate]:
        markers = [(owned, Marker(self._rules.group_id, owned.partition)) for owned in judged]
        group = markers[0][1]
        found: list[_Candidate] = []
        strangers: set[str] = set()
        homeless: dict[str, str] = {}
        places = {f"{owned.partition.topic}-{number}" for owned in judged for number in range(owned.input_partitions)}
        try:
            async for record in namespace_rows(self._gateway, namespace):
                place = group.place_in(record.operation)
                if place is None:
                    strangers.add(record.id)
                elif place not in places:
                    homeless[record.id] = place
                for owned, marker in markers:
                    external_key = marker.key_in(record.operation)
                    if external_key is not None:
                        found.append(_Candidate(owned, external_key, record.id))
        except Unreadable as refused:
            self._observer.orphans_unknown(namespace, str(refused))
        else:
            self._observer.strangers_seen(namespace, len(strangers))
            self._observer.homeless_seen(namespace, len(homeless), sorted(set(homeless.values())))
        return list(dict.fromkeys(found))

    # --- what becomes of them -------------------------------------------------------------------------------------

    async def _look_at(self, candidate: _Candidate) -> None:
        if (owner := self._owner(candidate)) is not None:
            self._left(candidate, owner)
            return
        reading = await self._until_answered(
            partial(self._read, candidate.task_id), [candidate.owned], most=MAX_READ_FAILURES
        )
        if not isinstance(reading, TaskRead):
            self._left(candidate, "it cannot be read")
        elif reading.task.is_final:
            self._left(candidate, f"it has ended as {reading.task.status} meanwhile")
        elif (owner := self._owner(candidate)) is not None:
            self._left(candidate, owner)
        else:
            partition = candidate.owned.partition
            self._observer.orphan_found(partition, candidate.external_key, candidate.task_id, self._rules.orphans)
            if self._rules.orphans is not OrphanPolicy.REPORT:
                candidate.owned.found.append(FoundOrphan(candidate.external_key, reading.task))
                self._wake()

    async def _read(self, task_id: str) -> TaskReading:
        reading = await self._gateway.read_task(task_id, None)
        if isinstance(reading, Unavailable):
            raise NotNow(reading.message)
        return reading

    def _left(self, candidate: _Candidate, why: str) -> None:
        # That a lifecycle has its Task is the ordinary case: nothing was decided.
        if not candidate.owned.closed and candidate.task_id not in candidate.owned.held:
            self._observer.orphan_left(candidate.owned.partition, candidate.external_key, candidate.task_id, why)

    def _owner(self, candidate: _Candidate) -> str | None:
        """Who has it, or may find it yet; None: it is an orphan. Who had it and has ended does not have it any more."""
        if candidate.owned.closed or candidate.task_id in candidate.owned.held:
            return "a lifecycle has it"
        known = candidate.owned.known(candidate.external_key)
        if isinstance(known, Lifecycle) and known.task_id is None and known.phase in _MAY_FIND_IT:
            return f"{known.birth} may find it: it is {known.phase}"
        return None
