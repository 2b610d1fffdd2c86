"""Cuts a status event to a size that every topic takes, and says so in the event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from bridge.core.blocking_task import Held
from bridge.core.events import Reason, StatusEvent
from bridge.core.task import ErrorDocument, ReferenceDocument, Task, TaskDocument

DROPPED = ("params", "result", "other", "vcTaskList", "tasks", "link")
"""Members of a Task that are left out: free content and lists without a bound."""

_ID_BYTES = 1024
_TEXT_BYTES = 2048
_EVIDENCE = 16
_EVIDENCE_BYTES = 512


def shrunk(event: StatusEvent) -> StatusEvent:
    """The event with ``truncated`` set. First the Task's free content goes, then long texts are cut; nothing that
    identifies the event, its request or its Task is longer than what is kept of it.
    """
    reason = event.reason
    return replace(
        event,
        request_id=_cut(event.request_id, _ID_BYTES),
        external_key=_cut(event.external_key, _ID_BYTES),
        correlation_id=_cut(event.correlation_id, _TEXT_BYTES * 2),
        requested_by=_cut(event.requested_by, _ID_BYTES),
        catalogue_operation=_cut(event.catalogue_operation, _ID_BYTES),
        vcd_request_id=_cut(event.vcd_request_id, _ID_BYTES),
        previous_status=_cut(event.previous_status, _ID_BYTES),
        reason=Reason(_kept(reason.code), _kept(reason.message), _cut(reason.field, _ID_BYTES)) if reason else None,
        vcd_error=cast("ErrorDocument | None", _texts_cut(event.vcd_error)),
        evidence=tuple(_kept(line, _EVIDENCE_BYTES) for line in event.evidence[:_EVIDENCE]),
        task=_task(event.task) if event.task is not None else None,
        held=_held(event.held) if event.held is not None else None,
        truncated=True,
    )


def _held(held: Held) -> Held:
    blocking = held.blocking
    return Held(
        replace(
            blocking,
            id=_kept(blocking.id, _ID_BYTES),
            href=_cut(blocking.href, _ID_BYTES),
            operation=_cut(blocking.operation, _ID_BYTES),
            owner=cast("ReferenceDocument | None", _texts_cut(blocking.owner)),
            organization=cast("ReferenceDocument | None", _texts_cut(blocking.organization)),
            user=cast("ReferenceDocument | None", _texts_cut(blocking.user)),
            timeout_action=_cut(blocking.timeout_action, _ID_BYTES),
        ),
        held.state,
    )


def _task(task: Task) -> Task:
    document: dict[str, Any] = {name: _shorter(value) for name, value in task.document.items()}
    document.update(dict.fromkeys(DROPPED))
    return Task(cast("TaskDocument", document))


def _shorter(value: Any) -> Any:
    if isinstance(value, str):
        return _cut(value, _ID_BYTES)
    return _texts_cut(value) if isinstance(value, Mapping) else value


def _texts_cut(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """An error document or a reference, with every text in it cut."""
    return None if document is None else {name: _shorter(value) for name, value in document.items()}


def _cut(text: str | None, limit: int) -> str | None:
    return None if text is None else _kept(text, limit)


def _kept(text: str, limit: int = _TEXT_BYTES) -> str:
    """At most ``limit`` bytes of UTF-8, a cut one ending with an ellipsis."""
    data = text.encode(errors="replace")
    if len(data) <= limit:
        return text
    return data[: limit - 3].decode(errors="ignore") + "…"
