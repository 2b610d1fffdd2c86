"""Stories of one action request, drawn step by step: every input is one that can happen in the phase it meets.

Time passes as in the engine: wake-up times fire when they come due, and what the engine asks of ``next_wake`` is asked
here the same way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from bridge.catalogue.operation import HoldAction, Recovery
from bridge.core import action_request
from bridge.core.answers import NeverSent
from bridge.core.commands import Decision
from bridge.core.coordinates import Birth
from bridge.core.events import StatusEvent
from bridge.core.hold import Hold
from bridge.core.inputs import Answered, Granted, HoldSeen, Input, Looked, Woke
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.opening import Asker, Opening, open_request
from bridge.core.rules import OperationFacts, Rules
from tests.core.happenings import UNKNOWN, possible, task

START = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Rules(max_tries=2)
LONGEST = 24
"""Inputs of one story, timers not counted."""
PAUSES = (*[(0, False)] * 10, *[(1, False)] * 10, (40, False), (1000, False), (8000, False), (40, True), (1000, True))
"""Seconds before an input: within a wait, past a start_by or watch_until, past ``repeat_within``, past all bounds; and
whether the timers that came due in them are late, so that the input is decided first."""


@dataclass(frozen=True, slots=True)
class Step:
    """One input and what it decided."""

    now: datetime
    before: Lifecycle
    event: Input
    decision: Decision

    @property
    def after(self) -> Lifecycle:
        return self.decision.lifecycle


class Run:
    """One lifecycle and everything that happened to it."""

    def __init__(
        self, recovery: Recovery = Recovery.IDEMPOTENT, start_by: int | None = None, watch_until: int | None = None
    ) -> None:
        self.recovery, self.start_by, self.watch_until = recovery, start_by, watch_until
        self.now = START
        who = Asker(Birth("t", 0, 1), None, "r", None, None, "op", None)
        opening = Opening(
            organization=None, content_hash="1:0", entity="/vApp/x", lane="/vApp/x", created_name=None,
            start_by=_at(start_by), watch_until=_at(watch_until), of_hold=recovery is Recovery.DECISION,
        )  # fmt: skip
        self.opened = open_request(self.now, who, opening)
        self.steps: list[Step] = []
        self.timer = action_request.next_wake(self.lifecycle, RULES)
        self.rests: list[tuple[datetime, Lifecycle]] = []
        """Moments at which everything that was due had been dealt with."""

    def __repr__(self) -> str:
        steps = (f"{_seconds(s.now):>6}s {s.before.phase} {_short(s.event)} -> {s.after.phase}" for s in self.steps)
        told = "".join(f"\n  {step}" for step in steps)
        return f"{self.recovery}, start_by={self.start_by}, watch_until={self.watch_until}:{told}"

    @property
    def facts(self) -> OperationFacts:
        """A decision resumes what a blocking task holds."""
        if self.recovery is Recovery.DECISION:
            return OperationFacts(self.recovery, makes_task=False, hold_action=HoldAction.RESUME)
        return OperationFacts(self.recovery)

    @property
    def lifecycle(self) -> Lifecycle:
        return self.steps[-1].after if self.steps else self.opened.lifecycle

    @property
    def events(self) -> list[StatusEvent]:
        return [*self.opened.events, *(event for step in self.steps for event in step.decision.events)]

    def happen(self, seconds: int, timers_late: bool, event: Input) -> None:
        """Time passes and the input is decided, and whatever came due meanwhile."""
        until = self.now + timedelta(seconds=seconds)
        if timers_late:
            self.now = until
            self._decide(event)
        self._pass(until)
        if not timers_late:
            self._decide(event)
            self._pass(until)
        self.rests.append((self.now, self.lifecycle))

    def again(self, step: Step) -> Decision:
        """The same input once more, at the same moment."""
        return action_request.decide(step.now, step.after, step.event, self.facts, RULES)

    def _pass(self, until: datetime) -> None:
        for _ in range(50):
            if self.timer is None or self.timer > until:
                self.now = until
                return
            self.now = max(self.now, self.timer)
            lifecycle = self.lifecycle
            self.timer = action_request.next_wake(lifecycle, RULES, after=self.now)
            waits_for_a_permit = lifecycle.phase is Phase.WAITING and (
                lifecycle.start_by is None and lifecycle.watch_until is None
            )
            if not waits_for_a_permit:
                self._decide(Woke())
        raise AssertionError("the timer fires without end")

    def _decide(self, event: Input) -> None:
        before = self.lifecycle
        decision = action_request.decide(self.now, before, event, self.facts, RULES)
        self.steps.append(Step(self.now, before, event, decision))
        if decision.lifecycle is not before:
            self.timer = action_request.next_wake(decision.lifecycle, RULES)


def _at(seconds: int | None) -> datetime | None:
    return None if seconds is None else START + timedelta(seconds=seconds)


def _short(event: Input) -> str:
    return re.sub(r"'\w+': None,? ?", "", repr(event))


def _seconds(moment: datetime) -> int:
    return int((moment - START).total_seconds())


HELD = HoldSeen(Hold(held=True, task=task("held", None), told="held"))
_NOTHING = Looked(attempt=1, candidates=(), happened=False, evidence=("looked",))
BEGINNINGS: tuple[tuple[Input, ...], ...] = (
    (),
    (),
    (Granted(),),
    (Granted(), Answered(1, UNKNOWN, 0.5)),
    (Granted(), Answered(1, UNKNOWN, 0.5), _NOTHING),
    (Granted(), Answered(1, UNKNOWN, 0.5), _NOTHING, Granted()),
    (Granted(), Answered(1, NeverSent(code="connect_failed", message="refused"), 0.5)),
)
"""How stories begin, so that those that need several attempts are not rare."""


def _played(
    recovery: Recovery, start_by: int | None, watch_until: int | None, begun: tuple[Input, ...], tape: bytes
) -> Run:
    """The story that a tape of numbers, two bytes each, tells; a 0 ends it, so that what is found shrinks."""
    run = Run(recovery, start_by, watch_until)
    if recovery is Recovery.DECISION and begun:
        run.happen(1, timers_late=False, event=HELD)
    for event in begun:
        run.happen(1, timers_late=False, event=event)
    past_the_end = 0
    for number in (int.from_bytes(tape[i : i + 2]) for i in range(0, len(tape), 2)):
        if number == 0 or past_the_end > 3:
            break
        inputs = possible(run.lifecycle)
        pause, which = divmod(number, len(inputs))
        run.happen(*PAUSES[pause % len(PAUSES)], inputs[which])
        past_the_end += run.lifecycle.phase is Phase.ENDED
    return run


runs = st.tuples(
    st.sampled_from((*[Recovery.IDEMPOTENT] * 3, Recovery.DECISION, *Recovery)),
    st.sampled_from((None, 30, 600)),
    st.sampled_from((None, 60, 2000)),
    st.sampled_from(BEGINNINGS),
    st.binary(min_size=2 * LONGEST, max_size=2 * LONGEST),
).map(lambda drawn: _played(*drawn))
"""Whole stories. Which inputs are drawn, and how often, depends on the phase that the story is in."""
