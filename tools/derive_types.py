"""Derives ``bridge/catalogue/types.json``, the types of VCD's documents, from the schemas that VMware published.

Two sources, which the tests keep and install. VMware's XSDs (``tests/fidelity/xsd``, API 31 to 33 age) tell elements
and attributes, their order and which are required. The generated classes of the PyPI package vcd-api-schemas-type (API
36 age) tell the keys that JSON has, and what came after the XSDs; where a field stands that only they have, follows
from the fields before it there. What is newer than both is in :mod:`tools.newer_types`.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tools.draw_architecture import PACKAGE, ROOT
from tools.newer_types import NEWER, Newer
from tools.read_schemas import INLINE, PREFIXES, Choice, Field, Schemas, Type, json_key

SCHEMAS = ROOT / "tests" / "fidelity" / "xsd"
TARGET = PACKAGE / "catalogue" / "types.json"

_TWIN = {"": "Element", "@": "Attrib"}
"""How the generated classes tell an element from an attribute of the same name."""

_RECORD = "QueryResultRecordType"

_RENAMED = {"clazz": "class"}
"""Keys that are no words of Java."""


@dataclass
class Class:
    """A generated class: its base and its JSON keys with their types."""

    base: str | None
    keys: dict[str, str]


def generated_classes() -> dict[str, Class]:
    """The classes of vcd-api-schemas-type by their XSD-like names; read, not imported: they need a package that is
    no dependency of theirs."""
    spec = find_spec("vcloud.api.rest") or find_spec("vcloud.api")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("vcd-api-schemas-type is not installed")
    folder = Path(next(iter(spec.submodule_search_locations)))
    found = {}
    for part, prefix in (
        ("schema/versioning", "ver"), ("schema/ovf/vmware", "vmw"), ("schema/ovf/environment", "ovfenv"),
        ("schema/ovf", "ovf"), ("schema_v1_5/extension", "vmext"), ("schema_v1_5", ""),
    ):  # fmt: skip
        for path in sorted((folder if folder.name == "rest" else folder / "rest").joinpath(part).glob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    name = f"{prefix}:{node.name}" if prefix else node.name
                    found[name] = _generated(node)
    return found


def _generated(node: ast.ClassDef) -> Class:
    tables = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in node.body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id in ("swagger_types", "attribute_map")
    }  # fmt: skip
    types, keys = tables.get("swagger_types", {}), tables.get("attribute_map", {})
    base = node.bases[0].id if node.bases and isinstance(node.bases[0], ast.Name) else None
    return Class(None if base == "object" else base, {keys[one]: types[one] for one in keys})


_PRIMITIVES = {"str": "xs:string", "int": "xs:long", "bool": "xs:boolean", "float": "xs:double", "object": "xs:anyType"}


def _squeezed(name: str) -> str:
    """XSD and generated names of one type: ``ovf:Section_Type`` and ``ovf:SectionType``."""
    return name.replace("_", "").casefold()


def merge(schemas: Schemas, classes: dict[str, Class]) -> None:
    """Adds to the XSDs' types what only the generated classes know, and the keys that do not follow the rule."""
    by_name = _generated_names(schemas)

    def xsd_name(given: str, prefix: str) -> str:
        inner = given.removeprefix("list[").removesuffix("]")
        if inner in _PRIMITIVES:
            return _PRIMITIVES[inner]
        for candidate in (f"{prefix}:{inner}" if prefix else inner, inner, f"ovf:{inner}", f"vmext:{inner}"):
            if _squeezed(candidate) in by_name:
                return by_name[_squeezed(candidate)]
        return inner if inner in classes else "xs:string"

    for name in sorted(classes):
        if _squeezed(name) not in by_name and classes[name].keys and not name.startswith(("ovf", "vmw", "ver")):
            by_name[_squeezed(name)] = name
            schemas.types[name] = Type(newer=True)
    for name, generated in classes.items():
        known = by_name.get(_squeezed(name))
        if known is None:
            continue
        prefix, found = _prefix(known), schemas.types[known]
        found.other_attributes = "otherAttributes" in generated.keys
        if found.newer and generated.base is not None:
            found.base = xsd_name(generated.base, prefix)
        _merge_fields(schemas, known, generated, prefix, xsd_name)
    _drop_unreferred(schemas)


def _generated_names(schemas: Schemas) -> dict[str, str]:
    """What the generated classes call the XSDs' types, squeezed; DMTF's small namespaces are all in OVF's package."""
    found = {_squeezed(name): name for name in schemas.types}
    for name, element in _nameless(schemas):
        found.setdefault(_squeezed(element), name)
    for name in schemas.types:
        if _prefix(name) in ("cim", "rasd", "vssd"):
            found.setdefault(_squeezed(f"ovf:{name.rpartition(':')[2]}"), name)
    return found


def _nameless(schemas: Schemas) -> list[tuple[str, str]]:
    """Types without a name of their own, and the element each is of: the generated classes are called like it. Those
    of several elements with one name are left out."""
    found: dict[str, list[str]] = {}
    for name in schemas.types:
        if name.endswith(INLINE):
            found.setdefault(name.removesuffix(INLINE).rpartition(".")[2], []).append(name)
    return [(names[0], element) for element, names in found.items() if len(names) == 1]


def _prefix(name: str) -> str:
    """Of a type's name; ``ovf`` also of ``ovf:ProductSection_Type.ovf:Property_Inline``."""
    return name.rpartition(".")[2].rpartition(":")[0]


