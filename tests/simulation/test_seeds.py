"""The whole bridge in virtual time: several processes, a simulated Kafka and VCD, faults and crashes from a seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.core import reconciling
from bridge.core.external import marks
from bridge.engine import external_desk, lanes, partition, recovery
from tests.simulation.world import Plan, run


@pytest.mark.parametrize("seed", range(20))
def test_guarantees_hold(seed: int) -> None:
    evidence, found = run(Plan(seed=seed))
    assert evidence.events
    assert evidence.ledger
    assert found == []


@pytest.mark.parametrize("seed", range(8))
def test_guarantees_hold_with_external_tasks_beside(seed: int) -> None:
    evidence, found = run(_both(seed))
    assert {"action_request", "external_task"} == {event["lifecycle"] for event in evidence.events}
    assert {"createExternalTask", "updateTask"} <= {call.operation for call in evidence.ledger}
    assert found == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_guarantees_hold_for_many_seeds() -> None:
    failed = {seed: found for seed in range(20, 400) if (found := run(Plan(seed=seed))[1])}
    failed |= {seed: found for seed in range(8, 200) if (found := run(_both(seed))[1])}
    assert failed == {}


@pytest.mark.parametrize("tickets", [0, 20])
def test_a_seed_replays_exactly(tickets: int) -> None:
    first, second = (run(Plan(seed=7, requests=20, tickets=tickets))[0] for _ in range(2))
    assert first.events == second.events
    assert first.ledger == second.ledger


# --- tests of the tester: deliberate bugs that it has to see ----------------------------------------------------------


def _is_caught(seeds: int = 12) -> bool:
    return any(run(Plan(seed=seed))[1] for seed in range(seeds))


def _is_caught_on_tickets(seeds: int = 12) -> bool:
    return any(run(_both(seed))[1] for seed in range(seeds))


def _both(seed: int) -> Plan:
    """Action requests and external tasks in one group."""
    return Plan(seed=seed, requests=15, tickets=20)


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


def test_a_blind_second_post_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks.Marker, "bears", lambda *_: False)
    assert _is_caught_on_tickets()


def test_a_stranger_that_is_taken_for_an_orphan_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks.Marker, "key_in", lambda self, operation: "K0")
    assert _is_caught_on_tickets()


def test_a_swallowed_command_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    act = external_desk.ExternalDesk._act
    # What is swallowed is never ended: the run would go on to its last second, with nothing more to see.
    plan = replace(_both(0), calm_seconds=1000.0)
    assert run(plan)[1] == []

    def some(self: external_desk.ExternalDesk, work: Any, command: Any, birth: Any, known: Any) -> Any:
        return None if birth.offset % 2 == 0 else act(self, work, command, birth, known)

    monkeypatch.setattr(external_desk.ExternalDesk, "_act", some)
    assert [one for one in run(plan)[1] if "swallowed" in one]
