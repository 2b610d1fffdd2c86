"""Lanes: one request for an entity at a time, in input order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bridge.core.coordinates import Birth
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.engine.partition.lanes import Lanes

LANE = "/vApp/vm-1"


def _one(offset: int, phase: Phase = Phase.RECEIVED) -> Lifecycle:
    received = datetime(2026, 1, 1, tzinfo=UTC)
    return Lifecycle(
        birth=Birth("t", 0, offset), phase=phase, request_id=f"r{offset}", key=None, lane=LANE, received_at=received
    )


def test_the_first_in_input_order_starts() -> None:
    lanes = Lanes()
    later, earlier = _one(9), _one(10)
    lanes.update(None, earlier)
    lanes.update(None, later)
    assert lanes.head(LANE) == later.birth
    assert lanes.may_start(later)
    assert not lanes.may_start(earlier)


def test_nobody_starts_while_one_is_under_way() -> None:
    lanes = Lanes()
    first, second = _one(1), _one(2)
    lanes.update(None, first)
    lanes.update(None, second)
    running = replace(first, phase=Phase.FOLLOWING)
    lanes.update(first, running)
    assert lanes.head(LANE) is None
    assert not lanes.is_free(LANE)
    lanes.update(running, replace(running, phase=Phase.ENDED))
    assert lanes.head(LANE) == second.birth


def test_an_overdue_one_gives_its_lane_up() -> None:
    lanes = Lanes()
    first, second = _one(1, Phase.FOLLOWING), _one(2)
    lanes.update(None, first)
    lanes.update(None, second)
    lanes.update(first, replace(first, overdue=True, lane_released=True))
    assert lanes.head(LANE) == second.birth


def test_one_retried_from_parking_waits_for_who_runs_now() -> None:
    lanes = Lanes()
    parked, running = replace(_one(1, Phase.PARKED), lane_released=True), _one(2, Phase.FOLLOWING)
    lanes.update(None, parked)
    lanes.update(None, running)
    retried = replace(parked, phase=Phase.WAITING, lane_released=False)
    lanes.update(parked, retried)
    assert lanes.head(LANE) is None
    lanes.update(running, replace(running, phase=Phase.ENDED))
    assert lanes.head(LANE) == retried.birth


def test_requests_without_a_lane_never_wait() -> None:
    lanes = Lanes()
    create = replace(_one(1), lane=None)
    assert lanes.update(None, create) is None
    assert lanes.may_start(create)
    assert lanes.is_free(None)
