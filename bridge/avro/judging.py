"""Judges the fields of a decoded document one by one: what each kind of record is held to, and how it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from bridge.avro.flat import EXTENSION
from bridge.avro.json_text import Flaw, is_text
from bridge.avro.shape import Shape
from bridge.avro.times import parse_time
from bridge.core.requests import JsonValue, Malformed

CODES: dict[str, str] = {
    "invalid_type": "a field has a value of another type than its own",
    "missing_field": "a field that this kind of record needs is not there",
    "unknown_field": "the record has a field that its kind does not have",
    "duplicate_field": "one JSON object holds a name more than once",
    "conflicting_field": "a field is given twice, nested and dotted, with different values; or two exclude each other",
    "invalid_value": "the value is none of those that the field takes",
    "invalid_number": "a number is beyond the range of a double",
    "invalid_time": "a time is no RFC 3339 text with an offset and no number of milliseconds since the epoch",
    "invalid_text": "a string is not Unicode text",
    "too_deep": "the document is nested too deeply",
    "too_long": "a field is longer than it may be",
    "structured_event": "a CloudEvent in structured mode; binary mode is needed",
}
"""Reason codes told by the codecs of all records -> meaning."""

_DIGITS = re.compile(r"-?\d{1,19}", re.ASCII)

_FLAGS = {"true": True, "false": False}

MAX_TEXT = 1024
"""Characters of a text that travels to every event: headers and key of the event hold it again."""


class RefusedError(Exception):
    """The document is refused for ``flaw``."""

    def __init__(self, code: str, message: str, field: str | None) -> None:
        self.flaw = Flaw(code, message, field)


def malformed(flaw: Flaw, **readable: str | None) -> Malformed:
    """The answer to a document with a flaw; ``readable``: members of ``Malformed`` that could be read."""
    field = clean(flaw.field) if flaw.field is not None else None
    return Malformed(code=flaw.code, message=clean(flaw.message), field=field, **readable)


def text(document: Mapping[str, JsonValue], name: str, prefix: str = "", *, most: int = MAX_TEXT) -> str | None:
    """A member that is text of at most ``most`` characters; None where it is not given. Raises RefusedError."""
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong_type(prefix + name, "a string", value)
    if not is_text(value):
        raise RefusedError("invalid_text", f"{prefix}{name} holds half of a surrogate pair", prefix + name)
    if len(value) > most:
        raise RefusedError("too_long", f"{prefix}{name} has {len(value)} characters, more than {most}", prefix + name)
    return value


def whole(
    document: Mapping[str, JsonValue],
    name: str,
    prefix: str = "",
    *,
    least: int,
    most: int,
    code: str = "invalid_value",
) -> int | None:
    """A member that is a whole number, also as text, because flat JSON of some tools has nothing else.

    Raises RefusedError, with ``code`` where it is out of range.
    """
    value = document.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, float):
        raise RefusedError("invalid_type", f"{prefix}{name} must be a whole number, not {value}", prefix + name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(prefix + name, "a whole number", value)
    if not least <= value <= most:
        raise RefusedError(code, f"{prefix}{name} must be {least} to {most}, not {str(value)[:30]}", prefix + name)
    return value


def moment(document: Mapping[str, JsonValue], name: str) -> datetime | None:
    """A member that is a time; None where it is not given. Raises RefusedError."""
    value = document.get(name)
    if value is None:
        return None
    try:
        return parse_time(value)
    except TypeError as error:
        raise RefusedError("invalid_type", f"{name} {error}, not {json_type(value)}", name) from None
    except ValueError as error:
        raise RefusedError("invalid_time", f"{name}: {error}", name) from None


def flag(document: Mapping[str, JsonValue], name: str) -> bool | None:
    """A member that is true or false, also as text, because flat JSON of some tools has nothing else; None where it is
    not given. Raises RefusedError."""
    value = document.get(name)
    if isinstance(value, str) and value.casefold() in _FLAGS:
        return _FLAGS[value.casefold()]
    if value is not None and not isinstance(value, bool):
        raise wrong_type(name, "true or false", value)
    return value


def members(document: Mapping[str, JsonValue], name: str, prefix: str = "") -> Mapping[str, JsonValue] | None:
    """A member that is an object. Raises RefusedError."""
    value = document.get(name)
    if value is not None and not isinstance(value, dict):
        raise wrong_type(prefix + name, "an object", value)
    return value


def refuse_unknown(document: Mapping[str, JsonValue], shape: Shape) -> None:
    """Names that the record does not have: a misspelt one that were dropped would be missed. Raises RefusedError."""
    _refuse_names(document, shape.fields, "", shape)
    for path, known in shape.objects.items():
        inner: Any = document
        for part in path.split("."):
            inner = inner.get(part) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            _refuse_names(inner, known, f"{path}.", shape)


def _refuse_names(object_: Mapping[str, JsonValue], known: tuple[str, ...], prefix: str, shape: Shape) -> None:
    for name in object_:
        if name in known or EXTENSION.match(name):
            continue
        told = prefix + name[:100]
        reason = shape.refusal(prefix + name)
        if reason is not None:
            raise RefusedError("field_not_settable", f"{told} cannot be set: {reason}", told)
        hint = _hint(name[:100], known, prefix, shape)
        raise RefusedError("unknown_field", f"{told!r} is no field of {shape.record}: {hint}", told)


def _hint(name: str, known: tuple[str, ...], prefix: str, shape: Shape) -> str:
    root, dot, rest = name.partition(".")
    if dot and root in known and not shape.inside:
        return "no field has members"
    if dot and root in known:
        *most, last = shape.inside
        return f"only {', '.join(most)} and {last} have members"
    near = get_close_matches(root.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {prefix}{near[0]}{dot}{rest}?"
    return f"known are {', '.join(known)}; your own begin with x_"


def short_text(value: object) -> str | None:
    """A value that an answer can repeat, else None."""
    return value if isinstance(value, str) and len(value) <= MAX_TEXT and is_text(value) else None


def is_printable(value: str, most: int) -> bool:
    """1 to ``most`` printable characters."""
    return 1 <= len(value) <= most and value.isprintable()


def wrong_type(name: str, wanted: str, value: object) -> RefusedError:
    """The refusal of a value of another type than ``wanted``."""
    hint = "; put it in quotes" if wanted == "a string" and isinstance(value, int | float) else ""
    return RefusedError("invalid_type", f"{name} must be {wanted}, not {json_type(value)}{hint}", name)


def json_type(value: object) -> str:
    """A value's type in JSON's words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case bytes():
            return "bytes"
        case _:
            return "an object"


def shown(value: object) -> str:
    """A value as a message repeats it."""
    told = repr(value)
    return told if len(told) <= 60 else f"{told[:60]}…"


def clean(message: str) -> str:
    """Text that can be written as UTF-8: a stranger's name may hold half of a surrogate pair."""
    return message.encode(errors="backslashreplace").decode()
