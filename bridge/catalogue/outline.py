"""The fields of a body as people read them: a tree of keys with types, as deep as helps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.catalogue.bodies import SPARED, Bodies
from bridge.catalogue.operation import Operation
from bridge.catalogue.shapes import BodyShape, Shapes, is_foreign
from bridge.catalogue.types import Field

DEPTH = 3
"""Levels that are shown; each type is taken apart once, where it is met first."""

_LEFT_OUT = frozenset({"link", "tasks", "files", "any", "vCloudExtension"})
"""What only answers have, or extensions."""


@dataclass(frozen=True, slots=True)
class BodyField:
    """``type``: a JSON type, or the name of VCD's type. ``or_else``: keys that will do instead of a required one.
    ``newer``: than the XSDs (API 33). ``fields``: what is inside, where that is shown here."""

    key: str
    type: str
    required: bool = False
    array: bool = False
    newer: bool = False
    values: tuple[str, ...] = ()
    or_else: tuple[str, ...] = ()
    fields: tuple[BodyField, ...] = ()

    def __str__(self) -> str:
        facts = [self.type + ("[]" if self.array else "")]
        if self.required:
            facts.append("required" if not self.or_else else f"required (or {', '.join(self.or_else)})")
        if self.values:
            facts.append(f"one of {', '.join(self.values)}" if len(self.values) > 1 else self.values[0])
        if self.newer:
            facts.append("newer than API 33")
        return f"{self.key}: {', '.join(facts)}"

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.key, "type": self.type, "required": self.required, "array": self.array, "newer": self.newer,
            "values": list(self.values), "or": list(self.or_else),
            "fields": [one.as_json() for one in self.fields],
        }  # fmt: skip


def body_fields(bodies: Bodies, operation: Operation) -> tuple[BodyField, ...]:
    """The fields of the operation's body; none where its type is not known."""
    known, spared = bodies.checked_type(operation), SPARED.get(operation.name, frozenset())
    fields = () if known is None else _Outline(bodies.shapes).of(known.name, DEPTH)
    return tuple(replace(one, required=one.required and one.key not in spared) for one in fields)


@dataclass(slots=True)
class _Outline:
    shapes: Shapes
    seen: set[str] = field(default_factory=set)

    def of(self, name: str, depth: int) -> tuple[BodyField, ...]:
        shape = self.shapes[name]
        self.seen.add(name)
        if shape.type.abstract:
            return (BodyField("_type", "string", required=True, values=self._kinds(name)),)
        shown = [one for one in shape.type.fields if one.key not in _LEFT_OUT and not is_foreign(one.xml)]
        if any(one.xml == "ovf:Section" for one in shape.type.fields):
            shown += [one for one in shape.type.fields if one.xml == "ovf:Section"]
        return tuple(self._field(shape, one, depth) for one in shown if not one.older)

    def _field(self, shape: BodyShape, one: Field, depth: int) -> BodyField:
        slot = shape.slots[one.key]
        inner = slot.shape if slot.shape is not None and depth > 1 and slot.shape not in self.seen else None
        needed, *instead = next((group for group in shape.needed if group[0] == one.key), ("",))
        return BodyField(
            key=one.key, type=self._type(one), required=bool(needed), array=one.many, newer=one.newer,
            values=slot.choices, or_else=tuple(instead),
            fields=self.of(inner, depth - 1) if inner is not None else (),
        )  # fmt: skip

    def _type(self, one: Field) -> str:
        types = self.shapes.types
        primitive = types.primitive(one.type)
        if primitive is not None:
            return primitive.value
        name = re.split("[:.]", one.type)[-1].removesuffix("_Inline").replace("_", "")
        return name.removesuffix("Type") or name

    def _kinds(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(kind for kind, full in self.shapes.kin(name).items() if not is_foreign(full)))


def lines(fields: tuple[BodyField, ...], indent: str = "") -> Iterator[str]:
    """The tree as text, a field a line, what is inside under it."""
    for one in fields:
        yield f"{indent}{one}"
        yield from lines(one.fields, indent + "  ")
