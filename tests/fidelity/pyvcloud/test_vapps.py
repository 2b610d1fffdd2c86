"""pyvcloud's VApp, method by method, and what its VDC makes of vApps.

Not here: downloads (``download_ova``, ``disable_download``), which the simulator offers of templates only; metadata
(test_metadata.py); adding a disk on a controller that the VM has not yet, which pyvcloud sends out of OVF's order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyvcloud.vcd.client import Client
from pyvcloud.vcd.exceptions import BadRequestException, EntityNotFoundException, OperationNotSupportedException
from pyvcloud.vcd.vapp import VApp
from pyvcloud.vcd.vdc import VDC
from pyvcloud.vcd.vm import VM

from bridge.simulator.director import Director
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.fidelity.pyvcloud.conftest import LogIn
from tests.fidelity.pyvcloud.machines import new_vapp

Done = Callable[[Any], None]
GIB = 1024**3


SETTINGS = {"recent_task_seconds": 0.0}
"""Entities list no Tasks that have ended: pyvcloud puts a description behind them, which the schema does not."""


@pytest.fixture
def vapp(url: str, director: Director, tenant: Client) -> VApp:
    """With one VM; no other test has used it."""
    return again(VApp(tenant, href=f"{url}/api{new_vapp(director).path}"))


@pytest.fixture
def vdc(url: str, tenant: Client) -> VDC:
    return VDC(tenant, href=f"{url}/api/vdc/{well_known_uuid('vdc', 'acme')}")


def again(vapp: VApp, client: Client | None = None) -> VApp:
    """As it is now, and as another client sees it: pyvcloud keeps what it has read."""
    fresh = VApp(client or vapp.client, href=vapp.href)
    fresh.reload()
    return fresh


def name_of(vapp: VApp) -> str:
    name: str = vapp.get_resource().get("name")
    return name


def machine(vapp: VApp) -> str:
    """The name of its first VM."""
    name: str = again(vapp).get_all_vms()[0].get("name")
    return name


def states(vapp: VApp) -> dict[str, int]:
    return {one.get("name"): int(one.get("status")) for one in again(vapp).get_all_vms()}


def deployed(vapp: VApp) -> str:
    """As the document says it: pyvcloud's own ``is_deployed`` asks for a status that servers no longer show."""
    text: str = again(vapp).get_resource().get("deployed")
    return text


def test_power(vapp: VApp, done: Done) -> None:
    found = []
    for step in ("power_on", "reboot", "power_reset", "suspend_vapp", "discard_suspended_state_vapp", "deploy",
                 "shutdown", "undeploy", "power_on", "power_off", "undeploy"):  # fmt: skip
        done(getattr(again(vapp), step)())
        found.append(again(vapp).get_power_state())
    assert found == [4, 4, 4, 3, 8, 4, 20, 8, 4, 20, 8]
    assert (deployed(vapp), again(vapp).is_powered_off()) == ("false", True)


def test_deploying_without_power(vapp: VApp, done: Done) -> None:
    done(vapp.deploy(power_on=False))
    assert (deployed(vapp), again(vapp).is_powered_on()) == ("true", False)
    done(again(vapp).power_on())
    done(again(vapp).undeploy("suspend"))
    assert again(vapp).is_suspended()


def test_what_the_state_does_not_allow(vapp: VApp) -> None:
    for step in ("power_off", "undeploy", "snapshot_revert_to_current", "snapshot_remove", "suspend_vapp"):
        with pytest.raises(OperationNotSupportedException):
            getattr(again(vapp), step)()
    undeploy = f"{vapp.href}/action/undeploy"
    with pytest.raises(BadRequestException, match=f'since vApp "{name_of(vapp)}" is not running'):
        vapp.client.post_resource(undeploy, None, None)


