"""A lifecycle and its document in the store, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from bridge.core.coordinates import Birth
from bridge.core.events import Outcome
from bridge.core.lifecycle import Kind, Lifecycle, Phase, Unshown
from bridge.core.times import to_millis

_TIMES = (
    "received_at", "start_by", "watch_until", "wake_at", "intent_at", "first_intent_at", "unsure_since", "parked_at",
    "ended_at", "heard_at", "sent_at",
)  # fmt: skip
_AS_THEY_ARE = (
    "sequence", "request_id", "key", "correlation_id", "requested_by", "traceparent", "operation", "organization",
    "content_hash", "entity", "lane", "created_name", "attempt", "tries", "waits", "looks", "waiting_for",
    "waiting_code", "blockers", "unsure_code", "task_id", "task_href", "status", "rank", "unknown_told",
    "progress_told", "cancel_requested", "cancel_wanted", "cancel_sent", "overdue", "lane_released", "http_status",
    "vcd_request_id", "evidence", "parked_reason", "target_request_id", "control", "resolution_outcome",
    "resolution_task_href", "resolution_reason", "resolution_decided_by", "external_key", "service_namespace",
    "wanted", "sending", "shown", "wanted_status", "revision", "commands", "expire_after_seconds", "ends_because",
    "left_over", "refused_code", "refused_message",
)  # fmt: skip


def lifecycle_document(lifecycle: Lifecycle) -> dict[str, Any]:
    """The lifecycle as ``lifecycle-state.avsc`` has it: enumerations as text, times as whole milliseconds."""
    document: dict[str, Any] = {name: getattr(lifecycle, name) for name in _AS_THEY_ARE}
    for name in _TIMES:
        time: datetime | None = getattr(lifecycle, name)
        document[name] = to_millis(time) if time is not None else None
    document["birth"] = str(lifecycle.birth)
    document["unshown"] = [{**asdict(one), "birth": _short(one.birth, lifecycle.birth)} for one in lifecycle.unshown]
    document["kind"] = lifecycle.kind.value
    document["phase"] = lifecycle.phase.value
    document["parked_from"] = lifecycle.parked_from.value if lifecycle.parked_from is not None else None
    document["outcome"] = lifecycle.outcome.value if lifecycle.outcome is not None else None
    return document


def to_lifecycle(document: Mapping[str, Any]) -> Lifecycle:
    """The lifecycle of a document with ``birth`` parsed. Raises ValueError for an unknown kind, phase or outcome."""
    values = dict(document)
    values["kind"] = Kind(values["kind"])
    values["phase"] = Phase(values["phase"])
    values["unknown_told"] = tuple(values["unknown_told"])
    values["evidence"] = tuple(values["evidence"])
    values["blockers"] = tuple(values["blockers"])
    values["commands"] = tuple(values["commands"])
    birth: Birth = values["birth"]
    values["unshown"] = tuple(Unshown(**{**one, "birth": _full(one["birth"], birth)}) for one in values["unshown"])
    if values["parked_from"] is not None:
        values["parked_from"] = Phase(values["parked_from"])
    if values["outcome"] is not None:
        values["outcome"] = Outcome(values["outcome"])
    return Lifecycle(**values)


def _short(birth: Birth, of: Birth) -> str:
    """There can be a thousand of them in a state, nearly always of the same partition."""
    return str(birth.offset) if birth.topic_partition == of.topic_partition else str(birth)


def _full(text: str, of: Birth) -> Birth:
    return Birth.parse(text) if "/" in text else replace(of, offset=int(text))
