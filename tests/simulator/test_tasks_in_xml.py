"""Tasks in XML: external ones as clients write them, blocking tasks, limits, lists and queries.

What is answered here is held to VMware's schemas, as every answer of a test run is.
"""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import ACME, URL, VAPP, VERSION, Caller, Cloud, error_code

NS = {"": "http://www.vmware.com/vcloud/v1.5", "e": "http://www.vmware.com/vcloud/extension/v1.5"}
TASK = "application/vnd.vmware.vcloud.task+xml"
OWNER = f'<Owner href="{URL}/api/org/{ACME}" name="acme" type="application/vnd.vmware.vcloud.org+xml"/>'
USER = (
    f'<User href="{URL}/api/admin/user/{well_known_uuid("user", "acme")}" name="admin" '
    'type="application/vnd.vmware.admin.user+xml"/>'
)
ERROR = (
    '<Error stackTrace="at Tape.write" majorErrorCode="500" message="tape is full" minorErrorCode="TAPE_FULL">'
    '<TenantError majorErrorCode="500" message="try later" minorErrorCode="BUSY_TAPE"/></Error>'
)
BASE = {"name": "task", "status": "running", "serviceNamespace": "org.example", "operationName": "backup"}


def body(*elements: str, **attributes: str | None) -> bytes:
    """A Task as pyvcloud writes it; an attribute of None is left out."""
    given = {**BASE, **attributes}
    words = " ".join(f'{name}="{value}"' for name, value in given.items() if value is not None)
    return f'<Task xmlns="{NS[""]}" {words}>{"".join(elements)}</Task>'.encode()


def send(caller: Caller, method: str, path: str, sent: bytes | None, media_type: str = TASK) -> Any:
    return caller.call(
        method, path, sent, accept=f"application/*+xml;version={VERSION}", **{"content-type": media_type}
    )


def xml(caller: Caller, method: str, path: str, sent: bytes | None = None, media_type: str = TASK) -> Any:
    """The root element of the answer, which must be 200."""
    answer = send(caller, method, path, sent, media_type)
    assert answer.status == 200, answer.body
    return etree.fromstring(answer.body)


def create(provider: Caller, *elements: str, **attributes: str | None) -> Any:
    return xml(provider, "POST", f"/tasksList/{ACME}", body(*(elements or (OWNER, USER)), **attributes))


def path_of(task: Any) -> str:
    href: str = task.get("href")
    return href.removeprefix(f"{URL}/api")


