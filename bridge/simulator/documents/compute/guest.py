"""What concerns the guest: its operating system, its cards, how it is customized, what runs in it, its snapshot."""

from __future__ import annotations

from bridge.simulator.clock import timestamp
from bridge.simulator.documents.compute.hardware import address_of
from bridge.simulator.documents.compute.sections import STEM, VMW, attributes, ovf_section, section
from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import machine
from bridge.simulator.state.references import References

SYSTEMS: dict[str, tuple[int, str]] = {
    "ubuntu64Guest": (94, "Ubuntu Linux (64-bit)"),
    "debian10_64Guest": (96, "Debian GNU/Linux 10 (64-bit)"),
    "centos8_64Guest": (107, "CentOS 8 (64-bit)"),
    "rhel5_64Guest": (80, "Red Hat Enterprise Linux 5 (64-bit)"),
    "rhel8_64Guest": (80, "Red Hat Enterprise Linux 8 (64-bit)"),
    "sles15_64Guest": (85, "SUSE Linux Enterprise 15 (64-bit)"),
    "vmwarePhoton64Guest": (36, "VMware Photon OS (64-bit)"),
    "other3xLinux64Guest": (101, "Other 3.x Linux (64-bit)"),
    "windows9Server64Guest": (112, "Microsoft Windows Server 2016 (64-bit)"),
    "windows2019srv_64Guest": (112, "Microsoft Windows Server 2019 (64-bit)"),
    "otherGuest64": (102, "Other (64-bit)"),
}
"""Guest operating systems: OVF's number of the family, and their name."""


def operating_system(references: References, vm: Entity) -> JsonObject:
    name = machine(vm).guest_os
    number, label = SYSTEMS.get(name, (1, name))
    href, stem = f"{references.href(vm)}/operatingSystemSection/", f"{STEM}.operatingSystemSection"
    document = ovf_section(
        "OperatingSystemSectionType", "Specifies the operating system installed", href, stem, id=number,
        description=label, links=[("edit", href, stem)],
    )  # fmt: skip
    document["otherAttributes"][f"{{{VMW}}}osType"] = name
    return document


def network_connection(references: References, vm: Entity, *, editable: bool) -> JsonObject:
    state = machine(vm)
    cards = [
        {
            "network": nic.network, "needsCustomization": nic.needs_customization,
            "networkConnectionIndex": nic.index, "ipAddress": address_of(vm, nic), "ipType": "IPV4",
            "isConnected": nic.connected, "macAddress": nic.mac, "ipAddressAllocationMode": nic.mode,
            "secondaryIpAddressAllocationMode": "NONE", "networkAdapterType": nic.adapter,
        }
        for nic in state.nics
    ]  # fmt: skip
    return section(
        "NetworkConnectionSectionType", "Specifies the available VM network connections",
        f"{references.href(vm)}/networkConnectionSection/", f"{STEM}.networkConnectionSection", editable=editable,
        primaryNetworkConnectionIndex=state.primary_nic if cards else None, networkConnection=cards,
    )  # fmt: skip


def guest_customization(references: References, vm: Entity, *, editable: bool) -> JsonObject:
    ordinary: JsonObject = {
        "enabled": False, "changeSid": False, "virtualMachineId": vm.uuid, "joinDomainEnabled": False,
        "useOrgSettings": False, "adminPasswordEnabled": False, "adminPasswordAuto": True,
        "adminAutoLogonEnabled": False, "adminAutoLogonCount": 0, "resetPasswordRequired": False,
        "computerName": vm.name,
    }  # fmt: skip
    return section(
        "GuestCustomizationSectionType", "Specifies Guest OS Customization Settings",
        f"{references.href(vm)}/guestCustomizationSection/", f"{STEM}.guestCustomizationSection", editable=editable,
        **(ordinary | machine(vm).customization),
    )  # fmt: skip


def customization_status(vm: Entity) -> JsonObject:
    """``guestcustomizationstatus``: pending until the guest has started with its new settings."""
    status = "GC_PENDING" if machine(vm).needs_customization else "GC_COMPLETE"
    return {"info": "Specifies guest customization status", "guestCustStatus": status}


def runtime_info(references: References, vm: Entity) -> JsonObject:
    return {
        "_type": "RuntimeInfoSectionType",
        "otherAttributes": attributes(
            href=f"{references.href(vm)}/runtimeInfoSection", type=f"{STEM}.virtualHardwareSection+xml"
        ),
        "info": "Specifies Runtime info",
        "vmWareTools": {"version": machine(vm).tools_version},
    }


def snapshot_section(references: References, entity: Entity) -> JsonObject:
    """Of a VM, or of a vApp: then it is that of its VMs together."""
    snapshots = [
        one for vm in ([entity] if entity.kind.name != "vApp" else entity.children)
        if (one := machine(vm).snapshot) is not None
    ]  # fmt: skip
    document = section(
        "SnapshotSectionType", "Snapshot information section", f"{references.href(entity)}/snapshotSection",
        f"{STEM}.snapshotSection", editable=False,
    )  # fmt: skip
    if snapshots:
        document["snapshot"] = {
            "created": timestamp(max(one.created_at for one in snapshots)),
            "poweredOn": any(one.powered_on for one in snapshots), "size": sum(one.size for one in snapshots),
        }  # fmt: skip
    return document


def capabilities(references: References, vm: Entity) -> JsonObject:
    state, href, stem = machine(vm), f"{references.href(vm)}/vmCapabilities/", f"{STEM}.vmCapabilitiesSection"
    return {
        "href": href, "type": media_type(stem), "link": [references.link("edit", href, stem)],
        "memoryHotAddEnabled": state.memory_hot_add, "cpuHotAddEnabled": state.cpu_hot_add,
    }  # fmt: skip


def boot_options(references: References, vm: Entity) -> JsonObject:
    state, href, stem = machine(vm), f"{references.href(vm)}/bootOptions/", f"{STEM}.bootOptionsSection"
    return {
        "href": href, "type": media_type(stem),
        "link": [references.link("edit", f"{references.href(vm)}/action/bootOptions", stem)] * (vm.kind.name == "vm"),
        "bootDelay": state.boot_delay, "enterBIOSSetup": state.enters_bios, **state.boot,
    }  # fmt: skip


def product_sections(references: References, entity: Entity, sections: list[JsonObject]) -> JsonObject:
    href, stem = f"{references.href(entity)}/productSections/", f"{STEM}.productSections"
    return {
        "href": href, "type": media_type(stem), "link": [references.link("edit", href, stem)],
        "productSection": [{**one, "_type": None} for one in sections],
    }  # fmt: skip
