"""``vcd-bridge requests list``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from bridge.cli.console import note, out_console, printable, write_json_line, write_table
from bridge.cli.requests.words import document_of, kind_of, length, name_of, shortened, since_of, where_of, why_of
from bridge.core.lifecycle import Ended, Lifecycle, Phase

WIDE = 120
"""Columns of a terminal from which on each fact has a column of its own."""
_STYLES = {Phase.PARKED: "bold magenta", Phase.UNSURE: "yellow", Phase.WAITING: "yellow", Phase.FOLLOWING: "cyan"}


def in_order(found: Sequence[Lifecycle]) -> list[Lifecycle]:
    """Parked ones first, and of each the oldest first."""
    return sorted(found, key=lambda one: (one.phase is not Phase.PARKED, since_of(one), one.birth))


def write_documents(found: Sequence[Lifecycle], ended: Sequence[Ended]) -> None:
    everything: list[Lifecycle | Ended] = [*found]
    for one in [*everything, *ended]:
        write_json_line(document_of(one))


def write_found(found: Sequence[Lifecycle], ended: Sequence[Ended], now: datetime, limit: int) -> None:
    """The first ``limit`` as a table, and a line on standard error of how many there are."""
    everything: list[Lifecycle | Ended] = [*found]
    shown = ([*everything, *ended])[:limit]
    width = out_console().width
    if shown:
        short = width < 2 * WIDE
        rows = [_row(one, now, short=short) for one in shown]
        if width >= WIDE:
            write_table(("request", "kind", "operation", "about", "phase", "since", "try", "why", "task"), rows)
        else:
            write_table(("request", "about", "phase", "since", "try"), [_folded(row) for row in rows])
    left = len(found) + len(ended) - len(shown)
    note(_summary(found, ended, now) + (f"; the first {limit} are shown (--limit)" if left else ""))


def _row(one: Lifecycle | Ended, now: datetime, *, short: bool) -> tuple[str, str, str, str, Text, str, str, str, str]:
    fitted = shortened if short else str
    if isinstance(one, Ended):
        since, task = length(now - one.ended_at), fitted(one.task_id or "")
        return name_of(one), kind_of(one), "", "", Text("ended", "dim"), since, "", one.outcome.value, task
    return (
        name_of(one), kind_of(one), one.operation or "", fitted(where_of(one)),
        Text(one.phase.value, _STYLES.get(one.phase, "")), length(now - since_of(one)),
        str(one.attempt or ""), why_of(one), fitted(one.task_id or ""),
    )  # fmt: skip


def _folded(row: tuple[str, str, str, str, Text, str, str, str, str]) -> tuple[object, ...]:
    """Two lines a row, for a narrow terminal."""
    name, kind, operation, about, phase, since, tries, why, task = row
    below = " ".join(part for part in (kind if kind != "request" else "", operation) if part)
    return _two(name, below), _two(about, f"Task {task}" if task else ""), _under(phase, why), since, tries


def _two(first: str, second: str) -> str:
    return "\n".join(part for part in (first, second) if part)


def _under(first: Text, second: str) -> Text:
    return Text.assemble(first, "\n", (printable(second), "dim")) if second else first


def _summary(found: Sequence[Lifecycle], ended: Sequence[Ended], now: datetime) -> str:
    by_phase = Counter(one.phase for one in found)
    parked = [since_of(one) for one in found if one.phase is Phase.PARKED]
    oldest = f" (the oldest for {length(now - min(parked))})" if parked else ""
    phases = [f"{by_phase[phase]} {phase.value}{oldest if phase is Phase.PARKED else ''}" for phase in _PHASES]
    told = ", ".join(text for phase, text in zip(_PHASES, phases, strict=True) if by_phase[phase])
    endings = f", {len(ended)} ended" if ended else ""
    return f"{len(found)} open{': ' + told if told else ''}{endings}"


_PHASES = (Phase.PARKED, *(phase for phase in Phase if phase not in {Phase.PARKED, Phase.ENDED}))
