"""Blocking tasks: Tasks held in preRunning until a provider decides or the time-out does.

Source: taskExtensionRequest.xsd and the VCD API docs, POST-ResumeTask, POST-AbortTask.
"""

from __future__ import annotations

from dataclasses import replace

from bridge.simulator.calls.call import Call, json_body
from bridge.simulator.clock import timestamp
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, JsonObject, bad_request, forbidden, media_type, no_access
from bridge.simulator.protocol.negotiation import check_media_type
from bridge.simulator.state.scripts import Script, Step
from bridge.simulator.state.tasks import Task

_STEM = "application/vnd.vmware.admin.blockingTask"
_LIST_STEM = "application/vnd.vmware.admin.blockingTaskReferences"
_END = {"abort": "aborted", "fail": "error"}


def is_blocking(cloud: Cloud, *names: str) -> bool:
    """Whether the provider listed the operation, by its name in the catalogue or by its Tasks' operationName."""
    listed = cloud.behavior.blocking_operations
    return bool(listed) and any(name in listed for name in names)


def block(cloud: Cloud, task: Task, now: float) -> None:
    """Holds a new Task in preRunning; the rest of its script follows when it is resumed."""
    task.blocking_id = cloud.new_uuid()
    task.blocked_until = now + cloud.behavior.blocking_timeout_seconds
    task.timeout_action = cloud.behavior.blocking_timeout_action
    task.resumed = task.script
    held = Step(0.0, "preRunning", None, "Waiting for an administrator")
    task.script = replace(task.script, steps=(held,))
    cloud.blocking[task.blocking_id] = task


def release(cloud: Cloud, task: Task, action: str, message: str, now: float) -> None:
    """Ends the hold by ``resume``, ``abort`` or ``fail``. Aborted, a creation leaves nothing behind."""
    cloud.blocking.pop(task.blocking_id or "", None)
    task.blocked_until = None
    after: Script = task.resumed or task.script
    if action == "resume":
        steps = after.steps if after.steps[0].status != "queued" else _without_queued(after)
        cloud.engine.rescript(task, replace(after, steps=steps), now)
        return
    error = {**after.error, "message": message or f"The blocking task was {action}ed.", "tenantError": None}
    step = Step(0.0, _END[action], None, message)
    cloud.engine.rescript(task, replace(after, steps=(step,), error=error), now)
    if action == "abort" and task.makes_owner:
        cloud.store.remove(task.owner)


def _without_queued(script: Script) -> tuple[Step, ...]:
    """A resumed Task does not go back to queued."""
    first = script.steps[0]
    return (replace(first, status="running"), *script.steps[1:])


class BlockingTasks:
    """The rows of the catalogue about blocking tasks; system administrators only."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        cloud.engine.on_blocking_timeout = lambda task, at: release(cloud, task, task.timeout_action, "", at)

    def list(self, call: Call) -> Answer:
        _check_provider(call)
        references = self.cloud.references
        document = {
            "href": f"{references.api}/admin/extension/blockingTasks",
            "type": media_type(_LIST_STEM),
            "reference": [
                references.reference(self._href(task), self._urn(task), _STEM, task.operation_name)
                for task in self.cloud.blocking.values()
            ],
        }
        return call.reply(document, _LIST_STEM)

    def get(self, call: Call) -> Answer:
        task = self._find(call)
        return call.reply(self._document(task), _STEM)

    def decide(self, call: Call) -> Answer:
        """resume, abort or fail: 204."""
        task = self._find(call)
        body = self._body(call)
        message = body.get("message")
        call.effect = True
        release(
            self.cloud, task, call.target.tail.rpartition("/")[2], message if isinstance(message, str) else "", call.now
        )
        return Answer(204)

    def update_progress(self, call: Call) -> Answer:
        task = self._find(call)
        body = self._body(call)
        timeout = body.get("timeoutValueInMilliseconds")
        if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 0):
            raise bad_request("timeoutValueInMilliseconds takes milliseconds")
        present = task.script.steps[0]
        message = body.get("message")
        if isinstance(message, str):
            present = replace(present, details=message)
        if timeout is not None:
            task.blocked_until = call.now + timeout / 1000
        call.effect = True
        self.cloud.engine.rescript(task, replace(task.script, steps=(present,)), call.now)
        return call.reply(self._document(task), _STEM)

    def _body(self, call: Call) -> JsonObject:
        if call.request.body and call.target.operation is not None:
            check_media_type(call.request, call.target.operation.media_type)
        return json_body(call.request) or {}

    def _find(self, call: Call) -> Task:
        _check_provider(call)
        task = self.cloud.blocking.get(call.parameters["id"])
        if task is None:
            raise no_access("blockingTask", call.parameters["id"])
        call.entity, call.task = call.parameters["id"], task.id
        return task

    def _href(self, task: Task) -> str:
        return f"{self.cloud.references.api}/admin/extension/blockingTask/{task.blocking_id}"

    @staticmethod
    def _urn(task: Task) -> str:
        return f"urn:vcloud:blockingTask:{task.blocking_id}"

    def _document(self, task: Task) -> JsonObject:
        references, href = self.cloud.references, self._href(task)
        actions = ("resume", "abort", "fail", "updateProgress")
        links = [references.link(action, f"{href}/action/{action}") for action in actions]
        links.append(
            references.link("task", self.cloud.documents.task_href(task), "application/vnd.vmware.vcloud.task")
        )
        return {
            "link": links,
            "href": href,
            "type": media_type(_STEM),
            "id": self._urn(task),
            "name": task.operation_name,
            "status": "active",
            "timeoutAction": task.timeout_action,
            "createdTime": timestamp(task.created_at),
            "timeoutDate": timestamp(task.blocked_until or task.created_at),
            "organization": references.to(task.org),
            "user": references.to(task.user.entity),
            "taskOwner": references.to(task.owner),
        }


def _check_provider(call: Call) -> None:
    if not call.is_provider:
        raise forbidden()
