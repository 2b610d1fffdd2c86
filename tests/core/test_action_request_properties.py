"""What holds for every story, whatever happens in whatever order; and that the stories tried here reach everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import Phase as Stage
from hypothesis import given, settings

from bridge.core.inputs import CancelWanted, Input, ResolveWanted, RetryWanted
from bridge.core.lifecycle import Phase
from bridge.core.transitions import LATE, TRANSITIONS
from tests.core import properties
from tests.core.stories import Run, runs

EXAMPLES = 480
"""So many stories reach every row of the tables; see below."""

of_every_story = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)


def _hold(run: Run, *wanted: Callable[[Run], None]) -> None:
    for holds in wanted:
        holds(run)


@given(runs)
@of_every_story
def test_sequences_have_no_gap_and_nothing_follows_the_final_event(run: Run) -> None:
    _hold(run, properties.sequences_have_no_gap, properties.nothing_follows_the_final_event)


@given(runs)
@of_every_story
def test_known_statuses_never_go_backward(run: Run) -> None:
    _hold(run, properties.known_statuses_never_go_backward, properties.what_is_told_before_is_told_right)


@given(runs)
@of_every_story
def test_any_prefix_replayed_twice_changes_nothing_and_calls_nothing(run: Run) -> None:
    _hold(run, properties.an_input_applied_twice_changes_nothing)


@given(runs)
@of_every_story
def test_watch_until_is_always_told(run: Run) -> None:
    _hold(run, properties.watch_until_is_always_told, properties.what_is_overdue_gives_its_lane_up)


@given(runs)
@of_every_story
def test_recovery_says_what_it_rests_on(run: Run) -> None:
    _hold(run, properties.recovery_says_what_it_rests_on)


@given(runs)
@of_every_story
def test_never_retry_is_never_called_twice(run: Run) -> None:
    _hold(run, properties.never_retry_is_never_called_twice)


@given(runs)
@of_every_story
def test_no_call_is_made_while_one_is_in_doubt_nor_after_acceptance(run: Run) -> None:
    _hold(
        run,
        properties.no_call_follows_one_in_doubt_without_a_look,
        properties.nothing_is_called_after_acceptance,
        properties.every_call_has_its_own_intent,
    )


@given(runs)
@of_every_story
def test_nothing_is_claimed_of_a_call_in_doubt_without_a_look(run: Run) -> None:
    _hold(run, properties.nothing_is_claimed_of_a_call_in_doubt)


@given(runs)
@of_every_story
def test_what_is_late_or_refused_changes_nothing(run: Run) -> None:
    _hold(run, properties.what_is_late_changes_nothing, properties.a_refused_word_changes_nothing)


@given(runs)
@of_every_story
def test_every_phase_has_somebody_at_work(run: Run) -> None:
    _hold(run, properties.every_phase_is_driven)


def test_the_stories_reach_every_row_of_the_tables() -> None:
    """The properties above say nothing about what their stories never meet."""
    moves: Counter[tuple[Phase, type[Input], Phase]] = Counter()

    @given(runs)
    @settings(of_every_story, phases=[Stage.generate])
    def count(run: Run) -> None:
        moves.update((step.before.phase, type(step.event), step.after.phase) for step in run.steps)

    count()
    table = {(phase, kind, after) for phase, row in TRANSITIONS.items() for kind, ends in row.items() for after in ends}
    late = {(phase, kind, phase) for phase, kinds in LATE.items() for kind in kinds}
    assert (table | late) - set(moves) == set()


def test_every_pair_of_phase_and_input_is_decided_on_purpose() -> None:
    """Each input is in the table, or late, or a control record's: never an accident."""
    controls = {CancelWanted, RetryWanted, ResolveWanted}
    everything = set().union(*(set(row) for row in TRANSITIONS.values()))
    for phase, row in TRANSITIONS.items():
        assert not set(row) & LATE[phase], f"{phase}: both decided and late"
        undecided = everything - set(row) - LATE[phase] - controls
        impossible = {
            Phase.RESOLVING: {"Granted", "Observed", "Vanished", "CancelAnswered", "Unreadable"},
            Phase.RECEIVED: {"Observed", "Vanished", "CancelAnswered", "Unreadable"},
            Phase.WAITING: {"Unreadable"},
            Phase.INTENT: set(),
            Phase.UNSURE: {"Unreadable"},
            Phase.FOLLOWING: {"Unreadable"},
            Phase.PARKED: set(),
            Phase.ENDED: {"Unreadable"},
        }[phase]
        assert {kind.__name__ for kind in undecided} == impossible
