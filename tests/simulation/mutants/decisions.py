"""Bugs in what is done about blocking tasks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core import approving
from bridge.core.hold import Hold, Verdict
from bridge.core.inputs import HoldSeen, Looked
from bridge.core.lifecycle import Lifecycle
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.asking import Tell
from bridge.engine.recovery.holds import Holds
from tests.simulation.mutants.plans import doubtful
from tests.simulation.mutants.table import mutant
from tests.simulation.plan import Plan


def deciding(seed: int) -> Plan:
    """Several want to decide about each of a few blocking tasks, and many answers are lost."""
    return replace(doubtful(seed), requests=60, decisions=0.9)


@mutant("I2", deciding)
def decision_without_a_look(patch: pytest.MonkeyPatch) -> None:
    """A decision whose answer was lost is called again as if what it is about were held still."""

    async def blind(self: Holds, owned: OwnedPartition, lifecycle: Lifecycle, *, settle: bool) -> Looked:
        hold = Hold(held=True, task=None, told="")
        return Looked(attempt=lifecycle.attempt, candidates=(), happened=False, evidence=(), hold=hold)

    patch.setattr(Holds, "look", blind)


@mutant("I4", deciding)
def decided_otherwise_is_told_as_done(patch: pytest.MonkeyPatch) -> None:
    """What is not held any more is taken for decided as asked."""
    patch.setattr(approving, "verdict", lambda action, task: Verdict.AS_WANTED)


@mutant("I4", deciding)
def what_is_held_is_told_as_gone(patch: pytest.MonkeyPatch) -> None:
    """A decision is told as too late, whatever VCD says of what it is about."""
    read = Holds.read

    async def late(self: Holds, owned: OwnedPartition, lifecycle: Lifecycle, tell: Tell) -> HoldSeen:
        await read(self, owned, lifecycle, tell)
        return HoldSeen(Hold(held=False, task=None, told="GET blocking task: 403"))

    patch.setattr(Holds, "read", late)


@mutant("I2", deciding)
def refusal_is_a_decision(patch: pytest.MonkeyPatch) -> None:
    """A decision that was refused because another one was made is told as carried out."""
    gone = approving._gone

    def boastful(story: object, hold: Hold, action: object) -> None:
        from bridge.core.events import Outcome
        from bridge.core.story import Story

        assert isinstance(story, Story)
        if story.lifecycle.unsure_code == approving.REFUSED:
            story.end(Outcome.SUCCESS)
        else:
            gone(story, hold, action)  # type: ignore[arg-type]

    patch.setattr(approving, "_gone", boastful)
