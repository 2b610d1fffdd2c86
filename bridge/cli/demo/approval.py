"""The third act: others' work is told as a stream, and what Cloud Director holds is released by a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.cli.demo.act import Act, act
from bridge.cli.demo.cloud import ORGANIZATION, Cloud
from bridge.cli.demo.proof import Verdict, prove_seen
from bridge.cli.demo.stage import Stage

HELD_OPERATION = "powerOffVApp"
_HOLD_SECONDS = 3600.0
_CLOCK_SECONDS = 2.0
"""VCD tells its time in whole seconds (RFC 9110, 5.6.7: Date), so an observation may begin a second and an answer's way
before its record: what the acts before have ended belongs to no observation once it lies so far back."""
_NOT_TOLD = f"not everything that {ORGANIZATION} does was told in time"
_NO_TOOLS = {"message": "VMware Tools is not running in the virtual machine."}


@dataclass(frozen=True, slots=True)
class Desk:
    """What the act needs done: show requests as sent, send records, send decisions."""

    announce: Callable[[list[Act]], None]
    send: Callable[[list[Mapping[str, Any]]], Awaitable[None]]
    decide: Callable[[list[Mapping[str, Any]]], Awaitable[None]]


async def play_approval(stage: Stage, cloud: Cloud, desk: Desk, vapps: Sequence[str]) -> int:
    """From the observation's start to the last end. Returns where the ledger stood before it. Raises DemoFailed."""
    await asyncio.sleep(_CLOCK_SECONDS)
    stood = await cloud.ledger_end()
    await cloud.hold(HELD_OPERATION, _HOLD_SECONDS, "abort")
    stage.note(f"Cloud Director is set to hold each power-off until somebody decides; {ORGANIZATION} is observed now")
    held = act("switch-off", "held until somebody decides", "success", HELD_OPERATION, vapps[3])
    desk.announce([held])
    await cloud.script(vapps[3], {"preset": "success", "seconds": 1})
    await desk.send([_observation(), held.request])
    told = (ORGANIZATION, held.request_id)
    await stage.until(lambda: all(stage.seen(one, "accepted") for one in told) and bool(_pending(stage)), _NOT_TOLD)
    stage.note("somebody else works in Cloud Director, past the bridge; meanwhile the operation is approved")
    await cloud.script(vapps[0], {"preset": "success", "seconds": 2})
    await cloud.script(vapps[2], {"preset": "error", "seconds": 1, "error": _NO_TOOLS})
    await cloud.work_of_others(f"/vApp/{vapps[0]}/power/action/reset")
    await cloud.work_of_others(f"/vApp/{vapps[2]}/power/action/reboot")
    ends = {stage.name(one["id"]) for one in await cloud.tasks_begun(stood)}  # named in the order of their beginning
    decision = act(
        "approve", "the decision that releases it", "success", "resumeBlockingTask", _pending(stage)[0],
        body={"message": "approved by the change board"},
    )  # fmt: skip
    desk.announce([decision])
    await desk.decide([decision.request])
    ends |= {held.request_id, decision.request_id, *map(stage.name, _pending(stage))}
    await stage.until(lambda: stage.has_ended(ends), _NOT_TOLD)
    return stood


async def prove_approval(stage: Stage, cloud: Cloud, stood: int, events: Iterable[Mapping[str, Any]]) -> list[Verdict]:
    """Of what was seen: each Task that anybody began in the organization since, with its end; each that was held."""
    seen = [event for event in events if event["lifecycle"] == "observation" and event["request_id"] != ORGANIZATION]
    expected = {one["id"]: str(one["status"]) for one in await cloud.tasks_begun(stood)}
    expected |= dict.fromkeys(_pending(stage), "resumed")
    return prove_seen(
        stage.titles, {stage.name(one): end for one, end in expected.items()}, seen, await cloud.changes()
    )


def _observation() -> Mapping[str, Any]:
    return {
        "action": "start", "organization": ORGANIZATION, "blocking_tasks": True, "correlation_id": ORGANIZATION,
    }  # fmt: skip


def _pending(stage: Stage) -> list[str]:
    """Ids of the blocking tasks that were announced."""
    return [event["id"] for event in stage.events if event["change"] == "pending"]
