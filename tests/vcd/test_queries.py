"""The task query: filter, encoding by version, rows in every form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from operator import itemgetter
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.answers import TaskQuery
from bridge.core.requests import JsonValue
from bridge.simulator.calls.queries.fiql import Field, FieldType, compile_filter, parse
from bridge.vcd.documents.documents import Document, read_body
from bridge.vcd.reading.queries import compare, read_task_page, task_query_target, timestamp, write_filter
from tests.vcd.test_wire import UUID

SINCE = datetime(2026, 11, 24, 13, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=1)))


def target(query: TaskQuery, version: str = "39.1", *, provider: bool = False, user: str = "bridge") -> str:
    return task_query_target(query, api_version=version, user_name=user, is_provider=provider)


def filter_of(text: str) -> str:
    return parse_qs(urlsplit(text).query)["filter"][0]


def test_every_condition_is_parenthesised() -> None:
    query = TaskQuery(
        statuses=("queued", "running"), own_only=True, object_href="https://h/api/vApp/vm-1",
        operation_name="vappDeploy",
        started_at_or_after=SINCE, ended_at_or_after=SINCE, sort_ascending="endDate", page=3, page_size=500,
    )  # fmt: skip
    text = target(query)
    assert filter_of(text) == (
        "(status==queued,status==running);(ownerName==bridge);(object==https://h/api/vApp/vm-1);(name==vappDeploy);"
        "(startDate=ge=2026-11-24T12:00:00.250Z);(endDate=ge=2026-11-24T12:00:00.250Z)"
    )
    assert text.startswith("/api/query?type=task&format=idrecords&page=3&pageSize=128&sortAsc=endDate&filter=(")


def test_a_provider_asks_for_all_organizations() -> None:
    assert "type=adminTask&" in target(TaskQuery(), provider=True)
    assert "filter" not in target(TaskQuery(), provider=True)


def test_an_end_since_then_is_as_good_as_an_active_status() -> None:
    query = TaskQuery(statuses=("queued", "running"), or_ended_at_or_after=SINCE, started_at_or_after=SINCE)
    assert filter_of(target(query)) == (
        "(status==queued,status==running,endDate=ge=2026-11-24T12:00:00.250Z);(startDate=ge=2026-11-24T12:00:00.250Z)"
    )


def test_organizations_are_alternatives_of_a_provider() -> None:
    query = TaskQuery(statuses=("running",), organizations=(UUID, "2"))
    text = task_query_target(query, api_version="39.1", user_name="x", is_provider=True, base_url="https://h")
    assert filter_of(text) == f"(status==running);(org==https://h/api/org/{UUID},org==https://h/api/org/2)"
    assert filter_of(target(query)) == "(status==running)", "a tenant sees its own alone"


def test_ids_are_alternatives() -> None:
    ids = (f"urn:vcloud:task:{UUID}", "urn:vcloud:task:2")
    assert filter_of(target(TaskQuery(ids=ids))) == f"(id=={ids[0]},id=={ids[1]})"


@pytest.mark.parametrize("provider", [False, True])
def test_tasks_of_a_namespace_in_all_organizations(provider: bool) -> None:
    query = TaskQuery(service_namespace="com.example.change", statuses=("running",), started_at_or_after=SINCE)
    text = target(query, provider=provider)
    assert f"type={'adminTask' if provider else 'task'}&" in text
    assert filter_of(text) == (
        "(status==running);(serviceNamespace==com.example.change);(startDate=ge=2026-11-24T12:00:00.250Z)"
    )


def test_a_namespace_may_have_any_symbol() -> None:
    query = TaskQuery(service_namespace="a;b,(c)\\d&e=f %é")
    assert target(query, "36.0").endswith(
        "&filter=(serviceNamespace==a%5C%3Bb%5C%2C%5C%28c%5C%29%5C%5Cd%26e%3Df%20%25%C3%A9)"
    )
    older = target(query, "34.0").partition("&filterEncoded=true&filter=")[2]
    assert unquote(older) == "(serviceNamespace==a%3Bb%2C%28c%29%5Cd%26e%3Df%20%25%C3%A9)"


@given(
    st.text(min_size=1, max_size=128).filter(lambda text: "*" not in text and text.strip() == text),
    st.sampled_from(["34.0", "35.0", "39.1"]),
)
def test_an_independent_reader_finds_the_namespace_again(value: str, version: str) -> None:
    parameters = parse_qs(urlsplit(target(TaskQuery(service_namespace=value), version)).query)
    expression = parse(parameters["filter"][0], decode_values="filterEncoded" in parameters)
    holds = compile_filter(expression, {"serviceNamespace": Field(FieldType.TEXT, itemgetter("it"))})
    assert holds({"it": value})
    assert not holds({"it": value + "x"})


def test_values_are_encoded_once_and_escaped_from_35_on() -> None:
    text = target(TaskQuery(own_only=True), "35.0", user="a(b);c,d\\e&f=g é")
    assert text.endswith("&filter=(ownerName==a%5C%28b%5C%29%5C%3Bc%5C%2Cd%5C%5Ce%26f%3Dg%20%C3%A9)")
    assert "filterEncoded" not in text


def test_before_35_the_whole_filter_is_encoded_once_more() -> None:
    text = target(TaskQuery(own_only=True), "34.0", user="a&b")
    assert text.endswith("&filterEncoded=true&filter=%28ownerName%3D%3Da%2526b%29")
    assert unquote(unquote(text.rpartition("filter=")[2])) == "(ownerName==a&b)"


@given(st.text(min_size=1, max_size=12).filter(lambda text: "*" not in text and text.strip() == text))
def test_an_independent_reader_of_filters_finds_the_value_again(value: str) -> None:
    """The simulator's FIQL parser shares no code with the writer."""
    text = "/api/query?x=y" + write_filter([compare("name", "==", value, "39.1"), "status==a,status==b"], "39.1")
    expression = parse(filter_of(text))
    fields = {name: Field(FieldType.TEXT, itemgetter(name)) for name in ("name", "status")}
    holds = compile_filter(expression, fields)
    assert holds({"name": value, "status": "b"})
    assert not holds({"name": value, "status": "c"})
    assert not holds({"name": value + "x", "status": "b"})


