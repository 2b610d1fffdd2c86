"""Derives ``bridge/catalogue/types.json``, the types of VCD's documents, from the schemas that VMware published.

Two sources, which the tests keep and install. VMware's XSDs (``tests/fidelity/xsd``, API 31 to 33 age) tell elements
and attributes, their order and which are required. The generated classes of the PyPI package vcd-api-schemas-type (API
36 age) tell the keys that JSON has, and what came after the XSDs; where a field stands that only they have, follows
from the fields before it there.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

from tools.draw_architecture import PACKAGE, ROOT

SCHEMAS = ROOT / "tests" / "fidelity" / "xsd"
TARGET = PACKAGE / "catalogue" / "types.json"

PREFIXES = {
    "http://www.vmware.com/vcloud/v1.5": "",
    "http://www.vmware.com/vcloud/extension/v1.5": "vmext",
    "http://www.vmware.com/vcloud/versions": "ver",
    "http://www.vmware.com/schema/ovf": "vmw",
    "http://schemas.dmtf.org/ovf/envelope/1": "ovf",
    "http://schemas.dmtf.org/ovf/environment/1": "ovfenv",
    "http://schemas.dmtf.org/wbem/wscim/1/common": "cim",
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData": "rasd",
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData": "vssd",
    "http://www.w3.org/XML/1998/namespace": "xml",
    "http://www.w3.org/2001/XMLSchema": "xs",
}

_INLINE = "_Inline"
"""Ends the name made for a type that has none."""

_TWIN = {"": "Element", "@": "Attrib"}
"""How the generated classes tell an element from an attribute of the same name."""

_NEWER_ATTRIBUTES = {
    "DiskType": ("sizeMb", "encrypted", "shareable", "sharingType", "uuid"),
    "LinkType": ("model",),
}
"""Newer fields that the documentation's pages of types (36.0, "XML Representation") show as attributes."""

_RENAMED = {"clazz": "class"}
"""Keys that are no words of Java."""

_XS = "{http://www.w3.org/2001/XMLSchema}"
_CONTENT_TYPE = "{http://www.vmware.com/vcloud/meta}content-type"


@dataclass
class Field:
    """``xml`` with its prefix; ``how``: ``@`` attribute, ``#`` text, ``*`` anything, empty: element."""

    xml: str
    type: str
    how: str = ""
    required: bool = False
    many: bool = False
    newer: bool = False
    older: bool = False
    json: str | None = None

    def line(self) -> str:
        """``@name!``, ``Name?``, ``Name*`` and so on, the type, and the JSON key where it is not the rule's.

        ``~`` is before what only the generated classes have, ``-`` before what they do not have any more.
        """
        count = ("+" if self.required else "*") if self.many else ("!" if self.required else "?")
        parts = [f"{'~' if self.newer else '-' if self.older else ''}{self.how}{self.xml}{count}", self.type]
        if self.json is not None and self.json != json_key(self.xml):
            parts.append(self.json)
        return " ".join(parts)


@dataclass
class Choice:
    """``many``: any branches, in any order and number; else one branch only."""

    branches: list[list[Field]]
    required: bool
    many: bool

    def line(self) -> list[str]:
        """``!``, ``?`` or ``*``, and each branch's keys with blanks between."""
        keys = [" ".join(one.json or json_key(one.xml) for one in branch) for branch in self.branches]
        return ["*" if self.many else "!" if self.required else "?", *keys]


@dataclass
class Type:
    base: str | None = None
    abstract: bool = False
    media: str | None = None
    fields: list[Field] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    newer: bool = False
    other_attributes: bool = False


def json_key(xml: str) -> str:
    """The rule by which VCD's JSON keys are made of its XML names."""
    name = xml.rpartition(":")[2]
    return name[:1].lower() + name[1:]


