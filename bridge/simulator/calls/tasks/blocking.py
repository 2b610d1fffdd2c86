"""Blocking tasks: Tasks held in preRunning until a provider decides or the time-out does.

Source: taskExtensionRequest.xsd and the VCD API docs, POST-ResumeTask, POST-AbortTask.
"""

from __future__ import annotations

from dataclasses import replace

from bridge.simulator.calls.call import Call
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents.blockingtasks import BLOCKING_TASK_STEM, BLOCKING_TASKS_STEM, BlockingDocuments
from bridge.simulator.protocol.exchange import Answer, JsonObject, bad_request, forbidden, no_access
from bridge.simulator.state.tasks.scripts import Script, Step
from bridge.simulator.state.tasks.tasks import Task

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
        self.documents = BlockingDocuments(cloud.references)
        cloud.engine.on_blocking_timeout = lambda task, at: release(cloud, task, task.timeout_action, "", at)

    def list(self, call: Call) -> Answer:
        _check_provider(call)
        document = self.documents.listed(self.cloud.blocking.values())
        return call.reply(document, BLOCKING_TASKS_STEM, name="vmext:BlockingTaskReferences")

    def get(self, call: Call) -> Answer:
        task = self._find(call)
        return self._answer(call, task)

    def decide(self, call: Call) -> Answer:
        """resume, abort or fail: 204."""
        task = self._find(call)
        message = _message(self._body(call)) or ""
        call.effect = True
        release(self.cloud, task, call.target.tail.rpartition("/")[2], message, call.now)
        return Answer(204)

    def update_progress(self, call: Call) -> Answer:
        task = self._find(call)
        body = self._body(call)
        timeout = body.get("timeoutValueInMilliseconds")
        if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 0):
            raise bad_request("timeoutValueInMilliseconds takes milliseconds")
        present = task.script.steps[0]
        message = _message(body)
        if message is not None:
            present = replace(present, details=message)
        if timeout is not None:
            task.blocked_until = call.now + timeout / 1000
        call.effect = True
        self.cloud.engine.rescript(task, replace(task.script, steps=(present,)), call.now)
        return self._answer(call, task)

    @staticmethod
    def _body(call: Call) -> JsonObject:
        operation = call.target.operation
        return call.read_body(None if operation is None else operation.media_type) or {}

    def _find(self, call: Call) -> Task:
        _check_provider(call)
        task = self.cloud.blocking.get(call.parameters["id"].lower())
        if task is None:
            raise no_access("blockingTask", call.parameters["id"])
        call.entity, call.task = call.parameters["id"], task.id
        return task

    def _answer(self, call: Call, task: Task) -> Answer:
        return call.reply(self.documents.document(task, self.cloud.documents.task_href(task)), BLOCKING_TASK_STEM)


def _check_provider(call: Call) -> None:
    if not call.is_provider:
        raise forbidden()


def _message(body: JsonObject) -> str | None:
    message = body.get("message")
    if message is None or isinstance(message, str):
        return message
    raise bad_request("Bad request: message takes text")
