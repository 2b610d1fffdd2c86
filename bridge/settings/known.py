"""Which settings exist, read off the models, and what a misspelt name was probably meant to be."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from typing import get_args

from pydantic import BaseModel, SecretStr

from bridge.settings.sections import Settings


def _models() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for name, info in Settings.model_fields.items():
        if inspect.isclass(info.annotation) and issubclass(info.annotation, BaseModel):
            found[name] = info.annotation
    return found


SECTIONS = _models()
"""Model by section name."""

KNOWN: dict[str, str] = {
    f"{section}.{name}": " ".join((info.description or "").split()).replace("``", "`")
    for section, model in SECTIONS.items()
    for name, info in model.model_fields.items()
}
"""Documentation by dotted name, in the order of the sections."""

SECRETS: frozenset[str] = frozenset(
    f"{section}.{name}"
    for section, model in SECTIONS.items()
    for name, info in model.model_fields.items()
    if info.annotation is SecretStr or SecretStr in get_args(info.annotation)
)
"""Dotted names of single secrets; each may also come from a file."""


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` or nothing."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {match[0]}?" if match else ""
