"""What holds for every story of an action request, whatever happens in whatever order. Judged from outside: inputs,
phases, events and commands, none of the core's own memory of doubts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from bridge.catalogue.operation import Recovery
from bridge.core.answering import MAYBE_DONE_CODES, MAYBE_DONE_STATUSES
from bridge.core.answers import OutcomeUnknown, Refused
from bridge.core.commands import Decision, Follow, Look, MakeCall
from bridge.core.events import Change, Outcome
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
)
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.task import rank
from tests.core.stories import START, Run, Step


def sequences_have_no_gap(run: Run) -> None:
    assert [event.sequence for event in run.events] == list(range(1, len(run.events) + 1))
    assert run.lifecycle.sequence == len(run.events)


def nothing_follows_the_final_event(run: Run) -> None:
    finals = [index for index, event in enumerate(run.events) if event.final]
    assert finals in ([], [len(run.events) - 1])
    assert bool(finals) == (run.lifecycle.phase is Phase.ENDED)


def known_statuses_never_go_backward(run: Run) -> None:
    statuses = [event.task.status for event in run.events if event.task is not None and event.task.status is not None]
    told = [known for status in statuses if (known := rank(status)) is not None]
    assert told == sorted(told)


def what_is_told_before_is_told_right(run: Run) -> None:
    previous = None
    for event in run.events:
        assert event.previous_status == previous
        if event.task is not None and event.task.status is not None:
            previous = event.task.status


def an_input_applied_twice_changes_nothing(run: Run) -> None:
    """Any prefix of a story is the same when each of its inputs comes twice, and no second call is made for it."""
    for step in run.steps:
        again = run.again(step)
        assert again.lifecycle == step.after, f"{step.event} in {step.before.phase}"
        assert not again.events
        assert not any(isinstance(command, MakeCall) for command in again.commands)


def watch_until_is_always_told(run: Run) -> None:
    told = [event for event in run.events if event.change is Change.OVERDUE]
    if run.watch_until is None:
        assert not told
        return
    passed = START + timedelta(seconds=run.watch_until)
    assert len(told) <= 1
    for now, lifecycle in run.rests:
        if lifecycle.is_open and now >= passed:
            assert told
            assert told[0].observed_at <= now


def never_retry_is_never_called_twice(run: Run) -> None:
    """Once a call may have been acted on."""
    if run.recovery is Recovery.NEVER_RETRY:
        for step, doubt in _with_doubt(run):
            assert not (_calls(step) and doubt.ever), f"called again by {step.event}"


def no_call_follows_one_in_doubt_without_a_look(run: Run) -> None:
    """A completed look that found nothing; and, where the class asks for it, one that proved that nothing happened."""
    for step, doubt in _with_doubt(run):
        if _calls(step) and doubt.now:
            assert doubt.disproved
            assert run.recovery is not Recovery.NEVER_RETRY
            assert step.now - doubt.since <= timedelta(minutes=15)


def what_is_adopted_fits_alone(run: Run) -> None:
    """By a look that saw everything, and while no other call is in doubt that could have started it."""
    for step in run.steps:
        adopted = any(event.task is not None for event in step.decision.events)
        if adopted and step.before.phase is Phase.UNSURE and isinstance(step.event, Looked):
            assert len(step.event.candidates) == 1
            assert not step.event.rivals
            assert step.event.incomplete is None


def what_a_state_proves_is_told_by_a_whole_look(run: Run) -> None:
    """The call's own Task may be what could not be read."""
    for step in run.steps:
        proven = any(
            event.reason is not None and event.reason.code == "proven_by_state" for event in step.decision.events
        )
        if proven and isinstance(step.event, Looked):
            assert step.event.incomplete is None or step.event.hold is not None


def nothing_is_called_after_acceptance(run: Run) -> None:
    accepted = False
    for step in run.steps:
        assert not (_calls(step) and accepted)
        accepted = accepted or any(event.task is not None for event in step.decision.events)


def nothing_is_claimed_of_a_call_in_doubt(run: Run) -> None:
    """ "Nothing was called" (expired, canceled before the start, rejected) is told by a look that found nothing, or by
    VCD's plain refusal of the repeat that such a look allowed."""
    for step, doubt in _with_doubt(run):
        claims = any(
            event.outcome in {Outcome.EXPIRED, Outcome.REJECTED}
            or (event.reason is not None and event.reason.code == "canceled_before_start")
            for event in step.decision.events
        )
        if claims and doubt.now:
            assert isinstance(step.event, Looked) or (doubt.disproved and _is_plain_refusal(step.event)), step


def what_is_late_changes_nothing(run: Run) -> None:
    """Answers and looks of other attempts, readings of other Tasks, and what the phase does not wait for any more."""
    for step in run.steps:
        late = _of_another(step) or (
            isinstance(step.event, Observed | Vanished | CancelAnswered) and step.before.phase is not Phase.FOLLOWING
        )
        if late:
            assert step.after is step.before, f"{step.event} in {step.before.phase}"
            assert not step.decision.events
            assert not step.decision.commands


def a_refused_word_changes_nothing(run: Run) -> None:
    for step in run.steps:
        if step.decision.refusal is not None:
            assert step.after is step.before
            assert not step.decision.events
            assert not step.decision.commands


