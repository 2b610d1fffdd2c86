"""How to look at many Tasks with few requests: arithmetic, not habit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

PAGE = 128
"""Largest page of VCD's query service (API programming guide)."""
BATCH = 20
"""Ids per query: about 55 characters each, so that the address stays near 1.2 kB; no limit is documented."""
FEW = 2
"""So few are read one by one: a single GET shows everything (cancelRequested, error) and needs no second look."""
SWEEP_EVERY = 5
"""Looks from one sweep to the next: ends matter at once, progress of thousands of Tasks does not."""


class Method(StrEnum):
    """How one round of looking is made."""

    SINGLE = "single"
    """One GET per Task."""
    BATCH = "batch"
    """Task queries by id, ``BATCH`` ids each."""
    WINDOW = "window"
    """The Tasks of our own user that ended since the last look, by endDate: says nothing of those that still run."""
    SWEEP = "sweep"
    """That window, and pages of all active Tasks of our own user."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The chosen method and what each method would have cost, in requests per round (reads of ended Tasks apart)."""

    method: Method
    cost: dict[Method, int]


def plan(followed: int, *, processes: int, active: int | None, ended_per_round: int, looks_since_sweep: int) -> Plan:
    """Choose the cheapest way to look at ``followed`` Tasks once.

    Args:
        followed: Tasks this process follows.
        processes: bridge processes with the same VCD user; each sweeps all of that user's Tasks.
        active: active Tasks of our user, all processes together, as the last sweep counted; None: not known yet.
        ended_per_round: Tasks of our user that end within one window, all processes together.
        looks_since_sweep: windows looked at since the last sweep. While ``active`` is not known a sweep is due.
    """
    everyone = active if active is not None else followed * max(1, processes)
    window = max(1, ceil(ended_per_round / PAGE))
    cost = {
        Method.SINGLE: followed,
        Method.BATCH: ceil(followed / BATCH),
        Method.WINDOW: window,
        Method.SWEEP: window + max(1, ceil(everyone / PAGE)),
    }
    if followed <= FEW:
        return Plan(Method.SINGLE, cost)
    # Over SWEEP_EVERY looks: one sweep and windows for the rest, against a batch each time.
    if SWEEP_EVERY * cost[Method.BATCH] <= cost[Method.SWEEP] + (SWEEP_EVERY - 1) * window:
        return Plan(Method.BATCH, cost)
    due = active is None or looks_since_sweep >= SWEEP_EVERY - 1
    return Plan(Method.SWEEP if due else Method.WINDOW, cost)
