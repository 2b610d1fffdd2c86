"""Virtual hardware as OVF tells it (RASD items) and as VCD does (VmSpecSection).

Resource types: 3 processors, 4 memory, 5 IDE, 6 SCSI, 10 network, 14 floppy, 15 CD, 17 disk, 20 SATA and NVMe.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from bridge.simulator.documents.compute.sections import (
    OVF,
    RASD_LIST_STEM,
    RASD_STEM,
    STEM,
    VMW,
    attributes,
    link_markup,
    ovf_section,
)
from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.protocol.xml_writer import Markup, escaped
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import Machine, Nic, VirtualDisk, machine
from bridge.simulator.state.references import References
from bridge.simulator.state.vapps import leased_address

PROCESSOR, MEMORY, IDE, SCSI, NETWORK, FLOPPY, CD, DISK = 3, 4, 5, 6, 10, 14, 15, 17
MEGABYTE = 1024 * 1024
ISO = "vmware.cdrom.iso"
"""Of a drive with a media in it (go-vcloud-director types/v56/constants.go)."""

LISTS = {"disks": (IDE, SCSI, 20, DISK), "media": (IDE, CD, FLOPPY), "networkCards": (NETWORK,), "serialPorts": (21,)}
"""What each list below ``virtualHardwareSection`` holds, by its place in paths."""


def address_of(vm: Entity, nic: Nic) -> str | None:
    """Its own, or while the VM runs what DHCP gave it."""
    if nic.mode == "DHCP" and vm.status == 4 and nic.connected:
        return leased_address(vm, nic)
    return nic.ip


def size_of(disk: VirtualDisk) -> int:
    """MiB."""
    return disk.size_mb if disk.named is None else storage.disk(disk.named).size_mb


def items(references: References, vm: Entity) -> list[JsonObject]:
    """All items, as VCD numbers them: cards, controllers, processors and memory one after the other."""
    state, number = machine(vm), count(1)
    found = [_card(vm, state, nic, next(number)) for nic in state.nics]
    controllers = {}
    for key in _controllers(state):
        controllers[key] = next(number)
        found.append(_controller(key, controllers[key]))
        found += [
            _disk(references, state, disk, position, controllers[key])
            for position, disk in enumerate(state.disks, start=1)
            if _key(disk) == key
        ]
    ide = controllers.get((IDE, "", 0)) or next(number)
    if (IDE, "", 0) not in controllers:
        found.append(_controller((IDE, "", 0), ide))
    found += [_drive(references, state, ide), _floppy(), processors(references, vm, next(number))]
    return [*found, memory(references, vm, next(number))]


def _key(disk: VirtualDisk) -> tuple[int, str, int]:
    adapter = disk.adapter
    return adapter.resource_type, "" if adapter.resource_type == IDE else adapter.sub_type, disk.bus


def _controllers(state: Machine) -> list[tuple[int, str, int]]:
    return list(dict.fromkeys(_key(disk) for disk in state.disks))


def _controller(key: tuple[int, str, int], number: int) -> JsonObject:
    kind, sub_type, bus = key
    label = {IDE: "IDE", SCSI: "SCSI"}.get(kind, "NVME" if "nvme" in sub_type else "SATA")
    item: JsonObject = {
        "address": str(bus), "description": f"{label} Controller", "elementName": f"{label} Controller {bus}",
        "instanceID": str(number), "resourceType": str(kind),
    }  # fmt: skip
    return {**item, "resourceSubType": sub_type} if sub_type else item


def _disk(references: References, state: Machine, disk: VirtualDisk, position: int, controller: int) -> JsonObject:
    size, profile = size_of(disk), disk.storage_profile or state.storage_profile
    backing = attributes(
        capacity=str(size), busSubType=disk.adapter.sub_type, busType=str(disk.adapter.resource_type),
        storageProfileHref=None if profile is None else references.href(profile),
        storageProfileOverrideVmDefault="true" if disk.storage_profile is not None else "false",
        iops=str(disk.iops) if disk.iops else None,
        disk=None if disk.named is None else references.href(disk.named),
    )  # fmt: skip
    return {
        "addressOnParent": str(disk.unit), "description": "Hard disk", "elementName": f"Hard disk {position}",
        "hostResource": [{"otherAttributes": backing, "value": ""}], "instanceID": disk.id, "parent": str(controller),
        "resourceType": str(DISK), "virtualQuantity": size * MEGABYTE, "virtualQuantityUnits": "byte",
    }  # fmt: skip


def _card(vm: Entity, state: Machine, nic: Nic, number: int) -> JsonObject:
    connection = attributes(
        ipAddress=address_of(vm, nic), ipAddressingMode=nic.mode,
        primaryNetworkConnection="true" if nic.index == state.primary_nic else "false",
    )  # fmt: skip
    return {
        "address": nic.mac, "addressOnParent": str(nic.index), "automaticAllocation": nic.connected,
        "connection": [{"otherAttributes": connection, "value": nic.network}],
        "description": f"{nic.adapter.capitalize()} ethernet adapter", "elementName": f"Network adapter {nic.index}",
        "instanceID": str(number), "resourceSubType": nic.adapter, "resourceType": str(NETWORK),
    }  # fmt: skip


def _drive(references: References, state: Machine, controller: int) -> JsonObject:
    media = state.media
    resource = {"value": ""} if media is None else {
        "otherAttributes": attributes(href=references.href(media), type=f"{STEM}.media+xml"), "value": media.name,
    }  # fmt: skip
    return {
        "addressOnParent": "0", "automaticAllocation": media is not None, "description": "CD/DVD Drive",
        "elementName": "CD/DVD Drive 1", "hostResource": [resource], "instanceID": "16000",
        "parent": str(controller), "resourceSubType": None if media is None else ISO, "resourceType": str(CD),
    }  # fmt: skip


def _floppy() -> JsonObject:
    return {
        "addressOnParent": "0", "automaticAllocation": False, "description": "Floppy Drive",
        "elementName": "Floppy Drive 1", "hostResource": [{"value": ""}], "instanceID": "8000",
        "resourceType": str(FLOPPY),
    }  # fmt: skip


def processors(references: References, vm: Entity, number: int = 4) -> JsonObject:
    """The item of the processors, also at ``virtualHardwareSection/cpu``."""
    state, href = machine(vm), f"{references.href(vm)}/virtualHardwareSection/cpu"
    cores = Markup(
        f'<vmw:CoresPerSocket xmlns:vmw="{VMW}" xmlns:ovf="{OVF}" ovf:required="false">{state.cores_per_socket}'
        "</vmw:CoresPerSocket>"
    )
    return {
        "otherAttributes": attributes(href=href, type=f"{RASD_STEM}+xml"),
        "allocationUnits": "hertz * 10^6", "description": "Number of Virtual CPUs",
        "elementName": f"{state.cpus} virtual CPU(s)", "instanceID": str(number), "reservation": 0,
        "resourceType": str(PROCESSOR), "virtualQuantity": state.cpus, "weight": 0,
        "any": [cores, link_markup("edit", href, RASD_STEM)],
    }  # fmt: skip


def memory(references: References, vm: Entity, number: int = 5) -> JsonObject:
    """The item of the memory, also at ``virtualHardwareSection/memory``."""
    state, href = machine(vm), f"{references.href(vm)}/virtualHardwareSection/memory"
    return {
        "otherAttributes": attributes(href=href, type=f"{RASD_STEM}+xml"),
        "allocationUnits": "byte * 2^20", "description": "Memory Size",
        "elementName": f"{state.memory_mb} MB of memory", "instanceID": str(number), "reservation": 0,
        "resourceType": str(MEMORY), "virtualQuantity": state.memory_mb, "weight": 0,
        "any": [link_markup("edit", href, RASD_STEM)],
    }  # fmt: skip


def item_list(references: References, vm: Entity, name: str) -> JsonObject:
    """A list below ``virtualHardwareSection``, such as ``disks``."""
    href = f"{references.href(vm)}/virtualHardwareSection/{name}"
    kinds = {str(kind) for kind in LISTS[name]}
    return {
        "href": href, "type": media_type(RASD_LIST_STEM), "link": [references.link("edit", href, RASD_LIST_STEM)],
        "item": [item for item in items(references, vm) if item["resourceType"] in kinds],
    }  # fmt: skip


def hardware_section(references: References, vm: Entity) -> JsonObject:
    href = f"{references.href(vm)}/virtualHardwareSection"
    state = machine(vm)
    system = {
        "elementName": "Virtual Hardware Family", "instanceID": "0", "virtualSystemIdentifier": vm.name,
        "virtualSystemType": state.hardware_version,
    }  # fmt: skip
    extra = [
        Markup(
            f'<vmw:ExtraConfig xmlns:vmw="{VMW}" xmlns:ovf="{OVF}" vmw:key="{escaped(key)}" '
            f'vmw:value="{escaped(value)}" ovf:required="false"/>'
        )
        for key, value in state.extra_config.items()
    ]
    return ovf_section(
        "VirtualHardwareSectionType", "Virtual hardware requirements", f"{href}/", f"{STEM}.virtualHardwareSection",
        any=extra,
        transport="", system=system, item=items(references, vm), links=_hardware_links(href),
    )  # fmt: skip


def _hardware_links(href: str) -> Iterator[tuple[str, str, str]]:
    yield "edit", f"{href}/", f"{STEM}.virtualHardwareSection"
    for name, stem in (("cpu", RASD_STEM), ("memory", RASD_STEM), ("disks", RASD_LIST_STEM),
                       ("media", RASD_LIST_STEM), ("networkCards", RASD_LIST_STEM),
                       ("serialPorts", RASD_LIST_STEM)):  # fmt: skip
        yield "down", f"{href}/{name}", stem
        if name != "media":
            yield "edit", f"{href}/{name}", stem


def spec_section(references: References, vm: Entity) -> JsonObject:
    """VmSpecSection: the hardware in VCD's own words."""
    state = machine(vm)
    return {
        "_type": "VmSpecSectionType", "info": "Virtual Machine specification", "modified": False,
        "osType": state.guest_os, "numCpus": state.cpus, "numCoresPerSocket": state.cores_per_socket,
        "cpuResourceMhz": _resource(0), "memoryResourceMb": _resource(state.memory_mb),
        "mediaSection": {"mediaSettings": _media_settings(references, state)},
        "diskSection": {"diskSettings": [_disk_settings(references, state, disk) for disk in state.disks]},
        "hardwareVersion": {
            "content": state.hardware_version, "type": media_type(f"{STEM}.virtualHardwareVersion"),
        },
        "vmToolsVersion": state.tools_version, "virtualCpuType": "VM64", "timeSyncWithHost": False,
        "firmware": state.firmware,
    }  # fmt: skip


