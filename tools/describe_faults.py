"""The table of ``docs/faults.md``: every fault of the campaign, with what came of it the last time it was played."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.campaign.fault import PARTS, Fault, faults
from tests.campaign.lines import Line, results, seconds

_HEAD = (
    "fault", "what", "injected", "requests", "lost", "doubled", "gaps", "out of order", "longest stall", "recovered",
    "verdict", "note",
)  # fmt: skip


def table() -> str:
    """A table for each part that is struck, and before them when, on what and with what they were played."""
    kept, found = results(), faults()
    parts = [_occasions([kept[one.name] for one in found if one.name in kept])]
    for part in PARTS:
        rows = [_row(one, kept.get(one.name)) for one in found if one.part == part]
        if rows:
            lines = [_cells(_HEAD), _cells("---" for _ in _HEAD), *map(_cells, rows)]
            parts += [f"### {part.capitalize()}", "\n".join(lines)]
    return "\n\n".join(parts)


def _row(fault: Fault, line: Line | None) -> tuple[str, ...]:
    name = f"`{fault.name}`" if fault.nodes == 1 else f"`{fault.name}` ({fault.nodes} nodes)"
    if line is None:
        return name, fault.what, *[""] * 8, "not played yet", ""
    counts = (line.injected, line.requests, line.lost, line.doubled, line.gaps, line.out_of_order)
    note = line.note if not line.other else f"{line.other} other violations; {line.note}"
    times = seconds(line.stall), seconds(line.recovered)
    return name, fault.what, *map(str, counts), *times, line.verdict, note


def _occasions(lines: list[Line]) -> str:
    """Lines that were played on other days or machines are told apart by how many they are."""
    played: dict[tuple[str, str], list[str]] = defaultdict(list)
    for line in lines:
        played[(line.machine, line.versions)].append(line.date)
    told = []
    for (machine, versions), dates in played.items():
        first, last = min(dates), max(dates)
        when = first if first == last else f"{first} to {last}"
        told.append(f"{len(dates)} faults played {when} on {machine}; {versions}.")
    return "\n\n".join(told) or "Nothing was played yet."


def _cells(cells: tuple[str, ...] | Iterator[str]) -> str:
    """One row; a bar inside a cell would end it."""
    return f"| {' | '.join(' '.join(cell.split()).replace('|', '&#124;') for cell in cells)} |"
