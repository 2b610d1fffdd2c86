"""Documents as real servers send them: nulls, empty texts, colonless offsets, XML, other hosts, unknown keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.requests import JsonValue
from bridge.core.task import TaskDocument, empty_document
from bridge.vcd.documents.documents import UnreadableBody, read_body
from bridge.vcd.documents.lenient import boolean, instant, integer, milliseconds, uuid_in
from bridge.vcd.documents.wire import is_task, read_error, read_task, read_tasks_in_progress, task_uuid_of_href

BASE = "https://dialled.example"
UUID = "8b9c6a0e-2c9f-4a6e-9c5a-3a4b2d1e0f99"

# A Task as the JSON writer of a real server fills it: every absent value is null, details is an empty text.
NULL_FILLED: dict[str, JsonValue] = {
    "otherAttributes": {}, "link": [], "href": f"https://public.example/api/task/{UUID}",
    "type": "application/vnd.vmware.vcloud.task+json", "id": f"urn:vcloud:task:{UUID}", "operationKey": None,
    "description": None, "tasks": None, "name": "task",
    "owner": {"otherAttributes": {}, "href": "", "id": "urn:vcloud:entity:acme:thing:1", "type": "x", "name": "",
              "vCloudExtension": []},
    "error": None, "user": {"href": "https://public.example/api/admin/user/1", "id": None, "type": None, "name": "bob"},
    "organization": None, "progress": None, "params": None, "details": "", "vcTaskList": None, "result": None,
    "status": "RUNNING", "operation": "Working", "operationName": "vappDeploy",
    "serviceNamespace": "com.vmware.vcloud", "startTime": "2024-03-06T14:11:57.473+0200", "endTime": None,
    "expiryTime": "2024-06-04T14:11:57.473+0200", "cancelRequested": False, "vCloudExtension": [],
}  # fmt: skip

# The shape of an XML Task: attributes, elements, a link, an error, a nested reference.
XML_TASK = f"""<?xml version="1.0" encoding="UTF-8"?>
<Task xmlns="http://www.vmware.com/vcloud/v1.5" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  cancelRequested="true" endTime="2013-05-15T13:10:25.999+03:00" expiryTime="2013-08-13T13:10:20.999+03:00"
  id="urn:vcloud:task:{UUID}" name="task" operation="Deployed Virtual Application web({UUID})"
  operationName="vappDeploy" serviceNamespace="com.vmware.vcloud" startTime="2013-05-15T13:10:20.999+03:00"
  status="error" href="https://vcd.example/api/task/{UUID}" type="application/vnd.vmware.vcloud.task+xml"
  xsi:schemaLocation="http://www.vmware.com/vcloud/v1.5 http://vcd.example/api/v1.5/schema/master.xsd">
  <!-- a comment -->
  <Link rel="task:cancel" href="https://vcd.example/api/task/{UUID}/action/cancel"/>
  <Owner type="application/vnd.vmware.vcloud.vApp+xml" name="web" href="https://vcd.example/api/vApp/vapp-1"/>
  <Error minorErrorCode="BAD_REQUEST" message="no room" majorErrorCode="400" stackTrace="java.lang.Secret">
    <TenantError minorErrorCode="BAD_REQUEST" message="no room for you" majorErrorCode="400"/>
  </Error>
  <User type="application/vnd.vmware.admin.user+xml" name="bob" href="https://vcd.example/api/admin/user/1"/>
  <Organization type="application/vnd.vmware.vcloud.org+xml" name="acme" href="https://vcd.example/api/org/1"/>
  <Progress>37</Progress>
  <Details/>
  <VcTaskList><VcTask name="PowerOnVM_Task" moref="task-12" startTime="2013-05-15T13:10:21Z"/></VcTaskList>
