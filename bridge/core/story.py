"""Builds the events of a lifecycle: the only place where a sequence number is taken."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bridge.core.blocking_task import Held
from bridge.core.commands import Command, Decision
from bridge.core.events import Change, Outcome, Reason, StatusEvent
from bridge.core.lifecycle import Lifecycle, Phase, StoredRequest
from bridge.core.task import ErrorDocument, Task, normal_status, rank

MOST_EVIDENCE = 50


@dataclass(slots=True)
class Story:
    """A decision under construction: the state so far and what it tells and commands."""

    now: datetime
    lifecycle: Lifecycle
    events: list[StatusEvent] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    evidence: tuple[str, ...] = ()
    """What a recovery decision looked at, for the log; the next event tells it too."""
    request: StoredRequest | None = None
    """The part that a call needs, where it was written anew."""

    def become(self, **changes: Any) -> None:
        """Change the state. Of evidence that grows without an event to tell it, the last is kept."""
        if "evidence" in changes:
            changes["evidence"] = changes["evidence"][-MOST_EVIDENCE:]
        self.lifecycle = replace(self.lifecycle, **changes)

    def because(self, note: str, *why: str) -> None:
        """A decision about a call in doubt, or an operator's: what it rests on is logged, and told with the next event.

        To be said before that event is told.
        """
        self.notes.append(note)
        self.evidence = (*self.evidence, *why)
        self.become(evidence=(*self.lifecycle.evidence, *why))

    def tell(
        self,
        change: Change,
        *,
        outcome: Outcome | None = None,
        reason: Reason | None = None,
        vcd_error: ErrorDocument | None = None,
        task: Task | None = None,
        http_status: int | None = None,
        held: Held | None = None,
    ) -> None:
        """Publish an event with the next sequence number; pending evidence goes with it."""
        lifecycle = self.lifecycle
        event = StatusEvent(
            birth=lifecycle.birth,
            sequence=lifecycle.sequence + 1,
            lifecycle=lifecycle.told_as,
            key=event_key(lifecycle.told_under, lifecycle.key),
            request_id=lifecycle.request_id,
            external_key=lifecycle.external_key,
            correlation_id=lifecycle.correlation_id,
            requested_by=lifecycle.requested_by,
            catalogue_operation=lifecycle.operation,
            change=change,
            outcome=outcome,
            reason=reason,
            vcd_error=vcd_error,
            evidence=lifecycle.evidence,
            http_status=http_status,
            vcd_request_id=lifecycle.vcd_request_id,
            observed_at=self.now,
            previous_status=lifecycle.status,
            task=task,
            traceparent=lifecycle.traceparent,
            stream=lifecycle.stream,
            held=held,
        )
        self.events.append(event)
        self.become(sequence=event.sequence, evidence=())

    def told_task(self, task: Task) -> None:
        """Remember what of a Task has just been told: what only grows is not less in an older reading, or in a row."""
        status = normal_status(task.status) if task.status is not None else None
        known = rank(status) if status is not None else None
        told = self.lifecycle.unknown_told
        if status is not None and known is None and status not in told:
            told = (*told, status)
        self.become(
            status=status if status is not None else self.lifecycle.status,
            rank=known if known is not None else self.lifecycle.rank,
            unknown_told=told,
            progress_told=_greater(self.lifecycle.progress_told, task.progress),
            cancel_requested=self.lifecycle.cancel_requested or task.cancel_requested,
        )

    def end(
        self,
        outcome: Outcome,
        *,
        change: Change = Change.FINISHED,
        reason: Reason | None = None,
        vcd_error: ErrorDocument | None = None,
        task: Task | None = None,
        http_status: int | None = None,
    ) -> None:
        """Tell the final event and end the lifecycle."""
        self.tell(change, outcome=outcome, reason=reason, vcd_error=vcd_error, task=task, http_status=http_status)
        if task is not None:
            self.told_task(task)
        self.become(phase=Phase.ENDED, outcome=outcome, ended_at=self.now, wake_at=None)

    def park(self, reason: Reason, *, vcd_error: ErrorDocument | None = None) -> None:
        """Stop and wait for an operator."""
        self.become(
            parked_reason=reason.code, parked_from=self.lifecycle.phase, parked_at=self.now, phase=Phase.PARKED,
            wake_at=None,
        )  # fmt: skip
        self.tell(Change.PARKED, reason=reason, vcd_error=vcd_error)

    def still_wait(self, reason: Reason) -> None:
        """Nothing else has come of it yet: told once for each reason."""
        if self.lifecycle.waiting_code != reason.code:
            self.become(waiting_code=reason.code)
            self.tell(Change.WAITING, reason=reason)

    def decision(self) -> Decision:
        return Decision(
            self.lifecycle,
            tuple(self.events),
            tuple(self.commands),
            tuple(self.notes),
            self.evidence,
            request=self.request,
        )


def event_key(name: str | None, key: bytes | None) -> bytes | None:
    """Record key of an event: the request id or external key; where none could be read, the input record's own key."""
    return name.encode() if name is not None else key


def _greater(told: int | None, progress: int | None) -> int | None:
    if told is None or progress is None:
        return told if progress is None else progress
    return max(told, progress)
