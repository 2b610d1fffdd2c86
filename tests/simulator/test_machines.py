"""VMs: what their documents say, what lies below them, what changes them, what their state forbids."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import URL, VAPP, VAPP_2, VM, Caller, Cloud, error_code
from tests.simulator.test_effects import DISK, VM_2, do

POWER, ACTION = f"/vApp/{VM}/power/action", f"/vApp/{VM}/action"
HARDWARE = f"/vApp/{VM}/virtualHardwareSection"


def machine(caller: Caller, vm: str = VM) -> Any:
    return caller.json("GET", f"/vApp/{vm}")


def section(document: Any, kind: str) -> Any:
    return next(one for one in document["section"] if one["_type"] == f"{kind}Type")


def rels(document: Any) -> set[str]:
    return {link["rel"] for link in document["link"]}


def message(answer: Any) -> str:
    return str(json.loads(answer.body)["message"])


class TestDocuments:
    def test_the_sections_come_in_vcds_order(self, admin: Caller) -> None:
        assert [one["_type"] for one in machine(admin)["section"]] == [
            "VmSpecSectionType", "VirtualHardwareSectionType", "OperatingSystemSectionType",
            "NetworkConnectionSectionType", "GuestCustomizationSectionType", "RuntimeInfoSectionType",
            "SnapshotSectionType",
        ]  # fmt: skip
        assert [one["_type"] for one in admin.json("GET", f"/vApp/{VAPP}")["section"]] == [
            "LeaseSettingsSectionType", "StartupSectionType", "NetworkSectionType", "NetworkConfigSectionType",
            "SnapshotSectionType",
        ]  # fmt: skip

    def test_items_say_what_they_are_by_their_resource_type(self, admin: Caller) -> None:
        items = section(machine(admin), "VirtualHardwareSection")["item"]
        assert [item["resourceType"]["value"] for item in items] == ["10", "6", "17", "5", "15", "14", "3", "4"]
        by_id = {item["instanceID"]["value"]: item for item in items}
        assert len(by_id) == len(items)
        disk = by_id["2000"]
        assert by_id[disk["parent"]["value"]]["resourceSubType"]["value"] == "VirtualSCSI"

    def test_a_section_below_the_vm_is_that_of_the_document(self, admin: Caller) -> None:
        document = machine(admin)
        for name in ("networkConnectionSection", "guestCustomizationSection", "snapshotSection"):
            alone = admin.json("GET", f"/vApp/{VM}/{name}")
            whole = section(document, name[0].upper() + name[1:])
            assert {key: value for key, value in whole.items() if key != "_type"} == alone
        for name, count in (("disks", 3), ("media", 3), ("networkCards", 1), ("serialPorts", 0)):
            assert len(admin.json("GET", f"{HARDWARE}/{name}")["item"]) == count

    def test_links_are_those_of_the_state(self, cloud: Cloud, admin: Caller) -> None:
        off = rels(machine(admin))
        assert {"power:powerOn", "deploy", "remove", "upgrade", "snapshot:create"} <= off
        assert not {"power:powerOff", "undeploy", "installVmwareTools", "snapshot:removeAll"} & off
        do(cloud, admin, "POST", f"{POWER}/powerOn")
        on = rels(machine(admin))
        assert {"power:powerOff", "power:suspend", "undeploy", "installVmwareTools", "screen:acquireTicket"} <= on
        assert not {"power:powerOn", "deploy", "remove", "upgrade"} & on
        do(cloud, admin, "POST", f"{POWER}/suspend")
        assert {"discardState", "power:powerOn"} <= rels(machine(admin))

    def test_who_may_not_change_it_is_offered_nothing_that_does(self, cloud: Cloud, admin: Caller) -> None:
        user = cloud.log_in("user@acme")
        assert user.call("GET", f"/vApp/{VAPP}").status == 403
        access = {"isSharedToEveryone": True, "everyoneAccessLevel": "ReadOnly"}
        admin.json("POST", f"/vApp/{VAPP}/action/controlAccess", access)
        for entity in (VAPP, VM):
            assert not {"power:powerOn", "edit", "reconfigureVm", "recompose"} & rels(
                user.json("GET", f"/vApp/{entity}")
            )
        assert user.call("POST", f"/vApp/{VAPP}/action/controlAccess", access).status == 403

    def test_vcenter_is_for_system_administrators(self, admin: Caller, provider: Caller) -> None:
        assert "relocate" in rels(machine(provider))
        assert "relocate" not in rels(machine(admin))
        assert machine(admin)["vCloudExtension"] == []
        assert machine(provider)["vCloudExtension"] != []

    def test_the_tpm_shows_since_the_version_that_has_it(self, cloud: Cloud, admin: Caller) -> None:
        do(cloud, admin, "POST", f"{ACTION}/editTrustedPlatformModule", {"tpmPresent": True})
        assert machine(admin)["trustedPlatformModule"]["tpmPresent"] is True
        older = admin.json("GET", f"/vApp/{VM}", accept="application/*+json;version=37.0")
        assert not older.get("trustedPlatformModule")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/vApp/{VM}/question", 403), (f"/vApp/{VM}/startupSection", 404),
        (f"/vApp/{VAPP}/virtualHardwareSection", 404), (f"/vApp/{VM}/owner", 404), (f"/vApp/{VM}/screen", 400),
        (f"/vApp/{VM}/complianceResult", 200),
        (f"/vApp/{VAPP}/owner", 200), (f"/vApp/{VM}/productSections/", 200), (f"/vApp/{VM}/nothing", 404),
    ],
)  # fmt: skip
def test_what_there_is_below(admin: Caller, path: str, status: int) -> None:
    assert admin.call("GET", path).status == status


class TestStates:
    """Refused in VCD's words; not where it is switched off, nor where nobody knows the past."""

    off = 'since VM "vm-1" is not powered on'
    stop = 'could not be executed on VM "vm-1". Stop the VM and try again.'

    @pytest.mark.parametrize("name", ["powerOff", "shutdown", "suspend", "reset", "reboot"])
    def test_what_is_off_is_not_powered_off(self, admin: Caller, name: str) -> None:
        answer = admin.call("POST", f"{POWER}/{name}")
        assert (answer.status, error_code(answer)) == (400, "BAD_REQUEST")
        assert self.off in message(answer)
        assert 'since vApp "vapp-1" is not running' in message(admin.call("POST", f"/vApp/{VAPP}/power/action/{name}"))

    def test_what_is_on_is_neither_powered_on_nor_deleted(self, cloud: Cloud, admin: Caller) -> None:
        do(cloud, admin, "POST", f"{POWER}/powerOn")
        for method, path in (("POST", f"{POWER}/powerOn"), ("DELETE", f"/vApp/{VM}"),
                             ("POST", f"{ACTION}/upgradeHardwareVersion")):  # fmt: skip
            answer = admin.call(method, path)
            assert (answer.status, error_code(answer)) == (400, "INVALID_STATE")
            assert self.stop in message(answer)
        do(cloud, admin, "POST", f"/vApp/{VAPP}/power/action/powerOn")
        assert "Stop the vApp and try again." in message(admin.call("DELETE", f"/vApp/{VAPP}"))
        assert admin.call("DELETE", f"/vApp/{VAPP}?force=true&recursive=true").status == 202

    def test_what_is_neither_deployed_nor_suspended(self, admin: Caller) -> None:
        answer = admin.call("POST", f"/vApp/{VAPP}/action/undeploy", {})
        assert 'since vApp "vapp-1" is not running' in message(answer)
        assert "is not suspended" in message(admin.call("POST", f"{ACTION}/discardSuspendedState"))

    def test_it_can_be_switched_off(self, cloud: Cloud, admin: Caller) -> None:
        cloud.set("settings", {"strict_states": False})
        do(cloud, admin, "POST", f"{POWER}/powerOff")

    def test_entities_made_on_demand_have_no_known_past(self, cloud: Cloud, admin: Caller) -> None:
        cloud.set("settings", {"lenient_entities": True})
        do(cloud, admin, "POST", "/vApp/vm-12345678-0000-4000-8000-000000000000/power/action/powerOff")

    def test_a_refusal_makes_no_task(self, cloud: Cloud, admin: Caller) -> None:
        admin.call("POST", f"{POWER}/powerOff")
        entry = cloud.director.ledger.after(0)[-1]
        assert (entry["task"], entry["effect"]) == (None, False)


