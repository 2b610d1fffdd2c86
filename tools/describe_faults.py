"""The table of ``docs/faults.md``: every fault of the campaign, with what came of it the last time it was played."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.campaign.fault import AT_MOST_SECONDS, PARTS, Fault, faults
from tests.campaign.lines import Line, code_digest, results, seconds

MOMENTARY = "<!-- as of writing -->"
"""Ends a line that tells of the moment at which it was written: it is no reason to call the page stale."""
_HEAD = (
    "fault", "what", "injected", "requests", "lost", "doubled", "gaps", "out of order", "longest stall", "recovered",
    "verdict", "played", "note",
)  # fmt: skip


def table() -> str:
    """A table for each part that is struck, and before them when, on what and with what they were played."""
    kept, found = results(), faults()
    played = [kept[one.name] for one in found if one.name in kept]
    parts = [_ages(played, code_digest()), _occasions(played)] if played else ["Nothing was played yet."]
    for part in PARTS:
        rows = [_row(one, kept.get(one.name)) for one in found if one.part == part]
        if rows:
            lines = [_cells(_HEAD), _cells("---" for _ in _HEAD), *map(_cells, rows)]
            parts += [f"### {part.capitalize()}", "\n".join(lines)]
    return "\n\n".join(parts)


def _row(fault: Fault, line: Line | None) -> tuple[str, ...]:
    name = f"`{fault.name}`" if fault.nodes == 1 else f"`{fault.name}` ({fault.nodes} nodes)"
    if line is None:
        return name, fault.what, *[""] * 8, "not played yet", "", ""
    counts = (line.injected, line.requests, line.lost, line.doubled, line.gaps, line.out_of_order)
    note = line.note if not line.other else f"{line.other} other violations; {line.note}"
    times = _time(line.stall, fault.at_most_stall), _time(line.recovered, fault.at_most_recovery)
    return name, fault.what, *map(str, counts), *times, line.verdict, _when(line), note


def _time(value: float | None, at_most: float) -> str:
    """With its bound, where that is one of its own."""
    return seconds(value) + (f" (at most {at_most:g})" if at_most != AT_MOST_SECONDS and value is not None else "")


def _when(line: Line) -> str:
    return f"{_date(line)}, `{line.code}`" if line.code else f"{line.date}, earlier code"


def _date(line: Line) -> str:
    return line.date.replace("T", " ").removesuffix("Z")


def _ages(lines: list[Line], code: str) -> str:
    """``code``: of the bridge as it is now."""
    now = sum(line.code == code for line in lines)
    oldest = min(lines, key=lambda line: line.date)
    return (
        f"Of {len(lines)} rows, **{now} were played on exactly the code that this page was written with** (`{code}`), "
        f"{len(lines) - now} on earlier code; the oldest is of {_date(oldest)}. {MOMENTARY}"
    )


def _occasions(lines: list[Line]) -> str:
    """Lines that were played on other days or machines are told apart by how many they are."""
    played: dict[tuple[str, str], list[str]] = defaultdict(list)
    for line in lines:
        played[(line.machine, line.versions)].append(line.date[:10])
    told = []
    for (machine, versions), dates in played.items():
        first, last = min(dates), max(dates)
        when = first if first == last else f"{first} to {last}"
        told.append(f"{len(dates)} faults played {when} on {machine}; {versions}.")
    return "\n\n".join(told)


def _cells(cells: tuple[str, ...] | Iterator[str]) -> str:
    """One row; a bar inside a cell would end it."""
    return f"| {' | '.join(' '.join(cell.split()).replace('|', '&#124;') for cell in cells)} |"
