"""The whole catalogue once, from record to final event through real Kafka."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.catalogue.kinds import KINDS
from bridge.catalogue.load import load
from bridge.catalogue.operation import BodyRule, Operation
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.support.bridge import Site, running_site
from tests.support.examples import example_for
from tests.support.kafka import KafkaNode
from tests.support.simulator import ACME_ORG, Simulator, acme_vapp

FACTS = Path(__file__).parents[1] / "catalogue" / "facts.csv"
EXTERNAL = {
    "name": "task", "status": "running", "serviceNamespace": "org.example.test", "operation": "Firewall ticket",
    "user": {"href": f"/api/admin/user/{well_known_uuid('user', 'acme')}"},
}  # fmt: skip
BODIES: dict[str, dict[str, Any]] = {
    "createExternalTask": {**EXTERNAL, "status": "success"},
    "updateTask": {**EXTERNAL, "progress": 50},
}
"""Others than the examples: what they make has to end, and to be of one namespace."""
UPLOADS = ("createMedia", "uploadVAppTemplate")
"""Their Tasks wait for files, which nobody uploads."""
ON_EXTERNAL = ("getTask", "updateTask", "cancelTask")
ON_BLOCKING = ("resumeBlockingTask", "abortBlockingTask", "failBlockingTask", "updateBlockingTaskProgress")


IN_ACME = ("moveDisk",)
"""Asked for in acme's name, so that the unknown ids in their paths are acme's, as those in the examples are."""


def running_external_tasks(site: Site) -> dict[str, str]:
    """One for each operation that needs one, made by requests of their own: operation -> Task."""
    creation = {"operation": "createExternalTask", "parameters": {"id": ACME_ORG}, "body": EXTERNAL}
    site.send(*({"request_id": f"for {name}", **creation} for name in ON_EXTERNAL))
    wanted = {f"for {name}" for name in ON_EXTERNAL}
    events = site.wait_events(lambda events: wanted <= {event["request_id"] for event in events})
    return {event["request_id"].removeprefix("for "): event["task"]["id"] for event in events}


def end_external_tasks(site: Site, tasks: Mapping[str, str]) -> None:
    """Their stories end too, all of them at last."""
    for task in tasks.values():
        site.simulator.force_task(task[-36:], status="success")
    site.wait_ended([f"for {name}" for name in tasks])


def end_uploads(site: Site) -> None:
    def tasks(events: list[dict[str, Any]]) -> dict[str, str]:
        return {event["request_id"]: event["task"]["id"] for event in events if event["task"] is not None}

    for task in map(tasks(site.wait_events(lambda events: set(UPLOADS) <= set(tasks(events)))).get, UPLOADS):
        site.simulator.force_task(str(task)[-36:], status="success")


def waiting_blocking_tasks(simulator: Simulator) -> dict[str, str]:
    """One for each decision, from what a person of acme asked for: operation -> blocking task."""
    simulator.settings(blocking_operations=["deployVApp"], blocking_timeout_seconds=600)
    person = simulator.log_in("admin@acme")
    for number in range(2, 2 + len(ON_BLOCKING)):  # the first is in the examples
        assert person.post(f"/api/vApp/{acme_vapp(number)}/action/deploy", {}).status == 202
    simulator.settings(blocking_operations=[])
    listed = simulator.log_in("administrator@System").get("/api/admin/extension/blockingTasks").json()["reference"]
    return {name: one["href"].rsplit("/", 1)[-1] for name, one in zip(ON_BLOCKING, listed, strict=True)}


def parameters_of(operation: Operation, number: int) -> dict[str, str]:
    """Ids that no other operation of the run has."""
    uuid = f"00000000-0000-4000-8000-{number:012d}"
    return {
        one.name: KINDS[one.kinds[0]].prefix + uuid if one.kinds else f"key{number}" for one in operation.parameters
    }


def request_of(operation: Operation, parameters: Mapping[str, str], url: str) -> dict[str, Any]:
    """A body wherever one is taken, also where it may be left out; a name that no other has, as many names are there
    once."""
    document = {"request_id": operation.name, "operation": operation.name, "parameters": dict(parameters)}
    if operation.name in IN_ACME:
        document["organization"] = "acme"
    if operation.body_rule is BodyRule.NONE:
        return document
    body = example_for(operation, url) or {}
    named = {"name": f"{body['name']}-{operation.name}"} if "name" in body else {}
    return {**document, "body": BODIES.get(operation.name) or {**body, **named}}


def wanted_call(fact: Mapping[str, str], parameters: Mapping[str, str], *, with_body: bool) -> tuple[Any, ...]:
    """Method, path and media type by the collected facts, whatever the catalogue says."""
    plain = {name: value.removeprefix("urn:vcloud:task:") for name, value in parameters.items()}
    media_type = "application/*+json" if fact["media_type"] == "unsourced" else fact["media_type"]
    return fact["method"], "/api" + fact["path"].format_map(plain), media_type if with_body else None, with_body


def seen_call(row: Mapping[str, Any]) -> tuple[Any, ...]:
    media_type = row["media_type"].split(";")[0] if row["media_type"] else None
    return row["method"], row["path"], media_type, row["body_bytes"] > 0


def test_every_operation_from_record_to_final_event(kafka: KafkaNode, tmp_path: Path) -> None:
    with FACTS.open(newline="") as file:
        facts = {row["operation_name"]: row for row in csv.DictReader(file)}
    operations = list(load().values())
    # Those with a stream of their own run here through a policy that names them.
    policy = {"allow_destructive": True, "allow_operations": ["*"]}
    with running_site(
        kafka.bootstrap, tmp_path, policy=policy, simulator={"task_seconds": 0.3}, vcd={"max_calls_per_second": 500}
    ) as site:
        site.start().wait_ready()
        external = running_external_tasks(site)
        living = external | waiting_blocking_tasks(site.simulator)
        living |= {"createExternalTask": ACME_ORG, "getTasksList": ACME_ORG}
        parameters = {
            operation.name: {"id": living[operation.name]} if operation.name in living else parameters_of(operation, n)
            for n, operation in enumerate(operations)
        }
        site.send(*(request_of(one, parameters[one.name], site.simulator.url) for one in operations))
        end_uploads(site)
        events = site.wait_ended([operation.name for operation in operations], 90)
        outcomes = {e["request_id"]: (e["outcome"], json.dumps(e["reason"])) for e in events if e["final"]}
        end_external_tasks(site, external)
        called: dict[str, list[dict[str, Any]]] = {name: [] for name in facts}
        for row in site.simulator.ledger():
            if (row["client_request_id"] or "").startswith("vb-") and row["operation"] in called:
                called[row["operation"]].append(row)
        wrong = []
        for operation in operations:
            with_body = operation.body_rule is not BodyRule.NONE
            wanted = wanted_call(facts[operation.name], parameters[operation.name], with_body=with_body)
            made = [(*seen_call(row), row["status"] // 100) for row in called[operation.name]]
            before = len(external) if operation.name == "createExternalTask" else 0
            if made[before:] != [(*wanted, 2)]:
                wrong.append(f"{operation.name}: {made} instead of {wanted}; {outcomes.get(operation.name)}")
        assert not wrong, "\n".join(wrong)
        assert set(outcomes) == set(facts)
        assert {outcome for outcome, _ in outcomes.values()} == {"success"}
        site.check()
