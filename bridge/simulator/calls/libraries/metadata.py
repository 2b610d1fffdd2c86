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
from bridge.simulator.state.kinds import BY_COLLECTION
from bridge.simulator.state.metadata import GENERAL, KINDS_WITH_METADATA, SYSTEM


class MetadataCalls:
    """GET of ``…/metadata``, ``…/metadata/{key}`` and ``…/metadata/{domain}/{key}``."""

    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions
        self._changed_at: set[tuple[str, str, str]] = set()
        """Method, collection and rest of the path of what changes metadata."""

    def routes(self, operations: Iterable[Operation]) -> Iterator[tuple[str, str, Target]]:
        """Method, path, target of all that is about metadata and not in the catalogue as it stands."""
        for collection, kinds in BY_COLLECTION.items():
            if collection == "tasksList" or not any(kind.name in KINDS_WITH_METADATA for kind in kinds):
                continue
            for tail in ("metadata", "metadata/{key}", "metadata/SYSTEM/{key}", "metadata/GENERAL/{key}"):
                target = Target("getMetadata", self.get, collection=collection, tail=tail)
                yield "GET", f"/api/{collection}/{{id}}/{tail}", target
        for operation in operations:
            target = operation_target(operation, self.actions)
            if target.tail.startswith("metadata"):
                self._changed_at.add((operation.method, target.collection, target.tail))
            if target.tail == "metadata/{key}":
                yield from self._in_domains(operation, target)

    @staticmethod
    def _in_domains(operation: Operation, target: Target) -> Iterator[tuple[str, str, Target]]:
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
        collection, references = call.target.collection, self.cloud.references
        href = references.admin_href(entity) if collection.startswith("admin/") else references.href(entity)
        may = call.may_change(entity)
        changeable = may and ("PUT", collection, "metadata/{key}") in self._changed_at
        key = call.parameters.get("key")
        if key is None:
            items = list(metadata.items(entity, provider=call.is_provider))
            addable = may and ("POST", collection, "metadata") in self._changed_at
            document = documents.metadata(references, entity, href, items, addable=addable, changeable=changeable)
            return call.reply(document, documents.METADATA_STEM)
        domain = SYSTEM if "/SYSTEM/" in call.target.tail else GENERAL
        item = metadata.item(entity, domain, key, provider=call.is_provider)
        if item is None:
            raise forbidden(f"No access to metadata {key} of {entity.urn}")
        document = documents.value(references, f"{href}/metadata", item, changeable=changeable)
        return call.reply(document, documents.VALUE_STEM)
