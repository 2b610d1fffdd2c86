"""The lifecycle of an action request: received, called, followed, told. Pure: ``decide`` has no clock and no I/O.

``TRANSITIONS`` is the contract. ``decide`` is checked against it at every step, and the state diagram of
``docs/architecture.md`` is drawn from it.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import assert_never

from bridge.catalogue.operation import Recovery
from bridge.core.answering import answered
from bridge.core.answers import CancelAnswer
from bridge.core.approving import hold_looked, hold_seen, hold_unanswered
from bridge.core.checking import checked, is_late
from bridge.core.commands import Decision, Follow, Look, MakeCall, ReadReferences, SendCancel
from bridge.core.events import Change, Outcome, Reason
from bridge.core.hold import Hold
from bridge.core.inputs import (
    Answered,
    CancelAnswered,
    CancelWanted,
    Granted,
    HoldSeen,
    Input,
    Looked,
    Observed,
    ReferenceUnanswered,
    ResolveWanted,
    Restored,
    RetryWanted,
    Unreadable,
    Vanished,
    Woke,
)
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.own_task import accept, observed
from bridge.core.reconciling import become_unsure, looked, too_late_to_repeat
from bridge.core.requests import Resolution
from bridge.core.rules import OperationFacts, Rules
from bridge.core.story import Story
from bridge.core.task import task_at
from bridge.core.transitions import LATE, TRANSITIONS

_TASK_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_CANCEL_WAITS = frozenset({Phase.INTENT, Phase.UNSURE, Phase.FOLLOWING})
"""Phases in which a cancel that has been taken is still to be done: a further one changes nothing."""
_CONTROLS = (CancelWanted, RetryWanted, ResolveWanted)


def decide(now: datetime, lifecycle: Lifecycle, event: Input, facts: OperationFacts, rules: Rules) -> Decision:
    """One input applied to one lifecycle.

    Raises InvariantViolation for an input that the tables do not know in this phase.
    """
    if isinstance(event, _CONTROLS) and type(event) not in TRANSITIONS[lifecycle.phase]:
        return Decision(lifecycle, refusal=_refusal(lifecycle))
    if is_late(lifecycle, event, TRANSITIONS, LATE):
        return Decision(lifecycle)
    story = Story(now, lifecycle)
    refusal = _apply(story, event, facts, rules)
    if refusal is not None:
        return Decision(lifecycle, refusal=refusal)
    return checked(story, lifecycle, event, TRANSITIONS)


def _apply(story: Story, event: Input, facts: OperationFacts, rules: Rules) -> str | None:
    match event:
        case HoldSeen():
            hold_seen(story, event)
        case ReferenceUnanswered():
            hold_unanswered(story, event, rules)
        case Granted() | Answered() | Looked():
            _apply_call(story, event, facts, rules)
        case Observed() | Vanished() | CancelAnswered():
            _apply_task(story, event, rules)
        case CancelWanted():
            _cancel_wanted(story, event)
        case RetryWanted():
            return _retry_wanted(story, event, facts)
        case ResolveWanted():
            return _resolve_wanted(story, event)
        case Woke():
            woke(story, rules)
        case Restored():
            _restored(story)
        case Unreadable(message=message):
            _unreadable(story, message)
        case _:
            assert_never(event)
    return None


def _apply_call(story: Story, event: Granted | Answered | Looked, facts: OperationFacts, rules: Rules) -> None:
    match event:
        case Granted():
            granted(story, event, rules)
        case Answered(attempt=attempt, answer=answer, jitter=jitter):
            if attempt == story.lifecycle.attempt:
                answered(story, answer, jitter, facts, rules)
        case Looked() if event.attempt != story.lifecycle.attempt:
            pass
        case Looked(hold=Hold() as hold):
            hold_looked(story, event, hold, facts, rules)
        case Looked():
            looked(story, event, facts, rules)
        case _:
            assert_never(event)


def _apply_task(story: Story, event: Observed | Vanished | CancelAnswered, rules: Rules) -> None:
    match event:
        case Observed(task=task):
            observed(story, task, rules)
        case Vanished():
            story.become(evidence=(*story.lifecycle.evidence, f"GET {story.lifecycle.task_id}: {event.http_status}"))
            story.park(Reason("task_vanished", f"VCD no longer shows the Task (HTTP {event.http_status})"))
        case CancelAnswered(task_id=task_id) if task_id != story.lifecycle.task_id:
            pass  # a late word on a Task that an operator's has replaced
        case CancelAnswered(answer=CancelAnswer.UNAVAILABLE, failures=failures):
            # Commanded anew by this step: whose commit shows that the partition is still ours, gets a new lease.
            if story.lifecycle.cancel_wanted and not story.lifecycle.cancel_sent:
                story.commands.append(SendCancel(failures))
        case CancelAnswered(answer=answer):
            story.become(cancel_sent=True)
            story.notes.append(f"cancel_{answer}")
        case _:
            assert_never(event)


def granted(story: Story, event: Granted, rules: Rules) -> None:
    lifecycle = story.lifecycle
    if lifecycle.start_by is not None and story.now >= lifecycle.start_by:
        expire(story)
        return
    if too_late_to_repeat(story, rules):
        become_unsure(story, "waited_after_unknown", settle=False)
        return
    attempt = lifecycle.attempt + 1
    story.become(
        phase=Phase.INTENT, attempt=attempt, tries=lifecycle.tries + 1, looks=0, wake_at=None, intent_at=story.now,
        first_intent_at=lifecycle.first_intent_at or story.now,
        vcd_called_at=lifecycle.vcd_called_at if lifecycle.unsure_code is not None else event.vcd_time,
    )  # fmt: skip
    story.commands.append(MakeCall(attempt))


def expire(story: Story) -> None:
    if story.lifecycle.unsure_code is not None:
        become_unsure(story, "start_by_after_unknown", settle=False)
        return
    story.end(Outcome.EXPIRED, reason=Reason("start_by_passed", "not called before start_by", "start_by"))


def woke(story: Story, rules: Rules) -> None:
    lifecycle = story.lifecycle
    waiting = lifecycle.phase in {Phase.RESOLVING, Phase.RECEIVED, Phase.WAITING}
    if waiting and lifecycle.start_by is not None and story.now >= lifecycle.start_by:
        expire(story)
        if not story.lifecycle.is_open:
            return
    if lifecycle.watch_until is not None and story.now >= lifecycle.watch_until and not lifecycle.overdue:
        story.become(overdue=True, lane_released=lifecycle.lane_released or lifecycle.phase is Phase.FOLLOWING)
        reason = Reason("watch_until_passed", "not finished before watch_until; nothing is given up", "watch_until")
        story.tell(Change.OVERDUE, reason=reason)
    if lifecycle.phase is Phase.PARKED and lifecycle.parked_at is not None and not lifecycle.lane_released:
        story.become(lane_released=story.now - lifecycle.parked_at >= rules.parked_lane_release)


def next_wake(lifecycle: Lifecycle, rules: Rules, after: datetime | None = None) -> datetime | None:
    """The next moment at which ``Woke`` can change this lifecycle, or a waiting one may compete for a permit again.

    Moments up to ``after`` have been dealt with and are left out.
    """
    times: list[datetime] = []
    if lifecycle.phase in {Phase.RESOLVING, Phase.RECEIVED, Phase.WAITING, Phase.PENDING}:
        times += [t for t in (lifecycle.wake_at, lifecycle.start_by) if t is not None]
    if lifecycle.watch_until is not None and not lifecycle.overdue and lifecycle.is_open:
        times.append(lifecycle.watch_until)
    if lifecycle.phase is Phase.PARKED and lifecycle.parked_at is not None and not lifecycle.lane_released:
        times.append(lifecycle.parked_at + rules.parked_lane_release)
    return min((moment for moment in times if after is None or moment > after), default=None)


def _cancel_wanted(story: Story, event: CancelWanted) -> None:
    lifecycle = story.lifecycle
    # VCD answered an earlier one without setting its flag, so it refused: who asks again may have a reason.
    refused = lifecycle.cancel_sent and not lifecycle.cancel_requested
    if lifecycle.cancel_wanted and lifecycle.phase in _CANCEL_WAITS and not refused:
        return
    story.because("operator_cancel", f"cancel asked for by {_somebody(event.requested_by)}")
    match lifecycle.phase:
        case Phase.WAITING if lifecycle.unsure_code is not None:
            story.become(cancel_wanted=True)
            become_unsure(story, "canceled_after_unknown", settle=False)
        case Phase.RESOLVING | Phase.RECEIVED | Phase.WAITING:
            story.end(Outcome.CANCELED, reason=Reason("canceled_before_start", "canceled before the call"))
        case Phase.PARKED:
            message = f"given up by a cancel while parked ({lifecycle.parked_reason}); what VCD did stays unknown"
            story.end(Outcome.CANCELED, reason=Reason("canceled_while_parked", message))
        case Phase.FOLLOWING:
            story.become(cancel_wanted=True, cancel_sent=False)
            story.commands.append(SendCancel())
        case _:
            story.become(cancel_wanted=True)


def _retry_wanted(story: Story, event: RetryWanted, facts: OperationFacts) -> str | None:
    lifecycle = story.lifecycle
    if facts.recovery is Recovery.NEVER_RETRY:
        return "the operation is never called twice for one request: resolve this one, then send a new request_id"
    if lifecycle.task_id is not None:
        return f"VCD has accepted it as {lifecycle.task_id}: resolve it, then send a new request_id"
    if lifecycle.parked_reason == "state_unreadable":
        return "what was asked for cannot be read any more: resolve it, then send a new request_id"
    story.because(
        "operator_retry",
        f"to be called again by the word of {_somebody(event.requested_by)}; parked before ({lifecycle.parked_reason})",
    )
    # The operator's word: the calls in doubt did nothing, and it is not too late to start. What their Tasks could be
    # taken for is remembered all the same (``unsure_since``).
    story.become(
        phase=Phase.WAITING, tries=0, waits=0, looks=0, wake_at=None, waiting_for=None, waiting_code=None,
        unsure_code=None, start_by=None, first_intent_at=None, lane_released=False,
        parked_reason=None, parked_from=None, parked_at=None, cancel_wanted=False, cancel_sent=False,
    )  # fmt: skip
    return None


def _resolve_wanted(story: Story, event: ResolveWanted) -> str | None:
    resolution = event.resolution
    task_id = named_task(resolution)
    if resolution.outcome is None and task_id is None:
        return "the resolution names neither an outcome nor the address of a Task"
    decided_by = _somebody(resolution.decided_by or event.requested_by)
    message = f"resolved by {decided_by}: {resolution.reason or 'no reason given'}"
    story.because("operator_resolve", message)
    if resolution.outcome is not None:
        story.end(Outcome(resolution.outcome), reason=Reason("resolved", message))
        return None
    story.become(lane_released=False, parked_reason=None, parked_from=None, parked_at=None)
    accept(story, task_at(task_id or "", resolution.task_href))
    return None


def named_task(resolution: Resolution) -> str | None:
    """URN of the Task whose address a resolution gives; None: it gives none."""
    found = _TASK_UUID.findall(resolution.task_href or "")
    return f"urn:vcloud:task:{found[-1].lower()}" if found else None


def _restored(story: Story) -> None:
    lifecycle = story.lifecycle
    match lifecycle.phase:
        case Phase.RESOLVING:
            story.commands.append(ReadReferences())
        case Phase.INTENT:
            become_unsure(story, "owner_changed", settle=True)
        case Phase.UNSURE:
            story.commands.append(Look(lifecycle.attempt, settle=True))
        case Phase.FOLLOWING:
            story.commands.append(Follow())
            if lifecycle.cancel_wanted and not lifecycle.cancel_sent:
                story.commands.append(SendCancel())
        case _:
            pass


def _unreadable(story: Story, message: str) -> None:
    """Told once; what a restore made of headers alone is parked already, but was not told (``parked_from`` is None)."""
    lifecycle = story.lifecycle
    if lifecycle.parked_reason != "state_unreadable" or lifecycle.parked_from is None:
        story.because("recovery_parked", f"parked: {message}")
        story.park(Reason("state_unreadable", message))


def _somebody(name: str | None) -> str:
    return name or "an operator"


def _refusal(lifecycle: Lifecycle) -> str:
    if lifecycle.phase is Phase.ENDED:
        return f"the request has already ended ({lifecycle.outcome})"
    return f"the request is not parked (it is {lifecycle.phase})"
