"""``vcd-bridge dead-letters list`` and ``show``. Key, value and headers only when they are asked for."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bridge.cli.console import note, printable, write, write_table
from bridge.cli.dead_letters.letter import Letter, document_of
from bridge.core.times import to_text

if TYPE_CHECKING:
    from bridge.kafka.clients import ReadRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """``record``: as received, None where only a stub is left; ``objection``: why it cannot be replayed."""

    letter: Letter
    record: ReadRecord | None
    objection: str | None
    with_content: bool


def write_found(found: Sequence[Letter], limit: int, now: datetime) -> None:
    """The last ``limit`` as a table, the newest first, and a line on standard error of how many there are."""
    from bridge.cli.requests.words import length

    shown = newest_first(found)[:limit]
    rows = [
        (
            letter.at, length(now - letter.written_at) if letter.written_at is not None else "", letter.origin,
            _reason(letter), _size(letter), letter.error.message if letter.error is not None else "",
        )
        for letter in shown
    ]  # fmt: skip
    if rows:
        write_table(("dead letter", "since", "came from", "reason", "bytes", "why"), rows)
    reasons = ", ".join(f"{count} {name}" for name, count in Counter(map(_reason, found)).most_common())
    more = f"; the newest {limit} are shown (--limit)" if len(found) > len(shown) else ""
    note(f"{counted(len(found))}{': ' + reasons if reasons else ''}{more}")


def counted(number: int) -> str:
    return f"{number} dead letter{'' if number == 1 else 's'}"


def newest_first(found: Sequence[Letter]) -> list[Letter]:
    return sorted(found, key=lambda letter: (letter.written_at is not None, letter.written_at, letter.at), reverse=True)


def document(shown: Shown) -> dict[str, Any]:
    """``show --json``. Content is ``{"text": …}``, or ``{"base64": …}`` where it is no UTF-8, or null."""
    letter, record = shown.letter, shown.record
    told = document_of(letter) | {
        "sha256": letter.digest.sha256 if letter.digest is not None else None,
        "held": record is not None,
        "headers": [{"name": name, "bytes": len(value or b"")} for name, value in record.headers] if record else [],
        "replayable": shown.objection is None,
        "not_replayable_because": shown.objection,
    }
    if shown.with_content:
        told |= {
            "key": _content(record.key) if record is not None else None,
            "value": _content(record.value) if record is not None else None,
            "headers": [{"name": name, "value": _content(value)} for name, value in (record.headers if record else ())],
        }
    return told


def write_shown(shown: Shown) -> None:
    """For people: what is known of it, and what can be done."""
    letter, record = shown.letter, shown.record
    error = letter.error
    headers = record.headers if record is not None else ()
    facts = [
        ("written", to_text(letter.written_at) if letter.written_at is not None else ""),
        ("came from", str(letter.origin or "")),
        ("reason", f"{error.error_class}: {error.message}" if error is not None else _reason(letter)),
        ("stage", error.stage if error is not None else ""),
        ("key", _sized(letter.key_bytes)),
        ("value", _value(shown)),
        ("headers", ", ".join(f"{name} ({_sized(len(value or b''))})" for name, value in headers)),
    ]
    write(printable(str(letter.at)))
    for name, text in facts:
        if text:
            write(printable(f"  {name:<10} {text}"))
    if shown.with_content and record is not None:
        write("")
        for name, content in (("key", record.key), *headers, ("value", record.value)):
            write(printable(f"  {name}: {_text(content)}"))
    write("")
    if shown.objection is None:
        write(printable(f"  vcd-bridge dead-letters replay {letter.at}"))
        write("      writes it once more to where it came from: a new record, which is read as any other")
    else:
        write(printable(f"  no replay: {shown.objection}"))


def _reason(letter: Letter) -> str:
    return letter.error.error_class if letter.error is not None else "not written by a bridge"


def _size(letter: Letter) -> str:
    return f"{letter.value_bytes if letter.value_bytes is not None else 'null'}{' (stub)' if letter.digest else ''}"


def _value(shown: Shown) -> str:
    digest = shown.letter.digest
    if digest is None:
        return _sized(shown.letter.value_bytes)
    held = "the input still holds it" if shown.record is not None else "the input holds it no more"
    return f"left out: {_sized(digest.size_bytes)}, SHA-256 {digest.sha256}; {held}"


def _sized(size: int | None) -> str:
    return "null" if size is None else f"{size} byte{'' if size == 1 else 's'}"


def _content(content: bytes | None) -> dict[str, str] | None:
    if content is None:
        return None
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _text(content: bytes | None) -> str:
    return "null" if content is None else content.decode(errors="backslashreplace")
