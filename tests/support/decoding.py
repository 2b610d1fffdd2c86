"""Reads events without a registry: decoding then never waits, so it needs no loop."""

from __future__ import annotations

from typing import Any

from bridge.avro.event_decoder import EventDecoder
from bridge.ports import Headers

_STATUS = EventDecoder()
_BLOCKING = EventDecoder(name="blocking-task-event")


def decoded(value: bytes | None, headers: Headers = ()) -> dict[str, Any]:
    """An event as a document by the names of its schema, which its header ``ce_type`` tells."""
    reading = (_BLOCKING if _is_blocking(headers) else _STATUS).decode(value, headers)
    try:
        reading.send(None)
    except StopIteration as done:
        document: dict[str, Any] = done.value
        return document
    raise AssertionError("decoding waited for a registry that is not there")


def event_of(value: bytes | None, headers: Headers) -> dict[str, Any]:
    """An event of any topic by the names of status events; one of a blocking task has ``blocking_state`` besides."""
    event = decoded(value, headers)
    return _as_status_event(event) if _is_blocking(headers) else event


def _is_blocking(headers: Headers) -> bool:
    return dict(headers).get("ce_type") == b"vcdbridge.v1.BlockingTaskEvent"


_OUTCOMES = {
    "resumed": "success",
    "aborted": "aborted",
    "failed": "error",
    "timed_out": "expired",
    "gone": "unknown",
}
_WITHOUT = ("request_id", "external_key", "requested_by", "catalogue_operation", "previous_status", "task", "reason",
            "evidence", "http_status", "vcd_request_id")  # fmt: skip
_SAME = ("event_id", "sequence", "birth", "lifecycle", "correlation_id", "final", "observed_at")


def _as_status_event(blocking: dict[str, Any]) -> dict[str, Any]:
    change = "accepted" if blocking["sequence"] == 1 else "changed"
    return {
        **{name: blocking[name] for name in _SAME},
        "change": "finished" if blocking["final"] else change,
        "outcome": _OUTCOMES[blocking["state"]] if blocking["final"] else None,
        "blocking_state": blocking["state"],
        **dict.fromkeys(_WITHOUT),
    }
