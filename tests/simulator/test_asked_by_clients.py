"""What clients of real servers ask for beside what is documented: mostly met with go-vcloud-director."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest

from bridge.simulator.calls.estate.lists import product
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import ACME, BETA, URL, VAPP, VAPP_2, VDC, VERSION, VM, Caller, Cloud
from tests.simulator.test_effects import do

NS = "http://www.vmware.com/vcloud/v1.5"
OVF = "http://schemas.dmtf.org/ovf/envelope/1"


def xml(root: str, inside: str) -> bytes:
    return f'<{root} xmlns="{NS}" xmlns:ovf="{OVF}" name="vm-1">{inside}</{root}>'.encode()


def send(cloud: Cloud, caller: Caller, method: str, path: str, body: bytes, stem: str) -> None:
    """An operation with a body in XML, carried through to its success."""
    answer = caller.call(method, path, body, content_type=f"application/vnd.vmware.vcloud.{stem}+xml")
    assert answer.status == 202, answer.body
    cloud.wait(10)
    assert caller.task(cloud.director.ledger.after(0)[-1]["task"])["status"] == "success"


def read(caller: Caller, path: str) -> bytes:
    return caller.call("GET", path, accept=f"application/*+xml;version={VERSION}").body


def test_the_product_is_that_of_the_newest_api_version(provider: Caller) -> None:
    """The version, then a time that a general parser of times takes."""
    assert re.fullmatch(
        r"10\.6\.1\.\d+ \w{3} \w{3} \d\d \d\d:\d\d:\d\d UTC \d{4}", provider.json("GET", "/admin")["description"]
    )
    assert [product(one).split()[0].rpartition(".")[0] for one in (("37.1", "36.3"), ("39.0",), ("5.5",))] == [
        "10.4.1", "10.6.0", "9.7.0",
    ]  # fmt: skip


def test_a_quantity_may_stand_before_its_unit(cloud: Cloud, admin: Caller) -> None:
    settings = (
        "<DiskSettings><DiskId>2000</DiskId><SizeMb>20480</SizeMb><UnitNumber>0</UnitNumber><BusNumber>0</BusNumber>"
        "<AdapterType>5</AdapterType><ThinProvisioned>true</ThinProvisioned><overrideVmDefault>false</overrideVmDefault>"
        "<VirtualQuantity>21474836480</VirtualQuantity><VirtualQuantityUnit>byte</VirtualQuantityUnit></DiskSettings>"
    )
    inside = f"<DiskSection>{settings}</DiskSection><HardwareVersion>vmx-19</HardwareVersion>"
    spec = f'<VmSpecSection Modified="true"><ovf:Info>i</ovf:Info>{inside}</VmSpecSection>'
    send(cloud, admin, "POST", f"/vApp/{VM}/action/reconfigureVm", xml("Vm", spec), "vm")
    found = next(one for one in admin.json("GET", f"/vApp/{VM}")["section"] if one["_type"] == "VmSpecSectionType")
    assert [one["sizeMb"] for one in found["diskSection"]["diskSettings"]] == [20480]


def test_hardware_items_can_be_put_back_as_text_that_was_read(cloud: Cloud, admin: Caller) -> None:
    """Clients declare again what is declared at the root of an answer: ovf, rasd, vssd, vmw, ns2 to ns5."""
    text = read(admin, f"/vApp/{VM}/virtualHardwareSection").decode()
    items = "".join(re.findall(r"<ovf:Item>.*?</ovf:Item>", text, re.DOTALL))
    declared = " ".join(f'xmlns:ns{number}="{NS}"' for number in range(2, 6))
    names = {"rasd": "CIM_ResourceAllocationSettingData", "vssd": "CIM_VirtualSystemSettingData"}
    cim = " ".join(
        f'xmlns:{key}="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/{one}"' for key, one in names.items()
    )
    body = (
        f'<ovf:VirtualHardwareSection xmlns="{NS}" xmlns:ovf="{OVF}" {declared} {cim} '
        f'xmlns:vmw="http://www.vmware.com/schema/ovf" type="application/xml"><ovf:Info>i</ovf:Info>{items}'
        '<vmw:ExtraConfig ovf:required="false" vmw:key="a.b" vmw:value="c"/></ovf:VirtualHardwareSection>'
    )
    send(cloud, admin, "PUT", f"/vApp/{VM}/virtualHardwareSection/", body.encode(), "virtualHardwareSection")
    written = ElementTree.fromstring(read(admin, f"/vApp/{VM}/virtualHardwareSection"))
    extra = [one.attrib for one in written.iter("{http://www.vmware.com/schema/ovf}ExtraConfig")]
    assert [set(one.values()) for one in extra] == [{"false", "nvram", "machine.nvram"}, {"false", "a.b", "c"}]


def test_a_copy_is_named_as_its_source_is_referred_to(cloud: Cloud, admin: Caller) -> None:
    """A recomposition that takes one VM names the new one there (go-vcloud-director vapp.go)."""
    source = {"href": f"{URL}/api/vApp/{VM}", "name": "added"}
    do(cloud, admin, "POST", f"/vApp/{VAPP_2}/action/recomposeVApp", {"sourcedItem": [{"source": source}]})
    general = {"vmGeneralParams": {"name": "named"}, "source": source}
    do(cloud, admin, "POST", f"/vApp/{VAPP_2}/action/recomposeVApp", {"sourcedItem": [general]})
    names = {one["name"] for one in admin.json("GET", f"/vApp/{VAPP_2}")["children"]["vm"]}
    assert {"added", "named"} <= names


def test_a_network_of_a_vapp_is_deleted_by_its_own_address(cloud: Cloud, admin: Caller) -> None:
    (network,) = admin.json("GET", f"/vApp/{VAPP}/networkConfigSection")["networkConfig"]
    path = next(one["href"] for one in network["link"] if one["rel"] == "repair").partition("/admin/network/")[2]
    task = json.loads(do(cloud, admin, "DELETE", f"/network/{path.partition('/')[0]}").body)
    assert task["owner"]["name"] == "vapp-1"
    assert admin.json("GET", f"/vApp/{VAPP}/networkConfigSection")["networkConfig"] == []


def test_hardware_versions_of_a_vdc(admin: Caller) -> None:
    names = [one["name"] for one in admin.json("GET", f"/vdc/{VDC}/hwv")["supportedHardwareVersion"]]
    assert (names[0], names[-1]) == ("vmx-04", "vmx-21")
    found: Any = {}
    for name in names:
        found = admin.json("GET", f"/vdc/{VDC}/hwv/{name}")
        assert admin.call("GET", f"/vdc/{VDC}/hwv/{name}", accept=f"application/*+xml;version={VERSION}").status == 200
    families = found["supportedOperatingSystems"]["operatingSystemFamilyInfo"]
    assert [one["name"] for one in families] == ["Linux", "Microsoft Windows", "Other"]
    assert (found["maxCPUs"], found["supportedCoresPerSocket"][-1], len(found["hardDiskAdapter"])) == (768, 256, 7)
    assert admin.call("GET", f"/vdc/{VDC}/hwv/vmx-99").status == 403


class TestCloudApi:
    accept = f"application/json;version={VERSION}"

    def json(self, caller: Caller, method: str, path: str, body: Any = None, **more: Any) -> Any:
        return caller.json(method, f"/cloudapi/1.0.0/{path}", body, accept=self.accept, **more)

    @pytest.mark.parametrize("name", ["orgs", "vdcs", "users", "roles", "rights"])
    def test_lists_have_what_is_seen(self, admin: Caller, provider: Caller, name: str) -> None:
        for caller in (admin, provider):
            values = self.json(caller, "GET", f"{name}?pageSize=128")["values"]
            assert values
            assert self.json(caller, "GET", f"{name}/{values[-1]['id']}") == values[-1]
        seen = [one for one in self.json(admin, "GET", f"{name}?pageSize=128")["values"] if "beta" in str(one)]
        assert seen == []

    def test_nobody_sees_what_is_hidden(self, admin: Caller) -> None:
        answer = admin.call("GET", f"/cloudapi/1.0.0/orgs/urn:vcloud:org:{BETA}", accept=self.accept)
        assert answer.status == 403

    def test_the_context_of_a_tenant_counts(self, provider: Caller) -> None:
        names = [
            one["username"]
            for one in self.json(provider, "GET", "users", x_vmware_vcloud_tenant_context=ACME)["values"]
        ]
        assert "admin" in names
        assert "administrator" not in names

    def test_capabilities_of_a_vdc(self, admin: Caller) -> None:
        found = self.json(admin, "GET", f"vdcs/urn:vcloud:vdc:{VDC}/capabilities?filter=name==networkProvider")
        assert [one["value"] for one in found["values"]] == ["NSX_V"]

    def test_the_life_of_a_role(self, admin: Caller) -> None:
        role = self.json(admin, "POST", "roles", {"name": "operators", "description": "d"}, status=201)
        rights = self.json(admin, "GET", "rights")["values"]
        first, second = ({"values": [{"id": one["id"], "name": one["name"]}]} for one in rights[:2])
        path = f"roles/{role['id']}"
        assert self.json(admin, "POST", f"{path}/rights", first)["resultTotal"] == 1
        assert self.json(admin, "POST", f"{path}/rights", second)["resultTotal"] == 2
        assert self.json(admin, "PUT", f"{path}/rights", second)["resultTotal"] == 1
        assert self.json(admin, "GET", f"{path}/rights")["values"] == [rights[1]]
        assert self.json(admin, "PUT", path, {"name": "others"})["name"] == "others"
        assert self.json(admin, "GET", "roles?filter=name==others")["resultTotal"] == 1
        self.json(admin, "DELETE", path, status=204)
        assert admin.call("GET", f"/cloudapi/1.0.0/{path}", accept=self.accept).status == 403

    def test_predefined_roles_are_not_an_organizations_to_change(self, cloud: Cloud, admin: Caller) -> None:
        (role,) = self.json(admin, "GET", "roles?filter=name==vApp%20User")["values"]
        assert role["readOnly"] is True
        path = f"/cloudapi/1.0.0/roles/{role['id']}"
        assert admin.call("DELETE", path, accept=self.accept).status == 403
        user = cloud.log_in("user@acme")
        assert user.call("POST", "/cloudapi/1.0.0/roles", {"name": "x"}, accept=self.accept).status == 403
        assert admin.call("POST", "/cloudapi/1.0.0/roles", {"name": "vApp User"}, accept=self.accept).status == 400


class TestPeople:
    body: ClassVar[Any] = {"role": {"href": f"{URL}/api/admin/role/{well_known_uuid('role', 'acme', 4)}"}}

    def make(self, admin: Caller) -> str:
        body = {**self.body, "name": "person", "password": "first-secret", "isEnabled": True}
        return str(admin.json("POST", f"/admin/org/{ACME}/users", body, status=201)["id"])[-36:]

    def test_who_is_not_said_to_be_enabled_is_not(self, cloud: Cloud, admin: Caller) -> None:
        """A PUT replaces; clients that leave the flag out to disable somebody are many."""
        user = self.make(admin)
        assert admin.json("GET", f"/admin/user/{user}")["isEnabled"] is True
        assert admin.json("PUT", f"/admin/user/{user}", {**self.body, "name": "person"})["isEnabled"] is False
        basic = base64.b64encode(b"person@acme:first-secret").decode()
        accept = f"application/json;version={VERSION}"
        answer = cloud.raw("POST", "/cloudapi/1.0.0/sessions", authorization=f"Basic {basic}", accept=accept)
        assert answer.status == 401

    def test_what_somebody_owned_can_be_taken(self, admin: Caller) -> None:
        user = self.make(admin)
        path = f"/vApp/{VAPP}/owner"
        admin.json("PUT", path, {"user": {"href": f"{URL}/api/admin/user/{user}"}}, status=204)
        admin.json("POST", f"/admin/user/{user}/action/takeOwnership", status=204)
        assert admin.json("GET", path)["user"]["name"] == "admin"


def test_networks_of_vapps_can_be_asked_for_by_what_they_are_linked_to(admin: Caller) -> None:
    assert [one["isLinked"] for one in admin.query("isLinked==true;vAppName==vapp-1", "vAppNetwork")["record"]] == [
        True
    ]
    assert admin.query("isLinked==false", "vAppNetwork")["total"] == 0


def test_a_network_behind_another_has_a_firewall(cloud: Cloud, admin: Caller) -> None:
    parent = {"href": f"{URL}/api/network/{well_known_uuid('network', 'acme')}"}
    config = {"networkName": "inner", "configuration": {"parentNetwork": parent, "fenceMode": "natRouted"}}
    do(cloud, admin, "PUT", f"/vApp/{VAPP}/networkConfigSection", {"info": {}, "networkConfig": [config]})
    (network,) = admin.json("GET", f"/vApp/{VAPP}/networkConfigSection")["networkConfig"]
    services = network["configuration"]["features"]["networkService"]
    assert [one["_type"] for one in services] == ["FirewallServiceType"]


def test_an_organization_tells_where_its_associations_are(admin: Caller) -> None:
    links = admin.json("GET", f"/admin/org/{ACME}")["link"]
    (href,) = {one["href"] for one in links if "organizationAssociations" in str(one["type"])}
    assert "orgAssociationMember" in admin.json("GET", href.removeprefix(f"{URL}/api"))


def test_an_external_network_is_made_by_a_task_inside_it(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    body = {"name": "outside", "configuration": {"fenceMode": "isolated"}}
    assert admin.call("POST", "/admin/extension/externalnets", body).status == 403
    made = provider.json("POST", "/admin/extension/externalnets", body, status=201)
    (task,) = made["tasks"]["task"]
    assert (task["owner"]["name"], task["endTime"]) == ("outside", None)
    cloud.wait(10)
    found = provider.json("GET", f"/admin/extension/externalnet/{made['id'][-36:]}")
    assert found["configuration"]["fenceMode"] == "isolated"
    assert provider.call("POST", "/admin/extension/externalnets", body).status == 400, "the name is taken"


def test_a_provider_vdc_is_renamed(admin: Caller, provider: Caller) -> None:
    path = f"/admin/extension/providervdc/{well_known_uuid('providervdc', 'System')}"
    document = provider.json("GET", path)
    changed = provider.json("PUT", path, {**document, "name": "renamed", "description": "d"})
    assert (changed["name"], changed["description"]) == ("renamed", "d")
    assert provider.json("GET", path)["name"] == "renamed"
    assert admin.call("PUT", path, document).status == 403


def test_a_standalone_machine_is_described_and_takes_its_vapp_with_it(cloud: Cloud, admin: Caller) -> None:
    def vapps() -> int:
        held = admin.json("GET", f"/vdc/{VDC}")["resourceEntities"]["resourceEntity"]
        return sum(".vApp+" in one["type"] for one in held)

    before = vapps()
    body = {"name": "alone", "description": "d", "createVm": {"name": "alone"}}
    do(cloud, admin, "POST", f"/vdc/{VDC}/action/createVm", body)
    (record,) = admin.query("name==alone", "vm")["record"]
    path = record["href"].removeprefix(f"{URL}/api")
    assert admin.json("GET", path)["description"] == "d"
    assert vapps() == before + 1
    do(cloud, admin, "DELETE", path)
    assert vapps() == before


def test_a_drive_with_a_media_in_it_says_so(cloud: Cloud, admin: Caller) -> None:
    def kinds() -> list[str]:
        items = admin.json("GET", f"/vApp/{VM}/virtualHardwareSection/media")["item"]
        return [one["resourceSubType"]["value"] for one in items if one["resourceSubType"] is not None]

    media = {"media": {"href": f"{URL}/api/media/{well_known_uuid('media', 'acme')}"}}
    assert "vmware.cdrom.iso" not in kinds()
    do(cloud, admin, "POST", f"/vApp/{VM}/media/action/insertMedia", media)
    assert "vmware.cdrom.iso" in kinds()
    do(cloud, admin, "POST", f"/vApp/{VM}/media/action/ejectMedia", media)
    assert "vmware.cdrom.iso" not in kinds()


def test_a_machine_from_a_template_waits_for_its_customization(cloud: Cloud, admin: Caller) -> None:
    template = {"href": f"{URL}/api/vAppTemplate/vappTemplate-{well_known_uuid('vAppTemplate', 'acme')}"}
    body = {"name": "made", "deploy": False, "powerOn": False, "source": template}
    do(cloud, admin, "POST", f"/vdc/{VDC}/action/instantiateVAppTemplate", body)
    (record,) = admin.query("containerName==made", "vm")["record"]
    path = record["href"].removeprefix(f"{URL}/api")
    assert admin.json("GET", f"{path}/guestcustomizationstatus")["guestCustStatus"] == "GC_PENDING"
    do(cloud, admin, "POST", f"{path}/power/action/powerOn")
    assert admin.json("GET", f"{path}/guestcustomizationstatus")["guestCustStatus"] == "GC_COMPLETE"


def test_what_is_deployed_but_powered_off_is_deleted(cloud: Cloud, admin: Caller) -> None:
    do(cloud, admin, "POST", f"/vApp/{VAPP}/action/deploy", {"powerOn": True})
    assert admin.call("DELETE", f"/vApp/{VAPP}").status == 400
    do(cloud, admin, "POST", f"/vApp/{VAPP}/power/action/powerOff")
    assert admin.json("GET", f"/vApp/{VAPP}")["deployed"] is True
    do(cloud, admin, "DELETE", f"/vApp/{VAPP}")


def test_firmware_and_boot_options_are_kept(cloud: Cloud, admin: Caller) -> None:
    options = {"bootDelay": 10, "efiSecureBootEnabled": True, "bootRetryEnabled": True, "bootRetryDelay": 1}
    spec = {"_type": "VmSpecSectionType", "modified": True, "info": {}, "firmware": "efi", "hardwareVersion": {}}
    body = {"name": "vm-1", "section": [spec], "bootOptions": options}
    do(cloud, admin, "POST", f"/vApp/{VM}/action/reconfigureVm", body)
    found = admin.json("GET", f"/vApp/{VM}")
    assert {key: found["bootOptions"][key] for key in options} == options
    assert next(one["firmware"] for one in found["section"] if one["_type"] == "VmSpecSectionType") == "efi"
