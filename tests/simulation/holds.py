"""Blocking tasks of the simulated Cloud Director: what they hold, who decides about them, and how that ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from random import Random

from bridge.core.blocking_task import BlockingTask
from bridge.core.task import Task, empty_document, is_final, task_at
from tests.simulation.loop import EPOCH
from tests.simulation.process import in_world

PREFIX = "/admin/extension/blockingTask/"
_DECISIONS = ("resume", "abort", "fail")
_CLEANING_SECONDS = 2.0
"""So long a Task may still be in preRunning when its hold is over."""
_USUAL_TIMEOUT_SECONDS = 5 * 86_400.0
CELLS_APART_SECONDS = 2.0
"""How far the clocks of VCD's cells may be from the one that tells the time."""


@dataclass(slots=True)
class Hold:
    """One blocking task, and the Task of somebody that it holds. ``timeout``: when VCD does ``timeout_action`` by
    itself; ``decided``: by which action, and when; ``timed_out``: by VCD itself. ``clock``: how far the clock of the
    cell is ahead that writes when the Task ended."""

    path: str
    random: Random
    timeout: float
    timeout_action: str
    clock: float = 0.0
    timed_out: bool = False
    decided: str | None = None
    decided_at: float = 0.0
    cleaning: float = 0.0
    ends: str = "success"
    runs: float = 0.0

    @property
    def id(self) -> str:
        return f"urn:vcloud:blockingTask:{self._uuid}"

    @property
    def task_id(self) -> str:
        return f"urn:vcloud:task:{self._uuid.replace('30000000', '40000000', 1)}"

    @property
    def _uuid(self) -> str:
        return self.path.removeprefix(PREFIX)

    def decide(self, action: str) -> None:
        """The first decision counts, whoever makes it."""
        if self.decided is None:
            random = self.random
            self.decided, self.decided_at = action, asyncio.get_event_loop().time()
            self.cleaning = random.choice([0.0, 0.0, random.uniform(0, _CLEANING_SECONDS)])
            self.runs, self.ends = random.uniform(1, 60), random.choice(["success", "success", "success", "error"])

    def limit(self, seconds: float) -> None:
        """Its time is up in so many seconds."""
        self.timeout = asyncio.get_event_loop().time() + seconds
        in_world(self._time_out, after=seconds)

    def _time_out(self) -> None:
        self.timed_out = self.decided is None
        self.decide(self.timeout_action)

    def is_held(self, then: float) -> bool:
        return self.decided is None or then < self.decided_at

    def status(self, then: float) -> str:
        over = then - self.decided_at - self.cleaning
        if self.decided is None or over < 0:
            return "preRunning"
        if self.decided != "resume":
            return {"abort": "aborted", "fail": "error"}[self.decided]
        return "running" if over < self.runs else self.ends

    def task(self, then: float) -> Task:
        document = empty_document()
        document["id"], document["status"] = self.task_id, self.status(then)
        document["name"], document["cancelRequested"] = "task", False
        if is_final(document["status"]):
            ended = self.decided_at + self.cleaning + (self.runs if self.decided == "resume" else 0.0) + self.clock
            document["endTime"] = int((EPOCH.timestamp() + ended) * 1000)
        return Task(document)

    def document(self) -> BlockingTask:
        return BlockingTask(
            id=self.id,
            timeout=EPOCH + timedelta(seconds=self.timeout),
            timeout_action=self.timeout_action,
            task=task_at(self.task_id, f"/api/task/{self.task_id.rsplit(':', 1)[-1]}"),
        )


@dataclass(slots=True)
class Holds:
    """By path; one is there as soon as somebody asks for it. Some are decided by a person, some by their time-out, and
    some by a person just before it."""

    by_path: dict[str, Hold] = field(default_factory=dict)

    def at(self, path: str) -> Hold:
        found = self.by_path.get(path)
        if found is None:
            found = self.by_path[path] = self._made(path)
        return found

    def _made(self, path: str) -> Hold:
        random = Random(f"hold {path}")
        timeout = asyncio.get_event_loop().time() + _USUAL_TIMEOUT_SECONDS
        hold = Hold(path, random, timeout, random.choice(_DECISIONS))
        hold.clock = random.uniform(-CELLS_APART_SECONDS, CELLS_APART_SECONDS)
        after = random.uniform(0, random.choice([0.0, 1.0, 60.0]))
        if random.random() < 0.3:
            in_world(hold.decide, random.choice(_DECISIONS), after=after)
            after += random.uniform(0, 10)
        if random.random() < 0.2:
            hold.limit(after)
        return hold

    def held_by(self, task_id: str) -> Hold | None:
        """Whose Task it is."""
        return next((hold for hold in self.by_path.values() if hold.task_id == task_id), None)

    def ended_as(self) -> dict[str, str]:
        """By blocking task: how the Task that it held has ended, or will."""
        return {path.removeprefix(PREFIX): hold.status(inf) for path, hold in self.by_path.items() if hold.decided}

    def decided(self) -> dict[str, str | None]:
        """By blocking task: the action that took effect; None: it is held."""
        return {path.removeprefix(PREFIX): hold.decided for path, hold in self.by_path.items()}
