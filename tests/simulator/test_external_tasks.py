"""External tasks: who may create and change them, what is required, what an end means."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import ACME, BETA, BETA_VAPP, URL, VAPP, Caller, Cloud, error_code

ADMIN = {"href": f"{URL}/api/admin/user/{well_known_uuid('user', 'acme')}"}
ADMINISTRATOR = {"id": f"urn:vcloud:user:{well_known_uuid('user', 'System')}"}


def document(**changes: Any) -> dict[str, Any]:
    body = {
        "name": "task", "status": "running", "serviceNamespace": "org.example.tickets", "operation": "Approving INC-1",
        "operationName": "ticketApproval", "user": ADMIN, "progress": 10, "details": "waiting", **changes,
    }  # fmt: skip
    return {name: value for name, value in body.items() if value is not ...}


def create(provider: Caller, **changes: Any) -> Any:
    return provider.json("POST", f"/tasksList/{ACME}", document(**changes))


def test_a_provider_creates_a_task_in_an_organization(admin: Caller, provider: Caller) -> None:
    task = create(provider)
    assert (task["status"], task["progress"], task["details"]) == ("running", 10, "waiting")
    assert (task["operationName"], task["operation"]) == ("ticketApproval", "Approving INC-1")
    assert task["serviceNamespace"] == "org.example.tickets"
    assert (task["owner"]["name"], task["user"]["name"], task["organization"]["name"]) == ("acme", "admin", "acme")
    assert task["startTime"]
    assert {link["rel"] for link in task["link"]} == {"task:cancel", "edit"}
    (record,) = admin.query("serviceNamespace==org.example.tickets")["record"]
    assert (record["name"], record["objectType"]) == ("ticketApproval", "org")
    assert admin.task(task["id"][-36:])["link"][0]["rel"] == "task:cancel"
    assert admin.json("GET", f"/tasksList/{ACME}")["task"][0]["id"] == task["id"]


def test_links_lead_providers_to_the_task_list(admin: Caller, provider: Caller) -> None:
    def rels(caller: Caller) -> set[str]:
        return {link["rel"] for link in caller.json("GET", f"/org/{ACME}")["link"] if "tasksList" in link["href"]}

    assert rels(provider) == {"down", "task:create"}
    assert rels(admin) == {"down"}


def test_it_stays_until_somebody_ends_it(cloud: Cloud, provider: Caller) -> None:
    task = create(provider)["id"][-36:]
    cloud.wait(1500)
    assert provider.task(task)["status"] == "running"
    cloud.wait(1500)
    body = document(status="success", progress=100, operation="Approved INC-1", details=..., serviceNamespace=...)
    ended = provider.json("PUT", f"/task/{task}", body)
    assert (ended["status"], ended["operation"], ended["details"]) == ("success", "Approved INC-1", "")
    assert ended["endTime"] is not None
    assert ended["link"] == []


@pytest.mark.parametrize("status", ["success", "error", "aborted", "canceled"])
def test_after_an_end_nothing_changes(cloud: Cloud, provider: Caller, status: str) -> None:
    task = create(provider)["id"][-36:]
    provider.json("PUT", f"/task/{task}", document(status=status))
    answer = provider.call("PUT", f"/task/{task}", document(status="running"))
    assert (answer.status, error_code(answer)) == (400, "BAD_REQUEST")
    assert provider.call("POST", f"/task/{task}/action/cancel").status == 400
    assert provider.task(task)["status"] == status
    assert [entry["effect"] for entry in cloud.director.ledger.after(0) if entry["changes"]] == [
        True,
        True,
        False,
        False,
    ]


def test_any_status_may_come_first(provider: Caller) -> None:
    error = {"message": "failed", "majorErrorCode": 500, "minorErrorCode": "INTERNAL_SERVER_ERROR"}
    task = create(provider, status="error", error=error)
    assert {name: task["error"][name] for name in error} == error
    assert task["startTime"] == task["endTime"]


def test_only_some_fields_change(provider: Caller) -> None:
    task = create(provider, operationKey="k-1")
    changed = provider.json(
        "PUT",
        f"/task/{task['id'][-36:]}",
        document(
            serviceNamespace="org.other", user=ADMINISTRATOR, operationName="otherName", status="queued", progress=...
        ),
    )
    assert (changed["serviceNamespace"], changed["user"]["name"], changed["operationKey"]) == (
        "org.example.tickets",
        "admin",
        "k-1",
    )
    assert (changed["operationName"], changed["status"], changed["progress"]) == ("otherName", "queued", None)
    assert changed["startTime"] == task["startTime"]


def test_nothing_recognizes_a_repeated_post(provider: Caller) -> None:
    assert create(provider)["id"] != create(provider)["id"]


def test_without_an_operation_name_it_is_a_custom_job(provider: Caller) -> None:
    task = create(provider, operationName=...)
    assert task["operationName"] == "jobCustom"
    assert task["operation"] == f"Approving INC-1 Organization acme({ACME})"


def test_a_cancel_is_only_a_wish(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    task = create(provider)["id"][-36:]
    assert admin.call("POST", f"/task/{task}/action/cancel").status == 204
    cloud.wait(1500)
    assert (admin.task(task)["status"], admin.task(task)["cancelRequested"]) == ("running", True)
    ended = provider.json("PUT", f"/task/{task}", document(status="canceled"))
    assert (ended["status"], ended["cancelRequested"]) == ("canceled", True)


@pytest.mark.parametrize(
    "owner",
    [
        {"href": f"https://other.example/api/vApp/{VAPP}"},
        {"id": f"urn:vcloud:vapp:{VAPP[5:]}"},
        {"href": f"{URL}/api/admin/org/{ACME}"},
    ],
)
def test_owners_are_real_things(provider: Caller, owner: dict[str, str]) -> None:
    assert create(provider, owner=owner)["owner"]["id"][-36:] in (VAPP[5:], ACME)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": ...}, "BAD_REQUEST"),
        ({"status": ...}, "BAD_REQUEST"),
        ({"status": "PRE_RUNNING"}, "BAD_REQUEST"),
        ({"serviceNamespace": ...}, "BAD_REQUEST"),
        ({"serviceNamespace": ""}, "BAD_REQUEST"),
        ({"serviceNamespace": "x" * 129}, "BAD_REQUEST"),
        ({"serviceNamespace": "com.vmware.vcloud.mine"}, "BAD_REQUEST"),
        ({"user": ...}, "BAD_REQUEST"),
        ({"user": "admin"}, "BAD_REQUEST"),
        ({"user": {"href": f"{URL}/api/admin/user/{well_known_uuid('user', 'beta')}"}}, "INVALID_REFERENCE"),
        ({"user": {"href": f"{URL}/api/org/{ACME}"}}, "INVALID_REFERENCE"),
        ({"owner": {"id": "urn:cse:cluster:1"}}, "INVALID_REFERENCE"),
        ({"owner": {}}, "INVALID_REFERENCE"),
        ({"owner": {"href": f"{URL}/api/disk/{VAPP[5:]}"}}, "INVALID_REFERENCE"),
        ({"progress": 101}, "BAD_REQUEST"),
        ({"progress": "ten"}, "BAD_REQUEST"),
        ({"error": "x"}, "BAD_REQUEST"),
        ({"details": [3]}, "BAD_REQUEST"),
    ],
)
def test_what_is_refused(provider: Caller, changes: dict[str, Any], code: str) -> None:
    answer = provider.call("POST", f"/tasksList/{ACME}", document(**changes))
    assert (answer.status, error_code(answer)) == (400, code)
    assert provider.query(kind="adminTask")["total"] == 0


def test_a_refused_update_changes_nothing(provider: Caller) -> None:
    task = create(provider)
    assert (
        provider.call("PUT", f"/task/{task['id'][-36:]}", document(status="success", details="x", error=[])).status
        == 400
    )
    assert provider.task(task["id"][-36:]) == task


def test_tenants_may_read_but_not_write(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    task = create(provider)["id"][-36:]
    assert admin.call("POST", f"/tasksList/{ACME}", document()).status == 403
    assert admin.call("PUT", f"/task/{task}", document(status="success")).status == 403
    assert cloud.log_in("admin@beta").call("GET", f"/task/{task}").status == 403
    assert admin.call("GET", f"/tasksList/{BETA}").status == 403


def test_vcds_own_tasks_can_not_be_updated(admin: Caller, provider: Caller) -> None:
    task = admin.deploy()
    assert provider.call("PUT", f"/task/{task}", document(status="success")).status == 403
    assert provider.task(task)["status"] == "queued"


def test_its_owner_is_always_told_whole(cloud: Cloud, provider: Caller) -> None:
    """The gaps that VCD's own Tasks have now and then were never seen here."""
    cloud.set("settings", {"empty_owner_href_every": 1})
    assert [create(provider)["owner"]["href"] for _ in range(2)] == [f"{URL}/api/org/{ACME}"] * 2


