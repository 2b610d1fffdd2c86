"""vApps: made of templates, of other VMs, of nothing; put together anew, copied, moved; their networks and leases."""

from __future__ import annotations

from typing import Any

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import URL, VAPP, VAPP_2, VDC, VM, Caller, Cloud, error_code
from tests.simulator.test_effects import MEDIA, VM_2, do
from tests.simulator.test_machines import section

TEMPLATE = {"href": f"{URL}/api/vAppTemplate/vappTemplate-{well_known_uuid('vAppTemplate', 'acme')}"}
TEMPLATE_VM = {"href": f"{URL}/api/vAppTemplate/vm-{well_known_uuid('vmTemplate', 'acme')}"}
NETWORK = {"href": f"{URL}/api/network/{well_known_uuid('network', 'acme')}"}
NOWHERE = {"href": f"{URL}/api/vApp/vm-00000000-0000-4000-8000-000000000000"}
BRIDGED = {
    "_type": "NetworkConfigSectionType", "networkConfig": [
        {"networkName": "net-1", "configuration": {"parentNetwork": NETWORK, "fenceMode": "bridged"}}],
}  # fmt: skip
SCOPE = {
    "isInherited": False, "gateway": "192.168.7.1", "netmask": "255.255.255.0",
    "ipRanges": {"ipRange": [{"startAddress": "192.168.7.10", "endAddress": "192.168.7.11"}]},
}  # fmt: skip
INNER = {
    "networkName": "inner", "description": "Inside",
    "configuration": {"fenceMode": "isolated", "ipScopes": {"ipScope": [SCOPE]}},
}  # fmt: skip
RECOMPOSE = f"/vApp/{VAPP}/action/recomposeVApp"


def vm_reference(vm: str = VM) -> dict[str, str]:
    return {"href": f"{URL}/api/vApp/{vm}"}


def make(cloud: Cloud, caller: Caller, action: str, body: Any, vdc: str = VDC) -> Any:
    """The new vApp's document after the Task's success; the Task is the vApp's."""
    do(cloud, caller, "POST", f"/vdc/{vdc}/action/{action}", body)
    task = caller.task(cloud.director.ledger.after(0)[-2]["task"])
    document = caller.json("GET", task["owner"]["href"].partition("/api")[2])
    assert document["type"].startswith("application/vnd.vmware.vcloud.vApp+")
    return document


def path(document: Any) -> str:
    return str(document["href"]).partition("/api")[2]


def machines(document: Any) -> list[Any]:
    return list((document["children"] or {"vm": []})["vm"])


def names(caller: Caller, vapp: str = VAPP) -> list[str]:
    return [vm["name"] for vm in machines(caller.json("GET", f"/vApp/{vapp}"))]


def spec(vm: Any) -> Any:
    return section(vm, "VmSpecSection")


def test_composed_of_what_there_is_and_of_what_is_new(cloud: Cloud, admin: Caller) -> None:
    do(cloud, admin, "PUT", f"/vApp/{VM}/virtualHardwareSection/cpu", {"virtualQuantity": 6})
    card = {"networkConnectionIndex": 0, "network": "net-1", "isConnected": True, "ipAddressAllocationMode": "POOL"}
    sourced = {
        "source": vm_reference(), "vmGeneralParams": {"name": "copied"},
        "instantiationParams": {"section": [{"_type": "NetworkConnectionSectionType", "networkConnection": [card]}]},
    }  # fmt: skip
    created = {
        "name": "made", "media": {"href": f"{URL}/api/media/{MEDIA}"},
        "section": [{"_type": "VmSpecSectionType", "numCpus": 2, "memoryResourceMb": {"configured": 1024}}],
    }  # fmt: skip
    document = make(cloud, admin, "composeVApp", {
        "name": "shop", "deploy": False, "instantiationParams": {"section": [BRIDGED]},
        "sourcedItem": [sourced, {"source": TEMPLATE_VM}], "createItem": [created],
    })  # fmt: skip
    assert (document["status"], document["deployed"], document["owner"]["user"]["name"]) == (8, False, "admin")
    copied, of_template, made = machines(document)
    assert (copied["name"], spec(copied)["numCpus"]) == ("copied", 6)
    assert section(copied, "NetworkConnectionSection")["networkConnection"][0]["ipAddress"]
    assert copied["id"] != f"urn:vcloud:vm:{VM[3:]}"
    assert of_template["storageProfile"]["name"] == "gold"
    assert (spec(made)["memoryResourceMb"]["configured"], made["media"]["name"]) == (1024, "tools-iso")
    (network,) = section(document, "NetworkConfigSection")["networkConfig"]
    assert network["configuration"]["ipScopes"]["ipScope"][0]["isInherited"] is True


