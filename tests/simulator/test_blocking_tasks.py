"""Blocking tasks: what a provider lists is held in preRunning; decisions, time-outs, documents, queries, settings."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.simulator.clock import timestamp
from tests.simulator.driver import ACME, URL, VAPP, VAPP_2, VDC, Caller, Cloud, error_code

SETTINGS = "/admin/extension/settings/blockingTask"


def block(provider: Caller, *operations: str, action: str = "resume", milliseconds: int = 60_000) -> Any:
    body = {
        "timeoutAction": action, "blockingTaskOperations": {"operation": list(operations)},
        "timeoutInMilliseconds": milliseconds,
    }  # fmt: skip
    return provider.json("PUT", SETTINGS, body)


def only_blocked(provider: Caller) -> str:
    """The path of the one blocking task that there is."""
    (reference,) = provider.json("GET", "/admin/extension/blockingTasks")["reference"]
    path: str = reference["href"].removeprefix(f"{URL}/api")
    return path


def test_the_provider_lists_operations_by_the_names_of_their_tasks(cloud: Cloud, provider: Caller) -> None:
    document = block(provider, "vappDeploy", "vdcComposeVapp")
    assert document["timeoutInMilliseconds"] == 60_000
    assert document["blockingTaskOperations"]["operation"] == ["vappDeploy", "vdcComposeVapp"]
    listed = provider.json("PUT", f"{SETTINGS}/operations", {"operation": ["vappDeploy"]})
    assert listed["operation"] == ["vappDeploy"]
    assert provider.json("GET", SETTINGS)["blockingTaskOperations"]["operation"] == ["vappDeploy"]
    cloud.set("settings", {"blocking_operations": ["deployVApp"]})
    assert provider.json("GET", f"{SETTINGS}/operations")["operation"] == ["vappDeploy"]


def test_only_what_is_listed_waits(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    block(provider, "vappDeploy")
    held = admin.deploy()
    other = admin.json("POST", f"/vApp/{VAPP_2}/action/createSnapshot", {}, status=202)["id"][-36:]
    cloud.wait(5)
    assert (admin.task(held)["status"], admin.task(other)["status"]) == ("preRunning", "running")
    assert admin.task(held)["details"], "what it waits for is told, on the owner too"
    assert admin.json("GET", f"/vApp/{VAPP}")["tasks"]["task"][0]["details"] == admin.task(held)["details"]
    assert error_code(admin.call("POST", f"/vApp/{VAPP}/action/deploy", {})) == "BUSY_ENTITY"


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("tail", ["blockingTask", "blockingTask/operations", "operationLimitsSettings"])
def test_tenants_have_no_say(admin: Caller, method: str, tail: str) -> None:
    assert admin.call(method, f"/admin/extension/settings/{tail}", {} if method == "PUT" else None).status == 403


@pytest.mark.parametrize(
    "body",
    [
        {"timeoutAction": "sleep", "blockingTaskOperations": {}, "timeoutInMilliseconds": 1},
        {"timeoutAction": "abort", "timeoutInMilliseconds": 1},
        {"timeoutAction": "abort", "blockingTaskOperations": {"operation": [{}]}, "timeoutInMilliseconds": 1},
        {"timeoutAction": "abort", "blockingTaskOperations": {}},
        {"timeoutAction": "abort", "blockingTaskOperations": {}, "timeoutInMilliseconds": -1},
    ],
)
def test_settings_that_are_refused_change_nothing(provider: Caller, body: dict[str, Any]) -> None:
    before = provider.json("GET", SETTINGS)
    answer = provider.call("PUT", SETTINGS, body)
    assert (answer.status, error_code(answer)) == (400, "BAD_REQUEST")
    assert provider.json("GET", SETTINGS) == before


@pytest.mark.parametrize(
    ("action", "status", "left"), [("resume", "success", 1), ("abort", "aborted", None), ("fail", "error", -1)]
)
def test_what_becomes_of_a_creation(
    cloud: Cloud, admin: Caller, provider: Caller, action: str, status: str, left: int | None
) -> None:
    """Abort cleans up the new entity, fail leaves it behind broken (BlockingTaskSettingsType)."""
    block(provider, "vdcComposeVapp")
    made = admin.json("POST", f"/vdc/{VDC}/action/composeVApp", {"name": "shop"}, status=201)
    vapp, task = made["href"].removeprefix(f"{URL}/api"), made["tasks"]["task"][0]["id"][-36:]
    assert provider.call("POST", f"{only_blocked(provider)}/action/{action}", {"message": "so be it"}).status == 204
    cloud.wait(20)
    document = admin.task(task)
    assert document["status"] == status
    if action == "fail":
        assert document["error"]["message"] == "so be it"
    if left is None:
        assert admin.call("GET", vapp).status == 403
        assert admin.query("name==shop", kind="vApp")["total"] == 0
    else:
        assert admin.json("GET", vapp)["status"] == left


@pytest.mark.parametrize(("action", "status"), [("resume", "running"), ("abort", "aborted"), ("fail", "error")])
def test_the_time_out_decides_in_the_end(
    cloud: Cloud, admin: Caller, provider: Caller, action: str, status: str
) -> None:
    block(provider, "vappDeploy", action=action, milliseconds=5000)
    task = admin.deploy()
    cloud.wait(4.9)
    assert admin.task(task)["status"] == "preRunning"
    cloud.wait(4)
    document = admin.task(task)
    assert document["status"] == status
    if status != "running":
        assert document["endTime"] == timestamp(cloud.now - 3.9), "it ended when its time was out"
    assert provider.json("GET", "/admin/extension/blockingTasks")["reference"] == []


def test_progress_puts_the_time_out_off(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    block(provider, "vappDeploy", action="fail", milliseconds=5000)
    task, path = admin.deploy(), None
    for number in range(4):
        path = only_blocked(provider)
        body = {"message": f"asking {number}", "timeoutValueInMilliseconds": 5000}
        document = provider.json("POST", f"{path}/action/updateProgress", body)
        assert document["timeoutDate"] == timestamp(cloud.now + 5)
        assert admin.task(task)["details"] == f"asking {number}"
        cloud.wait(4)
    assert admin.task(task)["status"] == "preRunning"
    cloud.wait(1.1)
    assert admin.task(task)["status"] == "error"
    assert provider.call("GET", str(path)).status == 403


def test_the_document(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    block(provider, "vappDeploy", action="abort")
    task = admin.deploy()
    document = provider.json("GET", only_blocked(provider))
    assert (document["name"], document["status"], document["timeoutAction"]) == ("vappDeploy", "active", "abort")
    assert (document["createdTime"], document["timeoutDate"]) == (timestamp(cloud.now), timestamp(cloud.now + 60))
    assert document["taskOwner"]["href"].endswith(VAPP)
    assert (document["user"]["name"], document["organization"]["name"]) == ("admin", "acme")
    links = {link["rel"]: link["href"] for link in document["link"]}
    assert set(links) == {"resume", "abort", "fail", "updateProgress", "task"}
    assert links["task"].endswith(task)
    assert admin.call("GET", only_blocked(provider)).status == 403


def test_a_query_of_them(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    block(provider, "vappDeploy")
    first = admin.deploy()
    cloud.wait(1)
    second = admin.deploy(VAPP_2)
    records = provider.query(kind="blockingTask", sortDesc="creationDate")["record"]
    assert [record["task"][-36:] for record in records] == [second, first]
    assert records[0]["_type"] == "QueryResultBlockingTaskRecordType"
    assert records[0]["href"].removeprefix(f"{URL}/api").startswith("/admin/extension/blockingTask/")
    record = records[1]
    assert (record["operationName"], record["ownerName"], record["originatingOrgName"]) == (
        "vappDeploy", "admin", "acme",
    )  # fmt: skip
    assert record["expirationTime"] == timestamp(cloud.now + 59)
    for matching in (
        f"task=={URL}/api/task/{first}", f"creationDate=lt={timestamp(cloud.now)}", "ownerName==ADM*;hasOwner==true",
        f"expirationTime=le={timestamp(cloud.now + 59)};timeoutAction==resume",
    ):  # fmt: skip
        found = provider.query(matching, kind="blockingTask")["record"]
        assert first in {record["task"][-36:] for record in found}, matching
    assert provider.query(f"task=={URL}/api/task/{first}", kind="blockingTask")["total"] == 1
    (reference, _) = provider.query(kind="blockingTask", format="references")["reference"]
    assert reference["id"].startswith("urn:vcloud:blockingTask:")
    (one, _) = provider.query(kind="blockingTask", format="idrecords")["record"]
    assert (one["href"], one["id"][:24]) == (None, "urn:vcloud:blockingTask:")
    assert one["task"].startswith("urn:vcloud:task:")
    assert admin.call("GET", "/query?type=blockingTask").status == 403
    context: Any = {"x-vmware-vcloud-tenant-context": ACME}
    assert provider.json("GET", "/query?type=blockingTask", **context)["total"] == 2


class TestOperationLimits:
    def test_of_the_system(self, cloud: Cloud, admin: Caller, provider: Caller) -> None:
        path = "/admin/extension/settings/operationLimitsSettings"
        document = provider.json("PUT", path, {"runningPerUser": 1, "queuedOperationsPerOrg": 3})
        assert [document[key] for key in ("runningPerUser", "runningPerOrg", "queuedOperationsPerOrg")] == [1, 0, 3]
        tasks = [admin.deploy(), admin.deploy(VAPP_2)]
        cloud.wait(5)
        assert [admin.task(task)["status"] for task in tasks] == ["running", "queued"]
        assert cloud.admin("GET", "settings")[1]["operations_per_user"] == 1
        provider.json("PUT", path, {})
        assert provider.json("GET", path)["runningPerUser"] == 0
        cloud.wait(2)
        assert admin.task(tasks[1])["status"] == "running"

    def test_with_the_whole_organization(self, cloud: Cloud, admin: Caller, provider: Caller) -> None:
        cloud.set("settings", {"operations_per_user": 1})
        tasks = [admin.deploy(), admin.deploy(VAPP_2)]
        limits = {"orgOperationLimitsSettings": {"operationsPerUser": 2}}
        provider.json("PUT", f"/admin/org/{ACME}", {"name": "acme", "settings": limits})
        cloud.wait(2)
        admin.task(tasks[1])
        cloud.wait(3)
        assert [admin.task(task)["status"] for task in tasks] == ["running", "running"], "what waits is looked at anew"

    def test_of_an_organization(self, cloud: Cloud, admin: Caller, provider: Caller) -> None:
        path = f"/admin/org/{ACME}/settings/operationLimitsSettings"
        assert provider.json("GET", path)["operationsPerUser"] is None, "the system's holds"
        cloud.set("settings", {"operations_per_user": 1})
        provider.json("PUT", path, {"operationsPerUser": 0})
        tasks = [admin.deploy(), admin.deploy(VAPP_2)]
        cloud.wait(5)
        assert [admin.task(task)["status"] for task in tasks] == ["running", "running"], "0 is no limit"
        document = provider.json("PUT", path, {"operationsPerOrg": 1, "consolesPerVmLimit": 7})
        assert [document[key] for key in ("operationsPerUser", "operationsPerOrg", "consolesPerVmLimit")] == [
            None, 1, 7,
        ]  # fmt: skip
        assert admin.json("GET", path)["operationsPerOrg"] == 1
        whole = provider.json("GET", f"/admin/org/{ACME}")["settings"]["orgOperationLimitsSettings"]
        assert (whole["operationsPerOrg"], whole["href"]) == (1, f"{URL}/api{path}")
        assert admin.call("PUT", path, {"operationsPerOrg": 9}).status == 403
        given = {"settings": {"orgOperationLimitsSettings": {"operationsPerOrg": 9}}}
        for tail, sent in (("", given), ("/settings", given["settings"])):
            admin.json("PUT", f"/admin/org/{ACME}{tail}", sent)
            assert admin.json("GET", path)["operationsPerOrg"] == 1, "it is not the organization's own to say"
        assert cloud.log_in("admin@beta").call("GET", path).status == 403
        assert error_code(provider.call("PUT", path, {"operationsPerOrg": "many"})) == "BAD_REQUEST"
