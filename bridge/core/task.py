"""VCD's Task as the bridge reads it: its document, its open set of statuses, their order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict


class ReferenceDocument(TypedDict):
    """A VCD reference: ``{href, id, type, name}``, each possibly absent."""

    href: str | None
    id: str | None
    type: str | None
    name: str | None


class ErrorDocument(TypedDict):
    """VCD's error document without stack trace (ErrorType of common.xsd).

    ``tenantError`` holds the tenant's view of the same error; inside it ``tenantError`` is always None.
    """

    message: str | None
    majorErrorCode: int | None
    minorErrorCode: str | None
    vendorSpecificErrorCode: str | None
    tenantError: TenantErrorDocument | None


class TenantErrorDocument(TypedDict):
    """The tenant's view inside an administrator's error (TenantError, since API 5.7)."""

    message: str | None
    majorErrorCode: int | None
    minorErrorCode: str | None
    vendorSpecificErrorCode: str | None


class ResultDocument(TypedDict):
    """ResultType of task.xsd; ``resultContent`` as JSON text."""

    resultContent: str | None
    resultReference: ReferenceDocument | None


class LinkDocument(TypedDict):
    """LinkType: a reference with ``rel`` and ``model``."""

    href: str | None
    id: str | None
    type: str | None
    name: str | None
    rel: str | None
    model: str | None


class VcTaskDocument(TypedDict):
    """One vCenter task behind a Task (VcTaskType, since API 33.0); times in milliseconds since the epoch."""

    name: str | None
    moref: str | None
    status: str | None
    description: str | None
    errorMessage: str | None
    objectName: str | None
    objectType: str | None
    objectMoref: str | None
    virtualCenterID: str | None
    startTime: int | None
    endTime: int | None


class TaskDocument(TypedDict):
    """Every attribute and element of VCD's TaskType by its JSON name, ready to be published.

    Times are integers, milliseconds since the epoch, UTC. ``params`` and ``other`` (unknown keys, as one JSON object)
    are JSON text. Source: TaskType page of the VCD API and task.xsd.
    """

    id: str | None
    href: str | None
    type: str | None
    name: str | None
    description: str | None
    status: str | None
    operation: str | None
    operationName: str | None
    operationKey: str | None
    serviceNamespace: str | None
    startTime: int | None
    endTime: int | None
    expiryTime: int | None
    cancelRequested: bool | None
    progress: int | None
    details: str | None
    owner: ReferenceDocument | None
    user: ReferenceDocument | None
    organization: ReferenceDocument | None
    error: ErrorDocument | None
    params: str | None
    result: ResultDocument | None
    vcTaskList: list[VcTaskDocument] | None
    tasks: list[ReferenceDocument] | None
    link: list[LinkDocument] | None
    other: str | None


class TaskStatus(StrEnum):
    """Statuses with a known meaning. The set is open: any other text is carried raw and is not an end."""

    QUEUED = "queued"
    PRE_RUNNING = "preRunning"
    RUNNING = "running"
    POST_RUNNING = "postRunning"
    SUCCESS = "success"
    ERROR = "error"
    ABORTED = "aborted"
    CANCELED = "canceled"


FINAL_STATUSES = frozenset({TaskStatus.SUCCESS, TaskStatus.ERROR, TaskStatus.ABORTED, TaskStatus.CANCELED})

_RANK: dict[str, int] = {
    TaskStatus.QUEUED: 0,
    TaskStatus.PRE_RUNNING: 1,
    TaskStatus.RUNNING: 2,
    TaskStatus.POST_RUNNING: 3,
    TaskStatus.SUCCESS: 4,
    TaskStatus.ERROR: 4,
    TaskStatus.ABORTED: 4,
    TaskStatus.CANCELED: 4,
}

_BY_FOLDED = {status.value.casefold(): status.value for status in TaskStatus}


def normal_status(text: str) -> str:
    """VCD's own spelling of a status given in any case; an unknown one is returned as it came."""
    return _BY_FOLDED.get(text.casefold(), text)


def rank(status: str) -> int | None:
    """Order of a status (queued, preRunning, running, postRunning, end); None for an unknown one."""
    return _RANK.get(status)


def is_final(status: str | None) -> bool:
    """True only for the four documented ends; an unknown status is never an end."""
    return status in FINAL_STATUSES


@dataclass(frozen=True, slots=True)
class Task:
    """One reading of a VCD Task."""

    document: TaskDocument

    @property
    def id(self) -> str:
        """URN ``urn:vcloud:task:<uuid>``; the key of a Task."""
        return self.document["id"] or ""

    @property
    def href(self) -> str | None:
        return self.document["href"]

    @property
    def status(self) -> str | None:
        """VCD's spelling; None when only the Task's address is known so far."""
        return self.document["status"]

    @property
    def progress(self) -> int | None:
        """Approximate percentage, 0-100; absent for many Tasks and may never reach 100."""
        return self.document["progress"]

    @property
    def cancel_requested(self) -> bool:
        return bool(self.document["cancelRequested"])

    @property
    def is_final(self) -> bool:
        return is_final(self.document["status"])


def empty_document() -> TaskDocument:
    """A Task document in which every key is present and None."""
    return {
        "id": None, "href": None, "type": None, "name": None, "description": None, "status": None,
        "operation": None, "operationName": None, "operationKey": None, "serviceNamespace": None,
        "startTime": None, "endTime": None, "expiryTime": None, "cancelRequested": None, "progress": None,
        "details": None, "owner": None, "user": None, "organization": None, "error": None, "params": None,
        "result": None, "vcTaskList": None, "tasks": None, "link": None, "other": None,
    }  # fmt: skip


def task_at(task_id: str, href: str | None) -> Task:
    """A Task of which only the address is known (202 with an empty body and ``Location``)."""
    document = empty_document()
    document["id"] = task_id
    document["href"] = href
    return Task(document)