def test_new_vapps_run_unless_the_body_says_no(cloud: Cloud, admin: Caller) -> None:
    body = {"source": TEMPLATE}
    assert make(cloud, admin, "instantiateVAppTemplate", {"name": "a", **body})["status"] == 4
    still = make(cloud, admin, "instantiateVAppTemplate", {"name": "b", "powerOn": False, **body})
    assert (still["status"], still["deployed"]) == (8, True)
    off = make(cloud, admin, "instantiateVAppTemplate", {"name": "c", "deploy": False, **body})
    assert (off["status"], off["deployed"]) == (8, False)
    empty = make(cloud, admin, "composeVApp", {"name": "d"})
    assert (empty["status"], empty["deployed"]) == (1, False), "what has no VMs is resolved, no more"


def test_instantiated_as_the_parameters_want_it(cloud: Cloud, admin: Caller) -> None:
    guest = {"_type": "GuestCustomizationSectionType", "computerName": "host", "enabled": True}
    items = {
        "item": [{"resourceType": "4", "virtualQuantity": {"value": 512}}, {"resourceType": 3, "virtualQuantity": 3}]
    }
    params = {"section": [guest, {"_type": "VirtualHardwareSectionType", **items}]}
    lease = {"_type": "LeaseSettingsSectionType", "deploymentLeaseInSeconds": 60, "storageLeaseInSeconds": 0}
    document = make(cloud, admin, "instantiateVAppTemplate", {
        "name": "web", "description": "Web", "source": TEMPLATE, "instantiationParams": {"section": [BRIDGED, lease]},
        "sourcedItem": [{"source": TEMPLATE_VM, "vmGeneralParams": {"name": "web-1"}, "instantiationParams": params}],
    })  # fmt: skip
    (vm,) = machines(document)
    assert (vm["name"], spec(vm)["numCpus"], spec(vm)["memoryResourceMb"]["configured"]) == ("web-1", 3, 512)
    assert section(vm, "GuestCustomizationSection")["computerName"] == "host"
    assert section(document, "LeaseSettingsSection")["deploymentLeaseExpiration"]
    assert document["description"] == "Web"


def test_a_failed_create_has_nothing_in_it(cloud: Cloud, admin: Caller) -> None:
    cloud.set("scripts", {"operation": "instantiateVAppTemplate", "script": {"preset": "error"}})
    document = admin.json(
        "POST", f"/vdc/{VDC}/action/instantiateVAppTemplate", {"name": "web", "source": TEMPLATE}, status=201
    )
    cloud.wait(10)
    wreck = admin.json("GET", path(document))
    assert (wreck["status"], machines(wreck)) == (-1, [])


def test_what_does_not_exist_is_no_source(admin: Caller) -> None:
    for action, body in (
        ("composeVApp", {"name": "x", "sourcedItem": [{"source": NOWHERE}]}),
        ("instantiateVAppTemplate", {"name": "x", "source": vm_reference(VAPP)}),
        ("cloneVApp", {"name": "x", "source": TEMPLATE}),
    ):
        answer = admin.call("POST", f"/vdc/{VDC}/action/{action}", body)
        assert (answer.status, error_code(answer)) == (400, "INVALID_REFERENCE")
    assert admin.query("name==x", kind="vApp")["total"] == 0


def test_standalone_machines(cloud: Cloud, admin: Caller) -> None:
    made = make(cloud, admin, "createVm", {
        "name": "solo", "powerOn": True, "createVm": {"name": "solo", "section": [
            {"_type": "VmSpecSectionType", "numCpus": 2, "hardwareVersion": {"content": "vmx-19"}},
            {"_type": "NetworkConnectionSectionType", "networkConnection": [
                {"networkConnectionIndex": 0, "network": "net-1", "isConnected": True,
                 "ipAddressAllocationMode": "POOL"}]}]},
    })  # fmt: skip
    (vm,) = machines(made)
    assert (made["autoNature"], vm["name"], vm["status"], spec(vm)["numCpus"]) == (True, "solo", 4, 2)
    assert section(vm, "NetworkConnectionSection")["networkConnection"][0]["ipAddress"], "it is on the vDC's network"
    item = {"source": TEMPLATE_VM, "vmGeneralParams": {"name": "of-template"}}
    other = make(cloud, admin, "instantiateVmFromTemplate", {"name": "of-template", "sourcedVmTemplateItem": item})
    assert [(vm["name"], vm["status"]) for vm in machines(other)] == [("of-template", 8)]
    do(cloud, admin, "POST", f"{path(made)}/action/convertStandAloneVmToVApp", {"name": "grown"})
    grown = admin.json("GET", path(made))
    assert (grown["autoNature"], grown["name"]) == (False, "grown")


