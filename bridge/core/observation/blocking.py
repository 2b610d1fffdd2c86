"""The lifecycle of an observed blocking task: it waits, it is decided, it is forgotten. Pure.

``BLOCKING_TRANSITIONS`` is the contract; ``decide_blocking`` is checked against it at every step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from bridge.core.blocking_task import BlockingState, BlockingTask, Held
from bridge.core.checking import decided
from bridge.core.commands import Decision
from bridge.core.events import Change, Outcome
from bridge.core.inputs import BlockingInput, LeftBehind
from bridge.core.lifecycle import Kind, Lifecycle
from bridge.core.observation.sighting import end_time, first_sight, forget, keep, sighted_part
from bridge.core.observation.transitions import BLOCKING_LATE, BLOCKING_TRANSITIONS
from bridge.core.observation_parts import SightedPart
from bridge.core.observation_seen import BlockingGone, SeenBlocking
from bridge.core.story import Story
from bridge.core.task import Task, TaskStatus, normal_status, task_at

CLOCKS_APART = timedelta(seconds=3)
"""The clocks of cells differ by up to 2 s (VCD installation guide: network time service), and VCD tells its time in
whole seconds."""
_BY_STATUS: Mapping[str, BlockingState] = {
    TaskStatus.RUNNING: BlockingState.RESUMED,
    TaskStatus.POST_RUNNING: BlockingState.RESUMED,
    TaskStatus.SUCCESS: BlockingState.RESUMED,
    TaskStatus.ABORTED: BlockingState.ABORTED,
    TaskStatus.ERROR: BlockingState.FAILED,
}
"""What was decided, by how the Task behind it goes on. One that was resumed and failed at once looks like a fail."""
_BY_ACTION = {
    "resume": BlockingState.RESUMED,
    "abort": BlockingState.ABORTED,
    "fail": BlockingState.FAILED,
}
_OUTCOMES = {
    BlockingState.RESUMED: Outcome.SUCCESS,
    BlockingState.ABORTED: Outcome.ABORTED,
    BlockingState.FAILED: Outcome.ERROR,
    BlockingState.TIMED_OUT: Outcome.EXPIRED,
    BlockingState.GONE: Outcome.UNKNOWN,
}


def open_blocking(now: datetime, order: Lifecycle, blocking: BlockingTask) -> Decision:
    """A blocking task that the order sees for the first time."""
    part = SightedPart(order=order.birth, id=blocking.id, blocking=_small(blocking))
    story = Story(now, first_sight(now, order, part, Kind.BLOCKING_TASK))
    _tell(story, Change.ACCEPTED, blocking, BlockingState.PENDING)
    return story.decision()


def decide_blocking(now: datetime, lifecycle: Lifecycle, event: BlockingInput) -> Decision:
    """One input applied to one blocking task. Raises InvariantViolation for what the tables do not know."""
    return decided(now, lifecycle, event, BLOCKING_TRANSITIONS, BLOCKING_LATE, _apply)


def ended_as(blocking: BlockingTask, task: Task | None, at: datetime) -> BlockingState:
    """How a blocking task that is gone was decided, concluded from the Task behind it. ``at``: VCD's time by which.

    Somebody has decided where that was so before the time was up, or where the time-out would have done otherwise. Else
    it is taken for the time-out: VCD does not say when a decision was made.
    """
    state = _BY_STATUS.get(normal_status(task.status or "")) if task is not None else None
    if task is None or state is None:
        return BlockingState.GONE
    decided_by = min(end_time(task) or at, at)
    in_time = blocking.timeout is None or decided_by + CLOCKS_APART < blocking.timeout
    return state if in_time or _BY_ACTION.get(blocking.timeout_action or "") is not state else BlockingState.TIMED_OUT


def is_news(lifecycle: Lifecycle, blocking: BlockingTask) -> bool:
    """Whether what a look shows would be told: whoever asked for more time has got it."""
    told = sighted_part(lifecycle).blocking
    return told is None or told.timeout != blocking.timeout


def _apply(story: Story, event: BlockingInput) -> None:
    match event:
        case SeenBlocking(blocking=blocking):
            if is_news(story.lifecycle, blocking):
                _tell(story, Change.CHANGED, blocking, BlockingState.PENDING)
                part = sighted_part(story.lifecycle)
                story.become(observation=replace(part, blocking=_small(blocking)))
        case BlockingGone(task=task, at=at):
            known = sighted_part(story.lifecycle)
            blocking = known.blocking or BlockingTask(id=known.id)
            _tell(story, Change.FINISHED, replace(blocking, task=task or blocking.task), ended_as(blocking, task, at))
            keep(story, at)
        case LeftBehind():
            forget(story)
        case _:
            assert_never(event)


def _tell(story: Story, change: Change, blocking: BlockingTask, state: BlockingState) -> None:
    outcome = _OUTCOMES.get(state)
    story.tell(change, outcome=outcome, task=blocking.task, held=Held(blocking, state))


def _small(blocking: BlockingTask) -> BlockingTask:
    """As it is remembered: of the Task behind it the address."""
    task = blocking.task
    return replace(blocking, task=task_at(task.id, task.href) if task is not None else None)
