"""Decisions on what Cloud Director holds: lost answers, and owners that die with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.campaign.fault import fault
from tests.campaign.stage import Stage
from tests.support.approvals import OPERATIONS, ApprovalSite
from tests.support.bridge import BridgeProcess

HELD, ABOUT_EACH = 12, 3
"""Blocking tasks, and how many want to decide about each of them."""
PATIENCE_SECONDS = 180.0
QUICK: Mapping[str, Mapping[str, Any]] = {
    "vcd": {"answer_timeout_seconds": 0.7, "lease_seconds": 1},
    "retry": {"base_delay_seconds": 0.1, "max_delay_seconds": 0.5},
}
_ACTIONS = ("resume", "abort", "fail")


@fault("decisions_unanswered", "vcd")
def decisions_unanswered(stage: Stage) -> None:
    """Answers to decisions are lost, of calls that VCD carries out and of such that it does not, while several decide
    about each blocking task, and people in Cloud Director too."""
    with stage.site(kind=ApprovalSite, processes=2, load=False, simulator=_roomy(), **_quick()) as site:
        assert isinstance(site, ApprovalSite)
        for effect in (False, True):
            for action in _ACTIONS:
                site.simulator.fault(
                    do="drop", operation=OPERATIONS[action], effect=effect, probability=0.4, times=None
                )
        held = site.hold(*range(1, 1 + HELD))
        sent = _decide(site, held[: HELD // 2])
        for blocking_task in held[::4]:
            site.person_decides(blocking_task, "abort")
        sent += _decide(site, held[HELD // 2 :])
        site.wait_ended(sent, PATIENCE_SECONDS)
        for entry in site.simulator.ledger():
            if entry["fault"] is not None:
                at = datetime.fromisoformat(entry["time"]).timestamp()
                stage.injections.append((at, at))
        _note_ends(stage, site, sent)


@fault("kill_with_decisions", "process")
def kill_with_decisions(stage: Stage) -> None:
    """Processes are killed with -9 while several decide about each blocking task."""
    with stage.site(kind=ApprovalSite, processes=2, load=False, simulator=_roomy(), **_quick()) as site:
        assert isinstance(site, ApprovalSite)
        site.simulator.fault(do="delay", seconds=0.3, operation="*BlockingTask", effect=True, times=None)
        held, sent = site.hold(*range(1, 1 + HELD)), list[str]()
        for first in range(0, HELD, 4):
            sent += _decide(site, held[first : first + 4])
            _kill(stage, site.processes[-2])
            site.start().wait_ready()
            site.wait_ended(sent, PATIENCE_SECONDS)
        _note_ends(stage, site, sent)


def _kill(stage: Stage, bridge: BridgeProcess) -> None:
    bridge.kill()
    stage.strike()


def _decide(site: ApprovalSite, held: Sequence[str]) -> list[str]:
    """Several want something else of each; their request ids."""
    sent: list[str] = []
    for blocking_task in held:
        for number in range(ABOUT_EACH):
            request_id = f"{blocking_task}-{number}"
            site.decide(request_id, _ACTIONS[(number + len(sent)) % len(_ACTIONS)], blocking_task)
            sent.append(request_id)
    return sent


def _note_ends(stage: Stage, site: ApprovalSite, sent: Sequence[str]) -> None:
    told = {event["request_id"]: event for event in site.read_events()}
    done = sum(told[request_id]["outcome"] == "success" for request_id in sent)
    parked = sum(told[request_id]["change"] == "parked" for request_id in sent)
    stage.note(f"of {len(sent)} decisions {done} told as done, {parked} parked")


def _roomy() -> dict[str, Any]:
    return {"task_seconds": 0.3, "virtual_machines": 3 * HELD}


def _quick() -> dict[str, Any]:
    return {name: dict(section) for name, section in QUICK.items()}
