"""External tasks: what services outside VCD may make of Tasks of their own. No HTTP.

Source: VCD Programming Guide ("Custom tasks"), VCD API docs POST-CreateTask and PUT-Task, pyvcloud task.py,
container-service-extension (terminal Tasks refuse updates; owners are resolved since vCD 9.8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridge.simulator.calls.tasks.body import TaskBody
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import JsonObject, Refusal, bad_request
from bridge.simulator.state.entities import Entity, User
from bridge.simulator.state.kinds import KINDS
from bridge.simulator.state.tasks.scripts import Script, Step
from bridge.simulator.state.tasks.tasks import External, Task

UNNAMED = "jobCustom"
"""The operationName of a Task that was posted without one (VCD API docs, PUT-Task)."""

_UNNAMED_TEXTS = ("External processing started", "External processing finished")
"""What VCD writes where such a Task has no text either; the first of them is made up (VCD API docs, PUT-Task)."""


class ExternalTasks:
    """Creates, updates and finds the external tasks of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def create(self, org: Entity, body: TaskBody, now: float, *, seeded: bool = False) -> Task:
        """Nothing recognizes a repeated one. Any status may come first; with a final one it ends as it starts.

        Raises:
            Refusal: 400: a required field is missing, or a reference does not resolve.
        """
        if body.service_namespace is None:
            raise bad_request("Bad request: serviceNamespace is required")
        user = self._user(body.user, org)
        owner = org if body.owner is None else self._resolve(body.owner, "owner")
        name = body.operation_name or UNNAMED
        started, finished = (_with_owner(text, owner) for text in _UNNAMED_TEXTS)
        task = Task(
            number=self.cloud.engine.created,
            task_id=self.cloud.new_uuid(),
            operation_name=name,
            words=(started, finished) if name == UNNAMED else ("", ""),
            owner=owner,
            user=user,
            script=Script(steps=(_step(body),)),
            now=now,
            service_namespace=body.service_namespace,
        )
        task.external, task.org = External(params=body.params, seeded=seeded), org
        task.operation_key = body.operation_key
        self._write(task, body)
        self.cloud.engine.add(task)
        return task

    def update(self, task: Task, external: External, body: TaskBody, now: float) -> None:
        """Takes over what may change; what may be said at the creation only stays as it is, whatever the body says.

        Raises:
            Refusal: 400: the Task has ended.
        """
        if task.ended_at is not None:
            raise bad_request(f"The task {task.urn} has status {task.step(now).status} and can not be updated.")
        if body.operation_name is not None:
            task.operation_name = body.operation_name
        self._write(task, body)
        self.cloud.engine.rescript(task, replace(task.script, steps=(_step(body),)), now)
        external.updates += 1
        external.terminal_updates += task.ended_at is not None

    def find(self, *, namespace: str | None = None, mark: str | None = None) -> Iterator[tuple[Task, External]]:
        """In order of creation; those of a namespace, and those whose operation text has ``mark`` in it."""
        engine, now = self.cloud.engine, self.cloud.clock()
        pool = engine.all() if namespace is None else engine.of_namespaces((namespace,))
        for task in pool.values():
            if task.external is not None and (mark is None or mark in task.text(task.step(now))):
                yield task, task.external

    @staticmethod
    def _write(task: Task, body: TaskBody) -> None:
        """The whole document counts: what it leaves out is gone, but for the two texts that a Task is shown by."""
        operation = body.operation
        if operation is not None:
            task.operation = _with_owner(operation, task.owner) if task.operation_name == UNNAMED else operation
        task.details, task.description = body.details or "", body.description
        task.error, task.result = body.error, body.result
        if task.external is not None:
            task.external.extensions = body.extensions

    def _resolve(self, reference: JsonObject, field: str) -> Entity:
        """The entity of a reference, by href of any host or by URN. A ``type`` that it has must fit."""
        text = reference["href"] or reference["id"] or ""
        entity = self.cloud.store.get(text[-36:].lower())
        if entity is None or not _names(entity, text) or not _fits(entity, reference["type"]):
            raise Refusal(400, "INVALID_REFERENCE", f"The {field} reference {text} does not resolve.")
        return entity

    def _user(self, reference: JsonObject | None, org: Entity) -> User:
        """A system administrator or a member of the organization."""
        if reference is None:
            raise bad_request("Bad request: the element user is required")
        entity = self._resolve(reference, "user")
        user = self.cloud.store.users_by_uuid.get(entity.uuid)
        if user is not None and (user.is_provider or user.org is org):
            return user
        raise Refusal(400, "INVALID_REFERENCE", f"{entity.urn} is no user of {org.name} and no system administrator.")


def _step(body: TaskBody) -> Step:
    return Step(0.0, body.status, body.progress)


def _with_owner(text: str, owner: Entity) -> str:
    """Once, however often the text comes back."""
    subject = f" {owner.kind.label} {owner.name}({owner.uuid})"
    return text if text.endswith(subject) else text + subject


def _names(entity: Entity, text: str) -> bool:
    if text == entity.urn or text.endswith(f"/api{entity.path}"):
        return True
    tail = f"/{entity.kind.prefix}{entity.uuid}"
    collections = (one for one in entity.kind.collections if one != "tasksList")
    return any(text.endswith(f"/api/{collection}{tail}") for collection in collections)


_STEMS = frozenset(kind.media_stem.lower() for kind in KINDS.values())


def _fits(entity: Entity, media_type: str | None) -> bool:
    """False where a media type is known as another kind's. Administrators' views have further ones: not judged."""
    stem = (media_type or "").partition("+")[0].lower()
    return stem not in _STEMS or stem == entity.kind.media_stem.lower()
