"""A Task that is somebody else's stays theirs, also where a call's answer shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode
from tests.support.simulator import ACME_ORG, Simulator, acme_vapp

EXTERNAL = {
    "name": "task", "status": "running", "serviceNamespace": "org.example.test", "operation": "Firewall ticket",
    "user": {"href": f"/api/admin/user/{well_known_uuid('user', 'acme')}"},
}  # fmt: skip


def somebody_deploys(simulator: Simulator) -> str:
    """A Task of a person of acme that does not end by itself."""
    simulator.script({"preset": "never-ends"}, entity=acme_vapp(1))
    made = simulator.log_in("admin@acme").post(f"/api/vApp/{acme_vapp(1)}/action/deploy", {})
    assert made.status == 202
    return str(made.json()["id"])


def status_of(simulator: Simulator, task: str) -> tuple[str, bool]:
    document = simulator.log_in("administrator@System").get(f"/api/task/{task[-36:]}").json()
    return document["status"], document["cancelRequested"]


def told(site: Site, request_id: str) -> list[tuple[Any, ...]]:
    return [(e["change"], e["outcome"], e["http_status"], e["task"]) for e in site.story(request_id)]


def test_reading_a_task_gives_no_power_over_it(kafka: KafkaNode, tmp_path: Path) -> None:
    """Nobody may cancel Tasks here, and a reading is no way around that."""
    with running_site(kafka.bootstrap, tmp_path, policy={"deny_operations": ["cancelTask"]}) as site:
        site.start().wait_ready()
        task = somebody_deploys(site.simulator)
        look = {"request_id": "look", "operation": "getTask", "parameters": {"id": task}}
        site.send(look, {**look, "request_id": "again"}, key=task)
        site.wait_ended(["look", "again"])
        site.send({"kind": "cancel", "target_request_id": "look", "correlation_id": "change of mind"}, key=task)
        events = site.wait_events(lambda events: any(e["correlation_id"] == "change of mind" for e in events))
        (refusal,) = [event["reason"] for event in events if event["correlation_id"] == "change of mind"]
        assert (refusal["code"], "already ended (success)" in refusal["message"]) == ("not_possible", True)
        for request_id in ("look", "again"):
            assert told(site, request_id) == [("finished", "success", 200, None)]
        assert [row for row in site.simulator.ledger() if row["operation"] == "cancelTask"] == []
        assert status_of(site.simulator, task) == ("running", False)
        site.check()


def test_updates_of_a_task_do_not_wait_for_its_end(kafka: KafkaNode, tmp_path: Path) -> None:
    """VCD answers an update with the Task itself, still running; the answer to the last one is lost."""
    with running_site(kafka.bootstrap, tmp_path, policy={"allow_operations": ["*"]}) as site:
        site.start().wait_ready()
        creation = {"operation": "createExternalTask", "parameters": {"id": ACME_ORG}, "body": EXTERNAL}
        site.send({"request_id": "ticket", **creation})
        events = site.wait_events(lambda events: any(e["request_id"] == "ticket" for e in events))
        task = events[0]["task"]["id"]
        site.simulator.fault(do="drop", operation="updateTask", effect=True, skip=2)
        bodies = [{**EXTERNAL, **change} for change in ({"progress": 10}, {"progress": 60}, {"status": "success"})]
        names = [f"update {number}" for number in range(len(bodies))]
        for name, body in zip(names, bodies, strict=True):
            site.send({"request_id": name, "operation": "updateTask", "parameters": {"id": task}, "body": body})
        site.wait_ended([*names, "ticket"])
        assert [told(site, name) for name in names[:2]] == [[("finished", "success", 200, None)]] * 2
        (last,) = site.story(names[2])
        assert (last["outcome"], last["reason"]["code"]) == ("success", "proven_by_state")
        evidence = " | ".join(last["evidence"])
        assert "none was looked for" in evidence
        assert "the wanted state holds" in evidence
        assert status_of(site.simulator, task) == ("success", False)
        calls = [row["operation"] for row in site.simulator.ledger(changes=True)]
        assert calls == ["createExternalTask", *["updateTask"] * 3]
        site.check()
