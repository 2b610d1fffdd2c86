"""What faults that strike observers have in common: people at work, whose Tasks are told, and the end of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from tests.campaign.deciding import Deciding
from tests.campaign.people import People
from tests.campaign.stage import Stage
from tests.support.observation_site import EVERYTHING, ObservationSite
from tests.support.simulator import Simulator

USERS = "admin@acme", "admin@beta"
OBSERVED = "acme", "beta", EVERYTHING
"""One in each partition or all in one, as it happens: each has its stories to itself."""
OVERLAP_SECONDS = 8.0
QUICK = {"interval_seconds": 0.5, "overlap_seconds": OVERLAP_SECONDS}
MOVING = {"late_rows": 0.3, "late_row_seconds": 2.0, "consistent_pages": False, "empty_owner_href_every": 10}
UNKIND = {**MOVING, "cells_apart_seconds": -2.0}
"""Some ends are shown late, every second one is written by a slow clock, and the list moves while it is read."""
LATE_SECONDS = 5.0
"""Lateness and clocks of that, with a second of doubt."""
PATIENCE_SECONDS = 40.0


def begin(
    stage: Stage, site: ObservationSite, people_at: Simulator | None = None, *, decided_by: int = 0
) -> None:  # fmt: skip
    """Observe, then let people begin. ``people_at``: the cell that they call; None: that of the bridges.
    ``decided_by``: some of what they want is held until so many observations have told it; 0: nothing is held."""
    site.lists_late_seconds = LATE_SECONDS
    site.observe(*OBSERVED, blocking_tasks=decided_by > 0)
    if decided_by:
        stage.load = Deciding(site, *USERS, watchers=decided_by)
    else:
        stage.load = People(site, *USERS, simulator=people_at)


def end(stage: Stage, site: ObservationSite, others: Collection[str] = (), *, same_orders: bool = True) -> None:
    """Nobody does anything any more, and every end is told by each observation that it belongs to. ``same_orders``:
    they have been there from the begin on, so that they have told every decision too."""
    assert stage.load is not None
    tasks = [*stage.load.finish(), *others]
    left = site.ends_left(set(tasks), PATIENCE_SECONDS)
    if left:
        stage.fail(f"ends of {len(left)} of {len(tasks)} Tasks are not told: {left[0]}")
    stage.note(f"{len(tasks)} Tasks told" + (", each by two observations" if same_orders else ""))
    if not site.blocked:
        return
    left = site.decisions_left(site.blocked if same_orders else (), PATIENCE_SECONDS)
    if left:
        stage.fail(f"of {len(left)} of {len(site.blocked)} blocking tasks it is not told what was decided: {left[0]}")
    decided = Counter(str(one.decided) for one in site.blocked.values())
    told = ", ".join(f"{count} {what}" for what, count in sorted(decided.items()))
    stage.note(f"{len(site.blocked)} blocking tasks: {told}")
