"""What the status of a Task that was held tells of the decision about it."""

from __future__ import annotations

import pytest

from bridge.catalogue.operation import HoldAction
from bridge.core.hold import Hold, Verdict, has_moved_on, is_known_over, verdict
from bridge.core.task import TaskStatus, task_at
from tests.core.happenings import task

WAITING = (TaskStatus.QUEUED, TaskStatus.PRE_RUNNING, "prerunning", "pending", "expectingAction", "odd")


@pytest.mark.parametrize("status", WAITING)
def test_what_waits_or_says_nothing_known_has_not_moved_on(status: str) -> None:
    held = task("held", status)
    over = Hold(held=False, task=held, told="gone")
    assert not has_moved_on(held)
    assert not is_known_over(over)
    for action in HoldAction:
        assert verdict(action, over) is Verdict.UNCLEAR


@pytest.mark.parametrize("status", ["RUNNING", *sorted(set(TaskStatus) - set(WAITING))])
def test_what_goes_on_or_has_ended_has_moved_on(status: str) -> None:
    assert has_moved_on(task("held", status))


def test_a_task_that_nobody_can_read_has_not_moved_on() -> None:
    assert not has_moved_on(None)
    assert not has_moved_on(task_at("held", None))
