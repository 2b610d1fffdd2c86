"""Tasks and entities as JSON documents (TaskType, EntityType and their kin; API schemas 36 age and the API docs)."""

from __future__ import annotations

from bridge.simulator.clock import timestamp
from bridge.simulator.documents.parts import PARTS
from bridge.simulator.documents.view import Part, View
from bridge.simulator.protocol.document_types import type_of
from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.metadata import KINDS_WITH_METADATA
from bridge.simulator.state.references import References
from bridge.simulator.state.tasks.scripts import FINAL, Step
from bridge.simulator.state.tasks.tasks import EXPIRY_SECONDS, Task

METADATA_STEM = "application/vnd.vmware.vcloud.metadata"
TASK_STEM = "application/vnd.vmware.vcloud.task"
TASKS_LIST_STEM = "application/vnd.vmware.vcloud.tasksList"


class Documents:
    """Writes documents.

    Args:
        empty_owner_href_every: Each so-manieth Task has an empty ``owner.href`` or ``owner.name``, as real servers
            send now and then (cloud-director-extension-standard-library samples, libcloud fixtures); 0: never.
        queued_has_start: Whether a queued Task of VCD's own already has a startTime.
        recent_task_seconds: How long after its end an entity still lists a Task.
    """

    def __init__(
        self,
        references: References,
        store: EntityStore,
        *,
        empty_owner_href_every: int = 0,
        queued_has_start: bool = True,
        recent_task_seconds: float = 60.0,
    ) -> None:
        self.references = references
        self.store = store
        self.empty_owner_href_every = empty_owner_href_every
        self.queued_has_start = queued_has_start
        self.recent_task_seconds = recent_task_seconds
        self.cells_apart_seconds = 0.0
        """By how much the clock of the cell is ahead that carries every second Task out, and writes when it ended."""

    def task_href(self, task: Task) -> str:
        return f"{self.references.api}/task/{task.id}"

    def task(self, task: Task, now: float, *, provider: bool) -> JsonObject:
        """A Task as somebody sees it now; tenants do not see ``tenantError`` beside the administrator's error."""
        step = task.step(now)
        final = step.status in FINAL
        start = self.start_of(task, step)
        references = self.references
        document = {
            "link": self._task_links(task, final=final, provider=provider),
            "href": self.task_href(task),
            "type": media_type(TASK_STEM),
            "id": task.urn,
            "operationKey": task.operation_key,
            "description": task.description,
            "name": "task",
            "owner": self._owner(task),
            "error": self._error(task, step.status, provider=provider),
            "user": references.to(task.user.entity),
            "organization": references.to(task.org),
            "progress": step.progress,
            "params": None if task.external is None else task.external.params,
            "details": step.details if task.details is None else task.details,
            "vcTaskList": {"vcTask": list(task.script.vc_tasks)} if task.script.vc_tasks else None,
            "result": self._result(task, final=final),
            "status": step.status,
            "operation": task.text(step),
            "operationName": task.operation_name,
            "serviceNamespace": task.service_namespace,
            "startTime": None if start is None else timestamp(start),
            "endTime": None if task.ended_at is None else timestamp(self.end_of(task, task.ended_at)),
            "expiryTime": None if start is None else timestamp(task.started_at + EXPIRY_SECONDS),
            "cancelRequested": task.cancel_requested,
        }
        if task.external is not None:
            document["vCloudExtension"] = task.external.extensions
        return document

    def start_of(self, task: Task, step: Step) -> float | None:
        """When it started. An external task's start is its POST, whose answer is documented to tell it."""
        if task.external is not None or self.queued_has_start:
            return task.created_at
        return None if step.status == "queued" else task.started_at

    def end_of(self, task: Task, ended_at: float) -> float:
        """When it ended, by the clock of the cell that carried it out."""
        return ended_at + (self.cells_apart_seconds if task.number % 2 else 0.0)

    def _owner(self, task: Task) -> JsonObject:
        reference = self.references.to(task.owner)
        every = self.empty_owner_href_every
        if every and task.external is None:
            if task.number % every == every - 1:
                reference["href"] = ""
            elif task.number % every == every // 2:
                reference["name"] = ""
        return reference

    def _task_links(self, task: Task, *, final: bool, provider: bool) -> list[JsonObject]:
        if final:
            return []
        href = self.task_href(task)
        links = []
        if task.external is not None or task.script.cancel != "refuse":
            links.append(self.references.link("task:cancel", f"{href}/action/cancel"))
        if task.external is not None and provider:
            links.append(self.references.link("edit", href, TASK_STEM))
        return links

    @staticmethod
    def _error(task: Task, status: str, *, provider: bool) -> JsonObject | None:
        vcds_own = task.script.error if status == "error" else None
        given = vcds_own if task.external is None else task.error
        if given is None:
            return None
        if provider:
            return given
        return {**given, **(given.get("tenantError") or {}), "tenantError": None, "stackTrace": None}

    @staticmethod
    def _result(task: Task, *, final: bool) -> JsonObject | None:
        """VCD's own results come with the end; a service outside shows its one when it likes."""
        if task.external is not None:
            return task.result
        return (task.result or task.script.result) if final else None

    def tasks_list(self, org: Entity, tasks: list[Task], now: float, *, provider: bool) -> JsonObject:
        return {
            "href": f"{self.references.api}/tasksList/{org.uuid}",
            "type": media_type(TASKS_LIST_STEM),
            "name": "Tasks Lists",
            "task": [self.task(task, now, provider=provider) for task in tasks],
        }

    def entity(self, entity: Entity, view: View) -> JsonObject:
        """An entity with its links, its state and its Tasks (queued, running, recently completed)."""
        part, stem = PARTS.get(entity.kind.name, _PLAIN), self.stem(entity, view)
        common: JsonObject = {
            "href": self._href(entity, view),
            "type": media_type(stem),
            "id": entity.urn,
            "description": entity.description,
            "tasks": self.tasks_in_progress(entity, view),
            "name": entity.name,
            "status": entity.status,
            "deployed": entity.deployed,
            **entity.properties,
        }
        kind = type_of(stem)
        document = {
            key: value for key, value in common.items() if value is not None and (kind is None or key in kind.by_key)
        }
        document.update(part.build(self, entity, view))
        document["link"] = [*self._entity_links(entity, view), *document.get("link", ())]
        return document

    def stem(self, entity: Entity, view: View) -> str:
        """The media type of an entity's document in a view, without ``+json`` or ``+xml``."""
        part = PARTS.get(entity.kind.name, _PLAIN)
        other = part.extension_stem if view.extension else part.admin_stem if view.admin else None
        return other or entity.kind.media_stem

    def tasks_in_progress(self, entity: Entity, view: View) -> JsonObject | None:
        tasks = [task for task in entity.tasks or () if self._is_listed(task, view.now)]
        return {"task": [self.task(task, view.now, provider=view.provider) for task in tasks]} if tasks else None

    def _is_listed(self, task: Task, now: float) -> bool:
        if task.is_gone(now):
            return False
        return task.ended_at is None or now <= task.ended_at + self.recent_task_seconds

    def _entity_links(self, entity: Entity, view: View) -> list[JsonObject]:
        """To the metadata and to what the entity lies in, in the same view."""
        link, parent = self.references.link, entity.parent
        links = []
        if entity.kind.name in KINDS_WITH_METADATA:
            links.append(link("down", f"{self._href(entity, view)}/metadata", METADATA_STEM))
        if parent is not None:
            links.append(link("up", self._href(parent, view), self.stem(parent, view), parent.name))
        return links

    def _href(self, entity: Entity, view: View) -> str:
        if view.extension:
            return self.references.extension_href(entity)
        return self.references.admin_href(entity) if view.admin else self.references.href(entity)


_PLAIN = Part(lambda _writer, _entity, _view: {})
