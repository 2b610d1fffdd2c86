"""Where the command line's words go, and the shapes they take."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 10_000


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


def write_json(document: object, *, indent: int | None = 2) -> None:
    """One JSON document."""
    write(json.dumps(document, indent=indent, ensure_ascii=False, default=str))


def write_json_line(document: object) -> None:
    """One document of a stream."""
    write_json(document, indent=None)


def note(text: str) -> None:
    """Progress and remarks, for people."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """A table on standard output; None shows as an empty cell. Cells are plain text, no markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    out_console().print(table)


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
        sys.stderr.write(json.dumps(error_document(code, message, hint), ensure_ascii=False) + "\n")
    else:
        for line in message.splitlines() or [code]:
            sys.stderr.write(f"error: {line}\n")
        if hint:
            sys.stderr.write(f"hint: {hint}\n")
    sys.stderr.flush()
