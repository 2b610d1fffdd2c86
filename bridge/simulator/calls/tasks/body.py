"""A Task as a client sends it, for POST /tasksList/{org} and PUT /task/{id}: read, judged, in the form of the answer.

Source: TaskType, ErrorType and ResultType of the API schemas; VCD Programming Guide ("Custom tasks").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.simulator.protocol.exchange import JsonObject, bad_request
from bridge.simulator.state.references import References
from bridge.simulator.state.tasks.tasks import NATIVE_NAMESPACE

STATUSES = ("queued", "preRunning", "running", "success", "error", "aborted", "canceled")
"""``canceled`` left the documented ones with API 36. ``postRunning`` has been seen, but only as VCD's own."""

MAXIMUM_NAMESPACE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskBody:
    """What of a Task its owner says. References are checked for their form only; absent values are None.

    ``error`` and ``result`` have all their fields, with nulls for what was not given.
    """

    status: str
    progress: int | None
    operation: str | None
    operation_name: str | None
    operation_key: str | None
    service_namespace: str | None
    owner: JsonObject | None
    user: JsonObject | None
    description: str | None
    details: str | None
    error: JsonObject | None
    result: JsonObject | None
    params: Any
    extensions: list[JsonObject]


def read_task_body(document: JsonObject | None) -> TaskBody:
    """Fields that VCD fills in itself (id, organization, times, cancelRequested, links) may be there and do not count.

    Raises:
        Refusal: 400; the text names the field.
    """
    if document is None:
        raise bad_request("Bad request: a body of type Task is expected")
    if not _text(document, "name"):
        raise bad_request("Bad request: the attribute name is required")
    return TaskBody(
        status=_status(document),
        progress=_progress(document),
        operation=_text(document, "operation"),
        operation_name=_text(document, "operationName") or None,
        operation_key=_text(document, "operationKey"),
        service_namespace=_namespace(document),
        owner=_reference(document, "owner"),
        user=_reference(document, "user"),
        description=_text(document, "description"),
        details=_text(document, "details"),
        error=_error(document),
        result=_result(document),
        params=document.get("params"),
        extensions=_extensions(document),
    )


def _text(document: JsonObject, name: str) -> str | None:
    value = document.get(name)
    if value is None or isinstance(value, str):
        return value
    raise bad_request(f"Bad request: {name} takes text")


def _whole(document: JsonObject, name: str) -> int | None:
    value = document.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise bad_request(f"Bad request: {name} takes a whole number")


def _object(document: JsonObject, name: str) -> JsonObject | None:
    value = document.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise bad_request(f"Bad request: {name} takes an object")


def _status(document: JsonObject) -> str:
    """In VCD's spelling; clients write it in any case."""
    status = _text(document, "status")
    for known in STATUSES:
        if status is not None and known.lower() == status.lower():
            return known
    raise bad_request(f"Bad request: status is required and one of {', '.join(STATUSES)}, not {status}")


def _progress(document: JsonObject) -> int | None:
    progress = _whole(document, "progress")
    if progress is not None and not 0 <= progress <= 100:
        raise bad_request("Bad request: progress takes 0 to 100")
    return progress


def _namespace(document: JsonObject) -> str | None:
    """1 to 128 symbols, not VCD's own (TaskType page)."""
    namespace = _text(document, "serviceNamespace")
    if namespace is None:
        return None
    if not 1 <= len(namespace) <= MAXIMUM_NAMESPACE:
        raise bad_request(f"Bad request: serviceNamespace has 1 to {MAXIMUM_NAMESPACE} symbols")
    if namespace.startswith(NATIVE_NAMESPACE):
        raise bad_request(f"Bad request: serviceNamespace must not start with {NATIVE_NAMESPACE}")
    return namespace


def _reference(document: JsonObject, name: str) -> JsonObject | None:
    """In the form of an answer; null where it was not given."""
    given = _object(document, name)
    if given is None:
        return None
    fields = {field: _text(given, field) for field in ("href", "id", "type", "name")}
    return References.reference(fields["href"] or "", fields["id"], None, fields["name"]) | {"type": fields["type"]}


def _error(document: JsonObject) -> JsonObject | None:
    error = _object(document, "error")
    if error is None:
        return None
    tenant = _object(error, "tenantError")
    return {
        **_error_fields(error),
        "stackTrace": _text(error, "stackTrace"),
        "tenantError": None if tenant is None else _error_fields(tenant),
    }


def _error_fields(error: JsonObject) -> JsonObject:
    return {
        "message": _text(error, "message"),
        "majorErrorCode": _whole(error, "majorErrorCode"),
        "minorErrorCode": _text(error, "minorErrorCode"),
        "vendorSpecificErrorCode": _text(error, "vendorSpecificErrorCode"),
    }


def _result(document: JsonObject) -> JsonObject | None:
    result = _object(document, "result")
    if result is None:
        return None
    return {
        "resultContent": result.get("resultContent"),
        "resultReference": _reference(result, "resultReference"),
    }


def _extensions(document: JsonObject) -> list[JsonObject]:
    extensions = document.get("vCloudExtension") or []
    if isinstance(extensions, list) and all(isinstance(one, dict) for one in extensions):
        return extensions
    raise bad_request("Bad request: vCloudExtension takes a list of objects")
