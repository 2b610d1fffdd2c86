"""What goes out on the event topics: one change in the story of a lifecycle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.core.blocking_task import Held
from bridge.core.coordinates import Birth
from bridge.core.task import ErrorDocument, Task


class Change(StrEnum):
    """Why the event was published."""

    ACCEPTED = "accepted"
    CHANGED = "changed"
    WAITING = "waiting"
    OVERDUE = "overdue"
    PARKED = "parked"
    FINISHED = "finished"
    REJECTED = "rejected"


class Outcome(StrEnum):
    """How a lifecycle ended; present exactly on the final event."""

    SUCCESS = "success"
    ERROR = "error"
    ABORTED = "aborted"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    """Only of what was observed: VCD does not show any more how it ended."""


RESOLVABLE = tuple(outcome for outcome in Outcome if outcome is not Outcome.UNKNOWN)
"""What an operator can say of a parked request: how it came out."""


class Stream(StrEnum):
    """Which of the event topics an event goes to."""

    TASK_EVENTS = "task_events"
    OBSERVED_TASKS = "observed_tasks"
    BLOCKING_TASKS = "blocking_tasks"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, for people and programs: VCD's minor code or our own lower snake case code (``docs/errors.md``)."""

    code: str
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """One ``TaskStatusEvent`` (``schemas/task-status-event.avsc``); ``event_id`` is ``<birth>#<sequence>``.

    One with ``held`` is a ``BlockingTaskEvent`` (``schemas/blocking-task-event.avsc``).
    """

    birth: Birth
    sequence: int
    lifecycle: str
    key: bytes | None
    """Record key: the request id, or the input record's own key where no request id could be read."""
    request_id: str | None
    external_key: str | None = None
    correlation_id: str | None
    requested_by: str | None
    catalogue_operation: str | None
    change: Change
    outcome: Outcome | None = None
    reason: Reason | None = None
    vcd_error: ErrorDocument | None = None
    evidence: tuple[str, ...] = ()
    http_status: int | None = None
    vcd_request_id: str | None = None
    observed_at: datetime
    previous_status: str | None = None
    task: Task | None = None
    traceparent: str | None = None
    truncated: bool = False
    """Content was cut because the record would have been too large."""
    stream: Stream = Stream.TASK_EVENTS
    held: Held | None = None

    @property
    def event_id(self) -> str:
        return f"{self.birth}#{self.sequence}"

    @property
    def final(self) -> bool:
        return self.outcome is not None
