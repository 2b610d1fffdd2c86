"""Plays every transcript of ``tests/transcripts`` against the core: inputs, then exactly the expected decisions.

The transcripts together pass through every row of the tables; what comes late is tried pair by pair below.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.catalogue.operation import Recovery
from bridge.core.commands import Decision
from bridge.core.control import CONTROL_TRANSITIONS, decide_control
from bridge.core.external.transitions import EXTERNAL_TRANSITIONS
from bridge.core.inputs import Answered, Granted, Input, Looked, Restored, Unreadable, Vanished, Woke
from bridge.core.lifecycle import Kind, Lifecycle, Phase
from bridge.core.observation.transitions import BLOCKING_TRANSITIONS, OBSERVED_TRANSITIONS, ORDER_TRANSITIONS
from bridge.core.transitions import LATE, TRANSITIONS
from bridge.errors import InvariantViolation
from tests.core.happenings import UNKNOWN, possible, task
from tests.core.stories import START, Run
from tests.transcripts.player import Move, moves_of, play

TRANSCRIPTS = sorted((Path(__file__).parent.parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    expected = path.read_text()
    assert play(expected) == expected.strip()


def test_every_row_of_the_tables_has_a_transcript() -> None:
    rows: set[Move] = set()
    for phase, row in TRANSITIONS.items():
        rows |= {(Kind.ACTION_REQUEST, phase, kind, after) for kind, ends in row.items() for after in ends}
    for phase, control_row in CONTROL_TRANSITIONS.items():
        rows |= {(Kind.CONTROL, phase, kind, after) for kind, ends in control_row.items() for after in ends}
    for phase, external_row in EXTERNAL_TRANSITIONS.items():
        rows |= {(Kind.EXTERNAL_TASK, phase, kind, after) for kind, ends in external_row.items() for after in ends}
    for phase, order_row in ORDER_TRANSITIONS.items():
        rows |= {(Kind.OBSERVATION, phase, kind, after) for kind, ends in order_row.items() for after in ends}
    for phase, observed_row in OBSERVED_TRANSITIONS.items():
        rows |= {(Kind.OBSERVED_TASK, phase, kind, after) for kind, ends in observed_row.items() for after in ends}
    for phase, blocking_row in BLOCKING_TRANSITIONS.items():
        rows |= {(Kind.BLOCKING_TASK, phase, kind, after) for kind, ends in blocking_row.items() for after in ends}
    played = set().union(*(moves_of(path.read_text()) for path in TRANSCRIPTS))
    assert {_name(row) for row in rows - played} == set()


def _name(row: Move) -> str:
    kind, phase, event, after = row
    return f"{kind}: {phase}, {event.__name__} -> {after}"


# --- late inputs ------------------------------------------------------------------------------------------------------

_ONE_FITS = Looked(attempt=1, candidates=(task("1"),), happened=None, evidence=("looked",))
_WAYS: dict[Phase, tuple[Input, ...]] = {
    Phase.RESOLVING: (),
    Phase.RECEIVED: (),
    Phase.INTENT: (Granted(),),
    Phase.WAITING: (Granted(), Answered(1, UNKNOWN, 0.5), Looked(attempt=1, candidates=(), happened=None, evidence=())),
    Phase.UNSURE: (Granted(), Answered(1, UNKNOWN, 0.5)),
    Phase.FOLLOWING: (Granted(), Answered(1, UNKNOWN, 0.5), _ONE_FITS),
    Phase.PARKED: (Granted(), Answered(1, UNKNOWN, 0.5), _ONE_FITS, Vanished(403, "gone")),
    Phase.ENDED: (
        Granted(), Restored(), Looked(attempt=1, candidates=(task("1", "success"),), happened=None, evidence=()),
    ),
}  # fmt: skip
"""How a request comes into each phase."""


def _in(phase: Phase) -> Run:
    run = Run(Recovery.DECISION) if phase is Phase.RESOLVING else Run()
    for event in _WAYS[phase]:
        run.happen(1, timers_late=False, event=event)
    assert run.lifecycle.phase is phase
    return run


def _samples(lifecycle: Lifecycle, kind: type[Input]) -> list[Input]:
    """Inputs of a kind that would mean much to the phase that waits for them: of this attempt, of this Task."""
    attempt, mine = lifecycle.attempt, lifecycle.task_id or "urn:vcloud:task:1"
    elsewhere = [possible(_in(phase).lifecycle) for phase in _WAYS if kind in TRANSITIONS[phase]]
    samples = [event for inputs in elsewhere for event in inputs if isinstance(event, kind)]
    assert samples
    return [_addressed(event, attempt, mine) for event in samples]


def _addressed(event: Input, attempt: int, task_id: str) -> Input:
    match event:
        case Answered():
            return Answered(attempt, event.answer, event.jitter)
        case Looked():
            return Looked(
                attempt=attempt, candidates=event.candidates, happened=event.happened, evidence=event.evidence
            )
        case _:
            return event


LATE_PAIRS = [(phase, kind) for phase, kinds in LATE.items() for kind in sorted(kinds, key=lambda kind: kind.__name__)]


@pytest.mark.parametrize(("phase", "kind"), LATE_PAIRS, ids=lambda part: getattr(part, "__name__", str(part)))
def test_what_comes_late_changes_nothing(phase: Phase, kind: type[Input]) -> None:
    run = _in(phase)
    for event in _samples(run.lifecycle, kind):
        run.happen(1, timers_late=True, event=event)
        step = run.steps[-1]
        assert step.after is step.before
        assert step.decision == Decision(step.before)


def test_what_the_tables_do_not_know_is_a_bug() -> None:
    unknown = [(phase, kind) for phase in _WAYS for kind in (Unreadable, Vanished) if not _is_known(phase, kind)]
    assert unknown
    for phase, kind in unknown:
        event = Unreadable("bad") if kind is Unreadable else Vanished(403, "gone")
        with pytest.raises(InvariantViolation, match=f"{kind.__name__} in phase {phase}"):
            _in(phase).happen(0, timers_late=False, event=event)
    with pytest.raises(InvariantViolation):
        decide_control(START, _in(Phase.RECEIVED).lifecycle, Woke())


def _is_known(phase: Phase, kind: type[Input]) -> bool:
    return kind in TRANSITIONS[phase] or kind in LATE[phase]
