"""Judges a finished run from outside: input records, VCD's ledger and Tasks, events, dead letters, store, offsets.

Knows nothing of the engine. Each rule yields what violates it, in words that tell where to look. Used by every test
that injects faults; the guarantees' wording is in ``docs/guarantees.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.support.checker import (
    accounting,
    atomic,
    blocked,
    calls,
    controls,
    decisions,
    frozen,
    lanes,
    observed,
    owners,
    refusals,
    shown,
    store,
    stories,
    tasks,
)
from tests.support.checker.evidence import Evidence
from tests.support.checker.joined import Joined
from tests.support.checker.violation import Harm, Violation

__all__ = ["RULES", "Harm", "Violation", "violations"]

Rule = Callable[[Joined], Iterable[Violation]]

RULES: tuple[Rule, ...] = (
    accounting.everything_has_a_record,
    accounting.every_record_is_accounted_for,
    accounting.dead_letters_are_as_received,
    stories.stories_are_whole,
    stories.each_end_has_one_ticket_update,
    stories.parked_is_told,
    stories.deadlines_are_kept,
    calls.calls_are_ours,
    calls.calls_have_intents,
    calls.calls_are_what_was_asked_for,
    calls.doubts_are_looked_into,
    calls.nothing_is_done_twice,
    calls.ends_match_calls,
    calls.answers_are_told,
    controls.nobody_is_given_up_early,
    controls.cancels_reach_vcd,
    decisions.one_decision_takes_effect,
    decisions.who_decides_is_told_what_happened,
    frozen.nothing_is_called_in_a_freeze,
    tasks.tasks_belong_to_their_callers,
    tasks.ends_are_those_of_the_tasks,
    tasks.told_statuses_are_the_tasks,
    tasks.started_tasks_are_told,
    tasks.parks_are_explained,
    shown.one_task_per_key,
    shown.calls_are_about_their_own_task,
    shown.ends_take_effect_once,
    shown.nothing_runs_unattended,
    shown.orphans_bear_our_mark,
    shown.documents_go_forward,
    shown.the_last_word_is_shown,
    shown.what_is_never_shown_is_refused,
    shown.silence_lasts_as_long_as_was_said,
    observed.observed_tasks_are_told_once,
    observed.what_is_told_is_so,
    observed.nothing_is_left_out,
    observed.stories_keep_within_their_observation,
    observed.observations_are_up_to_date,
    observed.it_begins_when_it_was_asked_for,
    observed.nothing_is_kept_too_long,
    blocked.blocking_tasks_are_told_truly,
    blocked.no_blocking_task_is_left_out,
    lanes.lanes_hold,
    lanes.what_passes_is_waited_for,
    owners.calls_leave_within_their_lease,
    owners.calls_are_made_by_owners,
    owners.nobody_writes_into_a_tenure,
    owners.those_who_lost_a_partition_keep_quiet,
    atomic.steps_are_whole,
    atomic.offsets_go_with_what_is_written,
    refusals.offsets_ahead_are_refused,
    refusals.lost_stores_are_not_taken,
    refusals.nothing_is_refused_without_cause,
    store.states_build_on_each_other,
    store.store_equals_stories,
    store.requests_are_dropped_in_time,
    store.cursors_go_forward,
    store.memory_is_bounded,
)


def violations(evidence: Evidence) -> list[Violation]:
    """Everything that contradicts the guarantees; empty when the run is clean."""
    joined = Joined(evidence)
    return [found for rule in RULES for found in rule(joined)]