class Schemas:
    """All XSDs of a folder, read into types, root elements and substitution groups."""

    def __init__(self, folder: Path) -> None:
        self.types: dict[str, Type] = {}
        self.elements: dict[str, str] = {}
        self.substitutes: dict[str, list[str]] = {}
        self.simple: dict[str, str] = {}
        self.choices: dict[str, list[str]] = {}
        self._groups: dict[str, tuple[_File, ElementTree.Element]] = {}
        self._element_nodes: dict[str, tuple[_File, ElementTree.Element]] = {}
        self._attribute_types: dict[str, str] = {}
        self._choices_within: dict[str, list[Choice]] = {}
        files = [_File.read(path) for path in sorted(folder.rglob("*.xsd"))]
        for file in files:
            self._collect(file)
        for file in files:
            for node in file.root.findall(f"{_XS}complexType"):
                self._complex(file, node, file.own(node.get("name", "")))
            for node in file.root.findall(f"{_XS}element"):
                self._root_element(file, node)

    def _collect(self, file: _File) -> None:
        for kind in ("group", "attributeGroup"):
            for node in file.root.findall(f"{_XS}{kind}"):
                self._groups[f"{kind} {file.own(node.get('name', ''))}"] = (file, node)
        for node in file.root.findall(f"{_XS}simpleType"):
            self._simple(file, node, file.own(node.get("name", "")))
        for node in file.root.findall(f"{_XS}element"):
            self._element_nodes[file.own(node.get("name", ""))] = (file, node)
        for node in file.root.findall(f"{_XS}attribute"):
            self._attribute_types[file.own(node.get("name", ""))] = file.resolve(node.get("type", "xs:string"))

    def _simple(self, file: _File, node: ElementTree.Element, name: str) -> None:
        restriction = node.find(f"{_XS}restriction")
        self.simple[name] = "xs:string" if restriction is None else file.resolve(restriction.get("base", "xs:string"))
        values = [one.get("value", "") for one in node.iter(f"{_XS}enumeration")]
        if values:
            self.choices[name] = values

    def _root_element(self, file: _File, node: ElementTree.Element) -> None:
        name = file.own(node.get("name", ""))
        self.elements[name] = self._type_of(file, node, name)
        head = node.get("substitutionGroup")
        if head is not None:
            self.substitutes.setdefault(file.resolve(head), []).append(name)

    def _type_of(self, file: _File, node: ElementTree.Element, name: str) -> str:
        """The type of an element or attribute, a nameless one under a name made from the element's."""
        if (given := node.get("type")) is not None:
            return file.resolve(given)
        inner = node.find(f"{_XS}complexType")
        if inner is not None:
            made = f"{name}{_INLINE}"
            self._complex(file, inner, made)
            return made
        simple = node.find(f"{_XS}simpleType")
        if simple is not None:
            made = f"{name}_Choice"
            self._simple(file, simple, made)
            return made
        return "xs:anyType"

    def _complex(self, file: _File, node: ElementTree.Element, name: str) -> None:
        found = Type(abstract=node.get("abstract") == "true")
        media = node.find(f".//{_CONTENT_TYPE}")
        found.media = None if media is None or media.text is None else media.text.strip()
        content = node
        for kind in ("complexContent", "simpleContent"):
            derived = node.find(f"{_XS}{kind}")
            if derived is None:
                continue
            content = next(child for child in derived if child.tag in (f"{_XS}extension", f"{_XS}restriction"))
            base = file.resolve(content.get("base", ""))
            if kind == "simpleContent" and base.startswith("xs:"):
                found.fields.append(Field("value", base, "#", json="value"))
            else:
                found.base = base
            if content.tag == f"{_XS}restriction" and kind == "complexContent":
                found.base = None
        found.fields += self._particles(file, content, required=True, many=False, inside=name)
        found.fields += self._attributes(file, content, name)
        found.choices = self._choices_within.pop(name, [])
        self.types[name] = found

    def _particles(
        self, file: _File, node: ElementTree.Element, *, required: bool, many: bool, inside: str
    ) -> Iterator[Field]:
        for child in node:
            yield from self._particle(file, child, required=required, many=many, inside=inside)

    def _particle(
        self, file: _File, child: ElementTree.Element, *, required: bool, many: bool, inside: str
    ) -> Iterator[Field]:
        needed = required and child.get("minOccurs", "1") != "0"
        several = many or child.get("maxOccurs", "1") not in ("0", "1")
        match child.tag.removeprefix(_XS):
            case "sequence":
                yield from self._particles(file, child, required=needed, many=several, inside=inside)
            case "choice":
                yield from self._choice(file, child, required=needed, many=several, inside=inside)
            case "group":
                owner, group = self._groups[f"group {file.resolve(child.get('ref', ''))}"]
                yield from self._particles(owner, group, required=needed, many=several, inside=inside)
            case "any":
                yield Field("any", "xs:anyType", "*", many=True, json="any")
            case "element":
                yield self._element(file, child, required=needed, many=several, inside=inside)
            case _:
                pass

    def _choice(
        self, file: _File, node: ElementTree.Element, *, required: bool, many: bool, inside: str
    ) -> Iterator[Field]:
        """All branches' fields, none of them required by itself; that one branch only may be there is noted."""
        branches = [list(self._particle(file, one, required=True, many=many, inside=inside)) for one in node]
        branches = [branch for branch in branches if branch]
        required = required and all(any(one.required for one in branch) for branch in branches)
        if len(branches) > 1:
            self._choices_within.setdefault(inside, []).append(Choice(branches, required, many))
        for branch in branches:
            for one in branch:
                one.required = False
                yield one

    def _element(self, file: _File, node: ElementTree.Element, *, required: bool, many: bool, inside: str) -> Field:
        if (ref := node.get("ref")) is not None:
            name = file.resolve(ref)
            owner, target = self._element_nodes[name]
            return Field(name, self._type_of(owner, target, name), required=required, many=many)
        name = file.own(node.get("name", "")) if file.qualified else node.get("name", "")
        return Field(name, self._type_of(file, node, f"{inside}.{name}"), required=required, many=many)

    def _attributes(self, file: _File, node: ElementTree.Element, inside: str) -> Iterator[Field]:
        for child in node:
            if child.tag == f"{_XS}attributeGroup":
                owner, group = self._groups[f"attributeGroup {file.resolve(child.get('ref', ''))}"]
                yield from self._attributes(owner, group, inside)
            if child.tag != f"{_XS}attribute":
                continue
            required = child.get("use") == "required"
            if (ref := child.get("ref")) is not None:
                name = file.resolve(ref)
                yield Field(name, self._attribute_types.get(name, "xs:string"), "@", required)
                continue
            name = child.get("name", "")
            if file.qualified_attributes:
                name = file.own(name)
            kind = self._type_of(file, child, f"{inside}.{name}")
            yield Field(name, "xs:string" if kind == "xs:anyType" else kind, "@", required)


