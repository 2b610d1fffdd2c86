"""How to look at many Tasks with few requests: arithmetic, not habit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

PAGE = 128
"""Largest page of VCD's query service (API programming guide)."""
BATCH = 20
"""Ids per query: about 55 characters each, so that the address stays near 1.2 kB; no limit is documented."""


class Method(StrEnum):
    """How one round of looking is made."""

    SINGLE = "single"
    """One GET per Task."""
    BATCH = "batch"
    """Task queries by id, ``BATCH`` ids each."""
    SWEEP = "sweep"
    """A window of ended Tasks by endDate, and pages of all active ones, both of our own user."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The chosen method and what each method would have cost, in requests per round (reads of ended Tasks apart)."""

    method: Method
    cost: dict[Method, int]


def plan(followed: int, *, processes: int, active: int | None, ended_per_round: int) -> Plan:
    """Choose the cheapest way to look at ``followed`` Tasks once.

    Args:
        followed: Tasks this process follows.
        processes: bridge processes with the same VCD user; each sweeps all of that user's Tasks.
        active: active Tasks of our user, all processes together, as the last sweep counted; None: not known yet.
        ended_per_round: Tasks of our user that end within one window, all processes together.
    """
    everyone = active if active is not None else followed * max(1, processes)
    cost = {
        Method.SINGLE: followed,
        Method.BATCH: ceil(followed / BATCH),
        Method.SWEEP: max(1, ceil(everyone / PAGE)) + max(1, ceil(ended_per_round / PAGE)),
    }
    # A single GET shows everything (cancelRequested, error) and needs no second look, so it wins ties up to a few.
    if followed <= 2:
        return Plan(Method.SINGLE, cost)
    cheapest = min((Method.BATCH, Method.SWEEP), key=lambda method: cost[method])
    return Plan(cheapest, cost)
