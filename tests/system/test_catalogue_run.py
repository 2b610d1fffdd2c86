"""The whole catalogue once, from record to final event through real Kafka."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bridge.catalogue.kinds import KINDS
from bridge.catalogue.load import load
from bridge.catalogue.operation import BodyRule, Operation
from bridge.simulator.inventory import well_known_uuid
from tests.support.bridge import running_site
from tests.support.kafka import KafkaNode
from tests.support.simulator import ACME_ORG, acme_vapp

REFUSED_THERE = {
    "updateTask", "cancelTask", "resumeBlockingTask", "abortBlockingTask", "failBlockingTask",
    "updateBlockingTaskProgress",
}  # fmt: skip
"""Called all the same; VCD refuses them, because the Task they name is VCD's own and ended, or no blocking task."""

BODIES: dict[str, dict[str, Any]] = {
    "createExternalTask": {
        "name": "task", "status": "success", "serviceNamespace": "org.example.test", "operation": "Firewall ticket",
        "user": {"href": f"/api/admin/user/{well_known_uuid('user', 'acme')}"},
    },
}  # fmt: skip


def _id(operation: Operation, kinds: tuple[str, ...], number: int) -> str:
    if not kinds:
        return f"key{number}"
    return f"{KINDS[kinds[0]].prefix}00000000-0000-4000-8000-{number:012d}"


def _request(operation: Operation, number: int, task: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "request_id": operation.name,
        "operation": operation.name,
        "parameters": {p.name: _id(operation, p.kinds, number) for p in operation.parameters},
    }
    if operation.path.startswith("/task/"):
        document["parameters"] = {"id": task}
    elif operation.path.startswith("/tasksList/"):
        document["parameters"] = {"id": ACME_ORG}
    if operation.body_rule is BodyRule.REQUIRED:
        document["body"] = BODIES.get(operation.name, {"name": f"n{number}"})
    return document


def test_every_operation_from_record_to_final_event(kafka: KafkaNode, tmp_path: Path) -> None:
    operations = list(load().values())
    # Those with a stream of their own run here through a policy that names them.
    policy = {"allow_destructive": True, "allow_operations": ["*"]}
    with running_site(
        kafka.bootstrap, tmp_path, policy=policy, simulator={"task_seconds": 0.3}, vcd={"max_calls_per_second": 500}
    ) as site:
        site.start().wait_ready()
        site.send({"request_id": "first", "operation": "deployVApp", "parameters": {"id": acme_vapp(1)}})
        task = site.wait_ended(["first"])[-1]["task"]["id"]
        requests = [_request(operation, number, task) for number, operation in enumerate(operations)]
        site.send(*requests)
        events = site.wait_ended([operation.name for operation in operations], 90)
        outcomes = {e["request_id"]: (e["outcome"], json.dumps(e["reason"])) for e in events if e["final"]}
        called: dict[str, dict[str, Any]] = {}
        for call in site.simulator.ledger():
            if call["operation"] in outcomes and (call["client_request_id"] or "").startswith("vb-"):
                called.setdefault(call["operation"], call)
        wrong = []
        for operation in operations:
            row = called.get(operation.name)
            expected = 4 if operation.name in REFUSED_THERE else 2
            if row is None or (row["method"], row["status"] // 100) != (operation.method, expected):
                wrong.append(f"{operation.name}: {row} {outcomes.get(operation.name)}")
            elif operation.body_rule is BodyRule.REQUIRED and row["media_type"].split(";")[0] != operation.media_type:
                wrong.append(f"{operation.name}: media type {row['media_type']}, not {operation.media_type}")
        assert not wrong, "\n".join(wrong)
        assert set(outcomes) - {"first"} == {operation.name for operation in operations}
        site.check()
