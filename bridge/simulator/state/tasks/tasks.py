"""The Task engine: Tasks are functions of time, read when somebody looks; only their ends are kept in order.

Memory is bounded: beyond ``maximum`` the oldest ended Tasks are forgotten and answer 403, as VCD's do.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, takewhile
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.tasks.limits import Begin, OperationQueue, Place
from bridge.simulator.state.tasks.scripts import FINAL, Script, Step, standing

if TYPE_CHECKING:
    from bridge.simulator.state.entities import Entity, User

NATIVE_NAMESPACE = "com.vmware.vcloud"
EXPIRY_SECONDS = 90 * 86400.0
"""expiryTime is startTime plus 90 days in every dated sample (libcloud fixtures, VCD API docs)."""

_number = attrgetter("number")

Effect = Callable[[bool], None]
"""What a Task's end does to the cloud; told whether it succeeded."""


@dataclass(slots=True)
class External:
    """What only a Task of a service outside VCD has: free content, and how often it was called.

    ``updates`` counts the PUTs that took effect, ``terminal_updates`` those of them that ended the Task,
    ``refused_updates`` the others, ``updates_after_end`` those of the others that came too late. ``seeded``: made
    without a call, as somebody else's.
    """

    params: Any = None
    extensions: list[JsonObject] = field(default_factory=list)
    seeded: bool = False
    updates: int = 0
    terminal_updates: int = 0
    refused_updates: int = 0
    updates_after_end: int = 0
    cancels: int = 0


class Task:
    """One Task. ``script`` counts from ``anchor``; it has waited under operation limits until ``started_at``.

    ``sorted_at``: when it was created, but never before an older one, as it may be where the clock is set back.
    ``cell``: name of the cell that it was asked of. ``makes_owner``: its owner is what it creates, which does not stay
    if an administrator aborts the creation.
    """

    __slots__ = (
        "anchor", "blocked_until", "blocking_id", "cancel_requested", "cell", "created_at", "description",
        "details", "effect", "ended_at", "error", "external", "id", "makes_owner", "number", "operation",
        "operation_key", "operation_name", "org", "owner", "place", "result", "resumed", "script", "service_namespace",
        "sorted_at", "started_at", "timeout_action", "user", "vanish_at", "version", "words",
    )  # fmt: skip

    def __init__(
        self,
        *,
        number: int,
        task_id: str,
        operation_name: str,
        words: tuple[str, str],
        owner: Entity,
        user: User,
        script: Script,
        now: float,
        effect: Effect | None = None,
        service_namespace: str = NATIVE_NAMESPACE,
    ) -> None:
        self.number = number
        self.id = task_id
        self.operation_name = operation_name
        self.words = words
        self.owner = owner
        self.org = owner.organization
        self.user = user
        self.script = script
        self.anchor = self.created_at = self.started_at = self.sorted_at = now
        self.vanish_at = None if script.vanish_after is None else now + script.vanish_after
        self.effect = effect
        self.service_namespace = service_namespace
        self.cell = "cell-1"
        self.operation: str | None = None
        self.operation_key: str | None = None
        self.description: str | None = None
        self.details: str | None = None
        self.error: JsonObject | None = None
        self.result: JsonObject | None = None
        self.external: External | None = None
        self.ended_at: float | None = None
        self.cancel_requested = False
        self.version = 0
        self.place: Place | None = None
        self.makes_owner = False
        self.blocking_id: str | None = None
        self.blocked_until: float | None = None
        self.timeout_action = "resume"
        self.resumed: Script | None = None

    def step(self, now: float) -> Step:
        """What it shows. Neither rounding of times nor a clock that is set back hides an end that was seen."""
        return self.script.at(now - self.anchor) if self.ended_at is None else self.script.steps[-1]

    def step_then(self, at: float) -> Step:
        """What it showed at an earlier time."""
        return self.step(at) if self.ended_at is None or at >= self.ended_at else self.script.at(at - self.anchor)

    def due_at(self) -> float | None:
        """When something happens by itself: the end, or the time-out of a blocking task."""
        if self.blocked_until is not None:
            return self.blocked_until
        return None if self.script.ends_after is None else self.anchor + self.script.ends_after

    def is_gone(self, now: float) -> bool:
        """Expired, or taken away: it answers 403, and no list or query has it."""
        return self.vanish_at is not None and now >= self.vanish_at

    def text(self, step: Step) -> str:
        """The operation text; it changes over a Task's life."""
        if step.operation is not None:
            return step.operation
        if self.operation is not None:
            return self.operation
        return self.words[1] if step.status in FINAL else self.words[0]

    @property
    def urn(self) -> str:
        return f"urn:vcloud:task:{self.id}"


