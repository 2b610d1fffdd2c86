"""What VCD tells on its bus about Tasks: that they were created, started, ended; nothing of progress.

Event types as the .NET SDK's EventType has them: task/create, start, complete, fail, abort."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import json
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from bridge.simulator.clock import Clock, timestamp
from bridge.simulator.cloud import Cloud
from bridge.simulator.state.tasks.scripts import FINAL
from bridge.simulator.state.tasks.tasks import Task

_STEM = "com/vmware/vcloud/event/"
_ENDS = {"success": "complete", "error": "fail", "aborted": "abort", "canceled": "abort"}

_MOST_REMEMBERED = 200_000
_LONGEST_SLEEP_SECONDS = 1.0

Publish = Callable[[str, bytes], Awaitable[None]]


class TaskNews:
    """Tasks are functions of time, so that their news has to be waited for: a heap of the moments at which a status can
    change."""

    def __init__(self, cloud: Cloud, clock: Clock, publish: Publish) -> None:
        self._cloud = cloud
        self._clock = clock
        self._publish = publish
        self._told: OrderedDict[str, str] = OrderedDict()
        """Task id -> what was told of it last: ``create``, ``start`` or ``end``."""
        self._late: set[asyncio.Task[None]] = set()
        self._due: list[tuple[float, int, Task]] = []
        self._changed = asyncio.Event()
        self._random = random.Random(0)  # faults, no secret
        self.published = 0
        cloud.engine.on_changed = self.note

    def note(self, task: Task) -> None:
        """A Task is new, or goes by another script from now on."""
        start = task.anchor
        for step in task.script.steps:
            heapq.heappush(self._due, (start + step.after, task.number, task))
        due = task.due_at()
        if due is not None:
            heapq.heappush(self._due, (due, task.number, task))
        self._changed.set()

    async def run(self) -> None:
        """Until canceled."""
        while True:
            self._changed.clear()
            now = self._clock()
            self._cloud.engine.advance(now)
            while self._due and self._due[0][0] <= now:
                _, _, task = heapq.heappop(self._due)
                for event in self._events_of(task, now):
                    await self._tell(task, event, now)
            while len(self._told) > _MOST_REMEMBERED:
                self._told.popitem(last=False)
            # Not for longer than that: the simulated clock can be set.
            wait = min(self._due[0][0] - now, _LONGEST_SLEEP_SECONDS) if self._due else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if wait is None else max(wait, 0.001)):
                    await self._changed.wait()

    def stop(self) -> None:
        """What is still late is not told any more."""
        for late in self._late:
            late.cancel()

    def _events_of(self, task: Task, now: float) -> list[str]:
        status = task.step(now).status
        told = self._told.get(task.id)
        events = [] if told is not None else [f"{_STEM}task/create"]
        if status not in ("queued", "preRunning") and told not in ("start", "end"):
            events.append(f"{_STEM}task/start")
        if status in FINAL and told != "end":
            events.append(f"{_STEM}task/{_ENDS.get(status, 'fail')}")
        if status in FINAL:
            self._told[task.id] = "end"
        elif len(events) > 0:
            self._told[task.id] = "start" if events[-1].endswith("start") else "create"
        return events

    async def _tell(self, task: Task, event: str, now: float) -> None:
        """As reliably as the settings have it: lost, late (and so out of order), twice."""
        behavior = self._cloud.behavior
        if behavior.bus_silent or self._random.random() < behavior.bus_loss:
            return
        topic, payload = f"publish/{task.org.uuid}/{task.user.entity.uuid}", message(task, event, now)
        for _ in range(2 if self._random.random() < behavior.bus_duplicates else 1):
            if behavior.bus_delay_seconds:
                late = asyncio.ensure_future(
                    self._tell_late(topic, payload, self._random.random() * behavior.bus_delay_seconds)
                )
                self._late.add(late)
                late.add_done_callback(self._late.discard)
            else:
                await self._send(topic, payload)

    async def _tell_late(self, topic: str, payload: bytes, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._send(topic, payload)

    async def _send(self, topic: str, payload: bytes) -> None:
        await self._publish(topic, payload)
        self.published += 1


def message(task: Task, event: str, now: float) -> bytes:
    """The envelope as documented; the keys of the payload are public in part only, these are inferred."""
    payload = {
        "type": event, "taskId": task.id, "entity": task.urn, "org": task.org.urn, "user": task.user.entity.urn,
        "operation": task.operation_name, "owner": task.owner.urn, "timestamp": timestamp(now),
        "operationSuccess": not event.endswith(("fail", "abort")),
    }  # fmt: skip
    envelope = {"type": "EVENT", "headers": {"contentType": "application/json"}, "payload": json.dumps(payload)}
    return json.dumps(envelope).encode()
