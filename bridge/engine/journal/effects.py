"""What a committed round makes true: memory, what is told, what may start now, and the commands that it gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from bridge.core.commands import Command, MakeCall
from bridge.core.deciding import next_wake
from bridge.core.lifecycle import Kind, Lifecycle
from bridge.core.rules import Rules
from bridge.engine.calling.permits import Permits, Use
from bridge.engine.journal.starts import Starts
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.round import PartitionRound
from bridge.engine.partition.timers import Timers
from bridge.ports import Clock, Observer

RunCommand = Callable[[OwnedPartition, Lifecycle, Command, float], None]


class Effects:
    """Applies rounds. Synchronous: nobody sees half of one."""

    def __init__(
        self,
        *,
        clock: Clock,
        permits: Permits,
        starts: Starts,
        timers: Timers,
        rules: Rules,
        lease: timedelta,
        run_command: RunCommand,
        observer: Observer,
    ) -> None:
        self._clock = clock
        self._permits = permits
        self._starts = starts
        self._timers = timers
        self._rules = rules
        self._lease = lease
        self._run_command = run_command
        self._observer = observer
        self.on_applied: Callable[[OwnedPartition], None] = lambda owned: None

    def apply(self, work: PartitionRound, began: float) -> None:
        """Let a committed round be true. ``began``: monotonic seconds before its commit; leases count from there."""
        owned = work.owned
        if owned.closed:
            # Committed, and lost before we got here: it is true, but no longer ours to act on.
            for _ in work.grants:
                self._permits.release(Use.UNUSED)
            return
        lanes = self._remember(work)
        self._report(work)
        self._start_more(work, lanes)
        self._run_commands(work, began)
        self.on_applied(owned)

    def _remember(self, work: PartitionRound) -> list[str]:
        """Take the round into memory. The lanes that may be free because of it, in the order of what was decided."""
        owned = work.owned
        lanes: list[str] = []
        for birth, request in work.requests.items():
            if work.changed[birth].needs_request:
                owned.put_request(request)
        for birth, lifecycle in work.changed.items():
            before = owned.lifecycles.get(birth)
            lane = owned.put(lifecycle)
            if lane is not None:
                lanes.append(lane)
            if not lifecycle.needs_request:
                owned.drop_request(birth)
            self._timers.set(birth, next_wake(lifecycle, self._rules))
            self._observer.moved(before, lifecycle)
        for ended in work.ended():
            owned.remember(ended)
        owned.next_offset = owned.stored_offset = work.next_offset
        owned.stalls = 0
        return lanes

    def _start_more(self, work: PartitionRound, lanes: Sequence[str]) -> None:
        owned = work.owned
        now = self._clock.now()
        for lifecycle in work.changed.values():
            if lifecycle.is_open and lifecycle.kind is not Kind.CONTROL:
                self._starts.consider(owned, lifecycle, now)
        for lane in lanes:
            self._starts.consider_lane(owned, lane, now)

    def _run_commands(self, work: PartitionRound, began: float) -> None:
        leave_by = began + self._lease.total_seconds()
        for birth in work.grants:
            if not any(isinstance(command, MakeCall) for command in work.commands.get(birth, ())):
                self._permits.release(Use.UNUSED)
        for birth, commands in work.commands.items():
            lifecycle = work.changed.get(birth) or work.owned.lifecycles.get(birth)
            for command in commands:
                if lifecycle is not None:
                    self._run_command(work.owned, lifecycle, command, leave_by)

    def _report(self, work: PartitionRound) -> None:
        answers = {id(event) for event in work.answers}
        for birth in work.opened:
            self._observer.admitted(work.changed[birth], deprecated=birth in work.deprecated)
        for event in work.events:
            if id(event) in answers:
                self._observer.refused(event)
            else:
                self._observer.told(event)
        for known, record in work.repeats:
            self._observer.repeated(known, record)
        for record, error in work.dead_lettered:
            self._observer.dead_lettered(record, error.stage, error.message)
        for external_key, task_id, why in work.left_found:
            self._observer.orphan_left(work.owned.partition, external_key, task_id, why)
        for birth, note, evidence in work.notes:
            lifecycle = work.changed.get(birth) or work.owned.lifecycles.get(birth)
            if lifecycle is not None:
                self._observer.noted(lifecycle, note, evidence)