def test_an_external_task_does_not_make_its_owner_busy(admin: Caller, provider: Caller) -> None:
    create(provider, owner={"id": f"urn:vcloud:vapp:{VAPP[5:]}"})
    assert admin.call("POST", f"/vApp/{VAPP}/action/deploy", {}).status == 202
    assert BETA_VAPP != VAPP


class TestBlocking:
    @pytest.fixture
    def blocked(self, cloud: Cloud, admin: Caller) -> tuple[str, str]:
        """The Task and the blocking task."""
        cloud.set("settings", {"blocking_operations": ["deployVApp"], "blocking_timeout_seconds": 60})
        task = admin.deploy()
        return task, next(iter(cloud.director.cloud.blocking))

    def test_the_task_waits_in_pre_running(
        self, cloud: Cloud, admin: Caller, provider: Caller, blocked: tuple[str, str]
    ) -> None:
        cloud.wait(50)
        assert admin.task(blocked[0])["status"] == "preRunning"
        (reference,) = provider.json("GET", "/admin/extension/blockingTasks")["reference"]
        found = provider.json("GET", reference["href"].partition("/api")[2])
        assert (found["id"], found["timeoutAction"]) == (f"urn:vcloud:blockingTask:{blocked[1]}", "resume")
        assert found["taskOwner"]["id"] == f"urn:vcloud:vapp:{VAPP[5:]}"
        assert (found["organization"]["name"], found["user"]["name"]) == ("acme", "admin")
        assert any(link["rel"] == "task" and link["href"].endswith(blocked[0]) for link in found["link"])
        assert admin.call("GET", "/admin/extension/blockingTasks").status == 403
        assert error_code(admin.call("POST", f"/vApp/{VAPP}/action/deploy", {})) == "BUSY_ENTITY"

    @pytest.mark.parametrize(("action", "end"), [("resume", "success"), ("abort", "aborted"), ("fail", "error")])
    def test_decisions(
        self, cloud: Cloud, admin: Caller, provider: Caller, blocked: tuple[str, str], action: str, end: str
    ) -> None:
        path = f"/admin/extension/blockingTask/{blocked[1]}"
        assert admin.call("POST", f"{path}/action/{action}", {"message": "no"}).status == 403
        assert provider.call("POST", f"{path}/action/{action}", {"message": "because"}).status == 204
        if action == "resume":
            assert admin.task(blocked[0])["status"] == "running"
        cloud.wait(10)
        document = admin.task(blocked[0])
        assert document["status"] == end
        if action == "fail":
            assert document["error"]["message"] == "because"
        assert (admin.json("GET", f"/vApp/{VAPP}")["deployed"]) is (action == "resume")
        assert provider.call("GET", path).status == 403
        assert provider.json("GET", "/admin/extension/blockingTasks")["reference"] == []

    def test_the_timeout_decides_in_the_end(self, cloud: Cloud, admin: Caller) -> None:
        for action, end in (("resume", "success"), ("abort", "aborted"), ("fail", "error")):
            cloud.set("settings", {"blocking_operations": ["deployVApp"], "blocking_timeout_seconds": 60,
                                   "blocking_timeout_action": action})  # fmt: skip
            task = admin.deploy()
            cloud.wait(59)
            assert admin.task(task)["status"] == "preRunning"
            cloud.wait(11)
            assert admin.task(task)["status"] == end

    def test_progress_can_be_told_and_the_timeout_moved(
        self, cloud: Cloud, admin: Caller, provider: Caller, blocked: tuple[str, str]
    ) -> None:
        path = f"/admin/extension/blockingTask/{blocked[1]}/action/updateProgress"
        body = {"message": "asked the owner", "timeoutValueInMilliseconds": 600_000}
        assert provider.json("POST", path, body)["id"].endswith(blocked[1])
        cloud.wait(500)
        assert (admin.task(blocked[0])["status"], admin.task(blocked[0])["details"]) == (
            "preRunning",
            "asked the owner",
        )
        cloud.wait(110)
        assert admin.task(blocked[0])["status"] == "success"

    def test_cancel_ends_the_wait(self, cloud: Cloud, admin: Caller, blocked: tuple[str, str]) -> None:
        admin.call("POST", f"/task/{blocked[0]}/action/cancel")
        assert cloud.director.cloud.blocking == {}
        cloud.wait(1)
        assert admin.task(blocked[0])["status"] == "aborted"
