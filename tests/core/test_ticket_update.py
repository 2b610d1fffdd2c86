"""The end of a story as flat JSON: the same members always, scalars only, whatever VCD sent."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from bridge.avro.shrinking import shrunk
from bridge.core.coordinates import Birth
from bridge.core.events import Change, Outcome, Reason, StatusEvent
from bridge.core.task import Task, empty_document
from bridge.core.ticket_update import ticket_key, ticket_update, ticket_value
from tests.avro.documents import EVENTS

FIRST = StatusEvent(
    birth=Birth("vcd.action-requests", 3, 7), sequence=4, lifecycle="action_request", key=b"r-1", request_id="r-1",
    correlation_id="CHG1", requested_by="eve", catalogue_operation="deployVApp", change=Change.FINISHED,
    outcome=Outcome.SUCCESS, observed_at=datetime(2026, 1, 31, 17, 0, 0, 123000, UTC),
)  # fmt: skip
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
DOCUMENT = Path(__file__).parents[2] / "docs" / "ticket-updates.md"


def final(task: dict[str, Any] | None = None, **changes: Any) -> StatusEvent:
    document: Any = {**empty_document(), "id": "urn:vcloud:task:1", **(task or {})}
    return replace(FIRST, task=Task(document) if task is not None else None, **changes)


def test_a_success_with_its_task() -> None:
    reference = {"href": "https://vcd/api/vApp/vapp-1", "id": "urn:vcloud:vapp:1", "type": "t", "name": "web"}
    update = ticket_update(
        final(
            {
                "href": "https://vcd/api/task/1", "status": "success", "operation": "Deployed web", "details": "done",
                "operationName": "vappDeploy", "serviceNamespace": "com.vmware.vcloud", "owner": reference,
                "user": {**reference, "name": "admin"}, "organization": {**reference, "id": "o", "name": "acme"},
                "startTime": 1_769_878_800_000, "endTime": 1_769_878_801_500, "link": [reference], "params": "{}",
                "result": {"resultContent": "{}", "resultReference": reference},
            },
            http_status=202, vcd_request_id="abc",
        )
    )  # fmt: skip
    assert {name: value for name, value in update.items() if value is not None} == {
        "event_id": "vcd.action-requests/3/7#4", "lifecycle": "action_request", "request_id": "r-1",
        "correlation_id": "CHG1", "requested_by": "eve", "operation": "deployVApp", "outcome": "success",
        "summary": "deployVApp: success", "http_status": 202, "vcd_request_id": "abc", "task_id": "urn:vcloud:task:1",
        "task_href": "https://vcd/api/task/1", "task_status": "success", "task_details": "done",
        "operation_name": "vappDeploy", "operation_text": "Deployed web", "service_namespace": "com.vmware.vcloud",
        "organization_id": "o", "organization_name": "acme", "owner_id": "urn:vcloud:vapp:1", "owner_name": "web",
        "owner_type": "t", "user_name": "admin", "started_at": "2026-01-31T17:00:00.000Z",
        "ended_at": "2026-01-31T17:00:01.500Z", "observed_at": "2026-01-31T17:00:00.123Z",
        "result_reference_href": "https://vcd/api/vApp/vapp-1", "result_reference_id": "urn:vcloud:vapp:1",
        "result_reference_name": "web", "truncated": False,
    }  # fmt: skip


ERROR = {"message": "is busy", "majorErrorCode": 400, "minorErrorCode": "BUSY_ENTITY", "tenantError": None}


@pytest.mark.parametrize(
    ("event", "summary", "error_code"),
    [
        (final(outcome=Outcome.REJECTED, reason=Reason("BUSY_ENTITY", "is busy"), vcd_error=ERROR),
         "deployVApp: rejected (BUSY_ENTITY): is busy", "BUSY_ENTITY"),
        (final({"error": {**ERROR, "minorErrorCode": "OTHER"}}, outcome=Outcome.ERROR),
         "deployVApp: error: is busy", "OTHER"),
        (final({"error": {**ERROR, "minorErrorCode": "OTHER"}}, outcome=Outcome.ERROR, vcd_error=ERROR),
         "deployVApp: error: is busy", "BUSY_ENTITY"),
        (final({"operationName": "patch"}, lifecycle="external_task", catalogue_operation=None),
         "patch: success", None),
        (final(lifecycle="external_task", catalogue_operation=None, reason=Reason("c", "two\nlines\x00")),
         "external task: success (c): two lines", None),
        (final(reason=Reason("c", "m" * 2000)), "deployVApp: success (c): " + "m" * 974 + "…", None),
    ],
)  # fmt: skip
def test_the_summary_is_one_line_with_the_reason(event: StatusEvent, summary: str, error_code: str | None) -> None:
    update = ticket_update(event)
    assert update["summary"] == summary
    assert update["error_code"] == error_code
    assert update["error_message"] == ("is busy" if error_code else None)
    assert update["error_major_code"] == (400 if error_code else None)


def test_the_key_finds_the_ticket() -> None:
    assert ticket_key(final(correlation_id="Änderung 1")) == "Änderung 1".encode()
    assert ticket_key(final(correlation_id=None)) == b"r-1"
    assert ticket_key(final(correlation_id="", key=None)) is None


@given(EVENTS)
def test_every_update_has_the_same_members_each_of_one_type(event: StatusEvent) -> None:
    update: dict[str, Any] = json.loads(ticket_value(event))
    assert list(update) == list(ticket_update(FIRST))
    numbers = {"error_major_code", "http_status"}
    for name, value in update.items():
        expected = bool if name == "truncated" else int if name in numbers else str
        assert value is None or type(value) is expected, name
        if name.endswith("_at"):
            assert re.fullmatch(TIME, str(value or "2026-01-31T17:00:00.000Z"))
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "".join(filter(None, map(str, update.values()))))


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"status": 7, "details": {"a": ["ü"]}}, {"task_status": "7", "task_details": '{"a": ["ü"]}'}),
        ({"startTime": "soon", "endTime": 10**30}, {"started_at": None, "ended_at": None}),
        ({"owner": "vapp-1", "error": [], "result": {"resultReference": 1}}, {"owner_id": None, "error_code": None}),
        ({"error": {"majorErrorCode": True}}, {"error_major_code": None, "error_message": None}),
        ({"operation": "half \ud800"}, {"operation_text": "half ?"}),
    ],
)
def test_what_vcd_sends_against_its_own_schema_never_stops_the_story(members: Any, told: dict[str, Any]) -> None:
    update = json.loads(ticket_value(final(members)))
    assert {name: update[name] for name in told} == told


def test_a_task_document_with_members_missing_is_told() -> None:
    bare: Any = {"id": "urn:vcloud:task:1"}
    assert ticket_update(replace(FIRST, task=Task(bare)))["task_id"] == "urn:vcloud:task:1"


def test_a_shrunk_event_makes_a_small_update() -> None:
    """Also where every character takes two bytes in JSON."""
    text = '"' * 100_000
    document: Any = {name: _filled(value, text) for name, value in TASK_OF_TEXTS.items()}
    large = replace(
        FIRST, request_id=text, correlation_id=text, requested_by=text, catalogue_operation=text, vcd_request_id=text,
        reason=Reason(text, text, text), vcd_error=None, task=Task(document), external_key=text,
    )  # fmt: skip
    assert len(ticket_value(shrunk(large))) <= 64 * 1024


REFERENCE = dict.fromkeys(("href", "id", "type", "name"), "")
TASK_OF_TEXTS = {
    **dict.fromkeys(empty_document(), ""), "owner": REFERENCE, "user": REFERENCE, "organization": REFERENCE,
    "error": {"message": "", "minorErrorCode": ""}, "startTime": None, "endTime": None,
}  # fmt: skip


def _filled(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {name: _filled(member, text) for name, member in value.items()}
    return text if value == "" else value


def test_every_member_is_documented_in_order() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)] == list(ticket_update(FIRST))