_CLOSED = frozenset({"ovf", "ovfenv", "vmw", "cim", "rasd", "vssd", "ver"})
"""What DMTF and others wrote does not change with VCD; the generated classes only name it otherwise."""


def _merge_fields(
    schemas: Schemas, name: str, generated: Class, prefix: str, xsd_name: Callable[[str, str], str]
) -> None:
    found = schemas.types[name]
    own = {_squeezed(json_key(one.xml)): one for one in found.fields}
    twins = {f"{json_key(one.xml)}{_TWIN[one.how]}": one for one in found.fields if one.how in _TWIN}
    inherited = {json_key(one.xml) for one in fields_of(schemas, found.base)}
    place = 0
    for key, kind in generated.keys.items():
        present = twins.get(key) or own.get(_squeezed(_RENAMED.get(key, key)))
        if present is not None:
            present.json = key.removeprefix("_")  # ``_property`` is the generator's way round a word of Python's
            place = found.fields.index(present) + 1
            continue
        if key in inherited or key in ("otherAttributes", "any") or prefix in _CLOSED:
            continue
        many, inner = kind.startswith("list["), xsd_name(kind, prefix)
        if key == "content" and found.abstract and not found.fields:
            added = Field(key, inner, "#", json=key)  # the text of the mixed content that those derived from it have
        elif name.startswith("QueryResult") and inner.startswith("xs:") and not many:
            added = Field(key, inner, "@", newer=True, json=key)  # all that a record says is an attribute
        else:
            local = key[:1].upper() + key[1:]
            added = Field(f"{prefix}:{local}" if prefix else local, inner, many=many, newer=True, json=key)
        found.fields.insert(place, added)
        place += 1
    if prefix not in _CLOSED:
        for one in own.values():
            one.older = one.json is None and one.how != "*"


def add_newer(schemas: Schemas, additions: tuple[Newer, ...]) -> None:
    """Adds what came after both sources, or puts right what they tell otherwise."""
    for one in additions:
        found = schemas.types.setdefault(one.type, Type(base=one.base, media=one.media, newer=True))
        known = {_squeezed(json_key(field.xml)): field for field in found.fields}
        for line in one.lines:
            added = _read_line(line)
            present = known.get(_squeezed(json_key(added.xml)))
            if present is None:
                found.fields.append(added)
            else:
                present.xml, present.how, present.required = added.xml, added.how, added.required
        if one.any_order:
            free = [[field] for field in found.fields if json_key(field.xml) in one.any_order]
            found.choices.append(Choice(free, required=False, many=True))
        if one.element is not None:
            schemas.elements[one.element] = one.type
    _add_elements(schemas)


def _add_elements(schemas: Schemas) -> None:
    """Newer types have root elements like the older ones: called like the type, records without ``QueryResult``."""
    known = set(schemas.elements.values())
    for name, found in schemas.types.items():
        if not found.newer or ":" in name or not name.endswith("Type") or name in known:
            continue
        element = name.removesuffix("Type").removeprefix("QueryResult")
        schemas.elements[element] = name
        if found.base == _RECORD:
            schemas.substitutes["Record"].append(element)


def _read_line(line: str) -> Field:
    name, kind = line.split(" ")
    how = "@" if name.startswith("@") else ""
    return Field(name[len(how) : -1], kind, how, name[-1] in "!+", name[-1] in "*+", newer=True)


def _drop_unreferred(schemas: Schemas) -> None:
    """Newer types without a document or a field of their own are names for what the XSDs have without a name."""
    referred = {one.type for found in schemas.types.values() for one in found.fields}
    for name in [name for name, found in schemas.types.items() if found.newer]:
        if name not in referred and not name.endswith("Type"):
            del schemas.types[name]


def fields_of(schemas: Schemas, name: str | None) -> list[Field]:
    if name is None or name not in schemas.types:
        return []
    found = schemas.types[name]
    return [*fields_of(schemas, found.base), *found.fields]


def document(schemas: Schemas) -> dict[str, object]:
    """The data file: see :mod:`bridge.catalogue.types`, which reads it."""
    types: dict[str, dict[str, object]] = {}
    for name, found in sorted(schemas.types.items()):
        row: dict[str, object] = {} if found.base is None else {"base": found.base}
        row |= {"abstract": True} if found.abstract else {}
        row |= {"newer": True} if found.newer else {}
        row |= {"otherAttributes": True} if found.other_attributes else {}
        row |= {"media": found.media} if found.media is not None else {}
        row |= {"choices": [one.line() for one in found.choices]} if found.choices else {}
        types[name] = {**row, "fields": [one.line() for one in found.fields]}
    return {
        "namespaces": {prefix: uri for uri, prefix in sorted(PREFIXES.items(), key=lambda pair: pair[1])},
        "simple": dict(sorted(schemas.simple.items())),
        "choices": dict(sorted(schemas.choices.items())),
        "elements": dict(sorted(schemas.elements.items())),
        "substitutes": {head: sorted(names) for head, names in sorted(schemas.substitutes.items())},
        "types": types,
    }


def derive() -> str:
    """The text of the data file: one type a line."""
    schemas = Schemas(SCHEMAS)
    merge(schemas, generated_classes())
    add_newer(schemas, NEWER)
    parts = []
    for part, table in document(schemas).items():
        assert isinstance(table, dict)
        rows = ",\n".join(f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in table.items())
        parts.append(f"  {json.dumps(part)}: {{\n{rows}\n  }}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> int:
    text = derive()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != text:
            print(
                f"{TARGET.relative_to(ROOT)} is not what the schemas say: python -m tools.derive_types", file=sys.stderr
            )
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
