"""Hrefs, references and links, by the JSON keys of their types."""

from __future__ import annotations

from bridge.simulator.protocol.exchange import Format, JsonObject, media_type
from bridge.simulator.state.entities import Entity


class References:
    """Writes hrefs under the public base URI, which may name another host than the one that was dialled."""

    def __init__(self, public_url: str) -> None:
        self.base = public_url.rstrip("/")
        self.api = f"{self.base}/api"

    def href(self, entity: Entity) -> str:
        return self.api + entity.path

    def admin_href(self, entity: Entity) -> str:
        """Where administrators find an entity that has a view of its own for them; else where everybody does."""
        return self._below("admin/", entity)

    def extension_href(self, entity: Entity) -> str:
        """Where the provider finds an entity that has a view of its own for him; else where administrators do."""
        below = "admin/extension/"
        own = any(one.startswith(below) for one in entity.kind.collections)
        return self._below(below, entity) if own else self.admin_href(entity)

    def _below(self, beginning: str, entity: Entity) -> str:
        kind = entity.kind
        collection = next((one for one in kind.collections if one.startswith(beginning)), None)
        if collection in (None, kind.collections[0]):
            return self.href(entity)
        return f"{self.api}/{collection}/{kind.prefix}{entity.uuid}"

    def to(self, entity: Entity) -> JsonObject:
        return self.reference(self.href(entity), entity.urn, entity.kind.media_stem, entity.name)

    @staticmethod
    def reference(href: str, urn: str | None, stem: str | None, name: str | None) -> JsonObject:
        """References name the XML form of what they refer to, also in JSON, as real servers' do."""
        kind = None if stem is None else media_type(stem, form=Format.XML)
        return {"href": href, "id": urn, "type": kind, "name": name}

    @staticmethod
    def link(rel: str, href: str, stem: str | None = None, name: str | None = None) -> JsonObject:
        return {"href": href, "type": None if stem is None else media_type(stem), "name": name, "rel": rel}
