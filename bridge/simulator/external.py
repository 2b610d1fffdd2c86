"""Tasks over HTTP: reading, canceling, and the external tasks of services outside VCD.

Source: VCD Programming Guide ("Custom tasks"), VCD API docs POST-CreateTask, PUT-Task, POST-CancelTask, pyvcloud
task.py, container-service-extension (terminal Tasks refuse updates; owners are resolved since vCD 9.8).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

from bridge.simulator.call import Call, json_body
from bridge.simulator.cloud import Cloud
from bridge.simulator.entities import Entity, User
from bridge.simulator.exchange import (
    Answer,
    JsonObject,
    Refusal,
    bad_request,
    forbidden,
    no_access,
)
from bridge.simulator.kinds import KINDS
from bridge.simulator.negotiation import check_media_type
from bridge.simulator.scripts import Script, Step
from bridge.simulator.tasks import Task

_STEM = "application/vnd.vmware.vcloud.task"
_LIST_STEM = "application/vnd.vmware.vcloud.tasksList"
MAXIMUM_LISTED = 128
STATUSES = ("queued", "preRunning", "running", "success", "error", "aborted", "canceled")


class TaskCalls:
    """getTask, getTasksList, cancelTask, createExternalTask, updateTask."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def get(self, call: Call) -> Answer:
        return self._answer(call, self._find(call))

    def list(self, call: Call) -> Answer:
        """The organization's newest Tasks, newest first."""
        org = self._organization(call)
        newest = (task for task in reversed(list(self.cloud.engine.all())) if task.org is org)
        tasks = list(islice(newest, MAXIMUM_LISTED))
        document = self.cloud.documents.tasks_list(org, tasks, call.now, provider=call.is_provider)
        return call.reply(document, _LIST_STEM)

    def cancel(self, call: Call) -> Answer:
        """204: only a request. An ended Task, or one whose script refuses, answers 400."""
        task = self._find(call)
        if task.ended_at is not None or task.script.cancel == "refuse":
            raise Refusal(400, "INVALID_STATE", f"The task {task.urn} can not be canceled.")
        call.effect = True
        self.cloud.engine.request_cancel(task, call.now)
        if task.blocked_until is None:
            self.cloud.blocking.pop(task.blocking_id or "", None)
        return Answer(204)

    def create(self, call: Call) -> Answer:
        """POST /tasksList/{org}: 200 with the stored Task; nothing recognizes a repeated POST."""
        if not call.is_provider:
            raise forbidden()
        org = self._organization(call)
        body = self._body(call)
        namespace = _namespace(body)
        step = _step(body)
        user = self._user(body.get("user"), org)
        owner = org if body.get("owner") is None else self._owner(body["owner"])
        name, operation = _text(body, "operationName"), _text(body, "operation")
        if name is None:
            operation = f"{operation or ''} Organization {org.name}({org.uuid})".strip()
        task = Task(
            number=self.cloud.engine.created, task_id=self.cloud.new_uuid(), operation_name=name or "jobCustom",
            words=("", ""), owner=owner, user=user, script=Script(steps=(step,)), now=call.now,
            service_namespace=namespace,
        )  # fmt: skip
        task.external, task.org = True, org
        task.operation, task.operation_key = operation, _text(body, "operationKey")
        _set_content(task, body)
        call.effect, call.task = True, task.id
        self.cloud.engine.add(task)
        return self._answer(call, task)

    def update(self, call: Call) -> Answer:
        """PUT /task/{id}: 200. Namespace, owner and user stay as created; a terminal Task refuses."""
        task = self._find(call)
        body = self._body(call)
        if not call.is_provider or not task.external:
            raise forbidden(f"No right to update the task {task.urn}")
        if task.ended_at is not None:
            raise bad_request(f"The task {task.urn} has status {task.step(call.now).status} and can not be updated.")
        if body.get("serviceNamespace") is not None:
            _namespace(body)
        step = _step(body)
        task.operation = _text(body, "operation") or task.operation
        task.operation_name = _text(body, "operationName") or task.operation_name
        _set_content(task, body)
        call.effect = True
        self.cloud.engine.rescript(task, replace(task.script, steps=(step,)), call.now)
        return self._answer(call, task)

    def _answer(self, call: Call, task: Task) -> Answer:
        document = self.cloud.documents.task(task, call.now, provider=call.is_provider)
        return call.reply(document, _STEM)

    def _find(self, call: Call) -> Task:
        task = self.cloud.engine.get(call.parameters["id"].lower(), call.now)
        if task is None or not (call.is_provider or task.org is call.user.org):
            raise no_access("task", call.parameters["id"])
        call.task = task.id
        call.entity = f"{task.owner.kind.prefix}{task.owner.uuid}"
        return task

    def _organization(self, call: Call) -> Entity:
        org = self.cloud.store.find(KINDS["org"], call.parameters["id"].lower(), None)
        if not call.sees(org):
            raise no_access("org", org.uuid)
        call.entity = org.uuid
        return org

    @staticmethod
    def _body(call: Call) -> JsonObject:
        check_media_type(call.request, _STEM + "+json")
        body = json_body(call.request)
        if body is None:
            raise bad_request("Bad request: a body of type Task is expected")
        if not _text(body, "name"):
            raise bad_request("Bad request: the attribute name is required")
        for name in ("operation", "operationName", "operationKey", "details", "description"):
            _text(body, name)
        for name in ("error", "result"):
            if body.get(name) is not None and not isinstance(body[name], dict):
                raise bad_request(f"Bad request: {name} takes an object")
        return body

    def _resolve(self, reference: Any, field: str) -> Entity:
        """The entity of a reference: by href of any host, or by URN."""
        if not isinstance(reference, dict):
            raise bad_request(f"Bad request: {field} takes a reference")
        text = str(reference.get("href") or reference.get("id") or "")
        entity = self.cloud.store.get(text[-36:].lower())
        if entity is None or not self._names(entity, text):
            raise Refusal(400, "INVALID_REFERENCE", f"The {field} reference {text} does not resolve.")
        return entity

    @staticmethod
    def _names(entity: Entity, text: str) -> bool:
        if text == entity.urn:
            return True
        tail = f"/{entity.kind.prefix}{entity.uuid}"
        return any(text.endswith(f"/{collection}{tail}") for collection in entity.kind.collections)

    def _owner(self, reference: Any) -> Entity:
        return self._resolve(reference, "owner")

    def _user(self, reference: Any, org: Entity) -> User:
        """A system administrator or a member of the organization."""
        if reference is None:
            raise bad_request("Bad request: the element user is required")
        entity = self._resolve(reference, "user")
        for user in self.cloud.store.users.values():
            if user.entity is entity and (user.is_provider or user.org is org):
                return user
        raise Refusal(400, "INVALID_REFERENCE", f"{entity.urn} is no user of {org.name} and no system administrator.")


