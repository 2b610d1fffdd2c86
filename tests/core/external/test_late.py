"""What comes after its phase has moved on changes nothing, pair by pair; what nobody can explain is a bug."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.core.answers import Accepted, CancelAnswer
from bridge.core.commands import Decision
from bridge.core.external.lifecycle import decide_external
from bridge.core.external.transitions import EXTERNAL_LATE, EXTERNAL_TRANSITIONS
from bridge.core.inputs import Answered, CancelAnswered, Commanded, ExternalInput, Granted, Looked, Observed, Vanished
from bridge.core.lifecycle import Phase
from bridge.core.rules import Rules
from bridge.errors import InvariantViolation
from tests.core.external.happenings import REFERENCED, UNKNOWN, Happening, finish, possible, update
from tests.core.external.stories import POSTED, RULES, SHOWN, Run
from tests.core.happenings import task

WAYS: dict[Phase, tuple[Happening, ...]] = {
    Phase.RESOLVING: (),
    Phase.RECEIVED: (REFERENCED,),
    Phase.INTENT: POSTED,
    Phase.UNSURE: (*POSTED, Answered(1, UNKNOWN, 0.5)),
    Phase.WAITING: (*SHOWN, update(progress=10)),
    Phase.FOLLOWING: SHOWN,
    Phase.PARKED: (*SHOWN, Vanished(403, "gone")),
    Phase.ENDED: (*SHOWN, finish(), Granted(), Answered(2, Accepted(task=task("1", "success"), http_status=200), 0.5)),
}
"""How a task comes into each phase."""


def _in(phase: Phase) -> Run:
    run = Run()
    for happening in WAYS[phase]:
        run.happen(1, happening)
    assert run.lifecycle.phase is phase
    return run


def _samples(run: Run, kind: type[ExternalInput]) -> list[ExternalInput]:
    """Inputs of a kind that would mean much to the phase that waits for them: of this attempt, of this Task."""
    attempt, mine = run.lifecycle.attempt, run.lifecycle.task_id or "urn:vcloud:task:1"
    drawn = [one for phase in WAYS for one in possible(_in(phase).lifecycle, run.request) if isinstance(one, kind)]
    assert drawn
    return [_addressed(event, attempt, mine) for event in drawn]


def _addressed(event: ExternalInput, attempt: int, task_id: str) -> ExternalInput:
    match event:
        case Answered() | Looked():
            return replace(event, attempt=attempt)
        case Observed():
            return replace(event, task=task(task_id, event.task.status))
        case _:
            return event


PAIRS = [
    (phase, kind) for phase, kinds in EXTERNAL_LATE.items() for kind in sorted(kinds, key=lambda one: one.__name__)
]


@pytest.mark.parametrize(("phase", "kind"), PAIRS, ids=lambda part: getattr(part, "__name__", str(part)))
def test_what_comes_late_changes_nothing(phase: Phase, kind: type[ExternalInput]) -> None:
    run = _in(phase)
    for event in _samples(run, kind):
        decision = decide_external(run.now, run.lifecycle, event, run.request, RULES)
        assert decision == Decision(run.lifecycle)


@pytest.mark.parametrize("kind", [Answered, Looked, Observed])
def test_what_is_of_another_attempt_or_task_changes_nothing_where_it_is_waited_for(kind: type[ExternalInput]) -> None:
    for phase in (one for one, row in EXTERNAL_TRANSITIONS.items() if kind in row):
        run = _in(phase)
        for event in _samples(run, kind):
            other = _addressed(event, run.lifecycle.attempt - 1, "urn:vcloud:task:other")
            assert decide_external(run.now, run.lifecycle, other, run.request, RULES) == Decision(run.lifecycle)


def test_what_the_tables_do_not_know_is_a_bug() -> None:
    ended = _in(Phase.ENDED)
    commanded = next(step.event for step in ended.steps if isinstance(step.event, Commanded))
    with pytest.raises(InvariantViolation, match="Commanded in phase ended"):
        decide_external(ended.now, ended.lifecycle, commanded, ended.request, RULES)
    following = _in(Phase.FOLLOWING)
    of_requests: Any = CancelAnswered("urn:vcloud:task:1", CancelAnswer.REQUESTED)
    with pytest.raises(InvariantViolation, match="CancelAnswered in phase following"):
        decide_external(following.now, following.lifecycle, of_requests, None, RULES)


def test_a_decision_that_leaves_the_table_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTERNAL_TRANSITIONS[Phase.RECEIVED], Granted, frozenset({Phase.PARKED}))
    run = _in(Phase.RECEIVED)
    with pytest.raises(InvariantViolation, match="received -> intent by Granted is not in the table"):
        decide_external(run.now, run.lifecycle, Granted(), run.request, RULES)


def test_nothing_is_decided_while_external_tasks_are_off() -> None:
    run = _in(Phase.RECEIVED)
    with pytest.raises(InvariantViolation, match="external tasks are off"):
        decide_external(run.now, run.lifecycle, Granted(), run.request, Rules())
