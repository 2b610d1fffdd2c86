"""What operations do to entities, and when: at the Task's success, not at the call."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import VAPP, VAPP_2, VDC, VM, Caller, Cloud, error_code

DISK = well_known_uuid("disk", "acme")
VM_2 = f"vm-{well_known_uuid('vm', 'acme', 2)}"
MEDIA = well_known_uuid("media", "acme")


def do(cloud: Cloud, caller: Caller, method: str, path: str, body: Any = None) -> Any:
    """Carries an operation through to its success; returns the call's answer."""
    answer = caller.call(method, path, body)
    assert answer.status in (201, 202), answer.body
    cloud.wait(10)
    task = cloud.director.ledger.after(0)[-1]["task"]
    assert caller.task(task)["status"] == "success"
    return answer


def state(caller: Caller, entity: str) -> tuple[int, bool]:
    document = caller.json("GET", f"/vApp/{entity}")
    return document["status"], document["deployed"]


def test_the_effect_comes_with_the_success(cloud: Cloud, admin: Caller) -> None:
    admin.deploy()
    cloud.wait(9)
    assert state(admin, VAPP) == (8, False)
    cloud.wait(1)
    assert state(admin, VAPP) == (4, True)
    assert state(admin, VM) == (4, True)


def test_a_failed_task_has_no_effect(cloud: Cloud, admin: Caller) -> None:
    cloud.set("scripts", {"script": {"preset": "error"}})
    admin.deploy()
    cloud.wait(10)
    assert state(admin, VAPP) == (8, False)


def test_power_and_deployment(cloud: Cloud, admin: Caller) -> None:
    power, deploy, undeploy = f"/vApp/{VM}/power/action", f"/vApp/{VAPP}/action/deploy", f"/vApp/{VAPP}/action/undeploy"
    do(cloud, admin, "POST", deploy, {"powerOn": False})
    assert state(admin, VAPP) == (8, True)
    do(cloud, admin, "POST", f"{power}/powerOn")
    assert state(admin, VAPP) == (4, True)
    do(cloud, admin, "POST", f"{power}/powerOff")
    assert state(admin, VM) == (20, True), "powerOff leaves a VM partially powered off"
    do(cloud, admin, "POST", f"{power}/powerOn")
    do(cloud, admin, "POST", undeploy, {"undeployPowerAction": "suspend"})
    assert state(admin, VAPP) == (3, False)
    do(cloud, admin, "POST", f"/vApp/{VAPP}/action/discardSuspendedState")
    assert state(admin, VAPP) == (8, False)
    for action in ("powerOff", "shutdown", "force", "default"):
        do(cloud, admin, "POST", deploy, {})
        do(cloud, admin, "POST", undeploy, {"undeployPowerAction": action})
        assert state(admin, VM) == (8, False)
    assert admin.call("POST", undeploy, {"undeployPowerAction": "explode"}).status == 400


def test_create_snapshot_removes_the_one_before(cloud: Cloud, admin: Caller) -> None:
    def snapshot() -> Any:
        return admin.json("GET", f"/vApp/{VM}/snapshotSection")["snapshot"]

    create, revert = f"/vApp/{VAPP}/action/createSnapshot", f"/vApp/{VAPP}/action/revertToCurrentSnapshot"
    assert snapshot() is None
    do(cloud, admin, "POST", create, {"name": "one"})
    first = snapshot()
    do(cloud, admin, "POST", create, {"name": "two"})
    assert snapshot()["created"] > first["created"]
    assert first["poweredOn"] is False
    do(cloud, admin, "POST", f"/vApp/{VM}/power/action/powerOn")
    do(cloud, admin, "POST", revert)
    assert state(admin, VM) == (8, False)
    do(cloud, admin, "POST", f"/vApp/{VM}/power/action/powerOn")
    do(cloud, admin, "POST", create, {"memory": True})
    assert snapshot()["poweredOn"] is True
    do(cloud, admin, "POST", f"/vApp/{VM}/power/action/powerOff")
    do(cloud, admin, "POST", revert)
    assert state(admin, VM) == (4, True), "what ran with its memory runs again"
    do(cloud, admin, "POST", f"/vApp/{VAPP}/action/removeAllSnapshots")
    assert snapshot() is None
    assert error_code(admin.call("POST", revert)) == "INVALID_STATE"


