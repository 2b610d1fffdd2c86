"""What holds for every external task, whatever happens in whatever order; and that the stories reach everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import Phase as Stage
from hypothesis import given, settings

from bridge.core.external.transitions import EXTERNAL_LATE, EXTERNAL_TRANSITIONS
from bridge.core.inputs import ExternalInput
from bridge.core.lifecycle import Phase
from tests.core.external import properties
from tests.core.external.stories import Run, runs

EXAMPLES = 1000
"""So many stories reach every row of the tables; see below."""

of_every_story = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)


@given(runs)
@of_every_story
def test_what_is_told(run: Run) -> None:
    _hold(
        run,
        properties.sequences_have_no_gap,
        properties.nothing_follows_the_final_event,
        properties.known_statuses_never_go_backward,
        properties.what_was_told_before_is_told_right,
        properties.acceptance_is_told_at_most_once,
    )


@given(runs)
@of_every_story
def test_what_becomes_of_commands(run: Run) -> None:
    _hold(
        run,
        properties.a_command_is_told_at_most_once,
        properties.every_command_is_shown_or_told,
        properties.what_was_taken_is_sent,
        properties.a_refused_change_is_not_sent_for_ever,
        properties.counters_are_in_order,
    )


@given(runs)
@of_every_story
def test_what_is_called(run: Run) -> None:
    _hold(
        run,
        properties.no_post_follows_a_known_task,
        properties.no_post_follows_one_that_may_have_worked,
        properties.no_call_follows_one_in_doubt_without_a_look,
        properties.every_call_has_its_own_intent,
        properties.at_most_one_call_is_out,
    )


@given(runs)
@of_every_story
def test_what_is_sent(run: Run) -> None:
    _hold(
        run,
        properties.every_call_bears_the_mark,
        properties.after_an_end_is_wanted_nothing_else_is_sent,
        properties.updates_keep_their_pace,
    )


@given(runs)
@of_every_story
def test_silence(run: Run) -> None:
    _hold(run, properties.silence_ends_nothing_without_a_look, properties.silence_is_noticed)


@given(runs)
@of_every_story
def test_repeats_and_late_inputs_change_nothing_and_somebody_is_at_work(run: Run) -> None:
    _hold(
        run,
        properties.an_input_applied_twice_changes_nothing,
        properties.what_is_late_changes_nothing,
        properties.every_phase_is_driven,
    )


def _hold(run: Run, *wanted: Callable[[Run], None]) -> None:
    for holds in wanted:
        holds(run)


def test_the_stories_reach_every_row_of_the_tables() -> None:
    """The properties above say nothing about what their stories never meet."""
    moves: Counter[tuple[Phase, type[ExternalInput], Phase]] = Counter()

    @given(runs)
    @settings(of_every_story, phases=[Stage.generate], max_examples=2 * EXAMPLES)
    def count(run: Run) -> None:
        moves.update((step.before.phase, type(step.event), step.after.phase) for step in run.steps)

    count()
    table = {
        (phase, kind, after)
        for phase, row in EXTERNAL_TRANSITIONS.items()
        for kind, ends in row.items()
        for after in ends
    }
    late = {(phase, kind, phase) for phase, kinds in EXTERNAL_LATE.items() for kind in kinds}
    missing = {(phase.value, kind.__name__, after.value) for phase, kind, after in (table | late) - set(moves)}
    assert missing == set()


@pytest.mark.parametrize("phase", Phase, ids=str)
def test_every_pair_of_phase_and_input_is_decided_on_purpose(phase: Phase) -> None:
    """Each input is in the table, or late: never an accident."""
    if phase in {Phase.PENDING, Phase.KEPT, Phase.STOPPING}:  # phases of other kinds
        assert phase not in EXTERNAL_TRANSITIONS
        return
    row, late = set(EXTERNAL_TRANSITIONS[phase]), EXTERNAL_LATE[phase]
    assert not row & late, "both decided and late"
    everything = set().union(*(set(row) for row in EXTERNAL_TRANSITIONS.values()))
    # The engine judges commands before: none is applied to what has ended.
    impossible = {"Commanded"} if phase is Phase.ENDED else set()
    assert {kind.__name__ for kind in everything - row - late} == impossible
