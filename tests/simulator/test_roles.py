"""Who sees and may do what: system administrators, organization administrators, members with lesser roles."""

from __future__ import annotations

import json

import pytest

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import ACME, BETA_VAPP, VAPP, VAPP_2, VDC, VM, Caller, Cloud

VM_2 = f"vm-{well_known_uuid('vm', 'acme', 2)}"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
USER = well_known_uuid("user", "acme", 2)


@pytest.fixture
def user(cloud: Cloud) -> Caller:
    """user@acme, a vApp User; vapp-2 and vapp-4 are his."""
    return cloud.log_in("user@acme")


def refused(caller: Caller, method: str, path: str, body: object = None) -> str:
    """The text of a 403, without the request id."""
    answer = caller.call(method, path, body)
    assert answer.status == 403, (answer.status, answer.body)
    document = json.loads(answer.body)
    assert document["minorErrorCode"] == "ACCESS_TO_RESOURCE_IS_FORBIDDEN"
    text: str = document["message"]
    return text.partition("] ")[2]


def test_what_is_hidden_answers_as_what_does_not_exist(admin: Caller, user: Caller) -> None:
    words = "No access to entity com.vmware.vcloud.entity.vapp:"
    for caller, hidden in ((admin, BETA_VAPP), (user, BETA_VAPP), (user, VAPP)):
        for method, path in (("GET", ""), ("GET", "/metadata"), ("POST", "/action/deploy"), ("DELETE", "")):
            assert refused(caller, method, f"/vApp/{hidden}{path}") == words + hidden[5:]
            assert refused(caller, method, f"/vApp/vapp-{UNKNOWN}{path}") == words + UNKNOWN


def test_a_vapp_user_sees_his_own_and_nothing_of_catalogs_and_administration(user: Caller) -> None:
    def names(kind: str) -> list[str]:
        return sorted(row["name"] for row in user.query(kind=kind)["record"])

    assert names("vApp") == ["vapp-2", "vapp-4"]
    assert names("vm") == ["vm-2", "vm-4"]
    assert user.call("GET", f"/vApp/{VM_2}").status == 200
    assert user.call("GET", f"/vdc/{VDC}").status == user.call("GET", f"/org/{ACME}").status == 200
    refused(user, "GET", f"/vApp/{VM}")
    for kind in ("catalog", "media", "edgeGateway"):
        refused(user, "GET", f"/{kind}/{well_known_uuid(kind, 'acme')}")


def test_a_vapp_user_uses_what_is_his_and_builds_nothing(cloud: Cloud, user: Caller) -> None:
    task = user.deploy(VAPP_2)
    cloud.wait(11)
    assert user.task(task)["status"] == "success"
    user.json("POST", f"/vApp/{VAPP_2}/action/createSnapshot", {"name": "before"}, status=202)
    cloud.wait(11)
    refused(user, "POST", f"/vApp/{VAPP_2}/action/recomposeVApp", {"name": "x"})
    refused(user, "PUT", f"/vApp/{VM_2}/virtualHardwareSection/cpu", {})
    refused(user, "POST", f"/vdc/{VDC}/action/composeVApp", {"name": "mine"})
    refused(user, "POST", f"/vdc/{VDC}/disk", {"disk": {"name": "mine"}})
    refused(user, "DELETE", f"/vdc/{VDC}")


def test_nothing_lists_what_is_hidden(admin: Caller, user: Caller) -> None:
    def contents(caller: Caller) -> set[str]:
        return {one["name"] for one in caller.json("GET", f"/vdc/{VDC}")["resourceEntities"]["resourceEntity"]}

    assert contents(admin) > {"vapp-1", "vapp-2", "photon", "tools-iso"}
    assert contents(user) == {"vapp-2", "vapp-4"}
    rules = f"/vdc/{VDC}/vmAffinityRules"
    assert len(admin.json("GET", rules)["vmAffinityRule"]) == 1
    assert user.json("GET", rules)["vmAffinityRule"] == []


