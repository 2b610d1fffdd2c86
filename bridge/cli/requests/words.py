"""Lifecycles in words and as JSON."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from bridge.core.lifecycle import Ended, Kind, Lifecycle, Phase
from bridge.core.observation_parts import OrderPart, SightedPart
from bridge.core.times import to_text

_UUID_TAIL = re.compile(r"([0-9a-fA-F]{8})-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_KINDS = {
    Kind.ACTION_REQUEST: "request", Kind.EXTERNAL_TASK: "external", Kind.OBSERVATION: "observation",
    Kind.OBSERVED_TASK: "observed", Kind.BLOCKING_TASK: "blocking",
}  # fmt: skip


def name_of(one: Lifecycle | Ended) -> str:
    """What people call it; its birth where it has no name."""
    if isinstance(one, Lifecycle) and one.kind is Kind.CONTROL:
        return str(one.birth)
    return one.name if one.name is not None else str(one.birth)


def kind_of(one: Lifecycle | Ended) -> str:
    """In one word: of a record about another lifecycle, what it asks for."""
    if isinstance(one, Ended):
        return "request" if one.external_key is None else "external"
    return _KINDS.get(one.kind) or str(one.control)


def where_of(one: Lifecycle) -> str:
    """What it is about: entity, organization, or the lifecycle that it waits for."""
    if one.kind is Kind.CONTROL:
        return f"of {one.target_request_id}"
    return one.entity or one.lane or one.organization or ""


def since_of(one: Lifecycle) -> datetime:
    """Since when it stands where it stands, as far as its state tells."""
    match one.phase:
        case Phase.PARKED if one.parked_at is not None:
            return one.parked_at
        case Phase.UNSURE if one.unsure_since is not None:
            return one.unsure_since
        case Phase.INTENT if one.intent_at is not None:
            return one.intent_at
        case _:
            return one.received_at


def why_of(one: Lifecycle) -> str:
    """What there is to say of its phase."""
    match one.phase:
        case Phase.PARKED:
            told = one.parked_reason or ""
        case Phase.UNSURE:
            told = one.unsure_code or ""
        case Phase.WAITING:
            told = one.waiting_code or one.unsure_code or ""
        case Phase.FOLLOWING:
            told = one.status or ""
        case _:
            told = ""
    marks = [mark for mark, holds in (("overdue", one.overdue), ("cancel", one.cancel_wanted)) if holds]
    return ", ".join([*([told] if told else []), *marks])


def length(span: timedelta) -> str:
    """``3d 4h``, ``2h 5m``, ``7m``, ``12s``: two units at most."""
    seconds = max(0, int(span.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m" if minutes else f"{seconds}s"


def shortened(text: str) -> str:
    """Uuids by their beginning, as far as they are told apart by it; whole they are in ``show`` and ``--json``."""
    return _UUID_TAIL.sub(r"\1…", text).removeprefix("urn:vcloud:task:")


def document_of(one: Lifecycle | Ended) -> dict[str, Any]:
    """One line of ``list --json``. No body, no query, no key."""
    if isinstance(one, Ended):
        return {
            "request_id": one.request_id, "external_key": one.external_key, "birth": str(one.birth),
            "kind": _kind(one), "phase": Phase.ENDED.value, "outcome": one.outcome.value,
            "ended_at": to_text(one.ended_at), "correlation_id": one.correlation_id, "task": one.task_id,
            "sequence": one.sequence, "content_hash": one.content_hash or None,
        }  # fmt: skip
    return {
        "request_id": one.request_id, "external_key": one.external_key, "birth": str(one.birth),
        "kind": one.kind.value, "phase": one.phase.value, "since": to_text(since_of(one)),
        "received_at": to_text(one.received_at), "operation": one.operation, "organization": one.organization,
        "entity": one.entity, "lane": one.lane, "attempt": one.attempt, "tries": one.tries,
        "parked_reason": one.parked_reason, "unsure_code": one.unsure_code, "waiting_code": one.waiting_code,
        "waiting_for": one.waiting_for, "task": one.task_id, "task_href": one.task_href, "status": one.status,
        "overdue": one.overdue, "cancel_wanted": one.cancel_wanted, "lane_released": one.lane_released,
        "correlation_id": one.correlation_id, "requested_by": one.requested_by, "control": one.control,
        "target": one.target_request_id, "sequence": one.sequence, "content_hash": one.content_hash or None,
        "observation": _observation(one.observation),
    }  # fmt: skip


def _observation(part: OrderPart | SightedPart | None) -> dict[str, Any] | None:
    """Times are VCD's."""
    match part:
        case OrderPart():
            return {
                "organization_uuid": part.organization_uuid, "since": _text(part.since),
                "position": _text(part.position), "blocking_tasks": part.blocking_tasks,
            }  # fmt: skip
        case SightedPart():
            return {"order": str(part.order), "id": part.id, "ended_at": _text(part.ended_at)}
        case None:
            return None


def _text(time: datetime | None) -> str | None:
    return to_text(time) if time is not None else None


def _kind(one: Ended) -> str:
    return (Kind.ACTION_REQUEST if one.external_key is None else Kind.EXTERNAL_TASK).value