@dataclass
class _File:
    root: ElementTree.Element
    names: dict[str, str]
    target: str
    qualified: bool
    qualified_attributes: bool

    @classmethod
    def read(cls, path: Path) -> _File:
        names: dict[str, str] = {}
        root: ElementTree.Element | None = None
        for event, value in ElementTree.iterparse(path, events=("start-ns", "start")):
            if event == "start-ns":
                names[value[0]] = PREFIXES.get(value[1], "?")
            elif root is None:
                root = value
        if root is None:
            raise ValueError(f"{path}: empty")
        target = PREFIXES[root.get("targetNamespace", "")]
        return cls(root, names, target, root.get("elementFormDefault") == "qualified",
                   root.get("attributeFormDefault") == "qualified")  # fmt: skip

    def own(self, name: str) -> str:
        return f"{self.target}:{name}" if self.target else name

    def resolve(self, name: str) -> str:
        """A qualified name of this file under the prefixes that are used here."""
        prefix, _, local = name.rpartition(":")
        known = self.names.get(prefix, self.target)
        return f"{known}:{local}" if known else local


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
        if name.endswith(_INLINE):
            found.setdefault(name.removesuffix(_INLINE).rpartition(".")[2], []).append(name)
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
        elif key in _NEWER_ATTRIBUTES.get(name, ()) or _is_of_a_record(name, inner, many=many):
            added = Field(key, inner, "@", newer=True, json=key)
        else:
            local = key[:1].upper() + key[1:]
            added = Field(f"{prefix}:{local}" if prefix else local, inner, many=many, newer=True, json=key)
        found.fields.insert(place, added)
        place += 1
    if prefix not in _CLOSED:
        for one in own.values():
            one.older = one.json is None and one.how != "*"


def _is_of_a_record(name: str, kind: str, *, many: bool) -> bool:
    """All that a record of a query says is an attribute."""
    return name.startswith("QueryResult") and kind.startswith("xs:") and not many


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
