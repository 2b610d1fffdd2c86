"""The group's control topic, simulated: what is said there reaches each process in its own time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bridge.core.freeze import THAWED, Freeze


@dataclass(slots=True)
class SimControlTopic:
    """What was said, in order."""

    said: list[Freeze] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, freeze: Freeze) -> None:
        """Durable from now on."""
        self.said.append(freeze)
        self.more.set()
        self.more = asyncio.Event()


class SimControl:
    """Implements ``bridge.ports.ControlTopic`` for one process. ``delay``: seconds until it hears of a record."""

    def __init__(self, topic: SimControlTopic, delay: float = 0.01) -> None:
        self._topic = topic
        self._delay = delay
        self._position = 0

    async def open(self) -> Freeze:
        await asyncio.sleep(self._delay)
        self._position = len(self._topic.said)
        return self._topic.said[-1] if self._topic.said else THAWED

    async def next(self) -> Freeze:
        while self._position == len(self._topic.said):
            await self._topic.more.wait()
        await asyncio.sleep(self._delay)
        self._position += 1
        return self._topic.said[self._position - 1]

    async def close(self) -> None:
        return None