class TestExternalTasks:
    def test_a_whole_one(self, provider: Caller, admin: Caller) -> None:
        elements = (OWNER, ERROR, USER, "<Progress>40</Progress>", "<Details>step 2 &amp; 3</Details>")
        task = create(provider, *elements, operation="Backing up", type=TASK)
        assert etree.QName(task).localname == "Task"
        assert (task.get("status"), task.get("type"), task.get("operation")) == ("running", TASK, "Backing up")
        assert task.findtext("Progress", namespaces=NS) == "40"
        assert task.findtext("Details", namespaces=NS) == "step 2 & 3"
        assert task.find("Owner", NS).get("type") == "application/vnd.vmware.vcloud.org+xml"
        error = task.find("Error", NS)
        assert (error.get("majorErrorCode"), error.find("TenantError", NS).get("message")) == ("500", "try later")
        seen = xml(admin, "GET", path_of(task)).find("Error", NS)
        assert (seen.get("message"), seen.get("stackTrace"), seen.find("TenantError", NS)) == ("try later", None, None)
        assert {link.get("rel") for link in task.findall("Link", NS)} == {"task:cancel", "edit"}
        assert {link.get("rel") for link in xml(admin, "GET", path_of(task)).findall("Link", NS)} == {"task:cancel"}

    def test_it_is_the_same_in_json(self, provider: Caller) -> None:
        task = create(provider, OWNER, USER, "<Progress>7</Progress>", operationKey="key-1")
        document = provider.json("GET", path_of(task))
        assert (document["progress"], document["operationKey"], document["details"]) == (7, "key-1", "")
        document["progress"] = 8
        provider.json("PUT", path_of(task), document)
        assert xml(provider, "GET", path_of(task)).findtext("Progress", namespaces=NS) == "8"

    def test_what_was_read_can_be_put(self, provider: Caller) -> None:
        task = create(provider, OWNER, USER, "<Progress>7</Progress>", operation="Backing up")
        again = xml(provider, "PUT", path_of(task), etree.tostring(task))
        assert etree.tostring(again) == etree.tostring(task)

    def test_updates_up_to_the_end(self, provider: Caller) -> None:
        path = path_of(create(provider))
        for status in ("queued", "preRunning", "running", "aborted"):
            assert xml(provider, "PUT", path, body(OWNER, USER, status=status)).get("status") == status
        answer = send(provider, "PUT", path, body(OWNER, USER))
        assert answer.status == 400
        error = etree.fromstring(answer.body)
        assert etree.QName(error).localname == "Error"
        assert "status aborted and can not be updated" in error.get("message")

    @pytest.mark.parametrize(
        ("sent", "named"),
        [
            (body(USER, OWNER), "Owner"),
            (body(OWNER, USER, "<Details>x</Details>", "<Progress>1</Progress>"), "Progress"),
            (body(OWNER, USER, "<Colour>red</Colour>"), "Colour"),
            (body(OWNER, USER, "<Progress/>"), "Progress"),
            (body(OWNER, USER, "<Progress>half</Progress>"), "Progress"),
            (body(OWNER, USER, colour="red"), "colour"),
            (body(OWNER, USER, status=None), "status"),
            (body(OWNER, USER, name=None), "name"),
            (body('<Owner name="acme"/>', USER), "href"),
            (body(OWNER, '<Error message="x" minorErrorCode="X"/>', USER), "majorErrorCode"),
            (body(OWNER, "<User/>"), "href"),
            (body(OWNER, USER, serviceNamespace=None), "serviceNamespace"),
            (body(OWNER, USER, serviceNamespace="com.vmware.vcloud"), "serviceNamespace"),
            (body(OWNER, USER, serviceNamespace="n" * 129), "serviceNamespace"),
            (body(OWNER, USER, status="resting"), "status"),
            (body(OWNER, USER, "<Progress>101</Progress>"), "progress"),
            (body(OWNER), "user"),
            (body(OWNER, USER).replace(b"<Task", b"<Chore").replace(b"/Task>", b"/Chore>"), "Chore"),
            (body(OWNER, USER)[:-3], ""),
            (b"{}", ""),
        ],
    )  # fmt: skip
    def test_what_is_refused_changes_nothing(self, provider: Caller, sent: bytes, named: str) -> None:
        before = len(provider.cloud.director.cloud.engine)
        answer = send(provider, "POST", f"/tasksList/{ACME}", sent)
        error = etree.fromstring(answer.body)
        assert (answer.status, error.get("minorErrorCode")) == (400, "BAD_REQUEST"), answer.body
        assert named in error.get("message")
        assert len(provider.cloud.director.cloud.engine) == before

    def test_only_tasks_are_taken(self, provider: Caller) -> None:
        answer = send(
            provider, "POST", f"/tasksList/{ACME}", body(OWNER, USER), "application/vnd.vmware.vcloud.org+xml"
        )
        assert answer.status == 415

    def test_a_result_and_an_extension_come_back(self, provider: Caller) -> None:
        extension = '<VCloudExtension required="false"><x:note xmlns:x="urn:x">mine</x:note></VCloudExtension>'
        result = f'<Result><ResultReference href="{URL}/api/vApp/{VAPP}" name="copy"/></Result>'
        task = create(provider, extension, OWNER, USER, "<Details>d</Details>", result)
        assert task.find("Result/ResultReference", NS).get("name") == "copy"
        assert provider.json("GET", path_of(task))["result"]["resultReference"]["name"] == "copy"


