"""Blocking tasks of the simulated Cloud Director: what they hold, who decides about them, and how that ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from math import inf
from random import Random

from bridge.core.blocking_task import BlockingTask
from bridge.core.task import Task, empty_document, task_at
from tests.simulation.process import in_world

PREFIX = "/admin/extension/blockingTask/"
_DECISIONS = ("resume", "abort", "fail")
_CLEANING_SECONDS = 2.0
"""So long a Task may still be in preRunning when its hold is over."""


@dataclass(slots=True)
class Hold:
    """One blocking task, and the Task of somebody that it holds. ``decided``: by which action, and when."""

    path: str
    random: Random
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
        return Task(document)

    def document(self) -> BlockingTask:
        return BlockingTask(id=self.id, task=task_at(self.task_id, f"/api/task/{self.task_id.rsplit(':', 1)[-1]}"))


@dataclass(slots=True)
class Holds:
    """By path; one is there as soon as somebody asks for it. Some are decided by a person, or by their time-out."""

    by_path: dict[str, Hold] = field(default_factory=dict)

    def at(self, path: str) -> Hold:
        found = self.by_path.get(path)
        if found is None:
            found = self.by_path[path] = Hold(path, Random(f"hold {path}"))
            if found.random.random() < 0.4:
                action, longest = found.random.choice(_DECISIONS), found.random.choice([0.0, 1.0, 60.0])
                in_world(found.decide, action, after=found.random.uniform(0, longest))
        return found

    def held_by(self, task_id: str) -> Hold | None:
        """Whose Task it is."""
        return next((hold for hold in self.by_path.values() if hold.task_id == task_id), None)

    def ended_as(self) -> dict[str, str]:
        """By blocking task: how the Task that it held has ended, or will."""
        return {path.removeprefix(PREFIX): hold.status(inf) for path, hold in self.by_path.items() if hold.decided}

    def decided(self) -> dict[str, str | None]:
        """By blocking task: the action that took effect; None: it is held."""
        return {path.removeprefix(PREFIX): hold.decided for path, hold in self.by_path.items()}
