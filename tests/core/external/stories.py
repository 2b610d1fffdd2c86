"""Stories of one external task, drawn step by step: every happening is one that can meet the phase that it meets.

Commands are judged before they are applied, as the engine does; a permit is granted when the wait is over; time passes
and timers fire as they do there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from bridge.core.answers import Accepted, Refused
from bridge.core.commands import Decision
from bridge.core.coordinates import Birth
from bridge.core.events import Reason, StatusEvent
from bridge.core.external import judging, opening
from bridge.core.external import lifecycle as external_lifecycle
from bridge.core.external.judging import Repeat
from bridge.core.external_commands import ExternalCommand
from bridge.core.external_rules import ExternalRules
from bridge.core.inputs import Answered, Commanded, ExternalInput, Granted, Looked, Restored, Unreadable, Vanished, Woke
from bridge.core.lifecycle import Kind, Lifecycle, Phase, StoredRequest
from bridge.core.opening import Asker
from bridge.core.rules import Rules
from bridge.engine.partition.round import remembered
from tests.core.external.happenings import (
    KEY,
    REFERENCED,
    UNKNOWN,
    Damage,
    Happening,
    Restart,
    create,
    finish,
    possible,
    update,
)
from tests.core.happenings import task
from tests.core.stories import START

NAMESPACE = "com.example.tickets"
GROUP = "bridge"
BIRTH = Birth("tickets", 0, 1)
EXTERNAL = ExternalRules(
    group_id=GROUP, default_namespace=NAMESPACE, namespaces={NAMESPACE: timedelta(hours=1)},
)  # fmt: skip
RULES = Rules(max_tries=2, external=EXTERNAL)
LONGEST = 30
PAUSES = (*[0] * 8, *[1] * 10, 5, 60, 4000)
"""Seconds before a happening: at once, within a wait, past a wait, past a silence."""


@dataclass(frozen=True, slots=True)
class Step:
    """One input and what it decided. ``request_before`` and ``request``: the next call, before and after."""

    now: datetime
    before: Lifecycle
    event: ExternalInput
    request_before: StoredRequest | None
    decision: Decision

    @property
    def after(self) -> Lifecycle:
        return self.decision.lifecycle

    @property
    def request(self) -> StoredRequest | None:
        return self.decision.request or self.request_before


class Run:
    """One external task and everything that happened to it."""

    def __init__(self, status: str | None = None, expire_after: int | None = None, **fields: Any) -> None:
        self.now = START
        self.created = replace(create(status, expire_after), **fields)
        who = Asker(BIRTH, None, None, None, None, None, None, lifecycle=Kind.EXTERNAL_TASK, external_key=KEY)
        self.opened = opening.open_external(self.now, who, self.created, NAMESPACE, EXTERNAL)
        self.lifecycle = self.opened.lifecycle
        self.request = self.opened.request
        self.steps: list[Step] = []
        self.verdicts: dict[Birth, tuple[ExternalCommand, Reason | Repeat | None]] = {}
        """The commands after the create, by where their records stand."""
        self.lost_state = self.lost_request = False
        self.timer = external_lifecycle.next_wake_external(self.lifecycle)
        self.rests: list[tuple[datetime, Lifecycle, int]] = []
        """Moments at which everything that was due had been dealt with, and how many steps there had been."""

    def __repr__(self) -> str:
        steps = (
            f"{int((s.now - START).total_seconds()):>6}s {s.before.phase} {_short(s.event)} -> {s.after.phase}"
            for s in self.steps
        )
        told = "".join(f"\n  {step}" for step in steps)
        return f"status={self.created.status}, expire_after={self.created.expire_after}:{told}"

    @property
    def events(self) -> list[StatusEvent]:
        """Its own story, without those of its commands."""
        return [event for step in self.steps for event in step.decision.events if event.birth == BIRTH]

    @property
    def refusals(self) -> list[tuple[int, StatusEvent]]:
        """Commands that were taken and told as refused later, with the number of the step that told it."""
        return [
            (number, event)
            for number, step in enumerate(self.steps)
            for event in step.decision.events
            if event.birth != BIRTH
        ]

    def happen(self, seconds: float, happening: Happening) -> None:
        self._pass(self.now + timedelta(seconds=seconds))
        match happening:
            case ExternalCommand():
                self._command(happening)
            case Damage():
                self._lose(happening)
            case Restart():
                self._restart()
            case Granted() if not self._may_start():
                pass
            case _:
                self._decide(happening)
        self._pass(self.now)
        self.rests.append((self.now, self.lifecycle, len(self.steps)))

    def again(self, step: Step) -> Decision:
        """The same input once more, at the same moment."""
        return external_lifecycle.decide_external(step.now, step.after, step.event, step.request, RULES)

    def judged_again(self, step: Step, command: ExternalCommand) -> Reason | Repeat | None:
        """The same command once more, right after the step that took it."""
        known = step.after if step.after.is_open else remembered(step.after)
        return judging.judge_change(command, known, step.request)

    def _may_start(self) -> bool:
        """The engine grants nothing to what has not waited long enough; elsewhere a permit can only be late."""
        lifecycle = self.lifecycle
        return lifecycle.phase is not Phase.WAITING or lifecycle.wake_at is None or lifecycle.wake_at <= self.now

    def _command(self, command: ExternalCommand) -> None:
        birth = replace(BIRTH, offset=BIRTH.offset + 1 + len(self.verdicts))
        known = self.lifecycle if self.lifecycle.is_open else remembered(self.lifecycle)
        verdict = judging.judge_change(command, known, self.request)
        self.verdicts[birth] = (command, verdict)
        if verdict is None:
            self._decide(Commanded(command, birth, judging.fingerprint(command)))

    def _lose(self, damage: Damage) -> None:
        """Part of the store cannot be read by the next owner."""
        if not self.lifecycle.is_open:
            return
        if damage is Damage.REQUEST:
            self.request, self.lost_request = None, True
            self._restart()
            return
        before = self.lifecycle
        self.lost_state = True
        self.lifecycle = Lifecycle(
            birth=before.birth,
            kind=before.kind,
            external_key=before.external_key if damage is Damage.STATE else None,
            phase=Phase.PARKED,
            sequence=before.sequence,
            request_id=None,
            key=None,
            received_at=self.now,
            parked_reason="state_unreadable",
            parked_at=self.now,
        )
        self.timer = None

    def _restart(self) -> None:
        phases = {Phase.RESOLVING, Phase.INTENT, Phase.UNSURE, Phase.FOLLOWING}
        shown = self.lifecycle.phase is Phase.WAITING and self.lifecycle.task_id is not None
        if self.lifecycle.phase in phases or shown or self.lifecycle.may_be_found:
            self._decide(Restored())
        self.timer = external_lifecycle.next_wake_external(self.lifecycle)

    def _pass(self, until: datetime) -> None:
        for _ in range(50):
            if self.timer is None or self.timer > until:
                self.now = max(self.now, until)
                return
            self.now = max(self.now, self.timer)
            lifecycle = self.lifecycle
            self.timer = external_lifecycle.next_wake_external(lifecycle, after=self.now)
            silent = lifecycle.expires_at is not None and lifecycle.expires_at <= self.now
            if silent or lifecycle.phase is not Phase.WAITING:
                self._decide(Woke())
        raise AssertionError("the timer fires without end")

    def _decide(self, event: ExternalInput) -> None:
        before = self.lifecycle
        decision = external_lifecycle.decide_external(self.now, before, event, self.request, RULES)
        self.steps.append(Step(self.now, before, event, self.request, decision))
        self.lifecycle = decision.lifecycle
        self.request = decision.request or self.request
        if decision.lifecycle is not before:
            self.timer = external_lifecycle.next_wake_external(decision.lifecycle)


def _short(event: ExternalInput) -> str:
    return re.sub(r"'?\w+'?[:=] ?None,? ?", "", repr(event))[:300]


POSTED = (REFERENCED, Granted())
SHOWN = (*POSTED, Answered(1, Accepted(task=task("1"), http_status=200), 0.5))
_NO = Refused(code="BAD_REQUEST", message="no", http_status=400)
_STANDS = Looked(attempt=2, candidates=(task("1"),), happened=None, evidence=("looked",))
REFUSED = (
    *SHOWN, update(details="too long"), Granted(), update(progress=10), Answered(2, _NO, 0.5), _STANDS, Granted(),
    update(progress=20), Answered(3, _NO, 0.5), update(progress=30),
)  # fmt: skip
LOST = (*SHOWN, Damage.REQUEST, Damage.STATE, Unreadable("bad"))
BEGINNINGS: tuple[tuple[Happening, ...], ...] = (
    (),
    POSTED,
    (*POSTED, Answered(1, UNKNOWN, 0.5)),
    SHOWN,
    SHOWN,
    (*SHOWN, update(progress=10)),
    (*SHOWN, finish()),
    (*SHOWN, Vanished(403, "gone")),
    REFUSED,
    LOST,
)
"""How stories begin, so that those that get far are not rare."""


def _played(status: str | None, expire_after: int | None, begun: tuple[Happening, ...], tape: bytes) -> Run:
    """The story that a tape of numbers, two bytes each, tells; a 0 ends it, so that what is found shrinks."""
    run = Run(status, expire_after)
    for happening in begun:
        run.happen(1, happening)
    past_the_end = 0
    for number in (int.from_bytes(tape[i : i + 2]) for i in range(0, len(tape), 2)):
        if number == 0 or past_the_end > 3:
            break
        happenings = possible(run.lifecycle, run.request)
        pause, which = divmod(number, len(happenings))
        run.happen(PAUSES[pause % len(PAUSES)], happenings[which])
        past_the_end += run.lifecycle.phase is Phase.ENDED
    return run


runs = st.tuples(
    st.sampled_from((None, None, None, "queued", "success")),
    st.sampled_from((None, 60)),
    st.sampled_from(BEGINNINGS),
    st.binary(min_size=2 * LONGEST, max_size=2 * LONGEST),
).map(lambda drawn: _played(*drawn))
"""Whole stories. What is drawn, and how often, depends on the phase that the story is in."""
