"""A query type: its rows, and how each attribute of its record is got from a row.

A record's attributes, their order and their types are those of the schemas; what no column tells is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bridge.catalogue.types import Place, Primitive, load_types
from bridge.simulator.calls.queries.fiql import Field, FieldType
from bridge.simulator.clock import timestamp
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.references import References

Get = Callable[[Any], Any]
"""A row's value: a text, a number, a boolean, seconds since the epoch for a date, or None."""

COMMON = frozenset({"href", "id", "type", "metadata", "link", "otherAttributes"})

_KINDS = {
    Primitive.BOOLEAN: FieldType.FLAG, Primitive.INTEGER: FieldType.NUMBER, Primitive.NUMBER: FieldType.NUMBER,
    Primitive.DATE_TIME: FieldType.TIME,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refer:
    """A column that names another entity: by its href in records, by its URN in idrecords."""

    get: Callable[[Any], Entity | None]


Columns = Mapping[str, Get | Refer | str | int]
"""By the attribute; a plain value is that of all rows."""


@dataclass(frozen=True)
class QueryType:
    """One type of query.

    Args:
        record: Its record without ``QueryResult`` and ``RecordType``.
        rows: All rows there are; who asks gets those whose entity he sees.
        entity: What a row is about, for its href and for who sees it.
        provider_only: For system administrators only.
        everybody: Its rows are seen by all, whose they ever are.
        admin_href: Rows are named by the administrators' view of their entity.
        has_href: Rows are things of their own, not relations between two.
        uuid: Of such a thing.
        address: Its href and URN, where it is no entity.
    """

    name: str
    record: str
    rows: Callable[[EntityStore], Iterable[Any]]
    columns: Columns
    entity: Callable[[Any], Entity] = lambda row: row  # an entity is its own row
    provider_only: bool = False
    everybody: bool = False
    admin_href: bool = False
    has_href: bool = True
    uuid: Callable[[Any], str] | None = None
    address: Callable[[Any, References], tuple[str, str]] | None = None

    @property
    def type_name(self) -> str:
        return f"QueryResult{self.record}RecordType"

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """What filters and sorting can name."""
        identity = Field(FieldType.ENTITY, self.uuid or (lambda row: self.entity(row).uuid))
        found: dict[str, Field] = {"id": identity, "href": identity}
        types = load_types()
        for attribute in types[self.type_name].fields:
            if attribute.key in COMMON or attribute.place is not Place.ATTRIBUTE:
                continue
            column = self.columns.get(attribute.key, _nothing)
            if isinstance(column, Refer):
                found[attribute.key] = Field(FieldType.ENTITY, _uuid(column.get))
            else:
                primitive = types.primitive(attribute.type) or Primitive.STRING
                get = column if callable(column) else _always(column)
                found[attribute.key] = Field(_KINDS.get(primitive, FieldType.TEXT), get)
        return found

    def record_of(self, row: Any, references: References, *, ids: bool) -> JsonObject:
        """The row as a record; ``ids``: with URNs in the place of hrefs."""
        record: JsonObject = {"_type": self.type_name}
        if self.has_href:
            href, urn = self._address(row, references)
            record["id" if ids else "href"] = urn if ids else href
        for name, column in self.columns.items():
            if isinstance(column, Refer):
                other = column.get(row)
                value: Any = None if other is None else other.urn if ids else references.href(other)
            else:
                value = column(row) if callable(column) else column
            if value is not None:
                record[name] = timestamp(value) if self.fields[name].type is FieldType.TIME else value
        return record

    def _address(self, row: Any, references: References) -> tuple[str, str]:
        if self.address is not None:
            return self.address(row, references)
        entity = self.entity(row)
        return references.admin_href(entity) if self.admin_href else references.href(entity), entity.urn

    def reference_to(self, row: Any, references: References) -> JsonObject:
        """The row in the format references: a reference to what it is about."""
        if self.address is None:
            return references.to(self.entity(row))
        href, urn = self.address(row, references)
        return references.reference(href, urn, None, self.columns["name"](row))  # type: ignore[operator]


def _nothing(_row: Any) -> None:
    return None


def _always(value: Any) -> Get:
    return lambda _row: value


def _uuid(get: Callable[[Any], Entity | None]) -> Get:
    def value(row: Any) -> str | None:
        other = get(row)
        return None if other is None else other.uuid

    return value


def of_kinds(*kinds: str) -> Callable[[EntityStore], list[Entity]]:
    return lambda store: [entity for kind in kinds for entity in store.of_kind(kind)]


def name_of(get: Callable[[Any], Entity | None]) -> Get:
    """The name of what a column refers to."""

    def name(row: Any) -> str | None:
        other = get(row)
        return None if other is None else other.name

    return name


def said(key: str, *, default: Any = None) -> Get:
    """A field of the entity's document that somebody set."""
    return lambda entity: entity.properties.get(key, default)


def name(entity: Entity) -> str:
    return entity.name


def description(entity: Entity) -> str:
    return entity.description


def busy(entity: Entity) -> bool:
    return entity.busy is not None


def created(entity: Entity) -> float:
    return entity.created_at


def organization(entity: Entity) -> Entity:
    return entity.organization


def organization_name(entity: Entity) -> str:
    return entity.organization.name
