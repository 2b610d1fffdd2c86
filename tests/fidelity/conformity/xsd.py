"""XML documents, validated by VMware's XSDs."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from bridge.catalogue.types import DocumentType, Place, load_types
from bridge.simulator.protocol.document_types import actual_type
from tests.fidelity.conformity.deviations import XML, XML_GONE, reason_of

SCHEMAS = Path(__file__).parents[1] / "xsd"

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_EMPTY = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>'
_ROOTS = {
    "http://www.vmware.com/vcloud/v1.5": "1.5/schemas/master/master.xsd",
    "http://www.vmware.com/vcloud/extension/v1.5": "1.5/schemas/extension/vmwextensions.xsd",
    "http://www.vmware.com/vcloud/versions": "schemas/versioning/versions.xsd",
}


class _Catalog(etree.Resolver):  # type: ignore[misc]  # lxml has no types
    """OVF and its kin are included by addresses on the web: VMware's own catalog maps them to files."""

    def __init__(self) -> None:
        folder = SCHEMAS / "schemas" / "external"
        text = (folder / "catalog.xml").read_text(encoding="utf-8")
        self.files = {
            address: str(folder / name) for address, name in re.findall(r'systemId="([^"]+)"\s+uri="([^"]+)"', text)
        }

    def resolve(self, system_url: str, public_id: str, context: Any) -> Any:
        if system_url in self.files:
            return self.resolve_filename(self.files[system_url], context)
        if system_url.endswith("/internal/internal.xsd"):
            return self.resolve_string(_EMPTY, context)  # included, but not published
        return None


@cache
def schema() -> etree.XMLSchema:
    """All of them as one."""
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Catalog())
    imports = "".join(
        f'<xs:import namespace="{namespace}" schemaLocation="{(SCHEMAS / name).as_uri()}"/>'
        for namespace, name in _ROOTS.items()
    )
    text = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'
    return etree.XMLSchema(etree.fromstring(text, parser))


class NotInSchemasError(Exception):
    """The document's type came after the XSDs."""


def problems(document: bytes, taken_out: Counter[str]) -> list[str]:
    """What VMware's XSDs say against a document, after what came later has been taken out, which is counted.

    Raises:
        NotInSchemasError: The whole type is newer.
    """
    root = etree.fromstring(document)
    kind = load_types().elements.get(_name(root.tag))
    if kind is not None:
        if load_types()[kind].newer:
            raise NotInSchemasError(kind)
        _take_out(root, kind, taken_out)
    validator = schema()
    if validator.validate(root):
        return []
    return [f"line {one.line}: {one.message}" for one in validator.error_log]


def _take_out(element: etree._Element, declared: str, taken_out: Counter[str]) -> None:
    types = load_types()
    said = element.get(_XSI_TYPE)
    kind = types[declared if said is None else actual_type(declared, said.rpartition(":")[2].replace("_", ""))]
    if kind.name in XML_GONE:
        name, value, _ = XML_GONE[kind.name]
        if element.get(name) is None:
            taken_out[f"{kind.name}.{name}"] += 1
            element.set(name, value)
    for name in list(element.attrib):
        if _is_beyond(kind, Place.ATTRIBUTE, _name(str(name)), taken_out):
            del element.attrib[name]
    for child in list(element):
        name = _name(child.tag)
        if _is_beyond(kind, Place.ELEMENT, name, taken_out):
            element.remove(child)
            continue
        inner = _type_within(kind, name)
        if inner in types and types[inner].newer:
            taken_out[inner] += 1
            element.remove(child)
        elif inner in types:
            _take_out(child, inner, taken_out)


def _is_beyond(kind: DocumentType, place: Place, name: str, taken_out: Counter[str]) -> bool:
    """Whether a field came after the XSDs, or is let pass for a reason of its own."""
    one = kind.by_xml.get(f"{place.value}{name}")
    what = f"{kind.name}.{name if one is None else one.key}"
    beyond = reason_of(what, XML) is not None or (one is not None and one.newer)
    if beyond:
        taken_out[what] += 1
    return beyond


def _type_within(kind: DocumentType, name: str) -> str:
    """The type of a child: by its field, or where it stands for another element by its own."""
    one = kind.by_xml.get(name)
    return one.type if one is not None else load_types().elements.get(name, "")


def _name(tag: str) -> str:
    """``{namespace}local`` as the types' names are written."""
    qualified = etree.QName(tag)
    if qualified.namespace is None:
        return str(qualified.localname)
    for prefix, uri in load_types().namespaces.items():
        if uri == qualified.namespace:
            return f"{prefix}:{qualified.localname}" if prefix else qualified.localname
    return str(tag)