def _text(body: JsonObject, name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise bad_request(f"Bad request: {name} takes text")
    return value


def _namespace(body: JsonObject) -> str:
    """1 to 128 symbols, not VCD's own (TaskType page)."""
    namespace = _text(body, "serviceNamespace")
    if not namespace or len(namespace) > 128:
        raise bad_request("Bad request: serviceNamespace is required and has 1 to 128 symbols")
    if namespace.startswith("com.vmware.vcloud"):
        raise bad_request("Bad request: serviceNamespace must not start with com.vmware.vcloud")
    return namespace


def _step(body: JsonObject) -> Step:
    status, progress = _text(body, "status"), body.get("progress")
    known = next((one for one in STATUSES if status is not None and one.lower() == status.lower()), None)
    if known is None:
        raise bad_request(f"Bad request: status is required and one of {', '.join(STATUSES)}, not {status}")
    if progress is not None and (
        isinstance(progress, bool) or not isinstance(progress, int) or not 0 <= progress <= 100
    ):
        raise bad_request("Bad request: progress takes 0 to 100")
    return Step(0.0, known, progress)


def _set_content(task: Task, body: JsonObject) -> None:
    """Details, description, error and result are replaced: what is left out of a PUT is gone."""
    task.details = _text(body, "details") or ""
    task.description = _text(body, "description")
    task.error, task.result = body.get("error"), body.get("result")
