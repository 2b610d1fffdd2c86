"""Flat JSON to nested: ``parameters.id`` and ``body.powerOn`` mean the member inside.

Ticketing systems can often emit only one flat object of scalars; both forms, also mixed, mean the same record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bridge.avro.json_text import Flaw, JsonTextError, parse
from bridge.core.requests import JsonValue

_ONE_LEVEL = ("parameters", "query", "resolution")
"""Objects whose members are scalars: what follows the first dot is the member's name, dots and all."""

EXTENSION = re.compile(r"[xX][-_]")
"""Names that begin so are the producer's own and are passed over, dots and all."""

_MAX_PARTS = 32


def nest(document: Mapping[str, JsonValue]) -> tuple[dict[str, JsonValue], list[Flaw]]:
    """The nested form of a document and what contradicts itself in it. A null outside of ``body`` is nothing given.

    Objects inside ``document`` are completed in place: copies would cost the square of the number of dotted names.
    """
    nested = {name: value for name, value in document.items() if "." not in name}
    flaws: list[Flaw] = []
    _open_body(nested, flaws)
    for name, value in document.items():
        if "." not in name or EXTENSION.match(name):
            continue
        flaw = _place(nested, name, value)
        if flaw is not None:
            flaws.append(flaw)
    return nested, flaws


def _open_body(nested: dict[str, JsonValue], flaws: list[Flaw]) -> None:
    """A ``body`` given as JSON text, the only way to a list in flat JSON, becomes the object that it is."""
    body = nested.get("body")
    if isinstance(body, str):
        try:
            parsed = parse(body)
        except JsonTextError as error:
            flaws.append(Flaw("invalid_type", f"body must be an object or the text of one: {error}", "body"))
            return
        flaws += parsed.flaws
        nested["body"] = parsed.value


def _place(nested: dict[str, JsonValue], name: str, value: JsonValue) -> Flaw | None:
    root, _, rest = name.partition(".")
    if root not in _ONE_LEVEL and root != "body":
        return Flaw(
            "unknown_field",
            f"{name[:100]!r} names nothing: only parameters, query, body and resolution have members",
            name[:100],
        )
    if isinstance(value, dict | list):
        message = f"{name[:100]} must be a scalar: a dotted name takes no object and no list; give {root} as an object"
        return Flaw("invalid_type", message, name[:100])
    path = rest.split(".") if root == "body" else [rest]
    if len(path) > _MAX_PARTS:
        return Flaw("too_deep", f"{name[:100]!r}… has more than {_MAX_PARTS} parts", name[:100])
    if not all(path):
        return Flaw("unknown_field", f"{name[:100]!r} has an empty part between its dots", name[:100])
    return _put(nested, root, path, value, name[:100])


def _put(nested: dict[str, JsonValue], root: str, path: list[str], value: JsonValue, name: str) -> Flaw | None:
    holder: dict[str, Any] = nested
    for part in (root, *path[:-1]):
        inner = holder.get(part)
        if inner is None and (holder is nested or part not in holder):
            inner = holder[part] = {}
        if not isinstance(inner, dict):
            return Flaw("conflicting_field", f"{name} is given, but {part} is given too and is no object", name)
        holder = inner
    leaf = path[-1]
    if leaf in holder and not _same(holder[leaf], value):
        if root != "body" and value is None:
            return None
        if root == "body" or holder[leaf] is not None:
            return Flaw("conflicting_field", f"{name} is given twice, nested and dotted, with different values", name)
    holder[leaf] = value
    return None


def _same(one: JsonValue, other: JsonValue) -> bool:
    # In Python True == 1, in JSON it is not.
    return type(one) is type(other) and one == other
