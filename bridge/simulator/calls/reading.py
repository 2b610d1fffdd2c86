"""What can be read: entities, their sections, lists, URNs."""

from __future__ import annotations

from bridge.simulator.calls.actions import Actions
from bridge.simulator.calls.call import Call
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.document_types import type_of
from bridge.simulator.protocol.exchange import (
    Answer,
    Refusal,
    media_type,
    no_access,
)
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.kinds import KINDS


class EntityReader:
    """GET of entities and of what lies below them."""

    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def get(self, call: Call) -> Answer:
        entity = self._entity(call)
        documents, view = self.cloud.documents, call.view(entity)
        return call.reply(documents.entity(entity, view), documents.stem(entity, view))

    def section(self, call: Call) -> Answer:
        """What was PUT there last; an empty section otherwise."""
        entity = self._entity(call)
        tail = call.target.tail
        stored = entity.sections.get(tail, {})
        stem = f"application/vnd.vmware.vcloud.{tail.split('/')[0]}"
        document = {"href": f"{self.cloud.references.href(entity)}/{tail}", **stored}
        kind = type_of(stem)
        if kind is not None and "info" in kind.by_key:
            document.setdefault("info", {"value": f"The {kind.json_name.removesuffix('Type')} of {entity.name}"})
        return call.reply(document, stem)

    def affinity_rules(self, call: Call) -> Answer:
        """GET /api/vdc/{id}/vmAffinityRules: all rules of the vDC, whole."""
        documents, vdc = self.cloud.documents, self._entity(call)
        rules = [one for one in vdc.children if one.kind.name == "vmAffinityRule" and call.sees(one)]
        document = {
            "otherAttributes": {}, "href": f"{self.cloud.references.href(vdc)}/vmAffinityRules", "link": [],
            "vmAffinityRule": [documents.entity(rule, call.view(rule)) for rule in rules],
            "vCloudExtension": [],
        }  # fmt: skip
        return call.reply(document, "application/vnd.vmware.vcloud.vmaffinityrules")

    def org_association(self, call: Call) -> Answer:
        """GET /api/admin/org/{id}/associations/{associationId}."""
        kind, uuid = KINDS["orgAssociation"], call.parameters["associationId"].lower()
        entity = self.cloud.store.find(kind, uuid, None)
        if not call.sees(entity) or entity.organization.uuid != call.parameters["id"].lower():
            raise no_access(kind.urn, uuid)
        call.entity = uuid
        document = self.cloud.documents.entity(entity, call.view(entity))
        return call.reply(document, kind.media_stem)

    def organizations(self, call: Call) -> Answer:
        """The list at /api/org; its items have no id."""
        references = [
            {**self.cloud.references.to(org), "id": None} for org in self.cloud.store.organizations() if call.sees(org)
        ]
        document = {
            "otherAttributes": {}, "link": [], "href": f"{self.cloud.references.api}/org/",
            "type": media_type("application/vnd.vmware.vcloud.orgList"), "org": references, "vCloudExtension": [],
        }  # fmt: skip
        return call.reply(document, "application/vnd.vmware.vcloud.orgList")

    def resolve(self, call: Call) -> Answer:
        """GET /api/entity/{urn}: the entity's name and its links."""
        urn = call.parameters["urn"]
        uuid, references = urn[-36:].lower(), self.cloud.references
        if urn.startswith("urn:vcloud:task:"):
            task = self.cloud.engine.get(uuid, call.now)
            if task is None or not call.sees_task(task):
                raise no_access("task", uuid)
            name, href, stem = "task", self.cloud.documents.task_href(task), "application/vnd.vmware.vcloud.task"
        else:
            entity = self.cloud.store.get(uuid)
            if entity is None or entity.urn != urn or not call.sees(entity):
                raise no_access(urn.removeprefix("urn:vcloud:").rpartition(":")[0] or "entity", uuid)
            name, href, stem = entity.name, references.href(entity), entity.kind.media_stem
        document = {
            "otherAttributes": {}, "link": [references.link("alternate", href, stem, name)],
            "href": f"{references.api}/entity/{urn}", "type": media_type("application/vnd.vmware.vcloud.entity"),
            "id": urn, "name": name, "vCloudExtension": [],
        }  # fmt: skip
        return call.reply(document, "application/vnd.vmware.vcloud.entity")

    def _entity(self, call: Call) -> Entity:
        entity = self.actions.addressed(call)
        if entity is None:
            raise Refusal(404, "RESOURCE_NOT_FOUND", "Resource not found")
        return entity
