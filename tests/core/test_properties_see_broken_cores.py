"""Tests of the tester: cores that are broken on purpose, and the property that has to see each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import Phase as Stage
from hypothesis import given, settings

from bridge.core import action_request, answering, own_task, reconciling, transitions
from bridge.core.commands import Decision, Look
from bridge.core.events import Change, Outcome, Reason
from bridge.core.inputs import Answered, CancelWanted, Granted, Looked, RetryWanted
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.rules import OperationFacts, Rules
from bridge.core.story import Story
from bridge.core.task import Task
from tests.core import properties
from tests.core.stories import Run, runs
from tests.core.test_action_request_properties import of_every_story

Patch = pytest.MonkeyPatch


class _Seen(Exception):
    """A story broke the property."""


def _sees(holds: Callable[[Run], None]) -> bool:
    @given(runs)
    @settings(of_every_story, phases=[Stage.generate], report_multiple_bugs=False)
    def look(run: Run) -> None:
        try:
            holds(run)
        except AssertionError:
            raise _Seen from None

    try:
        look()
    except _Seen:
        return True
    return False


def _statuses_go_backward(patch: Patch) -> None:
    patch.setattr(own_task, "is_regression", lambda *_: False)
    patch.setattr(own_task, "is_news", lambda *_: True)


def _never_retry_is_repeated(patch: Patch) -> None:
    patch.setattr(reconciling, "_why_class_forbids", lambda *_: None)


def _overdue_is_untold_while_followed(patch: Patch) -> None:
    real = action_request.woke

    def woke(story: Story, rules: Rules) -> None:
        if story.lifecycle.phase is not Phase.FOLLOWING:
            real(story, rules)

    patch.setattr(action_request, "woke", woke)


def _a_passed_start_by_hides_watch_until(patch: Patch) -> None:
    real = action_request.next_wake

    def next_wake(lifecycle: Lifecycle, rules: Rules, after: datetime | None = None) -> datetime | None:
        first = real(lifecycle, rules)
        return None if after is not None and first is not None and first <= after else real(lifecycle, rules, after)

    patch.setattr(action_request, "next_wake", next_wake)


def _something_follows_the_end(patch: Patch) -> None:
    real = own_task.finish

    def finish(story: Story, task: Task) -> None:
        real(story, task)
        story.tell(Change.CHANGED, task=task)

    patch.setattr(own_task, "finish", finish)


def _answers_of_old_attempts_count(patch: Patch) -> None:
    real = action_request._apply_call

    def apply(story: Story, event: Granted | Answered | Looked, facts: OperationFacts, rules: Rules) -> None:
        real(story, event if isinstance(event, Granted) else _of_now(story, event), facts, rules)

    patch.setattr(action_request, "_apply_call", apply)


def _of_now(story: Story, event: Answered | Looked) -> Answered | Looked:
    return replace(event, attempt=story.lifecycle.attempt)


def _readings_of_other_tasks_count(patch: Patch) -> None:
    real = own_task.observed

    def observed(story: Story, task: Task, rules: Rules) -> None:
        document = task.document.copy()
        document["id"] = story.lifecycle.task_id
        real(story, Task(document), rules)

    patch.setattr(action_request, "observed", observed)


def _doubt_is_forgotten_when_busy(patch: Patch) -> None:
    real = answering._busy

    def busy(story: Story, *rest: Any) -> None:
        story.become(unsure_code=None)
        real(story, *rest)

    patch.setattr(answering, "_busy", busy)


def _a_cancel_ends_a_doubtful_wait(patch: Patch) -> None:
    real = action_request._cancel_wanted

    def cancel_wanted(story: Story, event: CancelWanted) -> None:
        if story.lifecycle.phase is Phase.WAITING:
            story.end(Outcome.CANCELED, reason=Reason("canceled_before_start", ""))
        else:
            real(story, event)

    patch.setattr(action_request, "_cancel_wanted", cancel_wanted)


def _start_by_ends_a_doubtful_wait(patch: Patch) -> None:
    patch.setattr(
        action_request, "expire", lambda story: story.end(Outcome.EXPIRED, reason=Reason("start_by_passed", ""))
    )


def _a_spent_budget_rejects_in_doubt(patch: Patch) -> None:
    patch.setattr(
        answering,
        "_give_up",
        lambda story, *_: story.end(Outcome.REJECTED, change=Change.REJECTED, reason=Reason("retries_exhausted", "")),
    )


def _a_maybe_done_refusal_rejects(patch: Patch) -> None:
    patch.setattr(answering, "_may_mean_done", lambda _: False)


def _an_incomplete_look_repeats(patch: Patch) -> None:
    real = reconciling._why_not_again
    patch.setattr(
        reconciling, "_why_not_again", lambda story, look, *rest: real(story, replace(look, incomplete=None), *rest)
    )


def _what_was_not_seen_does_not_fit(patch: Patch) -> None:
    real = reconciling._found
    patch.setattr(reconciling, "_found", lambda story, look: real(story, replace(look, incomplete=None)))


def _what_was_not_seen_leaves_the_state_to_prove(patch: Patch) -> None:
    real = reconciling.looked

    def proven(story: Story, look: Looked, facts: OperationFacts, rules: Rules) -> None:
        real(story, replace(look, incomplete=None) if look.happened else look, facts, rules)

    patch.setattr(action_request, "looked", proven)


def _a_call_is_repeated_however_late(patch: Patch) -> None:
    patch.setattr(reconciling, "too_late_to_repeat", lambda *_: False)
    patch.setattr(action_request, "too_late_to_repeat", lambda *_: False)


def _an_overdue_one_keeps_its_lane(patch: Patch) -> None:
    real = own_task.accept

    def accept(story: Story, task: Task) -> None:
        real(story, task)
        story.become(lane_released=False)

    for module in (action_request, answering, reconciling):
        patch.setattr(module, "accept", accept)


def _retry_after_acceptance(patch: Patch) -> None:
    real = action_request._retry_wanted

    def retry(story: Story, event: RetryWanted, facts: OperationFacts) -> str | None:
        story.become(task_id=None)
        return real(story, event, facts)

    patch.setattr(action_request, "_retry_wanted", retry)


def _a_sequence_is_taken_twice(patch: Patch) -> None:
    real = Story.tell

    def tell(self: Story, change: Change, **more: Any) -> None:
        before = self.lifecycle.sequence
        real(self, change, **more)
        if change is Change.WAITING:
            self.become(sequence=before)

    patch.setattr(Story, "tell", tell)


def _unknown_statuses_are_told_again(patch: Patch) -> None:
    real = Story.told_task

    def told_task(self: Story, task: Task) -> None:
        real(self, task)
        self.become(unknown_told=())

    patch.setattr(Story, "told_task", told_task)


def _nobody_looks(patch: Patch) -> None:
    real = reconciling.become_unsure

    def become_unsure(story: Story, code: str, *, settle: bool) -> None:
        real(story, code, settle=settle)
        story.commands = [command for command in story.commands if not isinstance(command, Look)]

    patch.setattr(action_request, "become_unsure", become_unsure)


def _a_second_grant_calls_again(patch: Patch) -> None:
    patch.setitem(transitions.TRANSITIONS[Phase.INTENT], Granted, frozenset({Phase.INTENT}))


def _what_was_told_is_forgotten(patch: Patch) -> None:
    real = Story.told_task

    def told_task(self: Story, task: Task) -> None:
        before = self.lifecycle.status
        real(self, task)
        self.become(status=before)

    patch.setattr(Story, "told_task", told_task)


def _two_calls_share_an_intent(patch: Patch) -> None:
    real = action_request.granted

    def granted(story: Story, event: Granted, rules: Rules) -> None:
        real(story, event, rules)
        story.become(attempt=1)

    patch.setattr(action_request, "granted", granted)


def _a_refused_word_leaves_a_trace(patch: Patch) -> None:
    def decision(lifecycle: Lifecycle, refusal: str | None = None) -> Decision:
        return Decision(lifecycle if refusal is None else replace(lifecycle, cancel_wanted=True), refusal=refusal)

    patch.setattr(action_request, "Decision", decision)


def _decisions_are_quiet(patch: Patch) -> None:
    patch.setattr(Story, "because", lambda *_: None)


BROKEN: tuple[tuple[Callable[[Patch], None], Callable[[Run], None]], ...] = (
    (_statuses_go_backward, properties.known_statuses_never_go_backward),
    (_never_retry_is_repeated, properties.never_retry_is_never_called_twice),
    (_overdue_is_untold_while_followed, properties.watch_until_is_always_told),
    (_a_passed_start_by_hides_watch_until, properties.watch_until_is_always_told),
    (_something_follows_the_end, properties.nothing_follows_the_final_event),
    (_answers_of_old_attempts_count, properties.what_is_late_changes_nothing),
    (_readings_of_other_tasks_count, properties.what_is_late_changes_nothing),
    (_doubt_is_forgotten_when_busy, properties.nothing_is_claimed_of_a_call_in_doubt),
    (_a_cancel_ends_a_doubtful_wait, properties.nothing_is_claimed_of_a_call_in_doubt),
    (_start_by_ends_a_doubtful_wait, properties.nothing_is_claimed_of_a_call_in_doubt),
    (_a_spent_budget_rejects_in_doubt, properties.nothing_is_claimed_of_a_call_in_doubt),
    (_a_maybe_done_refusal_rejects, properties.nothing_is_claimed_of_a_call_in_doubt),
    (_an_incomplete_look_repeats, properties.no_call_follows_one_in_doubt_without_a_look),
    (_what_was_not_seen_does_not_fit, properties.what_is_adopted_fits_alone),
    (_what_was_not_seen_leaves_the_state_to_prove, properties.what_a_state_proves_is_told_by_a_whole_look),
    (_a_call_is_repeated_however_late, properties.no_call_follows_one_in_doubt_without_a_look),
    (_an_overdue_one_keeps_its_lane, properties.what_is_overdue_gives_its_lane_up),
    (_retry_after_acceptance, properties.nothing_is_called_after_acceptance),
    (_a_sequence_is_taken_twice, properties.sequences_have_no_gap),
    (_unknown_statuses_are_told_again, properties.an_input_applied_twice_changes_nothing),
    (_nobody_looks, properties.every_phase_is_driven),
    (_a_second_grant_calls_again, properties.an_input_applied_twice_changes_nothing),
    (_what_was_told_is_forgotten, properties.what_is_told_before_is_told_right),
    (_two_calls_share_an_intent, properties.every_call_has_its_own_intent),
    (_a_refused_word_leaves_a_trace, properties.a_refused_word_changes_nothing),
    (_decisions_are_quiet, properties.recovery_says_what_it_rests_on),
)


@pytest.mark.parametrize(("break_core", "property_that_sees_it"), BROKEN, ids=lambda f: f.__name__.strip("_"))
def test_it_is_seen(
    break_core: Callable[[Patch], None], property_that_sees_it: Callable[[Run], None], monkeypatch: Patch
) -> None:
    break_core(monkeypatch)
    assert _sees(property_that_sees_it)


def test_every_property_is_tried() -> None:
    """A property that no broken core can break proves nothing."""
    tried = {holds for _, holds in BROKEN}
    assert {holds.__name__ for holds in properties.PROPERTIES if holds not in tried} == set()
