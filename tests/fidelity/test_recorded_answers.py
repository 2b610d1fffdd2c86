"""What real servers answered, read as the bridge reads it: Tasks, entities with Tasks inside, errors.

What is expected of a Task is taken from its text by another parser (lxml) and another rule than the bridge's, field by
field, so that a field that the bridge drops or mistakes shows whatever Task is added to the folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from bridge.core.answers import Accepted, Busy, CallAnswer, Done, EntityRead, Limited, Refused, TaskRead
from bridge.core.task import TaskDocument, is_final
from bridge.vcd.documents.answers import read_call_answer
from bridge.vcd.documents.documents import read_body
from bridge.vcd.documents.wire import is_task, read_task, read_tasks_in_progress
from tests.simulator.driver import VM, Cloud
from tests.vcd.gateway_setup import make_setup
from tests.vcd.scripted import reply

RECORDED = Path(__file__).parent / "recorded"
BASE = "https://dialled.example"
V15 = "{http://www.vmware.com/vcloud/v1.5}"


def files(pattern: str = "*/*.xml") -> list[str]:
    return sorted(str(path.relative_to(RECORDED)) for path in RECORDED.glob(pattern))


def tree(file: str) -> Any:
    return etree.parse(RECORDED / file).getroot()


def with_root(*names: str) -> list[str]:
    return [file for file in files() if etree.QName(tree(file)).localname in names]


def document(file: str) -> dict[str, Any]:
    found = read_body("application/xml" if file.endswith("xml") else "application/json", (RECORDED / file).read_bytes())
    assert found is not None
    return found.content


def answer(file: str, status: int, user: str = "bridge") -> CallAnswer:
    body = (RECORDED / file).read_bytes()
    kind = "application/vnd.vmware.vcloud.any+xml;version=5.1" if file.endswith("xml") else "application/*+json"
    now = datetime(2026, 11, 27, tzinfo=UTC)
    return read_call_answer(status, {"content-type": kind}, body, base_url=BASE, user_name=user, now=now)


# --- Tasks, field by field ----------------------------------------------------------------------------------------


def millis(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def reference(task: Any, element: str) -> dict[str, str | None] | None:
    found = task.find(f"{V15}{element}")
    if found is None:
        return None
    return {name: found.get(name) or None for name in ("href", "id", "type", "name")}


def error(task: Any) -> dict[str, Any] | None:
    found = task.find(f"{V15}Error")
    if found is None:
        return None
    return {
        "message": found.get("message"), "majorErrorCode": int(found.get("majorErrorCode")),
        "minorErrorCode": found.get("minorErrorCode"), "vendorSpecificErrorCode": found.get("vendorSpecificErrorCode"),
        "tenantError": None,
    }  # fmt: skip


def expected(task: Any) -> dict[str, Any]:
    """A Task by its text alone."""
    progress, flag = task.find(f"{V15}Progress"), task.get("cancelRequested")
    details, description = task.find(f"{V15}Details"), task.find(f"{V15}Description")
    links = [
        {name: link.get(name) for name in ("href", "id", "type", "name", "rel", "model")}
        for link in task.findall(f"{V15}Link")
    ]
    return {
        "id": task.get("id"), "href": task.get("href"), "type": task.get("type"), "name": task.get("name"),
        "description": None if description is None else description.text or "",
        "status": task.get("status"), "operation": task.get("operation"), "operationName": task.get("operationName"),
        "operationKey": task.get("operationKey"), "serviceNamespace": task.get("serviceNamespace"),
        "startTime": millis(task.get("startTime")), "endTime": millis(task.get("endTime")),
        "expiryTime": millis(task.get("expiryTime")), "cancelRequested": None if flag is None else flag == "true",
        "progress": None if progress is None else int(progress.text),
        "details": None if details is None else (details.text or "").strip(),
        "owner": reference(task, "Owner"), "user": reference(task, "User"),
        "organization": reference(task, "Organization"), "error": error(task), "params": None, "result": None,
        "vcTaskList": None, "tasks": None, "link": links or None, "other": None,
    }  # fmt: skip


def known_children(task: Any) -> set[str]:
    return {etree.QName(child).localname for child in task if isinstance(child.tag, str)}


TASKS = with_root("Task")
LISTS = [file for file in files() if next(tree(file).iter(f"{V15}Task"), None) is not None and file not in TASKS]


@pytest.mark.parametrize("file", TASKS)
def test_a_recorded_task_is_read_whole(file: str) -> None:
    read = document(file)
    assert is_task(read, "Task", None)
    task = read_task(read, BASE)
    assert task is not None
    assert task.document == expected(tree(file))
    assert known_children(tree(file)) <= {"Link", "Owner", "Error", "User", "Organization", "Progress", "Details"}


@pytest.mark.parametrize("file", LISTS)
def test_tasks_inside_recorded_documents_are_read_whole(file: str) -> None:
    root = tree(file)
    inside: list[TaskDocument] = []
    for container in outer_tasks(document(file)):
        inside += [task.document for task in read_tasks_in_progress({"tasks": {"task": container}}, BASE)]
    assert inside == [expected(task) for task in root.iter(f"{V15}Task")]
    assert inside


def outer_tasks(value: Any) -> Iterator[list[Any]]:
    """Every ``task`` array of a document, in the document's order."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "task":
                yield inner
            else:
                yield from outer_tasks(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from outer_tasks(inner)


@pytest.mark.parametrize("file", files("extensions/*.json"))
def test_a_task_that_a_server_wrote_in_json(file: str) -> None:
    raw = json.loads((RECORDED / file).read_text())
    task = read_task(document(file), BASE)
    assert task is not None
    read = task.document
    same = ("id", "href", "type", "name", "status", "operation", "operationName", "serviceNamespace", "details")
    assert {name: read[name] for name in same} == {name: raw[name] for name in same}  # type: ignore[literal-required]
    assert [read["startTime"], read["endTime"], read["expiryTime"]] == [
        round(datetime.strptime(raw[name], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() * 1000)
        for name in ("startTime", "endTime", "expiryTime")
    ]
    assert read["owner"] == {"href": None, "id": raw["owner"]["id"], "type": "application/json", "name": "entity"}
    assert read["user"] == {name: raw["user"][name] for name in ("href", "id", "type", "name")}
    assert read["result"] is not None
    assert read["result"]["resultReference"] is None
    assert json.loads(read["result"]["resultContent"] or "") == raw["result"]["resultContent"]
    assert read["vcTaskList"] == []
    assert read["link"] == (None if "link" not in raw else [
        {name: link[name] for name in ("href", "id", "type", "name", "rel", "model")} for link in raw["link"]
    ])  # fmt: skip
    assert (read["error"], read["params"], read["progress"], read["cancelRequested"]) == (None, None, None, False)
    assert read["other"] is None


# --- what a client really sent ------------------------------------------------------------------------------------


def test_a_whole_vm_as_a_client_sent_it_is_taken_by_the_simulator() -> None:
    """fog reads a VM, changes its hardware and sends all of it back, with links, Tasks and empty elements of DMTF's."""
    cloud = Cloud()
    admin, sent = cloud.log_in(), (RECORDED / "fog/reconfigureVm-body.xml").read_bytes()
    xml = {"content-type": "application/vnd.vmware.vcloud.vm+xml", "accept": "application/*+xml;version=36.3"}
    answered = admin.call("POST", f"/vApp/{VM}/action/reconfigureVm", sent, **xml)
    recorded = tree("fog/reconfigureVm-task.xml")
    assert answered.status == 202
    assert etree.fromstring(answered.body).get("operationName") == recorded.get("operationName")
    cloud.wait(20)
    machine = admin.json("GET", f"/vApp/{VM}")
    assert (machine["name"], machine["description"]) == ("Databasy Machiny", "the new description")
    hardware = next(one for one in machine["section"] if one["_type"] == "VirtualHardwareSectionType")
    assert {"Hard disk 3", "8 virtual CPU(s)", "4096 MB of memory"} <= {
        item["elementName"]["value"] for item in hardware["item"]
    }


# --- answers to calls ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", TASKS)
def test_202_with_a_recorded_task_is_an_accepted_call(file: str) -> None:
    found = answer(file, 202)
    assert isinstance(found, Accepted)
    assert found.task.id == tree(file).get("id")
    assert found.task.is_final is is_final(tree(file).get("status"))


LIBCLOUD_VDC = "libcloud/api_vdc_3d9ae28c_1de9_4307_8107_9356ff8ba6d0"
CREATED = {
    "jclouds/media-cloneMedia.xml": "7e4f6baf-7ef0-43ea-93cc-62cc329afb5d",
    "jclouds/vdc-instantiateVApp.xml": "2e458266-e70a-4860-bcb7-302fac12b6a3",
    "jclouds/catalog-admin-addCatalog.xml": "20f556f9-9125-4090-9092-0da9f72bedf4",
    f"{LIBCLOUD_VDC}_action_cloneVApp.xml": "2388a8e5-d074-4fba-a261-7920e079d415",
    f"{LIBCLOUD_VDC}_action_instantiateVAppTemplate.xml": "74737b15-3cdf-4302-a13c-0310dca5870c",
}  # fmt: skip


@pytest.mark.parametrize("file", CREATED)
def test_201_with_a_new_entity_is_followed_by_the_task_inside(file: str) -> None:
    found = answer(file, 201)
    assert isinstance(found, Accepted)
    assert found.task.id == f"urn:vcloud:task:{CREATED[file]}"


def test_201_with_a_new_medium_that_waits_for_its_upload_has_no_task() -> None:
    """Nothing runs until somebody sends the file: the call is done."""
    assert isinstance(answer("jclouds/media-addMedia.xml", 201), Done)


REFUSALS = {
    "jclouds/task-error400.xml": (400, Refused), "jclouds/task-error403.xml": (403, Refused),
    "jclouds/media-error403-fake.xml": (403, Refused), "jclouds/network-error400.xml": (400, Refused),
    "jclouds/vapptemplate-error400.xml": (400, Refused), "jclouds/vapptemplate-error403.xml": (403, Refused),
    "jclouds/error400-operationLimitsExceeded.xml": (400, Limited),
    "libcloud/api_vApp_vapp_access_to_resource_forbidden.xml": (403, Refused),
}  # fmt: skip


@pytest.mark.parametrize("file", with_root("Error"))
def test_a_recorded_error_is_told_as_the_server_wrote_it(file: str) -> None:
    status, kind = REFUSALS[file]
    root = tree(file)
    assert int(root.get("majorErrorCode")) == status
    found = answer(file, status)
    assert type(found) is kind
    assert isinstance(found, Refused | Limited | Busy)
    error = found.error
    assert error is not None
    assert (error["message"], error["majorErrorCode"], error["minorErrorCode"]) == (
        root.get("message"), status, root.get("minorErrorCode")
    )  # fmt: skip


async def test_a_server_that_answers_xml_to_a_json_request_is_followed() -> None:
    """Older versions and some proxies do: the call, the Task's readings and the entity come as XML."""
    setup = await make_setup()
    xml, task = "application/vnd.vmware.vcloud.task+xml;version=5.1", "libcloud/api_task_undeploy_error.xml"
    setup.answer(reply(202, (RECORDED / "jclouds/vapp-vAppRebootTask.xml").read_bytes(), content_type=xml))
    called = await setup.call()
    assert isinstance(called, Accepted)
    assert called.task.status == "running"
    setup.answer(reply(200, (RECORDED / task).read_bytes(), content_type=xml))
    read = await setup.gateway.read_task(called.task.id, None)
    assert isinstance(read, TaskRead)
    assert (read.task.status, read.task.document["error"]) == ("error", error(tree(task)))
    setup.answer(reply(200, (RECORDED / "jclouds/vdc-instantiateVApp.xml").read_bytes(), content_type=xml))
    entity = await setup.gateway.read_entity("/vApp/vapp-d0e2b6b9-4381-4ddc-9572-cdfae54059be", None)
    assert isinstance(entity, EntityRead)
    assert [one.document["operationName"] for one in entity.tasks] == ["vdcInstantiateVapp"]
    setup.answer(reply(400, (RECORDED / "jclouds/error400-operationLimitsExceeded.xml").read_bytes(), content_type=xml))
    assert isinstance(await setup.call(), Limited)
    await setup.gateway.close()


# --- entities -----------------------------------------------------------------------------------------------------

STATES = {
    "jclouds/vapp-vApp.xml": {"status": "4", "deployed": "true", "name": "vApp_switbeck_18"},
    "jclouds/vm-vm.xml": {"status": "4", "deployed": "true", "name": "ubuntu"},
    "jclouds/vdc-vdc.xml": {"status": "1"},
    "jclouds/media-media.xml": {"imageType": "iso"},
    "libcloud/api_vApp_undeployTest.xml": {"deployed": "false"},
}


@pytest.mark.parametrize("file", STATES)
def test_what_probes_look_at_is_found_in_recorded_entities(file: str) -> None:
    read = document(file)
    assert {name: read[name] for name in STATES[file]} == STATES[file]


def test_the_vms_of_a_recorded_vapp_are_inside_it() -> None:
    children = document("jclouds/vapp-vApp.xml")["children"]
    machines = children["vm"] if isinstance(children["vm"], list) else [children["vm"]]
    assert [one["status"] for one in machines] == ["4"]


def test_every_recorded_file_is_read() -> None:
    """Whatever a server sent, it is a document: nothing here is refused as unreadable."""
    assert len(files()) > 70
    for file in files():
        assert document(file)
