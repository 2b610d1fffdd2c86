"""VCD's message bus, simulated: what it says comes late, twice, out of order, or not at all, and may be wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random

from bridge.ports import Hint

LONGEST_LATENESS_SECONDS = 3.0
AWAY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Said:
    """A message about a Task, which may say that it has ended."""

    task_id: str
    ends: bool


@dataclass(slots=True)
class SimBus:
    """What was said, in order; nothing is kept for who does not listen. ``heard``: messages that reached somebody."""

    random: Random
    said: list[Said] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    heard: int = 0

    def say(self, task_id: str, *, ends: bool = False) -> None:
        self.said.append(Said(task_id, ends))
        self.more.set()
        self.more = asyncio.Event()


class SimNotifications:
    """Implements ``bridge.ports.Notifications`` for one process."""

    def __init__(self, bus: SimBus) -> None:
        self._bus = bus

    async def run(self, hint: Hint) -> None:
        """Until canceled. Now and then the connection is away for a while, and what was said meanwhile is lost."""
        bus, random = self._bus, self._bus.random
        while True:
            position, steady = len(bus.said), random.randint(5, 200)
            for _ in range(steady):
                while position == len(bus.said):
                    await bus.more.wait()
                said = bus.said[position]
                position += 1
                if random.random() < 0.8:
                    await self._bring(said, hint)
            await asyncio.sleep(AWAY_SECONDS)

    async def _bring(self, said: Said, hint: Hint) -> None:
        random = self._bus.random
        if random.random() < 0.1:
            await asyncio.sleep(random.uniform(0, LONGEST_LATENESS_SECONDS))  # and all that comes behind it
        if random.random() < 0.1:
            asyncio.get_running_loop().call_later(random.uniform(0, LONGEST_LATENESS_SECONDS), self._tell, said, hint)
        if random.random() < 0.9:
            self._tell(said, hint)

    def _tell(self, said: Said, hint: Hint) -> None:
        self._bus.heard += 1
        hint(said.task_id, ends=said.ends or self._bus.random.random() < 0.05)
