"""Where the command line's words go, and the shapes they take."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge.cli.streams import OutputFailed, ReaderLeft

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 10_000


def printable(text: str) -> str:
    """Strangers' text in a terminal: what would move the cursor, recolour or hide is shown escaped (``\\x1b``)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def out_console() -> Console:
    """For tables meant as data: folded to a terminal's width, never cut or folded in a pipe."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def err_console() -> Console:
    """For progress."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False)


def write(line: str) -> None:
    """One line of data, at once: pipes read it live."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def announce(line: str) -> None:
    """One line for whoever waits for it. What serves goes on when nobody does."""
    with suppress(OutputFailed, ReaderLeft):
        write(line)


def write_json(document: object, *, indent: int | None = 2) -> None:
    """One JSON document, in ASCII: exact in every encoding, and nothing for a terminal to obey."""
    write(json.dumps(document, indent=indent, default=str))


def write_json_line(document: object) -> None:
    """One document of a stream."""
    write_json(document, indent=None)


def note(text: str) -> None:
    """Progress and remarks, for people."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def ask(question: str) -> bool:
    """Whether the person at the terminal says yes."""
    sys.stderr.write(printable(question) + " [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """A table on standard output; None shows as an empty cell. Cells are plain text of one or more lines, no markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(_cell(cell)) for cell in row))
    out_console().print(table)


def _cell(value: object) -> str:
    return "" if value is None else "\n".join(map(printable, str(value).split("\n")))


def shown(value: object) -> object:
    """A JSON value as people read it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case float():
            return f"{value:g}"
        case _:
            return value


def error_document(code: str, message: str, hint: str) -> Mapping[str, object]:
    """The pinned form of an error for programs."""
    return {"error": {"code": code, "message": message, "hint": hint}}


def write_error(code: str, message: str, hint: str, *, as_json: bool) -> None:
    """One clear line per problem with what to do, or one JSON document, on standard error."""
    if as_json:
        sys.stderr.write(json.dumps(error_document(code, message, hint)) + "\n")
    else:
        for line in message.splitlines() or [code]:
            sys.stderr.write(f"error: {printable(line)}\n")
        for line in hint.splitlines():
            sys.stderr.write(f"hint: {printable(line)}\n")
    sys.stderr.flush()
