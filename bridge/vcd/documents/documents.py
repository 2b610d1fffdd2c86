"""Bodies of answers to JSON objects, whether VCD, an older version or a proxy spoke JSON or XML.

XML follows the rule by which VCD's JSON is made from its schemas: attributes and elements become lowerCamel keys,
repeated elements an array under the singular name (generator in vmware/vcd-api-tools).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from xml.etree import ElementTree

from bridge.core.requests import JsonValue
from bridge.vcd.documents.lenient import Json, is_object

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Largest answer that is read; a page of 128 Tasks has less than 1 MiB."""

_DOCTYPE = b"<!DOCTYPE"
_TYPE_ATTRIBUTE = "{http://www.w3.org/2001/XMLSchema-instance}"


class UnreadableBody(Exception):
    """The body is neither a JSON object nor plain XML."""


@dataclass(frozen=True, slots=True)
class Document:
    """A body. ``root`` is the XML root's name without namespace, or None for JSON."""

    content: Json
    root: str | None = None


def read_body(content_type: str | None, body: bytes) -> Document | None:
    """The document of a body; None for an empty one or JSON ``null``. Raises UnreadableBody."""
    stripped = body.strip()
    if not stripped:
        return None
    kind = (content_type or "").partition(";")[0].strip().casefold()
    if kind.endswith("xml") or (not kind.endswith("json") and stripped.startswith(b"<")):
        return _xml(stripped)
    try:
        content = _json(stripped)
    except (ValueError, RecursionError) as error:
        raise UnreadableBody(f"{kind or 'no content type'}: {error}") from None
    if content is None:
        return None
    if not is_object(content):
        raise UnreadableBody(f"{kind or 'no content type'}: not an object")
    return Document(content)


def _json(body: bytes) -> JsonValue:
    """Raises ValueError or RecursionError."""
    text = body.decode(json.detect_encoding(body), "replace")
    content: JsonValue = json.loads(text)
    # Half a surrogate pair is legal in JSON and cannot be written as UTF-8 again.
    return _well_formed(content) if "\\ud" in text.casefold() else content


def _well_formed(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        case list():
            return [_well_formed(one) for one in value]
        case dict():
            return {str(_well_formed(key)): _well_formed(one) for key, one in value.items()}
        case _:
            return value


def parse_xml(body: bytes) -> ElementTree.Element:
    """The root of an XML body. Raises UnreadableBody, also for a document type: entities could expand without bound."""
    head = body.replace(b"\x00", b"")  # UTF-16 and UTF-32 hide the word between zero bytes
    if _DOCTYPE in head or b"<!ENTITY" in head:
        raise UnreadableBody("XML with a document type is not read")
    try:
        return ElementTree.fromstring(body)  # noqa: S314  # no document type, hence no entities
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UnreadableBody(f"not well-formed XML: {error}") from None


def local_name(tag: str) -> str:
    return tag.rpartition("}")[2]


def _xml(body: bytes) -> Document:
    root = parse_xml(body)
    if local_name(root.tag).casefold() == "html":
        raise UnreadableBody("an HTML page")
    content = _element(root)
    return Document(content if is_object(content) else {}, local_name(root.tag))


_REPEATED = frozenset({"link", "task", "record", "vcTask", "reference", "org"})
"""Elements that are arrays also where only one of them is there."""


def _element(element: ElementTree.Element, depth: int = 0) -> JsonValue:
    if depth > 100:
        raise UnreadableBody("XML nested deeper than 100")
    text = (element.text or "").strip()
    attributes = {_key(name): value for name, value in element.attrib.items() if not name.startswith(_TYPE_ATTRIBUTE)}
    if len(element) == 0 and not attributes:
        return text
    content: Json = dict(attributes)
    for child in element:
        key, value = _key(child.tag), _element(child, depth + 1)
        present = content.get(key)
        if isinstance(present, list):
            present.append(value)
        elif key in content and key not in attributes:
            content[key] = [present, value]
        else:
            content[key] = [value] if key in _REPEATED else value
    if text and len(element) == 0:
        content["value"] = text
    return content


def _key(tag: str) -> str:
    name = local_name(tag)
    return name[:1].lower() + name[1:]