def _resource(configured: int) -> JsonObject:
    return {"configured": configured, "reservation": 0, "limit": -1, "sharesLevel": "NORMAL", "shares": 0}


def _media_settings(references: References, state: Machine) -> list[JsonObject]:
    drive: JsonObject = {
        "deviceId": "16000", "mediaType": "ISO", "mediaState": "DISCONNECTED", "unitNumber": 0, "busNumber": 0,
        "adapterType": "1",
    }  # fmt: skip
    if state.media is not None:
        drive |= {"mediaImage": references.to(state.media), "mediaState": "SERVER"}
    return [drive]


def _disk_settings(references: References, state: Machine, disk: VirtualDisk) -> JsonObject:
    profile, size = disk.storage_profile or state.storage_profile, size_of(disk)
    return {
        "diskId": disk.id, "sizeMb": size, "unitNumber": disk.unit, "busNumber": disk.bus,
        "adapterType": disk.adapter.number, "thinProvisioned": disk.thin,
        "disk": None if disk.named is None else references.to(disk.named),
        "storageProfile": None if profile is None else references.to(profile),
        "overrideVmDefault": disk.storage_profile is not None, "iops": disk.iops, "virtualQuantityUnit": "byte",
        "virtualQuantity": size * MEGABYTE, "resizable": True, "encrypted": False, "shareable": False,
        "sharingType": "None",
    }  # fmt: skip
