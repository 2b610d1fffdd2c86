"""What the demo's bridge has told so far, and who shows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.cli.demo.processes import Child, DemoFailed

STEP_SECONDS = 25.0
"""No single wait of the demo takes longer, or it has failed."""


def name_of(event: Mapping[str, Any]) -> str:
    """The request or the ticket that an event is about."""
    return str(event["request_id"] or event["external_key"])


@dataclass(slots=True)
class Stage:
    """What has been told so far."""

    show: Callable[[str, Mapping[str, Any]], None]
    """Called with ``("note", {"text"})``, ``("sent", {"name", "title"})`` and ``("event", event)``."""
    events: list[Mapping[str, Any]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def read(self, watch: Child) -> None:
        """Take the events from a running ``watch --json``."""
        async for line in watch.lines():
            event = json.loads(line)
            async with self.changed:
                self.events.append(event)
                self.changed.notify_all()
            self.show("event", event)

    async def until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Wait for the events to make ``condition`` true. Raises DemoFailed."""
        try:
            async with asyncio.timeout(STEP_SECONDS), self.changed:
                await self.changed.wait_for(condition)
        except TimeoutError:
            raise DemoFailed(otherwise) from None

    def seen(self, name: str, change: str) -> bool:
        return any(name_of(event) == name and event["change"] == change for event in self.events)

    def has_ended(self, names: set[str]) -> bool:
        return {name_of(event) for event in self.events if event["final"]} >= names

    def note(self, text: str) -> None:
        self.show("note", {"text": text})
