"""VCD's query filters (FIQL): ``==`` with ``*``, ``!=``, ``=gt= =ge= =lt= =le=``; ``;`` (AND) binds tighter than ``,``.

Source: VMware Cloud Director API Programming Guide, "Query Parameters"; pyvcloud client.py for the two encodings: up
to API 34 values are percent-encoded inside the encoded filter, from 35.0 ``( ) ; ,`` in values are escaped by a
backslash.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import unquote

from bridge.simulator.clock import parse_time

_CONSTRAINT = re.compile(r"([A-Za-z_][\w.:@\-]*)(==|!=|=gt=|=ge=|=lt=|=le=)")
_SPECIAL = frozenset("();,")
MAXIMUM_DEPTH = 64


class FilterError(ValueError):
    """The filter cannot be read, names an unknown field, or compares with a value of the wrong type."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``pieces`` is the value cut at its wildcards: one piece means no wildcard."""

    selector: str
    operator: str
    pieces: tuple[str, ...]

    @property
    def value(self) -> str:
        return "*".join(self.pieces)


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Either:
    parts: tuple[Expression, ...]


Expression = Comparison | All | Either


class FieldType(Enum):
    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    FLAG = "flag"
    REFERENCE = "reference"
    """An href or a URN; the host of an href is not compared."""
    ENTITY = "entity"
    """The uuid of an entity; compared with that at the end of an href or URN, whichever view the href is of."""


@dataclass(frozen=True, slots=True)
class Field:
    """How a row yields the value that a selector names. TIME fields yield seconds since the epoch."""

    type: FieldType
    get: Callable[[Any], Any]


def parse(text: str, *, decode_values: bool = False) -> Expression:
    """The expression of a filter (already decoded from the query string).

    Args:
        decode_values: Values are percent-encoded once more (``filterEncoded=true`` before API 35.0).

    Raises:
        FilterError: With the position of what cannot be read.
    """
    parser = _Parser(text, decode_values=decode_values)
    expression = parser.alternatives(0)
    if parser.position < len(text):
        raise FilterError(f"unexpected '{text[parser.position]}' at {parser.position} of the filter")
    return expression