class TestVAppsOfSeveral:
    """A vApp's power is that of its VMs, each by its own state."""

    @pytest.fixture
    def second(self, cloud: Cloud, admin: Caller) -> str:
        do(cloud, admin, "POST", f"/vApp/{VAPP}/action/recomposeVApp", {"createItem": [{"name": "second"}]})
        made: str = admin.json("GET", f"/vApp/{VAPP}")["children"]["vm"][1]["href"]
        return made.rpartition("/")[2]

    def states(self, caller: Caller) -> list[tuple[int, bool]]:
        document = caller.json("GET", f"/vApp/{VAPP}")
        return [(one["status"], one["deployed"]) for one in (document, *document["children"]["vm"])]

    def test_what_is_off_stays_as_it_is(self, cloud: Cloud, admin: Caller, second: str) -> None:
        do(cloud, admin, "POST", f"{POWER}/powerOn")
        assert self.states(admin) == [(10, True), (4, True), (8, False)]
        do(cloud, admin, "POST", f"/vApp/{VAPP}/power/action/suspend")
        assert self.states(admin) == [(10, True), (3, True), (8, False)]
        do(cloud, admin, "POST", f"/vApp/{VAPP}/power/action/powerOn")
        assert self.states(admin) == [(4, True), (4, True), (4, True)]
        do(cloud, admin, "POST", f"/vApp/{second}/action/undeploy", {})
        do(cloud, admin, "POST", f"/vApp/{VAPP}/action/deploy", {"powerOn": False})
        assert self.states(admin) == [(10, True), (4, True), (8, True)]
        do(cloud, admin, "POST", f"/vApp/{VAPP}/action/undeploy", {"undeployPowerAction": "suspend"})
        assert self.states(admin) == [(10, False), (3, False), (8, False)]

    def test_the_startup_section_is_heeded(self, cloud: Cloud, admin: Caller, second: str) -> None:
        item = {"id": "second", "order": 1, "startAction": "none"}
        do(cloud, admin, "PUT", f"/vApp/{VAPP}/startupSection", {"item": [item]})
        do(cloud, admin, "POST", f"/vApp/{VAPP}/action/deploy", {})
        assert self.states(admin) == [(10, True), (4, True), (8, True)]
        do(cloud, admin, "POST", f"/vApp/{second}/power/action/powerOn")
        assert self.states(admin)[2] == (4, True), "by itself it starts"