def every_phase_is_driven(run: Run) -> None:
    """Who enters a phase, or is restored in it, has somebody at work who brings the next input."""
    at_work = {Phase.INTENT: MakeCall, Phase.UNSURE: Look, Phase.FOLLOWING: Follow}
    for step in run.steps:
        phase = step.after.phase
        entered = phase is not step.before.phase
        if phase in at_work and (entered or isinstance(step.event, Restored)):
            assert any(isinstance(command, at_work[phase]) for command in step.decision.commands)


def every_call_has_its_own_intent(run: Run) -> None:
    attempts = []
    for step in run.steps:
        for command in step.decision.commands:
            if isinstance(command, MakeCall):
                attempts.append(command.attempt)
                assert isinstance(step.event, Granted)
                assert step.after.phase is Phase.INTENT
                assert step.after.attempt == command.attempt
                assert step.after.intent_at == step.now
    assert attempts == sorted(set(attempts))


def what_is_overdue_gives_its_lane_up(run: Run) -> None:
    for step in run.steps:
        if step.after.phase is Phase.FOLLOWING and step.after.overdue:
            assert not step.after.holds_lane


def recovery_says_what_it_rests_on(run: Run) -> None:
    """Whoever has the log and the events can follow each decision about a call in doubt, and each operator's word."""
    for step in run.steps:
        if _is_of_recovery(step) and step.decision.refusal is None:
            assert rests_on(step.before, step.decision), f"{step.event} in {step.before.phase}"


PROPERTIES: tuple[Callable[[Run], None], ...] = (
    sequences_have_no_gap,
    nothing_follows_the_final_event,
    known_statuses_never_go_backward,
    what_is_told_before_is_told_right,
    an_input_applied_twice_changes_nothing,
    watch_until_is_always_told,
    never_retry_is_never_called_twice,
    no_call_follows_one_in_doubt_without_a_look,
    what_is_adopted_fits_alone,
    what_a_state_proves_is_told_by_a_whole_look,
    nothing_is_called_after_acceptance,
    nothing_is_claimed_of_a_call_in_doubt,
    what_is_late_changes_nothing,
    a_refused_word_changes_nothing,
    every_phase_is_driven,
    every_call_has_its_own_intent,
    what_is_overdue_gives_its_lane_up,
    recovery_says_what_it_rests_on,
)


# --- the doubt, as an outsider knows it -------------------------------------------------------------------------------


class _Doubt:
    """``now``: a call is out whose outcome nobody knows; ``disproved``: a look since found that it did nothing."""

    def __init__(self) -> None:
        self.now = False
        self.ever = False
        self.disproved = False
        self.since = START


def _with_doubt(run: Run) -> Iterator[tuple[Step, _Doubt]]:
    """Each step, with what was in doubt before it; a look counts for the step that it is."""
    doubt = _Doubt()
    called_at = START
    for step in run.steps:
        if isinstance(step.event, Looked) and step.before.phase is Phase.UNSURE and not _of_another(step):
            nothing = not (step.event.candidates or step.event.happened or step.event.overtaken)
            proven = run.recovery is Recovery.IDEMPOTENT or step.event.happened is False
            doubt.disproved = nothing and proven and step.event.incomplete is None
        yield step, doubt
        if _calls(step):
            called_at = step.now
        if _becomes_unknown(step):
            doubt.since = doubt.since if doubt.now else called_at
            doubt.now, doubt.ever, doubt.disproved = True, True, False
        if step.after.phase is Phase.FOLLOWING or (
            isinstance(step.event, RetryWanted) and step.decision.refusal is None
        ):
            # A Task is ours, or a person has vouched for the calls before.
            doubt.now = False


def _becomes_unknown(step: Step) -> bool:
    if step.before.phase is not Phase.INTENT or _of_another(step):
        return False
    unknown = isinstance(step.event, Answered) and isinstance(step.event.answer, OutcomeUnknown)
    return unknown or isinstance(step.event, Restored)


def _of_another(step: Step) -> bool:
    if isinstance(step.event, Answered | Looked):
        return step.event.attempt != step.before.attempt
    if isinstance(step.event, CancelAnswered):
        return step.event.task_id != step.before.task_id
    return isinstance(step.event, Observed) and step.event.task.id != step.before.task_id


def rests_on(before: Lifecycle, decision: Decision) -> bool:
    """Whether an event tells its evidence, a note logs it, or the doubt that begins is kept with it (and logged)."""
    told = any(event.evidence for event in decision.events)
    logged = any(note.startswith(("recovery_", "operator_")) for note in decision.notes) and any(decision.evidence)
    begins = decision.lifecycle.phase is Phase.UNSURE and decision.lifecycle.looks != before.looks
    return told or logged or (begins and bool(decision.lifecycle.evidence))


def _is_of_recovery(step: Step) -> bool:
    if step.after == step.before or _of_another(step):
        return False
    begins = step.after.phase is Phase.UNSURE and step.before.phase is not Phase.UNSURE
    parks = step.after.phase is Phase.PARKED and step.before.phase is not Phase.PARKED
    words = CancelWanted | RetryWanted | ResolveWanted
    return begins or parks or isinstance(step.event, Looked | words)


def _is_plain_refusal(event: Input) -> bool:
    return (
        isinstance(event, Answered)
        and isinstance(event.answer, Refused)
        and event.answer.code not in MAYBE_DONE_CODES
        and event.answer.http_status not in MAYBE_DONE_STATUSES
    )


def _calls(step: Step) -> bool:
    return any(isinstance(command, MakeCall) for command in step.decision.commands)
