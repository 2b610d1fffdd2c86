"""Whom an entity belongs to."""

from __future__ import annotations

from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.references import References

OWNER_STEM = "application/vnd.vmware.vcloud.owner"


def owner_of(entity: Entity) -> Entity | None:
    """The user whom an entity belongs to: where nobody said, the first of its organization."""
    if entity.owner is not None:
        return entity.owner
    return next((one for one in entity.organization.children if one.kind.name == "user"), None)


def owner(references: References, entity: Entity) -> JsonObject | None:
    """The field ``owner`` of an entity's document."""
    user = owner_of(entity)
    return None if user is None else {"type": media_type(OWNER_STEM), "user": references.to(user)}


def owner_link(references: References, href: str) -> JsonObject:
    """The link to the owner of what is at ``href``."""
    return references.link("down", f"{href}/owner", OWNER_STEM)


def owner_document(references: References, entity: Entity, href: str) -> JsonObject:
    """``…/owner`` as a document of its own."""
    return {
        **(owner(references, entity) or {"type": media_type(OWNER_STEM)}),
        "href": f"{href}/owner",
        "link": [
            references.link("up", href, entity.kind.media_stem, entity.name),
            references.link("edit", f"{href}/owner", OWNER_STEM),
        ],
    }
