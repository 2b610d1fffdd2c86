"""The second act: a ticket is shown in Cloud Director, a person cancels it there, its worker ends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.cli.demo.cloud import ORGANIZATION, Cloud
from bridge.cli.demo.stage import Stage

NAMESPACE = "com.example.tickets"
KEY = "CHG-1"
TITLE = "a ticket, canceled in VCD"
OUTCOME = "aborted"
_SHORT = f"the story of {KEY} did not go on in time"


@dataclass(frozen=True, slots=True)
class Hands:
    """What the act needs done: send a command, kill the bridge, start another."""

    send: Callable[[list[Mapping[str, Any]]], Awaitable[None]]
    kill: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[None]]


async def play_ticket(stage: Stage, cloud: Cloud, hands: Hands) -> None:
    """From the ticket's opening to its end. Raises DemoFailed."""
    stage.show("sent", {"name": KEY, "title": TITLE})
    await hands.send([_command("create", organization=ORGANIZATION, operation="Change firewall rules", progress=0)])
    await stage.until(lambda: stage.seen(KEY, "accepted"), _SHORT)
    await hands.send([_command("update", details="approved, work has begun", progress=40)])
    await stage.until(lambda: stage.seen(KEY, "changed"), _SHORT)
    await hands.kill()
    await cloud.cancel_as_a_person(_task_id(stage))
    stage.note(f"a person presses cancel on {KEY} in Cloud Director; no bridge runs")
    await hands.start()
    await stage.until(lambda: any(_is_canceled(event) for event in stage.events), _SHORT)
    stage.note("the bridge tells it; the worker stops, and ends its ticket")
    await hands.send([_command("finish", status=OUTCOME, details="stopped: canceled by a person")])
    await stage.until(lambda: stage.has_ended({KEY}), _SHORT)


def _command(command: str, **fields: object) -> Mapping[str, Any]:
    return {"command": command, "key": KEY, "correlation_id": "DEMO-2", **fields}


def _task_id(stage: Stage) -> str:
    told = (event["task"]["id"] for event in stage.events if event["external_key"] == KEY and event["task"])
    return str(next(told)).rpartition(":")[2]


def _is_canceled(event: Mapping[str, Any]) -> bool:
    return event["external_key"] == KEY and bool((event["task"] or {}).get("cancelRequested"))
