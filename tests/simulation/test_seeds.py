"""The whole bridge in virtual time: several processes, a simulated Kafka and VCD, faults and crashes from a seed."""

from __future__ import annotations

import pytest

from bridge.core import reconciling
from bridge.engine import lanes, partition, recovery
from tests.simulation.world import Plan, run


@pytest.mark.parametrize("seed", range(20))
def test_guarantees_hold(seed: int) -> None:
    evidence, found = run(Plan(seed=seed))
    assert evidence.events
    assert evidence.ledger
    assert found == []


@pytest.mark.long
def test_guarantees_hold_for_many_seeds() -> None:
    failed = {seed: found for seed in range(20, 400) if (found := run(Plan(seed=seed))[1])}
    assert failed == {}


def test_a_seed_replays_exactly() -> None:
    first, second = run(Plan(seed=7))[0], run(Plan(seed=7))[0]
    assert first.events == second.events
    assert first.ledger == second.ledger


# --- tests of the tester: deliberate bugs that it has to see ----------------------------------------------------------


def _is_caught(seeds: int = 12) -> bool:
    return any(run(Plan(seed=seed))[1] for seed in range(seeds))


def test_forgotten_dedupe_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition.OwnedPartition, "known", lambda self, request_id: None)
    assert _is_caught()


def test_forgotten_endings_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition.OwnedPartition, "remember", lambda self, ended: None)
    assert _is_caught()


def test_ignored_lanes_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(self: lanes.Lanes, lane: str) -> object:
        return next(iter(self._waiting.get(lane, ())), None)

    monkeypatch.setattr(lanes.Lanes, "head", first)
    assert _is_caught()


def test_a_blind_second_call_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "narrowed", lambda *_: ())
    monkeypatch.setattr(reconciling, "_why_not_again", lambda *_: None)
    assert _is_caught()