def test_snapshots(vapp: VApp, done: Done) -> None:
    done(vapp.create_snapshot(memory=False, quiesce=False))
    vm = VM(vapp.client, href=again(vapp).get_vm(machine(vapp)).get("href"))
    done(vm.modify_memory(512))
    done(again(vapp).snapshot_revert_to_current())
    assert VM(vapp.client, href=vm.href).get_memory() == 2048
    done(again(vapp).snapshot_remove())
    assert not hasattr(again(vapp).get_resource().SnapshotSection, "Snapshot")


def test_addresses_and_identity(vapp: VApp, done: Done) -> None:
    done(vapp.connect_vm(mode="POOL"))
    assert again(vapp).get_primary_ip(machine(vapp))
    assert [one.IpAddress for one in _allocated(vapp)] == [again(vapp).get_primary_ip(machine(vapp))]
    (interface,) = again(vapp).list_vm_interface("net-1")
    assert (interface["Name"], interface["VmNicId"]) == ("net-1", 0)
    assert again(vapp).get_vm_moid(machine(vapp)) is None, "only what is deployed has an environment"
    done(again(vapp).power_on())
    assert again(vapp).get_vm_moid(machine(vapp)).startswith("vm-")


def _allocated(vapp: VApp) -> Any:
    found = again(vapp).list_ip_allocations("net-1")
    assert [one["Allocation_type"] for one in found] == ["vmAllocated"]
    link = next(one for one in again(vapp).get_resource().Link if one.get("name") == "net-1")
    return vapp.client.get_resource(f"{link.get('href')}/allocatedAddresses").IpAddress


def test_lease_owner_and_name(url: str, provider: Client, vapp: VApp, done: Done) -> None:
    done(vapp.set_lease(deployment_lease=3600, storage_lease=7200))
    lease = again(vapp).get_lease()
    assert (lease["DeploymentLeaseInSeconds"], lease["StorageLeaseInSeconds"]) == (3600, 7200)
    assert lease["StorageLeaseExpiration"]
    again(vapp, provider).change_owner(f"{url}/api/admin/user/{well_known_uuid('user', 'acme', 2)}")
    assert again(vapp).get_resource().Owner.User.get("name") == "user"
    done(again(vapp).edit_name_and_description("shop", "Till"))
    document = again(vapp).get_resource()
    assert (document.get("name"), document.Description) == ("shop", "Till")


def test_sharing(log_in: LogIn, vapp: VApp) -> None:
    someone = log_in("user@acme")
    assert not hasattr(vapp.get_access_settings(), "AccessSettings")
    again(vapp).share_with_org_members("ReadOnly")
    assert name_of(again(vapp, someone)) == name_of(vapp)
    again(vapp).add_access_settings([{"type": "user", "name": "user", "access_level": "Change"}])
    (setting,) = again(vapp).get_access_settings().AccessSettings.AccessSetting
    assert (setting.Subject.get("name"), setting.AccessLevel) == ("user", "Change")
    again(vapp).remove_access_settings([{"type": "user", "name": "user"}])
    again(vapp).unshare_from_org_members()
    assert again(vapp).get_access_settings().IsSharedToEveryone.text == "false"


def test_disks(url: str, vapp: VApp, done: Done) -> None:
    disk, name = f"{url}/api/disk/{well_known_uuid('disk', 'acme')}", machine(vapp)
    done(vapp.attach_disk_to_vm(disk, name))
    assert [one.DiskId for one in _disks(vapp) if hasattr(one, "Disk")] == [2001]
    with pytest.raises(BadRequestException, match="is attached to the virtual machine"):
        again(vapp).attach_disk_to_vm(disk, name)
    done(again(vapp).detach_disk_from_vm(disk, name))
    with pytest.raises(BadRequestException, match="is not attached"):
        again(vapp).detach_disk_from_vm(disk, name)
    done(again(vapp).add_disk_to_vm(name, 1024, disk_controller="VirtualSCSI"))
    assert [one.SizeMb for one in _disks(vapp)] == [16 * 1024, 1024]