class TestHardware:
    def test_a_running_vm_takes_more_only_where_that_was_allowed(self, cloud: Cloud, admin: Caller) -> None:
        do(cloud, admin, "PUT", f"/vApp/{VM}/vmCapabilities", {"cpuHotAddEnabled": True})
        do(cloud, admin, "POST", f"{POWER}/powerOn")
        do(cloud, admin, "PUT", f"{HARDWARE}/cpu", {"virtualQuantity": 4})
        assert error_code(admin.call("PUT", f"{HARDWARE}/cpu", {"virtualQuantity": 2})) == "INVALID_STATE"
        assert error_code(admin.call("PUT", f"{HARDWARE}/memory", {"virtualQuantity": 4096})) == "INVALID_STATE"
        hardware = admin.json("GET", HARDWARE)
        processor, memory = (
            next(one for one in hardware["item"] if one["resourceType"]["value"] == kind) for kind in ("3", "4")
        )
        spec: dict[str, Any] = {"_type": "VmSpecSectionType", "modified": True}
        for item, other in ((processor, {"numCpus": 2}), (memory, {"memoryResourceMb": {"configured": 4096}})):
            before = item["virtualQuantity"]
            item["virtualQuantity"] = {"value": 2 if item is processor else 4096}
            for method, path, body in (
                ("PUT", HARDWARE, hardware),
                ("POST", f"{ACTION}/reconfigureVm", {"section": [{**hardware, "_type": "VirtualHardwareSectionType"}]}),
                ("POST", f"{ACTION}/reconfigureVm", {"section": [{**spec, **other}]}),
                ("PUT", f"/vApp/{VM}", {"section": [{**spec, **other}]}),
            ):
                assert error_code(admin.call(method, path, body)) == "INVALID_STATE", (method, path)
            item["virtualQuantity"] = before
        do(cloud, admin, "PUT", HARDWARE, hardware)
        do(cloud, admin, "POST", f"{ACTION}/reconfigureVm", {"section": [{**spec, "numCpus": 8}]})
        assert section(machine(admin), "VmSpecSection")["numCpus"] == 8

    def test_the_spec_section_changes_all_of_it(self, cloud: Cloud, admin: Caller) -> None:
        spec = {
            "_type": "VmSpecSectionType", "modified": True, "osType": "rhel8_64Guest", "numCpus": 8,
            "numCoresPerSocket": 4, "memoryResourceMb": {"configured": 16384}, "hardwareVersion": {"content": "vmx-20"},
            "diskSection": {"diskSettings": [
                {"diskId": "2000", "sizeMb": 32768},
                {"sizeMb": 1024, "unitNumber": 0, "busNumber": 1, "adapterType": "3", "thinProvisioned": True},
            ]},
        }  # fmt: skip
        body = {"name": "big", "description": "Much", "section": [spec]}
        do(cloud, admin, "POST", f"{ACTION}/reconfigureVm", body)
        document = machine(admin)
        found = section(document, "VmSpecSection")
        assert (document["name"], document["description"], found["modified"]) == ("big", "Much", False)
        assert (found["osType"], found["numCpus"], found["numCoresPerSocket"]) == ("rhel8_64Guest", 8, 4)
        assert (found["memoryResourceMb"]["configured"], found["hardwareVersion"]["content"]) == (16384, "vmx-20")
        assert [(one["diskId"], one["sizeMb"], one["busNumber"]) for one in found["diskSection"]["diskSettings"]] == [
            ("2000", 32768, 0), ("2001", 1024, 1),
        ]  # fmt: skip
        assert section(document, "OperatingSystemSection")["description"]["value"].startswith("Red Hat")
        lone = {"section": [{**spec, "modified": False, "numCpus": 1}]}
        do(cloud, admin, "POST", f"{ACTION}/reconfigureVm", {"name": "big", **lone})
        assert section(machine(admin), "VmSpecSection")["numCpus"] == 8, "what is not modified is not read"

    def test_a_section_that_is_put_replaces_the_one_before(self, cloud: Cloud, admin: Caller) -> None:
        path = f"/vApp/{VM}/guestCustomizationSection"
        for body in ({"enabled": True, "customizationScript": "echo"}, {"enabled": True}):
            do(cloud, admin, "PUT", path, body)
            assert admin.json("GET", path)["customizationScript"] == body.get("customizationScript")

    def test_an_update_needs_no_hardware_version(self, cloud: Cloud, admin: Caller) -> None:
        """The schema requires one; its own text says that an update may leave it out."""
        sent = (
            b'<Vm xmlns="http://www.vmware.com/vcloud/v1.5" '
            b'xmlns:o="http://schemas.dmtf.org/ovf/envelope/1" name="big">'
            b'<VmSpecSection Modified="true"><o:Info>Spec</o:Info><NumCpus>2</NumCpus></VmSpecSection></Vm>'
        )
        answer = admin.call("POST", f"{ACTION}/reconfigureVm", sent, **{"content-type": "application/*+xml"})
        assert answer.status == 202, answer.body
        cloud.wait(10)
        assert section(machine(admin), "VmSpecSection")["numCpus"] == 2

    def test_disks_as_items(self, cloud: Cloud, admin: Caller) -> None:
        attach = {"disk": {"href": f"{URL}/api/disk/{DISK}"}}
        do(cloud, admin, "POST", f"/vApp/{VM}/disk/action/attach", attach)
        items = admin.json("GET", f"{HARDWARE}/disks")["item"]
        namespace = "{http://www.vmware.com/vcloud/v1.5}"
        backing = {f"{namespace}capacity": "2048", f"{namespace}busSubType": "lsilogic"}
        new = {
            "instanceID": {"value": "2005"}, "resourceType": {"value": "17"}, "addressOnParent": {"value": "3"},
            "hostResource": [{"otherAttributes": backing}],
        }  # fmt: skip
        kept = [item for item in items if item["instanceID"]["value"] != "2000"]
        do(cloud, admin, "PUT", f"{HARDWARE}/disks", {"item": [*kept, new]})
        settings = section(machine(admin), "VmSpecSection")["diskSection"]["diskSettings"]
        assert [(one["diskId"], one["sizeMb"], one["adapterType"]) for one in settings] == [
            ("2001", 1024, "3"), ("2005", 2048, "3"),
        ], "a named disk stays attached, another that is left out is gone"  # fmt: skip

    def test_cards_have_addresses_of_their_network(self, cloud: Cloud, admin: Caller) -> None:
        def card(index: int, **fields: Any) -> dict[str, Any]:
            return {"networkConnectionIndex": index, "network": "net-1", "isConnected": True, **fields}

        path = "networkConnectionSection"
        pool = {"networkConnection": [card(0, ipAddressAllocationMode="POOL"), card(1, ipAddressAllocationMode="POOL")]}
        do(cloud, admin, "PUT", f"/vApp/{VM}/{path}", {**pool, "primaryNetworkConnectionIndex": 1})
        do(cloud, admin, "PUT", f"/vApp/{VM_2}/{path}", pool)
        found = [admin.json("GET", f"/vApp/{vm}/{path}") for vm in (VM, VM_2)]
        cards = [one for document in found for one in document["networkConnection"]]
        assert len({one["ipAddress"] for one in cards}) == len({one["macAddress"] for one in cards}) == 4
        assert found[0]["primaryNetworkConnectionIndex"] == 1
        manual = card(0, ipAddressAllocationMode="MANUAL", ipAddress="10.0.0.9", macAddress="00:50:56:11:22:33")
        do(cloud, admin, "PUT", f"/vApp/{VM}/{path}", {"networkConnection": [manual]})
        (only,) = admin.json("GET", f"/vApp/{VM}/{path}")["networkConnection"]
        assert (only["ipAddress"], only["macAddress"]) == ("10.0.0.9", "00:50:56:11:22:33")
        (item,) = admin.json("GET", f"{HARDWARE}/networkCards")["item"]
        assert item["address"]["value"] == "00:50:56:11:22:33"

    def test_dhcp_has_given_an_address_while_the_vm_runs(self, cloud: Cloud, admin: Caller) -> None:
        def address() -> Any:
            return section(machine(admin), "NetworkConnectionSection")["networkConnection"][0]["ipAddress"]

        assert address() is None
        do(cloud, admin, "POST", f"{POWER}/powerOn")
        assert address()

    def test_a_revert_brings_the_hardware_back(self, cloud: Cloud, admin: Caller) -> None:
        before = machine(admin)
        do(cloud, admin, "POST", f"{ACTION}/createSnapshot", {"name": "s"})
        do(cloud, admin, "PUT", f"{HARDWARE}/memory", {"virtualQuantity": 512})
        do(cloud, admin, "PUT", f"/vApp/{VM}/networkConnectionSection", {"networkConnection": []})
        assert section(machine(admin), "NetworkConnectionSection")["networkConnection"] == []
        do(cloud, admin, "POST", f"{ACTION}/revertToCurrentSnapshot")
        after = machine(admin)
        for kind in ("VmSpecSection", "NetworkConnectionSection"):
            assert section(after, kind) == section(before, kind)
        assert section(after, "SnapshotSection")["snapshot"]["size"] == 16 * 1024 * 1024 * 1024


