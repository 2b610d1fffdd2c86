"""The paths under /simulator/: what they take, what they say when they are asked for something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.simulator.behavior import Behavior
from bridge.simulator.director import Director
from bridge.simulator.ledger import FIELDS, Ledger
from bridge.simulator.protocol.exchange import Request
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import VAPP, VDC, Caller, Cloud
from tests.support.processes import REPOSITORY


def test_the_ledger_tells_every_call(cloud: Cloud, admin: Caller) -> None:
    path = f"/vApp/{VAPP}/action/deploy"
    headers: Any = {"x-vmware-vcloud-client-request-id": "vb-1", "content-type": "application/json"}
    task = admin.json("POST", path, {"powerOn": True}, status=202, **headers)["id"][-36:]
    admin.call("POST", path, {})
    admin.call("GET", "/query?type=task&page=1")
    found = cloud.admin("GET", "ledger?after=1")[1]
    first, second, third = found["entries"]
    assert set(first) == set(FIELDS)
    assert found["last"] == 4
    assert (first["method"], first["path"], first["operation"]) == ("POST", f"/api{path}", "deployVApp")
    assert (first["client_request_id"], first["media_type"], first["body_bytes"]) == ("vb-1", "application/json", 17)
    assert first["request_id"].startswith("vb-1-")
    assert (first["user"], first["organization"], first["tenant_context"]) == ("admin", "acme", None)
    assert (first["status"], first["entity"], first["task"]) == (202, VAPP, task)
    assert (first["changes"], first["effect"]) == (True, True)
    assert (second["status"], second["changes"], second["effect"], second["task"]) == (400, True, False, None)
    assert (third["operation"], third["query"], third["changes"]) == ("query", "type=task&page=1", False)
    assert cloud.admin("GET", "ledger?after=1&changes=true")[1]["entries"] == [first, second]
    assert cloud.admin("GET", "ledger?after=1&limit=1")[1] == {"entries": [first], "last": 2}
    assert cloud.admin("GET", "ledger?after=4")[1] == {"entries": [], "last": 4}


def test_bodies_are_kept_only_when_asked_for(cloud: Cloud, admin: Caller) -> None:
    admin.deploy()
    assert cloud.director.ledger.after(1)[0]["body"] is None
    cloud.set("settings", {"keep_bodies": True, "busy": False})
    admin.deploy()
    cloud.log_in()
    entries = cloud.director.ledger.after(2)
    assert json.loads(entries[0]["body"]) == {"powerOn": True}
    assert entries[1]["body"] is None


def test_the_ledger_keeps_the_newest_in_memory(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", maximum=3)
    for number in range(5):
        ledger.add(1e9, *([number] * (len(FIELDS) - 2)))
    assert [entry["sequence"] for entry in ledger.after(0)] == [3, 4, 5]
    assert [entry["sequence"] for entry in ledger.after(3, limit=1)] == [4]
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert [line["sequence"] for line in lines] == [1, 2, 3, 4, 5], "each line is in the file before the next call"
    ledger.close()


def test_state_tells_what_there_is(cloud: Cloud, admin: Caller) -> None:
    admin.deploy()
    state = cloud.admin("GET", "state")[1]
    assert state["organizations"]["acme"] == well_known_uuid("org", "acme")
    assert (state["tasks"]["created"], state["tasks"]["active"], state["sessions"]["open"]) == (1, 1, 1)
    assert state["settings"]["task_seconds"] == 10


def test_entities_are_made_and_looked_at(cloud: Cloud, admin: Caller) -> None:
    made = cloud.set("entities", {"kind": "vApp", "name": "extra", "parent": VDC})
    assert made["id"].startswith("vapp-")
    assert admin.json("GET", f"/vApp/{made['id']}")["name"] == "extra"
    assert cloud.admin("GET", f"entities/{made['id']}")[1] == made
    own = cloud.set("entities", {"kind": "vm", "id": "vm-12345678-0000-4000-8000-000000000001", "organization": "beta"})
    assert (own["organization"], own["urn"]) == ("beta", "urn:vcloud:vm:12345678-0000-4000-8000-000000000001")
    assert {one["name"] for one in cloud.admin("GET", "entities?kind=disk")[1]} == {"data-1"}
    task = admin.deploy()
    assert cloud.admin("GET", f"entities/{VAPP}")[1]["busy"] == task


def test_scripts_can_be_taken_away(cloud: Cloud, admin: Caller) -> None:
    for scope in ({}, {"operation": "deployVApp"}, {"entity": VAPP}):
        cloud.set("scripts", {**scope, "script": {"preset": "never-ends"}})
        cloud.set("scripts", {**scope, "script": None})
    cloud.set("scripts", {"script": {"preset": "never-ends"}})
    assert cloud.admin("DELETE", "scripts")[0] == 200
    task = admin.deploy()
    cloud.wait(10)
    assert admin.task(task)["status"] == "success"


def test_a_task_can_be_made_to_vanish_or_to_go_another_way(cloud: Cloud, admin: Caller) -> None:
    task = admin.deploy()
    cloud.set(f"tasks/urn:vcloud:task:{task}", {"script": {"preset": "error", "seconds": 1}})
    cloud.wait(1)
    assert cloud.admin("GET", f"tasks/{task}")[1]["status"] == "error"
    cloud.set(f"tasks/{task}", {"vanish": True})
    assert admin.call("GET", f"/task/{task}").status == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "named"),
    [
        ("GET", "nothing", None, 404, "not found"),
        ("PUT", "state", None, 405, "Method"),
        ("GET", "entities/vm-0", None, 404, "vm-0"),
        ("GET", "tasks/0", None, 404, "0"),
        ("GET", "ledger?after=x", None, 400, "after"),
        ("POST", "scripts", {"operation": "fly"}, 400, "fly"),
        ("POST", "scripts", {"script": {"preset": "x"}}, 400, "preset"),
        ("POST", "scripts", {"scrpt": {}}, 400, "scrpt"),
        ("POST", "scripts", {"times": 0}, 400, "times"),
        ("POST", "scripts", [], 400, "object"),
        ("POST", "faults", {}, 400, "do"),
        ("POST", "faults", {"do": "explode"}, 400, "drop"),
        ("POST", "faults", {"do": "drop", "whn": 1}, 400, "whn"),
        ("POST", "faults", {"do": "drop", "times": 0}, 400, "times"),
        ("POST", "faults", {"do": "drop", "path": "("}, 400, "path"),
        ("DELETE", "faults/x", None, 404, "x"),
        ("POST", "settings", {"task_secnds": 1}, 400, "task_secnds"),
        ("POST", "settings", {"busy": 1}, 400, "busy"),
        ("POST", "settings", {"task_seconds": True}, 400, "task_seconds"),
        ("POST", "settings", {"versions": "39.0"}, 400, "list"),
        ("POST", "settings", {"blocking_timeout_action": 1}, 400, "resume"),
        ("POST", "settings", {"task_seconds": -1}, 400, "0 or more"),
        ("POST", "settings", {"versions": ["new"]}, 400, "39.0"),
        ("POST", "settings", {"blocking_operations": ["deploy"]}, 400, "deploy"),
        ("POST", "entities", {"kind": "cat"}, 400, "vApp"),
        ("POST", "entities", {"kind": "vm", "id": "7"}, 400, "uuid"),
        ("POST", "entities", {"kind": "vm", "organization": "x"}, 400, "organization"),
        ("POST", "entities", {"kind": "vm", "parent": "x"}, 400, "parent"),
    ],
)
def test_mistakes_are_named(cloud: Cloud, method: str, path: str, body: Any, status: int, named: str) -> None:
    found, document = cloud.admin(method, path, body)
    assert found == status
    assert named in document["error"]


def test_a_wrong_setting_among_right_ones_changes_nothing(cloud: Cloud) -> None:
    cloud.admin("POST", "settings", {"task_seconds": 3, "nonsense": 1})
    assert cloud.director.behavior.task_seconds == 10


def test_every_setting_is_told_in_the_document() -> None:
    told = (REPOSITORY / "docs" / "simulator.md").read_text().partition("POST /simulator/settings`: `")[2]
    assert set(told.partition("`")[0].split()) == set(Behavior().document())


def test_a_seed_repeats_the_ids() -> None:
    def request_ids() -> list[str]:
        director = Director(seed=7)
        return [
            dict(director.handle(Request("GET", "/api/versions")).headers)["X-VMWARE-VCLOUD-REQUEST-ID"]
            for _ in range(3)
        ]

    assert request_ids() == request_ids()
    assert (
        Director().handle(Request("GET", "/api/versions")).headers[0]
        != Director().handle(Request("GET", "/api/versions")).headers[0]
    )
