"""XML text as a small tree, with VCD's limits; document types (and so entities) are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from bridge.catalogue.types import load_types
from bridge.simulator.protocol.exchange import Refusal, bad_request
from bridge.simulator.protocol.xml_writer import Markup, escaped

MAXIMUM_ELEMENTS = 4096
MAXIMUM_DEPTH = 100
"""VCD Programming Guide, "Request Limits"."""

_SEPARATOR = " "


@dataclass(slots=True)
class Node:
    """Names have the prefix that the types' namespaces have here; ``{namespace}name`` where it is none of theirs.

    ``first`` is the text before the first child, ``tail`` that after the node's own end.
    """

    name: str
    attributes: dict[str, str]
    children: list[Node] = field(default_factory=list)
    first: str = ""
    tail: str = ""

    @property
    def text(self) -> str:
        """All text that is directly in the node."""
        return self.first + "".join(child.tail for child in self.children)


def invalid(rule: str, message: str) -> Refusal:
    """400 as VCD words it (pyvcloud #41, #207), which passes on what its schema validator says.

    ``rule`` is a constraint of XML Schema, Part 1, appendix C.
    """
    return bad_request(f"Bad request\n - Unexpected JAXB Exception\n - {rule}: {message}")


def parse(data: bytes) -> Node:
    """The root.

    Raises:
        Refusal: 400: not well-formed, a document type, more than 4096 elements, deeper than 100.
    """
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        parser.Parse(data, True)  # noqa: FBT003  # the last piece
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise bad_request(f"Bad request: the body is no well-formed XML: {error}") from None
    return builder.root


def _refuse_document_type(*_declaration: object) -> None:
    raise bad_request("Bad request: a document type declaration is not allowed")


class _Builder:
    def __init__(self) -> None:
        self._open: list[Node] = []
        self._elements = 0
        self.root = Node("", {})

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAXIMUM_ELEMENTS:
            raise bad_request(f"Bad request: the body has more than {MAXIMUM_ELEMENTS} elements")
        if len(self._open) >= MAXIMUM_DEPTH:
            raise bad_request(f"Bad request: the body is deeper than {MAXIMUM_DEPTH} elements")
        node = Node(_element_name(name), {_attribute_name(one): value for one, value in attributes.items()})
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, _name: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        node = self._open[-1]
        if node.children:
            node.children[-1].tail += text
        else:
            node.first += text


def _element_name(name: str) -> str:
    uri, separator, local = name.rpartition(_SEPARATOR)
    if not separator:
        return f"{{}}{local}"
    prefix = _prefixes().get(uri)
    return f"{{{uri}}}{local}" if prefix is None else f"{prefix}:{local}" if prefix else local


def _attribute_name(name: str) -> str:
    """As of an element, but for names without a prefix and those of VCD's own namespace."""
    uri, separator, local = name.rpartition(_SEPARATOR)
    prefix = _prefixes().get(uri) if separator else None
    return f"{prefix}:{local}" if prefix else f"{{{uri}}}{local}" if separator else local


def _prefixes() -> dict[str, str]:
    return {uri: prefix for prefix, uri in load_types().namespaces.items()}


def markup(nodes: list[Node]) -> Markup:
    """Elements as text again, each with the namespaces that it needs."""
    return Markup("".join(part for node in nodes for part in _markup(node)))


def _markup(node: Node) -> Iterator[str]:
    uri, local = _split(node.name)
    attributes, declared = [f' xmlns="{escaped(uri)}"'], 0
    for name, value in node.attributes.items():
        if ":" not in name and not name.startswith("{"):
            attributes.append(f' {name}="{escaped(value)}"')
            continue
        attribute_uri, attribute = _split(name)
        attributes.append(f' xmlns:m{declared}="{escaped(attribute_uri)}" m{declared}:{attribute}="{escaped(value)}"')
        declared += 1
    yield f"<{local}{''.join(attributes)}>{escaped(node.first)}"
    for child in node.children:
        yield from _markup(child)
        yield escaped(child.tail)
    yield f"</{local}>"


def _split(name: str) -> tuple[str, str]:
    """Namespace and local name."""
    if name.startswith("{"):
        uri, _, local = name[1:].rpartition("}")
        return uri, local
    prefix, _, local = name.rpartition(":")
    return load_types().namespaces[prefix], local