def test_owner_and_sharing(cloud: Cloud, admin: Caller) -> None:
    user = f"{URL}/api/admin/user/{well_known_uuid('user', 'acme', 2)}"
    assert admin.call("PUT", f"/vApp/{VAPP}/owner", {"user": {"href": user}}).status == 204
    assert admin.json("GET", f"/vApp/{VAPP}/owner")["user"]["name"] == "user"
    assert cloud.log_in("user@acme").call("GET", f"/vApp/{VM}").status == 200
    own = cloud.log_in("user@acme").call("PUT", f"/vApp/{VAPP}/owner", {"user": {"href": user}})
    assert own.status == 403, "an owner does not give away what he has"
    stranger = f"{URL}/api/admin/user/{well_known_uuid('user', 'beta')}"
    assert error_code(admin.call("PUT", f"/vApp/{VAPP}/owner", {"user": {"href": stranger}})) == "INVALID_REFERENCE"
    assert cloud.director.ledger.after(0)[-1]["effect"] is False
    body = {"isSharedToEveryone": False, "accessSettings": {"accessSetting": [
        {"subject": {"href": user}, "accessLevel": "Change"}]}}  # fmt: skip
    shared = admin.json("POST", f"/vApp/{VAPP_2}/action/controlAccess", body)
    assert shared["accessSettings"]["accessSetting"][0]["subject"]["name"] == "user"
    assert cloud.log_in("user@acme").call("POST", f"/vApp/{VAPP_2}/power/action/powerOn").status == 202
    assert admin.json("GET", f"/vApp/{VAPP_2}/controlAccess/") == shared
    body["accessSettings"]["accessSetting"][0]["accessLevel"] = "Everything"  # type: ignore[index]
    assert admin.call("POST", f"/vApp/{VAPP_2}/action/controlAccess", body).status == 400


