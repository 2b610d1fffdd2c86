"""The form of sections: VCD's own have an address, a type and links; OVF's have them as attributes and elements of VCD.

Source: vApp.xsd and the OVF schemas; libcloud's recorded vApps (vcloud_1_5) for the words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.protocol.xml_writer import VCLOUD, Markup, escaped
from bridge.simulator.state.references import References

OVF = "http://schemas.dmtf.org/ovf/envelope/1"
VMW = "http://www.vmware.com/schema/ovf"
STEM = "application/vnd.vmware.vcloud"
RASD_STEM, RASD_LIST_STEM = f"{STEM}.rasdItem", f"{STEM}.rasdItemsList"


def attributes(**values: Any) -> JsonObject:
    """Attributes of VCD's namespace on elements of OVF."""
    return {f"{{{VCLOUD}}}{name}": value for name, value in values.items() if value is not None}


def section(kind: str, info: str, href: str, stem: str, *, editable: bool, **fields: Any) -> JsonObject:
    """A section of VCD's own. ``kind``: its type as JSON calls it; ``href`` with the slash that VCD ends it with."""
    return {
        "_type": kind,
        "info": info,
        "required": False,
        "href": href,
        "type": media_type(stem),
        "link": [References.link("edit", href, stem)] if editable else [],
        **fields,
    }


def ovf_section(
    kind: str, info: str, href: str, stem: str, *, links: Iterable[tuple[str, str, str]] = (), **fields: Any
) -> JsonObject:
    """A section of OVF. ``links``: rel, href and media type, which OVF's schemas have no place of their own for."""
    document = {
        "_type": kind,
        "otherAttributes": attributes(href=href, type=f"{stem}+xml"),
        "info": info,
        **fields,
    }
    markup = [link_markup(*one) for one in links]
    if markup:
        document["any"] = [*document.get("any", ()), *markup]
    return document


def link_markup(rel: str, href: str, stem: str) -> Markup:
    return Markup(f'<Link rel="{rel}" href="{escaped(href)}" type="{stem}+xml"/>')


def plain(value: Any) -> Any:
    """A value that JSON may wrap: ``{"value": 3}`` is 3, also in a list of one."""
    if isinstance(value, list):
        value = value[0] if value else None
    return value.get("value") if isinstance(value, dict) else value
