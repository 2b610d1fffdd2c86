"""How bodies write values: plain or wrapped, as texts, alone or in arrays, as XML where OVF takes anything."""

from __future__ import annotations

from typing import Any

from bridge.simulator.documents.compute.sections import plain
from bridge.simulator.protocol.exchange import JsonObject


def counted(value: Any) -> int | None:
    """A whole number, 0 or more, also as a text or wrapped; None for anything else."""
    text = str(plain(value))
    return int(text) if text.isdecimal() and len(text) < 19 else None


def whole(value: Any) -> int | None:
    """A whole number above 0."""
    return counted(value) or None


def objects(value: Any) -> list[JsonObject]:
    """The objects of an array, or one that stands alone."""
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict)]


def markup(document: JsonObject) -> str:
    """The XML that stands where OVF's schemas take anything."""
    found = document.get("any")
    return "".join(map(str, found)) if isinstance(found, list) else str(found or "")


def flag(document: JsonObject, name: str, before: bool) -> bool:  # noqa: FBT001  # the value, not a switch
    value = document.get(name)
    return value if isinstance(value, bool) else before
