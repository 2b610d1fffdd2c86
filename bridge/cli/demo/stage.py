"""What the demo's bridge has told so far, and who shows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.cli.demo.cloud import ORGANIZATION
from bridge.cli.demo.processes import Child, DemoFailed
from bridge.cli.timeline import clock_time

STEP_SECONDS = 25.0
"""No single wait of the demo takes longer, or it has failed."""


def name_of(event: Mapping[str, Any]) -> str:
    """The request, the ticket or what was seen that an event is about."""
    return str(event["request_id"] or event["external_key"])


@dataclass(slots=True)
class Stage:
    """What has been told so far."""

    show: Callable[[str, Mapping[str, Any]], None]
    """Called with ``("note", {"text"})``, ``("sent", {"name", "title"})``, ``("seen", {"name", "title"})`` before the
    first event of what nobody sent, and ``("event", event)``."""
    events: list[Mapping[str, Any]] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)
    """Of what was seen, by name."""
    _names: dict[str, str] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def read(self, watch: Child) -> None:
        """Take the events from a running ``watch --json``."""
        async for line in watch.lines():
            event = self.alike(json.loads(line))
            async with self.changed:
                self.events.append(event)
                self.changed.notify_all()
            if (name := name_of(event)) in self._names.values() and name not in self.titles:
                self.titles[name] = _title(event)
                self.show("seen", {"name": name, "title": self.titles[name]})
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

    def name(self, urn: str) -> str:
        """``acme-1``, ``acme-2``, … for Tasks, ``held-1`` for a blocking task, in the order in which they are met."""
        kind = "held" if ":blockingTask:" in urn else ORGANIZATION
        number = 1 + sum(name.startswith(f"{kind}-") for name in self._names.values())
        return self._names.setdefault(urn, f"{kind}-{number}")

    def alike(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """The events of all streams in the form of a request's: with a name, a change and an outcome."""
        if event["lifecycle"] != "observation":
            return event
        own: dict[str, Any] = {"external_key": None}
        if "state" in event:
            own |= {"request_id": self.name(event["id"]), "catalogue_operation": event["operation"]} | _state(event)
        elif event["task"] is None:
            own |= {"request_id": event["correlation_id"]}
        else:
            task = event["task"]
            own |= {"request_id": self.name(task["id"]), "catalogue_operation": task["operationName"]}
        return {**event, **own}

    def note(self, text: str) -> None:
        self.show("note", {"text": text})


def _state(event: Mapping[str, Any]) -> dict[str, Any]:
    """A blocking task's state as change and outcome, and until when it waits."""
    if event["final"]:
        return {"change": "finished", "outcome": event["state"]}
    waits = f"{event['timeout_action']} at {clock_time(event['timeout'])} unless somebody decides"
    return {"change": event["state"], "outcome": None, "reason": {"message": waits}}


def _title(event: Mapping[str, Any]) -> str:
    if "state" in event:
        return f"{event['operation']}, held in VCD"
    return f"{event['catalogue_operation']} by {(event['task']['user'] or {}).get('name')}"
