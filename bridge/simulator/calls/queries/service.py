"""GET /api/query: which rows, in which order, in which form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bridge.simulator.calls.call import Call
from bridge.simulator.calls.queries.blockingquery import BlockingRecords
from bridge.simulator.calls.queries.fiql import Expression, Field, FieldType, FilterError, compile_filter, parse
from bridge.simulator.calls.queries.paging import Parameters, Snapshots, page_document, sort_rows, unknown_type
from bridge.simulator.calls.queries.querylist import QUERY_LIST_STEM, query_list
from bridge.simulator.calls.queries.taskquery import TaskRecords, TaskRow
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, JsonObject, bad_request, forbidden
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


class QueryService:
    """GET /api/query."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.records = TaskRecords(cloud.documents, cloud.engine, cloud.store)
        self.blocking_records = BlockingRecords(cloud)
        self.entity_fields = self._entity_fields()
        self._snapshots: Snapshots[Any] = Snapshots()

    def query(self, call: Call) -> Answer:
        pairs = call.query
        if "type" not in pairs:
            return call.reply(query_list(_types(call), self.cloud.references), QUERY_LIST_STEM)
        parameters = Parameters.read(pairs)
        href = f"{self.cloud.references.api}/query"
        if parameters.type in ("task", "adminTask"):
            total, records = self._tasks(call, parameters)
        elif parameters.type == "blockingTask":
            total, records = self._blocking_tasks(call, parameters)
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
            found = self.records.rows(expression, call.now, lag, org)
            return found if call.is_provider else (row for row in found if call.sees_task(row.task))

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

    def _blocking_tasks(self, call: Call, parameters: Parameters) -> tuple[int, list[JsonObject]]:
        if not call.is_provider:
            raise forbidden()
        records = self.blocking_records
        return self._page(
            call, parameters, records.fields, self._expression(call, parameters),
            rows=lambda: records.rows(call.tenant), write=lambda task: records.record(task, parameters.format),
        )  # fmt: skip

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


def _types(call: Call) -> list[str]:
    """What the caller may ask for."""
    names = ["task", *QUERY_KINDS]
    return [*names, *map(_admin_type, names), "blockingTask"] if call.is_provider else names


def _admin_type(name: str) -> str:
    return "adminVM" if name == "vm" else f"admin{name[0].upper()}{name[1:]}"


def _user_type(name: str) -> str:
    rest = name.removeprefix("admin")
    return "vApp" if rest == "VApp" else "vm" if rest == "VM" else rest[0].lower() + rest[1:]