def test_delete_takes_what_is_inside(cloud: Cloud, admin: Caller) -> None:
    task = admin.json("DELETE", f"/vApp/{VAPP}", status=202)["id"][-36:]
    assert admin.call("GET", f"/vApp/{VAPP}").status == 200
    cloud.wait(10)
    assert admin.call("GET", f"/vApp/{VAPP}").status == 403
    assert admin.call("GET", f"/vApp/{VM}").status == 403
    assert admin.task(task)["owner"]["name"] == "vapp-1"
    assert admin.query("name==vapp-1", kind="vApp")["total"] == 0


def test_rename_and_sections(cloud: Cloud, admin: Caller) -> None:
    do(cloud, admin, "PUT", f"/vApp/{VAPP}", {"name": "web", "description": "Shop"})
    document = admin.json("GET", f"/vApp/{VAPP}")
    assert (document["name"], document["description"]) == ("web", "Shop")
    assert admin.query("name==web", kind="vApp")["total"] == 1
    do(cloud, admin, "PUT", f"/vApp/{VM}/virtualHardwareSection/cpu", {"virtualQuantity": {"value": 4}})
    assert admin.json("GET", f"/vApp/{VM}/virtualHardwareSection/cpu")["virtualQuantity"]["value"] == 4
    assert admin.json("GET", f"/vApp/{VM}/virtualHardwareSection/memory")["virtualQuantity"]["value"] == 2048


def test_disks_and_media(cloud: Cloud, admin: Caller) -> None:
    disk = {"disk": {"href": f"http://elsewhere/api/disk/{DISK}"}, "busNumber": 1, "unitNumber": 3}
    attach, detach = (f"/vApp/{VM}/disk/action/{name}" for name in ("attach", "detach"))

    def named() -> list[Any]:
        section = admin.json("GET", f"/vApp/{VM}")["section"][0]
        return [one for one in section["diskSection"]["diskSettings"] if one["disk"]]

    do(cloud, admin, "POST", attach, disk)
    (setting,) = named()
    assert (setting["busNumber"], setting["unitNumber"], setting["disk"]["name"]) == (1, 3, "data-1")
    assert error_code(admin.call("POST", f"/vApp/{VM_2}/disk/action/attach", disk)) == "INVALID_STATE"
    do(cloud, admin, "POST", detach, disk)
    assert named() == []
    assert error_code(admin.call("POST", detach, disk)) == "INVALID_STATE"
    media = {"media": {"href": f"http://elsewhere/api/media/{MEDIA}"}}
    do(cloud, admin, "POST", f"/vApp/{VM}/media/action/insertMedia", media)
    assert admin.json("GET", f"/vApp/{VM}")["media"]["id"] == f"urn:vcloud:media:{MEDIA}"
    do(cloud, admin, "POST", f"/vApp/{VM}/media/action/ejectMedia", media)
    assert admin.json("GET", f"/vApp/{VM}")["media"] is None
    gone = {"disk": {"href": "http://elsewhere/api/disk/00000000-0000-4000-8000-000000000000"}}
    assert error_code(admin.call("POST", attach, gone)) == "INVALID_REFERENCE"


