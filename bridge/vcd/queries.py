"""The task query: its filter (FIQL), its encoding by API version, and its rows.

Sources: VCD API programming guide (query parameters), pyvcloud client.py and its changes for API 35.0 (single encoding;
``( ) ; ,`` inside values escaped with a backslash), QueryResultTaskRecordType.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from bridge.core.answers import TaskQuery, TaskRecord
from bridge.core.task import normal_status
from bridge.vcd.versions import at_least
from bridge.vcd.wire import Unreadable, moment, task_urn

_RESERVED = str.maketrans({character: f"\\{character}" for character in "(),;"})


def query_string(query: TaskQuery, *, version: str, provider: bool, user_name: str) -> str:
    """The encoded query string of ``GET /api/query``."""
    single = at_least(version, "35.0")
    text = fiql(query, user_name=user_name, single=single)
    parts = [
        f"type={'adminTask' if provider else 'task'}",
        "format=idrecords",
        f"page={query.page}",
        f"pageSize={query.page_size}",
    ]
    if query.sort_ascending is not None:
        parts.append(f"sortAsc={query.sort_ascending}")
    if text:
        parts.append("filterEncoded=true")
        parts.append(f"filter={quote(text, safe='')}")
    return "&".join(parts)


def fiql(query: TaskQuery, *, user_name: str, single: bool) -> str:
    """The filter, always with parentheses round alternatives: ``;`` binds tighter than ``,``."""
    write = escaped if single else _encoded
    terms: list[str] = []
    if query.statuses:
        terms.append(_any("status", [write(status) for status in query.statuses]))
    if query.ids:
        terms.append(_any("id", [write(one) for one in query.ids]))
    if query.own_only:
        terms.append(f"ownerName=={write(user_name)}")
    if query.object_href is not None:
        terms.append(f"object=={write(query.object_href)}")
    if query.operation_name is not None:
        terms.append(f"name=={write(query.operation_name)}")
    if query.started_at_or_after is not None:
        terms.append(f"startDate=ge={write(_date(query.started_at_or_after))}")
    if query.ended_at_or_after is not None:
        terms.append(f"endDate=ge={write(_date(query.ended_at_or_after))}")
    return ";".join(terms)


def records(document: Mapping[str, Any]) -> tuple[TaskRecord, ...]:
    """The rows of a query's answer; rows without an id are left out."""
    rows = document.get("record") or ()
    found = (_record(row) for row in rows if isinstance(row, Mapping))
    return tuple(record for record in found if record is not None)


def _record(row: Mapping[str, Any]) -> TaskRecord | None:
    try:
        task_id = row.get("id") or task_urn(str(row.get("href") or ""))
    except Unreadable:
        return None
    progress = row.get("progress")
    return TaskRecord(
        id=str(task_id),
        status=normal_status(str(row.get("status") or "")),
        progress=int(progress) if isinstance(progress, int | str) and str(progress).isdecimal() else None,
        operation_name=row.get("name"),
        operation=row.get("operationFull"),
        object_href=row.get("object"),
        object_name=row.get("objectName"),
        owner_name=row.get("ownerName"),
        service_namespace=row.get("serviceNamespace"),
        start_date=moment(row.get("startDate")),
        end_date=moment(row.get("endDate")),
    )


def _any(field: str, values: list[str]) -> str:
    terms = ",".join(f"{field}=={value}" for value in values)
    return f"({terms})" if len(values) > 1 else terms


def escaped(value: str) -> str:
    """A value inside a filter, reserved characters escaped."""
    return value.translate(_RESERVED)


def _encoded(value: str) -> str:
    return quote(value, safe="")


def _date(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
