"""pyvcloud's VDC, PVDC and Platform."""

from __future__ import annotations

import pytest
from pyvcloud.vcd.client import Client, EntityType
from pyvcloud.vcd.exceptions import EntityNotFoundException, OperationNotSupportedException
from pyvcloud.vcd.org import Org
from pyvcloud.vcd.platform import Platform
from pyvcloud.vcd.pvdc import PVDC
from pyvcloud.vcd.system import System
from pyvcloud.vcd.vdc import VDC

from tests.fidelity.pyvcloud.conftest import POLL_SECONDS


def org_of(client: Client) -> Org:
    return Org(client, resource=client.get_org_by_name("acme"))


def vdc_of(client: Client, name: str = "acme-vdc") -> VDC:
    return VDC(client, resource=org_of(client).get_vdc(name))


def finish(client: Client, answer: object) -> None:
    tasks = [answer] if answer.tag.endswith("Task") else list(answer.Tasks.Task)  # type: ignore[attr-defined]
    for task in tasks:
        client.get_task_monitor().wait_for_success(task, poll_frequency=POLL_SECONDS)


def test_what_is_in_it(tenant: Client, provider: Client) -> None:
    vdc = vdc_of(tenant)
    listed = vdc.list_resources()
    assert {one["name"] for one in listed} >= {"vapp-1", "photon", "tools-iso", "data-1"}
    assert {one["name"] for one in vdc.list_resources(EntityType.VAPP)} >= {"vapp-1", "vapp-4"}
    assert vdc.get_vapp_href("vapp-1").count("/vApp/vapp-") == 1
    assert vdc_of(provider).query_vm_by_name("vm-1").get("name") == "vm-1"
    resource = vdc.get_resource()
    assert (str(resource.AllocationModel), resource.IsEnabled.text) == ("AllocationVApp", "true")
    assert str(resource.ComputeCapacity.Cpu.Units) == "MHz"


def test_storage_profiles(tenant: Client, provider: Client) -> None:
    vdc = vdc_of(tenant)
    assert [one.get("name") for one in vdc.get_storage_profiles()] == ["gold"]
    assert tenant.get_resource(vdc.get_storage_profile("gold").get("href")).get("name") == "gold"
    assert vdc.get_default_storage_profile() is not None
    with pytest.raises(EntityNotFoundException):
        vdc.get_storage_profile("nothing")
    VDC(provider, resource=org_of(provider).get_vdc("acme-vdc")).update_storage_profile("gold", True, True, 4096)
    assert int(tenant.get_resource(vdc.get_storage_profile("gold").get("href")).Limit) == 4096


def test_gateways_and_details(tenant: Client) -> None:
    vdc = vdc_of(tenant)
    assert [one["name"] for one in vdc.list_edge_gateways()] == ["edge-1"]
    assert vdc.get_gateway("edge-1").get("name") == "edge-1"
    assert {one.get("name") for one in vdc.list_vapp_details("vApp")} >= {"vapp-1"}


def test_its_life(provider: Client) -> None:
    org = org_of(provider)
    made = org.create_org_vdc(
        "made-vdc", "providervdc-1", description="of a test", cpu_limit=4000, mem_limit=8192, nic_quota=5, vm_quota=7,
        storage_profiles=[
            {"name": "pvdcStorageProfile-1", "enabled": True, "units": "MB", "limit": 1024, "default": True}
        ],
        network_pool_name="networkPool-1",
    )  # fmt: skip
    finish(provider, made)
    org.reload()
    vdc = VDC(provider, resource=org.get_vdc("made-vdc"))
    resource = vdc.get_resource()
    assert (str(resource.Description), int(resource.VmQuota), int(resource.NicQuota)) == ("of a test", 7, 5)
    assert int(resource.ComputeCapacity.Memory.Limit) == 8192
    assert [one.get("name") for one in vdc.get_storage_profiles()] == ["pvdcStorageProfile-1"]
    vdc.enable_vdc(enable=False)
    vdc.reload()
    assert vdc.get_resource().IsEnabled.text == "false"
    finish(provider, org.update_org_vdc("made-vdc", description="of another", vm_quota=9))
    vdc.reload()
    assert (str(vdc.get_resource().Description), int(vdc.get_resource().VmQuota)) == ("of another", 9)
    finish(provider, vdc.delete_vdc())
    org.reload()
    assert org.get_vdc("made-vdc") is None


