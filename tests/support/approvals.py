"""A site whose bridges take decisions: one more input topic with a store of its own, and operations that VCD holds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.bridge import Site
from tests.support.checker.evidence import Evidence, InputRecord
from tests.support.simulator import Reply, acme_vapp, running_simulator

OPERATIONS = {
    "resume": "resumeBlockingTask", "abort": "abortBlockingTask", "fail": "failBlockingTask",
    "updateProgress": "updateBlockingTaskProgress",
}  # fmt: skip


@dataclass(slots=True)
class ApprovalSite(Site):
    """One group of bridges with both inputs."""

    def __post_init__(self) -> None:
        Site.__post_init__(self)
        self.make_input(self.approvals)
        named = {"approvals": self.approvals, **self.settings.get("topics", {})}
        self.settings = {**self.settings, "topics": named, "approvals": {"enabled": True}}

    @property
    def approvals(self) -> str:
        return f"{self.group}.approvals"

    @property
    def further_inputs(self) -> tuple[str, ...]:
        return (self.approvals,)

    def hold(self, *numbers: int, seconds: float = 3600.0, action: str = "resume") -> list[str]:
        """What a person of acme asks of these vApps is held. Ids of the blocking tasks, in the same order."""
        self.simulator.settings(
            blocking_operations=["deployVApp"], blocking_timeout_seconds=seconds, blocking_timeout_action=action
        )
        person = self.simulator.log_in("admin@acme")
        asked = [person.post(f"/api/vApp/{acme_vapp(number)}/action/deploy", {}).json()["id"] for number in numbers]
        query = "/api/query?type=blockingTask&format=records&pageSize=128"
        rows = self.simulator.log_in("administrator@System").get(query).json()["record"]
        held = {str(row["task"]).rpartition("/")[2]: str(row["href"]).rpartition("/")[2] for row in rows}
        return [held[str(task_id).rpartition(":")[2]] for task_id in asked]

    def person_decides(self, blocking_task: str, action: str) -> Reply:
        """An administrator decides in Cloud Director itself."""
        path = f"/api/admin/extension/blockingTask/{blocking_task}/action/{action}"
        return self.simulator.log_in("operator@System").post(path, {"message": "by hand"})

    def decide(self, request_id: str, action: str, blocking_task: str, **more: Any) -> InputRecord:
        """Send one decision and wait for its acknowledgement."""
        return self.send_approvals(decision(request_id, action, blocking_task, **more), key=blocking_task)

    def send_approvals(self, document: Mapping[str, Any], key: str) -> InputRecord:
        value, sent = json.dumps(document).encode(), list[InputRecord]()
        self.documents[value] = document

        def acknowledged(error: Any, message: Any) -> None:
            assert error is None, error
            sent.append(self._record(message))

        self.producer.produce(self.approvals, value, key, on_delivery=acknowledged)
        assert self.producer.flush(20) == 0
        with self.sending:
            self.inputs = [*self.inputs, *sent]
        return sent[0]

    # --- what an outsider sees ------------------------------------------------------------------------------------

    def evidence(self, *, allow_open: bool = False) -> Evidence:
        evidence = Site.evidence(self, allow_open=allow_open)
        evidence.decided = self._decided()
        return evidence

    def _decided(self) -> dict[str, str]:
        """What was decided by a call, whoever made it; of what a time-out has decided nothing is known here."""
        actions = {operation: action for action, operation in OPERATIONS.items()}
        calls = (row for row in self.simulator.calls() if row["effect"] and row["operation"] in actions)
        found = {str(row["path"]).split("/")[-3]: actions[row["operation"]] for row in calls}
        return {blocking_task: action for blocking_task, action in found.items() if action != "updateProgress"}

    def decided(self, blocking_task: str) -> list[str]:
        """The decisions about it that took effect, by call, whoever made them."""
        names = set(OPERATIONS.values()) - {OPERATIONS["updateProgress"]}
        rows = (row for row in self.simulator.calls() if row["operation"] in names and row["effect"])
        return [str(row["operation"]) for row in rows if blocking_task in str(row["path"])]


def decision(request_id: str, action: str, blocking_task: str, **more: Any) -> dict[str, Any]:
    """The record that asks for it."""
    return {
        "request_id": request_id, "operation": OPERATIONS[action], "parameters": {"id": blocking_task},
        "body": {"message": "by the board"}, "requested_by": "anna", **more,
    }  # fmt: skip


@contextlib.contextmanager
def running_approval_site(
    bootstrap: str,
    directory: Path,
    *,
    partitions: int = 3,
    simulator: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Iterator[ApprovalSite]:
    """Topics and a simulator; bridges are started by the test. Everything is stopped at the end."""
    with running_simulator(**{"lenient_entities": True, "task_seconds": 0.6, **(simulator or {})}) as running:
        site = ApprovalSite(bootstrap, running, directory, partitions, 1, dict(settings))
        try:
            yield site
        finally:
            site.close()
