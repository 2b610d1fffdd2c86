"""Reading metadata, at any entity that has some; writing it is a matter of the catalogue's operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bridge.catalogue.operation import Operation
from bridge.simulator.calls.actions import Actions, operation_target
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents import metadata as documents
from bridge.simulator.protocol.exchange import Answer, Refusal, forbidden
from bridge.simulator.state import metadata
from bridge.simulator.state.kinds import BY_COLLECTION, Kind
from bridge.simulator.state.metadata import GENERAL, SYSTEM

_WITHOUT = ("tasksList", "admin/org/associations")
"""Paths of entities that have none."""


class MetadataCalls:
    """GET of ``…/metadata``, ``…/metadata/{key}`` and ``…/metadata/{domain}/{key}``."""

    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def routes(self, operations: Iterable[Operation]) -> Iterator[tuple[str, str, Target]]:
        """Method, path, target of all that is about metadata and not in the catalogue as it stands."""
        for collection in BY_COLLECTION:
            if collection in _WITHOUT:
                continue
            for tail in ("metadata", "metadata/{key}", "metadata/SYSTEM/{key}", "metadata/GENERAL/{key}"):
                target = Target("getMetadata", self.get, collection=collection, tail=tail)
                yield "GET", f"/api/{collection}/{{id}}/{tail}", target
        for operation in operations:
            yield from self._in_domains(operation)

    def _in_domains(self, operation: Operation) -> Iterator[tuple[str, str, Target]]:
        target = operation_target(operation, self.actions)
        if target.tail != "metadata/{key}":
            return
        for domain in (SYSTEM, GENERAL):
            tail = f"metadata/{domain}/{{key}}"
            path = f"/api{operation.path.replace('metadata/{key}', tail)}"
            yield operation.method, path, Target(
                target.name, target.handle, target.changes, operation, target.collection, tail
            )  # fmt: skip

    def get(self, call: Call) -> Answer:
        """All that the caller sees, or the value of one key."""
        entity = self.actions.addressed(call)
        if entity is None:
            raise Refusal(404, "RESOURCE_NOT_FOUND", "Resource not found")
        admin = call.target.collection.startswith("admin/")
        references = self.cloud.references
        href = references.admin_href(entity) if admin else references.href(entity)
        changeable = admin or not _has_admin_view(entity.kind)
        key = call.parameters.get("key")
        if key is None:
            items = list(metadata.items(entity, provider=call.is_provider))
            document = documents.metadata(references, entity, href, items, changeable=changeable)
            return call.reply(document, documents.METADATA_STEM)
        domain = SYSTEM if "/SYSTEM/" in call.target.tail else GENERAL
        item = metadata.item(entity, domain, key, provider=call.is_provider)
        if item is None:
            raise forbidden(f"No access to metadata {key} of {entity.urn}")
        document = documents.value(references, f"{href}/metadata", item, changeable=changeable)
        return call.reply(document, documents.VALUE_STEM)


def _has_admin_view(kind: Kind) -> bool:
    """Such an entity is changed through its administrators' path only, its metadata too."""
    return any(collection.startswith("admin/") for collection in kind.collections)