class _Parser:
    def __init__(self, text: str, *, decode_values: bool) -> None:
        self.text = text
        self.position = 0
        self.decode_values = decode_values

    def _next_is(self, character: str) -> bool:
        return self.text.startswith(character, self.position)

    def alternatives(self, depth: int) -> Expression:
        parts = [self.conjunction(depth)]
        while self._next_is(","):
            self.position += 1
            parts.append(self.conjunction(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def conjunction(self, depth: int) -> Expression:
        parts = [self.term(depth)]
        while self._next_is(";"):
            self.position += 1
            parts.append(self.term(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def term(self, depth: int) -> Expression:
        if not self._next_is("("):
            return self.comparison()
        if depth >= MAXIMUM_DEPTH:
            raise FilterError(f"more than {MAXIMUM_DEPTH} parentheses deep")
        self.position += 1
        inner = self.alternatives(depth + 1)
        if not self._next_is(")"):
            raise FilterError(f"missing ')' at {self.position} of the filter")
        self.position += 1
        return inner

    def comparison(self) -> Expression:
        match = _CONSTRAINT.match(self.text, self.position)
        if match is None:
            raise FilterError(f"expected <field><operator><value> at {self.position} of the filter")
        self.position = match.end()
        pieces = tuple(self._pieces())
        return Comparison(match[1], match[2], pieces)

    def _pieces(self) -> Iterator[str]:
        """The value up to the next separator, cut at unescaped wildcards."""
        piece: list[str] = []
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == "\\" and self.position + 1 < len(self.text):
                self.position += 1
                piece.append(self.text[self.position])
            elif character in _SPECIAL:
                break
            elif character == "*":
                yield self._decoded(piece)
                piece = []
            else:
                piece.append(character)
            self.position += 1
        yield self._decoded(piece)

    def _decoded(self, piece: list[str]) -> str:
        text = "".join(piece)
        return unquote(text) if self.decode_values else text


Predicate = Callable[[Any], bool]


def compile_filter(expression: Expression, fields: Mapping[str, Field]) -> Predicate:
    """A function that tells whether a row matches.

    Raises:
        FilterError: Unknown field, or a value that does not fit the field's type.
    """
    match expression:
        case Comparison():
            field = fields.get(expression.selector)
            if field is None:
                raise FilterError(f"unknown field '{expression.selector}'")
            return _comparison(expression, field)
        case All(parts):
            every = [compile_filter(part, fields) for part in parts]
            return _every(every)
        case Either(parts):
            some = [compile_filter(part, fields) for part in parts]
            return _some(some)


def _every(parts: Sequence[Predicate]) -> Predicate:
    """A loop of its own: ``all`` over a generator takes twice the time, and this runs once a row."""

    def holds(row: Any) -> bool:
        for part in parts:  # noqa: SIM110
            if not part(row):
                return False
        return True

    return holds


def _some(parts: Sequence[Predicate]) -> Predicate:
    def holds(row: Any) -> bool:
        for part in parts:  # noqa: SIM110
            if part(row):
                return True
        return False

    return holds


def _comparison(comparison: Comparison, field: Field) -> Predicate:
    get = field.get
    if comparison.operator in ("==", "!="):
        equal = _equality(comparison, field.type)
        if comparison.operator == "==":
            return lambda row: (value := get(row)) is not None and equal(value)
        return lambda row: (value := get(row)) is None or not equal(value)
    bound = _typed(comparison, field.type)
    match comparison.operator:
        case "=gt=":
            return lambda row: (value := get(row)) is not None and _folded(value) > bound
        case "=ge=":
            return lambda row: (value := get(row)) is not None and _folded(value) >= bound
        case "=lt=":
            return lambda row: (value := get(row)) is not None and _folded(value) < bound
        case _:
            return lambda row: (value := get(row)) is not None and _folded(value) <= bound


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _equality(comparison: Comparison, kind: FieldType) -> Predicate:
    if len(comparison.pieces) > 1:
        pattern = re.compile(".*".join(re.escape(piece.casefold()) for piece in comparison.pieces), re.DOTALL)
        return lambda value: pattern.fullmatch(str(value).casefold()) is not None
    wanted = _typed(comparison, kind)
    if kind is FieldType.REFERENCE:
        return lambda value: reference_key(value) == wanted
    if kind is FieldType.TIME:
        # VCD's dates have milliseconds; the moment inside may be finer.
        return lambda value: int(value * 1000) == round(wanted * 1000)
    return lambda value: _folded(value) == wanted


def _typed(comparison: Comparison, kind: FieldType) -> Any:
    text = comparison.value
    match kind:
        case FieldType.TEXT:
            return text.casefold()
        case FieldType.REFERENCE:
            return reference_key(text)
        case FieldType.ENTITY:
            return text.rstrip("/")[-36:].casefold()
        case FieldType.FLAG:
            if text.casefold() not in ("true", "false"):
                raise FilterError(f"'{text}' is no boolean for '{comparison.selector}'")
            return text.casefold() == "true"
        case FieldType.NUMBER:
            try:
                return float(text)
            except ValueError:
                raise FilterError(f"'{text}' is no number for '{comparison.selector}'") from None
        case FieldType.TIME:
            moment = parse_time(text)
            if moment is None:
                raise FilterError(f"'{text}' is no date for '{comparison.selector}'")
            return moment


def reference_key(text: str) -> str:
    """What two spellings of one reference share: an href without its scheme and host, in lower case."""
    folded = text.casefold()
    if folded.startswith(("http://", "https://")):
        return folded[folded.find("/", 8) :]
    return folded
