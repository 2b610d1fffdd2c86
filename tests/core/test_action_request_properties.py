"""What holds for every story, whatever happens in whatever order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.catalogue.operation import Recovery
from bridge.core.action_request import decide, next_wake
from bridge.core.answers import (
    Accepted,
    Busy,
    CallAnswer,
    CancelAnswer,
    Done,
    Limited,
    NeverSent,
    OutcomeUnknown,
    Refused,
    SessionExpired,
)
from bridge.core.commands import Decision, MakeCall
from bridge.core.coordinates import Birth
from bridge.core.events import StatusEvent
from bridge.core.inputs import (
    Answered,
    CancelAnswered,
    CancelWanted,
    Granted,
    Input,
    Looked,
    Observed,
    ResolveWanted,
    Restored,
    RetryWanted,
    Vanished,
    Woke,
)
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.opening import Asker, Opening, open_request
from bridge.core.requests import Resolution
from bridge.core.rules import OperationFacts, Rules
from bridge.core.task import Task, empty_document, rank
from bridge.core.transitions import LATE, TRANSITIONS

START = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Rules(max_tries=4)
STATUSES = ("queued", "preRunning", "running", "postRunning", "success", "error", "aborted", "canceled", "odd", "Odder")


def _task(name: str, status: str, progress: int | None, cancel: bool) -> Task:
    document = empty_document()
    document.update(
        {"id": f"urn:vcloud:task:{name}", "status": status, "progress": progress, "cancelRequested": cancel}
    )
    return Task(document)


tasks = st.builds(
    _task, st.sampled_from("ab"), st.sampled_from(STATUSES), st.none() | st.integers(0, 100), st.booleans()
)
answers: st.SearchStrategy[CallAnswer] = st.one_of(
    st.builds(Accepted, task=tasks, http_status=st.just(202)),
    st.just(Done(http_status=204)),
    st.sampled_from(["BAD_REQUEST", "INVALID_STATE"]).map(
        lambda code: Refused(code=code, message="no", http_status=400)
    ),
    st.just(Busy(message="busy", http_status=400, task_id="urn:vcloud:task:z")),
    st.just(Limited(code="HTTP_429", message="slow", http_status=429)),
    st.just(SessionExpired(message="expired")),
    st.just(NeverSent(code="connect_failed", message="refused")),
    st.just(OutcomeUnknown(code="no_answer", message="time-out")),
)
inputs: st.SearchStrategy[Input] = st.one_of(
    st.just(Granted()),
    st.builds(Answered, st.integers(1, 6), answers, st.floats(0, 0.99)),
    st.builds(
        Looked,
        attempt=st.integers(1, 6),
        candidates=st.lists(tasks, max_size=2).map(tuple),
        happened=st.sampled_from([True, False, None]),
        evidence=st.just(("looked",)),
    ),
    st.builds(Observed, tasks),
    st.just(Vanished(403, "gone")),
    st.builds(CancelAnswered, st.sampled_from(list(CancelAnswer))),
    st.just(Woke()),
    st.just(CancelWanted(None)),
    st.just(RetryWanted(None)),
    st.just(ResolveWanted(Resolution(outcome="success"), None)),
    st.just(ResolveWanted(Resolution(task_href="/api/task/cccccccc-cccc-4ccc-8ccc-cccccccccccc"), None)),
    st.just(Restored()),
)
scripts = st.lists(st.tuples(st.integers(0, 400), inputs), max_size=40)


def _has_ended(run: Run) -> bool:
    return run.lifecycle.phase is Phase.ENDED


def _legal(lifecycle: Lifecycle, event: Input) -> bool:
    kind = type(event)
    controls = (CancelWanted, RetryWanted, ResolveWanted)
    return kind in TRANSITIONS[lifecycle.phase] or kind in LATE[lifecycle.phase] or isinstance(event, controls)


class Run:
    """One lifecycle driven by a script; inputs that cannot occur in a phase are left out."""

    def __init__(self, recovery: Recovery, watch_until: datetime | None = None) -> None:
        who = Asker(Birth("t", 0, 1), None, "r", None, None, "op", None)
        opening = Opening(
            organization=None, content_hash="1:0", entity="/vApp/x", lane="/vApp/x", created_name=None,
            start_by=None, watch_until=watch_until,
        )  # fmt: skip
        self.now = START
        self.facts = OperationFacts(recovery)
        self.decisions: list[Decision] = [open_request(self.now, who, opening)]

    @property
    def lifecycle(self) -> Lifecycle:
        return self.decisions[-1].lifecycle

    def step(self, seconds: int, event: Input) -> Decision | None:
        self.now += timedelta(seconds=seconds)
        if not _legal(self.lifecycle, event):
            return None
        self.decisions.append(decide(self.now, self.lifecycle, event, self.facts, RULES))
        return self.decisions[-1]

    def play(self, script: list[tuple[int, Input]]) -> None:
        for seconds, event in script:
            self.step(seconds, event)

    @property
    def events(self) -> list[StatusEvent]:
        return [event for decision in self.decisions for event in decision.events]

    @property
    def calls(self) -> list[int]:
        return [c.attempt for d in self.decisions for c in d.commands if isinstance(c, MakeCall)]


@given(st.sampled_from(list(Recovery)), scripts)
@settings(max_examples=400, deadline=None)
def test_sequences_have_no_gap_and_nothing_follows_the_final_event(
    recovery: Recovery, script: list[tuple[int, Input]]
) -> None:
    run = Run(recovery)
    run.play(script)
    assert [event.sequence for event in run.events] == list(range(1, len(run.events) + 1))
    finals = [index for index, event in enumerate(run.events) if event.final]
    assert finals in ([], [len(run.events) - 1])
    assert bool(finals) == (run.lifecycle.phase is Phase.ENDED)


@given(st.sampled_from(list(Recovery)), scripts)
@settings(max_examples=400, deadline=None)
def test_known_statuses_never_go_backward(recovery: Recovery, script: list[tuple[int, Input]]) -> None:
    run = Run(recovery)
    run.play(script)
    told: list[int] = []
    for decision in run.decisions:
        for event in decision.events:
            if event.task is not None and event.task.status is not None:
                known = rank(event.task.status)
                if known is not None:
                    told.append(known)
                    assert told == sorted(told)


@given(scripts)
@settings(max_examples=400, deadline=None)
def test_never_retry_is_not_called_again_once_a_call_may_have_been_acted_on(script: list[tuple[int, Input]]) -> None:
    run = Run(Recovery.NEVER_RETRY)
    unknown = False
    for seconds, event in script:
        decision = run.step(seconds, event)
        if decision is None:
            continue
        if any(isinstance(command, MakeCall) for command in decision.commands):
            assert not unknown
        unknown = unknown or decision.lifecycle.phase is Phase.UNSURE


@given(st.sampled_from(list(Recovery)), scripts)
@settings(max_examples=300, deadline=None)
def test_every_call_has_its_own_attempt_and_its_own_intent(recovery: Recovery, script: list[tuple[int, Input]]) -> None:
    run = Run(recovery)
    run.play(script)
    assert run.calls == sorted(set(run.calls))
    for decision in run.decisions:
        if any(isinstance(command, MakeCall) for command in decision.commands):
            assert decision.lifecycle.phase is Phase.INTENT
            assert decision.lifecycle.intent_at is not None


@given(st.sampled_from(list(Recovery)), scripts)
@settings(max_examples=300, deadline=None)
def test_the_same_inputs_decide_the_same(recovery: Recovery, script: list[tuple[int, Input]]) -> None:
    """Any prefix decided again from the same committed state gives the same state, events and calls."""
    first, second = Run(recovery), Run(recovery)
    first.play(script)
    second.play(script)
    assert first.decisions == second.decisions


@given(st.sampled_from(list(Recovery)), scripts)
@settings(max_examples=300, deadline=None)
def test_input_replayed_after_the_end_changes_nothing(recovery: Recovery, script: list[tuple[int, Input]]) -> None:
    run = Run(recovery)
    run.play(script)
    if run.lifecycle.phase is not Phase.ENDED:
        return
    ended = run.lifecycle
    for _, event in script:
        decision = run.step(0, event)
        if decision is not None:
            assert decision.lifecycle == ended
            assert not decision.events
            assert not decision.commands


@given(st.sampled_from(list(Recovery)), scripts)
@settings(max_examples=300, deadline=None)
def test_watch_until_is_always_told(recovery: Recovery, script: list[tuple[int, Input]]) -> None:
    run = Run(recovery, watch_until=START + timedelta(seconds=60))
    run.play(script)
    if run.lifecycle.phase is Phase.ENDED or run.now < START + timedelta(seconds=60):
        return
    while (due := next_wake(run.lifecycle, RULES)) is not None and not run.lifecycle.overdue:
        run.now = max(run.now, due)
        assert run.step(0, Woke()) is not None
        if run.lifecycle.phase in {Phase.RECEIVED, Phase.WAITING} and not run.lifecycle.overdue:
            run.decisions.append(replace(run.decisions[-1], lifecycle=replace(run.lifecycle, wake_at=None)))
    assert run.lifecycle.overdue or _has_ended(run)


def test_every_pair_of_phase_and_input_is_decided_on_purpose() -> None:
    """Each input is in the table, or late, or a control record's: never an accident."""
    controls = {CancelWanted, RetryWanted, ResolveWanted}
    everything = set().union(*(set(row) for row in TRANSITIONS.values()))
    for phase, row in TRANSITIONS.items():
        assert not set(row) & LATE[phase], f"{phase}: both decided and late"
        undecided = everything - set(row) - LATE[phase] - controls
        impossible = {
            Phase.RECEIVED: {"Observed", "Vanished", "CancelAnswered", "Unreadable"},
            Phase.WAITING: {"Unreadable"},
            Phase.INTENT: set(),
            Phase.UNSURE: {"Unreadable"},
            Phase.FOLLOWING: {"Unreadable"},
            Phase.PARKED: set(),
            Phase.ENDED: {"Unreadable"},
        }[phase]
        assert {kind.__name__ for kind in undecided} == impossible
