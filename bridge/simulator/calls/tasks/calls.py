"""Tasks over HTTP: reading, canceling, and who may create and update external ones.

Source: VCD Programming Guide ("Custom tasks": system administrators only), VCD API docs POST-CreateTask, PUT-Task,
POST-CancelTask.
"""

from __future__ import annotations

from itertools import islice

from bridge.simulator.calls.call import Call, organization_of
from bridge.simulator.calls.tasks.body import TaskBody, read_task_body
from bridge.simulator.calls.tasks.external import ExternalTasks
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents.documents import TASK_STEM, TASKS_LIST_STEM
from bridge.simulator.protocol.exchange import Answer, Refusal, forbidden, no_access
from bridge.simulator.state.tasks.tasks import Task

MAXIMUM_LISTED = 128


class TaskCalls:
    """getTask, getTasksList, cancelTask, createExternalTask, updateTask."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.external = ExternalTasks(cloud)

    def get(self, call: Call) -> Answer:
        return self._answer(call, self._find(call))

    def list(self, call: Call) -> Answer:
        """The organization's newest Tasks, newest first."""
        org = organization_of(call, self.cloud.store)
        seen = (task for task in self.cloud.engine.newest(call.now) if task.org is org and call.sees_task(task))
        tasks = list(islice(seen, MAXIMUM_LISTED))
        document = self.cloud.documents.tasks_list(org, tasks, call.now, provider=call.is_provider)
        return call.reply(document, TASKS_LIST_STEM)

    def cancel(self, call: Call) -> Answer:
        """204: only a request. An ended Task, or one whose script refuses, answers 400."""
        task = self._find(call)
        if task.ended_at is not None or task.script.cancel == "refuse":
            raise Refusal(400, "INVALID_STATE", f"The task {task.urn} can not be canceled.")
        call.effect = True
        self.cloud.engine.request_cancel(task, call.now)
        if task.external is not None:
            task.external.cancels += 1
        if task.blocked_until is None:
            self.cloud.blocking.pop(task.blocking_id or "", None)
        return Answer(204)

    def create(self, call: Call) -> Answer:
        """POST /tasksList/{org}: 200 with the stored Task."""
        if not call.is_provider:
            raise forbidden()
        task = self.external.create(organization_of(call, self.cloud.store), _body(call), call.now)
        call.effect = True
        self._note(call, task)
        return self._answer(call, task)

    def update(self, call: Call) -> Answer:
        """PUT /task/{id}: 200 with the Task as it now is."""
        task = self._find(call)
        external = task.external
        if external is None or not call.is_provider:
            raise forbidden(f"No right to update the task {task.urn}")
        try:
            self.external.update(task, external, _body(call), call.now)
        except Refusal:
            external.refused_updates += 1
            external.updates_after_end += task.ended_at is not None
            raise
        call.effect = True
        self._note(call, task)
        return self._answer(call, task)

    def _answer(self, call: Call, task: Task) -> Answer:
        document = self.cloud.documents.task(task, call.now, provider=call.is_provider)
        return call.reply(document, TASK_STEM)

    def _find(self, call: Call) -> Task:
        task = self.cloud.engine.get(call.parameters["id"].lower(), call.now)
        if task is None or not call.sees_task(task):
            raise no_access("task", call.parameters["id"])
        call.entity = f"{task.owner.kind.prefix}{task.owner.uuid}"
        self._note(call, task)
        return task

    @staticmethod
    def _note(call: Call, task: Task) -> None:
        """For the ledger: which Task a call was about, and of an external one what it says now."""
        call.task = task.id
        if task.external is not None:
            step = task.step(call.now)
            call.task_status, call.task_operation = step.status, task.text(step)


def _body(call: Call) -> TaskBody:
    return read_task_body(call.read_body(TASK_STEM))
