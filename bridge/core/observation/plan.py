"""How to look at the Tasks of many organizations with few requests: arithmetic, not habit.

One filter asks for what is active and for what has ended lately: the rows of both share their last pages, and a Task
that ends while the pages are read stays among them. Several organizations share a filter, or all of the system's rows
are read and sorted out here, whichever is fewer pages by what the last look counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil

PAGE = 128
"""Largest page of VCD's query service (API programming guide)."""
READ_TWICE = 8
"""Rows of one page that are read again with the next one, at most: where more would be, pages are counted instead."""
SLICE_PAGES = 24
"""A long list is read in slices side by side, or a page of a slow VCD after the other would take longer than a look
may. Each slice has a last page that is not full."""
SLICE = (SLICE_PAGES - 1) * (PAGE - READ_TWICE)
"""Rows of a slice."""
GROUP = 20
"""Organizations per filter: about 90 characters each, so that the address stays below 2 kB; no limit is documented."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The filters of one look, each a set of organizations; an empty one is the whole system. ``pages``: requests, as
    far as the counts still hold."""

    filters: tuple[tuple[str, ...], ...]
    pages: int

    @property
    def is_whole(self) -> bool:
        """One filter for the whole system."""
        return self.filters == ((),)


def pages(rows: int) -> int:
    """Requests for so many rows of one filter, however their times lie. Of more than one page the last is asked for by
    itself: what has not begun may stand there."""
    full = ceil(rows * SLICE_PAGES / SLICE)
    return full + 1 if full > 1 else 1


def plan(organizations: Iterable[str], rows: Mapping[str, int], *, everything: bool, whole: int | None) -> Plan:
    """Choose the fewest requests for one look.

    Args:
        organizations: Bare uuids of those that are observed.
        rows: Rows of an organization at the last look, active and lately ended together; who is not in it counts as 0.
        everything: The whole system is observed: it is read whatever the others are.
        whole: Rows of the whole system when it was last counted; None: not known, or not to be seen by this login.
    """
    if everything:
        return Plan(((),), pages(whole or 0))
    # In a fixed order: a filter that asks for the same is one that VCD has seen before.
    observed = sorted(set(organizations))
    groups = tuple(tuple(observed[first : first + GROUP]) for first in range(0, len(observed), GROUP))
    grouped = sum(pages(sum(rows.get(one, 0) for one in group)) for group in groups)
    if whole is not None and pages(whole) < grouped:
        return Plan(((),), pages(whole))
    return Plan(groups, grouped)
