"""XML bodies, validated as the schemas want it and read into the form that JSON has.

Elements must come in the order of the schemas, all required ones must be there, others than the type's are refused.
Fields that came after the schemas (``newer``) may stand anywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bridge.catalogue.shapes import OMISSIBLE, SUPERSEDED, is_foreign
from bridge.catalogue.types import Choice, DocumentType, Field, Place, Primitive, load_types
from bridge.simulator.clock import json_time, parse_time
from bridge.simulator.protocol.document_types import ByType, actual_type
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.protocol.xml_tree import Node, invalid, markup

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_WHOLE = re.compile(r"[+-]?\d{1,30}")


def from_xml(root: Node, name: str) -> JsonObject:
    """A document of a type (a key of the schemas' types).

    Raises:
        Refusal: 400 with the rule that it breaks.
    """
    types = load_types()
    kind = types.elements.get(root.name)
    if kind is None or not types.extends(kind, name):
        raise invalid("cvc-elt.1", f"Cannot find the declaration of element '{root.name}' here.")
    return _object(root, kind, kind)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an element stands in its type; ``type`` is the element's own where it stands for another."""

    index: int
    field: Field
    type: str
    substitute: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    kind: DocumentType
    elements: dict[str, _Place]
    attributes: dict[str, Field]
    required: tuple[Field, ...]
    text: Field | None
    any: Field | None


def _plan(kind: DocumentType) -> _Plan:
    types, elements = load_types(), dict[str, _Place]()
    places: dict[Place, dict[str, Field]] = {place: {} for place in Place}
    first = {key: keys[0] for keys in _any_order(kind) for key in keys}
    positions = {one.key: index for index, one in enumerate(kind.fields)}
    for one in kind.fields:
        index = positions[first.get(one.key, one.key)]
        places[one.place][one.xml] = one
        if one.place is Place.ELEMENT:
            elements[one.xml] = _Place(index, one, one.type, substitute=False)
            for other in types.substitutes(one.xml):
                elements.setdefault(other, _Place(index, one, types.elements[other], substitute=True))
    required = tuple(one for one in kind.fields if one.required and (kind.name, one.key) not in OMISSIBLE)
    return _Plan(
        kind, elements, places[Place.ATTRIBUTE], required,
        next(iter(places[Place.TEXT].values()), None), next(iter(places[Place.ANY].values()), None),
    )  # fmt: skip


_PLANS = ByType(_plan)


def _any_order(kind: DocumentType) -> list[tuple[str, ...]]:
    """Keys of elements that may stand in any order among each other."""
    return [tuple(key for branch in one.branches for key in branch) for one in kind.choices if one.any_order]


def _object(node: Node, declared: str, expected: str) -> JsonObject:
    """``declared`` is the element's type, ``expected`` that of the field, which another element may stand in for."""
    types, document = load_types(), dict[str, Any]()
    said = node.attributes.get(_XSI_TYPE)
    name = declared if said is None else actual_type(declared, _json_name(said))
    if said is not None and types[name].json_name != _json_name(said):
        raise invalid("cvc-elt.4.2", f"cannot resolve {said} to a type for the element {node.name}")
    if types[name].abstract:
        raise invalid("cvc-type.2", f"the type of the element {node.name} is abstract")
    if name != expected:
        document["_type"] = types[name].json_name
    plan = _PLANS[name]
    _read_attributes(node, plan, document)
    _read_text(node, plan, document)
    _read_children(node, plan, document)
    for one in plan.required:
        if one.key not in document and SUPERSEDED.get((name, one.key)) not in document:
            raise _missing(one, node)
    _check_choices(node, plan, document)
    return document


def _missing(one: Field, node: Node) -> Exception:
    if one.place is Place.ATTRIBUTE:
        return invalid("cvc-complex-type.4", f"Attribute '{one.xml}' must appear on element '{node.name}'.")
    text = f"The content of element '{node.name}' is not complete. {_expected([one.xml])}"
    return invalid("cvc-complex-type.2.4.b", text)


def _expected(elements: Iterable[str]) -> str:
    namespaces = load_types().namespaces
    split = [name.rpartition(":") for name in elements]
    named = ", ".join(f'"{namespaces[prefix]}":{local}' for prefix, _, local in split)
    return f"One of '{{{named}}}' is expected."


def _check_choices(node: Node, plan: _Plan, document: JsonObject) -> None:
    for one in plan.kind.choices:
        taken = sum(any(key in document for key in branch) for branch in one.branches)
        if taken > 1 and not one.any_order:
            raise invalid("cvc-complex-type.2.4.a", f"{node.name} takes only one of {_named(one)}")
        if taken == 0 and one.required:
            raise invalid("cvc-complex-type.2.4.b", f"{node.name} needs one of {_named(one)}")


def _named(choice: Choice) -> str:
    return ", ".join(" ".join(branch) for branch in choice.branches)


def _json_name(said: str) -> str:
    return said.strip().rpartition(":")[2].replace("_", "")


def _read_attributes(node: Node, plan: _Plan, document: JsonObject) -> None:
    for name, value in node.attributes.items():
        one = plan.attributes.get(name)
        if one is not None:
            document[one.key] = _value(value, one, name)
        elif name.startswith("{"):
            if "XMLSchema-instance" not in name:
                document.setdefault("otherAttributes", {})[name] = value
        elif ":" in name:
            prefix, _, local = name.partition(":")
            document.setdefault("otherAttributes", {})[f"{{{load_types().namespaces[prefix]}}}{local}"] = value
        elif not (plan.kind.other_attributes and is_foreign(plan.kind.name)):  # DMTF's take any, VCD's those of others
            text = f"Attribute '{name}' is not allowed to appear in element '{node.name}'."
            raise invalid("cvc-complex-type.3.2.2", text)


def _read_text(node: Node, plan: _Plan, document: JsonObject) -> None:
    if plan.text is not None:
        document[plan.text.key] = _value(node.text, plan.text, node.name)
    elif node.text.strip():
        raise invalid("cvc-complex-type.2.3", f"the element {node.name} cannot have text")


def _read_children(node: Node, plan: _Plan, document: JsonObject) -> None:
    reached = -1
    for child in node.children:
        place = plan.elements.get(child.name)
        if place is None and plan.any is not None:
            document.setdefault(plan.any.key, []).append(markup([child]))
            continue
        if place is None:
            raise _unexpected(child, node, plan, reached)
        one = place.field
        repeated = one.key in document and not one.many
        if repeated or (not one.newer and place.index < reached):
            raise _unexpected(child, node, plan, reached)
        reached = reached if one.newer else place.index
        if child.attributes.get(_XSI_NIL) in ("true", "1"):
            continue  # said to have no value: real servers write DMTF's elements so, and clients send them back
        value = _element(child, place)
        if one.many:
            document.setdefault(one.key, []).append(value)
        else:
            document[one.key] = value


def _unexpected(child: Node, node: Node, plan: _Plan, reached: int) -> Exception:
    """``reached``: where in its type the element before stands, which may come again only if there can be many."""
    possible = [
        name
        for name, place in plan.elements.items()
        if not place.substitute and (place.index > reached or (place.index == reached and place.field.many))
    ]
    found = f"Invalid content was found starting with element '{child.name}'."
    if possible:
        return invalid("cvc-complex-type.2.4.a", f"{found} {_expected(possible)}")
    return invalid("cvc-complex-type.2.4.d", f"{found} No child element is expected at this point.")


def _element(node: Node, place: _Place) -> Any:
    types = load_types()
    if place.type in types:
        return _object(node, place.type, place.field.type)
    if types.primitive(place.type) is Primitive.ANY:
        return _anything(node)
    if node.children:
        raise invalid("cvc-type.3.1.2", f"the element {node.name} takes a simple value")
    return _value(node.text, place.field, node.name)


def _anything(node: Node) -> Any:
    if node.children:
        return markup(node.children)
    match _json_name(node.attributes.get(_XSI_TYPE, "")):
        case "boolean":
            return _BOOLEANS.get(node.text.strip(), node.text)
        case "int" | "long" | "integer" | "short" if _WHOLE.fullmatch(node.text.strip()):
            return int(node.text)
        case _:
            return node.text


def _value(text: str, one: Field, where: str) -> Any:
    """A simple value in its JSON form."""
    types = load_types()
    kind, trimmed = types.primitive(one.type), text.strip()
    choices = types.choices(one.type)
    if choices and trimmed not in choices:
        raise invalid("cvc-enumeration-valid", f"{where} takes one of {', '.join(choices)}, not '{trimmed}'")
    match kind:
        case Primitive.BOOLEAN if trimmed in _BOOLEANS:
            return _BOOLEANS[trimmed]
        case Primitive.INTEGER if _WHOLE.fullmatch(trimmed):
            return int(trimmed)
        case Primitive.NUMBER:
            return _number(trimmed, where)
        case Primitive.DATE_TIME if parse_time(trimmed) is not None:
            return json_time(trimmed)
        case Primitive.STRING | Primitive.ANY | None:
            if one.key == "type" and text.endswith("+xml"):
                return text.removesuffix("+xml") + "+json"
            return text
        case _:
            raise invalid("cvc-datatype-valid.1.2.1", f"'{trimmed}' is no {kind.value} for {where}")


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):  # INF and NaN are numbers of XML's, but not of JSON's
        raise invalid("cvc-datatype-valid.1.2.1", f"'{text}' is no number for {where}")
    return number