</Task>""".encode()


def task(document: dict[str, JsonValue]) -> TaskDocument:
    found = read_task(document, BASE)
    assert found is not None
    return found.document


def xml(body: bytes) -> dict[str, JsonValue]:
    document = read_body("application/vnd.vmware.vcloud.task+xml;version=5.1", body)
    assert document is not None
    return document.content


def test_a_null_filled_task() -> None:
    read = task(NULL_FILLED)
    assert read["status"] == "running"
    assert read["startTime"] == int(datetime(2024, 3, 6, 12, 11, 57, 473000, UTC).timestamp() * 1000)
    assert read["owner"] == {"href": None, "id": "urn:vcloud:entity:acme:thing:1", "type": "x", "name": None}
    assert read["details"] == ""
    assert read["href"] == f"https://public.example/api/task/{UUID}"
    absent = {"error", "progress", "tasks", "vcTaskList", "result", "other"}
    assert {key for key, value in read.items() if key in absent and value is not None} == set()


def test_an_xml_task_reads_like_a_json_one() -> None:
    read = task(xml(XML_TASK))
    assert (read["status"], read["progress"], read["cancelRequested"]) == ("error", 37, True)
    assert read["startTime"] == int(datetime(2013, 5, 15, 10, 10, 20, 999000, UTC).timestamp() * 1000)
    assert read["error"] == {
        "message": "no room", "majorErrorCode": 400, "minorErrorCode": "BAD_REQUEST", "vendorSpecificErrorCode": None,
        "tenantError": {"message": "no room for you", "majorErrorCode": 400, "minorErrorCode": "BAD_REQUEST",
                        "vendorSpecificErrorCode": None},
    }  # fmt: skip
    assert read["owner"] is not None
    assert read["owner"]["name"] == "web"
    assert read["link"] is not None
    assert [one["rel"] for one in read["link"]] == ["task:cancel"]
    assert read["vcTaskList"] is not None
    assert read["vcTaskList"][0]["moref"] == "task-12"
    assert read["other"] is None
    assert "Secret" not in json.dumps(read)


def test_every_key_of_the_task_type_is_there() -> None:
    assert task(NULL_FILLED).keys() == empty_document().keys()
    assert task(xml(XML_TASK)).keys() == empty_document().keys()


def test_unknown_keys_are_kept_and_empty_extensions_are_not() -> None:
    read = task({**NULL_FILLED, "newIn40": {"a": [1]}, "alsoNew": None, "otherAttributes": {"x": "y"}})
    assert read["other"] is not None
    assert json.loads(read["other"]) == {"newIn40": {"a": [1]}, "otherAttributes": {"x": "y"}}


def test_free_content_is_json_text() -> None:
    result: JsonValue = {"resultContent": '{"inside": 1}', "resultReference": {"href": "h", "id": None}}
    read = task({**NULL_FILLED, "params": {"deep": [True]}, "result": result})
    assert read["params"] == '{"deep":[true]}'
    assert read["result"] is not None
    assert json.loads(json.loads(read["result"]["resultContent"] or "")) == {"inside": 1}
    assert read["result"]["resultReference"] == {"href": "h", "id": None, "type": None, "name": None}


@pytest.mark.parametrize(
    ("given", "href"),
    [
        ({"id": f"urn:vcloud:task:{UUID}", "href": None}, f"{BASE}/api/task/{UUID}"),
        ({"id": None, "href": f"https://public.example:8443/cloud/api/task/{UUID}"}, None),
        ({"id": UUID.upper(), "href": ""}, f"{BASE}/api/task/{UUID}"),
    ],
)
def test_id_and_href_stand_in_for_each_other(given: dict[str, Any], href: str | None) -> None:
    read = task({**NULL_FILLED, **given})
    assert read["id"] == f"urn:vcloud:task:{UUID}"
    assert read["href"] == (href or given["href"])


def test_a_task_without_any_address_is_none() -> None:
    assert read_task({**NULL_FILLED, "id": None, "href": "https://public.example/api/vApp/vapp-1"}, BASE) is None


def test_a_status_nobody_knows_is_carried_raw() -> None:
    assert task({**NULL_FILLED, "status": "expectingAction"})["status"] == "expectingAction"
    assert task({**NULL_FILLED, "status": "POSTRUNNING"})["status"] == "postRunning"
    assert task({**NULL_FILLED, "status": ""})["status"] is None


def test_the_tasks_of_an_entity_under_their_singular_name() -> None:
    other = UUID.replace("8", "7")
    inside: JsonValue = {"task": [NULL_FILLED, {"id": f"urn:vcloud:task:{other}", "status": "queued"}, {"id": None}]}
    assert [one.id[-36:] for one in read_tasks_in_progress({"tasks": inside}, BASE)] == [UUID, other]
    assert len(read_tasks_in_progress({"tasks": {"task": NULL_FILLED}}, BASE)) == 1
    assert read_tasks_in_progress({"tasks": None}, BASE) == ()
    assert read_tasks_in_progress({"tasks": {"task": None}}, BASE) == ()


def test_the_tasks_of_an_entity_in_xml() -> None:
    body = b'<VApp xmlns="http://www.vmware.com/vcloud/v1.5" name="web" id="urn:vcloud:vapp:1"><Tasks>%s</Tasks></VApp>'
    document = read_body("application/xml", body % XML_TASK.partition(b"?>")[2])
    assert document is not None
    assert document.root == "VApp"
    assert [one.status for one in read_tasks_in_progress(document.content, BASE)] == ["error"]


def test_what_a_task_is() -> None:
    assert is_task(NULL_FILLED, None, None)
    assert is_task({"id": f"urn:vcloud:task:{UUID}"}, None, None)
    assert is_task({}, None, "application/vnd.vmware.vcloud.TASK+json;version=39.1")
    assert is_task({}, "Task", None)
    assert not is_task({"type": "application/vnd.vmware.vcloud.vApp+json", "status": 4}, None, None)
    assert not is_task({"type": "application/vnd.vmware.vcloud.tasksList+json"}, None, None)
    assert not is_task({"id": f"urn:vcloud:task:{UUID}"}, "VApp", None)


def test_the_major_code_may_be_an_empty_text() -> None:
    read = read_error({"message": "m", "majorErrorCode": "", "minorErrorCode": "X", "stackTrace": "secret"})
    assert read is not None
    assert read["majorErrorCode"] is None
    assert "stackTrace" not in read


def test_an_error_that_says_nothing_is_none() -> None:
    assert read_error({"message": None, "majorErrorCode": None, "stackTrace": "x"}) is None
    assert read_error(None) is None


def test_long_messages_are_cut() -> None:
    read = read_error({"message": "x" * 5000})
    assert read is not None
    assert read["message"] is not None
    assert len(read["message"]) == 1000


# --- bodies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE Task [<!ENTITY a "aaaa">]><Task>&a;</Task>',
        b'<?xml version="1.0"?><!DOCTYPE Task SYSTEM "file:///etc/passwd"><Task/>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE t [<!ENTITY a "b">]><t>&a;</t>'.encode("utf-16"),
        b"<html><body>Bad gateway</body></html>",
        b"<Task",
        b"[1, 2]",
        b"not JSON",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"<a>" * 300 + b"</a>" * 300,
    ],
)
def test_what_cannot_be_read_is_said_so(body: bytes) -> None:
    for kind in ("application/json", "application/xml", "text/html", None):
        with pytest.raises(UnreadableBody):
            read_body(kind, body)


def test_the_content_type_may_be_wrong_or_missing() -> None:
    for kind in (None, "text/plain", "application/octet-stream"):
        for body in (json.dumps(NULL_FILLED).encode(), XML_TASK):
            document = read_body(kind, body)
            assert document is not None
            assert is_task(document.content, document.root, kind)


def test_an_empty_body_is_no_document() -> None:
    assert read_body("application/json", b" \n") is None
    assert read_body("application/json", b"null") is None


# --- single values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2024-03-06T14:11:57.473+0200", datetime(2024, 3, 6, 12, 11, 57, 473000, UTC)),
        ("2024-03-06T14:11:57.473+02:00", datetime(2024, 3, 6, 12, 11, 57, 473000, UTC)),
        ("2024-03-06T14:11:57Z", datetime(2024, 3, 6, 14, 11, 57, 0, UTC)),
        ("2024-03-06T14:11:57.123456789Z", datetime(2024, 3, 6, 14, 11, 57, 123456, UTC)),
        ("2024-03-06T14:11:57.473", datetime(2024, 3, 6, 14, 11, 57, 473000, UTC)),
        ("", None), (None, None), ("soon", None), (17, None), ("0001-01-01T00:00:00+14:00", None),
        ("0001-01-01T00:00:00Z", None), ("9999-12-31T23:59:59Z", None),
    ],
)  # fmt: skip
def test_times(given: JsonValue, expected: datetime | None) -> None:
    assert instant(given) == expected


def test_milliseconds_are_exact() -> None:
    assert milliseconds("1970-01-01T00:00:01.001Z") == 1001
    assert milliseconds("2262-04-11T23:47:16.854Z") == 9223372036854
    assert milliseconds("1969-12-31T23:59:59.999Z") == -1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (5, 5),
        ("5", 5),
        (" 5 ", 5),
        (5.9, 5),
        ("", None),
        (None, None),
        (True, None),
        ("x", None),
        (1e400, None),
        (2**31 - 1, 2**31 - 1),
        (2**31, None),
        (-(2**31), -(2**31)),
        (-(2**31) - 1, None),
        (-(10**30), None),
        ("9" * 5000, None),
    ],
)
def test_integers(given: JsonValue, expected: int | None) -> None:
    assert integer(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [(True, True), ("true", True), ("1", True), ("FALSE", False), (0, False), ("", None), (None, None), ("?", None)],
)
def test_booleans(given: JsonValue, expected: bool | None) -> None:
    assert boolean(given) is expected


def test_uuids() -> None:
    assert uuid_in(f"https://h/api/vApp/vm-{UUID.upper()}/x") == UUID
    assert uuid_in("nothing") is None
    assert task_uuid_of_href(f"/api/task/{UUID}") == UUID
    assert task_uuid_of_href(f"https://h/api/vApp/vapp-{UUID}") is None
    assert task_uuid_of_href("https://[broken/task/") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(sorted(empty_document()))


@given(st.dictionaries(KEYS, JSON, max_size=8))
def test_whatever_a_server_sends_as_a_task_is_read_or_is_none(document: dict[str, JsonValue]) -> None:
    found = read_task({**document, "id": f"urn:vcloud:task:{UUID}"}, BASE)
    assert found is not None
    json.dumps(found.document)
    read_tasks_in_progress(document, BASE)


@given(st.binary(max_size=200), st.sampled_from(["application/json", "text/xml", "text/html", None]))
def test_whatever_bytes_come_are_read_or_refused(body: bytes, kind: str | None) -> None:
    try:
        read_body(kind, body)
    except UnreadableBody:
        return
