"""The demo's timeline: a live table in a terminal, plain lines elsewhere; and its closing table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.cli.console import err_console, write_table
from bridge.cli.demo.proof import Verdict
from bridge.cli.demo.stage import name_of
from bridge.cli.timeline import event_line, task_status

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

_STYLES = {"success": "green", "resumed": "green", "error": "red", "rejected": "red", "aborted": "red"}
_WIDTH = 10


@dataclass(slots=True)
class _Row:
    title: str
    story: list[str] = field(default_factory=list)
    now: str = "sent"
    outcome: str | None = None


class Screen:
    """Shows what happens while it happens."""

    def __init__(self) -> None:
        self._console: Console = err_console()
        self._rows: dict[str, _Row] = {}
        self._live: Live | None = None
        if self._console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self._console, refresh_per_second=8, get_renderable=self._table)

    def running(self) -> AbstractContextManager[object]:
        return self._live if self._live is not None else nullcontext()

    def show(self, kind: str, fact: Mapping[str, Any]) -> None:
        """One fact of ``scenario.Stage``."""
        match kind:
            case "note":
                self._console.print(f"[bold]» {fact['text']}[/]", soft_wrap=True)
            case "sent" | "seen":
                self._rows[fact["name"]] = _Row(fact["title"])
                if self._live is None:
                    self._console.print(f"  {kind} {fact['name']}: {fact['title']}", soft_wrap=True)
            case _:
                self._event(fact)

    def _event(self, event: Mapping[str, Any]) -> None:
        if self._live is None:
            self._console.print(event_line(event, request_width=_WIDTH), soft_wrap=True)
        row = self._rows.get(name_of(event))
        if row is None:
            return
        row.outcome = event["outcome"]
        row.now = task_status(event["task"] or {}, final=event["final"])
        row.story.append(str(event["outcome"] or event["change"]))

    def _table(self) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in ("request", "shows", "Task", "told"):
            table.add_column(column)
        for name, row in self._rows.items():
            style = _STYLES.get(row.outcome, "yellow") if row.outcome else "cyan"
            table.add_row(Text(name, "bold"), row.title, Text(row.now), Text(_folded(row.story), style))
        return table


def _folded(story: list[str]) -> str:
    """``accepted changed×4 success``."""
    parts: list[tuple[str, int]] = []
    for change in story:
        if parts and parts[-1][0] == change:
            parts[-1] = (change, parts[-1][1] + 1)
        else:
            parts.append((change, 1))
    return " ".join(change if count == 1 else f"{change}×{count}" for change, count in parts)


def closing_table(verdicts: Sequence[Verdict]) -> None:
    """The proof, on standard output."""
    rows = [
        (
            "✓" if verdict.is_proven else "✗", verdict.request_id, verdict.title, verdict.outcome, verdict.effects,
            verdict.calls, verdict.events, "; ".join(verdict.problems) or "complete",
        )
        for verdict in verdicts
    ]  # fmt: skip
    columns = ("", "request", "shows", "outcome", "changed VCD", "calls", "events", "story")
    write_table(columns, rows, title="Proof, from the simulator's ledger and the published events")