def _disks(vapp: VApp) -> Any:
    return again(vapp).get_all_vms()[0].VmSpecSection.DiskSection.DiskSettings


def test_machines_come_and_go(url: str, vdc: VDC, director: Director, vapp: VApp, done: Done) -> None:
    other = VApp(vapp.client, href=f"{url}/api{new_vapp(director).path}")
    gold = vdc.get_storage_profile("gold")
    spec = {
        "vapp": other.get_resource(), "source_vm_name": machine(other), "target_vm_name": "second",
        "network": "net-1", "ip_allocation_mode": "pool", "hostname": "second-host", "storage_profile": gold,
    }  # fmt: skip
    first = machine(vapp)
    done(vapp.add_vms([spec]))
    assert states(vapp) == {first: 8, "second": 4}
    added = VM(vapp.client, href=again(vapp).get_vm("second").get("href"))
    assert (added.list_gc_section()["ComputerName"], added.list_nics()[0]["ip_address_mode"]) == ("second-host", "POOL")
    done(added.undeploy())
    scratch = {"vm_name": "third", "comp_name": "third-host", "os_type": "debian10_64Guest", "virtual_cpu": 2,
               "core_per_socket": 2, "memory": 1024}  # fmt: skip
    done(again(vapp).add_vm_from_scratch(scratch, deploy=False, power_on=False))
    made = VM(vapp.client, href=again(vapp).get_vm("third").get("href"))
    assert (made.get_cpus()["num_cores_per_socket"], made.get_memory()) == (2, 1024)
    assert made.get_resource().VmSpecSection.HardwareVersion == "vmx-14"
    done(again(vapp).delete_vms(["second", "third"]))
    assert states(vapp) == {first: 8}
    with pytest.raises(EntityNotFoundException):
        again(vapp).get_vm("second")


def test_organization_networks(provider: Client, vapp: VApp, done: Done) -> None:
    assert vapp.get_vapp_network_list() == [{"name": "net-1"}]
    assert vapp.get_vapp_network_name() == "net-1"
    done(vapp.disconnect_org_vdc_network("net-1"))
    assert again(vapp).get_all_networks() == []
    done(again(vapp, provider).connect_org_vdc_network("net-1"))
    config = again(vapp).get_resource().NetworkConfigSection.NetworkConfig
    assert (config.Configuration.FenceMode, config.Configuration.ParentNetwork.get("name")) == ("bridged", "net-1")
    done(again(vapp).enable_fence_mode())
    assert again(vapp).get_resource().NetworkConfigSection.NetworkConfig.Configuration.FenceMode == "natRouted"
    done(again(vapp).sync_syslog_settings("net-1"))
    done(again(vapp).disconnect_org_vdc_network("net-1"))
    done(again(vapp, provider).create_vapp_network_from_ovdc_network("net-1"))
    assert again(vapp).get_vapp_network_list() == [{"name": "net-1"}]


def test_networks_of_its_own(provider: Client, vapp: VApp, done: Done) -> None:
    done(vapp.create_vapp_network("inner", "192.168.7.1/24", description="Inside", primary_dns_ip="8.8.8.8",
                                  ip_ranges=["192.168.7.10-192.168.7.20"]))  # fmt: skip
    done(again(vapp).update_vapp_network("inner", "inside", "Within"))
    done(again(vapp).add_ip_range("inside", "192.168.7.30", "192.168.7.40"))
    done(again(vapp).update_ip_range("inside", "192.168.7.30", "192.168.7.40", "192.168.7.31", "192.168.7.41"))
    done(again(vapp).delete_ip_range("inside", "192.168.7.31", "192.168.7.41"))
    done(again(vapp).update_dns_vapp_network("inside", "1.1.1.1", "2.2.2.2", "example.test"))
    assert again(vapp).dns_detail_of_vapp_network("inside") == {
        "Dns1": "1.1.1.1", "Dns2": "2.2.2.2", "DnsSuffix": "example.test",
    }  # fmt: skip
    done(again(vapp).reset_vapp_network("inside"))
    done(again(vapp, provider).connect_vapp_network_to_ovdc_network("inside", "net-1"))
    (config,) = (one for one in again(vapp).get_resource().NetworkConfigSection.NetworkConfig
                 if one.get("networkName") == "inside")  # fmt: skip
    assert (config.Configuration.FenceMode, config.Configuration.IpScopes.IpScope.Gateway) == (
        "natRouted",
        "192.168.7.1",
    )
    done(again(vapp).delete_vapp_network("inside"))
    assert again(vapp).get_vapp_network_list() == [{"name": "net-1"}]


