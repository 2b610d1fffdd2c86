"""JSON documents, checked key by key against VMware's generated classes (PyPI: vcd-api-schemas-type)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

from bridge.catalogue.types import Primitive, load_types
from tests.fidelity.conformity.deviations import JSON, reason_of
from tools.derive_types import Class, generated_classes


class NoClassError(Exception):
    """The document's type is in none of the generated classes."""


_PYTHON: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


@cache
def _classes() -> dict[str, tuple[str, Class]]:
    """Squeezed name with prefix -> that name as it is, and the class."""
    return {_squeezed(name): (name, one) for name, one in generated_classes().items()}


def _squeezed(name: str) -> str:
    """Without underscores and case; DMTF's small namespaces are all in OVF's package."""
    prefix, _, local = name.replace("_", "").casefold().rpartition(":")
    prefix = "ovf" if prefix in ("cim", "rasd", "vssd") else prefix
    return f"{prefix}:{local}" if prefix else local


@cache
def _find(name: str, within: str = "") -> tuple[str, Class] | None:
    """The class that a name means inside another class: of its own package, else VCD's, else anybody's."""
    prefix = within.rpartition(":")[0]
    for candidate in (f"{prefix}:{name}" if prefix else name, name, f"ovf:{name}", f"vmext:{name}"):
        found = _classes().get(_squeezed(candidate))
        if found is not None:
            return found
    return None


@cache
def keys_of(name: str) -> dict[str, tuple[str, str]] | None:
    """All keys of a class, the inherited ones too, each with its type and the class that has it; None where there is no
    such class."""
    found = _find(name)
    if found is None:
        return None
    own, one = found
    base = None if one.base is None else _find(one.base, own)
    inherited = {} if base is None else keys_of(base[0]) or {}
    return {**inherited, **{key.removeprefix("_"): (kind, own) for key, kind in one.keys.items()}}


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
    if not isinstance(document, dict):
        yield f"{where}: {document!r} is no {name}"
        return
    said = document.get("_type")
    found = _find(name if said is None else said, name)
    keys = None if found is None else keys_of(found[0])
    if found is None or keys is None:
        yield f"{where}: there is no class {said or name}"
        return
    kind = found[0]
    if said is not None and said not in load_types().by_json_name:
        yield f"{where}: there is no type {said}"
    elif said is not None and not _derived(kind, name):
        yield f"{where}: {said} is no {name}"
    for key, value in document.items():
        if key in keys:
            if not (isinstance(value, float) and _takes_fractions(kind, key)):
                yield from _value(value, *keys[key], f"{where}.{key}", passed)
        elif (what := _let_pass(kind, key)) is not None:
            passed[what] += 1
        else:
            yield f"{where}: {kind} has no key {key}"


def _let_pass(kind: str, key: str) -> str | None:
    """The deviation that a key of a class, or of one that it is derived from, is let pass for."""
    one: str | None = kind
    while one is not None:
        if reason_of(f"{one}.{key}", JSON) is not None:
            return f"*.{key}" if reason_of(f"*.{key}", JSON) else f"{one}.{key}"
        found = _find(one)
        one = None if found is None else found[1].base
    return None


def _takes_fractions(kind: str, key: str) -> bool:
    """The classes have whole numbers only, also where the XSDs have ``xs:double``."""
    types = load_types()
    one = types[kind].by_key.get(key) if kind in types else None
    return one is not None and types.primitive(one.type) is Primitive.NUMBER


def _value(value: Any, kind: str, within: str, where: str, passed: Counter[str]) -> Iterator[str]:
    """Classes without keys are lists of values, which they do not have; a few are named but not published."""
    if kind.startswith("list["):
        if not isinstance(value, list):
            yield f"{where}: {value!r} is no list"
            return
        for index, one in enumerate(value):
            yield from _value(one, kind[5:-1], within, f"{where}[{index}]", passed)
    elif value is None or kind == "object":
        return
    elif kind in _PYTHON:
        if not isinstance(value, _PYTHON[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield f"{where}: {value!r} is no {kind}"
    elif (found := _find(kind, within)) is not None and (keys_of(found[0]) or not isinstance(value, str)):
        yield from _object(value, found[0], where, passed)


def _derived(name: str, base: str) -> bool:
    """Whether a class is another or derived from it."""
    wanted, one = _find(base), _find(name)
    while one is not None and one != wanted:
        one = None if one[1].base is None else _find(one[1].base, one[0])
    return one is not None