class TestBlockingTasks:
    ADMIN = "application/vnd.vmware.admin."

    def put(self, provider: Caller, tail: str, text: str, kind: str) -> Any:
        return xml(provider, "PUT", f"/admin/extension/settings/{tail}", text.encode(), f"{self.ADMIN}{kind}+xml")

    def test_settings_decisions_and_queries(self, cloud: Cloud, admin: Caller, provider: Caller) -> None:
        extension = f'xmlns="{NS["e"]}" xmlns:v="{NS[""]}"'
        settings = self.put(
            provider, "blockingTask",
            f"<BlockingTaskSettings {extension}><TimeoutAction>abort</TimeoutAction><BlockingTaskOperations>"
            "<v:Operation>vappDeploy</v:Operation></BlockingTaskOperations>"
            "<TimeoutInMilliseconds>5000</TimeoutInMilliseconds></BlockingTaskSettings>",
            "blockingTaskSettings",
        )  # fmt: skip
        assert settings.findtext("e:TimeoutInMilliseconds", namespaces=NS) == "5000"
        listed = xml(provider, "GET", "/admin/extension/settings/blockingTask/operations")
        assert [one.text for one in listed.findall("Operation", NS)] == ["vappDeploy"]
        task = admin.deploy()
        listed = xml(provider, "GET", "/admin/extension/blockingTasks")
        assert listed.tag == f"{{{NS['e']}}}BlockingTaskReferences"
        (reference,) = listed
        path = reference.get("href").removeprefix(f"{URL}/api")
        told = xml(provider, "GET", path)
        assert (told.get("timeoutAction"), told.get("status")) == ("abort", "active")
        progress = (
            f"<BlockingTaskUpdateProgressParams {extension}><Message>asking</Message>"
            "<TimeoutValueInMilliseconds>9000</TimeoutValueInMilliseconds></BlockingTaskUpdateProgressParams>"
        )
        xml(provider, "POST", f"{path}/action/updateProgress", progress.encode(),
            f"{self.ADMIN}blockingTaskUpdateProgressOperationParams+xml")  # fmt: skip
        assert xml(admin, "GET", f"/task/{task}").findtext("Details", namespaces=NS) == "asking"
        for form in ("records", "idrecords", "references"):
            (row,) = xml(provider, "GET", f"/query?type=blockingTask&format={form}&links=false")
            assert row.get("operationName" if form != "references" else "name") == "vappDeploy"
            assert etree.QName(row).localname == f"BlockingTask{'Reference' if form == 'references' else 'Record'}"
        params = f"<BlockingTaskOperationParams {extension}><Message>go on</Message></BlockingTaskOperationParams>"
        answer = send(provider, "POST", f"{path}/action/resume", params.encode(),
                      f"{self.ADMIN}blockingTaskOperationParams+xml")  # fmt: skip
        assert answer.status == 204
        cloud.wait(5)
        assert admin.task(task)["status"] == "running"

    def test_a_decision_without_its_message_is_no_document(self, cloud: Cloud, admin: Caller, provider: Caller) -> None:
        cloud.set("settings", {"blocking_operations": ["deployVApp"]})
        admin.deploy()
        (reference,) = xml(provider, "GET", "/admin/extension/blockingTasks")
        path = reference.get("href").removeprefix(f"{URL}/api")
        sent = f'<BlockingTaskOperationParams xmlns="{NS["e"]}"/>'.encode()
        answer = send(provider, "POST", f"{path}/action/abort", sent, f"{self.ADMIN}blockingTaskOperationParams+xml")
        assert answer.status == 400
        assert "Message" in etree.fromstring(answer.body).get("message")

    def test_operation_limits(self, provider: Caller) -> None:
        kind = f"{self.ADMIN}operationLimitsSettings+xml"
        path = f"/admin/org/{ACME}/settings/operationLimitsSettings"
        name = "OrgOperationLimitsSettings"
        sent = f'<{name} xmlns="{NS[""]}"><OperationsPerUser>2</OperationsPerUser></{name}>'
        own = xml(provider, "PUT", path, sent.encode(), kind)
        assert own.findtext("OperationsPerUser", namespaces=NS) == "2"
        sent = f'<OperationLimitsSettings xmlns="{NS["e"]}"><RunningPerOrg>9</RunningPerOrg></OperationLimitsSettings>'
        system = self.put(provider, "operationLimitsSettings", sent, "operationLimitsSettings")
        assert system.findtext("e:RunningPerOrg", namespaces=NS) == "9"
        assert etree.QName(system).localname == "OperationLimitsSettings"


