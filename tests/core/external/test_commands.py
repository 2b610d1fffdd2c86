"""What an owner's commands leave behind: signs of life, correlation ids, and the stories of those that VCD refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bridge.core.answers import Accepted, Refused
from bridge.core.coordinates import Birth
from bridge.core.events import Change, Outcome, Reason, StatusEvent
from bridge.core.external.changes import TOLD_WITH_CORRELATION
from bridge.core.external.judging import MOST_UNSHOWN, Repeat
from bridge.core.inputs import Answered, Granted, Looked, Observed, Vanished
from bridge.core.lifecycle import Phase
from tests.core.external.happenings import KEY, UNKNOWN, Restart, finish, update
from tests.core.external.stories import NAMESPACE, POSTED, SHOWN, Run
from tests.core.happenings import task
from tests.core.stories import START

REFUSED = Refused(code="BAD_REQUEST", message="details are too long", http_status=400, vcd_request_id="r-1")


def played(*happenings: Any, **fields: Any) -> Run:
    run = Run(**fields)
    for happening in happenings:
        run.happen(1, happening)
    return run


def stands(run: Run) -> Looked:
    return Looked(attempt=run.lifecycle.attempt, candidates=(task("1"),), happened=None, evidence=())


def refuse(run: Run, answer: Refused = REFUSED) -> None:
    """VCD refuses what is wanted now, and the Task is looked at."""
    run.happen(1, Granted())
    run.happen(0, Answered(run.lifecycle.attempt, answer, 0.5))
    run.happen(0, stands(run))


def told(run: Run) -> dict[int, StatusEvent]:
    """The stories of commands, by the offset of their records."""
    return {event.birth.offset: event for _, event in run.refusals}


# --- those that VCD refused -------------------------------------------------------------------------------------------


def test_each_refused_command_gets_a_story_of_one_event() -> None:
    run = played(*SHOWN, update(details="x" * 99, correlation_id="T2"), update(progress=10))
    refuse(run)
    assert sorted(told(run)) == [2, 3]
    event = told(run)[2]
    assert (event.birth, event.sequence, event.final) == (Birth("tickets", 0, 2), 1, True)
    assert (event.change, event.outcome) == (Change.REJECTED, Outcome.REJECTED)
    assert event.reason is not None
    assert (event.reason.code, event.reason.message) == ("BAD_REQUEST", "details are too long")
    assert (event.lifecycle, event.external_key, event.key) == ("external_task", KEY, KEY.encode())
    assert (event.correlation_id, told(run)[3].correlation_id) == ("T2", None)
    assert (event.http_status, event.vcd_request_id) == (400, "r-1")
    assert event.task is None


def test_a_refused_command_can_be_sent_again_as_it_is() -> None:
    again = update(details="x", command_id="u-1", revision=5)
    run = played(*SHOWN, again)
    refuse(run)
    assert run.lifecycle.revision == 0
    run.happen(1, again)
    assert run.lifecycle.phase is Phase.WAITING
    run.happen(1, again)
    assert isinstance(run.verdicts[Birth("tickets", 0, 4)][1], Repeat)


def test_what_was_shown_before_is_not_forgotten() -> None:
    run = played(*SHOWN, update(progress=10, command_id="u-1", revision=5))
    run.happen(1, Granted())
    run.happen(1, Answered(2, Accepted(task=task("1"), http_status=200), 0.5))
    run.happen(1, update(details="x", command_id="u-2"))
    refuse(run)
    assert sorted(told(run)) == [3]
    assert run.lifecycle.revision == 5
    run.happen(1, update(progress=10, command_id="u-1", revision=5))
    assert isinstance(run.verdicts[Birth("tickets", 0, 4)][1], Repeat)


def test_the_task_goes_on_as_vcd_shows_it_and_its_owner_has_time_to_answer() -> None:
    run = played(*SHOWN, finish(details="x"))
    refuse(run)
    assert (run.lifecycle.phase, run.lifecycle.wanted_status) == (Phase.FOLLOWING, "running")
    assert run.lifecycle.heard_at == run.now
    run.happen(1, finish())
    assert run.lifecycle.phase is Phase.WAITING


def test_commands_that_ask_for_what_is_refused_share_its_fate() -> None:
    """They change nothing of what is wanted, and rest on what another one asked for."""
    run = played(*SHOWN, update(details="x"), update(details="x"), update(), update(expire_after=timedelta(seconds=9)))
    refuse(run)
    assert sorted(told(run)) == [2, 3]
    assert run.lifecycle.expire_after_seconds == 9


def test_what_asks_for_the_same_as_a_create_that_is_refused_is_told_as_well() -> None:
    run = played(*POSTED, update(details="waits"), Answered(1, REFUSED, 0.5))
    assert (run.lifecycle.outcome, sorted(told(run))) == (Outcome.REJECTED, [2])


def test_what_asks_for_what_is_shown_already_is_not_told() -> None:
    run = played(*SHOWN, update(details="waits"), update(details="x"))
    refuse(run)
    assert sorted(told(run)) == [3]


def test_each_of_many_is_told_and_can_be_sent_again() -> None:
    many = [update(details=f"{number}", revision=number, correlation_id="T") for number in range(1, MOST_UNSHOWN + 1)]
    run = played(*SHOWN, *many)
    refuse(run)
    assert sorted(told(run)) == list(range(2, MOST_UNSHOWN + 2))
    assert run.lifecycle.revision == 0
    assert [event.correlation_id for _, event in run.refusals].count("T") == TOLD_WITH_CORRELATION
    for again in (many[0], many[-1]):
        run.happen(1, again)
        assert [verdict for _, verdict in run.verdicts.values()][-1] is None
    assert len(run.lifecycle.unshown) == 2


def test_of_many_those_that_are_shown_are_not_told() -> None:
    run = played(*SHOWN, *(update(details=f"{number}", revision=number) for number in range(1, 41)), Granted())
    run.happen(1, update(details="41", revision=41))
    run.happen(1, Answered(2, Accepted(task=task("1"), http_status=200), 0.5))
    refuse(run)
    assert (sorted(told(run)), run.lifecycle.revision) == ([42], 40)


def test_beyond_a_thousand_no_more_are_taken_but_a_finish_and_signs_of_life() -> None:
    run = played(*SHOWN, *(update(details=f"{number}") for number in range(MOST_UNSHOWN)))
    for command, code in (
        (update(details="one more"), "too_many_unshown"), (update(), None), (finish(details="x"), None),
    ):  # fmt: skip
        run.happen(1, command)
        verdict = [verdict for _, verdict in run.verdicts.values()][-1]
        assert (verdict.code if isinstance(verdict, Reason) else verdict) == code
    refuse(run)
    assert len(told(run)) == MOST_UNSHOWN + 1


def test_an_update_while_its_refusal_is_looked_into_is_tried_with_it_once() -> None:
    run = played(*SHOWN, update(details="x"), Granted(), Answered(2, REFUSED, 0.5), update(progress=10))
    run.happen(0, stands(run))
    assert (run.lifecycle.phase, told(run)) == (Phase.WAITING, {})
    refuse(run)
    assert (run.lifecycle.phase, sorted(told(run))) == (Phase.FOLLOWING, [2, 3])


def test_a_finish_while_nobody_knows_of_the_update_is_sent_at_once() -> None:
    run = played(*SHOWN, update(progress=10), Granted(), Answered(2, UNKNOWN, 0.5), finish())
    assert run.lifecycle.phase is Phase.UNSURE
    run.happen(0, stands(run))
    assert (run.lifecycle.phase, run.lifecycle.wake_at) == (Phase.WAITING, None)


def test_a_parked_task_that_is_asked_about_is_parked_no_more() -> None:
    run = played(*SHOWN, Vanished(403, "gone"))
    assert (run.lifecycle.parked_reason, run.lifecycle.parked_from) == ("task_vanished", Phase.FOLLOWING)
    run.happen(1, update())
    assert run.lifecycle.phase is Phase.UNSURE
    assert (run.lifecycle.parked_reason, run.lifecycle.parked_from, run.lifecycle.parked_at) == (None, None, None)


# --- correlation ids --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("created", "updated", "carried"), [("T1", "T2", "T1"), (None, "T2", "T2"), ("T1", None, "T1")]
)
def test_a_story_keeps_the_correlation_id_that_it_began_with(
    created: str | None, updated: str | None, carried: str
) -> None:
    run = played(
        *SHOWN, update(progress=10, correlation_id=updated), finish(correlation_id="T3"), correlation_id=created
    )
    run.happen(1, Granted())
    run.happen(1, Answered(2, Accepted(task=task("1", "success"), http_status=200), 0.5))
    assert run.events[-1].outcome is Outcome.SUCCESS
    assert run.events[-1].correlation_id == carried


# --- signs of life ----------------------------------------------------------------------------------------------------


def test_every_command_that_is_taken_is_a_sign_of_life() -> None:
    run = played(*SHOWN)
    assert run.lifecycle.heard_at == START
    run.happen(60, update())
    assert run.lifecycle.heard_at == run.now
    heard = run.lifecycle.heard_at
    run.happen(60, update(status="queued"))
    assert run.verdicts[Birth("tickets", 0, 3)][1] is not None
    assert run.lifecycle.heard_at == heard


def test_neither_readings_nor_restarts_are_signs_of_life() -> None:
    run = played(*SHOWN, Observed(task("1", "running", 50)), Restart())
    assert run.lifecycle.heard_at == START


def test_a_command_may_change_how_long_its_owner_can_be_silent() -> None:
    run = played(*POSTED, update(expire_after=timedelta(milliseconds=1500)), update(expire_after=timedelta(days=2)))
    assert run.lifecycle.expire_after_seconds == 2 * 24 * 3600
    assert run.lifecycle.service_namespace == NAMESPACE
