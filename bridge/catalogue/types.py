"""The types of VCD's documents: which fields they have, in which order, which are required.

The data (``types.json``) is derived from VMware's published schemas by ``tools/derive_types.py``. A type's name is that
of the schemas, with a prefix where it is not of VCD's own namespace: ``TaskType``, ``vmext:VimServerParamsType``,
``ovf:RASD_Type``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from importlib import resources
from typing import Any


class Place(StrEnum):
    """Where XML has a field; JSON has all of them as keys."""

    ELEMENT = ""
    ATTRIBUTE = "@"
    TEXT = "#"
    """The text of the element, in JSON the key ``value``."""
    ANY = "*"
    """Whatever else; not checked."""


class Primitive(StrEnum):
    """What a simple value is in JSON."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    DATE_TIME = "dateTime"
    ANY = "any"


_PRIMITIVES = {
    "boolean": Primitive.BOOLEAN, "dateTime": Primitive.DATE_TIME, "anyType": Primitive.ANY,
    "double": Primitive.NUMBER, "float": Primitive.NUMBER, "decimal": Primitive.NUMBER,
    "int": Primitive.INTEGER, "integer": Primitive.INTEGER, "long": Primitive.INTEGER, "short": Primitive.INTEGER,
    "byte": Primitive.INTEGER, "positiveInteger": Primitive.INTEGER, "nonNegativeInteger": Primitive.INTEGER,
    "unsignedByte": Primitive.INTEGER, "unsignedInt": Primitive.INTEGER, "unsignedLong": Primitive.INTEGER,
    "unsignedShort": Primitive.INTEGER,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """``key`` is the JSON key, ``xml`` the XML name with its namespace's prefix, ``type`` another type or ``xs:…``.

    ``many``: an array in JSON, also where there is one. ``newer``: not in the XSDs (API 33), only in the JSON keys of
    API 36, so that its place among its neighbours and whether it is required are not sourced. ``older``: the other way
    round, gone by API 36.
    """

    key: str
    xml: str
    place: Place
    type: str
    required: bool
    many: bool
    newer: bool
    older: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """Fields of which a document has those of one branch only; with ``any_order`` those of all, in any order.

    ``branches`` are keys; ``required``: one of the branches must be there.
    """

    branches: tuple[tuple[str, ...], ...]
    required: bool
    any_order: bool


@dataclass(frozen=True)
class DocumentType:
    """``fields``: the inherited ones first, each in the order that XML demands; attributes among them as they come.

    ``media_type``: of documents of this type, without ``+json`` or ``+xml``. ``newer``: not in the XSDs at all.
    ``other_attributes``: JSON has a key ``otherAttributes``, for what XML has of attributes from elsewhere.
    ``json_name``: what JSON says in ``_type`` where a field may hold several types.
    """

    name: str
    base: str | None
    abstract: bool
    newer: bool
    other_attributes: bool
    media_type: str | None
    fields: tuple[Field, ...]
    choices: tuple[Choice, ...]

    @cached_property
    def by_key(self) -> Mapping[str, Field]:
        return {field.key: field for field in self.fields}

    @cached_property
    def by_xml(self) -> Mapping[str, Field]:
        return {f"{field.place.value}{field.xml}": field for field in self.fields}

    @property
    def json_name(self) -> str:
        return self.name.rpartition(":")[2].replace("_", "")

    @property
    def extensible(self) -> bool:
        """Whether documents take ``vCloudExtension``."""
        return "vCloudExtension" in self.by_key


class DocumentTypes:
    """All types, each made when it is first asked for."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._rows: Mapping[str, Mapping[str, Any]] = document["types"]
        self._simple: Mapping[str, str] = document["simple"]
        self._choices: Mapping[str, list[str]] = document["choices"]
        self._substitutes: Mapping[str, list[str]] = document["substitutes"]
        self.namespaces: Mapping[str, str] = document["namespaces"]
        """Prefix -> namespace; the empty prefix is VCD's own."""
        self.elements: Mapping[str, str] = document["elements"]
        """Root element -> type."""
        self._made: dict[str, DocumentType] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def __getitem__(self, name: str) -> DocumentType:
        """Raises KeyError for a type that the schemas do not have, also for a simple one."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._make(name)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def _make(self, name: str) -> DocumentType:
        row = self._rows[name]
        base: str | None = row.get("base")
        parent = self[base] if base is not None and base in self else None
        inherited = () if parent is None else parent.fields
        own = tuple(_read_field(line) for line in row["fields"])
        choices = tuple(_read_choice(line) for line in row.get("choices", ()))
        return DocumentType(
            name=name, base=base, abstract=row.get("abstract", False), newer=row.get("newer", False),
            other_attributes=row.get("otherAttributes", False) or (parent is not None and parent.other_attributes),
            media_type=row.get("media"), fields=(*inherited, *own),
            choices=(*(() if parent is None else parent.choices), *choices),
        )  # fmt: skip

    def primitive(self, name: str) -> Primitive | None:
        """What a simple type is in JSON; None for a complex type."""
        name = self._simple.get(name, name)
        prefix, _, local = name.partition(":")
        return _PRIMITIVES.get(local, Primitive.STRING) if prefix == "xs" else None

    def choices(self, name: str) -> tuple[str, ...]:
        """The only values that a simple type takes; empty: any."""
        return tuple(self._choices.get(name, ()))

    def extends(self, name: str, base: str) -> bool:
        """Whether a type is another or derived from it."""
        one: str | None = name
        while one is not None and one != base:
            one = self[one].base if one in self else None
        return one is not None

    def substitutes(self, element: str) -> tuple[str, ...]:
        """Elements that may stand for an abstract one, e.g. ``NetworkConnectionSection`` for ``ovf:Section``."""
        return tuple(self._substitutes.get(element, ()))

    @cached_property
    def by_media_type(self) -> Mapping[str, DocumentType]:
        """Types by their media type in lower case, without ``+json`` or ``+xml``; VCD mixes upper and lower case.

        Of several that claim one it is VCD's own before its extensions', and there the one that is called like it.
        """
        claims: dict[str, list[str]] = {}
        for name, row in self._rows.items():
            if "media" in row:
                claims.setdefault(row["media"].casefold(), []).append(name)
        return {
            stem: self[min(names, key=lambda name: (":" in name, not _is_called(name, stem)))]
            for stem, names in claims.items()
        }

    @cached_property
    def by_json_name(self) -> Mapping[str, DocumentType]:
        """Types by what JSON calls them in ``_type``."""
        return {name.rpartition(":")[2].replace("_", ""): self[name] for name in self._rows}

    @cached_property
    def root_elements(self) -> Mapping[str, str]:
        """Type -> the root element of its documents: of several the one called like the type."""
        found: dict[str, str] = {}
        for element, kind in self.elements.items():
            if kind not in found or _squeezed(kind) == _squeezed(f"{element}Type"):
                found[kind] = element
        return found


@cache
def load_types() -> DocumentTypes:
    """VCD's types."""
    return DocumentTypes(json.loads(resources.files("bridge.catalogue").joinpath("types.json").read_bytes()))


def _read_field(line: str) -> Field:
    """``[~-][@#*]Name[!?*+] type [key]``, as the data file has it."""
    name, kind, *key = line.split(" ")
    newer, older, name = name.startswith("~"), name.startswith("-"), name.lstrip("~-")
    place = Place(name[0]) if name[0] in "@#*" else Place.ELEMENT
    count, xml = name[-1], name[len(place) : -1]
    local = xml.rpartition(":")[2]
    return Field(
        key=key[0] if key else local[:1].lower() + local[1:],
        xml=xml, place=place, type=kind, required=count in "!+", many=count in "*+", newer=newer, older=older,
    )  # fmt: skip


def _read_choice(line: list[str]) -> Choice:
    """``[!?*]`` and each branch's keys."""
    mark, *branches = line
    return Choice(tuple(tuple(one.split()) for one in branches), required=mark == "!", any_order=mark == "*")


def _squeezed(name: str) -> str:
    return name.replace("_", "").casefold()


def _is_called(name: str, stem: str) -> bool:
    return _squeezed(name.rpartition(":")[2]) == f"{stem.rpartition('.')[2]}type"
