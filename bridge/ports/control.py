"""What operators tell the whole group."""

from __future__ import annotations

from typing import Protocol

from bridge.core.freeze import Freeze


class ControlTopic(Protocol):
    """The group's control topic: one compacted partition that every process reads whole, then follows."""

    async def open(self) -> Freeze:
        """Read it whole. Returns what holds. Raises TemporaryError or ConfigurationError."""
        ...

    async def next(self) -> Freeze:
        """What is said next, once it is said. While Kafka is away nothing is: what was said last holds."""
        ...

    async def close(self) -> None: ...
