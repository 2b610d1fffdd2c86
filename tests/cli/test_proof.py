"""The demo's proof must be able to fail."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.cli.demo.proof import Verdict, prove, prove_seen, prove_ticket
from bridge.core.coordinates import Birth

BIRTH = Birth("vcd.action-requests", 1, 5)


def event(sequence: int, outcome: str | None = None, birth: Birth = BIRTH) -> dict[str, Any]:
    return {
        "request_id": "r", "external_key": None,
        "birth": str(birth), "sequence": sequence, "outcome": outcome, "final": outcome is not None,
    }  # fmt: skip


def call(attempt: int = 1, *, effect: bool = True, path: str = "/api/vApp/vm-1/action/deploy") -> dict[str, Any]:
    return {"client_request_id": BIRTH.call_id(attempt), "effect": effect, "path": path}


def verdict(events: list[dict[str, Any]], ledger: list[dict[str, Any]], expected: str = "success") -> Verdict:
    (one,) = prove({"r": "a title"}, {"r": expected}, events, ledger)
    return one


def test_one_call_and_a_complete_story_is_proven() -> None:
    found = verdict([event(1), event(2, "success")], [call()])
    assert found.is_proven
    assert (found.calls, found.effects, found.events) == (1, 1, 2)


def test_refused_attempts_and_cancels_are_not_second_calls() -> None:
    cancel = call(2, path="/api/task/x/action/cancel")
    assert verdict([event(1, "success")], [call(1, effect=False), call(2), cancel]).is_proven


def test_calls_of_other_requests_do_not_count() -> None:
    other = {"client_request_id": Birth("vcd.action-requests", 1, 6).call_id(1), "effect": True, "path": "/x"}
    foreign = {"client_request_id": None, "effect": True, "path": "/x"}
    assert verdict([event(1, "success")], [call(), other, foreign]).is_proven


@pytest.mark.parametrize(
    ("events", "ledger", "expected"),
    [
        ([event(1), event(2, "success")], [call(), call(2)], "success"),
        ([event(1), event(2, "success")], [], "success"),
        ([event(1), event(3, "success")], [call()], "success"),
        ([event(1), event(1), event(2, "success")], [call()], "success"),
        ([event(1, "success"), event(2, "success")], [call()], "success"),
        ([event(1, "success"), event(2)], [call()], "success"),
        ([event(1)], [call()], "success"),
        ([event(1, "error")], [call()], "success"),
        ([event(1, "rejected")], [call()], "rejected"),
        ([event(1, "success"), event(1, "success", Birth("t", 0, 0))], [call()], "success"),
        ([], [], "rejected"),
    ],
)
def test_anything_else_is_a_problem(events: list[dict[str, Any]], ledger: list[dict[str, Any]], expected: str) -> None:
    assert verdict(events, ledger, expected).problems


TICKET = {"operation": "Change [demo/vcd.external-tasks-0/CHG-1]", "status": "aborted"}
SHOWN: dict[str, Any] = {
    "task": TICKET, "updates": 2, "terminal_updates": 1, "refused_updates": 0, "updates_after_end": 0,
}  # fmt: skip


def told(sequence: int, outcome: str | None = None) -> dict[str, Any]:
    return {**event(sequence, outcome), "request_id": None, "external_key": "CHG-1"}


def test_a_ticket_with_one_task_and_one_end_is_proven() -> None:
    found = prove_ticket("CHG-1", "a title", "aborted", [told(1), told(2, "aborted"), event(1)], [SHOWN])
    assert found.is_proven
    assert (found.calls, found.effects, found.events) == (3, 3, 2)


@pytest.mark.parametrize(
    ("events", "tasks"),
    [
        ([told(1), told(2, "aborted")], []),
        ([told(1), told(2, "aborted")], [SHOWN, SHOWN]),
        ([told(1), told(2, "aborted")], [{**SHOWN, "terminal_updates": 0}]),
        ([told(1), told(2, "aborted")], [{**SHOWN, "updates_after_end": 1}]),
        ([told(1), told(2, "aborted")], [{**SHOWN, "task": {**TICKET, "status": "running"}}]),
        ([told(1), told(3, "aborted")], [SHOWN]),
        ([told(1), told(2, "success")], [SHOWN]),
        ([told(1)], [SHOWN]),
    ],
)
def test_anything_else_about_a_ticket_is_not(events: list[dict[str, Any]], tasks: list[dict[str, Any]]) -> None:
    assert not prove_ticket("CHG-1", "a title", "aborted", events, tasks).is_proven


SEEN = {"acme-1": "success"}


def judged(events: list[dict[str, Any]], ledger: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Problems by what was seen."""
    named = [{**one, "request_id": one.get("name", "acme-1")} for one in events]
    return {one.request_id: one.problems for one in prove_seen({"acme-1": "a title"}, SEEN, named, ledger)}


def test_a_task_that_was_seen_from_first_to_last_is_proven_by_looking_alone() -> None:
    other = {"client_request_id": Birth("vcd.action-requests", 1, 6).call_id(1), "effect": True, "path": "/x"}
    assert judged([event(1), event(2, "success")], [other]) == {"acme-1": ()}


@pytest.mark.parametrize(
    ("events", "ledger"),
    [
        ([], []),
        ([event(1)], []),
        ([event(1, "error")], []),
        ([event(1), event(3, "success")], []),
        ([event(1, "success"), event(1, "success", Birth("t", 0, -7))], []),
        ([event(1, "success")], [call()]),
    ],
)
def test_a_task_that_is_told_otherwise_or_touched_is_not(
    events: list[dict[str, Any]], ledger: list[dict[str, Any]]
) -> None:
    assert judged(events, ledger)["acme-1"]


def test_a_task_that_nobody_began_must_not_be_told() -> None:
    told = judged([event(1, "success"), {**event(1, "success"), "name": "acme-2"}], [])
    assert not told["acme-1"]
    assert told["acme-2"]
