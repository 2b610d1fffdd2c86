"""The task query: writes the filter and reads the rows.

Source: VCD API programming guide, "Query Parameters" and filter expressions; the encoding by version as in pyvcloud
client.py; QueryResultTaskRecordType and QueryResultAdminTaskRecordType.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

from bridge.core.answers import TaskPage, TaskQuery, TaskRecord
from bridge.core.task import normal_status
from bridge.core.times import to_text
from bridge.vcd.documents.documents import Document
from bridge.vcd.documents.lenient import Json, instant, integer, members, name, text, uuid_in
from bridge.vcd.documents.wire import task_urn, task_uuid
from bridge.vcd.login.versions import version_key

MAX_PAGE_SIZE = 128
"""Largest page that the query service takes."""

SINGLE_ENCODING_SINCE = (35, 0)
"""From this API version on a filter's values are percent-encoded once; before, the whole filter once more."""

_SPECIAL = str.maketrans({character: "\\" + character for character in "\\();,"})


def write_filter(conditions: list[str], api_version: str) -> str:
    """The query parameters of a filter whose conditions all hold; each is parenthesised, as ``;`` binds tighter."""
    if not conditions:
        return ""
    expression = ";".join(f"({condition})" for condition in conditions)
    if version_key(api_version) >= SINGLE_ENCODING_SINCE:
        return f"&filter={expression}"
    return f"&filterEncoded=true&filter={quote(expression, safe='')}"


def compare(selector: str, operator: str, value: str, api_version: str) -> str:
    """One comparison; the value's special characters are escaped where the version knows escapes."""
    escaped = value.translate(_SPECIAL) if version_key(api_version) >= SINGLE_ENCODING_SINCE else value
    return f"{selector}{operator}{quote(escaped, safe='')}"


def timestamp(moment: datetime) -> str:
    """A time as filters take it: UTC with milliseconds."""
    return to_text(moment.astimezone(UTC))


def task_query_target(
    query: TaskQuery, *, api_version: str, user_name: str, is_provider: bool, base_url: str = ""
) -> str:
    """Path and query of a task query, written as it goes out. ``base_url``: of the hrefs in it.

    VCD compares text regardless of case and takes ``*`` for anything: rows may come that only resemble what was asked.
    """

    def one(selector: str, operator: str, value: str) -> str:
        return compare(selector, operator, value, api_version)

    conditions = _alternatives(query, one, base_url if is_provider else None)
    if query.ids:
        conditions.append(",".join(one("id", "==", task_id) for task_id in query.ids))
    if query.own_only:
        conditions.append(one("ownerName", "==", user_name))
    if query.object_href is not None:
        conditions.append(one("object", "==", query.object_href))
    if query.operation_name is not None:
        conditions.append(one("name", "==", query.operation_name))
    if query.service_namespace is not None:
        conditions.append(one("serviceNamespace", "==", query.service_namespace))
    if query.started_at_or_after is not None:
        conditions.append(one("startDate", "=ge=", timestamp(query.started_at_or_after)))
    if query.ended_at_or_after is not None:
        conditions.append(one("endDate", "=ge=", timestamp(query.ended_at_or_after)))
    target = (
        f"/api/query?type={'adminTask' if is_provider else 'task'}&format=idrecords"
        f"&page={max(1, query.page)}&pageSize={min(max(1, query.page_size), MAX_PAGE_SIZE)}"
    )
    if query.sort_ascending is not None:
        target += f"&sortAsc={quote(query.sort_ascending, safe='')}"
    return target + write_filter(conditions, api_version)


def _alternatives(query: TaskQuery, one: Callable[[str, str, str], str], base_url: str | None) -> list[str]:
    """The conditions on status and organization. ``base_url`` None: a tenant, who sees its own organization alone."""
    conditions = []
    states = [one("status", "==", status) for status in query.statuses]
    if query.or_ended_at_or_after is not None:
        states.append(one("endDate", "=ge=", timestamp(query.or_ended_at_or_after)))
    if states:
        conditions.append(",".join(states))
    if query.organizations and base_url is not None:
        hrefs = (f"{base_url}/api/org/{uuid}" for uuid in query.organizations)
        conditions.append(",".join(one("org", "==", href) for href in hrefs))
    return conditions


def read_task_page(document: Document, query: TaskQuery, server_time: datetime | None) -> TaskPage:
    """A page of rows, whether they came with ids or hrefs, as JSON or XML; a row that names no Task is left out."""
    rows = [record for one in records_of(document) if (record := _record(one)) is not None]
    page = integer(document.content.get("page"))
    return TaskPage(
        records=tuple(rows),
        page=page if page is not None else query.page,
        total=total_of(document, query.page, query.page_size, len(rows)),
        server_time=server_time,
    )


def total_of(document: Document, page: int, page_size: int, rows: int) -> int:
    """How many rows all pages of the query have together; where VCD does not say, those up to this page."""
    total = integer(document.content.get("total"))
    return total if total is not None else (page - 1) * page_size + rows


def records_of(document: Document) -> list[Json]:
    """The rows of any query; in XML their element is named after the type."""
    found = members(document.content.get("record"))
    if document.root is not None:
        for key, value in document.content.items():
            if key.endswith("Record"):
                found += members(value)
    return found


def _record(row: Json) -> TaskRecord | None:
    uuid = task_uuid(name(row.get("id")), name(row.get("href")))
    status = name(row.get("status"))
    if uuid is None or status is None:
        return None
    return TaskRecord(
        id=task_urn(uuid),
        status=normal_status(status),
        progress=integer(row.get("progress")),
        operation_name=name(row.get("name")),
        operation=text(row.get("operationFull")),
        object_href=name(row.get("object")),
        object_name=name(row.get("objectName")),
        owner_name=name(row.get("ownerName")),
        service_namespace=name(row.get("serviceNamespace")),
        start_date=instant(row.get("startDate")),
        end_date=instant(row.get("endDate")),
        organization=uuid_in(name(row.get("org"))),
        organization_name=name(row.get("orgName")),
    )
