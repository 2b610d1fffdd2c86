"""The standing order: what starts it, changes it, moves it and ends it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from bridge.core.commands import ReadReferences
from bridge.core.events import Change, Outcome, StatusEvent, Stream
from bridge.core.inputs import (
    ChangeWanted,
    Emptied,
    NotReferenced,
    OrderInput,
    OrganizationKnown,
    ReferenceUnanswered,
    Restored,
    StopWanted,
)
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.observation.opening import is_repeat, judge_change, judge_start, open_order
from bridge.core.observation.order import decide_order, order_part
from bridge.core.observation.transitions import ORDER_LATE, ORDER_TRANSITIONS
from bridge.core.observation_parts import EVERYTHING
from bridge.core.observation_records import Observation
from bridge.core.observation_rules import ObservationRules
from bridge.core.observation_seen import LookOver
from bridge.core.policy import Policy
from bridge.errors import InvariantViolation
from tests.core.observation.orders import NOW, ORG_UUID, RULES, VCD_NOW, asker, followed, received, seconds


def test_its_organization_is_read_before_anything_is_told() -> None:
    opened = open_order(NOW, asker(), Observation(organization="acme"))
    assert opened.lifecycle.phase is Phase.RESOLVING
    assert opened.commands == (ReadReferences(),)
    assert not opened.events
    assert opened.lifecycle.name == "acme"


def test_from_now_is_now_on_vcds_clock() -> None:
    known = decide_order(NOW, received(), OrganizationKnown(ORG_UUID, VCD_NOW), RULES)
    part = order_part(known.lifecycle)
    assert (part.organization_uuid, part.position, part.floor) == (ORG_UUID, VCD_NOW, VCD_NOW)
    (event,) = known.events
    assert (event.change, event.key, event.lifecycle, event.stream) == (
        Change.ACCEPTED, b"acme", "observation", Stream.TASK_EVENTS,
    )  # fmt: skip
    assert VCD_NOW.isoformat(timespec="milliseconds") in event.evidence[0]


@pytest.mark.parametrize(
    ("asked_at", "later", "vcd_later", "began"),
    [
        (0.0, 7200.0, 7200.0, 0.0),  # VCD was away for two hours
        (0.0, -3600.0, 10.0, 0.0),  # our clock was set back meanwhile, or the next owner's is behind
        (None, 7200.0, 7200.0, 0.0),  # VCD had not told its time: as long ago as our clock says
        (None, -3600.0, 10.0, 10.0),
        (30.0, 5.0, 5.0, 5.0),  # VCD's clock was set back
    ],
)
def test_from_now_is_when_the_record_was_taken_in(
    asked_at: float | None, later: float, vcd_later: float, began: float
) -> None:
    vcd_time = VCD_NOW + seconds(asked_at) if asked_at is not None else None
    order = open_order(NOW, asker(), Observation(organization="acme"), vcd_time).lifecycle
    answer = OrganizationKnown(ORG_UUID, VCD_NOW + seconds(vcd_later))
    part = order_part(decide_order(NOW + seconds(later), order, answer, RULES).lifecycle)
    assert part.position == part.floor == part.since == VCD_NOW + seconds(began)


@pytest.mark.parametrize(("asked", "began"), [(-3600.0, -3600.0), (3600.0, 0.0)])
def test_since_is_the_beginning_and_never_in_the_future(asked: float, began: float) -> None:
    part = order_part(followed(since=VCD_NOW + seconds(asked)))
    assert part.position == part.floor == VCD_NOW + seconds(began)


def test_an_organization_that_vcd_does_not_show_rejects_it() -> None:
    decision = decide_order(NOW, received(), NotReferenced("organization", "no such organization"), RULES)
    (event,) = decision.events
    assert (event.change, event.outcome, event.reason and event.reason.code) == (
        Change.REJECTED, Outcome.REJECTED, "unknown_organization",
    )  # fmt: skip
    assert decision.lifecycle.phase is Phase.ENDED


def test_an_outage_is_told_once_and_rejects_nothing() -> None:
    order = received()
    told: list[StatusEvent] = []
    for hours in range(30):
        unanswered = ReferenceUnanswered("organization", "503")
        decision = decide_order(NOW + seconds(3600 * hours), order, unanswered, RULES)
        order = decision.lifecycle
        told += decision.events
    assert [event.change for event in told] == [Change.WAITING]
    assert order.phase is Phase.RESOLVING


def test_a_new_owner_reads_the_organization_again() -> None:
    assert decide_order(NOW, received(), Restored(), RULES).commands == (ReadReferences(),)
    assert not decide_order(NOW, followed(), Restored(), RULES).commands


def test_the_position_moves_with_news_and_else_seldom() -> None:
    order = followed()

    def moved(by: float, *, is_news: bool) -> bool:
        over = LookOver(order=order.birth, position=VCD_NOW + seconds(by), is_news=is_news)
        return decide_order(NOW, order, over, RULES).lifecycle is not order

    assert moved(1, is_news=True)
    assert not moved(9, is_news=False)
    assert moved(10, is_news=False)
    assert not moved(-1, is_news=True), "never back"


def test_the_floor_follows_the_position_and_bounds_windows() -> None:
    order = followed(since=VCD_NOW - seconds(100))
    start = order_part(order)
    assert start.window_start(RULES.overlap) == VCD_NOW - seconds(100), "nothing before the beginning"
    order = decide_order(NOW, order, LookOver(order=order.birth, position=VCD_NOW), RULES).lifecycle
    part = order_part(order)
    assert part.floor == part.window_start(RULES.overlap) == VCD_NOW - RULES.overlap
    assert part.window_start(seconds(300)) == part.floor, "a longer overlap brings nothing back that is forgotten"
    assert part.window_start(seconds(5)) == VCD_NOW - seconds(5)


def test_a_further_start_changes_what_it_can() -> None:
    order = followed()
    more = Observation(organization="acme", blocking_tasks=True)
    assert not is_repeat(more, order)
    assert judge_change(more, order) is None
    decision = decide_order(NOW, order, ChangeWanted(more), RULES)
    assert order_part(decision.lifecycle).blocking_tasks
    (event,) = decision.events
    assert (event.change, event.reason and event.reason.code) == (Change.CHANGED, "observation_changed")
    assert is_repeat(more, decision.lifecycle)


def test_told_once_is_told() -> None:
    order = followed(since=VCD_NOW - seconds(50))
    earlier = Observation(organization="acme", since=VCD_NOW - seconds(51))
    refusal = judge_change(earlier, order)
    assert refusal is not None
    assert refusal.code == "since_earlier"
    assert judge_change(replace(earlier, since=VCD_NOW - seconds(49)), order) is None
    assert judge_change(earlier, received(since=VCD_NOW)) is None, "nothing is told yet"
    changed = decide_order(NOW, received(since=VCD_NOW), ChangeWanted(earlier), RULES).lifecycle
    assert order_part(changed).since == earlier.since


def test_a_stop_forgets_before_it_ends() -> None:
    stopping = decide_order(NOW, followed(), StopWanted(asker(9).birth), RULES)
    assert stopping.lifecycle.phase is Phase.STOPPING
    assert not stopping.events
    (event,) = decide_order(NOW, stopping.lifecycle, Emptied(), RULES).events
    assert (event.change, event.outcome, event.evidence) == (
        Change.FINISHED, Outcome.SUCCESS, ("stopped by vcd.observations/0/9",),
    )  # fmt: skip
    (event,) = decide_order(NOW, received(), StopWanted(asker(9).birth), RULES).events
    assert event.final


@pytest.mark.parametrize(
    ("record", "policy", "is_provider", "code"),
    [
        (Observation(organization=EVERYTHING), Policy(), False, "provider_needed"),
        (Observation(organization="acme", blocking_tasks=True), Policy(), False, "provider_needed"),
        (Observation(organization="globex"), Policy(organizations=("ac*",)), True, "organization_not_allowed"),
        (Observation(organization=EVERYTHING), Policy(organizations=("ac*",)), True, "organization_not_allowed"),
        (Observation(organization="acme"), Policy(organizations=("ac*",)), False, None),
        (Observation(organization=EVERYTHING, blocking_tasks=True), Policy(), True, None),
    ],
)
def test_who_may_observe_what(record: Observation, policy: Policy, is_provider: bool, code: str | None) -> None:
    refusal = judge_start(record, ObservationRules(policy=policy), is_provider=is_provider)
    assert (refusal.code if refusal is not None else None) == code


def _all_inputs(order: Lifecycle, at: datetime) -> list[OrderInput]:
    return [
        OrganizationKnown(ORG_UUID, at), NotReferenced("organization", ""), ReferenceUnanswered("organization", ""),
        ChangeWanted(Observation(organization="acme", blocking_tasks=True)), StopWanted(order.birth),
        LookOver(order=order.birth, position=at), Emptied(), Restored(),
    ]  # fmt: skip


@pytest.mark.parametrize("phase", [Phase.RESOLVING, Phase.FOLLOWING, Phase.STOPPING, Phase.ENDED])
def test_every_input_is_in_exactly_one_table(phase: Phase) -> None:
    for event in _all_inputs(followed(), VCD_NOW + seconds(60)):
        order = replace(received() if phase is Phase.RESOLVING else followed(), phase=phase)
        known = type(event) in ORDER_TRANSITIONS[phase]
        assert known != (type(event) in ORDER_LATE[phase]), type(event).__name__
        decision = decide_order(NOW, order, event, RULES)
        assert known or decision.lifecycle is order


def test_a_phase_of_others_is_a_bug() -> None:
    with pytest.raises(InvariantViolation):
        decide_order(NOW, replace(followed(), phase=Phase.PARKED), Emptied(), RULES)
