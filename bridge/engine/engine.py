"""The engine: partitions come and go, records come in, loops run, and everything stops in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.deciding import next_wake
from bridge.core.freeze import Freeze
from bridge.core.inputs import Restored, Woke
from bridge.core.lifecycle import Kind, Lifecycle, Phase
from bridge.core.rules import Rules
from bridge.engine.brake import Brake
from bridge.engine.effects import Effects
from bridge.engine.follower import Follower
from bridge.engine.orphans import Orphans
from bridge.engine.partition import OwnedPartition
from bridge.engine.permits import Permits
from bridge.engine.probing import Probing
from bridge.engine.restoring import build
from bridge.engine.rounds import Rounds
from bridge.engine.runner import Runner
from bridge.engine.waiting import until_set
from bridge.engine.watch import Watch
from bridge.errors import StoreConflict
from bridge.ports import (
    Assigned,
    AtEnd,
    Clock,
    Delivery,
    Inbox,
    InboxEvent,
    Journal,
    Lost,
    Observer,
    Records,
    Revoking,
    Store,
    StoreCodec,
    VcdGateway,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainTimes:
    """How long a handover and a shutdown wait for calls that are out.

    A handover blocks the group's rebalance, so it stays far below the consumer's max.poll.interval.ms.
    """

    handover: timedelta = timedelta(seconds=10)
    shutdown: timedelta = timedelta(seconds=25)


@dataclass(slots=True)
class Parts:
    """Everything the engine is made of."""

    clock: Clock
    inbox: Inbox
    journal: Journal
    store: Store
    store_codec: StoreCodec
    gateway: VcdGateway
    brake: Brake
    permits: Permits
    probing: Probing
    rounds: Rounds
    effects: Effects
    is_full: Callable[[OwnedPartition], bool]
    runner: Runner
    follower: Follower
    watch: Watch | None
    """None, and ``orphans`` too: external tasks are off."""
    orphans: Orphans | None
    external_topic: str | None
    rules: Rules
    observer: Observer
    flow: Callable[[OwnedPartition], None]
    reach: Callable[[str], None]
    drain: DrainTimes


CONFLICT_SECONDS = 15.0
"""After so long a partition that was not taken is looked at again,"""
CONFLICT_TIMES = 10.0
"""and after so many times as long as the look took: a large store is not read all the time."""
_TO_GO_ON_WITH = frozenset({Phase.RESOLVING, Phase.INTENT, Phase.UNSURE})
"""Phases in which something was under way that is taken up again."""


class Engine:
    """One bridge process's work."""

    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self._restoring: dict[TopicPartition, asyncio.Task[None]] = {}
        self._handovers: set[asyncio.Task[None]] = set()
        self.not_taken: dict[TopicPartition, str] = {}
        """Assigned partitions that must not be worked on, with the reason; the others go on."""
        self._joined = False
        self._ready = asyncio.Event()
        self._stopping = False
        parts.runner.feedback = parts.rounds
        if parts.orphans is not None:
            parts.runner.found_twice = parts.orphans.begin
        parts.follower.feed = parts.rounds.feed
        if parts.watch is not None:
            parts.watch.feed = parts.rounds.feed
        parts.follower.hurry_waiting = parts.rounds.hurry
        parts.follower.partitions = lambda: list(parts.rounds.partitions.values())
        parts.effects.on_applied = self._applied

    @property
    def is_ready(self) -> bool:
        """Joined its group, restored all that it was given, VCD session up."""
        whole = self._joined and not self._restoring and not self.not_taken
        return whole and self._p.gateway.session_ready

    @property
    def session_ready(self) -> bool:
        """The VCD session is up."""
        return self._p.gateway.session_ready

    @property
    def freeze(self) -> Freeze | None:
        """Why nothing is called that changes VCD; None: the group is not frozen."""
        return self._p.brake.freeze

    @property
    def call_limit(self) -> int:
        """Calls that may be out at once, as VCD has answered so far; 0 while the breaker is open."""
        return self._p.permits.limit

    @property
    def breaker(self) -> str:
        """``closed``, ``open`` or ``half_open``."""
        return str(self._p.permits.breaker.state)

    def stalled(self, seconds: float) -> list[str]:
        """Loops that have made no progress for so long, though they should have."""
        now = self._p.clock.monotonic()
        late = []
        if self._p.rounds.is_busy and now - self._p.rounds.last_progress > seconds:
            late.append("journal")
        if now - self._p.follower.last_progress > seconds:
            late.append("follower")
        if self._p.watch is not None and self._p.watch.is_stalled(seconds):
            late.append("watch")
        return late

    @property
    def partitions(self) -> Mapping[TopicPartition, OwnedPartition]:
        """What this process owns now."""
        return self._p.rounds.partitions

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        """Work until ``stop`` is set, then drain and leave. Raises what breaks a loop."""
        p = self._p
        await p.gateway.open()
        await p.journal.open()
        await p.brake.open()
        await p.inbox.open()
        work = [self._read(), p.rounds.run(), p.follower.run(), self._keep_time(), p.brake.run(), p.probing.run()]
        if p.watch is not None:
            work.append(p.watch.run())
        loops = [asyncio.ensure_future(loop) for loop in work]
        announcement = asyncio.ensure_future(self._announce(on_ready))
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await self._until_stopped(loops, stopped)
        finally:
            stopped.cancel()
            for loop in (*loops, announcement):
                loop.cancel()
            await asyncio.gather(*loops, announcement, return_exceptions=True)
            await self._close()

    async def _until_stopped(self, loops: Sequence[asyncio.Task[Any]], stopped: asyncio.Task[Any]) -> None:
        done, _ = await asyncio.wait({*loops, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for loop in done - {stopped}:
            loop.result()
        # The reading loop goes on: leaving the group hands the partitions over through it.
        shutdown = asyncio.ensure_future(self._shut_down())
        done, _ = await asyncio.wait({*loops, shutdown}, return_when=asyncio.FIRST_COMPLETED)
        if shutdown not in done:
            shutdown.cancel()
        for finished in done:
            finished.result()

    async def _shut_down(self) -> None:
        self._stopping = True
        self._stop_restoring(list(self._restoring))
        owned = list(self._p.rounds.partitions.values())
        for partition in owned:
            partition.draining = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._p.rounds.quiet(owned), self._p.drain.shutdown.total_seconds())
        await self._p.inbox.close()

    async def _close(self) -> None:
        p = self._p
        for task in (*self._restoring.values(), *self._handovers):
            task.cancel()
        await p.runner.close()
        # A look of the runner may have found some.
        if p.orphans is not None:
            await p.orphans.close()
        await p.journal.close()
        await p.store.close()
        await p.brake.close()
        await p.gateway.close()

    async def _announce(self, on_ready: Callable[[], None]) -> None:
        await self._ready.wait()
        on_ready()

    # --- what the group and the topics bring ----------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            self._take(await self._p.inbox.next())

    def _take(self, event: InboxEvent) -> None:
        match event:
            case Assigned() if self._stopping:
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
            self._ready.set()

    def _applied(self, owned: OwnedPartition) -> None:
        """After every change of a partition: back-pressure, and the end of the backlog's admission."""
        self._p.flow(owned)
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

    # --- time -----------------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        timers, clock = self._p.rounds.timers, self._p.clock
        while True:
            timers.changed.clear()
            now = clock.now()
            for birth in timers.take_due(now):
                self._due(birth)
            due = timers.next()
            seconds = None if due is None else max(0.0, (due - now).total_seconds())
            await until_set(timers.changed, seconds)

    def _due(self, birth: Birth) -> None:
        owned = self._p.rounds.partitions.get(birth.topic_partition)
        lifecycle = owned.lifecycles.get(birth) if owned is not None else None
        if owned is None or lifecycle is None or owned.admitting:
            return
        now = self._p.clock.now()
        if _only_a_retry(lifecycle, now):
            self._p.rounds.starts.consider(owned, lifecycle, now)
        else:
            owned.feed(birth, Woke())
            self._p.rounds.starts.consider(owned, lifecycle, now)
        self._p.rounds.timers.set(birth, next_wake(lifecycle, self._p.rules, after=now))
        self._p.rounds.wake()


def _only_a_retry(lifecycle: Lifecycle, now: datetime) -> bool:
    deadlines = (lifecycle.start_by, lifecycle.watch_until)
    silent = lifecycle.expires_at is not None and lifecycle.expires_at <= now
    return lifecycle.phase is Phase.WAITING and deadlines == (None, None) and not silent
