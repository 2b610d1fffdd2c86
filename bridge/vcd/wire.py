"""VCD's documents into the bridge's words: lenient, because real servers are.

Nulls everywhere, dates with and without a colon in the offset, ``majorErrorCode`` as an empty string, empty
``owner.href``, unknown keys, JSON and XML. Sources: VMware's task.xsd and common.xsd, the attribute maps of
vcd-api-schemas-type, answers recorded by libcloud and jclouds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

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

TEXT_LIMIT = 1000
"""Characters kept of a foreign message: enough for a person, not enough to flood logs and events."""

_OFFSET = re.compile(r"([+-]\d{2})(\d{2})$")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_KNOWN = frozenset(empty_document()) | {"otherAttributes", "vCloudExtension", "_type"}


class Unreadable(ValueError):
    """The body is not the document that was expected."""


# --- bodies -------------------------------------------------------------------------------------------------------


def body_document(content: bytes, content_type: str) -> Mapping[str, Any]:
    """The body as a JSON-like document, whatever it speaks; empty for an empty body. Raises Unreadable."""
    if not content.strip():
        return {}
    media = content_type.split(";")[0].strip().casefold()
    if media.endswith("xml") or (not media.endswith("json") and content.lstrip()[:1] == b"<"):
        return _xml_document(content)
    try:
        document = json.loads(content)
    except ValueError as error:
        raise Unreadable(f"{media or 'the body'} is not JSON") from error
    if not isinstance(document, dict):
        raise Unreadable("the body is not a JSON object")
    return document


def _xml_document(content: bytes) -> Mapping[str, Any]:
    if b"<!DOCTYPE" in content[:2000] or b"<!ENTITY" in content:
        raise Unreadable("XML with a document type is refused")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314  # entity declarations are refused above
    except ElementTree.ParseError as error:
        raise Unreadable("the body is not XML") from error
    document = _element(root)
    document["_root"] = _local(root.tag)
    return document


def _element(element: ElementTree.Element) -> dict[str, Any]:
    """Attributes and children under their JSON names; children of the same name become a list."""
    document: dict[str, Any] = {_local(name): value for name, value in element.attrib.items()}
    for child in element:
        name = _local(child.tag)
        name = name[0].lower() + name[1:]
        value: Any = _element(child) if len(child) or child.attrib else (child.text or "").strip()
        if name in _REPEATED:
            document.setdefault(name, []).append(value)
        else:
            document[name] = value
    return document


_REPEATED = frozenset({"link", "task", "record", "vcTask"})


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


# --- Task ---------------------------------------------------------------------------------------------------------


def read_task(document: Mapping[str, Any]) -> Task:
    """A Task from its JSON (or converted XML) document. Raises Unreadable when it has neither id nor href."""
    task_id, href = _identity(document)
    filled: TaskDocument = {
        "id": task_id,
        "href": href,
        "type": _text(document.get("type")),
        "name": _text(document.get("name")),
        "description": _text(document.get("description")),
        "status": _status(document.get("status")),
        "operation": _text(document.get("operation")),
        "operationName": _text(document.get("operationName")),
        "operationKey": _text(document.get("operationKey")),
        "serviceNamespace": _text(document.get("serviceNamespace")),
        "startTime": millis(document.get("startTime")),
        "endTime": millis(document.get("endTime")),
        "expiryTime": millis(document.get("expiryTime")),
        "cancelRequested": _boolean(document.get("cancelRequested")),
        "progress": _integer(document.get("progress")),
        "details": _text(document.get("details")),
        "owner": _reference(document.get("owner")),
        "user": _reference(document.get("user")),
        "organization": _reference(document.get("organization")),
        "error": read_error(document.get("error")),
        "params": _free(document.get("params")),
        "result": _result(document.get("result")),
        "vcTaskList": _vc_tasks(document.get("vcTaskList")),
        "tasks": _task_references(document.get("tasks")),
        "link": _links(document.get("link")),
        "other": _other(document),
    }
    return Task(filled)


def _identity(document: Mapping[str, Any]) -> tuple[str, str | None]:
    task_id, href = _text(document.get("id")), _text(document.get("href"))
    if task_id:
        return (task_id if task_id.startswith("urn:") else f"urn:vcloud:task:{task_id}"), href or None
    if href:
        return task_urn(href), href
    raise Unreadable("a Task without id and href")


def task_urn(href: str) -> str:
    """URN of a Task from its address. Raises Unreadable when there is no uuid in it."""
    found = _UUID.findall(urlsplit(href).path if "://" in href else href)
    if not found:
        raise Unreadable(f"no Task id in {href[:200]!r}")
    return f"urn:vcloud:task:{found[-1].lower()}"


def tasks_inside(document: Mapping[str, Any]) -> list[Task]:
    """The Tasks that an entity lists: ``tasks.task[]``."""
    tasks = document.get("tasks")
    rows = tasks.get("task") if isinstance(tasks, Mapping) else None
    return [read_task(row) for row in rows or () if isinstance(row, Mapping) and (row.get("id") or row.get("href"))]


def is_task(document: Mapping[str, Any]) -> bool:
    """Whether a body is a Task itself, by its type or by the fields that only a Task has."""
    kind = str(document.get("type") or "").casefold()
    if ".task+" in kind or kind.endswith(".task") or document.get("_root") == "Task":
        return True
    return "operationName" in document and "serviceNamespace" in document and bool(document.get("status"))


def read_error(value: Any) -> ErrorDocument | None:
    """VCD's error document without stack trace; None where there is none."""
    if not isinstance(value, Mapping):
        return None
    tenant = value.get("tenantError")
    inner: TenantErrorDocument | None = _error_fields(tenant) if isinstance(tenant, Mapping) else None
    return {**_error_fields(value), "tenantError": inner}


