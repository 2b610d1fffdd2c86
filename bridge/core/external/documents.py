"""The Task document that an external task wants VCD to show: made, changed, and read back. Plain JSON objects.

Source of what is settable: TaskType page of the VCD API and what services do in practice (status, progress and
operationName are taken by PUT although the page marks them as not modifiable).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bridge.core.external.marks import Marker
from bridge.core.external_commands import ExternalCommand, ExternalVerb
from bridge.core.requests import JsonValue
from bridge.core.task import ReferenceDocument, Task

Document = dict[str, JsonValue]

MEDIA_TYPE = "application/vnd.vmware.vcloud.task+json"
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
    for field, text in (("owner", command.owner), ("user", command.user)):
        if text is not None:
            document[field] = {"id" if text.startswith("urn:") else "href": text}
    if command.params is not None:
        document["params"] = _free(command.params)
    return changed(document, command, marker)


def changed(document: Document, command: ExternalCommand, marker: Marker) -> Document:
    """The document after a command: what the command does not give stays."""
    after = dict(document)
    given: dict[str, Any] = {
        "status": command.status or _DEFAULT_STATUS.get(command.verb),
        "operationName": command.operation_name,
        "details": command.details,
        "description": command.description,
        "progress": command.progress,
        "error": _without_nulls(command.error),
        "result": _result(command),
    }
    after.update({name: value for name, value in given.items() if value is not None})
    operation = command.operation
    if operation is None:
        operation = marker.unmarked(_text(document, "operation"), command.external_key)
    after["operation"] = marker.marked(operation, command.external_key)
    return after


def referenced(document: Document, owner: ReferenceDocument, user: ReferenceDocument) -> Document:
    """The document with the references as VCD itself spells them."""
    return {**document, "owner": _without_nulls(owner), "user": _without_nulls(user)}


def ended(document: Document, status: str, code: str, message: str) -> Document:
    """The document of a Task that the bridge itself ends."""
    after = {**document, "status": status, "details": message}
    if status == "error":
        after["error"] = {"message": message, "majorErrorCode": 500, "minorErrorCode": code.upper()}
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
        "params": _free(told["params"]),
    }
    result = told["result"]
    if result is not None:
        document["result"] = _without_nulls(
            {
                "resultContent": _free(result["resultContent"]),
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
    text = reference.get("id") or reference.get("href")
    return text if isinstance(text, str) else None


def names_same(document: Mapping[str, JsonValue], field: str, text: str) -> bool:
    """Whether ``text`` names the object that the document's reference names already."""
    reference = document.get(field)
    if not isinstance(reference, dict):
        return False
    known = [value for name in ("id", "href") if isinstance(value := reference.get(name), str)]
    tail = text.rstrip("/").rpartition("/")[2].rpartition(":")[2].casefold()
    return text in known or any(one.casefold().endswith(tail) for one in known if len(tail) == _UUID_LENGTH)


def same_free(document: Mapping[str, JsonValue], field: str, text: str) -> bool:
    """Whether free content is what the document has already."""
    return document.get(field) == _free(text)


_UUID_LENGTH = 36


def _result(command: ExternalCommand) -> Document | None:
    if command.result is None:
        return None
    content = command.result["resultContent"]
    return _without_nulls(
        {
            "resultContent": _free(content),
            "resultReference": _without_nulls(command.result["resultReference"]),
        }
    )


def _free(text: str | None) -> JsonValue:
    """Free content as JSON; text that is no JSON is itself the content."""
    if text is None:
        return None
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value


def _text(document: Mapping[str, JsonValue], field: str) -> str | None:
    value = document.get(field)
    return value if isinstance(value, str) else None


def _without_nulls(document: Mapping[str, Any] | None) -> Document | None:
    """What is absent is left out: VCD reads an explicit null of some references as a reference."""
    if document is None:
        return None
    return {
        name: _without_nulls(value) if name == "tenantError" else value
        for name, value in document.items()
        if value is not None
    }
