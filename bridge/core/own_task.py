"""A Task is ours: accepted, observed, finished; and which changes of any Task are events."""

from __future__ import annotations

from bridge.core.answers import TaskRecord
from bridge.core.commands import Follow, SendCancel
from bridge.core.events import Change, Outcome
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.rules import Rules
from bridge.core.story import Story
from bridge.core.task import Task, is_final, normal_status, rank


def accept(story: Story, task: Task) -> None:
    """A Task is ours: told as accepted, or at once as finished."""
    lifecycle = story.lifecycle
    if task.id != lifecycle.task_id:
        story.become(progress_told=None, cancel_requested=False, cancel_sent=False)
    story.become(
        task_id=task.id, task_href=task.href, waiting_for=None, waiting_code=None, wake_at=None, waits=0,
        unsure_code=None, blockers=(),
        # It settles the doubt about one call. Of several, another one may have made a Task as well.
        unsure_since=lifecycle.unsure_since if lifecycle.unsure_since != lifecycle.intent_at else None,
    )  # fmt: skip
    if task.is_final:
        finish(story, task)
        return
    story.become(phase=Phase.FOLLOWING, lane_released=story.lifecycle.overdue)
    story.tell(Change.ACCEPTED, task=task, http_status=story.lifecycle.http_status)
    story.told_task(task)
    story.commands.append(Follow())
    if story.lifecycle.cancel_wanted:
        story.commands.append(SendCancel())


def finish(story: Story, task: Task) -> None:
    status = normal_status(task.status or "")
    story.end(Outcome(status), task=task, vcd_error=task.document["error"], http_status=story.lifecycle.http_status)


def observed(story: Story, task: Task, rules: Rules) -> None:
    if task.id != story.lifecycle.task_id:
        return  # a late reading of a Task that an operator's word has replaced
    if task.is_final:
        finish(story, task)
    else:
        tell_news(story, task, rules)


def tell_news(story: Story, task: Task, rules: Rules) -> None:
    """A reading that shows the Task as active: told where it is news; one that is older than what is told is noted."""
    if is_regression(story.lifecycle, task):
        story.notes.append("status_regression")
    elif is_news(story.lifecycle, task, rules):
        story.tell(Change.CHANGED, task=task)
        story.told_task(task)


def is_regression(lifecycle: Lifecycle, task: Task) -> bool:
    """True when a known status is lower than the last known one told."""
    known = rank(normal_status(task.status)) if task.status is not None else None
    return known is not None and known < lifecycle.rank


def is_news(lifecycle: Lifecycle, shown: Task | TaskRecord, rules: Rules) -> bool:
    """Whether a reading, or a row, holds a change that is an event.

    Nobody takes a requested cancel back: a reading without it is older than what is told. Rows never show it.
    """
    if shown.status is None:
        return False
    spelled = normal_status(shown.status)
    known = rank(spelled)
    if known is None:
        news = spelled not in lifecycle.unknown_told
    elif known < lifecycle.rank:
        return False
    else:
        # The same rank again is news after an unknown status: readers would go on seeing that one.
        news = known > lifecycle.rank or is_final(spelled) or spelled != lifecycle.status
    flagged = isinstance(shown, Task) and shown.cancel_requested and not lifecycle.cancel_requested
    return news or flagged or _progress_step(lifecycle, shown.progress, rules)


def _progress_step(lifecycle: Lifecycle, progress: int | None, rules: Rules) -> bool:
    if progress is None or rules.progress_step_percent <= 0:
        return False
    return progress - (lifecycle.progress_told or 0) >= rules.progress_step_percent
