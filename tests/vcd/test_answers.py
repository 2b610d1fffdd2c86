"""Every shape of answer, from every operation alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from bridge.core.answers import Accepted, CallAnswer, Done, OutcomeUnknown, Refused
from bridge.core.requests import JsonValue
from bridge.vcd.documents.answers import read_call_answer
from tests.vcd.test_wire import NULL_FILLED, UUID, XML_TASK

BASE = "https://dialled.example"
OTHER = "11111111-2222-4333-8444-555555555555"
JSON = "application/vnd.vmware.vcloud.task+json;version=39.1"


def answer(status: int, body: bytes | JsonValue = b"", **headers: str) -> CallAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    kept = {name.replace("_", "-"): value for name, value in headers.items()}
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return read_call_answer(status, kept, raw, base_url=BASE, user_name="bridge", now=now)


def accepted(found: CallAnswer) -> str:
    assert isinstance(found, Accepted), found
    return found.task.id.rsplit(":", 1)[1]


def entity(*tasks: JsonValue) -> JsonValue:
    return {"type": "application/vnd.vmware.vcloud.vApp+json", "id": "urn:vcloud:vapp:1", "status": 0,
            "tasks": {"task": list(tasks)}}  # fmt: skip


def a_task(uuid: str, status: str, start: str = "2026-01-01T00:00:00Z") -> JsonValue:
    return {"id": f"urn:vcloud:task:{uuid}", "status": status, "startTime": start}


def test_202_with_the_task() -> None:
    found = answer(202, NULL_FILLED, content_type=JSON, x_vmware_vcloud_request_id="vb-1-1-abc")
    assert accepted(found) == UUID
    assert isinstance(found, Accepted)
    assert (found.http_status, found.vcd_request_id, found.task.status) == (202, "vb-1-1-abc", "running")


def test_200_with_the_task_as_for_external_tasks() -> None:
    assert accepted(answer(200, NULL_FILLED, content_type=JSON)) == UUID


def test_the_task_in_xml() -> None:
    assert accepted(answer(202, XML_TASK, content_type="application/vnd.vmware.vcloud.task+xml")) == UUID


def test_201_with_the_entity_and_its_task_inside() -> None:
    found = answer(201, entity(a_task(UUID, "running")), content_type="application/vnd.vmware.vcloud.vApp+json")
    assert accepted(found) == UUID


def test_a_new_entity_whose_task_is_already_final() -> None:
    assert accepted(answer(201, entity(a_task(UUID, "error")))) == UUID


def test_a_new_entity_with_several_tasks_takes_the_latest_that_runs() -> None:
    tasks = a_task(OTHER, "success", "2026-01-03T00:00:00Z"), a_task(UUID, "queued", "2026-01-02T00:00:00Z")
    assert accepted(answer(201, entity(*tasks))) == UUID


def test_200_with_an_entity_that_lists_finished_tasks_of_others_is_synchronous() -> None:
    assert answer(200, entity(a_task(OTHER, "success"))) == Done(http_status=200)


def test_200_with_an_entity_that_lists_a_running_task() -> None:
    assert accepted(answer(200, entity(a_task(OTHER, "success"), a_task(UUID, "running")))) == UUID


def test_a_running_task_of_another_user_is_not_this_calls() -> None:
    theirs: JsonValue = {"id": f"urn:vcloud:task:{OTHER}", "status": "running", "user": {"name": "somebody"}}
    ours: JsonValue = {"id": f"urn:vcloud:task:{UUID}", "status": "running", "user": {"name": "Bridge"}}
    assert answer(200, entity(theirs)) == Done(http_status=200)
    assert accepted(answer(200, entity(theirs, ours))) == UUID
    assert accepted(answer(201, entity(theirs))) == OTHER, "what makes a new entity is this call's, whoever runs it"


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(("task_id", "href"), [(None, None), ("", ""), ("urn:vcloud:vm:1", "https://h/api/vApp/vm-1")])
def test_a_task_that_cannot_be_followed_is_no_success(status: int, task_id: str | None, href: str | None) -> None:
    found = answer(status, {**NULL_FILLED, "id": task_id, "href": href}, content_type=JSON)
    assert isinstance(found, OutcomeUnknown)
    assert found.code == "accepted_without_task"


def test_202_empty_with_location() -> None:
    found = answer(202, location=f"https://public.example/api/task/{UUID}")
    assert accepted(found) == UUID
    assert isinstance(found, Accepted)
    assert found.task.href == f"{BASE}/api/task/{UUID}", "followed on our own host"
    assert found.task.status is None


def test_202_empty_with_a_relative_location() -> None:
    assert accepted(answer(202, location=f"/api/task/{UUID}")) == UUID


@pytest.mark.parametrize(
    "header",
    ["x_vmware_vcloud_task_location", "x_vmware_vcould_task_location", "x_vmware_vcloud_task_href"],
)
def test_200_with_a_task_header_also_in_its_misspelt_form(header: str) -> None:
    body: JsonValue = {"id": "urn:vcloud:entity:acme:thing:1", "name": "thing"}
    assert accepted(answer(200, body, **{header: f"https://h/api/task/{UUID}"})) == UUID


def test_a_task_header_goes_before_the_tasks_that_an_entity_lists() -> None:
    found = answer(200, entity(a_task(OTHER, "running")), x_vmware_vcloud_task_location=f"/api/task/{UUID}")
    assert accepted(found) == UUID


def test_a_location_of_the_new_entity_is_no_task() -> None:
    found = answer(201, entity(a_task(UUID, "running")), location="https://h/api/vApp/vapp-1")
    assert accepted(found) == UUID


@pytest.mark.parametrize("status", [200, 201, 204])
def test_synchronous_answers(status: int) -> None:
    assert answer(status) == Done(http_status=status)


def test_200_with_an_entity_without_tasks() -> None:
    body: JsonValue = {"type": "application/vnd.vmware.admin.organization+json", "tasks": None}
    assert answer(200, body) == Done(http_status=200)


def test_202_without_any_task_is_looked_for() -> None:
    assert isinstance(answer(202), OutcomeUnknown)
    assert isinstance(answer(202, {"name": "x"}), OutcomeUnknown)
    assert isinstance(answer(202, location="https://h/api/vApp/vapp-1"), OutcomeUnknown)


def test_a_success_of_somebody_else_is_no_success() -> None:
    """A proxy's login page with status 200 is not VCD's word."""
    found = answer(200, b"<html><body>Please log in</body></html>", content_type="text/html")
    assert isinstance(found, OutcomeUnknown)
    assert found.code == "unreadable_answer"


def test_an_unreadable_body_with_a_location_is_accepted() -> None:
    assert accepted(answer(202, b'{"id": "urn:vclo', location=f"/api/task/{UUID}")) == UUID


def test_a_task_without_an_address_takes_the_headers() -> None:
    assert accepted(answer(202, {**NULL_FILLED, "id": None, "href": None}, location=f"/api/task/{UUID}")) == UUID
    assert isinstance(answer(202, {**NULL_FILLED, "id": None, "href": None}), OutcomeUnknown)


def test_no_host_of_an_answer_is_ever_dialled() -> None:
    """Task hrefs are kept as told; what is followed has our own host or none."""
    found = answer(202, location=f"https://evil.example/api/task/{UUID}")
    assert isinstance(found, Accepted)
    assert "evil" not in repr(found)


def test_an_error_document_with_a_refusal_status() -> None:
    assert isinstance(answer(400, {"message": "m", "minorErrorCode": "BAD_REQUEST"}), Refused)
    assert isinstance(answer(299), OutcomeUnknown)
