"""Decisions on what Cloud Director holds, on a real Kafka: one takes effect, whatever is lost, and each is answered."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.support.approvals import ApprovalSite, running_approval_site
from tests.support.bridge import KILLED
from tests.support.kafka import KafkaNode

VCD = {"answer_timeout_seconds": 1, "lease_seconds": 1, "connect_timeout_seconds": 1}
POINTS = ("request_leaving", "call_answered", "looked")


def _ends(site: ApprovalSite) -> dict[str, tuple[str, str | None]]:
    """Request id -> outcome and reason code."""
    return {e["request_id"]: (e["outcome"], (e["reason"] or {}).get("code")) for e in site.read_events() if e["final"]}


def _reason(site: ApprovalSite, request_id: str) -> str:
    message: str = site.story(request_id)[-1]["reason"]["message"]
    return message


def _wait_not_held(site: ApprovalSite, blocking_task: str) -> None:
    client = site.simulator.log_in("administrator@System")
    while client.get(f"/api/admin/extension/blockingTask/{blocking_task}").status == 200:
        time.sleep(0.05)  # the simulator is polled: there is nothing to be woken by


def test_one_decision_takes_effect_and_each_is_answered(kafka: KafkaNode, tmp_path: Path) -> None:
    """Second ones, those after a person or the time-out, answers that are lost before and after the effect."""
    with running_approval_site(kafka.bootstrap, tmp_path, vcd=VCD) as site:
        first, unheard, lost, by_hand, otherwise = site.hold(1, 2, 3, 4, 5)
        (over,) = site.hold(6, seconds=1, action="fail")
        site.start().wait_ready()
        assert site.person_decides(by_hand, "abort").status == 204
        site.simulator.fault(do="drop", operation="abortBlockingTask")
        site.simulator.fault(do="drop", operation="failBlockingTask", effect=True)
        _wait_not_held(site, over)
        site.decide("first", "resume", first)
        site.decide("second", "abort", first)
        site.decide("put off", "updateProgress", otherwise)
        site.decide("unheard", "abort", unheard)
        site.decide("lost", "fail", lost)
        site.decide("after a person", "resume", by_hand)
        site.decide("after the time-out", "resume", over)
        names = ["first", "second", "put off", "unheard", "lost", "after a person", "after the time-out"]
        site.wait_ended(names)
        site.decide("third", "resume", first)
        site.wait_ended(["third"])
        assert _ends(site) == {
            "first": ("success", None), "second": ("rejected", "decided_otherwise"), "third": ("rejected", "not_held"),
            "put off": ("success", None), "unheard": ("success", None), "lost": ("success", "proven_by_state"),
            "after a person": ("rejected", "not_held"), "after the time-out": ("rejected", "not_held"),
        }  # fmt: skip
        assert "first (resumeBlockingTask by anna) ended it" in _reason(site, "third")
        assert {task: len(site.decided(task)) for task in (first, unheard, lost, by_hand)} == dict.fromkeys(
            (first, unheard, lost, by_hand), 1
        )
        assert site.decided(otherwise) == []
        site.check()


def test_a_decision_is_made_once_whenever_its_owner_dies(kafka: KafkaNode, tmp_path: Path) -> None:
    """kill -9 before and after each of its durable steps; another owner goes on, and tells it once."""
    settings: dict[str, Any] = {"vcd": VCD, "kafka": {"session_timeout_seconds": 2}}
    with running_approval_site(kafka.bootstrap, tmp_path, partitions=1, **settings) as site:
        held = dict(zip(POINTS, site.hold(*range(1, 1 + len(POINTS))), strict=True))
        for point, blocking_task in held.items():
            if point == "looked":
                site.simulator.fault(do="drop", operation="failBlockingTask", effect=True)
            bridge = site.start(crash_at=point)
            site.decide(point, "fail", blocking_task)
            assert bridge.wait_dead() == KILLED
        site.start().wait_ready()
        site.wait_ended(list(held))
        ends = _ends(site)
        assert {point: ends[point][0] for point in held} == dict.fromkeys(held, "success")
        assert [site.decided(task) for task in held.values()] == [["failBlockingTask"]] * len(held)
        site.check()
