"""Tests of the tester: cores that are broken on purpose, and the property that has to see each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import Phase as Stage
from hypothesis import given, settings

from bridge.core import own_task
from bridge.core.commands import Follow, Look, ReadTask
from bridge.core.events import Change, Reason
from bridge.core.external import answering, changes, judging, lifecycle, looking, opening, showing, transitions
from bridge.core.external.marks import Marker
from bridge.core.external_rules import ExternalRules
from bridge.core.inputs import Answered, Granted, Looked, Observed, Restored
from bridge.core.lifecycle import Lifecycle, Phase, StoredRequest
from bridge.core.rules import Rules
from bridge.core.story import Story
from bridge.core.task import Task
from tests.core.external import properties
from tests.core.external.stories import Run, runs
from tests.core.external.test_properties import EXAMPLES, of_every_story

Patch = pytest.MonkeyPatch


class _Seen(Exception):
    """A story broke the property."""


def _sees(holds: Callable[[Run], None]) -> bool:
    @given(runs)
    @settings(of_every_story, phases=[Stage.generate], max_examples=3 * EXAMPLES, report_multiple_bugs=False)
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


# --- what is told -----------------------------------------------------------------------------------------------------


def _a_sequence_is_taken_twice(patch: Patch) -> None:
    real = Story.tell

    def tell(self: Story, change: Change, **more: Any) -> None:
        before = self.lifecycle.sequence
        real(self, change, **more)
        if change is Change.PARKED:
            self.become(sequence=before)

    patch.setattr(Story, "tell", tell)


def _something_follows_the_end(patch: Patch) -> None:
    real = showing.ended_in_vcd

    def ended(story: Story, task: Task) -> None:
        real(story, task)
        story.tell(Change.CHANGED, task=task)

    for module in (showing, answering, looking, lifecycle):
        patch.setattr(module, "ended_in_vcd", ended)


def _statuses_go_backward(patch: Patch) -> None:
    patch.setattr(own_task, "is_regression", lambda *_: False)
    patch.setattr(own_task, "is_news", lambda *_: True)


def _what_was_told_is_forgotten(patch: Patch) -> None:
    real = Story.told_task

    def told_task(self: Story, task: Task) -> None:
        before = self.lifecycle.status
        real(self, task)
        self.become(status=before)

    patch.setattr(Story, "told_task", told_task)


def _a_task_found_again_is_accepted_again(patch: Patch) -> None:
    real = showing.ours

    def ours(story: Story, task: Task, request: StoredRequest | None, rules: Rules) -> None:
        stands_in = StoredRequest(birth=story.lifecycle.birth, method="", path="", query=(), media_type=None, body="{}")
        real(story, task, request or stands_in, rules)

    patch.setattr(looking, "ours", ours)


# --- what becomes of commands -----------------------------------------------------------------------------------------


def _a_refusal_is_told_again(patch: Patch) -> None:
    real = changes.refused

    def refused(story: Story, reason: Reason) -> None:
        before = story.lifecycle.unshown
        real(story, reason)
        story.become(unshown=before)

    patch.setattr(changes, "refused", refused)


def _nobody_is_told_of_a_refusal(patch: Patch) -> None:
    patch.setattr(changes, "refused", lambda story, reason: story.become(unshown=()))


def _what_came_during_a_call_counts_as_shown(patch: Patch) -> None:
    def shown(story: Story, *, unended: bool) -> None:
        story.become(sending=story.lifecycle.wanted, shown=story.lifecycle.wanted, unshown=())

    patch.setattr(changes, "shown", shown)


def _more_is_shown_than_was_sent(patch: Patch) -> None:
    patch.setattr(changes, "shown", lambda story, unended: story.become(shown=story.lifecycle.wanted))


def _a_refused_change_is_tried_for_ever(patch: Patch) -> None:
    patch.setattr(looking, "REFUSED_AGAIN", "never")


# --- what is called ---------------------------------------------------------------------------------------------------


def _an_update_makes_a_task(patch: Patch) -> None:
    real = showing.ours

    def ours(story: Story, task: Task, request: StoredRequest | None, rules: Rules) -> None:
        real(story, task, request, rules)
        story.request = replace(story.request, method="POST") if story.request is not None else None

    patch.setattr(answering, "ours", ours)


def _an_unanswered_post_is_repeated(patch: Patch) -> None:
    patch.setattr(looking, "_why_not_again", lambda *_: None)


def _a_restart_forgets_the_call(patch: Patch) -> None:
    real = lifecycle._restored

    def restored(story: Story, request: StoredRequest | None) -> None:
        if story.lifecycle.phase is Phase.INTENT:
            story.become(phase=Phase.WAITING)
        else:
            real(story, request)

    patch.setattr(lifecycle, "_restored", restored)
    patch.setitem(transitions.EXTERNAL_TRANSITIONS[Phase.INTENT], Restored, frozenset({Phase.WAITING}))


def _two_calls_share_an_intent(patch: Patch) -> None:
    real = lifecycle._granted

    def granted(story: Story) -> None:
        real(story)
        story.become(attempt=1)

    patch.setattr(lifecycle, "_granted", granted)


def _a_second_grant_calls_again(patch: Patch) -> None:
    patch.setitem(transitions.EXTERNAL_TRANSITIONS[Phase.INTENT], Granted, frozenset({Phase.INTENT}))


# --- what is sent -----------------------------------------------------------------------------------------------------


def _the_mark_is_left_out_of_updates(patch: Patch) -> None:
    real = Marker.marked

    def marked(self: Marker, operation: str | None, external_key: str) -> str:
        return operation if operation == "Changes" else real(self, operation, external_key)

    patch.setattr(Marker, "marked", marked)


def _an_update_follows_a_finish(patch: Patch) -> None:
    patch.setattr(judging, "is_final", lambda _: False)
    patch.setattr(judging, "_backward", lambda *_: None)


def _updates_leave_at_once(patch: Patch) -> None:
    def show_again(story: Story, external: ExternalRules) -> None:
        story.become(phase=Phase.WAITING, wake_at=None)

    for module in (showing, lifecycle):
        patch.setattr(module, "show_again", show_again)


# --- silence ----------------------------------------------------------------------------------------------------------


def _every_reading_counts_as_asked_for(patch: Patch) -> None:
    real = lifecycle._observed

    def observed(story: Story, event: Observed, *rest: Any) -> None:
        real(story, replace(event, asked=True), *rest)

    patch.setattr(lifecycle, "_observed", observed)


def _nobody_notices_a_silence(patch: Patch) -> None:
    def next_wake(one: Lifecycle, after: datetime | None = None) -> datetime | None:
        return None

    patch.setattr(lifecycle, "next_wake_external", next_wake)


def _a_parked_task_is_forgotten(patch: Patch) -> None:
    real = lifecycle._woke

    def woke(story: Story) -> None:
        if story.lifecycle.phase is not Phase.PARKED:
            real(story)

    patch.setattr(lifecycle, "_woke", woke)


# --- the tables and the engine ----------------------------------------------------------------------------------------


def _answers_of_old_attempts_count(patch: Patch) -> None:
    real = lifecycle._apply_call

    def apply(story: Story, event: Granted | Answered | Looked, *rest: Any) -> None:
        of_now = event if isinstance(event, Granted) else replace(event, attempt=story.lifecycle.attempt)
        real(story, of_now, *rest)

    patch.setattr(lifecycle, "_apply_call", apply)


def _unknown_statuses_are_told_again(patch: Patch) -> None:
    real = Story.told_task

    def told_task(self: Story, task: Task) -> None:
        real(self, task)
        self.become(unknown_told=())

    patch.setattr(Story, "told_task", told_task)


def _a_repeat_is_not_recognised(patch: Patch) -> None:
    patch.setattr(lifecycle, "REMEMBERED_COMMANDS", 1)
    patch.setattr(opening, "fingerprint", lambda _: None)

    real = lifecycle._heard

    def heard(story: Story, event: Any) -> None:
        real(story, replace(event, fingerprint=None))

    patch.setattr(lifecycle, "_heard", heard)


def _without(command: type[object]) -> Callable[[Patch], None]:
    """Nobody is at work."""

    def break_core(patch: Patch) -> None:
        real = Story.decision

        def decision(self: Story) -> Any:
            self.commands = [one for one in self.commands if not isinstance(one, command)]
            return real(self)

        patch.setattr(Story, "decision", decision)

    break_core.__name__ = f"_without_{command.__name__}"
    return break_core


BROKEN: tuple[tuple[Callable[[Patch], None], Callable[[Run], None]], ...] = (
    (_a_sequence_is_taken_twice, properties.sequences_have_no_gap),
    (_something_follows_the_end, properties.nothing_follows_the_final_event),
    (_statuses_go_backward, properties.known_statuses_never_go_backward),
    (_what_was_told_is_forgotten, properties.what_was_told_before_is_told_right),
    (_a_task_found_again_is_accepted_again, properties.acceptance_is_told_at_most_once),
    (_a_refusal_is_told_again, properties.a_command_is_told_at_most_once),
    (_nobody_is_told_of_a_refusal, properties.every_command_is_shown_or_told),
    (_what_came_during_a_call_counts_as_shown, properties.what_was_taken_is_sent),
    (_more_is_shown_than_was_sent, properties.counters_are_in_order),
    (_a_refused_change_is_tried_for_ever, properties.a_refused_change_is_not_sent_for_ever),
    (_an_update_makes_a_task, properties.no_post_follows_a_known_task),
    (_an_unanswered_post_is_repeated, properties.no_post_follows_one_that_may_have_worked),
    (_a_restart_forgets_the_call, properties.no_call_follows_one_in_doubt_without_a_look),
    (_two_calls_share_an_intent, properties.every_call_has_its_own_intent),
    (_a_second_grant_calls_again, properties.at_most_one_call_is_out),
    (_the_mark_is_left_out_of_updates, properties.every_call_bears_the_mark),
    (_an_update_follows_a_finish, properties.after_an_end_is_wanted_nothing_else_is_sent),
    (_updates_leave_at_once, properties.updates_keep_their_pace),
    (_every_reading_counts_as_asked_for, properties.silence_ends_nothing_without_a_look),
    (_nobody_notices_a_silence, properties.silence_is_noticed),
    (_a_parked_task_is_forgotten, properties.silence_is_noticed),
    (_answers_of_old_attempts_count, properties.what_is_late_changes_nothing),
    (_unknown_statuses_are_told_again, properties.an_input_applied_twice_changes_nothing),
    (_a_repeat_is_not_recognised, properties.an_input_applied_twice_changes_nothing),
    (_without(Look), properties.every_phase_is_driven),
    (_without(Follow), properties.every_phase_is_driven),
    (_without(ReadTask), properties.every_phase_is_driven),
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
