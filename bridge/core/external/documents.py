"""The Task document that an external task wants VCD to show: made, changed, and read back. Plain JSON objects.

Source of what is settable: TaskType page of the VCD API and what services do in practice (status, progress and
operationName are taken by PUT although the page marks them as not modifiable).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bridge.core.coordinates import Birth
from bridge.core.external.marks import Marker
from bridge.core.external_commands import ExternalCommand, ExternalVerb
from bridge.core.lifecycle import StoredRequest
from bridge.core.requests import JsonValue
from bridge.core.task import ReferenceDocument, Task

Document = dict[str, JsonValue]

MEDIA_TYPE = "application/vnd.vmware.vcloud.task+json"
_TASK_PATH = "/task/"
"""Begins the path of every update."""
TASK_NAME = "task"
"""``name`` is required and has this value in every Task."""

_DEFAULT_STATUS = {ExternalVerb.CREATE: "running", ExternalVerb.FINISH: "success"}


def read(body: str | None) -> Document:
    """The document of a stored request."""
    document = json.loads(body or "{}")
    return document if isinstance(document, dict) else {}


def write(document: Mapping[str, JsonValue]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def created(command: ExternalCommand, namespace: str, marker: Marker) -> Document:
    """What a create asks for; owner and user are references as given, to be read before the call."""
    document: Document = {"name": TASK_NAME, "serviceNamespace": namespace}
    for field, named in (("owner", command.owner), ("user", command.user)):
        if named is not None:
            document[field] = {"id" if named.startswith("urn:") else "href": named}
    if command.params is not None:
        document["params"] = free(command.params)
    return changed(document, command, marker)


def changed(document: Document, command: ExternalCommand, marker: Marker) -> Document:
    """The document after a command: what the command does not give stays."""
    after = {**document, **asked(command)}
    operation = command.operation
    if operation is None:
        operation = marker.unmarked(text(document, "operation"), command.external_key)
    after["operation"] = marker.marked(operation, command.external_key)
    return after


def asked(command: ExternalCommand) -> Document:
    """What a command asks for, as the Task has it; the operation text without its mark."""
    given: dict[str, Any] = {
        "operation": command.operation,
        "status": command.status or _DEFAULT_STATUS.get(command.verb),
        "operationName": command.operation_name,
        "details": command.details,
        "description": command.description,
        "progress": command.progress,
        "error": _without_nulls(command.error),
        "result": _result(command),
    }
    return {name: value for name, value in given.items() if value is not None}


def referenced(document: Document, owner: ReferenceDocument, user: ReferenceDocument) -> Document:
    """The document with the references as VCD itself spells them."""
    return {**document, "owner": _without_nulls(owner), "user": _without_nulls(user)}


def ended(document: Document, status: str, code: str, message: str) -> Document:
    """The document of a Task that the bridge itself ends."""
    after = {**document, "status": status, "details": message}
    if status == "error":
        # What its owner has said went wrong is worth more than that it fell silent.
        after.setdefault("error", {"message": message, "majorErrorCode": 500, "minorErrorCode": code.upper()})
    return after


def shown(task: Task, external_key: str, marker: Marker) -> Document:
    """The document that would leave a Task as VCD shows it."""
    told = task.document
    document: dict[str, Any] = {
        "name": told["name"] or TASK_NAME,
        "serviceNamespace": told["serviceNamespace"],
        "status": told["status"],
        "operationName": told["operationName"],
        "owner": _without_nulls(told["owner"]),
        "user": _without_nulls(told["user"]),
        "details": told["details"],
        "description": told["description"],
        "progress": told["progress"],
        "error": _without_nulls(told["error"]),
        "params": free(told["params"]),
    }
    result = told["result"]
    if result is not None:
        document["result"] = _without_nulls(
            {
                "resultContent": free(result["resultContent"]),
                "resultReference": _without_nulls(result["resultReference"]),
            }
        )
    operation = marker.unmarked(told["operation"], external_key)
    document["operation"] = marker.marked(operation, external_key)
    return {name: value for name, value in document.items() if value is not None}


def reference_text(document: Mapping[str, JsonValue], field: str) -> str | None:
    """The reference that was asked for in ``owner`` or ``user``, or None."""
    reference = document.get(field)
    if not isinstance(reference, dict):
        return None
    named = reference.get("id") or reference.get("href")
    return named if isinstance(named, str) else None


def names_same(document: Mapping[str, JsonValue], field: str, given: str) -> bool:
    """Whether ``given`` names the object that the document's reference names already."""
    reference = document.get(field)
    if not isinstance(reference, dict):
        return False
    known = [value for name in ("id", "href") if isinstance(value := reference.get(name), str)]
    return any(same_name(given, one) for one in known)


def same_name(one: str, other: str) -> bool:
    """Whether two names are of one object as far as can be told: URN, href of any host, uuid; or the same text."""
    first, second = _UUID.search(one), _UUID.search(other)
    if first is not None and second is not None:
        return first.group().casefold() == second.group().casefold()
    return one.casefold() == other.casefold()


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=/*$)", re.IGNORECASE)


def same_free(document: Mapping[str, JsonValue], field: str, content: str) -> bool:
    """Whether free content is what the document has already."""
    return _canonical(document.get(field)) == _canonical(free(content))


def _canonical(value: JsonValue) -> str:
    """Python takes 1, 1.0 and true for the same; JSON does not."""
    return json.dumps(value, sort_keys=True)


def status_of(document: Mapping[str, JsonValue]) -> str | None:
    return text(document, "status")


def text(document: Mapping[str, JsonValue], field: str) -> str | None:
    value = document.get(field)
    return value if isinstance(value, str) else None


def task_path(task_id: str) -> str:
    """The path of the calls that change a Task."""
    return _TASK_PATH + task_id.rpartition(":")[2]


def update_of(birth: Birth, task: Task, document: Document) -> StoredRequest:
    """The call after which VCD shows the document as this Task."""
    return StoredRequest(
        birth=birth,
        method="PUT",
        path=task_path(task.id),
        query=(),
        media_type=MEDIA_TYPE,
        body=write(document),
    )


def task_id_of(request: StoredRequest) -> str | None:
    """URN of the Task that a call changes; None where the call makes one."""
    _, update, uuid = request.path.partition(_TASK_PATH)
    return f"urn:vcloud:task:{uuid}" if update else None


def _result(command: ExternalCommand) -> Document | None:
    if command.result is None:
        return None
    content = command.result["resultContent"]
    return _without_nulls(
        {
            "resultContent": free(content),
            "resultReference": _without_nulls(command.result["resultReference"]),
        }
    )


def free(content: str | None) -> JsonValue:
    """Free content as JSON; text that is no JSON is itself the content."""
    if content is None:
        return None
    try:
        value: JsonValue = json.loads(content)
    except ValueError:
        return content
    return value


def _without_nulls(document: Mapping[str, Any] | None) -> Document | None:
    """What is absent is left out: VCD reads an explicit null of some references as a reference."""
    if document is None:
        return None
    given = {name: _without_nulls(value) if name == "tenantError" else value for name, value in document.items()}
    return {name: value for name, value in given.items() if value is not None} or None
