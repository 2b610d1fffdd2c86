"""Flat JSON to nested: ``parameters.id`` and ``body.powerOn`` mean the member inside.

Ticketing systems can often emit only one flat object of scalars; both forms, also mixed, mean the same record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bridge.avro.json_text import Flaw, JsonTextError, parse
from bridge.avro.shape import Inside, Shape
from bridge.core.requests import JsonValue

EXTENSION = re.compile(r"[xX][-_]")
"""Names that begin so are the producer's own and are passed over, dots and all."""

_MAX_PARTS = 32


def nest(document: Mapping[str, JsonValue], shape: Shape) -> tuple[dict[str, JsonValue], list[Flaw]]:
    """The nested form of a document and what contradicts itself in it. Outside of free content null is nothing given.

    A dotted name whose root has no members stays as it is: it is an unknown name like any other. Objects inside
    ``document`` are completed in place: copies would cost the square of the number of dotted names.
    """
    nested = {name: value for name, value in document.items() if "." not in name}
    flaws: list[Flaw] = []
    for root, inside in shape.inside.items():
        if inside.from_text:
            _open(nested, root, flaws)
    for name, value in document.items():
        if "." not in name:
            continue
        inside_root = shape.inside.get(name.partition(".")[0])
        if inside_root is None or shape.refusal(name) is not None:
            nested[name] = value
            continue
        flaw = _place(nested, name, value, inside_root)
        if flaw is not None:
            flaws.append(flaw)
    return nested, flaws


def _open(nested: dict[str, JsonValue], root: str, flaws: list[Flaw]) -> None:
    text = nested.get(root)
    if isinstance(text, str):
        try:
            parsed = parse(text)
        except JsonTextError as error:
            flaws.append(Flaw("invalid_type", f"{root} must be an object or the text of one: {error}", root))
            return
        flaws += parsed.flaws
        nested[root] = parsed.value


def _place(nested: dict[str, JsonValue], name: str, value: JsonValue, inside: Inside) -> Flaw | None:
    root, _, rest = name.partition(".")
    if isinstance(value, dict | list):
        message = f"{name[:100]} must be a scalar: a dotted name takes no object and no list; give {root} as an object"
        return Flaw("invalid_type", message, name[:100])
    path = rest.split(".") if inside.levels else [rest]
    if len(path) > _MAX_PARTS:
        return Flaw("too_deep", f"{name[:100]!r}… has more than {_MAX_PARTS} parts", name[:100])
    if not all(path):
        return Flaw("unknown_field", f"{name[:100]!r} has an empty part between its dots", name[:100])
    return _put(nested, [root, *path], value, name[:100], free=inside.free)


def _put(nested: dict[str, JsonValue], path: list[str], value: JsonValue, name: str, *, free: bool) -> Flaw | None:
    holder: dict[str, Any] = nested
    for part in path[:-1]:
        inner = holder.get(part)
        if inner is None and (holder is nested or not free or part not in holder):
            inner = holder[part] = {}
        if not isinstance(inner, dict):
            return Flaw("conflicting_field", f"{name} is given, but {part} is given too and is no object", name)
        holder = inner
    leaf = path[-1]
    if leaf in holder and not _same(holder[leaf], value):
        if not free and value is None:
            return None
        if free or holder[leaf] is not None:
            return Flaw("conflicting_field", f"{name} is given twice, nested and dotted, with different values", name)
    holder[leaf] = value
    return None


def _same(one: JsonValue, other: JsonValue) -> bool:
    # In Python True == 1, in JSON it is not.
    return type(one) is type(other) and one == other
