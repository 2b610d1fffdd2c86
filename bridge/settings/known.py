"""Which settings exist, read off the models, what they mean, and what a misspelt name was probably meant to be."""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import cast, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bridge.settings.sections import Settings


def _models() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for name, info in Settings.model_fields.items():
        if inspect.isclass(info.annotation) and issubclass(info.annotation, BaseModel):
            found[name] = info.annotation
    return found


SECTIONS = _models()
"""Model by section name."""

KNOWN: Mapping[str, FieldInfo] = {
    f"{section}.{name}": info for section, model in SECTIONS.items() for name, info in model.model_fields.items()
}
"""Field by dotted name, in the order of the sections."""

SECRETS: frozenset[str] = frozenset(
    name for name, info in KNOWN.items() if info.annotation is SecretStr or SecretStr in get_args(info.annotation)
)
"""Dotted names of single secrets; each may also come from a file."""


@cache
def documentation() -> Mapping[str, str]:
    """What each setting means, by dotted name: the text under it in its model. Without sources: nothing.

    Read when it is asked for: pydantic's ``use_attribute_docstrings`` would do so at every start, for a tenth of a
    second.
    """
    texts = {section: dict(_texts_under_fields(model)) for section, model in SECTIONS.items()}
    return {name: texts[name.partition(".")[0]].get(name.partition(".")[2], "") for name in KNOWN}


def _texts_under_fields(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    try:
        definition = cast("ast.ClassDef", ast.parse(inspect.getsource(model)).body[0])
    except OSError:
        return
    for pair in pairwise(definition.body):
        match pair:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                yield name, " ".join(text.split()).replace("``", "`")
            case _:
                pass


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` or nothing."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {match[0]}?" if match else ""