WRITABLE = (
    *((VM, tail) for tail in (
        "", "/networkConnectionSection", "/guestCustomizationSection", "/operatingSystemSection",
        "/virtualHardwareSection", "/virtualHardwareSection/cpu", "/virtualHardwareSection/memory",
        "/virtualHardwareSection/disks",
        "/virtualHardwareSection/media", "/virtualHardwareSection/networkCards", "/virtualHardwareSection/serialPorts",
        "/vmCapabilities", "/productSections")),
    *((VAPP, tail) for tail in (
        "", "/networkConfigSection", "/leaseSettingsSection", "/startupSection", "/productSections")),
)  # fmt: skip


@pytest.mark.parametrize("form", ["json", "xml"])
def test_what_is_read_is_written_back_without_a_change(cloud: Cloud, admin: Caller, form: str) -> None:
    """As clients do it: read the whole, change a part, write the whole. Here nothing is changed, so nothing is."""
    cloud.set("settings", {"recent_task_seconds": 0})
    attach = {"disk": {"href": f"{URL}/api/disk/{DISK}"}}
    do(cloud, admin, "POST", f"/vApp/{VM}/disk/action/attach", attach)
    media = {"media": {"href": f"{URL}/api/media/{well_known_uuid('media', 'acme')}"}}
    do(cloud, admin, "POST", f"/vApp/{VM}/media/action/insertMedia", media)
    cloud.wait(1)
    accept = f"application/*+{form};version=39.0"
    before = admin.json("GET", f"/vApp/{VAPP}")
    for entity, tail in WRITABLE:
        read = admin.call("GET", f"/vApp/{entity}{tail}", accept=accept)
        kind = str(read.content_type)
        written = admin.call("PUT", f"/vApp/{entity}{tail}", read.body, accept=accept, **{"content-type": kind})
        assert written.status == 202, (tail, written.body)
        cloud.wait(11)
        assert admin.json("GET", f"/vApp/{VAPP}") == before, tail
    whole = admin.call("GET", f"/vApp/{VM}", accept=accept)
    kind = str(whole.content_type)
    assert admin.call("POST", f"{ACTION}/reconfigureVm", whole.body, **{"content-type": kind}).status == 202
    cloud.wait(11)
    assert admin.json("GET", f"/vApp/{VAPP}") == before


def test_product_sections_are_there_twice(cloud: Cloud, admin: Caller) -> None:
    """In a list of their own and in the document."""
    product = {"info": {"value": "Of the guest"}, "property": [{"key": "color", "type": "string", "value": "blue"}]}
    for entity in (VM, VAPP):
        do(cloud, admin, "PUT", f"/vApp/{entity}/productSections", {"productSection": [product]})
        (listed,) = admin.json("GET", f"/vApp/{entity}/productSections")["productSection"]
        shown = section(machine(admin, entity), "ProductSection")
        assert shown["property"][0]["key"] == listed["property"][0]["key"] == "color"
