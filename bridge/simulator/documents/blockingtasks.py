"""Blocking tasks as documents (BlockingTaskType of extension/taskExtensionRequest.xsd)."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.simulator.clock import timestamp
from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.state.references import References
from bridge.simulator.state.tasks.tasks import Task

BLOCKING_TASK_STEM = "application/vnd.vmware.admin.blockingTask"
BLOCKING_TASKS_STEM = "application/vnd.vmware.admin.blockingTaskReferences"
ACTIVE = "active"
"""The only status that one has: decided upon, it is gone. No source shows another."""

_ACTIONS = ("resume", "abort", "fail", "updateProgress")


class BlockingDocuments:
    """Writes them under the public base URI."""

    def __init__(self, references: References) -> None:
        self.references = references

    def href(self, task: Task) -> str:
        return f"{self.references.api}/admin/extension/blockingTask/{task.blocking_id}"

    @staticmethod
    def urn(task: Task) -> str:
        return f"urn:vcloud:blockingTask:{task.blocking_id}"

    def reference(self, task: Task) -> JsonObject:
        return self.references.reference(self.href(task), self.urn(task), BLOCKING_TASK_STEM, task.operation_name)

    def listed(self, tasks: Iterable[Task]) -> JsonObject:
        return {
            "href": f"{self.references.api}/admin/extension/blockingTasks",
            "type": media_type(BLOCKING_TASKS_STEM),
            "reference": [self.reference(task) for task in tasks],
        }

    def document(self, task: Task, task_href: str) -> JsonObject:
        references, href = self.references, self.href(task)
        links = [references.link(action, f"{href}/action/{action}") for action in _ACTIONS]
        links.append(references.link("task", task_href, "application/vnd.vmware.vcloud.task"))
        return {
            "link": links,
            "href": href,
            "type": media_type(BLOCKING_TASK_STEM),
            "id": self.urn(task),
            "name": task.operation_name,
            "status": ACTIVE,
            "timeoutAction": task.timeout_action,
            "createdTime": timestamp(task.started_at),
            "timeoutDate": timestamp(task.blocked_until or task.started_at),
            "organization": references.to(task.org),
            "user": references.to(task.user.entity),
            "taskOwner": references.to(task.owner),
        }
