"""Metadata of an entity as a list and entry by entry."""

from __future__ import annotations

from urllib.parse import quote

from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.metadata import GENERAL, Item
from bridge.simulator.state.references import References

METADATA_STEM = "application/vnd.vmware.vcloud.metadata"
VALUE_STEM = "application/vnd.vmware.vcloud.metadata.value"


def metadata(
    references: References, entity: Entity, entity_href: str, items: list[Item], *, addable: bool, changeable: bool
) -> JsonObject:
    """All entries.

    Args:
        entity_href: The entity's address in the caller's view.
        addable: Whether that view shows how to add some.
        changeable: Whether it shows how to change each.
    """
    href = f"{entity_href}/metadata"
    links = [references.link("up", entity_href, entity.kind.media_stem, entity.name)]
    if addable:
        links.append(references.link("add", href, METADATA_STEM))
    return {
        "href": href,
        "type": media_type(METADATA_STEM),
        "link": links,
        "metadataEntry": [
            {**value(references, href, item, changeable=changeable), "key": item.key} for item in items
        ],
    }  # fmt: skip


def value(references: References, metadata_href: str, item: Item, *, changeable: bool) -> JsonObject:
    """One entry's value. The tag of the domain GENERAL is left out, as VCD does."""
    domain = "" if item.domain == GENERAL else f"{item.domain}/"
    href = f"{metadata_href}/{domain}{quote(item.key, safe='')}"
    links = [references.link("up", metadata_href, METADATA_STEM)]
    if changeable:
        links += [references.link("edit", href, VALUE_STEM), references.link("remove", href)]
    document: JsonObject = {
        "href": href, "type": media_type(VALUE_STEM), "link": links, "typedValue": item.typed,
    }  # fmt: skip
    if item.domain != GENERAL:
        document["domain"] = {"value": item.domain, "visibility": item.visibility}
    return document
