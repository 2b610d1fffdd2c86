"""Whose a log line is: what every line about a request carries."""

from __future__ import annotations

from bridge.core.answers import Accepted, CallAnswer
from bridge.core.events import StatusEvent
from bridge.core.lifecycle import Ended, Kind, Lifecycle


def who(lifecycle: Lifecycle | Ended) -> dict[str, object]:
    """The request behind a line: its ids, its birth, its Task where it has one."""
    return {
        "request_id": lifecycle.request_id,
        "correlation_id": lifecycle.correlation_id,
        "birth": str(lifecycle.birth),
        **({"operation": lifecycle.operation} if isinstance(lifecycle, Lifecycle) else {}),
        **({"external_key": lifecycle.external_key} if lifecycle.external_key is not None else {}),
        **_observed(lifecycle),
        "task": lifecycle.task_id,
    }


def is_observed(event: StatusEvent) -> bool:
    """Of an observation, or of what one has seen: no request is behind it."""
    return event.lifecycle == Kind.OBSERVATION


def _observed(lifecycle: Lifecycle | Ended) -> dict[str, object]:
    if not isinstance(lifecycle, Lifecycle) or lifecycle.observation is None:
        return {}
    return {"observed": lifecycle.name}


def task_of(answer: CallAnswer) -> dict[str, object]:
    """The Task that an answer brought."""
    return {"task": answer.task.id} if isinstance(answer, Accepted) else {}


def story(event: StatusEvent) -> dict[str, object]:
    """A status event as the facts of a line."""
    facts: dict[str, object] = {
        "request_id": event.request_id,
        "correlation_id": event.correlation_id,
        "birth": str(event.birth),
        "sequence": event.sequence,
        "operation": event.catalogue_operation,
        "task": event.task.id if event.task is not None else None,
        "change": str(event.change),
        "status": event.task.status if event.task is not None else None,
    }
    if event.external_key is not None:
        facts["external_key"] = event.external_key
    if event.held is not None:
        facts |= {"blocking_task": event.held.blocking.id, "state": str(event.held.state)}
    if event.outcome is not None:
        facts["outcome"] = str(event.outcome)
    if event.reason is not None:
        facts |= {"reason": event.reason.code, "message": event.reason.message}
    return facts
