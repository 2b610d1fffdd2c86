"""Tests of the tester: each deliberate bug is seen by the guarantee that it breaks, and only where it is."""

from __future__ import annotations

from functools import cache

import pytest

from tests.simulation.mutants import mutants
from tests.simulation.mutants.table import Mutant
from tests.simulation.world import play
from tests.support.checker import Violation

MUTANTS = mutants()


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_seen(name: str) -> None:
    mutant = MUTANTS[name]
    shown = _shown_by(mutant)
    assert shown is not None, f"no run shows it: {mutant.breaks}"
    assert _clean(mutant, shown) == [], f"seed {shown} is not well without it either"


def _shown_by(mutant: Mutant) -> int | None:
    """The first seed in which the checker finds its guarantee broken."""
    for seed in mutant.seeds:
        with pytest.MonkeyPatch.context() as patch:
            mutant.patch(patch)
            found = play(mutant.plan(seed)).found
        if any(violation.guarantee == mutant.guarantee for violation in found):
            return seed
    return None


def _clean(mutant: Mutant, seed: int) -> list[Violation]:
    return _played(mutant.plan, seed)


@cache
def _played(plan: object, seed: int) -> list[Violation]:
    assert callable(plan)
    run = play(plan(seed))
    assert run.broken is None
    return run.found


def test_there_are_mutants_of_every_guarantee_that_a_run_can_break() -> None:
    assert {mutant.guarantee for mutant in MUTANTS.values()} == {f"I{number}" for number in range(1, 11)}
