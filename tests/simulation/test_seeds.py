"""The whole bridge in virtual time: several processes, a simulated Kafka and VCD, faults and crashes from a seed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import get_args

import pytest

from bridge.core.answers import CallAnswer
from bridge.engine import partition
from tests.simulation.inventory import OPERATIONS
from tests.simulation.story import story
from tests.simulation.world import Plan, Run, play

SEEDS = 200
"""In every run of the tests. The same runs show what takes part."""
_AT_ONCE = 10


@cache
def _run(seed: int) -> Run:
    return play(Plan.from_seed(seed))


def _failed(runs: Iterable[Run]) -> dict[int, list[str]]:
    """What is wrong, by seed; ``make simulate SEED=number`` tells its story."""
    return {
        run.world.plan.seed: [repr(run.broken)] if run.broken is not None else list(map(str, run.found))
        for run in runs
        if run.broken is not None or run.found
    }


@pytest.mark.parametrize("first", range(0, SEEDS, _AT_ONCE))
def test_guarantees_hold(first: int) -> None:
    assert _failed(map(_run, range(first, first + _AT_ONCE))) == {}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_guarantees_hold_for_many_seeds() -> None:
    assert _failed(play(Plan.from_seed(seed)) for seed in range(SEEDS, SEEDS + 2000)) == {}


@pytest.mark.timeout(300)
def test_everything_takes_part() -> None:
    """What no run of these seeds brings about would not be proven by any."""
    runs = [_run(seed) for seed in range(SEEDS)]
    events = [event for run in runs for event in run.world.outsider.events]
    ledger = [call for run in runs for call in run.world.vcd.ledger]
    heard = {said.split()[0] for run in runs for *_, said in run.world.vcd.heard}
    assert {"action_request", "external_task"} <= {event["lifecycle"] for event in events}
    assert {call.operation for call in ledger} >= {*OPERATIONS, "createExternalTask", "updateTask", "cancelTask"}
    assert heard == {answer.__name__ for answer in get_args(CallAnswer)}
    told = {(event["change"], (event.get("reason") or {}).get("code")) for event in events}
    assert {code for change, code in told if change == "parked"} >= {"outcome_unknown", "ambiguous", "task_vanished"}
    assert {"resolved", "canceled_while_parked", "canceled_before_start", "start_by_passed"} <= {
        code for _, code in told
    }
    assert {"proven_by_state", "owner_silent", "repeat"} <= {code for _, code in told}
    assert {run.world.plan.protocol for run in runs} == {"classic", "consumer", "static"}


@pytest.mark.parametrize("seed", [2, 3])
def test_a_seed_replays_exactly(seed: int) -> None:
    first, second = _run(seed), play(Plan.from_seed(seed))
    assert first.evidence is not None
    assert second.evidence is not None
    assert first.evidence.events == second.evidence.events
    assert first.evidence.ledger == second.evidence.ledger
    assert first.world.chaos.happened == second.world.chaos.happened


def test_a_failing_seed_has_a_story(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition.OwnedPartition, "known", lambda self, request_id: None)
    failed = next(played for seed in range(20) if (played := play(Plan.from_seed(seed))).found)
    told = story(failed)
    births = failed.found[0].births
    assert any(births[0] in line and "request {" in line for line in told)
    assert any("stored: received" in line for line in told)
    assert [line for line in told if "***" in line]
    times = [float(line.split()[0]) for line in told]
    assert times == sorted(times)
