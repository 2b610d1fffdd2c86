"""Documents made up at random, by the catalogue's types, in the form of JSON."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from bridge.catalogue.types import DocumentType, Field, Place, Primitive, load_types
from bridge.simulator.protocol.document_types import actual_type, substitution

_DEEP = 3

_FACETS: dict[str, tuple[Any, ...]] = {
    "PhasesType.Phase_Inline.name_Choice": ("urn:extensionPoint:a",),
    "vmext:ObjectExtensionType.vmext:Selectors_Inline.vmext:Selector_Inline.name_Choice": tuple(
        f"urn:selector:{n}" for n in range(1000)
    ),
    "vmw:intOrHex": ("7", "0xff"),
    "xs:hexBinary": ("cafe",),
    "xs:base64Binary": ("Y2FmZQ==",),
    "xs:date": ("2024-03-06",),
    "xs:time": ("14:11:57",),
    "xs:duration": ("PT5M",),
    "vmext:SystemPasswordPolicySettingsType.vmext:AccountLockoutIntervalMinutes_Choice": (1, 30),
}
"""Simple types and what they take where the schemas restrict it otherwise than by a list of values."""

_BYTES = ("xs:hexBinary", "xs:base64Binary")

_VALUES: dict[Primitive, tuple[Any, ...]] = {
    Primitive.BOOLEAN: (True, False),
    Primitive.INTEGER: (0, 1, 7, 100),
    Primitive.NUMBER: (1, 2),
    Primitive.DATE_TIME: ("2024-03-06T14:11:57.473+0200", "2027-01-15T08:00:00.000+0000"),
    Primitive.ANY: ("anything", True, 7),
    Primitive.STRING: ("", "web", 'a < b & "c"', "größe\n\u2028"),
}


def make(name: str, chance: random.Random, *, of_json: bool = False) -> dict[str, Any]:
    """A document of a type: what is required, and some of what may be there.

    Args:
        of_json: Without what JSON does not have any more, or has in another form.
    """
    document = _object(load_types()[name], chance, 0)
    return _without_older(document, name) if of_json else document


def _without_older(document: dict[str, Any], name: str) -> dict[str, Any]:
    kind = load_types()[actual_type(name, document.get("_type", ""))]
    kept: dict[str, Any] = {}
    for key, value in document.items():
        one = kind.by_key.get(key)
        if one is None or one.type not in load_types():
            if one is None or not (one.older or one.type in _BYTES):
                kept[key] = value
        elif isinstance(value, list):
            kept[key] = [_without_older(inner, one.type) for inner in value]
        elif not one.older:
            kept[key] = _without_older(value, one.type)
    return kept


def _object(kind: DocumentType, chance: random.Random, depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    excluded = _excluded(kind, chance)
    chosen = {key for one in kind.choices if one.required for branch in one.branches for key in branch} - excluded
    for one in kind.fields:
        wanted = (
            one.required or one.key in chosen or one.place is Place.TEXT or (depth < _DEEP and chance.random() < 0.5)
        )
        if one.newer or one.key == "vCloudExtension" or one.place is Place.ANY or one.key in excluded or not wanted:
            continue
        value = _code(one) if _is_code(kind, one) else _value(one, chance, depth)
        if value is not None:
            document[one.key] = value
    if kind.name == "LinkType" and "type" in document:
        document["type"] = "text/plain"  # one to a document would be written in both forms
    return document


def _is_code(kind: DocumentType, one: Field) -> bool:
    """DMTF's elements for numbers of a list, which for some of them are texts."""
    return one.place is Place.TEXT and kind.name.startswith(("rasd:", "vssd:"))


def _code(one: Field) -> Any:
    return 1 if load_types().primitive(one.type) is Primitive.INTEGER else "1"


def _excluded(kind: DocumentType, chance: random.Random) -> set[str]:
    """The keys of the branches that are not chosen."""
    left_out: set[str] = set()
    for one in kind.choices:
        kept = chance.choice(one.branches)
        left_out.update(key for branch in one.branches if branch is not kept and not one.any_order for key in branch)
    return left_out


def _value(one: Field, chance: random.Random, depth: int) -> Any:
    values = [_single(one, chance, depth) for _ in range(chance.randint(1, 2) if one.many else 1)]
    values = [value for value in values if value is not None]
    return (values or None) if one.many else values[0] if values else None


def _single(one: Field, chance: random.Random, depth: int) -> Any:
    types = load_types()
    if one.type in types:
        name = chance.choice(_concrete(one.xml, one.type) or ("",))
        if not name:
            return None
        inner = _object(types[name], chance, depth + 1)
        return inner if name == one.type else {"_type": types[name].json_name, **inner}
    choices = _FACETS.get(one.type) or types.choices(one.type)
    if choices:
        return chance.choice(choices)
    if one.key == "type":
        return "application/vnd.vmware.vcloud.task+json"
    kind = types.primitive(one.type) or Primitive.ANY
    return chance.choice(_VALUES[kind])


@cache
def _concrete(element: str, declared: str) -> tuple[str, ...]:
    """Types that can stand there: the declared one, or those of elements that may stand for it."""
    types = load_types()
    own = () if types[declared].abstract else (declared,)
    others = tuple(
        name
        for name in types
        if name != declared
        and types.extends(name, declared)
        and not types[name].abstract
        and not types[name].newer
        and (types[declared].abstract or substitution(element, name) is not None)
    )
    return (*own, *others[:6])
