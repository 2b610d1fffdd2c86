"""JSON text of strangers to Python values: strict, bounded, never an exception other than its own.

Source: RFC 8259; section 4 leaves repeated names undefined and section 6 names the range of a double as what is
interoperable, so both limits are refused here and not guessed at.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bridge.core.requests import JsonValue

MAX_DEPTH = 64
"""Nesting that is taken. VCD's own bodies stay below 20; later steps may recurse over the document."""

_MAX_NUMBER_CHARACTERS = 309
"""Digits of the largest double: not every number of as many is one."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class JsonTextError(ValueError):
    """The text is not one JSON value in UTF-8."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """JSON that can be read but not taken over as it is. ``code`` is a reason code."""

    code: str
    message: str
    field: str | None = None


@dataclass(slots=True)
class Parsed:
    """``value`` holds what could be read, with the last of repeated names and 0 for unusable numbers."""

    value: JsonValue
    flaws: list[Flaw] = field(default_factory=list)


def parse(data: bytes | str) -> Parsed:
    """Read one JSON value. Raises JsonTextError."""
    if isinstance(data, bytes):
        try:
            data = data.removeprefix(_BYTE_ORDER_MARK).decode()
        except UnicodeDecodeError as error:
            raise JsonTextError(f"not UTF-8: byte {error.start} cannot be decoded") from None
    reader = _Reader()
    try:
        value = reader.decoder.decode(data)
    except RecursionError:
        raise JsonTextError("nested too deeply to be read") from None
    except ValueError as error:
        raise JsonTextError(str(error)[:200]) from None
    many = data.count("[") + data.count("{") > MAX_DEPTH
    if many and isinstance(value, dict | list) and _deeper_than(value, MAX_DEPTH):
        reader.flaws.insert(0, Flaw("too_deep", f"the document is nested deeper than {MAX_DEPTH} levels"))
    if "\\u" in data and not _encodable(value, reader.flaws):
        reader.flaws.append(Flaw("invalid_text", "a string holds half of a surrogate pair, which is not Unicode text"))
    return Parsed(value, reader.flaws)


def is_text(value: object) -> bool:
    """A string that can be written as UTF-8."""
    return isinstance(value, str) and (value.isascii() or _utf8(value))


class _Reader:
    """One decoder with its findings: the hooks of ``json`` see members and numbers as they are read."""

    def __init__(self) -> None:
        self.flaws: list[Flaw] = []
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._members,
            parse_float=self._float,
            parse_int=self._int,
            parse_constant=self._constant,
        )

    def _members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            counts = Counter(name for name, _ in pairs)
            shown = next(name for name, count in counts.items() if count > 1)[:100]
            self.flaws.append(Flaw("duplicate_field", f"an object holds the name {shown!r} more than once", shown))
        return members

    def _float(self, text: str) -> float:
        number = float(text)
        return number if math.isfinite(number) else self._too_large(text)

    def _int(self, text: str) -> int:
        fits = len(text) < _MAX_NUMBER_CHARACTERS or math.isfinite(float(text))
        return int(text) if fits else self._too_large(text)

    def _too_large(self, text: str) -> int:
        self.flaws.append(Flaw("invalid_number", f"the number {text[:20]}… is beyond the range of a double"))
        return 0

    def _constant(self, text: str) -> float:
        raise ValueError(f"{text} is not JSON")


def _deeper_than(value: JsonValue, depth: int) -> bool:
    level: list[Any] = [value]
    for _ in range(depth):
        children = (child for node in level for child in (node.values() if isinstance(node, dict) else node))
        level = [child for child in children if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _encodable(value: JsonValue, flaws: list[Flaw]) -> bool:
    if any(flaw.code == "too_deep" for flaw in flaws):
        return True
    return _utf8(json.dumps(value, ensure_ascii=False))


def _utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
