"""JSON as VCD writes it: every key of a type is there, ``null`` or ``[]`` where there is nothing to say.

Keys stand in the order of the schemas, ``otherAttributes`` first and ``vCloudExtension`` last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.catalogue.types import DocumentType, Place, load_types
from bridge.simulator.protocol.document_types import ByType, actual_type
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.protocol.links import LINK, in_both_forms


@dataclass(frozen=True, slots=True)
class _Plan:
    """``empty``: a whole document without values, to be copied. ``inner``: key -> type of the objects there. ``text``:
    the key of what is the element's text in XML."""

    empty: JsonObject
    inner: dict[str, str]
    text: str | None
    gone: frozenset[str]
    """Keys that JSON does not have any more."""


def _plan(kind: DocumentType) -> _Plan:
    empty: JsonObject = {"otherAttributes": {}} if kind.other_attributes else {}
    empty |= {
        one.key: [] if one.many else None for one in kind.fields if one.key != "vCloudExtension" and not one.older
    }
    empty |= {"vCloudExtension": []} if kind.extensible else {}
    types = load_types()
    inner = {one.key: one.type for one in kind.fields if one.place is not Place.ANY and one.type in types}
    text = next((one.key for one in kind.fields if one.place is Place.TEXT), None)
    return _Plan(empty, inner, text, frozenset(one.key for one in kind.fields if one.older))


_PLANS = ByType(_plan)


def complete(document: JsonObject, name: str) -> JsonObject:
    """A sparse document of a type (a key of the schemas' types) as the whole one that goes out.

    What it has beyond its type stays. Empty values of the result are shared: it is for writing only.
    """
    said = document.get("_type")
    if said is not None:
        name = actual_type(name, said)
    plan = _PLANS[name]
    inner = plan.inner
    whole = plan.empty.copy() if said is None else {"_type": said, **plan.empty}
    for key, value in document.items():
        if (value is None and key in whole) or key in plan.gone:
            continue
        whole[key] = _complete_value(value, inner[key]) if key in inner else value
    return whole


def _complete_value(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return complete(value, name)
    if isinstance(value, list):
        return [_complete_value(one, name) for one in (in_both_forms(value) if name == LINK else value)]
    text = _PLANS[name].text
    return value if text is None else complete({text: value}, name)
