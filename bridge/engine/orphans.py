"""Running Tasks that bear our mark and that nobody has: judged by the owner of the partition that the mark names.

Once per assignment, after restore and backlog. Tasks with another group's mark, another partition's, or none, are
others' business: they are counted, and left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from datetime import timedelta

from bridge.core.answers import TaskQuery, TaskRead, TaskRecord, Unavailable
from bridge.core.external.marks import Marker
from bridge.core.external_rules import ExternalRules, OrphanPolicy
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.rules import Backoff
from bridge.engine.external_looks import ACTIVE, NotNow, Refused, namespace_rows
from bridge.engine.partition import OwnedPartition
from bridge.ports import Clock, Observer, VcdGateway

_IN_DOUBT = frozenset({Phase.INTENT, Phase.UNSURE})


class Orphans:
    """``claimed``: Tasks that lifecycles of this process have. ``wake`` wakes the journal loop."""

    def __init__(
        self,
        clock: Clock,
        gateway: VcdGateway,
        rules: ExternalRules,
        claimed: Container[str],
        observer: Observer,
        wake: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._rules = rules
        self._claimed = claimed
        self._observer = observer
        self._wake = wake
        self._backoff = Backoff(cap=timedelta(seconds=60))
        self._judging: set[asyncio.Task[None]] = set()

    def begin(self, owned: OwnedPartition) -> None:
        """Judge the Tasks of a partition whose backlog has been admitted."""
        task = asyncio.ensure_future(self._judge(owned))
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)

    async def close(self) -> None:
        for task in list(self._judging):
            task.cancel()
        await asyncio.gather(*self._judging, return_exceptions=True)

    async def _judge(self, owned: OwnedPartition) -> None:
        failures = 0
        while not owned.closed:
            try:
                for namespace in self._rules.namespaces:
                    await self._judge_namespace(owned, namespace)
                return
            except Refused as refused:
                self._observer.orphans_unknown(owned.partition, str(refused))
                return
            except NotNow:
                delay = self._backoff.delay(failures, self._clock.random())
                failures += 1
                await self._clock.sleep(delay.total_seconds())

    async def _judge_namespace(self, owned: OwnedPartition, namespace: str) -> None:
        marker = Marker(self._rules.group_id, owned.partition)
        strangers = 0
        query = TaskQuery(service_namespace=namespace, statuses=ACTIVE)
        async for record in namespace_rows(self._gateway, query):
            external_key = marker.key_in(record.operation)
            if external_key is None:
                strangers += not self._is_of_group(record)
            elif self._is_orphan(owned, external_key, record.id):
                await self._found(owned, external_key, record.id)
        self._observer.strangers_seen(owned.partition, namespace, strangers)

    def _is_of_group(self, record: TaskRecord) -> bool:
        return f"[{self._rules.group_id}/" in (record.operation or "")

    def _is_orphan(self, owned: OwnedPartition, external_key: str, task_id: str) -> bool:
        """Nobody has it, and nobody of its key is about to find it."""
        known = owned.known(external_key)
        looking = isinstance(known, Lifecycle) and known.task_id is None and known.phase in _IN_DOUBT
        return task_id not in self._claimed and not looking

    async def _found(self, owned: OwnedPartition, external_key: str, task_id: str) -> None:
        reading = await self._gateway.read_task(task_id, None)
        if isinstance(reading, Unavailable):
            raise NotNow(reading.message)
        if not isinstance(reading, TaskRead) or reading.task.is_final or owned.closed:
            return
        if not self._is_orphan(owned, external_key, task_id):
            return
        self._observer.orphan_found(owned.partition, external_key, task_id, self._rules.orphans)
        if self._rules.orphans is not OrphanPolicy.REPORT:
            owned.found.append((external_key, reading.task))
            self._wake()
