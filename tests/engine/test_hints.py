"""What the message bus says reaches every look that it may wake."""

from __future__ import annotations

import asyncio

from bridge.engine.following.hints import Hints
from bridge.ports import Hint


class _Bus:
    def __init__(self, *tasks: str) -> None:
        self.tasks = tasks

    async def run(self, hint: Hint) -> None:
        for task in self.tasks:
            hint(task, ends=task == "b")
        await asyncio.Event().wait()


class _Look(list[tuple[str, bool]]):
    def hurry(self, task_id: str, *, ends: bool = False) -> None:
        self.append((task_id, ends))


async def test_every_look_is_told_of_every_task() -> None:
    one, other = _Look(), _Look()
    running = asyncio.ensure_future(Hints(_Bus("a", "b", "a"), (one.hurry, other.hurry)).run())
    await asyncio.sleep(0)
    running.cancel()
    assert one == other == [("a", False), ("b", True), ("a", False)]
