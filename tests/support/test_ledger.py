"""The judge has every call that reached the simulator, however many there were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import simulator as support
from tests.support.simulator import ACME_VAPP, running_simulator

CALLS = 8


def test_more_calls_than_are_asked_for_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(support, "LEDGER_PAGE", 3)
    with running_simulator(ledger_file=tmp_path / "ledger.jsonl") as on_file:
        client = on_file.log_in()
        for _ in range(CALLS - 2):
            client.get("/api/org")
        client.post(f"/api/vApp/{ACME_VAPP}/power/action/suspend")
        in_memory = replace(on_file, ledger_file=None)
        assert [row["sequence"] for row in in_memory.ledger()] == list(range(1, CALLS + 1))
        assert on_file.ledger() == in_memory.ledger()
        assert on_file.ledger(5) == in_memory.ledger(5) == in_memory.ledger()[5:]
        changing = in_memory.ledger(changes=True)
        assert [row["operation"] for row in changing] == ["suspendVApp"]
        assert on_file.ledger(changes=True) == changing