@pytest.mark.parametrize("form", ["records", "idrecords", "references"])
@pytest.mark.parametrize("kind", ["task", "adminTask"])
def test_lists_and_queries(cloud: Cloud, admin: Caller, provider: Caller, kind: str, form: str) -> None:
    cloud.set("settings", {"task_seconds": 0})
    for preset in ("success", "error", "canceled"):
        cloud.set("scripts", {"times": 1, "script": {"preset": preset}})
        admin.deploy(VAPP)
    caller = provider if kind == "adminTask" else admin
    found = xml(caller, "GET", f"/query?type={kind}&format={form}&pageSize=2&sortAsc=startDate")
    root, name = "QueryResultRecords", f"{kind[0].upper()}{kind[1:]}Record"
    if form == "references":
        root, name = "TaskReferences", "TaskReference"
    rows = [etree.QName(row).localname for row in found if etree.QName(row).localname != "Link"]
    assert (etree.QName(found).localname, rows) == (root, [name] * 2)
    assert (found.get("total"), found.get("pageSize")) == ("3", "2")
    listed = xml(admin, "GET", f"/tasksList/{ACME}")
    assert [task.get("status") for task in listed.findall("Task", NS)] == ["canceled", "error", "success"]


def test_a_task_of_all_that_a_task_can_have(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    cloud.set("scripts", {"script": {
        "steps": [[0, "error", 30, "half of it"]], "vc_tasks": [{"name": "PowerOnVM_Task", "moref": "task-7"}],
        "error": {"message": "m", "majorErrorCode": 500, "minorErrorCode": "X", "vendorSpecificErrorCode": "v",
                  "tenantError": {"message": "t", "majorErrorCode": 500, "minorErrorCode": "X"}},
        "result": {"resultContent": "done", "resultReference": {"href": f"{URL}/api/vApp/{VAPP}"}},
    }})  # fmt: skip
    task = xml(provider, "GET", f"/task/{admin.deploy()}")
    assert [etree.QName(one).localname for one in task] == [
        "Owner", "Error", "User", "Organization", "Progress", "Details", "VcTaskList", "Result",
    ]  # fmt: skip
    assert task.find("VcTaskList/VcTask/Moref", NS).text == "task-7"
    assert task.get("startTime") == "2027-01-15T08:00:00.000Z"


def test_a_refusal_under_limits_in_xml(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1, "queued_operations_per_user": 1, "lenient_entities": True})
    path = "/vApp/vapp-12345678-0000-4000-8000-00000000000{}/action/deploy"
    for number in range(2):
        assert send(admin, "POST", path.format(number), None).status == 202
    answer = send(admin, "POST", path.format(2), None)
    assert answer.status == 400
    assert etree.fromstring(answer.body).get("minorErrorCode") == "OPERATION_LIMITS_EXCEEDED"
    assert error_code(admin.call("POST", path.format(3))) == "OPERATION_LIMITS_EXCEEDED"


@pytest.mark.parametrize(
    ("kind", "root"),
    [
        ("vApp", "VAppReferences"), ("adminVApp", "VAppReferences"), ("vm", "VMReferences"),
        ("adminVM", "VMReferences"),
        ("organization", "OrgReferences"), ("adminOrgVdc", "OrgVdcReferences"), ("user", "UserReferences"),
        ("orgVdcNetwork", "OrgVdcNetworkReferences"), ("catalogItem", "CatalogItemReferences"),
    ],
)  # fmt: skip
def test_references_are_named_after_what_was_asked_for(provider: Caller, kind: str, root: str) -> None:
    found = xml(provider, "GET", f"/query?type={kind}&format=references&links=false&pageSize=2")
    assert etree.QName(found).localname == root
    assert {etree.QName(one).localname for one in found} == {root.removesuffix("s")}
