"""The demo's proof must be able to fail."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.cli.demo.proof import Verdict, prove
from bridge.core.coordinates import Birth

BIRTH = Birth("vcd.action-requests", 1, 5)


def event(sequence: int, outcome: str | None = None, birth: Birth = BIRTH) -> dict[str, Any]:
    return {
        "request_id": "r", "birth": str(birth), "sequence": sequence, "outcome": outcome, "final": outcome is not None,
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
