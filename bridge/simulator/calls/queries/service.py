"""GET /api/query: which rows, in which order, in which form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.queries.blockingquery import BlockingRecords
from bridge.simulator.calls.queries.fiql import Expression, Field, FilterError, compile_filter, parse
from bridge.simulator.calls.queries.metadatafilter import entries, is_metadata, resolve
from bridge.simulator.calls.queries.paging import (
    Parameters,
    Snapshots,
    container_of,
    page_document,
    sort_rows,
    unknown_type,
)
from bridge.simulator.calls.queries.querylist import QUERY_LIST_STEM, query_list
from bridge.simulator.calls.queries.tables.columns import COMMON, QueryType
from bridge.simulator.calls.queries.tables.registry import BELOW_VDC, QUERY_TYPES, TYPED_PATHS
from bridge.simulator.calls.queries.taskquery import Delay, TaskRecords, TaskRow
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, JsonObject, bad_request, forbidden, no_access
from bridge.simulator.protocol.negotiation import version_number
from bridge.simulator.state.kinds import KINDS


def everybody(_row: Any) -> bool:
    return True


class QueryService:
    """GET /api/query."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.records = TaskRecords(cloud.documents, cloud.engine, cloud.store)
        self.blocking_records = BlockingRecords(cloud)
        self._snapshots: Snapshots[Any] = Snapshots()

    def query(self, call: Call) -> Answer:
        pairs = call.query
        if "type" not in pairs:
            return call.reply(query_list(_types(call), self.cloud.references), QUERY_LIST_STEM)
        return self._answer(call, pairs, pairs, f"{self.cloud.references.api}/query")

    def typed(self, call: Call) -> Answer:
        """A query with a path of its own."""
        path = call.target.tail
        asked = {"format": "references", **call.query, "type": TYPED_PATHS[path]}
        return self._answer(call, asked, call.query, f"{self.cloud.references.api}/{path}/query")

    def below_vdc(self, call: Call) -> Answer:
        """The edge gateways or networks of a vDC: a query of them, at a path below it."""
        kind, tail = KINDS["vdc"], call.target.tail
        vdc = self.cloud.store.find(kind, call.parameters["id"].lower(), call.home)
        if not call.sees(vdc):
            raise no_access(kind.urn, vdc.uuid)
        own, further = f"vdc=={vdc.uuid}", call.query.get("filter")
        asked = {**call.query, "type": BELOW_VDC[tail], "filter": f"{own};({further})" if further else own}
        return self._answer(call, asked, call.query, f"{self.cloud.references.admin_href(vdc)}/{tail}")

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        yield "GET", "/api/query", Target("query", self.query)
        for path in TYPED_PATHS:
            yield "GET", f"/api/{path}/query", Target("query", self.typed, tail=path)
        for tail in BELOW_VDC:
            yield "GET", f"/api/admin/vdc/{{id}}/{tail}", Target("query", self.below_vdc, tail=tail)

    def _answer(self, call: Call, asked: dict[str, str], shown: dict[str, str], href: str) -> Answer:
        """``shown``: the parameters of the hrefs in the answer, where the path tells the rest."""
        parameters = Parameters.read(asked)
        if parameters.type in ("task", "adminTask"):
            total, records = self._tasks(call, parameters)
        elif parameters.type == "blockingTask":
            total, records = self._blocking_tasks(call, parameters)
        else:
            total, records = self._entities(call, parameters)
        if parameters.fields:
            kept = {*parameters.fields, "_type", "href", "id", "type", "link", "otherAttributes", "metadata"}
            self._check_fields(parameters)
            records = [{name: value for name, value in record.items() if name in kept} for record in records]
        document = page_document(parameters, href, shown, total, records)
        stem = f"application/vnd.vmware.vcloud.query.{parameters.format}"
        return call.reply(document, stem, name=container_of(parameters) if parameters.format == "references" else None)

    @staticmethod
    def _check_fields(parameters: Parameters) -> None:
        """400 for a field that the type does not have; metadata is a field of all."""
        kind = QUERY_TYPES.get(parameters.type)
        if kind is not None:
            for name in parameters.fields:
                if name not in kind.fields and name not in COMMON and not is_metadata(name):
                    raise bad_request(f"Invalid query parameter fields: unknown field {name}")

    def _tasks(self, call: Call, parameters: Parameters) -> tuple[int, list[JsonObject]]:
        """``task`` is about one organization; ``adminTask`` about all, for system administrators."""
        admin = parameters.type == "adminTask"
        if admin and not call.is_provider:
            raise forbidden()
        org = call.tenant if admin else call.home
        expression = self._expression(call, parameters)
        behavior = self.cloud.behavior
        delay = Delay(behavior.query_lag_seconds, behavior.late_rows, behavior.late_row_seconds)

        def rows() -> Iterator[TaskRow]:
            found = self.records.rows(expression, call.now, delay, org)
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

        fields = self.records.admin_fields if admin else self.records.fields
        return self._page(call, parameters, fields, expression, rows=rows, write=write)

    def _blocking_tasks(self, call: Call, parameters: Parameters) -> tuple[int, list[JsonObject]]:
        if not call.is_provider:
            raise forbidden()
        records = self.blocking_records
        return self._page(
            call, parameters, records.fields, self._expression(call, parameters),
            rows=lambda: records.rows(call.tenant), write=lambda task: records.record(task, parameters.format),
        )  # fmt: skip

    def _entities(self, call: Call, parameters: Parameters) -> tuple[int, list[JsonObject]]:
        kind = QUERY_TYPES.get(parameters.type)
        if kind is None:
            raise unknown_type(parameters.type)
        if kind.provider_only and not call.is_provider:
            raise forbidden()
        expression, fields = self._expression(call, parameters), kind.fields
        if expression is not None:
            expression, more = self._with_metadata(expression, kind, call)
            fields = {**fields, **more} if more else fields
        sees = everybody if kind.everybody else call.sees
        entity, references = kind.entity, self.cloud.references

        def rows() -> Iterator[Any]:
            return iter(kind.rows(self.cloud.store))

        def write(row: Any) -> JsonObject:
            if parameters.format == "references":
                return kind.reference_to(row, references)
            record = kind.record_of(row, references, ids=parameters.format == "idrecords")
            record["metadata"] = entries(entity(row), parameters.fields, provider=call.is_provider)
            return record

        return self._page(
            call, parameters, fields, expression, rows=rows, write=write, sees=lambda row: sees(entity(row))
        )

    @staticmethod
    def _with_metadata(expression: Expression, kind: QueryType, call: Call) -> tuple[Expression, dict[str, Field]]:
        try:
            return resolve(expression, kind.entity, provider=call.is_provider)
        except FilterError as error:
            raise bad_request(f"Bad request: {error}") from None

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
        sees: Callable[[Any], bool] = everybody,
    ) -> tuple[int, list[JsonObject]]:  # fmt: skip
        """Total and the page's records. Page 1 takes the rows, later pages of the same query read on in them.

        ``sees`` is asked of the rows that match only: the filter is the quicker question.
        """
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
            matching = [row for row in rows() if (holds is None or holds(row)) and sees(row)]
            found = sort_rows(matching, fields, parameters)
            if len(found) > parameters.page_size and self.cloud.behavior.consistent_pages:
                self._snapshots.keep(key, call.now, found)
        page = found[parameters.start : parameters.start + parameters.page_size]
        return len(found), [write(row) for row in page]


def _types(call: Call) -> list[str]:
    """What the caller may ask for."""
    names = ["task", *(one.name for one in QUERY_TYPES.values() if call.is_provider or not one.provider_only)]
    return [*names, "adminTask", "blockingTask"] if call.is_provider else names
