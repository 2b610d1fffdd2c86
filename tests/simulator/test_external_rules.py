"""Every documented rule of external tasks, over real HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from bridge.simulator.clock import parse_time
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import link
from tests.support.simulator import (
    ACME_ORG,
    ACME_VAPP,
    BETA_ORG,
    SYSTEM_ORG,
    Client,
    Reply,
    Simulator,
    http,
    running_simulator,
)

FINAL = ("success", "error", "aborted", "canceled")
ERROR = {
    "message": "no space", "majorErrorCode": 500, "minorErrorCode": "INTERNAL_SERVER_ERROR",
    "vendorSpecificErrorCode": "ENOSPC", "stackTrace": "at backup.py:1",
    "tenantError": {"otherAttributes": {}, "message": "ask your provider", "majorErrorCode": 400,
                    "minorErrorCode": "BAD_REQUEST", "vendorSpecificErrorCode": None, "vCloudExtension": []},
}  # fmt: skip
CONTENT = {"files": [1, None, {"größe": 1.5}], "text": 'a "b" \\ \u2028'}

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(task_seconds=0, settings={"busy": False}) as running:
        yield running


@pytest.fixture(scope="module")
def provider(simulator: Simulator) -> Client:
    return simulator.log_in("administrator@System")


@pytest.fixture(scope="module")
def tenant(simulator: Simulator) -> Client:
    return simulator.log_in("admin@acme")


@pytest.fixture
def namespace() -> str:
    """One that no other test uses."""
    return f"org.example.{next(_numbers)}"


def user(organization: str, number: int = 1) -> dict[str, str]:
    return {"href": f"https://elsewhere.example/api/admin/user/{well_known_uuid('user', organization, number)}"}


def body(namespace: str, **changes: Any) -> dict[str, Any]:
    """A Task as a service posts it; ``...`` takes a field away."""
    task = {
        "name": "task", "status": "running", "serviceNamespace": namespace, "operation": "Saving disks",
        "operationName": "backup", "user": user("acme"), **changes,
    }  # fmt: skip
    return {name: value for name, value in task.items() if value is not ...}


def post(caller: Client, namespace: str, org: str = ACME_ORG, **changes: Any) -> Reply:
    return caller.post(f"/api/tasksList/{org}", body(namespace, **changes))


def create(caller: Client, namespace: str, org: str = ACME_ORG, **changes: Any) -> dict[str, Any]:
    reply = post(caller, namespace, org, **changes)
    assert reply.status == 200, reply.body
    task: dict[str, Any] = reply.json()
    return task


def path(task: dict[str, Any]) -> str:
    return f"/api/task/{task['id'][-36:]}"


def put(caller: Client, task: dict[str, Any], **changes: Any) -> Reply:
    return caller.call("PUT", path(task), body(task["serviceNamespace"], **changes))


def changed(caller: Client, task: dict[str, Any], **changes: Any) -> dict[str, Any]:
    reply = put(caller, task, **changes)
    assert reply.status == 200, reply.body
    after: dict[str, Any] = reply.json()
    assert after == caller.get(path(task)).json()
    return after


def rels(document: dict[str, Any]) -> set[str]:
    return {link["rel"] for link in document["link"]}


def rows(caller: Client, text: str, kind: str = "task") -> list[dict[str, Any]]:
    reply = caller.get(f"/api/query?type={kind}&filter={quote(text, safe='')}")
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.json()["record"]
    return found


class TestWho:
    @pytest.mark.parametrize("who", ["administrator@System", "operator@System"])
    def test_system_administrators_post_and_put(self, simulator: Simulator, namespace: str, who: str) -> None:
        caller = simulator.log_in(who)
        task = create(caller, namespace)
        assert changed(caller, task, status="success")["status"] == "success"

    @pytest.mark.parametrize("who", ["admin@acme", "user@acme", "admin@beta"])
    def test_nobody_else_does(self, simulator: Simulator, provider: Client, namespace: str, who: str) -> None:
        task, caller = create(provider, namespace), simulator.log_in(who)
        for reply in (post(caller, namespace), post(caller, "", status="?"), put(caller, task, status="success")):
            assert (reply.status, reply.json()["minorErrorCode"]) == (403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN")
        assert provider.get(path(task)).json() == task
        assert len(simulator.external_tasks(namespace)) == 1

    def test_without_a_session_nothing_is_said(self, simulator: Simulator, namespace: str) -> None:
        reply = http("POST", f"{simulator.url}/api/tasksList/{ACME_ORG}", body(namespace))
        assert (reply.status, reply.body) == (401, b"")

    def test_the_organization_and_its_task_list_show_the_way(self, provider: Client, tenant: Client) -> None:
        for view in ("org", "admin/org"):
            create = link(provider.get(f"/api/{view}/{ACME_ORG}").json(), "task:create")
            assert create["href"].endswith(f"/api/tasksList/{ACME_ORG}")
            assert create["type"] == "application/vnd.vmware.vcloud.task+json"
            assert "task:create" not in rels(tenant.get(f"/api/{view}/{ACME_ORG}").json())
        assert "task:create" not in rels(tenant.get(f"/api/tasksList/{ACME_ORG}").json())

    def test_members_see_it_in_the_list_and_strangers_do_not(
        self, simulator: Simulator, provider: Client, tenant: Client, namespace: str
    ) -> None:
        task, stranger = create(provider, namespace), simulator.log_in("admin@beta")
        assert tenant.get(f"/api/tasksList/{ACME_ORG}").json()["task"][0]["id"] == task["id"]
        assert stranger.get(f"/api/tasksList/{ACME_ORG}").status == 403
        assert stranger.get(path(task)).status == 403

    def test_links_of_a_task(self, provider: Client, tenant: Client, namespace: str) -> None:
        task = create(provider, namespace)
        assert rels(task) == {"edit", "task:cancel"}
        assert {link["rel"]: link["href"] for link in task["link"]} == {
            "edit": task["href"], "task:cancel": f"{task['href']}/action/cancel"
        }  # fmt: skip
        assert rels(tenant.get(path(task)).json()) == {"task:cancel"}
        assert rels(changed(provider, task, status="aborted")) == set()

    def test_unknown_organizations_and_tasks_are_no_access(self, provider: Client, namespace: str) -> None:
        nowhere = "00000000-0000-4000-8000-000000000000"
        assert post(provider, namespace, nowhere).status == 403
        assert put(provider, {"id": nowhere, "serviceNamespace": namespace}).status == 403


class TestCreate:
    def test_the_least_that_is_needed(self, provider: Client, namespace: str) -> None:
        task = create(provider, namespace, operation=..., operationName=...)
        assert (task["status"], task["progress"], task["details"], task["error"]) == ("running", None, "", None)

    def test_vcd_fills_in_the_rest(self, provider: Client, namespace: str) -> None:
        task = create(provider, namespace)
        assert task["id"].startswith("urn:vcloud:task:")
        assert task["href"].endswith(path(task))
        assert (task["organization"]["name"], task["organization"]["id"]) == ("acme", f"urn:vcloud:org:{ACME_ORG}")
        assert task["owner"]["id"] == f"urn:vcloud:org:{ACME_ORG}", "without an owner it is the organization's"
        assert (task["name"], task["type"]) == ("task", "application/vnd.vmware.vcloud.task+json")
        start, expiry = parse_time(task["startTime"]), parse_time(task["expiryTime"])
        assert start is not None
        assert expiry == pytest.approx(start + 90 * 86400, abs=0.002)
        assert (task["endTime"], task["cancelRequested"]) == (None, False)

    def test_what_vcd_decides_can_not_be_given(self, provider: Client, namespace: str) -> None:
        given: dict[str, Any] = {
            "id": "urn:vcloud:task:00000000-0000-4000-8000-000000000001", "href": "https://x.example", "link": [{}],
            "organization": {"href": f"https://x.example/api/org/{BETA_ORG}"}, "cancelRequested": True,
            "tasks": {"task": [{"name": "x", "status": "queued"}]},
            "startTime": "2001-01-01T00:00:00.000+0000", "endTime": "2001-01-02T00:00:00.000+0000", "type": "x",
            "expiryTime": "2001-01-03T00:00:00.000+0000", "vcTaskList": {"vcTask": [{}]}, "name": "My name",
        }  # fmt: skip
        task = create(provider, namespace, **given)
        assert not [name for name, value in given.items() if task[name] == value]
        assert (task["name"], task["organization"]["name"], task["cancelRequested"]) == ("task", "acme", False)

    @pytest.mark.parametrize("missing", ["name", "status", "serviceNamespace", "user"])
    def test_four_fields_are_required(self, provider: Client, namespace: str, missing: str) -> None:
        absences: tuple[Any, ...] = (..., None)
        for absent in absences:
            reply = post(provider, namespace, **{missing: absent})
            assert (reply.status, reply.json()["minorErrorCode"]) == (400, "BAD_REQUEST")
            assert missing in reply.json()["message"]

    @pytest.mark.parametrize("status", ["queued", "preRunning", "running", *FINAL])
    def test_any_status_may_come_first(self, provider: Client, namespace: str, status: str) -> None:
        task = create(provider, namespace, status=status)
        assert task["status"] == status
        assert task["endTime"] == (task["startTime"] if status in FINAL else None)
        assert put(provider, task, status="running").status == (400 if status in FINAL else 200)

    @pytest.mark.parametrize("status", ["", "done", "PRE_RUNNING", "postRunning", 3])
    def test_a_status_that_vcd_does_not_know(self, provider: Client, namespace: str, status: Any) -> None:
        assert post(provider, namespace, status=status).status == 400

    def test_anything_real_may_own_it(self, simulator: Simulator, provider: Client, namespace: str) -> None:
        for kind in {one["kind"] for one in simulator.admin("GET", "entities")}:
            entity = simulator.admin("GET", f"entities?kind={kind}")[-1]
            for owner in ({"href": f"https://elsewhere.example/api{entity['path']}"}, {"id": entity["urn"]}):
                assert create(provider, namespace, owner=owner)["owner"]["id"] == entity["urn"], (kind, owner)

    @pytest.mark.parametrize(
        "owner",
        [
            {"href": f"https://x.example/api/admin/org/{BETA_ORG}", "name": "Another",
             "type": "application/vnd.vmware.admin.organization+xml"},
            {"href": f"https://x.example/api/vApp/{ACME_VAPP}", "type": "application/vnd.vmware.vcloud.vApp+xml"},
            {"href": f"https://x.example/api/vApp/{ACME_VAPP}", "type": "application/vnd.vmware.vcloud.vapp+json"},
        ],
    )  # fmt: skip
    def test_an_owner_of_the_type_that_its_reference_says(
        self, provider: Client, namespace: str, owner: dict[str, str]
    ) -> None:
        assert create(provider, namespace, owner=owner)["owner"]["name"] in ("beta", "vapp-1")

    @pytest.mark.parametrize(
        "owner",
        [
            {},
            {"name": "vapp-1"},
            {"id": "urn:cse:cluster:1"},
            {"id": f"urn:vcloud:vm:{ACME_VAPP[5:]}"},
            {"href": f"https://x.example/api/vApp/vm-{ACME_VAPP[5:]}"},
            {"href": f"https://x.example/api/disk/{ACME_VAPP[5:]}"},
            {"href": f"https://x.example/api/tasksList/{ACME_ORG}"},
            {"href": f"https://x.example/elsewhere/vApp/{ACME_VAPP}"},
            {"href": "https://x.example/api/vApp/vapp-00000000-0000-4000-8000-000000000000"},
            {"href": f"https://x.example/api/vApp/{ACME_VAPP}", "type": "application/vnd.vmware.vcloud.org+xml"},
        ],
    )
    def test_owners_that_do_not_resolve(
        self, simulator: Simulator, provider: Client, namespace: str, owner: dict[str, str]
    ) -> None:
        reply = post(provider, namespace, owner=owner)
        assert (reply.status, reply.json()["minorErrorCode"]) == (400, "INVALID_REFERENCE")
        assert simulator.external_tasks(namespace) == []

    @pytest.mark.parametrize(
        ("organization", "given", "name"),
        [
            (ACME_ORG, user("acme"), "admin"),
            (ACME_ORG, user("acme", 2), "user"),
            (ACME_ORG, user("System"), "administrator"),
            (ACME_ORG, {"id": f"urn:vcloud:user:{well_known_uuid('user', 'System', 2)}"}, "operator"),
            (SYSTEM_ORG, user("System"), "administrator"),
        ],
    )
    def test_members_and_system_administrators_are_users(
        self, provider: Client, namespace: str, organization: str, given: dict[str, str], name: str
    ) -> None:
        assert create(provider, namespace, organization, user=given)["user"]["name"] == name

    @pytest.mark.parametrize(
        ("organization", "given"),
        [
            (ACME_ORG, user("beta")),
            (SYSTEM_ORG, user("acme")),
            (ACME_ORG, {"id": f"urn:vcloud:org:{ACME_ORG}"}),
            (ACME_ORG, {"id": "urn:vcloud:user:00000000-0000-4000-8000-000000000000"}),
            (ACME_ORG, {"name": "admin"}),
        ],
    )
    def test_others_are_not(self, provider: Client, namespace: str, organization: str, given: dict[str, str]) -> None:
        reply = post(provider, namespace, organization, user=given)
        assert (reply.status, reply.json()["minorErrorCode"]) == (400, "INVALID_REFERENCE")

    @pytest.mark.parametrize("name", ["x", "ä" * 128, "com.vmware.vclou", "vcloud.cse", "not com.vmware.vcloud"])
    def test_namespaces(self, provider: Client, name: str) -> None:
        assert create(provider, name, status="success")["serviceNamespace"] == name

    @pytest.mark.parametrize(
        "name", ["", "x" * 129, "com.vmware.vcloud", "com.vmware.vcloud.mine", "com.vmware.vcloudy", []]
    )
    def test_no_namespaces(self, provider: Client, name: Any) -> None:
        reply = post(provider, name)
        assert (reply.status, "serviceNamespace" in reply.json()["message"]) == (400, True)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, f"Saving disks Organization acme({ACME_ORG})"),
            ({"operationName": ""}, f"Saving disks Organization acme({ACME_ORG})"),
            ({"owner": {"id": f"urn:vcloud:vapp:{ACME_VAPP[5:]}"}},
             f"Saving disks Virtual Application vapp-1({ACME_VAPP[5:]})"),
            ({"operation": ..., "status": "error"}, f"External processing finished Organization acme({ACME_ORG})"),
        ],
    )  # fmt: skip
    def test_a_job_without_a_name(
        self, provider: Client, namespace: str, changes: dict[str, Any], expected: str
    ) -> None:
        task = create(provider, namespace, **{"operationName": ..., **changes})
        assert (task["operationName"], task["operation"]) == ("jobCustom", expected)

    def test_nothing_recognizes_a_repeated_post(self, simulator: Simulator, provider: Client, namespace: str) -> None:
        first, second = (create(provider, namespace, operationKey="k-1") for _ in range(2))
        assert (first["operationKey"], second["operationKey"]) == ("k-1", "k-1")
        assert [one["task"]["id"] for one in simulator.external_tasks(namespace)] == [first["id"], second["id"]]


class TestUpdate:
    def test_what_changes(self, provider: Client, namespace: str) -> None:
        task = create(provider, namespace, progress=10, details="at first")
        result = {"resultContent": CONTENT, "resultReference": {"href": "https://x.example/report", "name": "report"}}
        wanted = {
            "operation": "Saved disks", "operationName": "restore", "status": "queued", "progress": 100,
            "details": "", "description": "what for", "error": ERROR,
        }  # fmt: skip
        after = changed(provider, task, **wanted, result=result, vCloudExtension=[{"required": False, "any": ["x"]}])
        assert after["error"].items() >= ERROR.items()
        assert {name: after[name] for name in wanted if name != "error"} == {
            name: value for name, value in wanted.items() if name != "error"
        }
        assert after["result"]["resultContent"] == CONTENT
        assert (after["result"]["resultReference"]["href"], after["result"]["resultReference"]["name"]) == (
            "https://x.example/report", "report"
        )  # fmt: skip
        assert after["vCloudExtension"] == [{"otherAttributes": {}, "required": False, "any": ["x"]}]

    def test_what_is_left_out_is_gone_but_for_the_two_texts(self, provider: Client, namespace: str) -> None:
        task = create(
            provider, namespace, progress=10, details="d", description="e", error=ERROR, result={"resultContent": 1}
        )
        after = changed(provider, task, operation=..., operationName=...)
        assert [after[name] for name in ("progress", "details", "description", "error", "result")] == [
            None, "", None, None, None
        ]  # fmt: skip
        assert (after["operation"], after["operationName"]) == ("Saving disks", "backup")

    def test_what_only_the_creation_says_stays(self, provider: Client, namespace: str) -> None:
        task = create(provider, namespace, operationKey="k-1", params=CONTENT)
        after = changed(
            provider, task, operationKey="k-2", params={"other": 1}, user=user("System"), serviceNamespace="other.one",
            owner={"id": f"urn:vcloud:vapp:{ACME_VAPP[5:]}"}, id="x", organization={"href": "x"}, startTime="x",
            endTime="x", expiryTime="x", cancelRequested=True, name="Other",
        )  # fmt: skip
        assert after == task
        assert (after["params"], after["operationKey"], after["owner"]["name"]) == (CONTENT, "k-1", "acme")
        assert changed(provider, task, params=..., user=..., serviceNamespace=...) == task

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": ...}, {"status": ...}, {"status": "done"}, {"progress": -1}, {"progress": 101}, {"progress": 1.5},
            {"progress": "x"}, {"progress": True}, {"serviceNamespace": ""}, {"serviceNamespace": "com.vmware.vcloud"},
            {"operation": [1]}, {"operationName": []}, {"details": {}}, {"description": {}}, {"operationKey": [5]},
            {"error": "x"}, {"error": {"majorErrorCode": "x"}}, {"error": {"message": []}}, {"owner": "acme"},
            {"error": {"tenantError": "x"}}, {"error": {"tenantError": {"minorErrorCode": [1]}}}, {"result": []},
            {"result": {"resultReference": "x"}}, {"user": []}, {"vCloudExtension": {"a": 1}},
        ],
    )  # fmt: skip
    def test_what_can_not_be_read_changes_nothing(
        self, provider: Client, namespace: str, wrong: dict[str, Any]
    ) -> None:
        task = create(provider, namespace)
        reply = put(provider, task, **{"status": "success", "details": "new", **wrong})
        assert (reply.status, reply.json()["minorErrorCode"]) == (400, "BAD_REQUEST")
        assert provider.get(path(task)).json() == task
        assert "name" in wrong or post(provider, namespace, **wrong).status == 400

    @pytest.mark.parametrize("sent", [b"", b"null", b"[]", b"{", b'"x"'])
    def test_bodies_that_are_no_task(self, provider: Client, namespace: str, sent: bytes) -> None:
        task = create(provider, namespace)
        assert provider.call("PUT", path(task), sent).status == 400
        assert provider.call("POST", f"/api/tasksList/{ACME_ORG}", sent).status == 400

    def test_media_types(self, provider: Client, namespace: str) -> None:
        task = create(provider, namespace)
        for kind, status in (
            ("application/vnd.vmware.vcloud.task+json", 200),
            ("application/vnd.vmware.vcloud.Task+json;version=39.0", 200),
            ("application/*+json", 200),
            ("application/vnd.vmware.vcloud.vApp+json", 415),
        ):
            reply = provider.call("PUT", path(task), body(namespace), Content_Type=kind)
            assert reply.status == status, kind

    @pytest.mark.parametrize("status", FINAL)
    def test_an_end_is_an_end(self, provider: Client, namespace: str, status: str) -> None:
        task = create(provider, namespace)
        ended = changed(provider, task, status=status)
        assert ended["endTime"] >= ended["startTime"] == task["startTime"]
        for late in ("running", status, "success"):
            reply = put(provider, task, status=late, details="late")
            assert (reply.status, reply.json()["minorErrorCode"]) == (400, "BAD_REQUEST")
            assert status in reply.json()["message"]
        assert provider.get(path(task)).json() == ended

    def test_statuses_go_any_way_until_an_end(self, provider: Client, namespace: str) -> None:
        task = create(provider, namespace)
        for status in ("queued", "preRunning", "queued", "running", "running"):
            after = changed(provider, task, status=status)
            assert (after["status"], after["startTime"], after["endTime"]) == (status, task["startTime"], None)

    def test_progress_goes_any_way(self, provider: Client, namespace: str) -> None:
        task = create(provider, namespace, progress=0)
        assert [changed(provider, task, progress=one)["progress"] for one in (100, 50, None, 0)] == [100, 50, None, 0]
        assert changed(provider, task, status="success", progress=40)["progress"] == 40

    def test_the_owner_is_appended_once(self, provider: Client, namespace: str) -> None:
        task = create(provider, namespace, operationName=...)
        again = changed(provider, task, operation=task["operation"], operationName=...)
        assert again["operation"] == task["operation"]
        assert changed(provider, task, operation="Half", operationName=...)["operation"].startswith("Half Organization")
        named = changed(provider, task, operation="Saved", operationName="backup")
        assert (named["operation"], named["operationName"]) == ("Saved", "backup")

    def test_what_was_read_can_be_put(self, provider: Client, namespace: str) -> None:
        task = create(
            provider, namespace, progress=30, details="d", description="e", error=ERROR, params=CONTENT,
            result={"resultContent": "{\"a\": 1}", "resultReference": {"href": "https://x.example/r"}},
            owner={"id": f"urn:vcloud:vapp:{ACME_VAPP[5:]}"}, operationKey="k", vCloudExtension=[{"any": []}],
        )  # fmt: skip
        reply = provider.call("PUT", path(task), task)
        assert (reply.status, reply.json()) == (200, task)

    def test_tenants_see_their_own_side_of_an_error(self, provider: Client, tenant: Client, namespace: str) -> None:
        task = create(provider, namespace, status="error", error=ERROR)
        assert task["error"].items() >= ERROR.items()
        theirs = tenant.get(path(task)).json()["error"]
        assert (theirs["message"], theirs["majorErrorCode"], theirs["minorErrorCode"]) == (
            "ask your provider", 400, "BAD_REQUEST"
        )  # fmt: skip
        assert (theirs["stackTrace"], theirs["tenantError"]) == (None, None)

    def test_readers_may_be_unable_to_resolve_its_references(
        self, provider: Client, tenant: Client, namespace: str
    ) -> None:
        owner = {"id": f"urn:vcloud:org:{BETA_ORG}"}
        task = tenant.get(path(create(provider, namespace, user=user("System"), owner=owner))).json()
        assert task["user"]["name"] == "administrator"
        for field in ("user", "owner"):
            href = task[field]["href"]
            assert (tenant.get(href).status, provider.get(href).status) == (403, 200)

    def test_vcds_own_tasks_are_not_updated(self, provider: Client, tenant: Client, namespace: str) -> None:
        task = tenant.post(f"/api/vApp/{ACME_VAPP}/action/deploy", {}).json()
        reply = provider.call("PUT", path(task), body(namespace))
        assert (reply.status, reply.json()["minorErrorCode"]) == (403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN")


class TestCancel:
    @pytest.mark.parametrize("who", ["admin@acme", "user@acme", "operator@System"])
    def test_a_person_only_asks(self, simulator: Simulator, provider: Client, namespace: str, who: str) -> None:
        task = create(provider, namespace, progress=10, details="d")
        for _ in range(2):
            assert simulator.press_cancel(task["id"], who).status == 204
            assert provider.get(path(task)).json() == {**task, "cancelRequested": True}

    def test_what_comes_of_it_is_the_owners_choice(
        self, simulator: Simulator, provider: Client, namespace: str
    ) -> None:
        task = create(provider, namespace)
        simulator.press_cancel(task["id"])
        for status in ("running", "success"):
            after = changed(provider, task, status=status, cancelRequested=False)
            assert (after["status"], after["cancelRequested"]) == (status, True)
        assert simulator.press_cancel(task["id"]).status == 400

    def test_strangers_may_not(self, simulator: Simulator, provider: Client, namespace: str) -> None:
        task = create(provider, namespace)
        assert simulator.press_cancel(task["id"], "admin@beta").status == 403
        assert provider.get(path(task)).json() == task


class TestQueries:
    def test_a_row(self, provider: Client, tenant: Client, namespace: str) -> None:
        task = create(
            provider, namespace, user=user("acme", 2), progress=40, owner={"id": f"urn:vcloud:vapp:{ACME_VAPP[5:]}"}
        )
        tenant.post(f"{path(task)}/action/cancel")
        for caller, kind in ((tenant, "task"), (provider, "adminTask")):
            (row,) = rows(caller, f"serviceNamespace=={namespace}", kind)
            assert (row["name"], row["operationFull"], row["ownerName"]) == ("backup", "Saving disks", "user")
            assert (row["status"], row["progress"], row["endDate"]) == ("running", 40, None)
            assert (row["startDate"], row["href"]) == (task["startTime"], task["href"])
            assert (row["object"], row["objectType"]) == (task["owner"]["href"], "vapp")
            assert (row["orgName"], row["serviceNamespace"]) == ("acme", namespace)
            hidden = {"operationKey", "error", "expiryTime", "cancelRequested", "details", "description", "params"}
            assert not hidden & set(row)

    def test_strangers_have_no_rows(self, simulator: Simulator, provider: Client, namespace: str) -> None:
        create(provider, namespace)
        assert rows(simulator.log_in("admin@beta"), f"serviceNamespace=={namespace}") == []

    @pytest.mark.parametrize("status", ["queued", "preRunning", "running", *FINAL])
    def test_all_have_a_start(self, simulator: Simulator, provider: Client, namespace: str, status: str) -> None:
        """Whatever VCD's own queued Tasks have: nothing but the POST starts these."""
        simulator.settings(queued_has_start=False)
        task = create(provider, namespace, status=status)
        assert parse_time(task["startTime"]) is not None
        asked = f"serviceNamespace=={namespace};name==backup;startDate=ge={task['startTime']};status=={status}"
        (row,) = rows(provider, asked, "adminTask")
        assert (row["startDate"], row["endDate"]) == (task["startTime"], task["endTime"])

    @pytest.mark.parametrize("special", ["a (b);c,d", "a*b", "back\\slash", "ä & ö=1%20+", "\"'<>", "==x=ge=", "a b"])
    def test_namespaces_with_special_characters(self, provider: Client, namespace: str, special: str) -> None:
        name = f"{namespace} {special}"
        task = create(provider, name)
        create(provider, f"{namespace} other")
        escaped = "".join(f"\\{one}" if one in "();,*\\" else one for one in name)
        (row,) = rows(provider, f"(serviceNamespace=={escaped});(name==backup)", "adminTask")
        assert (row["href"], row["serviceNamespace"]) == (task["href"], name)

    def test_several_namespaces_and_any_case(self, provider: Client, namespace: str) -> None:
        made = [create(provider, f"{namespace}.{one}") for one in ("a", "b", "a", "c")]
        asked = f"(serviceNamespace=={namespace}.A,serviceNamespace=={namespace}.b);startDate=ge={made[0]['startTime']}"
        assert {row["href"] for row in rows(provider, asked, "adminTask")} == {one["href"] for one in made[:3]}
        assert len(rows(provider, f"serviceNamespace=={namespace}.*", "adminTask")) == 4
