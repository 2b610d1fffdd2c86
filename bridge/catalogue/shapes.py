"""What a JSON body of a type looks like: its document type, made ready for checking. Pure.

VCD reads JSON with Jackson, which takes a scalar for another one where its text fits (``"5"`` for 5, ``"true"`` for
true, 5 for ``"5"``) and an empty text for nothing, so only what cannot be meant is wrong: an array for an object, an
object for a text, a word for a number. ``_type`` names the type of an object where that is not known otherwise: where
the type of its place is abstract (RestApiJsonBindingsPlugin of vmware/vcd-api-tools), as of sections, typed values of
metadata and network services.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from bridge.catalogue.types import DocumentType, DocumentTypes, Field, Primitive

FOREIGN = frozenset({"ovf", "ovfenv", "vmw", "cim", "rasd", "vssd", "xml"})
"""Prefixes of what DMTF and others wrote: how its parts look in JSON is not sourced, so it is passed through."""

_EVERYWHERE = ("vCloudExtension", "otherAttributes")
"""Tolerated in every object, also of types that are not extensible."""
_SECTION = "ovf:Section_Type"

SUPERSEDED: Mapping[tuple[str, str], str] = {
    ("DiskType", "size"): "sizeMb",
    ("SubnetParticipationType", "netmask"): "subnetPrefixLength",
    ("SiteAssociationType", "tenantUiEndpoint"): "baseUiEndpoint",
}
"""Required by the XSDs, but what is newer than they says the same: one of the two is needed. (type, key) -> key."""

OMISSIBLE = frozenset({("VmSpecSectionType", "hardwareVersion")})
"""Required by the XSDs, whose own text says that an update may leave it out. (type, key)."""

ALIASES: Mapping[str, str] = {"default": "_default"}
"""A key that is a word of Java's: clients in the field send it in both spellings side by side. Key -> the other one."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What may stand at a key. ``shape`` for an object, ``takes`` for a scalar, neither: anything.

    ``wanted`` says in words what fits, of one element where there are ``many``.
    """

    many: bool
    wanted: str
    shape: str | None = None
    takes: Callable[[object], bool] | None = None
    choices: tuple[str, ...] = ()


_ANYTHING = Slot(many=False, wanted="anything")


@dataclass(frozen=True, slots=True)
class BodyShape:
    """``needed``: keys that must be there, of each group one."""

    type: DocumentType
    slots: Mapping[str, Slot]
    needed: tuple[tuple[str, ...], ...]

    @property
    def foreign(self) -> bool:
        return is_foreign(self.type.name)


class Shapes:
    """All shapes, each made when it is first asked for."""

    def __init__(self, types: DocumentTypes) -> None:
        self.types = types
        self._made: dict[str, BodyShape] = {}
        self.kin = lru_cache(maxsize=None)(self._kin)
        """Base type -> what derives from it and is not abstract, by the name in ``_type``."""

    def __getitem__(self, name: str) -> BodyShape:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._make(self.types[name])
        return made

    def _make(self, kind: DocumentType) -> BodyShape:
        needed: list[tuple[str, ...]] = []
        for field in kind.fields:
            omissible = field.newer or field.older or (kind.name, field.key) in OMISSIBLE
            if field.required and not omissible and not is_foreign(field.xml):
                instead = SUPERSEDED.get((kind.name, field.key), ALIASES.get(field.key))
                needed.append((field.key,) if instead is None else (field.key, instead))
        for choice in kind.choices:
            if choice.required and not any(is_foreign(kind.by_key[first].xml) for first, *_ in choice.branches):
                needed.append(tuple(first for first, *_ in choice.branches))
        slots = dict.fromkeys(_EVERYWHERE, _ANYTHING) | {field.key: self._slot(field) for field in kind.fields}
        slots |= {alias: slots[key] for key, alias in ALIASES.items() if key in slots}
        return BodyShape(kind, slots, tuple(needed))

    def _slot(self, field: Field) -> Slot:
        types = self.types
        if field.type in types and (not is_foreign(field.type) or field.type == _SECTION):
            return Slot(field.many, "an object", shape=field.type)
        primitive = types.primitive(field.type)
        if primitive not in _SCALARS or is_foreign(field.xml):
            return Slot(field.many and not is_foreign(field.xml), "anything")
        wanted, takes = _SCALARS[primitive]
        return Slot(field.many, wanted, takes=takes, choices=types.choices(field.type))

    def _kin(self, base: str) -> Mapping[str, str]:
        types = self.types
        return {
            types[name].json_name: name for name in types if types.extends(name, base) and not types[name].abstract
        }  # fmt: skip


def is_foreign(name: str) -> bool:
    """Whether a type's or an element's name has the prefix of others than VMware."""
    return name.partition(":")[0] in FOREIGN and ":" in name


def _text(value: object) -> bool:
    return isinstance(value, str | int | float)


def _flag(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().casefold() in ("true", "false", "1", "0", "")
    return value in (True, False)


def _whole(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip() or value.strip().removeprefix("-").removeprefix("+").isdecimal()
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def _number(value: object) -> bool:
    if isinstance(value, str):
        try:
            float(value.strip() or 0)
        except ValueError:
            return False
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)


def _moment(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


_SCALARS: Mapping[Primitive | None, tuple[str, Callable[[object], bool]]] = {
    Primitive.STRING: ("text", _text),
    Primitive.BOOLEAN: ("true or false", _flag),
    Primitive.INTEGER: ("a whole number", _whole),
    Primitive.NUMBER: ("a number", _number),
    Primitive.DATE_TIME: ("a time", _moment),
}