class TestRecompose:
    def test_machines_go_change_and_come(self, cloud: Cloud, admin: Caller) -> None:
        do(cloud, admin, "POST", RECOMPOSE, {"sourcedItem": [{"source": vm_reference(VM_2)}], "powerOn": True})
        assert names(admin) == ["vm-1", "vm-2"]
        document = admin.json("GET", f"/vApp/{VAPP}")
        assert (document["status"], [vm["status"] for vm in machines(document)]) == (10, [8, 4]), (
            "only the new one runs"
        )
        added = machines(document)[1]["href"].rpartition("/")[2]
        running = admin.call("POST", RECOMPOSE, {"deleteItem": [vm_reference(added)]})
        assert error_code(running) == "INVALID_STATE"
        change = {**vm_reference(), "name": "first", "description": "Changed"}
        body = {"name": "shop", "reconfigureItem": [change], "createItem": [{"name": "third"}]}
        do(cloud, admin, "POST", RECOMPOSE, body)
        assert (names(admin), admin.json("GET", f"/vApp/{VAPP}")["name"]) == (["first", "vm-2", "third"], "shop")
        do(cloud, admin, "POST", f"/vApp/{added}/action/undeploy", {})
        do(cloud, admin, "POST", RECOMPOSE, {"deleteItem": [vm_reference(added)]})
        assert names(admin) == ["first", "third"]
        assert admin.call("GET", f"/vApp/{added}").status == 403

    def test_a_source_may_go(self, cloud: Cloud, admin: Caller) -> None:
        do(cloud, admin, "POST", RECOMPOSE, {"sourcedItem": [{"source": vm_reference(VM_2), "sourceDelete": True}]})
        assert (names(admin), names(admin, VAPP_2)) == (["vm-1", "vm-2"], [])
        assert admin.json("GET", f"/vApp/{VAPP_2}")["status"] == 1


def test_copies(cloud: Cloud, admin: Caller) -> None:
    body = {"name": "copy", "deploy": False, "source": {"href": f"{URL}/api/vApp/{VAPP}"}}
    copy = make(cloud, admin, "cloneVApp", body)
    (vm,) = machines(copy)
    original = admin.json("GET", f"/vApp/{VM}")
    assert spec(vm)["numCpus"] == spec(original)["numCpus"]
    cards = [section(one, "NetworkConnectionSection")["networkConnection"][0] for one in (vm, original)]
    assert cards[0]["macAddress"] != cards[1]["macAddress"]
    do(cloud, admin, "POST", f"/vApp/{VAPP}/power/action/powerOn")
    gone = {**body, "name": "moved", "isSourceDelete": True}
    assert error_code(admin.call("POST", f"/vdc/{VDC}/action/cloneVApp", gone)) == "INVALID_STATE"
    do(cloud, admin, "POST", f"/vApp/{VAPP}/action/undeploy", {})
    make(cloud, admin, "cloneVApp", gone)
    assert admin.call("GET", f"/vApp/{VAPP}").status == 403


def test_moving_to_another_vdc_is_the_vapps_task(cloud: Cloud, admin: Caller) -> None:
    cloud.set("entities", {"kind": "vdc", "name": "other", "organization": "acme"})
    vdc = next(one for one in cloud.director.cloud.store.of_kind("vdc") if one.name == "other")
    body = {"source": {"href": f"{URL}/api/vApp/{VAPP}"}}
    do(cloud, admin, "POST", f"/vdc/{vdc.uuid}/action/moveVApp", body)
    document = admin.json("GET", f"/vApp/{VAPP}")
    assert {link["href"] for link in document["link"] if link["rel"] == "up"} == {f"{URL}/api/vdc/{vdc.uuid}"}
    assert document["tasks"]["task"][0]["owner"]["name"] == "vapp-1"
    assert machines(document)[0]["storageProfile"] is None, "that vDC has none"