def test_storage_profiles_come_and_go(provider: Client) -> None:
    vdc = vdc_of(provider, "acme-vdc-2")
    finish(provider, vdc.add_storage_profile("pvdcStorageProfile-1", limit_in_mb=2048))
    vdc.reload()
    assert {one.get("name") for one in vdc.get_storage_profiles()} == {"silver", "pvdcStorageProfile-1"}
    finish(provider, vdc.remove_storage_profile("pvdcStorageProfile-1"))
    vdc.reload()
    assert {one.get("name") for one in vdc.get_storage_profiles()} == {"silver"}


def test_a_tenant_cannot_disable_it(tenant: Client) -> None:
    with pytest.raises(OperationNotSupportedException):
        vdc_of(tenant).enable_vdc(enable=False)


def test_provider_vdcs(provider: Client) -> None:
    reference = org_of(provider).get_vdc("acme-vdc", is_admin_operation=True).ProviderVdcReference
    pvdc = PVDC(provider, href=reference.get("href"))
    assert [one.get("name") for one in pvdc.get_storage_profiles()] == ["pvdcStorageProfile-1"]
    assert {one.get("name") for one in pvdc.get_vdc_references().VdcReference} >= {"acme-vdc", "beta-vdc"}
    assert vdc_of(provider).get_vc() == "vimServer-1"
    assert vdc_of(provider).get_vc_resource().get("name") == "vimServer-1"


def test_the_platform(provider: Client) -> None:
    platform = Platform(provider)
    assert [one.get("name") for one in platform.list_vcenters()] == ["vimServer-1"]
    assert platform.get_vcenter("vimServer-1").get("name") == "vimServer-1"
    assert [one.get("name") for one in platform.list_external_networks()] == ["externalNetwork-1"]
    network = platform.get_external_network("externalNetwork-1")
    assert str(network["{http://www.vmware.com/vcloud/v1.5}Configuration"].FenceMode) == "isolated"
    [(moref, kind)] = platform.get_port_group_morefs(["externalNetwork-1-portgroup"])
    assert (moref, kind) == (str(network.VimPortGroupRef.MoRef), "DV_PORTGROUP")
    assert platform.list_available_port_group_names("vimServer-1") == ["free-portgroup"]
    assert [one["name"] for one in platform.list_datastores()] == ["datastore-1"]
    server = platform.get_vcenter("vimServer-1").get("href")
    assert len(platform.get_resource_pool_morefs(server, ["resourcePool-1"])) == 1
    assert [one.get("name") for one in platform.list_hosts()] == ["host-1"]


def test_a_host_and_a_provider_vdc_are_switched(provider: Client) -> None:
    platform = Platform(provider)
    finish(provider, platform.enable_disable_host("host-1", enable_flag=False))
    assert platform.get_host("host-1").Enabled.text == "false"
    finish(provider, platform.enable_disable_host("host-1", enable_flag=True))
    made = platform.create_provider_vdc("vimServer-1", ["resourcePool-1"], ["fast"], "made-provider", is_enabled=True)
    assert made.get("name") == "made-provider"
    href = System(provider, admin_resource=provider.get_admin()).get_provider_vdc("made-provider").get("href")
    assert "fast" in {one.get("name") for one in PVDC(provider, href=href).get_storage_profiles()}


def test_who_uses_a_vdc(tenant: Client) -> None:
    vdc = vdc_of(tenant)
    assert vdc.unshare_from_org_members().IsSharedToEveryone.text == "false"
    vdc = vdc_of(tenant)
    settings = vdc.add_access_settings([{"name": "user", "type": "user", "access_level": "ReadOnly"}])
    assert settings.AccessSettings.AccessSetting.Subject.get("name") == "user"
    assert vdc_of(tenant).share_with_org_members().IsSharedToEveryone.text == "true"


def test_metadata(provider: Client, tenant: Client) -> None:
    vdc = vdc_of(provider)
    finish(provider, vdc.set_metadata("color", "blue"))
    assert str(vdc_of(tenant).get_metadata_value("color").TypedValue.Value) == "blue"
    finish(provider, vdc.remove_metadata("color"))


def test_lists_of_media_and_disks(tenant: Client) -> None:
    vdc = vdc_of(tenant)
    assert [one["name"] for one in vdc.list_media_id()] == ["tools-iso"]
    assert [one["name"] for one in vdc.list_idisk()] == ["data-1"]
