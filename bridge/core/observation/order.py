"""The lifecycle of an observation: its organization is read, its Tasks are told, it is stopped. Pure.

``ORDER_TRANSITIONS`` is the contract; ``decide_order`` is checked against it at every step.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from bridge.core.checking import decided
from bridge.core.commands import Decision, ReadReferences
from bridge.core.events import Change, Outcome, Reason
from bridge.core.inputs import (
    ChangeWanted,
    Emptied,
    NotReferenced,
    OrderInput,
    OrganizationKnown,
    ReferenceUnanswered,
    Restored,
    StopWanted,
)
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.observation.transitions import ORDER_LATE, ORDER_TRANSITIONS
from bridge.core.observation_parts import OrderPart, whole_millis
from bridge.core.observation_rules import ObservationRules
from bridge.core.observation_seen import LookOver
from bridge.core.story import Story
from bridge.errors import InvariantViolation

CODES: dict[str, str] = {
    "observation_stopped": "the observation was stopped by a record; nothing more is told of its organization's Tasks",
    "observation_changed": "the observation goes on as a later record asks",
}
"""Reason codes told here -> meaning."""


def decide_order(now: datetime, lifecycle: Lifecycle, event: OrderInput, rules: ObservationRules) -> Decision:
    """One input applied to one standing order. Raises InvariantViolation for what the tables do not know."""

    def apply(story: Story, event: OrderInput) -> None:
        _apply(story, event, rules)

    return decided(now, lifecycle, event, ORDER_TRANSITIONS, ORDER_LATE, apply)


def order_part(lifecycle: Lifecycle) -> OrderPart:
    """Raises InvariantViolation where the lifecycle is no observation's."""
    if not isinstance(lifecycle.observation, OrderPart):
        raise InvariantViolation(f"{lifecycle.birth}: {lifecycle.kind} is no observation")
    return lifecycle.observation


def _apply(story: Story, event: OrderInput, rules: ObservationRules) -> None:
    match event:
        case OrganizationKnown():
            _begin(story, event)
        case NotReferenced(message=message):
            reason = Reason("unknown_organization", message, "organization")
            story.end(Outcome.REJECTED, change=Change.REJECTED, reason=reason)
        case ReferenceUnanswered(message=message):
            # A standing order is not given up because VCD cannot be asked.
            story.still_wait(Reason("reference_unanswered", message, "organization"))
        case ChangeWanted():
            _change(story, event)
        case StopWanted(birth=birth):
            _stop(story, f"stopped by {birth}")
        case LookOver():
            _move(story, event, rules)
        case Emptied():
            story.end(Outcome.SUCCESS, reason=Reason("observation_stopped", "nothing more is told"))
        case Restored():
            if story.lifecycle.phase is Phase.RESOLVING:
                story.commands.append(ReadReferences())
        case _:
            assert_never(event)


def _begin(story: Story, event: OrganizationKnown) -> None:
    part, since = order_part(story.lifecycle), _beginning(story, event.vcd_time)
    part = replace(part, organization_uuid=event.uuid, since=since, position=since, floor=since)
    from_here = f"Tasks that end from {since.isoformat(timespec='milliseconds')} on (VCD's clock) are told"
    story.become(phase=Phase.FOLLOWING, observation=part, waiting_code=None, evidence=(from_here,))
    story.tell(Change.ACCEPTED)


def _beginning(story: Story, vcd_time: datetime) -> datetime:
    """As asked, and no later than the record was taken in: "from now on" begins there, however long VCD is away.

    Who asks for a later one has a clock that is ahead. Where VCD had not told its time when the record came, our own
    clock says how long ago that was.
    """
    part = order_part(story.lifecycle)
    asked_at = part.asked_at or story.lifecycle.received_at + (vcd_time - story.now)
    return whole_millis(min(part.since or vcd_time, asked_at, vcd_time))


def _change(story: Story, event: ChangeWanted) -> None:
    """What is told already stays told; ``since`` counts only while nothing is."""
    record, part = event.record, order_part(story.lifecycle)
    since = record.since if story.lifecycle.phase is Phase.RESOLVING else part.since
    changed = replace(part, since=since, blocking_tasks=record.blocking_tasks)
    if changed == part:
        return
    story.become(observation=changed)
    if story.lifecycle.phase is Phase.FOLLOWING:
        now = "announced from now on" if changed.blocking_tasks else "not announced any more"
        story.tell(Change.CHANGED, reason=Reason("observation_changed", f"blocking tasks are {now}", "blocking_tasks"))


def _stop(story: Story, why: str) -> None:
    """What it has seen is forgotten first, some at a time: only then is it over."""
    if story.lifecycle.phase is Phase.RESOLVING:
        story.end(Outcome.SUCCESS, reason=Reason("observation_stopped", why))
    else:
        story.become(phase=Phase.STOPPING, evidence=(why,))


def _move(story: Story, event: LookOver, rules: ObservationRules) -> None:
    """The position never goes back, and is not written for its own sake each time."""
    part = order_part(story.lifecycle)
    if part.position is None or part.floor is None or event.position <= part.position:
        return
    position = whole_millis(event.position)
    if event.is_news or position - part.position >= rules.keep_position_every:
        floor = max(part.floor, whole_millis(position - rules.overlap))
        story.become(observation=replace(part, position=position, floor=floor))
