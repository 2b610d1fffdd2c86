"""Documents as XML: elements in the order of the schemas, namespaces, substitutions and ``xsi:type`` where they belong.

A document comes in the form of JSON (see :mod:`bridge.simulator.protocol.completion`), sparse or whole: ``null`` and
``[]`` are not written. How a type is written is worked out once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from bridge.catalogue.types import DocumentType, Field, Place, Primitive, load_types
from bridge.simulator.protocol.document_types import ByType, actual_type, substitution
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.protocol.links import LINK, in_both_forms

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
VCLOUD = "http://www.vmware.com/vcloud/v1.5"
ATTRIBUTES_OF_VCLOUD = "ns4"
"""Its prefix on attributes. go-vcloud-director puts a VM's hardware items into its bodies as text, and declares ns2 to
ns5 there for what servers wrote."""

XSI = "http://www.w3.org/2001/XMLSchema-instance"

_SPECIAL = re.compile('[&<>"\x00-\x1f\ud800-\udfff\ufffe\uffff]')
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_ZONE = re.compile(r"([+-]\d\d)(\d\d)$")
_QUALIFIED = re.compile(r"\{([^{}\"<>&]+)\}([A-Za-z_][\w.-]*)")
_XS_TYPES: dict[type, str] = {bool: "xs:boolean", int: "xs:long", float: "xs:double"}


class Markup(str):
    """XML inside a document where the schemas take anything; in JSON a text."""

    __slots__ = ()


def to_xml(document: JsonObject, name: str, root: str | None = None) -> bytes:
    """A document of a type (a key of the schemas' types) under its root element: ``root``, or that of the type."""
    types = load_types()
    if root is None or types.elements.get(root) != name:
        root = types.root_elements.get(name, types[name].json_name.removesuffix("Type"))
    writer = _Writer(_reference_in(root))
    writer.element(root, document, name, name)
    beginning, *rest = writer.parts
    return (DECLARATION + beginning + writer.declarations() + "".join(rest)).encode()


@cache
def _reference_in(root: str) -> str:
    """A container of references names each as it is named itself: TaskReference in TaskReferences."""
    one = root.rpartition(":")[2].removesuffix("s")
    return one if one in load_types().substitutes("Reference") else "Reference"


def escaped(value: object) -> str:
    """A value as text or attribute. What XML cannot have (control characters, lone surrogates) becomes ``?``."""
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return text if _SPECIAL.search(text) is None else _SPECIAL.sub(_entity, text)


def _entity(match: re.Match[str]) -> str:
    return _ENTITIES.get(match[0], "?")


def _date(value: object) -> str:
    """Offsets have a colon in XML, and that of UTC is ``Z``."""
    if not isinstance(value, str):
        return escaped(value)
    return escaped(f"{value[:-5]}Z" if value.endswith("+0000") else _ZONE.sub(r"\1:\2", value))


def _media_type(value: object) -> str:
    text = escaped(value)
    return text.removesuffix("+json") + "+xml" if text.endswith("+json") else text


def _written(one: Field, *, link: bool = False) -> Callable[[object], str]:
    if load_types().primitive(one.type) is Primitive.DATE_TIME:
        return _date
    return _media_type if one.key == "type" and not link else escaped


@dataclass(frozen=True, slots=True)
class _Child:
    """``type`` None: a simple value."""

    key: str
    element: str
    type: str | None
    anything: bool
    write: Callable[[object], str]


@dataclass(frozen=True, slots=True)
class _Plan:
    attributes: tuple[tuple[str, str, Callable[[object], str]], ...]
    children: tuple[_Child, ...]
    text: tuple[str, Callable[[object], str]] | None
    """Key, ``value`` but for a few types, and how it is written."""


def _plan(kind: DocumentType) -> _Plan:
    types = load_types()
    text = [(one.key, _written(one)) for one in kind.fields if one.place is Place.TEXT]
    return _Plan(
        attributes=tuple(
            (one.key, one.xml, _written(one, link=kind.name == LINK))
            for one in kind.fields if one.place is Place.ATTRIBUTE
        ),
        children=tuple(
            _Child(one.key, one.xml, one.type if one.type in types else None,
                   one.place is Place.ANY or types.primitive(one.type) is Primitive.ANY, _written(one))
            for one in kind.fields if one.place in (Place.ELEMENT, Place.ANY)
        ),
        text=text[0] if text else None,
    )  # fmt: skip


_PLANS = ByType(_plan)


@dataclass(slots=True)
class _Writer:
    reference: str
    parts: list[str] = field(default_factory=list)
    prefixes: set[str] = field(default_factory=set)

    def declarations(self) -> str:
        known = {**load_types().namespaces, "xsi": XSI, ATTRIBUTES_OF_VCLOUD: VCLOUD}
        return "".join(
            f' xmlns:{prefix}="{known[prefix]}"' if prefix else f' xmlns="{VCLOUD}"'
            for prefix in sorted({"", *self.prefixes} - {"xml"})
        )

    def name(self, name: str) -> str:
        """A name with its prefix, which is declared at the root."""
        prefix, colon, _ = name.partition(":")
        if colon:
            self.prefixes.add(prefix)
        return name

    def element(self, element: str, document: Any, declared: str, name: str) -> None:
        """One element of a complex type; ``declared`` is what a reader takes it for unless ``xsi:type`` says more."""
        plan, parts = _PLANS[name], self.parts
        if not isinstance(document, dict):
            document = {} if plan.text is None else {plan.text[0]: document}
        parts.append(f"<{self.name(element)}")
        if name != declared:
            self.prefixes.add("xsi")
            parts.append(f' xsi:type="{self.name(name)}"')
        for key, attribute, write in plan.attributes:
            value = document.get(key)
            if value is not None:
                parts.append(f' {self.name(attribute) if ":" in attribute else attribute}="{write(value)}"')
        if document.get("otherAttributes"):
            self._other_attributes(document["otherAttributes"])
        start = len(parts)
        parts.append(">")
        if plan.text is not None:
            key, write_text = plan.text
            if document.get(key) is not None:
                parts.append(write_text(document[key]))
        for child in plan.children:
            value = document.get(child.key)
            if value is not None:
                several = in_both_forms(value) if child.type == LINK else value if isinstance(value, list) else (value,)
                for one in several:
                    self._child(child, one)
        if len(parts) == start + 1:
            parts[start] = "/>"
        else:
            parts.append(f"</{element}>")

    def _child(self, child: _Child, value: Any) -> None:
        if child.anything:
            self._anything(child.element, value)
        elif child.type is None:
            element = self.name(child.element)
            self.parts.append(f"<{element}>{child.write(value)}</{element}>")
        elif child.key != "vCloudExtension" or _has_markup(value):
            self._typed(child, child.type, value)

    def _typed(self, child: _Child, declared: str, value: Any) -> None:
        said = value.get("_type") if isinstance(value, dict) else None
        name = declared if said is None else actual_type(declared, said)
        element = substitution(child.element, name) if name != declared else None
        if element is None:
            self.element(self.reference if child.element == "Reference" else child.element, value, declared, name)
        else:
            self.element(element, value, name, name)

    def _anything(self, element: str, value: Any) -> None:
        """Where the schemas take anything: markup as it is, plain values with their type, objects as JSON text."""
        if element == "any":
            self.parts.append(value if isinstance(value, Markup) else "")
            return
        name = self.name(element)
        if isinstance(value, Markup):
            self.parts.append(f"<{name}>{value}</{name}>")
            return
        text = value if isinstance(value, (str, bool, int, float)) else json.dumps(value, ensure_ascii=False)
        self.prefixes.update(("xs", "xsi"))
        self.parts.append(f'<{name} xsi:type="{_XS_TYPES.get(type(text), "xs:string")}">{escaped(text)}</{name}>')

    def _other_attributes(self, attributes: Any) -> None:
        """``{"{namespace}name": value}``; a namespace that is not VCD's is declared where it is used."""
        prefixes = {uri: prefix or ATTRIBUTES_OF_VCLOUD for prefix, uri in load_types().namespaces.items()}
        for number, (key, value) in enumerate(attributes.items() if isinstance(attributes, dict) else ()):
            match = _QUALIFIED.fullmatch(key)
            if match is None or value is None:
                continue
            prefix = prefixes.get(match[1])
            if prefix is None:
                self.parts.append(f' xmlns:a{number}="{match[1]}" a{number}:{match[2]}="{escaped(value)}"')
            else:
                self.parts.append(f' {self.name(f"{prefix}:{match[2]}")}="{escaped(value)}"')


def _has_markup(extension: Any) -> bool:
    """Extensions that came as JSON cannot be told in XML."""
    return isinstance(extension, dict) and any(isinstance(one, Markup) for one in extension.get("any") or ())
