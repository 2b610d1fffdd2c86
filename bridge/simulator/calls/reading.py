"""What can be read: entities, their metadata and sections, lists, URNs, the query service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bridge.simulator.calls.actions import Actions
from bridge.simulator.calls.call import Call
from bridge.simulator.calls.fiql import Expression, Field, FieldType, FilterError, compile_filter, parse
from bridge.simulator.calls.query import Parameters, Snapshots, page_document, sort_rows, unknown_type
from bridge.simulator.calls.taskquery import TaskRecords, TaskRow
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import (
    Answer,
    JsonObject,
    Refusal,
    bad_request,
    forbidden,
    media_type,
    no_access,
)
from bridge.simulator.protocol.negotiation import version_number
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.kinds import KINDS

QUERY_KINDS = {
    "vApp": "vApp", "vm": "vm", "vAppTemplate": "vAppTemplate", "disk": "disk", "media": "media", "catalog": "catalog",
    "catalogItem": "catalogItem", "edgeGateway": "edgeGateway", "orgVdcNetwork": "network", "orgVdc": "vdc",
    "organization": "org", "user": "user", "providerVdc": "providervdc", "virtualCenter": "vimServer",
    "networkPool": "networkPool", "externalNetwork": "externalNetwork", "orgVdcStorageProfile": "vdcStorageProfile",
    "strandedItem": "strandedItem", "vmGroups": "vmGroup", "vmAffinityRule": "vmAffinityRule",
}  # fmt: skip
"""Query types of entities and the kinds behind them; ``admin…`` forms exist for system administrators."""


class EntityReader:
    """GET of entities and of what lies below them."""

    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def get(self, call: Call) -> Answer:
        entity = self._entity(call)
        document = self.cloud.documents.entity(entity, call.now, provider=call.is_provider)
        return call.reply(document, entity.kind.media_stem)

    def metadata(self, call: Call) -> Answer:
        """All metadata, or the value of one key (``metadata/{key}``, ``metadata/SYSTEM/{key}``)."""
        entity = self._entity(call)
        href = f"{self.cloud.references.href(entity)}/metadata"
        key = call.parameters.get("key")
        if key is None:
            document = self._metadata_list(entity, href)
            return call.reply(document, "application/vnd.vmware.vcloud.metadata")
        full = f"{'SYSTEM' if '/SYSTEM/' in call.target.tail else 'GENERAL'}/{key}"
        if full not in entity.metadata:
            raise forbidden(f"No access to metadata {key} of {entity.urn}")
        document = {
            "otherAttributes": {}, "link": [], "href": f"{href}/{key}", "type": None,
            "typedValue": entity.metadata[full], "domain": None, "vCloudExtension": [],
        }  # fmt: skip
        return call.reply(document, "application/vnd.vmware.vcloud.metadata.value")

    @staticmethod
    def _metadata_list(entity: Entity, href: str) -> JsonObject:
        entries = []
        for full, value in entity.metadata.items():
            domain, _, key = full.partition("/")
            entries.append(
                {"otherAttributes": {}, "link": [], "href": f"{href}/{key}", "type": None,
                 "domain": {"value": domain, "visibility": "READWRITE"} if domain == "SYSTEM" else None,
                 "key": key, "typedValue": value, "vCloudExtension": []}
            )  # fmt: skip
        return {
            "otherAttributes": {}, "link": [], "href": href,
            "type": media_type("application/vnd.vmware.vcloud.metadata"), "metadataEntry": entries,
            "vCloudExtension": [],
        }  # fmt: skip

    def section(self, call: Call) -> Answer:
        """What was PUT there last; an empty section otherwise."""
        entity = self._entity(call)
        tail = call.target.tail
        stored = entity.sections.get(tail, {})
        document = {
            "otherAttributes": {}, "href": f"{self.cloud.references.href(entity)}/{tail}", "link": [],
            **stored, "vCloudExtension": [],
        }  # fmt: skip
        return call.reply(document, f"application/vnd.vmware.vcloud.{tail.split('/')[0]}")

    def affinity_rules(self, call: Call) -> Answer:
        """GET /api/vdc/{id}/vmAffinityRules: all rules of the vDC, whole."""
        documents, vdc = self.cloud.documents, self._entity(call)
        rules = [one for one in vdc.children if one.kind.name == "vmAffinityRule"]
        document = {
            "otherAttributes": {}, "href": f"{self.cloud.references.href(vdc)}/vmAffinityRules", "link": [],
            "vmAffinityRule": [documents.entity(rule, call.now, provider=call.is_provider) for rule in rules],
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
        document = self.cloud.documents.entity(entity, call.now, provider=call.is_provider)
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
            if task is None or not (call.is_provider or task.org is call.user.org):
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


class QueryService:
    """GET /api/query."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.records = TaskRecords(cloud.documents, cloud.engine, cloud.store)
        self.entity_fields = self._entity_fields()
        self._snapshots: Snapshots[Any] = Snapshots()

    def query(self, call: Call) -> Answer:
        pairs = call.query
        parameters = Parameters.read(pairs)
        href = f"{self.cloud.references.api}/query"
        if parameters.type in ("task", "adminTask"):
            total, records = self._tasks(call, parameters)
        else:
            total, records = self._entities(call, parameters)
        if parameters.fields:
            kept = {*parameters.fields, "_type", "href", "id", "type", "link", "otherAttributes", "metadata"}
            records = [{name: value for name, value in record.items() if name in kept} for record in records]
        document = page_document(parameters, href, pairs, total, records)
        return call.reply(document, f"application/vnd.vmware.vcloud.query.{parameters.format}")

    def _tasks(self, call: Call, parameters: Parameters) -> tuple[int, list[JsonObject]]:
        """``task`` is about one organization; ``adminTask`` about all, for system administrators."""
        admin = parameters.type == "adminTask"
        if admin and not call.is_provider:
            raise forbidden()
        org = call.tenant if admin else call.home
        expression = self._expression(call, parameters)
        lag = self.cloud.behavior.query_lag_seconds

        def rows() -> Iterator[TaskRow]:
            return self.records.rows(expression, call.now, lag, org)

        def write(row: TaskRow) -> JsonObject:
            if parameters.format == "references":
                documents = self.cloud.documents
                return documents.references.reference(
                    documents.task_href(row.task),
                    row.task.urn,
                    "application/vnd.vmware.vcloud.task",
                    row.task.operation_name,
                )
            return self.records.record(row, parameters.format, admin=admin)

        return self._page(call, parameters, self.records.fields, expression, rows=rows, write=write)

    def _entities(self, call: Call, parameters: Parameters) -> tuple[int, list[JsonObject]]:
        name = parameters.type
        if name.startswith("admin") and len(name) > len("admin"):
            if not call.is_provider:
                raise forbidden()
            name = _user_type(name)
        kind = QUERY_KINDS.get(name)
        if kind is None:
            raise unknown_type(parameters.type)
        expression = self._expression(call, parameters)

        def rows() -> Iterator[Entity]:
            return (entity for entity in self.cloud.store.of_kind(kind) if call.sees(entity))

        def write(entity: Entity) -> JsonObject:
            return self._entity_record(entity, parameters)

        return self._page(call, parameters, self.entity_fields, expression, rows=rows, write=write)

    @staticmethod
    def _expression(call: Call, parameters: Parameters) -> Expression | None:
        if parameters.filter is None:
            return None
        double = parameters.filter_encoded and version_number(call.version) < (35, 0)
        try:
            return parse(parameters.filter, decode_values=double)
        except FilterError as error:
            raise bad_request(f"Bad request: {error}") from None

    def _page(
        self, call: Call, parameters: Parameters, fields: Mapping[str, Field], expression: Expression | None, *,
        rows: Callable[[], Iterator[Any]], write: Callable[[Any], JsonObject],
    ) -> tuple[int, list[JsonObject]]:  # fmt: skip
        """Total and the page's records. Page 1 takes the rows, later pages of the same query read on in them."""
        key = (None if call.session is None else call.session.token, *parameters.sequence_key)
        kept = (
            self._snapshots.kept(key, call.now)
            if parameters.page > 1 and self.cloud.behavior.consistent_pages
            else None
        )
        if kept is not None:
            found = kept[1]
        else:
            try:
                holds = None if expression is None else compile_filter(expression, fields)
            except FilterError as error:
                raise bad_request(f"Bad request: {error}") from None
            found = sort_rows([row for row in rows() if holds is None or holds(row)], fields, parameters)
            if len(found) > parameters.page_size and self.cloud.behavior.consistent_pages:
                self._snapshots.keep(key, call.now, found)
        start = (parameters.page - 1) * parameters.page_size
        return len(found), [write(row) for row in found[start : start + parameters.page_size]]

    def _entity_fields(self) -> dict[str, Field]:
        text, reference, href = FieldType.TEXT, FieldType.REFERENCE, self.cloud.references.href
        vapp, vdc = KINDS["vApp"], KINDS["vdc"]

        def parent(kind: Any, entity: Entity) -> Entity | None:
            one = entity.parent
            while one is not None and one.kind is not kind:
                one = one.parent
            return one

        def parent_href(kind: Any) -> Field:
            return Field(reference, lambda entity: (one := parent(kind, entity)) and href(one))

        return {
            "id": Field(text, lambda entity: entity.urn),
            "href": Field(reference, href),
            "name": Field(text, lambda entity: entity.name),
            "description": Field(text, lambda entity: entity.description),
            "status": Field(text, lambda entity: str(entity.status)),
            "isDeployed": Field(FieldType.FLAG, lambda entity: entity.deployed),
            "org": Field(reference, lambda entity: href(entity.organization)),
            "orgName": Field(text, lambda entity: entity.organization.name),
            "vdc": parent_href(vdc),
            "container": parent_href(vapp),
        }

    def _entity_record(self, entity: Entity, parameters: Parameters) -> JsonObject:
        if parameters.format == "references":
            return self.cloud.references.to(entity)
        ids = parameters.format == "idrecords"
        kind = parameters.type[0].upper() + parameters.type[1:]
        record: JsonObject = {
            "_type": f"QueryResult{kind}RecordType", "link": [], "metadata": None,
            "href": None if ids else self.cloud.references.href(entity), "id": entity.urn if ids else None,
            "type": None, "otherAttributes": {},
        }  # fmt: skip
        for name, field in self.entity_fields.items():
            if name not in ("id", "href"):
                record[name] = field.get(entity)
        return record


def _user_type(name: str) -> str:
    rest = name.removeprefix("admin")
    return "vApp" if rest == "VApp" else "vm" if rest == "VM" else rest[0].lower() + rest[1:]
