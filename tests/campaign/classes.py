"""Requests of every recovery class and answer shape, and tickets: for faults of VCD's answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from bridge.catalogue.load import load
from bridge.catalogue.operation import AnswerShape, Operation, Recovery
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.support.examples import example_for
from tests.support.external import ExternalSite
from tests.support.simulator import ACME_ORG, ACME_VDC, Simulator, acme_vapp

SAMPLES: Mapping[tuple[Recovery, AnswerShape], str] = {
    (Recovery.NEVER_RETRY, AnswerShape.TASK): "createSnapshot",
    (Recovery.NEVER_RETRY, AnswerShape.ENTITY): "instantiateVAppTemplate",
    (Recovery.DECISION, AnswerShape.SYNCHRONOUS): "resumeBlockingTask",
    (Recovery.PROBE, AnswerShape.TASK): "deployVApp",
    (Recovery.PROBE, AnswerShape.SYNCHRONOUS): "updateTask",
    (Recovery.IDEMPOTENT, AnswerShape.TASK): "mergeVAppMetadata",
    (Recovery.IDEMPOTENT, AnswerShape.SYNCHRONOUS): "updateBlockingTaskProgress",
    (Recovery.KEYED, AnswerShape.TASK): "createVmAffinityRule",
    (Recovery.KEYED, AnswerShape.ENTITY): "createDisk",
}
"""One operation for each; the kinds that the catalogue gains have to be added here (a test compares)."""
TICKET_CALLS = ("createExternalTask", "updateTask")
"""POST and PUT of an external task."""
SHOWN = {
    "name": "task", "status": "running", "serviceNamespace": "org.example.campaign", "operation": "Firewall ticket",
    "user": {"href": f"/api/admin/user/{well_known_uuid('user', 'acme')}"},
}  # fmt: skip
POLICY = {"allow_destructive": True, "allow_operations": ["*"]}
"""Operations that have a stream of their own take part."""


def classes() -> Counter[tuple[Recovery, AnswerShape]]:
    """Those that the catalogue has, with the number of their operations."""
    return Counter((operation.recovery, operation.answer) for operation in load().values())


class Classes:
    """What the sample operations are about: blocking tasks that wait, a Task that may be updated."""

    def __init__(self, site: ExternalSite) -> None:
        self._site = site
        self._number = 0
        self._shown = ""
        self.tickets: list[str] = []
        self._blocking: list[str] = []

    def prepare(self, resumed: int) -> None:
        """``resumed``: how many decisions will be made."""
        self._blocking = waiting_blocking_tasks(self._site.simulator, resumed + 1)
        document = {"operation": "createExternalTask", "parameters": {"id": ACME_ORG}, "body": SHOWN}
        self._site.send({"request_id": "shown", **document})
        events = self._site.wait_events(lambda told: any(event["request_id"] == "shown" for event in told))
        self._shown = next(str(event["task"]["id"]) for event in events if event["request_id"] == "shown")

    def send(self) -> list[str]:
        """One request of each class; their ids. And a ticket that is opened, updated and finished."""
        self._number += 1
        documents = [self._request(load()[name]) for name in SAMPLES.values()]
        self._site.send(*documents)
        self._ticket(f"CHG-{self._number}")
        return [str(document["request_id"]) for document in documents]

    def end(self) -> None:
        """What nobody ends by itself."""
        self._site.simulator.force_task(self._shown[-36:], status="success")
        self._site.wait_ended(["shown"])

    def _ticket(self, key: str) -> None:
        self.tickets.append(key)
        self._site.command("create", key, operation=f"Change {key}", correlation_id=key)
        self._site.command("update", key, details="half", progress=50, command_id="1")
        self._site.command("finish", key, status="success")

    def _request(self, operation: Operation) -> dict[str, Any]:
        document = {
            "request_id": f"{operation.name}-{self._number}",
            "operation": operation.name,
            "parameters": {"id": self._entity(operation)},
        }
        body = self._body(operation)
        return document if body is None else {**document, "body": body}

    def _entity(self, operation: Operation) -> str:
        match operation.name:
            case "resumeBlockingTask":
                return self._blocking.pop()
            case "updateBlockingTaskProgress":
                return self._blocking[0]
            case "updateTask":
                return self._shown
            case name if operation.path.startswith("/vdc/"):
                return ACME_VDC
            case name:
                kind = "vm" if name == "createSnapshot" else "vapp"
                return f"{kind}-00000000-0000-4000-{list(SAMPLES.values()).index(name):04d}-{self._number:012d}"

    def _body(self, operation: Operation) -> dict[str, Any] | None:
        """Names of new entities are there once."""
        name = f"{operation.name}-{self._number}"
        match operation.name:
            case "updateTask":
                return {**SHOWN, "progress": min(99, self._number)}
            case "createDisk":
                return {"disk": {"name": name, "sizeMb": 10}}
            case _:
                pass
        body = example_for(operation, self._site.simulator.url)
        return {**body, "name": name} if body is not None and "name" in body else body


def waiting_blocking_tasks(simulator: Simulator, count: int) -> list[str]:
    """Ids of so many, from what a person of acme asked for. They need so many vApps of acme."""
    simulator.settings(blocking_operations=["deployVApp"], blocking_timeout_seconds=3600)
    person = simulator.log_in("admin@acme")
    for number in range(1, 1 + count):
        assert person.post(f"/api/vApp/{acme_vapp(number)}/action/deploy", {}).status == 202
    simulator.settings(blocking_operations=[])
    listed = simulator.log_in("administrator@System").get("/api/admin/extension/blockingTasks").json()["reference"]
    return [str(one["href"]).rsplit("/", 1)[-1] for one in listed]
