"""What a lifecycle of an observation remembers besides, as JSON text: a header of its state.

A header, not a field: states of other kinds stay as processes of an older version write and read them. Those of this
kind they do not take: they know its name no more than its header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bridge.core.blocking_task import BlockingTask
from bridge.core.coordinates import Birth
from bridge.core.observation_parts import OrderPart, SightedPart
from bridge.core.task import task_at
from bridge.core.times import from_millis, to_millis


def part_text(part: OrderPart | SightedPart) -> str:
    """Names as the part has them; times are whole milliseconds; what is not there is left out."""
    told = _order(part) if isinstance(part, OrderPart) else _sighted(part)
    return json.dumps({name: value for name, value in told.items() if value is not None}, separators=(",", ":"))


def to_part(text: str) -> OrderPart | SightedPart:
    """Raises ValueError for what ``part_text`` does not write."""
    try:
        told = json.loads(text)
        return _to_sighted(told) if "order" in told else _to_order(told)
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"not what an observation remembers: {error!r}") from None


def _order(part: OrderPart) -> dict[str, Any]:
    return {
        "organization_uuid": part.organization_uuid,
        "asked_at": _millis(part.asked_at),
        "since": _millis(part.since),
        "position": _millis(part.position),
        "floor": _millis(part.floor),
        "blocking_tasks": part.blocking_tasks,
    }


def _to_order(told: Mapping[str, Any]) -> OrderPart:
    return OrderPart(
        organization_uuid=told.get("organization_uuid"),
        asked_at=_time(told.get("asked_at")),
        since=_time(told.get("since")),
        position=_time(told.get("position")),
        floor=_time(told.get("floor")),
        blocking_tasks=told["blocking_tasks"],
    )


def _sighted(part: SightedPart) -> dict[str, Any]:
    return {
        "order": str(part.order),
        "id": part.id,
        "ended_at": _millis(part.ended_at),
        "blocking": _blocking(part.blocking) if part.blocking is not None else None,
    }


def _to_sighted(told: Mapping[str, Any]) -> SightedPart:
    blocking = told.get("blocking")
    return SightedPart(
        order=Birth.parse(told["order"]),
        id=told["id"],
        ended_at=_time(told.get("ended_at")),
        blocking=_to_blocking(blocking) if blocking is not None else None,
    )


def _blocking(blocking: BlockingTask) -> dict[str, Any]:
    """Of the Task behind it the address."""
    task = blocking.task
    return {
        "id": blocking.id,
        "href": blocking.href,
        "operation": blocking.operation,
        "owner": blocking.owner,
        "organization": blocking.organization,
        "user": blocking.user,
        "created": _millis(blocking.created),
        "timeout": _millis(blocking.timeout),
        "timeout_action": blocking.timeout_action,
        "task": {"id": task.id, "href": task.href} if task is not None else None,
    }


def _to_blocking(told: Mapping[str, Any]) -> BlockingTask:
    task = told["task"]
    return BlockingTask(
        id=told["id"],
        href=told["href"],
        operation=told["operation"],
        owner=told["owner"],
        organization=told["organization"],
        user=told["user"],
        created=_time(told["created"]),
        timeout=_time(told["timeout"]),
        timeout_action=told["timeout_action"],
        task=task_at(task["id"], task["href"]) if task is not None else None,
    )


def _millis(time: datetime | None) -> int | None:
    return to_millis(time) if time is not None else None


def _time(millis: int | None) -> datetime | None:
    return from_millis(millis) if millis is not None else None
