"""Reads XSDs into types: fields in their order, which are required, choices, root elements, substitution groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

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

INLINE = "_Inline"
"""Ends the name made for a type that has none."""

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
            made = f"{name}{INLINE}"
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
