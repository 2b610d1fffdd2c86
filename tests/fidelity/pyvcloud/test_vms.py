"""pyvcloud's VM, method by method, on a VM of the simulator's ordinary inventory.

Not here: ``post_thumbnail`` (it POSTs what servers only give by GET), metrics, and what it builds out of the schema's
order (a customization script or password in a section that has none yet).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyvcloud.vcd.client import Client
from pyvcloud.vcd.exceptions import BadRequestException, InvalidStateException, OperationNotSupportedException
from pyvcloud.vcd.vm import VM

from bridge.simulator.director import Director
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.fidelity.pyvcloud.machines import new_vapp

GIB = 1024**3

Done = Callable[[Any], None]


SETTINGS = {"recent_task_seconds": 0.0}
"""Entities list no Tasks that have ended: pyvcloud puts a description behind them, which the schema does not."""


@pytest.fixture
def vm(url: str, director: Director, tenant: Client) -> VM:
    """That no other test has used."""
    return VM(tenant, href=f"{url}/api{new_vapp(director).children[0].path}")


def again(vm: VM) -> VM:
    """As it is now: pyvcloud keeps what it has read."""
    return VM(vm.client, href=vm.href)


def test_what_it_reads(vm: VM) -> None:
    assert vm.get_resource().get("name").startswith("vm-")
    assert vm.get_cpus() == {"num_cpus": 2, "num_cores_per_socket": 1}
    assert vm.get_memory() == 2048
    assert (vm.is_powered_off(), vm.is_powered_on(), vm.is_suspended(), vm.is_deployed()) == (True, False, False, False)
    (nic,) = vm.list_nics()
    assert nic == {
        "index": 0, "connected": "true", "primary": True, "adapter_type": "VMXNET3", "network": "net-1",
        "ip_address_mode": "DHCP", "mac_address": nic["mac_address"],
    }  # fmt: skip
    setting = vm.general_setting_detail()
    assert (setting["OS Family"], setting["OS"]) == ("ubuntu64Guest", "Ubuntu Linux (64-bit)")
    assert vm.list_storage_profile() == [{"name": "gold"}]
    assert vm.list_os_section()["Description"] == "Ubuntu Linux (64-bit)"
    assert vm.list_run_time_info() == {"vmware_tools_version": "12352"}
    assert vm.list_product_sections() == []
    assert vm.get_compliance_result().ComplianceStatus == "COMPLIANT"
    assert vm.list_vm_extra_config_info() == {"nvram": "machine.nvram"}


def test_where_it_is_in_vcenter_a_system_administrator_reads(provider: Client, vm: VM) -> None:
    seen = VM(provider, href=vm.href)
    assert seen.get_vc() == "vimServer-1"
    assert seen.get_moid().startswith("vm-")
    assert vm.get_moid() is None


def test_virtual_hardware(vm: VM) -> None:
    cpu, memory, disk, media, card = vm.list_virtual_hardware_section(
        is_cpu=True, is_memory=True, is_disk=True, is_media=True, is_networkCards=True
    )
    assert cpu == {"cpuVirtualQuantity": 2, "cpuCoresPerSocket": 1}
    assert memory == {"memoryVirtualQuantityInMb": 2048}
    assert disk == {"diskElementName": "Hard disk 1", "diskVirtualQuantityInBytes": 16 * GIB}
    assert media == {}
    assert (card["nCardConnection"], card["nCardIpAddressingMode"]) == ("net-1", "DHCP")


def test_power(vm: VM, done: Done) -> None:
    states = []
    for step in ("power_on", "reboot", "power_reset", "suspend", "discard_suspended_state", "power_on", "power_off",
                 "undeploy", "deploy", "shutdown", "undeploy"):  # fmt: skip
        done(getattr(again(vm), step)())
        states.append(again(vm).get_power_state())
    assert states == [4, 4, 4, 3, 8, 4, 20, 8, 4, 20, 8]
    assert again(vm).is_deployed() is False


def test_only_what_the_state_allows_is_offered(vm: VM, done: Done) -> None:
    for step in ("power_off", "suspend", "shutdown", "reboot", "power_reset", "undeploy", "discard_suspended_state",
                 "snapshot_revert_to_current", "snapshot_remove_all", "install_vmware_tools"):  # fmt: skip
        with pytest.raises(OperationNotSupportedException):
            getattr(again(vm), step)()
    done(vm.power_on())
    for step in ("power_on", "deploy", "delete", "upgrade_virtual_hardware"):
        with pytest.raises(OperationNotSupportedException):
            getattr(again(vm), step)()


def test_what_the_state_forbids_is_refused_in_vcds_words(vm: VM) -> None:
    name = vm.get_resource().get("name")
    with pytest.raises(BadRequestException, match=f'since VM "{name}" is not powered on'):
        vm.client.post_resource(f"{vm.href}/power/action/powerOff", None, None)


def test_processors_and_memory(vm: VM, done: Done) -> None:
    done(vm.modify_cpu(4, 2))
    done(vm.modify_memory(4096))
    assert again(vm).get_cpus() == {"num_cpus": 4, "num_cores_per_socket": 2}
    assert again(vm).get_memory() == 4096
    assert again(vm).list_virtual_hardware_section()[0] == {"cpuVirtualQuantity": 4, "cpuCoresPerSocket": 2}


def test_cards(vm: VM, done: Done) -> None:
    done(vm.add_nic("E1000", is_primary=True, is_connected=True, network_name="net-1", ip_address_mode="POOL",
                    ip_address=None))  # fmt: skip
    first, second = again(vm).list_nics()
    assert (first["primary"], second["primary"], second["adapter_type"]) == (False, True, "E1000")
    assert second["ip_address"]
    done(again(vm).update_nic("net-1", nic_id=1, is_connected=True, ip_address_mode="MANUAL", ip_address="10.16.7.7"))
    changed = again(vm).list_nics()[1]
    assert (changed["ip_address_mode"], changed["ip_address"]) == ("MANUAL", "10.16.7.7")
    assert changed["mac_address"] == second["mac_address"]
    done(again(vm).delete_nic(1))
    assert [(nic["index"], nic["primary"]) for nic in again(vm).list_nics()] == [(0, True)]


def test_disks(vm: VM, done: Done) -> None:
    done(vm.update_vhs_disks("Hard disk 1", 32 * GIB))
    (disk,) = again(vm).list_virtual_hardware_section(is_cpu=False, is_memory=False, is_disk=True)
    assert disk["diskVirtualQuantityInBytes"] == 32 * GIB


def test_media(vm: VM, done: Done) -> None:
    media = well_known_uuid("media", "acme")
    done(vm.insert_cd_from_catalog(media))
    (drive,) = again(vm).list_virtual_hardware_section(is_cpu=False, is_memory=False, is_media=True)
    assert drive == {"mediaCdElementName": "CD/DVD Drive 1", "mediaCdHostResource": "tools-iso"}
    done(again(vm).update_vhs_media("CD/DVD Drive 1", "elsewhere"))
    done(again(vm).eject_cd(media))
    assert again(vm).list_virtual_hardware_section(is_cpu=False, is_memory=False, is_media=True) == [{}]


def test_snapshots(vm: VM, done: Done) -> None:
    done(vm.snapshot_create(memory=False, quiesce=False, name="before"))
    done(again(vm).modify_memory(8192))
    done(again(vm).snapshot_revert_to_current())
    assert again(vm).get_memory() == 2048
    done(again(vm).snapshot_remove_all())
    with pytest.raises(OperationNotSupportedException):
        again(vm).snapshot_revert_to_current()


def test_names_and_general_settings(vm: VM, done: Done) -> None:
    done(vm.edit_name("till"))
    done(again(vm).edit_hostname("till-1"))
    assert again(vm).general_setting_detail()["Computer Name"] == "till-1"
    done(again(vm).update_general_setting(name="till-2", description="Shop", computer_name="till-2", boot_delay=5,
                                          enter_bios_setup=True))  # fmt: skip
    detail = again(vm).general_setting_detail()
    kept = ("Name", "Description", "Computer Name", "Boot Delay", "Enter BIOS Setup")
    assert [detail[key] for key in kept] == ["till-2", "Shop", "till-2", 5, True]


def test_the_guest(vm: VM, done: Done) -> None:
    done(vm.enable_guest_customization(is_enabled=True))
    done(again(vm).update_guest_customization_section(change_sid=True, use_org_settings=True))
    section = again(vm).list_gc_section()
    assert (section["Enabled"], section["ChangeSid"], section["UseOrgSettings"]) == (True, True, True)
    done(again(vm).update_operating_system_section("info", "Debian GNU/Linux 10 (64-bit)"))
    assert again(vm).general_setting_detail()["OS Family"] == "debian10_64Guest"
    again(vm).customize_at_next_power_on()
    assert again(vm).get_guest_customization_status() == "GC_PENDING"
    done(again(vm).power_on())
    assert again(vm).get_guest_customization_status() == "GC_COMPLETE"
    done(again(vm).install_vmware_tools())
    done(again(vm).undeploy())
    done(again(vm).power_on_and_force_recustomization())
    assert again(vm).is_powered_on()


def test_capabilities_boot_options_and_settings_of_the_hypervisor(vm: VM, done: Done) -> None:
    done(vm.update_vm_capabilities_section(memory_hot_add_enabled=True, cpu_hot_add_enabled=True))
    assert again(vm).list_vm_capabilities() == {"MemoryHotAddEnabled": True, "CpuHotAddEnabled": True}
    done(again(vm).update_boot_options(7, enter_bios_setup=True))
    assert again(vm).list_boot_options() == {"BootDelay": 7, "EnterBIOSSetup": True}
    done(again(vm).add_extra_config_element("disk.EnableUUID", "true"))
    assert again(vm).list_vm_extra_config_info()["disk.EnableUUID"] == "true"
    done(again(vm).enable_nested_hypervisor())
    assert again(vm).get_resource().get("nestedHypervisorEnabled") == "true"


def test_policies(url: str, vm: VM, done: Done) -> None:
    sizing, placement = (f"{url}/cloudapi/1.0.0/vdcComputePolicies/urn:vcloud:vdcComputePolicy:{n}" for n in (1, 2))
    done(vm.update_compute_policy(sizing, placement))
    policies = again(vm).get_resource().ComputePolicy
    assert (policies.VmSizingPolicy.get("href"), policies.VmPlacementPolicy.get("href")) == (sizing, placement)
    done(again(vm).remove_placement_policy())
    assert not hasattr(again(vm).get_resource().ComputePolicy, "VmPlacementPolicy")


def test_care(provider: Client, vm: VM, done: Done) -> None:
    done(vm.upgrade_virtual_hardware())
    with pytest.raises(OperationNotSupportedException):
        again(vm).upgrade_virtual_hardware()
    done(again(vm).consolidate())
    done(again(vm).check_compliance())
    done(VM(provider, href=vm.href).reload_from_vc())
    done(VM(provider, href=vm.href).relocate("00000000-0000-4000-8000-000000000001"))


def test_its_screen(vm: VM, done: Done) -> None:
    with pytest.raises(BadRequestException, match="not powered on"):
        vm.list_screen_ticket()
    done(again(vm).power_on())
    assert again(vm).list_screen_ticket()["ScreenTicket"].startswith("mks://")
    assert set(again(vm).list_mks_ticket()) == {"Host", "Vmx", "Ticket", "Port"}


def test_copies_moves_and_the_end(url: str, director: Director, tenant: Client, vm: VM, done: Done) -> None:
    other = new_vapp(director)
    source = f"vapp-{vm.get_resource().get('name').removeprefix('vm-')}"
    done(vm.copy_to(source, other.name, "copied"))
    done(again(vm).move_to(source, other.name, "moved"))

    def machines() -> dict[str, str]:
        children = tenant.get_resource(f"{url}/api{other.path}").Children.Vm
        return {one.get("name"): one.get("href") for one in children}

    assert set(machines()) == {other.children[0].name, "copied", "moved"}
    done(VM(tenant, href=machines()["copied"]).delete())
    assert set(machines()) == {other.children[0].name, "moved"}
    moved = VM(tenant, href=machines()["moved"])
    done(moved.power_on())
    with pytest.raises(InvalidStateException):
        again(moved).copy_to(other.name, source, "again")
