"""How a blocking task stands, and what the Task that it held shows of the decision about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from bridge.catalogue.operation import HoldAction
from bridge.core.task import FINAL_STATUSES, Task, TaskStatus, normal_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What a look at a blocking task has shown.

    ``held``: VCD shows it, so nobody has decided yet. ``task``: the Task that it holds or held; of one that is held its
    address alone; None: nobody knows it, or it cannot be read. ``told``: the same in words, for people. ``decided``:
    how another request has decided it, by VCD's word; None: that is not known here. ``barred``: why policy does not let
    it be decided here.
    """

    held: bool
    task: Task | None
    told: str
    decided: HoldAction | None = None
    barred: str | None = None


class Verdict(Enum):
    """What the Task shows of a decision after which its hold is over."""

    AS_WANTED = auto()
    """As that decision makes it, whoever has made it."""
    OTHERWISE = auto()
    """That decision cannot have taken effect."""
    UNCLEAR = auto()
    """It could have come to this by that decision as well as by another."""


_GOES_ON = frozenset({TaskStatus.RUNNING, TaskStatus.POST_RUNNING, TaskStatus.SUCCESS})
_MOVED_ON = _GOES_ON | FINAL_STATUSES
_ENDED_AS = {HoldAction.ABORT: TaskStatus.ABORTED, HoldAction.FAIL: TaskStatus.ERROR}


def has_moved_on(task: Task | None) -> bool:
    """Whether a Task that was held shows by its status that it is held no more.

    One that cannot be read shows nothing, and neither does an unknown status: it may be one more word for waiting, as
    ``expectingAction`` is in VCD's contract for behaviors.
    """
    return task is not None and normal_status(task.status or "") in _MOVED_ON


def is_known_over(hold: Hold) -> bool:
    """Whether more than its absence shows that it is not held any more; a cell of VCD may not know it yet."""
    return hold.decided is not None or has_moved_on(hold.task)


def verdict(action: HoldAction, hold: Hold) -> Verdict:
    """Judges the Task of a blocking task that is not held any more.

    Only one decision takes effect: where another is known to have, the Task can only look as if this one had.
    A Task that has not left preRunning tells nothing yet: VCD takes its time to resume or clean up, or it is held
    anew. One that failed may have been failed or have been resumed first, and so may one that somebody canceled.
    """
    task = hold.task
    if hold.decided not in {None, action}:
        return Verdict.OTHERWISE
    if task is None or not has_moved_on(task):
        return Verdict.UNCLEAR
    status = normal_status(task.status or "")
    if action in _ENDED_AS:
        return Verdict.AS_WANTED if status == _ENDED_AS[action] else Verdict.OTHERWISE
    if status in _GOES_ON:
        return Verdict.AS_WANTED
    aborted = status == TaskStatus.ABORTED and not task.cancel_requested
    return Verdict.OTHERWISE if aborted else Verdict.UNCLEAR


def is_conclusive(action: HoldAction, hold: Hold) -> bool:
    """Whether a further look would not show more: gone is gone, and no call that is on its way has any effect."""
    return not hold.held and (not action.decides or verdict(action, hold) is not Verdict.UNCLEAR)
