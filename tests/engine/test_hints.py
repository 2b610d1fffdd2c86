"""What the message bus says reaches every look that it may wake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.engine.following.hints import Hints


class _Bus:
    def __init__(self, *tasks: str) -> None:
        self.tasks = tasks

    async def run(self, hint: Callable[[str], None]) -> None:
        for task in self.tasks:
            hint(task)
        await asyncio.Event().wait()


async def test_every_look_is_told_of_every_task() -> None:
    one: list[str] = []
    other: list[str] = []
    running = asyncio.ensure_future(Hints(_Bus("a", "b", "a"), (one.append, other.append)).run())
    await asyncio.sleep(0)
    running.cancel()
    assert one == other == ["a", "b", "a"]
