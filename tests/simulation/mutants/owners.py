"""Bugs in who calls and commits: leases, handovers, former owners."""

from __future__ import annotations

import pytest

from bridge.engine.rounds import Rounds
from bridge.engine.runner import Runner
from tests.simulation.mutants.plans import unsettled
from tests.simulation.mutants.table import mutant


@mutant("I6", unsettled)
def call_past_its_lease(patch: pytest.MonkeyPatch) -> None:
    """A call leaves however long ago its intent was decided."""
    run_commands = Rounds._run_commands
    patch.setattr(Rounds, "_run_commands", lambda self, work, began: run_commands(self, work, began + 3600))


@mutant("I6", unsettled)
def handover_without_draining(patch: pytest.MonkeyPatch) -> None:
    """A partition is handed over while its calls are still about to leave, and they leave."""

    async def at_once(self: Rounds, owned: object) -> None:
        return None

    patch.setattr(Rounds, "quiet", at_once)
    patch.setattr(Runner, "_held_back", lambda self, owned, birth: None)