def test_times_are_utc_with_milliseconds() -> None:
    assert timestamp(SINCE) == "2026-11-24T12:00:00.250Z"


ROW: dict[str, JsonValue] = {
    "_type": "QueryResultAdminTaskRecordType", "id": f"urn:vcloud:task:{UUID}", "href": None, "name": "vappDeploy",
    "operationFull": "Deploying", "status": "Success", "progress": None, "startDate": "2026-11-24T12:00:00.250+0000",
    "endDate": "2026-11-24T14:00:00.250+02:00", "ownerName": "bridge", "object": "urn:vcloud:vapp:1",
    "objectName": "web", "serviceNamespace": "com.vmware.vcloud", "org": None, "new": 1,
}  # fmt: skip


def page(content: dict[str, JsonValue]) -> Document:
    return Document(content)


def test_rows_with_ids() -> None:
    found = read_task_page(page({"record": [ROW], "page": 1, "total": "7"}), TaskQuery(), None)
    row = found.records[0]
    assert (row.id, row.status, row.operation_name, row.operation) == (
        f"urn:vcloud:task:{UUID}", "success", "vappDeploy", "Deploying",
    )  # fmt: skip
    assert row.start_date == row.end_date == datetime(2026, 11, 24, 12, 0, 0, 250_000, UTC)
    assert (row.owner_name, row.object_href, row.object_name) == ("bridge", "urn:vcloud:vapp:1", "web")
    assert (found.page, found.total) == (1, 7)


def test_a_row_tells_its_organization_by_id_or_href() -> None:
    for org in (f"urn:vcloud:org:{UUID}", f"https://public.example/api/org/{UUID}"):
        row = {**ROW, "org": org, "orgName": "acme"}
        found = read_task_page(page({"record": [row]}), TaskQuery(), None).records[0]
        assert (found.organization, found.organization_name) == (UUID, "acme")


def test_rows_with_hrefs() -> None:
    row = {**ROW, "id": None, "href": f"https://public.example/api/task/{UUID}"}
    assert read_task_page(page({"record": [row]}), TaskQuery(), None).records[0].id == f"urn:vcloud:task:{UUID}"


def test_rows_in_xml() -> None:
    body = f"""<QueryResultRecords xmlns="http://www.vmware.com/vcloud/v1.5" total="2" pageSize="25" page="1">
      <Link rel="nextPage" href="https://h"/>
      <TaskRecord status="running" name="vappDeploy" href="https://h/api/task/{UUID}" progress="5"/>
      <TaskRecord status="error" name="x" href="https://h/api/task/{UUID.replace("8", "7")}"/>
    </QueryResultRecords>"""
    document = read_body("application/vnd.vmware.vcloud.query.records+xml", body.encode())
    assert document is not None
    found = read_task_page(document, TaskQuery(), None)
    assert [(row.status, row.progress) for row in found.records] == [("running", 5), ("error", None)]
    assert found.total == 2


@pytest.mark.parametrize("record", [None, [], [None], [{}], [{"id": "x", "status": "running"}], "text"])
def test_rows_that_name_no_task_are_left_out(record: JsonValue) -> None:
    found = read_task_page(page({"record": record, "total": None}), TaskQuery(page=2, page_size=10), None)
    assert found.records == ()
    assert found.total == 10
