"""Observed Tasks and blocking tasks: what of them is told, and how long they are remembered."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.catalogue.operation import Recovery
from bridge.core.blocking_task import BlockingState, BlockingTask
from bridge.core.commands import Decision
from bridge.core.deciding import decide, next_wake
from bridge.core.events import Change, Outcome, StatusEvent, Stream
from bridge.core.inputs import LeftBehind
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.observation.blocking import decide_blocking, ended_as, open_blocking
from bridge.core.observation.order import decide_order
from bridge.core.observation.sighting import sighted_part
from bridge.core.observation.task import decide_observed, open_observed
from bridge.core.observation.transitions import (
    BLOCKING_LATE,
    BLOCKING_TRANSITIONS,
    OBSERVED_LATE,
    OBSERVED_TRANSITIONS,
)
from bridge.core.observation_seen import BlockingGone, LookOver, SeenBlocking, SeenMissing, SeenTask
from bridge.core.own_task import is_news
from bridge.core.rules import OperationFacts
from bridge.core.task import Task, rank, task_at
from tests.core.observation.orders import ALL_RULES, NOW, RULES, VCD_NOW, followed, seconds, task

ORDER = followed()
FACTS = OperationFacts(Recovery.IDEMPOTENT)
"""Nothing is called."""


def opened(seen: Task, order: Lifecycle = ORDER) -> Decision:
    decision = open_observed(NOW, order, seen)
    assert decision is not None
    return decision


def seen(lifecycle: Lifecycle, shown: Task) -> Decision:
    return decide_observed(NOW, lifecycle, SeenTask(order=ORDER.birth, task=shown), ALL_RULES)


def missing(at: datetime = VCD_NOW) -> SeenMissing:
    return SeenMissing(order=ORDER.birth, task_id="urn:vcloud:task:t", http_status=403, message="no access", at=at)


def test_a_first_sight_is_told_as_the_task_stands() -> None:
    decision = opened(task(status="queued"))
    (event,) = decision.events
    assert (event.change, event.sequence, event.key, event.stream, event.lifecycle) == (
        Change.ACCEPTED, 1, b"urn:vcloud:task:t", Stream.OBSERVED_TASKS, "observation",
    )  # fmt: skip
    assert event.correlation_id == "CHG1"
    lifecycle = decision.lifecycle
    assert (lifecycle.name, lifecycle.task_id) == ("acme/urn:vcloud:task:t", None), "no Task of ours"
    assert lifecycle.birth.topic_partition == ORDER.birth.topic_partition
    assert -(2**63) <= lifecycle.birth.offset < 0
    assert next_wake(lifecycle, ALL_RULES) is None


def test_first_seen_ended_is_one_event() -> None:
    decision = opened(task(status="error", ended=VCD_NOW + seconds(1)))
    (event,) = decision.events
    assert (event.change, event.outcome, event.sequence, event.previous_status) == (
        Change.FINISHED, Outcome.ERROR, 1, None,
    )  # fmt: skip
    assert decision.lifecycle.phase is Phase.KEPT
    assert sighted_part(decision.lifecycle).ended_at == VCD_NOW + seconds(1)


def test_what_ended_before_the_beginning_is_left_out() -> None:
    assert open_observed(NOW, ORDER, task(status="success", ended=VCD_NOW - seconds(0.001))) is None
    assert open_observed(NOW, ORDER, task(status="success", ended=VCD_NOW)) is not None


def test_progress_is_told_by_steps_and_nothing_takes_a_flag_back() -> None:
    lifecycle = opened(task(progress=1, cancel=True)).lifecycle
    assert not seen(lifecycle, task(progress=9)).events
    later = seen(lifecycle, task(progress=11))
    assert [event.change for event in later.events] == [Change.CHANGED]
    assert later.lifecycle.cancel_requested, "the row does not show it"
    assert not is_news(later.lifecycle, task(progress=12), ALL_RULES)
    older = task(progress=5, cancel=False)
    assert not is_news(later.lifecycle, older, ALL_RULES), "read before it was requested, and slower"
    assert not seen(later.lifecycle, older).events


def test_a_status_never_goes_back() -> None:
    decision = seen(opened(task(status="running")).lifecycle, task(status="queued"))
    assert (decision.events, decision.notes) == ((), ("status_regression",))


def test_a_task_that_vanished_ends_as_unknown() -> None:
    decision = decide_observed(NOW, opened(task()).lifecycle, missing(), ALL_RULES)
    (event,) = decision.events
    assert (event.change, event.outcome, event.reason and event.reason.code, event.http_status) == (
        Change.FINISHED, Outcome.UNKNOWN, "task_vanished", 403,
    )  # fmt: skip
    assert not seen(decision.lifecycle, task(status="success")).events, "nothing after the final event"


def test_forgotten_untold_and_never_the_same_birth_again() -> None:
    gone = decide_observed(NOW, opened(task()).lifecycle, LeftBehind(), ALL_RULES)
    assert (gone.events, gone.lifecycle.phase) == ((), Phase.ENDED)
    moved = decide_order(NOW, ORDER, LookOver(order=ORDER.birth, position=VCD_NOW + seconds(60)), RULES).lifecycle
    births = {opened(task(), order).lifecycle.birth for order in (ORDER, ORDER, moved, followed(offset=8))}
    assert len(births) == 3, "the same sight has the same birth, and no other has"


# --- blocking tasks ---------------------------------------------------------------------------------------------------


IN_TEN_MINUTES = VCD_NOW + seconds(600)


def blocking(timeout: datetime | None = IN_TEN_MINUTES, action: str = "abort") -> BlockingTask:
    return BlockingTask(
        id="urn:vcloud:blockingTask:b", operation="vappDeploy", timeout=timeout, timeout_action=action,
        task=task(status="preRunning"),
    )  # fmt: skip


def gone(behind: Task | None, at: datetime = VCD_NOW) -> BlockingGone:
    return BlockingGone(order=ORDER.birth, blocking_task_id="urn:vcloud:blockingTask:b", task=behind, at=at)


def test_a_blocking_task_waits_and_is_decided() -> None:
    pending = open_blocking(NOW, ORDER, blocking())
    (event,) = pending.events
    assert event.held is not None
    assert (event.held.state, event.key, event.stream, event.final) == (
        BlockingState.PENDING, b"urn:vcloud:blockingTask:b", Stream.BLOCKING_TASKS, False,
    )  # fmt: skip
    again = decide_blocking(NOW, pending.lifecycle, SeenBlocking(order=ORDER.birth, blocking=blocking()))
    assert not again.events
    part = sighted_part(pending.lifecycle)
    assert part.blocking is not None
    assert part.blocking.task == task_at("urn:vcloud:task:t", None), "of the Task behind it the address is kept"

    ended = decide_blocking(NOW, pending.lifecycle, gone(task(status="running")))
    (event,) = ended.events
    assert event.held is not None
    assert (event.held.state, event.sequence, event.final, event.held.blocking.operation) == (
        BlockingState.RESUMED, 2, True, "vappDeploy",
    )  # fmt: skip
    assert event.task is not None
    assert event.task.status == "running"
    assert ended.lifecycle.phase is Phase.KEPT


def test_more_time_is_told() -> None:
    later = blocking(timeout=VCD_NOW + seconds(1200))
    event = SeenBlocking(order=ORDER.birth, blocking=later)
    changed = decide_blocking(NOW, open_blocking(NOW, ORDER, blocking()).lifecycle, event)
    assert [event.change for event in changed.events] == [Change.CHANGED]
    assert not decide_blocking(NOW, changed.lifecycle, event).events


@pytest.mark.parametrize(
    ("status", "late", "state"),
    [
        ("running", 0, BlockingState.RESUMED),
        ("success", 0, BlockingState.RESUMED),
        ("aborted", 0, BlockingState.ABORTED),
        ("error", 0, BlockingState.FAILED),
        ("preRunning", 0, BlockingState.GONE),
        ("strange", 0, BlockingState.GONE),
        ("aborted", 700, BlockingState.TIMED_OUT),
        ("aborted", 598, BlockingState.TIMED_OUT),  # a clock that is behind
        ("aborted", 590, BlockingState.ABORTED),
        ("running", 700, BlockingState.RESUMED),
    ],
)
def test_the_task_behind_tells_what_was_decided(status: str, late: float, state: BlockingState) -> None:
    assert ended_as(blocking(), task(status=status), VCD_NOW + seconds(late)) is state


def test_a_decision_just_in_time_that_is_seen_late_looks_like_the_time_out() -> None:
    """VCD does not say when it was made; what the time-out does not do, it has not done."""
    waits, at = blocking(action="resume"), VCD_NOW + seconds(700)
    assert ended_as(waits, task(status="running"), at) is BlockingState.TIMED_OUT
    assert ended_as(waits, task(status="aborted"), at) is BlockingState.ABORTED


def test_a_decision_in_time_is_none_of_the_clock_though_it_is_seen_late() -> None:
    at, ended = VCD_NOW + seconds(700), VCD_NOW + seconds(10)
    assert ended_as(blocking(), task(status="aborted", ended=ended), at) is BlockingState.ABORTED
    late = task(status="success", ended=VCD_NOW + seconds(700))
    assert ended_as(blocking(action="resume"), late, VCD_NOW) is BlockingState.RESUMED, "it ended long after that"
    assert ended_as(blocking(), None, at) is BlockingState.GONE
    assert ended_as(blocking(timeout=None), task(status="aborted"), at) is BlockingState.ABORTED


# --- the tables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [Phase.FOLLOWING, Phase.KEPT, Phase.ENDED])
def test_every_input_is_in_exactly_one_table(phase: Phase) -> None:
    observed = replace(opened(task()).lifecycle, phase=phase)
    held = replace(open_blocking(NOW, ORDER, blocking()).lifecycle, phase=phase)
    cases: list[tuple[Lifecycle, Any, Any, Any]] = [
        (observed, event, OBSERVED_TRANSITIONS, OBSERVED_LATE)
        for event in (SeenTask(order=ORDER.birth, task=task(status="success")), missing(), LeftBehind())
    ]
    cases += [
        (held, event, BLOCKING_TRANSITIONS, BLOCKING_LATE)
        for event in (SeenBlocking(order=ORDER.birth, blocking=blocking()), gone(None), LeftBehind())
    ]
    for lifecycle, event, transitions, late in cases:
        known = type(event) in transitions[phase]
        assert known != (type(event) in late[phase])
        decision = decide(NOW, lifecycle, event, None, FACTS, ALL_RULES)
        assert known or (decision.lifecycle is lifecycle and not decision.events)


# --- any story --------------------------------------------------------------------------------------------------------

_STATUSES = st.sampled_from(
    ["queued", "preRunning", "running", "postRunning", "strange", "success", "error", "aborted"]
)


@given(
    st.lists(
        st.one_of(
            st.tuples(_STATUSES, st.none() | st.integers(0, 100), st.none() | st.booleans()),
            st.just("missing"),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_story_of_an_observed_task_holds_together(shown: list[Any]) -> None:
    lifecycle: Lifecycle | None = None
    events: list[StatusEvent] = []
    for number, one in enumerate(shown):
        at = VCD_NOW + timedelta(seconds=number)
        if one == "missing":
            decision = decide_observed(NOW, lifecycle, missing(at), ALL_RULES) if lifecycle is not None else None
        else:
            status, progress, cancel = one
            ended = at if status in {"success", "error", "aborted"} else None
            reading = task(status=status, ended=ended, progress=progress, cancel=cancel)
            decision = opened(reading) if lifecycle is None else seen(lifecycle, reading)
            assert not seen(decision.lifecycle, reading).events, "the same reading twice tells nothing twice"
        if decision is None:
            continue
        lifecycle = decision.lifecycle
        events += decision.events
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    finals = [event for event in events if event.final]
    assert finals == events[len(events) - len(finals) :]
    assert len(finals) == (lifecycle is not None and lifecycle.phase is Phase.KEPT)
    told = [known for event in events if event.task and (known := rank(event.task.status or "")) is not None]
    assert told == sorted(told)