def _error_fields(value: Mapping[str, Any]) -> TenantErrorDocument:
    return {
        "message": _short(value.get("message")),
        "majorErrorCode": _integer(value.get("majorErrorCode")),
        "minorErrorCode": _text(value.get("minorErrorCode")),
        "vendorSpecificErrorCode": _text(value.get("vendorSpecificErrorCode")),
    }


def _status(value: Any) -> str | None:
    text = _text(value)
    return normal_status(text) if text else None


def _reference(value: Any) -> ReferenceDocument | None:
    if not isinstance(value, Mapping):
        return None
    return {
        "href": _text(value.get("href")) or None,
        "id": _text(value.get("id")) or None,
        "type": _text(value.get("type")) or None,
        "name": _text(value.get("name")),
    }


def _result(value: Any) -> ResultDocument | None:
    if not isinstance(value, Mapping):
        return None
    return {
        "resultContent": _free(value.get("resultContent")),
        "resultReference": _reference(value.get("resultReference")),
    }


def _links(value: Any) -> list[LinkDocument] | None:
    if not isinstance(value, list):
        return None
    return [
        {
            "href": _text(link.get("href")),
            "id": _text(link.get("id")),
            "type": _text(link.get("type")),
            "name": _text(link.get("name")),
            "rel": _text(link.get("rel")),
            "model": _text(link.get("model")),
        }
        for link in value
        if isinstance(link, Mapping)
    ]


def _vc_tasks(value: Any) -> list[VcTaskDocument] | None:
    rows = value.get("vcTask") if isinstance(value, Mapping) else None
    if not isinstance(rows, list):
        return None
    return [
        {
            "name": _text(row.get("name")),
            "moref": _text(row.get("moref")),
            "status": _text(row.get("status")),
            "description": _text(row.get("description")),
            "errorMessage": _short(row.get("errorMessage")),
            "objectName": _text(row.get("objectName")),
            "objectType": _text(row.get("objectType")),
            "objectMoref": _text(row.get("objectMoref")),
            "virtualCenterID": _text(row.get("virtualCenterID")),
            "startTime": millis(row.get("startTime")),
            "endTime": millis(row.get("endTime")),
        }
        for row in rows
        if isinstance(row, Mapping)
    ]


def _task_references(value: Any) -> list[ReferenceDocument] | None:
    rows = value.get("task") if isinstance(value, Mapping) else None
    if not isinstance(rows, list):
        return None
    return [reference for row in rows if (reference := _reference(row)) is not None]


def _other(document: Mapping[str, Any]) -> str | None:
    unknown = {
        name: value
        for name, value in document.items()
        if name not in _KNOWN and name != "_root" and value not in (None, [], {})
    }
    return json.dumps(unknown, separators=(",", ":"), default=str) if unknown else None


# --- scalars ------------------------------------------------------------------------------------------------------


def moment(value: Any) -> datetime | None:
    """An aware time from VCD's text, or None. JSON writes ``+0200``, XML ``+02:00`` or ``Z``."""
    if not isinstance(value, str) or not value:
        return None
    try:
        parsed = datetime.fromisoformat(_OFFSET.sub(r"\1:\2", value))
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def millis(value: Any) -> int | None:
    """Milliseconds since the epoch from VCD's text, or None."""
    parsed = moment(value)
    return None if parsed is None else round(parsed.timestamp() * 1000)


def _text(value: Any) -> str | None:
    return None if value is None else value if isinstance(value, str) else str(value)


def _short(value: Any) -> str | None:
    text = _text(value)
    return None if text is None else text[:TEXT_LIMIT]


def _integer(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool) or value is None:
        return value
    return str(value).casefold() == "true"


def _free(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(value, separators=(",", ":"), default=str)


def json_object(document: Mapping[str, Any]) -> Mapping[str, JsonValue]:
    """A document as the core reads it."""
    return document
