"""The lifecycle of an observed Task: seen, told, kept until no look shows it again, forgotten. Pure.

``OBSERVED_TRANSITIONS`` is the contract; ``decide_observed`` is checked against it at every step.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from bridge.core.checking import decided
from bridge.core.commands import Decision
from bridge.core.events import Change, Outcome, Reason
from bridge.core.inputs import LeftBehind, ObservedInput
from bridge.core.lifecycle import Kind, Lifecycle
from bridge.core.observation.order import order_part
from bridge.core.observation.sighting import end_time, first_sight, forget, is_past, keep
from bridge.core.observation.transitions import OBSERVED_LATE, OBSERVED_TRANSITIONS
from bridge.core.observation_parts import SightedPart
from bridge.core.observation_seen import SeenMissing, SeenTask
from bridge.core.own_task import tell_news
from bridge.core.rules import Rules
from bridge.core.story import Story
from bridge.core.task import Task, normal_status


def open_observed(now: datetime, order: Lifecycle, task: Task) -> Decision | None:
    """A Task that the order sees for the first time, told as it stands. None: its end is told already, or too old."""
    ended_at = end_time(task) if task.is_final else None
    if is_past(order, ended_at):
        return None
    story = Story(now, first_sight(now, order, SightedPart(order=order.birth, id=task.id), Kind.OBSERVED_TASK))
    if task.is_final:
        # Without a time of its end no window shows it: it is remembered as if it had ended where the order stands.
        _finish(story, task, ended_at or order_part(order).position or now)
    else:
        story.tell(Change.ACCEPTED, task=task)
        story.told_task(task)
    return story.decision()


def decide_observed(now: datetime, lifecycle: Lifecycle, event: ObservedInput, rules: Rules) -> Decision:
    """One input applied to one observed Task. Raises InvariantViolation for what the tables do not know."""

    def apply(story: Story, event: ObservedInput) -> None:
        match event:
            case SeenTask(task=task):
                _seen(story, task, rules)
            case SeenMissing():
                _vanished(story, event)
            case LeftBehind():
                forget(story)
            case _:
                assert_never(event)

    return decided(now, lifecycle, event, OBSERVED_TRANSITIONS, OBSERVED_LATE, apply)


def _seen(story: Story, task: Task, rules: Rules) -> None:
    if task.is_final:
        _finish(story, task, end_time(task) or story.now)
    else:
        tell_news(story, task, rules)


def _finish(story: Story, task: Task, ended_at: datetime) -> None:
    outcome = Outcome(normal_status(task.status or ""))
    story.tell(Change.FINISHED, outcome=outcome, task=task, vcd_error=task.document["error"])
    story.told_task(task)
    keep(story, ended_at)


def _vanished(story: Story, event: SeenMissing) -> None:
    """Nothing says how it ended, and nobody asked for it: that is the end of what can be told."""
    story.become(evidence=(f"GET {event.task_id}: {event.http_status}",))
    reason = Reason("task_vanished", event.message)
    story.tell(Change.FINISHED, outcome=Outcome.UNKNOWN, reason=reason, http_status=event.http_status)
    keep(story, event.at)
