"""VCD's Task, error and reference documents to the core's types.

Source of names: TaskType, ErrorType and TasksInProgressType of the VCD API; of tolerance: see ``lenient``.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from bridge.core.requests import JsonValue
from bridge.core.task import (
    ErrorDocument,
    LinkDocument,
    ReferenceDocument,
    ResultDocument,
    Task,
    TaskDocument,
    TenantErrorDocument,
    VcTaskDocument,
    empty_document,
    normal_status,
)
from bridge.vcd.documents.lenient import (
    Json,
    boolean,
    integer,
    is_object,
    json_text,
    members,
    milliseconds,
    name,
    text,
    uuid_in,
)

TASK_URN = "urn:vcloud:task:"
MESSAGE_LIMIT = 1000
"""Characters of a foreign message that are kept."""

_KNOWN = (frozenset(empty_document()) - {"other"}) | {"otherAttributes", "vCloudExtension", "_type"}


def cut(message: str) -> str:
    return message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…"


# --- Tasks --------------------------------------------------------------------------------------------------------


def task_urn(uuid: str) -> str:
    return TASK_URN + uuid


def task_href(base_url: str, uuid: str) -> str:
    return f"{base_url}/api/task/{uuid}"


def task_uuid_of_href(href: str | None) -> str | None:
    """The uuid of a Task's href or path, whatever its host; None for the href of anything else."""
    if not href:
        return None
    try:
        segments = [segment for segment in urlsplit(href).path.split("/") if segment]
    except ValueError:
        return None
    if len(segments) < 2 or segments[-2].casefold() != "task":
        return None
    return uuid_in(segments[-1])


def task_uuid(task_id: str | None, href: str | None) -> str | None:
    """The uuid of a Task from its id (URN or bare) or else its href."""
    return uuid_in(task_id) or task_uuid_of_href(href)


def is_task(document: Json, root: str | None, content_type: str | None) -> bool:
    """Whether a document is a Task, by any of the signs that VCD's answers give."""
    if root is not None:
        return root == "Task"
    own = (name(document.get("type")) or "").partition(";")[0].strip().casefold()
    if own:
        return own.endswith(("vcloud.task+json", "vcloud.task+xml"))
    kind = (content_type or "").partition(";")[0].strip().casefold()
    return (
        kind.endswith(("vcloud.task+json", "vcloud.task+xml"))
        or (name(document.get("id")) or "").startswith(TASK_URN)
        or (task_uuid_of_href(name(document.get("href"))) is not None and "status" in document)
    )


def read_task(document: Json, base_url: str) -> Task | None:
    """A Task from its document; id and href each stand in for the other. None when it has neither."""
    uuid = task_uuid(name(document.get("id")), name(document.get("href")))
    if uuid is None:
        return None
    status = name(document.get("status"))
    read: TaskDocument = {
        "id": task_urn(uuid),
        "href": name(document.get("href")) or task_href(base_url, uuid),
        "type": name(document.get("type")),
        "name": name(document.get("name")),
        "description": text(document.get("description")),
        "status": None if status is None else normal_status(status),
        "operation": text(document.get("operation")),
        "operationName": name(document.get("operationName")),
        "operationKey": name(document.get("operationKey")),
        "serviceNamespace": name(document.get("serviceNamespace")),
        "startTime": milliseconds(document.get("startTime")),
        "endTime": milliseconds(document.get("endTime")),
        "expiryTime": milliseconds(document.get("expiryTime")),
        "cancelRequested": boolean(document.get("cancelRequested")),
        "progress": integer(document.get("progress")),
        "details": text(document.get("details")),
        "owner": read_reference(document.get("owner")),
        "user": read_reference(document.get("user")),
        "organization": read_reference(document.get("organization")),
        "error": read_error(document.get("error")),
        "params": _free(document.get("params")),
        "result": _result(document.get("result")),
        "vcTaskList": _vc_tasks(document.get("vcTaskList")),
        "tasks": _sub_tasks(document.get("tasks")),
        "link": _links(document.get("link")),
        "other": _other(document),
    }
    return Task(read)


