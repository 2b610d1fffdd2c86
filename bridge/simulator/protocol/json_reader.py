"""JSON bodies, read as VCD's parser does: by their type, a value of another form where it can be meant.

Jackson takes ``"5"`` for 5, ``"true"`` for true, 5 for ``"5"``, an empty text for nothing; an array for an object, an
object for a text, a word for a number it does not. Keys that a type does not know stay as they are: nobody reads them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bridge.catalogue.types import DocumentType, Field, Place, Primitive, load_types
from bridge.simulator.clock import json_time
from bridge.simulator.protocol.document_types import ByType, actual_type
from bridge.simulator.protocol.exchange import JsonObject, Refusal, bad_request

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_WHOLE = re.compile(r"[+-]?\d{1,30}")


def from_json(document: JsonObject, name: str) -> JsonObject:
    """A document of a type (a key of the schemas' types), without what is null.

    Raises:
        Refusal: 400 with the place of a value that cannot be meant.
    """
    return _object(document, name, "")


@dataclass(frozen=True, slots=True)
class _Plan:
    """``text``: whether a scalar may stand for the whole object, as of ``{"value": 5}``."""

    fields: dict[str, Field]
    text: bool


def _plan(kind: DocumentType) -> _Plan:
    return _Plan(dict(kind.by_key), any(one.place is Place.TEXT for one in kind.fields))


_PLANS = ByType(_plan)


def _object(document: JsonObject, declared: str, where: str) -> JsonObject:
    said = document.get("_type")
    name = actual_type(declared, said) if isinstance(said, str) else declared
    fields, read = _PLANS[name].fields, JsonObject()
    for key, value in document.items():
        one, place = fields.get(key), f"{where}.{key}" if where else key
        if value is None:
            continue
        if key == "otherAttributes":
            read[key] = value if isinstance(value, dict) else {}
        elif one is None:
            read[key] = value
        elif one.many:
            if not isinstance(value, list):
                raise _wrong(place, "an array")
            read[key] = [_one(element, one, place) for element in value if element is not None]
        elif (found := _one(value, one, place)) is not None:
            read[key] = found
    return read


def _one(value: Any, one: Field, place: str) -> Any:
    types = load_types()
    if one.type in types:
        if isinstance(value, dict):
            return _object(value, one.type, place)
        if _PLANS[one.type].text and not isinstance(value, list):
            return value
        raise _wrong(place, "an object")
    kind = types.primitive(one.type)
    return value if kind in (None, Primitive.ANY) else _scalar(value, kind, place)


def _scalar(value: Any, kind: Primitive | None, place: str) -> Any:
    if isinstance(value, (dict, list)):
        raise _wrong(place, "a simple value")
    if kind in (Primitive.STRING, Primitive.DATE_TIME):
        said = ("true" if value else "false") if isinstance(value, bool) else str(value)
        return json_time(said) if kind is Primitive.DATE_TIME else said
    text = str(value).strip().lower()
    if not text:
        return None
    if kind is Primitive.BOOLEAN:
        if text not in _FLAGS:
            raise _wrong(place, "true or false")
        return _FLAGS[text]
    if isinstance(value, bool):
        raise _wrong(place, "a number")
    return _integer(text, place) if kind is Primitive.INTEGER else _number(text, place)


def _integer(text: str, place: str) -> int:
    number = text.removesuffix(".0")
    if not _WHOLE.fullmatch(number):
        raise _wrong(place, "a whole number")
    return int(number)


def _number(text: str, place: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _wrong(place, "a number") from None


def _wrong(place: str, wanted: str) -> Refusal:
    return bad_request(f"Bad request: {place} takes {wanted}")
