"""JSON documents, checked key by key against VMware's generated classes (PyPI: vcd-api-schemas-type)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

from bridge.catalogue.types import load_types
from tests.fidelity.conformity.deviations import JSON, reason_of
from tools.derive_types import Class, generated_classes


class NoClassError(Exception):
    """The document's type is in none of the generated classes."""


_PYTHON: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


@cache
def classes() -> dict[str, Class]:
    """By their names without prefixes and underscores; where two share one, VCD's own."""
    found: dict[str, Class] = {}
    for name, one in generated_classes().items():
        found.setdefault(_squeezed(name), one)
        found[_squeezed(name.rpartition(":")[2])] = one
    return found


def _squeezed(name: str) -> str:
    return name.replace("_", "").casefold()


@cache
def keys_of(name: str) -> dict[str, str] | None:
    """All keys of a class with their types, the inherited ones too; None where there is no such class."""
    one = classes().get(_squeezed(name))
    if one is None:
        return None
    inherited = keys_of(one.base) if one.base is not None else None
    return {**(inherited or {}), **{key.removeprefix("_"): kind for key, kind in one.keys.items()}}


def problems(document: Any, name: str, passed: Counter[str]) -> list[str]:
    """What the generated class of a type says against a document: unknown keys, values of another type.

    Args:
        name: Of the catalogue's types, such as ``TaskType`` or ``vmext:VimServerType``.
        passed: Counts what is let pass for a reason of its own.

    Raises:
        NoClassError: There is no class of this type.
    """
    if keys_of(name) is None:
        raise NoClassError(name)
    return list(_object(document, name, name, passed))


def _object(document: Any, name: str, where: str, passed: Counter[str]) -> Iterator[str]:
    if document is None:
        return
    if not isinstance(document, dict):
        yield f"{where}: {document!r} is no {name}"
        return
    said = document.get("_type")
    kind = name if said is None else said
    keys = keys_of(kind)
    if keys is None:
        yield f"{where}: there is no class {kind}"
        return
    if said is not None and said not in load_types().by_json_name:
        yield f"{where}: there is no type {said}"
    elif said is not None and not _derived(said, name):
        yield f"{where}: {said} is no {name}"
    for key, value in document.items():
        if key in keys:
            yield from _value(value, keys[key], f"{where}.{key}", passed)
        elif reason_of(f"{kind}.{key}", JSON) is not None:
            passed[f"*.{key}" if reason_of(f"*.{key}", JSON) else f"{kind}.{key}"] += 1
        else:
            yield f"{where}: {kind} has no key {key}"


def _value(value: Any, kind: str, where: str, passed: Counter[str]) -> Iterator[str]:
    if kind.startswith("list["):
        if not isinstance(value, list):
            yield f"{where}: {value!r} is no list"
            return
        for index, one in enumerate(value):
            yield from _value(one, kind[5:-1], f"{where}[{index}]", passed)
    elif value is None or kind == "object":
        return
    elif kind in _PYTHON:
        if not isinstance(value, _PYTHON[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield f"{where}: {value!r} is no {kind}"
    elif keys_of(kind) is not None:
        yield from _object(value, kind, where, passed)
    elif isinstance(value, (dict, list)):
        yield f"{where}: {value!r} is no {kind}"


def _derived(name: str, base: str) -> bool:
    one: str | None = name
    while one is not None:
        if _squeezed(one) == _squeezed(base.rpartition(":")[2]):
            return True
        found = classes().get(_squeezed(one))
        one = None if found is None else found.base
    return False
