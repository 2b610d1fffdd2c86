"""Filters and fields by metadata: ``metadata:KEY==STRING:value``, ``metadata@SYSTEM:KEY=gt=NUMBER:3``.

Source: VCD Programming Guide, "Filtering Queries by Metadata"; go-vcloud-director's query_metadata.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from bridge.simulator.calls.queries.fiql import (
    All,
    Comparison,
    Either,
    Expression,
    Field,
    FieldType,
    FilterError,
)
from bridge.simulator.clock import parse_time
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state import metadata
from bridge.simulator.state.entities import Entity

_TYPES = {
    "STRING": (metadata.STRING, FieldType.TEXT),
    "NUMBER": ("MetadataNumberValue", FieldType.NUMBER),
    "BOOLEAN": ("MetadataBooleanValue", FieldType.FLAG),
    "DATETIME": ("MetadataDateTimeValue", FieldType.TIME),
}
"""What stands in front of a value: what such a value's ``_type`` is, and how it is compared."""

PREFIX = "metadata"


def is_metadata(selector: str) -> bool:
    return selector.startswith((f"{PREFIX}:", f"{PREFIX}@"))


def parts_of(selector: str) -> tuple[str, str]:
    """Domain and key: ``metadata@SYSTEM:color`` -> SYSTEM and color."""
    place, _, key = selector.removeprefix(PREFIX).partition(":")
    return place.removeprefix("@") or metadata.GENERAL, key


def resolve(
    expression: Expression, entity: Callable[[Any], Entity], *, provider: bool
) -> tuple[Expression, dict[str, Field]]:
    """The expression with plain values, and the fields that its metadata selectors name.

    Args:
        entity: What a row is about.
        provider: Whether private entries count.

    Raises:
        FilterError: A value without a type in front of it.
    """
    fields: dict[str, Field] = {}

    def walk(one: Expression) -> Expression:
        if isinstance(one, All):
            return All(tuple(map(walk, one.parts)))
        if isinstance(one, Either):
            return Either(tuple(map(walk, one.parts)))
        if not is_metadata(one.selector):
            return one
        kind, _, first = one.pieces[0].partition(":")
        if kind not in _TYPES:
            raise FilterError(
                f"the value of '{one.selector}' must begin with {', '.join(f'{name}:' for name in _TYPES)}"
            )
        selector = f"{one.selector}#{kind}"
        fields[selector] = _field(*parts_of(one.selector), kind, entity, provider=provider)
        return Comparison(selector, one.operator, (first, *one.pieces[1:]))

    return walk(expression), fields


def _field(domain: str, key: str, kind: str, entity: Callable[[Any], Entity], *, provider: bool) -> Field:
    type_name, compared = _TYPES[kind]

    def get(row: Any) -> Any:
        one = metadata.item(entity(row), domain, key, provider=provider)
        if one is None or one.typed.get("_type") != type_name:
            return None
        value = one.typed.get("value")
        return parse_time(str(value)) if compared is FieldType.TIME else value

    return Field(compared, get)


def entries(entity: Entity, names: Iterable[str], *, provider: bool) -> JsonObject | None:
    """The field ``metadata`` of a record for ``fields=metadata:KEY``, or all of it for ``fields=metadata``."""
    wanted = {parts_of(name) for name in names if is_metadata(name)}
    every = PREFIX in names
    if not wanted and not every:
        return None
    found = [
        {
            "key": one.key, "typedValue": one.typed,
            **({} if one.domain == metadata.GENERAL else
               {"domain": {"value": one.domain, "visibility": one.visibility}}),
        }
        for one in metadata.items(entity, provider=provider) if every or (one.domain, one.key) in wanted
    ]  # fmt: skip
    return {"metadataEntry": found} if found else None
