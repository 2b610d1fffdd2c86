"""What operators send to a real bridge: resolve, retry, cancel; for what is parked, followed, late or not read yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode
from tests.support.simulator import acme_vapp, acme_vm

VCD = {"answer_timeout_seconds": 1, "lease_seconds": 1, "connect_timeout_seconds": 1}
FOREVER = {"preset": "never-ends"}


@pytest.fixture
def site(kafka: KafkaNode, tmp_path: Path) -> Iterator[Site]:
    """One partition, so that all records stand in one order."""
    settings: dict[str, Any] = {
        "retry": {"busy_max_delay_seconds": 0.5},
        "following": {"overdue_interval_seconds": 0.5},
        "vcd": VCD,
    }
    with running_site(kafka.bootstrap, tmp_path, partitions=1, **settings) as running:
        yield running


def _request(request_id: str, operation: str, entity: str, **more: Any) -> dict[str, Any]:
    body = {"body": {"name": request_id}} if operation == "createSnapshot" else {}
    return {"request_id": request_id, "operation": operation, "parameters": {"id": entity}, **body, **more}


def _control(kind: str, target: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "target_request_id": target, "requested_by": "jo", **more}


def _wait(site: Site, change: str, *request_ids: str) -> list[dict[str, Any]]:
    """Until each of these has told ``change``."""
    wanted = set(request_ids)
    return site.wait_events(lambda told: wanted <= {e["request_id"] for e in told if e["change"] == change})


def _final(events: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str | None]]:
    """Request id -> outcome and reason code."""
    return {e["request_id"]: (e["outcome"], (e["reason"] or {}).get("code")) for e in events if e["final"]}


def test_what_is_parked_is_resolved_or_retried(site: Site) -> None:
    """An outcome, a Task, a second call: each by a record. The lane behind a parked request waits for the word."""
    vm, vapp = acme_vm(2), acme_vapp(1)
    for operation in ("createSnapshot", "suspendVApp", "rebootVApp"):
        site.simulator.fault(do="drop", operation=operation)
    site.start().wait_ready()
    by_hand = site.simulator.log_in("admin@acme").post(f"/api/vApp/{acme_vapp(3)}/power/action/reset").json()
    site.send(
        _request("told", "createSnapshot", vm),
        _request("behind", "powerOnVApp", vm),
        _request("again", "suspendVApp", vapp),
        _request("found", "rebootVApp", acme_vapp(3)),
    )
    events = _wait(site, "parked", "told", "again", "found")
    assert not [event for event in events if event["request_id"] == "behind"], "its lane is held"
    site.send(
        _control("retry", "told", request_id="no"),
        _control("resolve", "told", resolution={"outcome": "error", "reason": "not there", "decided_by": "jo"}),
        _control("retry", "again"),
        _control("resolve", "found", resolution={"task_href": by_hand["href"], "reason": "that is it"}),
        _control("resolve", "behind", request_id="too early", resolution={"outcome": "success"}),
        key="any",
    )
    expected = {
        "told": ("error", "resolved"), "behind": ("success", None), "again": ("success", None),
        "found": ("success", None), "no": ("rejected", "not_possible"), "too early": ("rejected", "not_possible"),
    }  # fmt: skip
    events = site.wait_events(lambda told: set(_final(told)) >= set(expected))
    assert _final(events) == expected
    adopted = [event for event in events if event["request_id"] == "found"][-1]
    assert adopted["task"]["href"] == by_hand["href"]
    site.check()


def test_what_is_followed_is_canceled_and_what_is_late_is_told(site: Site) -> None:
    """A cancel reaches VCD. A request past its ``watch_until`` goes on, and lets those behind it try."""
    late, running = acme_vapp(1), acme_vapp(2)
    site.simulator.script({**FOREVER, "cancel": "honor"}, entity=running)
    site.simulator.script(FOREVER, entity=late, times=1)
    site.start().wait_ready()
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    site.send(
        _request("running", "deployVApp", running),
        _request("late", "deployVApp", late, watch_until=soon),
        _request("next", "undeployVApp", late),
    )
    _wait(site, "accepted", "running", "late")
    site.send(_control("cancel", "running"), key="any")
    events = _wait(site, "waiting", "next")
    (overdue,) = [event for event in events if event["change"] == "overdue"]
    (busy,) = [event for event in events if event["change"] == "waiting"]
    assert (overdue["request_id"], overdue["final"]) == ("late", False)
    held_by = next(event for event in events if event["request_id"] == "late")["task"]["id"]
    assert busy["reason"]["code"] == "BUSY_ENTITY"
    assert held_by in busy["reason"]["message"], "the next one was let to VCD, and VCD holds it back"
    site.simulator.force_task(held_by, status="success")
    events = site.wait_ended(["running", "late", "next"])
    outcomes = {request_id: outcome for request_id, (outcome, _) in _final(events).items()}
    assert outcomes == {"running": outcomes["running"], "late": "success", "next": "success"}
    assert outcomes["running"] in {"canceled", "aborted"}
    assert [call.operation for call in site.evidence().ledger if call.is_cancel] == ["cancelTask"]
    site.check()


def test_a_cancel_counts_that_came_while_the_bridge_was_down(site: Site) -> None:
    """Read after the restart, and before anything starts: what waited is not called, what runs is asked to stop."""
    first, second = acme_vapp(1), acme_vm(3)
    site.simulator.script({**FOREVER, "cancel": "honor"}, entity=first)
    bridge = site.start(kafka={"session_timeout_seconds": 2}).wait_ready()
    site.send(_request("running", "deployVApp", first), _request("waiting", "undeployVApp", first))
    _wait(site, "accepted", "running")
    bridge.kill()
    site.send(_request("unread", "createSnapshot", second))
    site.send(*(_control("cancel", target) for target in ("running", "waiting", "unread")), key="any")
    site.start().wait_ready()
    events = site.wait_ended(["running", "waiting", "unread"])
    final = _final(events)
    assert final["waiting"] == final["unread"] == ("canceled", "canceled_before_start")
    assert final["running"][0] in {"canceled", "aborted"}
    assert {call.operation for call in site.evidence().ledger} == {"deployVApp", "cancelTask"}
    site.check()