def test_tasks_are_seen_with_what_they_are_about(cloud: Cloud, admin: Caller, user: Caller) -> None:
    hidden, seen = admin.deploy(VAPP), admin.deploy(VAPP_2)
    assert user.task(seen)["id"].endswith(seen)
    assert refused(user, "GET", f"/task/{hidden}") == f"No access to entity com.vmware.vcloud.entity.task:{hidden}"
    refused(user, "POST", f"/task/{hidden}/action/cancel")
    assert [row["href"][-36:] for row in user.query()["record"]] == [seen]
    assert [task["id"][-36:] for task in user.json("GET", f"/tasksList/{ACME}")["task"]] == [seen]
    assert len(admin.query()["record"]) == 2
    refused(cloud.log_in("admin@beta"), "GET", f"/task/{seen}")


def test_sharing_lets_others_see_or_change(cloud: Cloud, user: Caller) -> None:
    vapp = cloud.director.cloud.store.get(VAPP[5:])
    assert vapp is not None
    vapp.shared[USER] = "ReadOnly"
    assert user.call("GET", f"/vApp/{VAPP}").status == user.call("GET", f"/vApp/{VM}").status == 200
    refused(user, "POST", f"/vApp/{VAPP}/action/deploy")
    vapp.shared[USER] = "Change"
    user.deploy(VAPP)
    del vapp.shared[USER]
    refused(user, "GET", f"/vApp/{VAPP}")
    vapp.shared["*"] = "ReadOnly"
    assert user.call("GET", f"/vApp/{VAPP}").status == 200


@pytest.mark.parametrize(
    ("who", "path", "allowed"),
    [
        ("user@acme", f"/admin/org/{ACME}", False),
        ("user@acme", f"/admin/vdc/{VDC}", False),
        ("admin@acme", f"/admin/org/{ACME}", True),
        ("admin@acme", f"/admin/vdc/{VDC}", True),
        ("admin@beta", f"/admin/org/{ACME}", False),
        ("admin@acme", f"/admin/extension/vimServer/{well_known_uuid('vimServer', 'System')}", False),
        ("administrator@System", f"/admin/extension/vimServer/{well_known_uuid('vimServer', 'System')}", True),
        ("administrator@System", f"/admin/org/{ACME}", True),
    ],
)
def test_administrators_paths(cloud: Cloud, who: str, path: str, *, allowed: bool) -> None:
    assert cloud.log_in(who).call("GET", path).status == (200 if allowed else 403)


def test_organizations_are_made_by_providers(admin: Caller, provider: Caller) -> None:
    body = {"name": "gamma", "fullName": "Gamma", "settings": {}}
    refused(admin, "POST", "/admin/orgs", body)
    assert provider.call("POST", "/admin/orgs", body).status < 300


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("Organization Administrator", "compose catalog others"),
        ("Catalog Author", "compose catalog"),
        ("vApp Author", "compose"),
        ("vApp User", ""),
        ("Console Access Only", ""),
        ("Somebody's own role", ""),
    ],
)
def test_predefined_roles(cloud: Cloud, user: Caller, role: str, may: str) -> None:
    cloud.director.cloud.store.users["user", "acme"].role = role
    catalog = well_known_uuid("catalog", "acme")
    tried = {
        "compose": user.call("POST", f"/vdc/{VDC}/action/composeVApp", {"name": "mine"}),
        "catalog": user.call("POST", f"/catalog/{catalog}/action/sync"),
        "others": user.call("GET", f"/vApp/{VAPP}"),
    }
    assert [name for name, answer in tried.items() if answer.status < 300] == may.split()
    assert {answer.status for answer in tried.values()} <= {200, 201, 202, 403}
    if "compose" in may:
        assert "mine" in [row["name"] for row in user.query(kind="vApp")["record"]], "what one made is one's own"
    deployed = user.call("POST", f"/vApp/{VAPP_2}/action/deploy", {})
    assert deployed.status == (403 if role == "Console Access Only" else 202)
