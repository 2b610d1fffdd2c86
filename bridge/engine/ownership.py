"""Partitions come and go: restored before they are worked on, drained before they are handed over."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence

from bridge.core.coordinates import TopicPartition
from bridge.core.deciding import next_wake
from bridge.core.inputs import Restored
from bridge.core.lifecycle import Kind, Phase
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.restoring import build
from bridge.engine.parts import Parts
from bridge.errors import StoreConflict
from bridge.ports import Assigned, AtEnd, Delivery, InboxEvent, Lost, Records, Revoking

CONFLICT_SECONDS = 15.0
"""After so long a partition that was not taken is looked at again,"""
CONFLICT_TIMES = 10.0
"""and after so many times as long as the look took: a large store is not read all the time."""
_TO_GO_ON_WITH = frozenset({Phase.RESOLVING, Phase.INTENT, Phase.UNSURE})
"""Phases in which something was under way that is taken up again."""


class Ownership:
    """What this process owns of its group's work, as the group has told it."""

    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self._restoring: dict[TopicPartition, asyncio.Task[None]] = {}
        self._handovers: set[asyncio.Task[None]] = set()
        self.not_taken: dict[TopicPartition, str] = {}
        """Assigned partitions that must not be worked on, with the reason; the others go on."""
        self._joined = False
        self.ready = asyncio.Event()
        """Set when the process has joined its group for the first time, and restored what it was given."""
        self._leaving = False
        parts.effects.on_applied = self._applied

    @property
    def is_whole(self) -> bool:
        """Joined, and all that was given is restored."""
        return self._joined and not self._restoring and not self.not_taken

    async def run(self) -> None:
        """Take what the inbox brings, until canceled."""
        while True:
            self._take(await self._p.inbox.next())

    async def leave(self) -> None:
        """Drain what is owned, bounded, then leave the group; ``run`` must go on meanwhile: it hands over."""
        self._leaving = True
        self._stop_restoring(list(self._restoring))
        owned = list(self._p.rounds.partitions.values())
        for partition in owned:
            partition.draining = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._p.rounds.quiet(owned), self._p.drain.shutdown.total_seconds())
        await self._p.inbox.close()

    def close(self) -> None:
        """Stop restores and handovers that are still under way."""
        for task in (*self._restoring.values(), *self._handovers):
            task.cancel()

    # --- what the group and the topics bring ----------------------------------------------------------------------

    def _take(self, event: InboxEvent) -> None:
        match event:
            case Assigned() if self._leaving:
                return  # the process is leaving: what it has not restored is nobody's until the next owner
            case Assigned(epochs=epochs):
                self._joined = True
                for partition, epoch in epochs.items():
                    task = asyncio.ensure_future(self._restore(partition, epoch))
                    self._restoring[partition] = task
                self._check_ready()
            case Revoking(partitions=partitions):
                handover = asyncio.ensure_future(self._hand_over(partitions))
                self._handovers.add(handover)
                handover.add_done_callback(self._handovers.discard)
            case Lost(partitions=partitions):
                # Whether it is still a member, the next assignment says.
                self._joined = False
                for partition in partitions:
                    self._drop(partition, lost=True)
            case Records(deliveries=deliveries):
                self._deliver(deliveries)
            case AtEnd():
                owned = self._p.rounds.partitions.get(event.partition)
                if owned is not None and owned.epoch == event.epoch:
                    owned.seen_end = max(owned.seen_end, event.offset)
                    self._applied(owned)

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        touched: dict[TopicPartition, OwnedPartition] = {}
        for delivery in deliveries:
            owned = self._owner_of(delivery)
            if owned is not None:
                owned.inbox.append(delivery)
                touched[owned.partition] = owned
        for owned in touched.values():
            self._p.flow(owned)
        self._p.rounds.wake()

    def _owner_of(self, delivery: Delivery) -> OwnedPartition | None:
        owned = self._p.rounds.partitions.get(delivery.partition)
        if owned is None or owned.epoch != delivery.epoch or owned.draining:
            return None
        return owned

    # --- partitions come ------------------------------------------------------------------------------------------

    async def _restore(self, partition: TopicPartition, epoch: int) -> None:
        """Until it is taken over. What contradicts itself is looked at again: a person may have set it right."""
        clock = self._p.clock
        try:
            began = clock.monotonic()
            while (conflict := await self._take_over(partition, epoch)) is not None:
                self._refuse(partition, f"{conflict.message}; {conflict.hint}")
                await clock.sleep(max(CONFLICT_SECONDS, CONFLICT_TIMES * (clock.monotonic() - began)))
                began = clock.monotonic()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever breaks a restore breaks the process: it must not own blindly
            self._p.rounds.fail(error)
        finally:
            if self._restoring.get(partition) is asyncio.current_task():
                del self._restoring[partition]
                self._check_ready()

    async def _take_over(self, partition: TopicPartition, epoch: int) -> StoreConflict | None:
        """Restore a partition and begin with it; None also where it is not ours any more."""
        p = self._p
        began = p.clock.monotonic()
        try:
            restored = await p.store.restore(partition, epoch)
            if restored is None:
                return None
            owned = await build(partition, epoch, restored, p.store_codec, p.clock.now())
        except StoreConflict as conflict:
            return conflict
        if self._restoring.get(partition) is not asyncio.current_task():
            return None
        self.not_taken.pop(partition, None)
        p.rounds.adopt(owned)
        p.reach("restored")
        p.inbox.begin(partition, epoch, owned.next_offset)
        p.observer.restored(partition, Counter(one.phase.value for one in owned.lifecycles.values()), owned.remarks)
        p.observer.assigned(partition, owned.open_count, p.clock.monotonic() - began)
        self._follow_on(owned)
        self._applied(owned)
        return None

    def _refuse(self, partition: TopicPartition, reason: str) -> None:
        if self.not_taken.get(partition) != reason:
            self.not_taken[partition] = reason
            self._p.observer.partition_stopped(partition, reason)
        self._check_ready()

    def _check_ready(self) -> None:
        if self._joined and self._restoring.keys() <= self.not_taken.keys():
            self.ready.set()

    def _applied(self, owned: OwnedPartition) -> None:
        """After every change of a partition: back-pressure, and the end of the backlog's admission."""
        self._p.flow(owned)
        if self._p.lookout is not None:
            self._p.lookout.applied()
        if owned.admitting and not owned.closed and self._backlog_done(owned):
            owned.admitting = False
            self._p.observer.backlog_admitted(owned.partition)
            self._resume_work(owned)
            if self._p.orphans is not None and owned.partition.topic == self._p.external_topic:
                self._p.orphans.begin(owned)

    def _backlog_done(self, owned: OwnedPartition) -> bool:
        if owned.next_offset >= owned.backlog_end or self._p.is_full(owned):
            return True
        return owned.seen_end >= owned.backlog_end and not owned.inbox and not owned.committing

    def _follow_on(self, owned: OwnedPartition) -> None:
        """Tasks are followed from the first moment on: that starts nothing and ends nothing by itself."""
        for lifecycle in list(owned.lifecycles.values()):
            if lifecycle.is_sighted:
                continue  # its observation looks for it
            shown = lifecycle.kind is Kind.EXTERNAL_TASK and lifecycle.task_id is not None
            if lifecycle.phase is Phase.FOLLOWING or (shown and lifecycle.phase is Phase.WAITING):
                owned.feed(lifecycle.birth, Restored())
        self._p.rounds.wake()

    def _resume_work(self, owned: OwnedPartition) -> None:
        now = self._p.clock.now()
        for lifecycle in list(owned.lifecycles.values()):
            if lifecycle.phase in _TO_GO_ON_WITH or lifecycle.may_be_found:
                owned.feed(lifecycle.birth, Restored())
            self._p.rounds.starts.consider(owned, lifecycle, now)
            self._p.rounds.timers.set(lifecycle.birth, next_wake(lifecycle, self._p.rules))
        self._p.rounds.wake()

    # --- partitions go --------------------------------------------------------------------------------------------

    async def _hand_over(self, partitions: frozenset[TopicPartition]) -> None:
        """The clean handover: what is out comes back and is committed, then the partition is let go."""
        self._stop_restoring(partitions)
        going = [owned for owned in map(self._p.rounds.partitions.get, partitions) if owned is not None]
        for owned in going:
            owned.draining = True
        self._p.rounds.wake()
        self._p.reach("handover")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._p.rounds.quiet(going), self._p.drain.handover.total_seconds())
        for partition in partitions:
            self._drop(partition, lost=False)
        self._p.inbox.release(partitions)

    def _drop(self, partition: TopicPartition, *, lost: bool) -> None:
        self._stop_restoring([partition])
        self.not_taken.pop(partition, None)
        self._p.rounds.drop(partition)
        self._p.observer.unassigned(partition, lost=lost)

    def _stop_restoring(self, partitions: Iterable[TopicPartition]) -> None:
        """A restore that ended after this would take up work that is not ours any more."""
        for partition in partitions:
            restoring = self._restoring.pop(partition, None)
            if restoring is not None:
                restoring.cancel()