class TaskEngine:
    """All Tasks. Call :meth:`advance` with the present before reading: it ends what is due, in order of time."""

    def __init__(self, *, maximum: int = 100_000) -> None:
        self.maximum = maximum
        self.keep_seconds = 0.0
        """How long after its end a Task is kept; 0: until its expiryTime."""
        self.queue = OperationQueue()
        self.created = 0
        self.forgotten = 0
        self._latest = 0.0
        self._tasks: dict[str, Task] = {}
        self._active: dict[str, Task] = {}
        self._ended: list[Task] = []
        self._ended_times: list[float] = []
        self._namespaces: dict[str, dict[str, Task]] = {}
        self._due: list[tuple[float, int, int, Task]] = []
        self.on_blocking_timeout: Callable[[Task, float], None] = lambda _task, _now: None
        self.on_changed: Callable[[Task], None] = lambda _task: None
        """Told of a Task that is new, or that goes by another script from now on."""

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def active_count(self) -> int:
        return len(self._active)

    def keep(self, seconds: float) -> None:
        """Sets how long ended Tasks are kept. Those that have ended already go sooner too; none stays longer."""
        if seconds and seconds != self.keep_seconds:
            for task in self._ended:
                if task.ended_at is not None and task.vanish_at is not None:
                    task.vanish_at = min(task.vanish_at, task.ended_at + seconds)
        self.keep_seconds = seconds

    def start(self, task: Task, hold: Begin | None = None) -> None:
        """Adds one of VCD's own Tasks; where operation limits say so it stays queued until others have ended.

        Args:
            hold: Makes a blocking task of it, when it may run.
        """
        if not self.queue.enter(task, partial(self._begin, task, task.script, hold)):
            task.script = standing(Step(0.0, "queued"), task.script)
        elif hold is not None:
            hold(task.created_at)
        self.add(task)

    def _begin(self, task: Task, script: Script, hold: Begin | None, at: float) -> None:
        task.started_at, task.script = at, script
        if hold is not None:
            hold(at)
        self.rescript(task, task.script, at)

    def add(self, task: Task) -> None:
        self.created += 1
        self._latest = task.sorted_at = max(self._latest, task.created_at)
        self._tasks[task.id] = task
        self._active[task.id] = task
        task.owner.add_task(task)
        if task.external is not None:
            self._namespaces.setdefault(task.service_namespace.casefold(), {})[task.id] = task
        if task.script.ends_after == 0.0 and task.blocked_until is None:
            self._end(task, task.anchor)
        else:
            self._schedule(task)
        self.on_changed(task)
        if len(self._tasks) > self.maximum:
            self._forget_oldest()

    def advance(self, now: float) -> None:
        due = self._due
        while due and due[0][0] <= now:
            at, _, version, task = heapq.heappop(due)
            if task.version != version or task.ended_at is not None:
                continue
            if task.blocked_until is not None:
                self.on_blocking_timeout(task, at)
            else:
                self._end(task, at)
        if self.queue.queued:
            self.queue.reconsider(now)

    def get(self, task_id: str, now: float) -> Task | None:
        task = self._tasks.get(task_id)
        return None if task is None or task.is_gone(now) else task

    def rescript(self, task: Task, script: Script, now: float) -> None:
        """From now on the Task goes by another script."""
        self.queue.overtake(task)
        task.script = script
        task.anchor = now
        task.version += 1
        if script.ends_after == 0.0 and task.blocked_until is None:
            self._end(task, now)
        else:
            self._schedule(task)
        self.on_changed(task)

    def force(self, task: Task, step: Step, now: float) -> None:
        self.rescript(task, standing(step, task.script), now)

    def request_cancel(self, task: Task, now: float) -> None:
        """Sets cancelRequested; an honoring script ends ``cancel_seconds`` later, unless its own end comes first."""
        task.cancel_requested = True
        script = task.script
        if script.cancel != "honor" or task.external is not None:
            return
        due = task.due_at()
        if due is not None and task.blocked_until is None and due <= now + script.cancel_seconds:
            return
        present = replace(task.step(now), after=0.0)
        end = Step(script.cancel_seconds, script.cancel_status, present.progress)
        steps = (end,) if script.cancel_seconds == 0.0 else (present, end)
        task.blocked_until = None
        if task.place is Place.WAITING:
            self.queue.leave(task, now)
        self.rescript(task, replace(script, steps=steps), now)

    def all(self) -> dict[str, Task]:
        """By id, in order of creation."""
        return self._tasks

    def of_namespaces(self, namespaces: Iterable[str]) -> dict[str, Task]:
        """At least the Tasks of these service namespaces, whose case does not count; by id, in order of creation."""
        names = {name.casefold() for name in namespaces}
        if NATIVE_NAMESPACE in names:
            return self._tasks  # nearly all are VCD's own: no index would be shorter
        found = [self._namespaces[name] for name in names if name in self._namespaces]
        if len(found) == 1:
            return found[0]
        return {task.id: task for task in sorted(chain.from_iterable(one.values() for one in found), key=_number)}

    def newest(self, now: float) -> Iterator[Task]:
        """All Tasks that are not gone, the last created first."""
        return (task for task in reversed(self._tasks.values()) if not task.is_gone(now))

    def active(self) -> Collection[Task]:
        return self._active.values()

    @staticmethod
    def started_since(at: float, tasks: dict[str, Task]) -> list[Task]:
        """At least those of ``tasks``, which are in order of creation, that started at ``at`` or later."""
        return list(takewhile(lambda task: task.sorted_at >= at, reversed(tasks.values())))

    def ended_since(self, at: float | None) -> list[Task]:
        """Ended Tasks in the order in which they ended, at least those that ended at ``at`` or later."""
        return self._ended[0 if at is None else bisect_left(self._ended_times, at) :]

    def _schedule(self, task: Task) -> None:
        due = task.due_at()
        if due is not None:
            heapq.heappush(self._due, (due, task.number, task.version, task))

    def _end(self, task: Task, at: float) -> None:
        task.ended_at = at
        self._active.pop(task.id, None)
        self._ended.append(task)
        self._ended_times.append(max(at, self._ended_times[-1]) if self._ended_times else at)
        if task.owner.busy is task:
            task.owner.busy = None
        effect, task.effect = task.effect, None
        if effect is not None:
            effect(task.script.steps[-1].status == "success")
        gone_at = max(at, task.started_at + EXPIRY_SECONDS)
        if self.keep_seconds:
            gone_at = min(gone_at, at + self.keep_seconds)
        task.vanish_at = gone_at if task.vanish_at is None else min(gone_at, task.vanish_at)
        self.queue.leave(task, at)

    def _forget_oldest(self) -> None:
        """A tenth at once: cutting the front of a list costs its whole length."""
        count = max(1, self.maximum // 10)
        for task in self._ended[:count]:
            task.vanish_at = task.ended_at
            self._tasks.pop(task.id, None)
            if task.external is not None:
                self._namespaces[task.service_namespace.casefold()].pop(task.id, None)
            self.forgotten += 1
        del self._ended[:count]
        del self._ended_times[:count]
