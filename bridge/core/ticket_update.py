"""The end of a story as one flat JSON object, for consumers that take neither Avro nor nesting.

ServiceNow's transform maps are such: each member becomes one column of a staging table. So the members are the same in
every object, each has one type, and what is not known is null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from bridge.core.events import StatusEvent
from bridge.core.times import from_millis, to_text

Scalar = str | int | bool | None

_NOT_TEXT = dict.fromkeys((*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F), " ")
"""Control characters that columns of text refuse (NUL) or show as rubbish; tabs and line ends stay."""

_LINE = 1000
"""Characters of a summary: its parts are told whole besides."""


def ticket_update(event: StatusEvent) -> dict[str, Scalar]:
    """The members of a final event, always all of them, in this order (``docs/ticket-updates.md``).

    Never fails for what VCD sent: a member whose value has not its type is null, or the value's JSON text where text
    belongs.
    """
    task: Mapping[str, object] = event.task.document if event.task is not None else {}
    error = event.vcd_error if event.vcd_error is not None else task.get("error")
    reason = event.reason
    return {
        "event_id": event.event_id,
        "lifecycle": event.lifecycle,
        "request_id": _text(event.request_id),
        "external_key": _text(event.external_key),
        "correlation_id": _text(event.correlation_id),
        "requested_by": _text(event.requested_by),
        "operation": _text(event.catalogue_operation),
        "outcome": event.outcome.value if event.outcome is not None else None,
        "summary": _summary(event, task, error),
        "reason_code": _text(reason.code) if reason else None,
        "reason_message": _text(reason.message) if reason else None,
        "reason_field": _text(reason.field) if reason else None,
        "error_message": _text(_member(error, "message")),
        "error_code": _text(_member(error, "minorErrorCode")),
        "error_major_code": _integer(_member(error, "majorErrorCode")),
        "http_status": _integer(event.http_status),
        "vcd_request_id": _text(event.vcd_request_id),
        "task_id": _text(task.get("id")),
        "task_href": _text(task.get("href")),
        "task_status": _text(task.get("status")),
        "task_details": _text(task.get("details")),
        "operation_name": _text(task.get("operationName")),
        "operation_text": _text(task.get("operation")),
        "service_namespace": _text(task.get("serviceNamespace")),
        "organization_id": _text(_member(task.get("organization"), "id")),
        "organization_name": _text(_member(task.get("organization"), "name")),
        "owner_id": _text(_member(task.get("owner"), "id")),
        "owner_name": _text(_member(task.get("owner"), "name")),
        "owner_type": _text(_member(task.get("owner"), "type")),
        "user_name": _text(_member(task.get("user"), "name")),
        "started_at": _time(task.get("startTime")),
        "ended_at": _time(task.get("endTime")),
        "observed_at": to_text(event.observed_at),
        "result_reference_href": _text(_member(_member(task.get("result"), "resultReference"), "href")),
        "result_reference_id": _text(_member(_member(task.get("result"), "resultReference"), "id")),
        "result_reference_name": _text(_member(_member(task.get("result"), "resultReference"), "name")),
        "truncated": event.truncated,
    }


def ticket_key(event: StatusEvent) -> bytes | None:
    """Record key: the correlation id, by which the ticket is found; without one, the event's own key."""
    return event.correlation_id.encode(errors="replace") if event.correlation_id else event.key


def ticket_value(event: StatusEvent) -> bytes:
    """The members as JSON in UTF-8."""
    return json.dumps(ticket_update(event), ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _summary(event: StatusEvent, task: Mapping[str, object], error: object) -> str:
    """One line for the ticket's journal: a map without script cannot choose between two members."""
    what = event.catalogue_operation or _text(task.get("operationName")) or event.lifecycle.replace("_", " ")
    told = [f"{what}: {event.outcome}"]
    if event.reason is not None:
        told = [f"{told[0]} ({event.reason.code})", event.reason.message]
    elif (message := _text(_member(error, "message"))) is not None:
        told.append(message)
    line = " ".join(": ".join(told).translate(_NOT_TEXT).split())
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"


def _member(document: object, name: str) -> object:
    return document.get(name) if isinstance(document, Mapping) else None


def _text(value: object) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.translate(_NOT_TEXT)


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _time(millis: object) -> str | None:
    number = _integer(millis)
    try:
        return to_text(from_millis(number)) if number is not None else None
    except OverflowError:
        return None
