"""Status events and events of blocking tasks to bytes, with the headers of the event topics."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import quote

from fastavro import schemaless_writer

from bridge.avro.conforming import Conformer
from bridge.avro.framing import registry_prefix, single_object_prefix
from bridge.avro.schemas import load
from bridge.avro.shrinking import shrunk
from bridge.core.blocking_task import ALLOWED_ACTIONS, Held
from bridge.core.events import StatusEvent
from bridge.core.task import Task, TaskDocument
from bridge.core.times import to_millis, to_text
from bridge.ports import Headers

CONTENT_TYPE = b"application/avro"

_TASK = "vcdbridge.v1.Task"
_REFERENCE = "vcdbridge.v1.Reference"
_REASON = "vcdbridge.v1.Reason"
_ERROR = "vcdbridge.v1.VcdError"
_RESULT = "vcdbridge.v1.Result"
_BRANCHES = {
    "reason": _REASON,
    "vcd_error": _ERROR,
    "owner": _REFERENCE,
    "organization": _REFERENCE,
    "user": _REFERENCE,
}


class _Writer:
    """One schema and its framing."""

    def __init__(self, name: str, schema_id: int | None, source: bytes) -> None:
        self._schema = load(name)
        self._conformer = Conformer(self._schema.document)
        prefix = single_object_prefix(self._schema.fingerprint) if schema_id is None else registry_prefix(schema_id)
        self._prefix = prefix
        self.constant_headers: Headers = (
            ("content-type", CONTENT_TYPE),
            ("ce_specversion", b"1.0"),
            ("ce_source", source),
            ("ce_type", self._schema.full_name.encode()),
        )

    def write(self, plain: Mapping[str, Any]) -> bytes:
        """Never fails for what VCD sent: what the schema cannot hold is brought to its types."""
        try:
            return self._value(_named(plain))
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError):
            return self._value(self._conformer.conform(plain))

    def _value(self, document: Mapping[str, Any]) -> bytes:
        stream = BytesIO()
        stream.write(self._prefix)
        schemaless_writer(stream, self._schema.parsed, document)
        return stream.getvalue()


class AvroEventCodec:
    """Implements ``bridge.ports.EventCodec``.

    Args:
        group_id: Consumer group; ``ce_source`` is ``vcd-bridge/<group_id>``.
        schema_id: Id of ``TaskStatusEvent`` in the registry; None: no registry, single-object encoding.
        blocking_schema_id: The same of ``BlockingTaskEvent``.
    """

    def __init__(self, group_id: str, schema_id: int | None = None, blocking_schema_id: int | None = None) -> None:
        source = f"vcd-bridge/{quote(group_id, safe='')}".encode()
        self._status = _Writer("task-status-event", schema_id, source)
        self._blocking = _Writer("blocking-task-event", blocking_schema_id, source)

    def encode(self, event: StatusEvent) -> tuple[bytes, Headers]:
        """Value and headers."""
        if event.held is not None:
            writer, plain = self._blocking, blocking_document(event, event.held)
        else:
            writer, plain = self._status, _plain(event)
        return writer.write(plain), (*writer.constant_headers, *_headers(event))

    def shrink(self, event: StatusEvent) -> StatusEvent:
        """The same event with its content cut and flagged: value and headers below 64 KiB."""
        return shrunk(event)


def _headers(event: StatusEvent) -> Headers:
    task = event.task
    optional = (
        ("ce_subject", _subject(event)),
        ("traceparent", event.traceparent),
        ("vcd_request_id", event.request_id),
        ("vcd_correlation_id", event.correlation_id),
        ("vcd_status", task.status if task is not None else None),
        ("vcd_cancel_requested", "true" if task is not None and _is_cancel_wanted(task) else None),
        ("vcd_outcome", event.outcome),
        ("vcd_reason", _reason_code(event)),
        ("vcd_operation", event.catalogue_operation),
        ("vcd_blocking_state", event.held.state if event.held is not None else None),
    )
    return (
        ("ce_id", event.event_id.encode()),
        ("ce_time", to_text(event.observed_at).encode()),
        ("vcd_change", event.change.encode()),
        *((name, text.encode(errors="replace")) for name, text in optional if text is not None),
    )


def _subject(event: StatusEvent) -> str | None:
    if event.held is not None:
        return event.held.blocking.id
    return event.request_id or event.external_key or (event.task.id if event.task is not None else None) or None


def _is_cancel_wanted(task: Task) -> bool:
    """Only where VCD says exactly so: work is stopped for it."""
    return task.document.get("cancelRequested") is True


def _reason_code(event: StatusEvent) -> str | None:
    """What a ticket is reopened with: the reason's code, else VCD's of the answer or of the Task."""
    if event.reason is not None:
        return event.reason.code
    error = event.vcd_error or (event.task.document.get("error") if event.task is not None else None)
    code = error.get("minorErrorCode") if isinstance(error, dict) else None
    return code if isinstance(code, str) else None


def _plain(event: StatusEvent) -> dict[str, Any]:
    reason = event.reason
    return {
        "event_id": event.event_id,
        "sequence": event.sequence,
        "birth": str(event.birth),
        "lifecycle": event.lifecycle,
        "request_id": event.request_id,
        "external_key": event.external_key,
        "correlation_id": event.correlation_id,
        "requested_by": event.requested_by,
        "catalogue_operation": event.catalogue_operation,
        "change": event.change.value,
        "final": event.final,
        "outcome": event.outcome.value if event.outcome is not None else None,
        "reason": {"code": reason.code, "message": reason.message, "field": reason.field} if reason else None,
        "vcd_error": event.vcd_error,
        "evidence": event.evidence,
        "http_status": event.http_status,
        "vcd_request_id": event.vcd_request_id,
        "observed_at": to_millis(event.observed_at),
        "previous_status": event.previous_status,
        "task": event.task.document if event.task is not None else None,
        "truncated": event.truncated,
    }


def blocking_document(event: StatusEvent, held: Held) -> dict[str, Any]:
    """An event of a blocking task as ``blocking-task-event.avsc`` has it."""
    blocking = held.blocking
    return {
        "event_id": event.event_id,
        "sequence": event.sequence,
        "birth": str(event.birth),
        "lifecycle": event.lifecycle,
        "correlation_id": event.correlation_id,
        "final": event.final,
        "id": blocking.id,
        "href": blocking.href,
        "operation": blocking.operation,
        "owner": blocking.owner,
        "organization": blocking.organization,
        "user": blocking.user,
        "created": to_millis(blocking.created) if blocking.created is not None else None,
        "timeout": to_millis(blocking.timeout) if blocking.timeout is not None else None,
        "timeout_action": blocking.timeout_action,
        "allowed_actions": [] if event.final else list(ALLOWED_ACTIONS),
        "task": event.task.document if event.task is not None else None,
        "state": held.state.value,
        "observed_at": to_millis(event.observed_at),
        "truncated": event.truncated,
    }


def _named(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the branches of its unions named: fastavro would otherwise try each record field by field
    to find the branch, which costs more than writing it.
    """
    document = dict(plain)
    for name, branch in _BRANCHES.items():
        if document.get(name) is not None:
            document[name] = (branch, document[name])
    if document["task"] is not None:
        document["task"] = (_TASK, _named_task(document["task"]))
    return document


def _named_task(task: TaskDocument) -> dict[str, Any]:
    named: dict[str, Any] = dict(task)
    for name in ("owner", "user", "organization"):
        _name(named, name, _REFERENCE)
    _name(named, "error", _ERROR)
    _name(named, "result", _RESULT)
    return named


def _name(document: dict[str, Any], field: str, branch: str) -> None:
    if document[field] is not None:
        document[field] = (branch, document[field])