class TestNetworks:
    def test_a_put_replaces_all_of_them(self, cloud: Cloud, admin: Caller) -> None:
        put = f"/vApp/{VAPP}/networkConfigSection"
        both = {"networkConfig": [*BRIDGED["networkConfig"], INNER]}
        do(cloud, admin, "PUT", put, both)
        scope = admin.json("GET", put)["networkConfig"][1]["configuration"]["ipScopes"]["ipScope"][0]
        assert (scope["isEnabled"], scope["subnetPrefixLength"]) == (True, 24), "what VCD fills in"
        assert [one["name"] for one in admin.json("GET", f"/vApp/{VAPP}/networkSection")["network"]] == [
            "net-1",
            "inner",
        ]
        do(cloud, admin, "PUT", put, {"networkConfig": []})
        assert admin.json("GET", put)["networkConfig"] == []

    def test_a_provider_finds_it_where_queries_say(self, provider: Caller) -> None:
        href = provider.query(kind="adminVAppNetwork")["record"][0]["href"]
        assert provider.json("GET", href.partition("/api")[2])["name"]

    def test_each_has_an_address_of_its_own(self, cloud: Cloud, admin: Caller) -> None:
        do(cloud, admin, "PUT", f"/vApp/{VAPP}/networkConfigSection", {"networkConfig": [INNER]})
        card = {"network": "inner", "isConnected": True, "ipAddressAllocationMode": "POOL"}
        cards = [{"networkConnectionIndex": number, **card} for number in range(3)]
        do(cloud, admin, "PUT", f"/vApp/{VM}/networkConnectionSection", {"networkConnection": cards})
        found = admin.json("GET", f"/vApp/{VM}/networkConnectionSection")["networkConnection"]
        assert [one["ipAddress"] for one in found] == ["192.168.7.10", "192.168.7.11", None], "two are all there are"
        links = admin.json("GET", f"/vApp/{VAPP}")["link"]
        (network,) = {link["href"].partition("/api")[2] for link in links if link["name"] == "inner"}
        taken = admin.json("GET", f"{network}/allocatedAddresses")["ipAddress"]
        assert [one["ipAddress"] for one in taken] == ["192.168.7.10", "192.168.7.11"]
        other = admin.json("GET", f"/vApp/{VAPP_2}")["name"]  # a vApp's name is no network's
        do(cloud, admin, "PUT", network, {"name": other, "description": "Changed", "configuration": {
            "fenceMode": "natRouted", "parentNetwork": NETWORK}})  # fmt: skip
        document = admin.json("GET", network)
        assert (document["description"], document["configuration"]["fenceMode"]) == ("Changed", "natRouted")
        assert cloud.log_in("admin@beta").call("GET", network).status == 403


def test_lease_and_start(cloud: Cloud, admin: Caller) -> None:
    lease = f"/vApp/{VAPP}/leaseSettingsSection"
    do(cloud, admin, "PUT", lease, {"deploymentLeaseInSeconds": 3600, "storageLeaseInSeconds": 7200})
    stored = admin.json("GET", lease)
    assert stored["storageLeaseExpiration"]
    assert stored["deploymentLeaseExpiration"] is None, "nothing runs"
    do(cloud, admin, "POST", f"/vApp/{VAPP}/action/deploy", {"deploymentLeaseSeconds": 60})
    running = admin.json("GET", lease)
    assert (running["deploymentLeaseInSeconds"], running["storageLeaseExpiration"]) == (60, None)
    assert running["deploymentLeaseExpiration"]
    item = {"id": "vm-1", "order": 2, "startAction": "none", "startDelay": 0, "stopAction": "guestShutdown"}
    do(cloud, admin, "PUT", f"/vApp/{VAPP}/startupSection", {"item": [item]})
    (found,) = admin.json("GET", f"/vApp/{VAPP}/startupSection")["item"]
    assert (found["id"], found["order"], found["stopAction"], found["stopDelay"]) == ("vm-1", 2, "guestShutdown", 0)


def test_sizes_of_an_instantiation(cloud: Cloud, admin: Caller) -> None:
    gib = 1024**3
    sizes = {
        "numberOfCpus": 4,
        "coresPerSocket": 2,
        "memorySize": 8192,
        "disk": [{"instanceId": "2000", "size": 64 * gib}],
    }
    params = [{"source": TEMPLATE_VM, "hardwareCustomization": sizes}]
    document = make(cloud, admin, "instantiateVAppTemplate", {
        "name": "sized", "source": TEMPLATE, "sourcedVmInstantiationParams": params,
    })  # fmt: skip
    found = spec(machines(document)[0])
    assert (found["numCpus"], found["numCoresPerSocket"], found["memoryResourceMb"]["configured"]) == (4, 2, 8192)
    assert found["diskSection"]["diskSettings"][0]["sizeMb"] == 64 * 1024