def test_start_and_products(vapp: VApp, done: Done) -> None:
    name = machine(vapp)
    done(vapp.update_startup_section(name, 1, "none", 5, "guestShutdown", 6))
    assert again(vapp).get_startup_section() == [
        {"Id": name, "order": "1", "startAction": "none", "startDelay": "5", "stopAction": "guestShutdown",
         "stopDelay": "6"},
    ]  # fmt: skip
    assert vapp.get_product_sections() == []
    done(again(vapp).update_product_section("color", value="green", label="Color", user_configurable=True))
    done(again(vapp).update_product_section("color", value="blue"))
    (section,) = again(vapp).get_product_sections()
    assert section["color"] == "blue"


def test_maintenance_and_care(provider: Client, vapp: VApp, done: Done) -> None:
    again(vapp, provider).enter_maintenance_mode()
    assert again(vapp).get_resource().InMaintenanceMode
    again(vapp, provider).exit_maintenance_mode()
    assert not again(vapp).get_resource().InMaintenanceMode
    with pytest.raises(OperationNotSupportedException):
        again(vapp).enter_maintenance_mode()
    assert again(vapp).upgrade_virtual_hardware() == 1
    again(vapp).enable_download()


def test_copies(vdc: VDC, vapp: VApp, done: Done) -> None:
    name = name_of(vapp)
    done(vapp.copy_to(vdc.href, f"{name}-copy", "Copy"))
    done(again(vapp).vapp_clone(vdc.href, f"{name}-moved", None, source_delete=True))
    for made in (f"{name}-copy", f"{name}-moved"):
        document = vdc.get_vapp(made)
        assert [one.get("name") for one in document.Children.Vm] == [f"vm-{name.removeprefix('vapp-')}"]
    with pytest.raises(EntityNotFoundException):
        vdc.get_vapp(name)


def test_what_a_vdc_makes(vdc: VDC, done: Done) -> None:
    vapp = vdc.create_vapp("composed", "Empty", network="net-1")
    done(vapp.Tasks.Task[0])
    assert vdc.get_vapp("composed").get("status") == "1", "a vApp without VMs is resolved, no more"
    vapp = vdc.instantiate_vapp(
        "made", "acme-catalog", "photon", network="net-1", ip_allocation_mode="pool", memory=1024, cpu=4,
        disk_size=20480, password="x", vm_name="photon-1", hostname="photon-host",
    )  # fmt: skip
    done(vapp.Tasks.Task[0])
    made = VApp(vdc.client, href=vapp.get("href"))
    assert (made.is_powered_on(), states(made)) == (True, {"photon-1": 4})
    vm = VM(vdc.client, href=made.get_vm("photon-1").get("href"))
    assert (vm.get_memory(), vm.get_cpus()["num_cpus"]) == (1024, 4)
    assert again(made).get_admin_password("photon-1") == "x"
    assert vm.get_resource().VmSpecSection.DiskSection.DiskSettings.SizeMb == 20480
    with pytest.raises(BadRequestException, match="Stop the vApp and try again"):
        vdc.delete_vapp("made")
    done(vdc.delete_vapp("made", force=True))
    with pytest.raises(EntityNotFoundException):
        vdc.get_vapp("made")