def read_tasks_in_progress(document: Json, base_url: str) -> tuple[Task, ...]:
    """The Tasks that an entity lists: queued, running or recently completed (``tasks.task[]``)."""
    read = (read_task(one, base_url) for one in _inside(document.get("tasks"), "task"))
    return tuple(task for task in read if task is not None)


def _inside(value: JsonValue, element: str) -> list[Json]:
    """The members of a container such as ``tasks.task[]``; the container may have been left out."""
    return members(value.get(element)) if is_object(value) else members(value)


def _sub_tasks(value: JsonValue) -> list[ReferenceDocument] | None:
    if value is None:
        return None
    references = (read_reference(one) for one in _inside(value, "task"))
    return [reference for reference in references if reference is not None]


def _result(value: JsonValue) -> ResultDocument | None:
    if not is_object(value):
        return None
    return {
        "resultContent": _free(value.get("resultContent")),
        "resultReference": read_reference(value.get("resultReference")),
    }


def _vc_tasks(value: JsonValue) -> list[VcTaskDocument] | None:
    if value is None:
        return None
    return [
        {
            "name": name(one.get("name")),
            "moref": name(one.get("moref")),
            "status": name(one.get("status")),
            "description": text(one.get("description")),
            "errorMessage": text(one.get("errorMessage")),
            "objectName": name(one.get("objectName")),
            "objectType": name(one.get("objectType")),
            "objectMoref": name(one.get("objectMoref")),
            "virtualCenterID": name(one.get("virtualCenterID")),
            "startTime": milliseconds(one.get("startTime")),
            "endTime": milliseconds(one.get("endTime")),
        }
        for one in _inside(value, "vcTask")
    ]


def _links(value: JsonValue) -> list[LinkDocument] | None:
    if value is None:
        return None
    return [
        {
            "href": name(one.get("href")),
            "id": name(one.get("id")),
            "type": name(one.get("type")),
            "name": name(one.get("name")),
            "rel": name(one.get("rel")),
            "model": name(one.get("model")),
        }
        for one in members(value)
    ]


def _other(document: Json) -> str | None:
    """What the Task type does not know, as JSON text: servers add keys per version."""
    unknown: Json = {key: value for key, value in document.items() if key not in _KNOWN and value is not None}
    unknown |= {key: value for key in ("otherAttributes", "vCloudExtension") if (value := document.get(key))}
    return json_text(unknown) if unknown else None


def _free(value: JsonValue) -> str | None:
    """Free content as JSON text."""
    return None if value is None else json_text(value)


# --- References and errors ----------------------------------------------------------------------------------------


def read_reference(value: JsonValue) -> ReferenceDocument | None:
    """A reference; empty texts count as absent (``owner.href`` is known to come empty)."""
    if not is_object(value):
        return None
    return {
        "href": name(value.get("href")),
        "id": name(value.get("id")),
        "type": name(value.get("type")),
        "name": name(value.get("name")),
    }


def read_error(value: JsonValue) -> ErrorDocument | None:
    """An error without its stack trace; /cloudapi's form lacks ``majorErrorCode``. None when it says nothing."""
    if not is_object(value):
        return None
    own, tenant = _error_fields(value), value.get("tenantError")
    tenant_view = _error_fields(tenant) if is_object(tenant) else None
    if not any(own.values()) and tenant_view is None:
        return None
    return {
        "message": own["message"],
        "majorErrorCode": own["majorErrorCode"],
        "minorErrorCode": own["minorErrorCode"],
        "vendorSpecificErrorCode": own["vendorSpecificErrorCode"],
        "tenantError": tenant_view,
    }


def _error_fields(value: Json) -> TenantErrorDocument:
    message = text(value.get("message"))
    return {
        "message": None if message is None else cut(message),
        "majorErrorCode": integer(value.get("majorErrorCode")),
        "minorErrorCode": name(value.get("minorErrorCode")),
        "vendorSpecificErrorCode": name(value.get("vendorSpecificErrorCode")),
    }