class TestCreate:
    path = f"/vdc/{VDC}/action/composeVApp"

    def test_the_new_entity_is_there_at_once_and_whole_at_the_end(self, cloud: Cloud, admin: Caller) -> None:
        body = {"name": "shop", "powerOn": True, "createItem": [{"name": "till"}]}
        document = admin.json("POST", self.path, body, status=201)
        assert (document["name"], document["status"]) == ("shop", 0)
        (task,) = document["tasks"]["task"]
        assert task["owner"]["id"] == document["id"]
        assert task["operationName"] == "vdcComposeVapp"
        cloud.wait(10)
        path = document["href"].partition("/api")[2]
        assert admin.json("GET", path)["status"] == 4
        (record,) = admin.query("name==shop", kind="vApp")["record"]
        assert record["href"] == document["href"]

    def test_a_failed_create_leaves_a_wreck(self, cloud: Cloud, admin: Caller) -> None:
        cloud.set("scripts", {"operation": "composeVApp", "script": {"preset": "error"}})
        document = admin.json("POST", self.path, {"name": "shop"}, status=201)
        cloud.wait(10)
        assert admin.json("GET", document["href"].partition("/api")[2])["status"] == -1

    @pytest.mark.parametrize("path", [f"/vApp/{VAPP}", f"/vApp/{VM}", f"/media/{MEDIA}"])
    def test_a_put_takes_away_what_it_leaves_out(self, cloud: Cloud, admin: Caller, path: str) -> None:
        for body, said in (({"name": "n", "description": "d"}, "d"), ({"name": "n"}, "")):
            do(cloud, admin, "PUT", path, body)
            assert (admin.json("GET", path)["description"] or "") == said

    def test_names_are_unique_where_vcd_has_it_so(self, admin: Caller) -> None:
        admin.json("POST", self.path, {"name": "shop"}, status=201)
        answer = admin.call("POST", self.path, {"name": "SHOP"})
        assert (answer.status, error_code(answer)) == (400, "DUPLICATE_NAME")
        for name, status in (("Shop", 400), ("vapp-1", 202)):
            assert admin.call("PUT", f"/vApp/{VAPP}", {"name": name}).status == status
        for _ in range(2):
            admin.json("POST", f"/vdc/{VDC}/disk", {"disk": {"name": "d", "sizeMb": 1}}, status=201)
        assert admin.query("name==d", kind="disk")["total"] == 2

    def test_the_container_is_not_busy_but_the_new_entity_is(self, admin: Caller) -> None:
        first = admin.json("POST", self.path, {"name": "one"}, status=201)
        admin.json("POST", self.path, {"name": "two"}, status=201)
        answer = admin.call("POST", first["href"].partition("/api")[2] + "/power/action/powerOn")
        assert error_code(answer) == "BUSY_ENTITY"

    def test_create_vm_belongs_to_the_new_vapp(self, admin: Caller) -> None:
        task = admin.json("POST", f"/vdc/{VDC}/action/createVm", {"name": "solo"}, status=202)
        assert task["owner"]["type"].startswith("application/vnd.vmware.vcloud.vApp+")

    def test_an_operation_key_shows_on_the_task_only_if_asked_for(self, cloud: Cloud, admin: Caller) -> None:
        """What VCD makes of it is documented nowhere, so nobody may lean on it."""

        def keys() -> list[str | None]:
            image = {"name": "m", "imageType": "iso", "size": 0, "operationKey": "k-1"}
            media = admin.json("POST", f"/vdc/{VDC}/media", image, status=201)
            disk = {"disk": {"name": "d", "sizeMb": 1, "operationKey": "k-2"}}
            disks = admin.json("POST", f"/vdc/{VDC}/disk", disk, status=201)
            return [document["tasks"]["task"][0]["operationKey"] for document in (media, disks)]

        assert keys() == [None, None]
        cloud.set("settings", {"keep_operation_keys": True})
        assert keys() == ["k-1", "k-2"]


class TestBusy:
    def test_the_second_change_is_refused_naming_the_task(self, cloud: Cloud, admin: Caller) -> None:
        task = admin.deploy()
        answer = admin.call("POST", f"/vApp/{VAPP}/action/createSnapshot", {})
        assert (answer.status, error_code(answer)) == (400, "BUSY_ENTITY")
        text = answer.body.decode()
        assert (
            f"The entity Ref: com.vmware.vcloud.entity.vapp:{VAPP[5:]} is busy completing an operation VAPP_DEPLOY. "
            f"VAPP_DEPLOY(com.vmware.vcloud.entity.task:{task})"
        ) in text
        cloud.wait(10)
        assert admin.call("POST", f"/vApp/{VAPP}/action/createSnapshot", {}).status == 202

    def test_the_older_text(self, cloud: Cloud, admin: Caller) -> None:
        cloud.set("settings", {"old_busy_text": True})
        admin.deploy()
        answer = admin.call("POST", f"/vApp/{VAPP}/action/deploy", {})
        assert 'The entity vapp-1 is busy completing an operation."' in answer.body.decode()

    @pytest.mark.parametrize(("first", "second"), [(VAPP, VM), (VM, VAPP)])
    def test_relatives_are_busy_too(self, cloud: Cloud, admin: Caller, first: str, second: str) -> None:
        admin.deploy(first)
        assert error_code(admin.call("POST", f"/vApp/{second}/action/deploy", {})) == "BUSY_ENTITY"
        assert admin.call("POST", f"/vApp/{VAPP_2}/action/deploy", {}).status == 202
        cloud.set("settings", {"busy_parents": False})
        assert admin.call("POST", f"/vApp/{second}/action/deploy", {}).status == 202

    def test_a_canceled_task_lets_go_at_its_end(self, cloud: Cloud, admin: Caller) -> None:
        task = admin.deploy()
        admin.call("POST", f"/task/{task}/action/cancel")
        assert error_code(admin.call("POST", f"/vApp/{VAPP}/action/deploy", {})) == "BUSY_ENTITY"
        cloud.wait(1)
        assert admin.call("POST", f"/vApp/{VAPP}/action/deploy", {}).status == 202

    def test_it_can_be_switched_off(self, cloud: Cloud, admin: Caller) -> None:
        cloud.set("settings", {"busy": False})
        admin.deploy()
        admin.deploy()
