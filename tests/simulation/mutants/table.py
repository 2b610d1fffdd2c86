"""Deliberate bugs in the bridge's protocol, each of which the simulation has to see: the tests of the tester."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from tests.simulation.plan import Plan

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """``breaks`` says in a sentence what it does wrong; ``guarantee`` is the promise that the checker has to find
    broken, in one of the runs of ``plan`` with ``seeds``: those that were given show it today, and come first."""

    name: str
    breaks: str
    guarantee: str
    patch: Patch
    plan: Callable[[int], Plan]
    seeds: Sequence[int]


MUTANTS: dict[str, Mutant] = {}


def mutant(guarantee: str, plan: Callable[[int], Plan], *seeds: int) -> Callable[[Patch], Patch]:
    """The decorated function breaks the bridge; its first line of documentation says how."""

    def keep(patch: Patch) -> Patch:
        assert patch.__doc__ is not None
        assert patch.__name__ not in MUTANTS
        MUTANTS[patch.__name__] = Mutant(
            name=patch.__name__, breaks=patch.__doc__.splitlines()[0], guarantee=guarantee, patch=patch, plan=plan,
            seeds=tuple(dict.fromkeys((*seeds, *range(12)))),
        )  # fmt: skip
        return patch

    return keep
