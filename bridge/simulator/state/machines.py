"""What a virtual machine is made of: processors, memory, cards, disks, its drive, its snapshot, its guest's settings.

VMs, the VMs of templates and shadow VMs have it alike. It is there from the moment that somebody asks for it
(:func:`machine`), so that a large inventory costs nothing until it is looked at.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.storage import default_storage_profile

NO_NETWORK = "none"
"""What a card that is on no network says."""

FIRST_DISK_ID = 2000
LATEST_HARDWARE = "vmx-21"
TOOLS_VERSION = "12352"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A kind of disk controller. ``resource_type`` and ``sub_type`` as in OVF, ``number`` as in DiskSettings."""

    number: str
    resource_type: int
    sub_type: str
    label: str


ADAPTERS = (
    Adapter("1", 5, "ide", "IDE"),
    Adapter("2", 6, "buslogic", "SCSI"),
    Adapter("3", 6, "lsilogic", "SCSI"),
    Adapter("4", 6, "lsilogicsas", "SCSI"),
    Adapter("5", 6, "VirtualSCSI", "SCSI"),
    Adapter("6", 20, "vmware.sata.ahci", "SATA"),
    Adapter("7", 20, "vmware.nvme.controller", "NVME"),
)
"""Source: go-vcloud-director govcd (adapter types of internal disks) and types/v56."""

BY_NUMBER = {one.number: one for one in ADAPTERS}
BY_SUB_TYPE = {one.sub_type.lower(): one for one in ADAPTERS} | {"ahci": ADAPTERS[5]}
LSI_LOGIC = BY_NUMBER["3"]
PARAVIRTUAL = BY_NUMBER["5"]


@dataclass(slots=True, eq=False)
class Nic:
    """A network card. ``network``: name of a network of the vApp; ``mode``: POOL, DHCP, MANUAL or NONE."""

    index: int
    mac: str
    network: str = NO_NETWORK
    mode: str = "NONE"
    ip: str | None = None
    adapter: str = "VMXNET3"
    connected: bool = False
    needs_customization: bool = False


@dataclass(slots=True, eq=False)
class VirtualDisk:
    """A disk of the machine, or with ``named`` one that is only attached to it. ``size`` in MiB."""

    id: str
    size_mb: int
    bus: int = 0
    unit: int = 0
    adapter: Adapter = PARAVIRTUAL
    storage_profile: Entity | None = None
    """Where it differs from the machine's."""
    thin: bool = True
    iops: int = 0
    named: Entity | None = None


@dataclass(slots=True, eq=False)
class Snapshot:
    """``saved``: the machine as it was; ``size`` in bytes."""

    created_at: float
    powered_on: bool
    saved: Machine
    name: str | None = None
    size: int = 0
    memory: bool = False
    quiesced: bool = False


@dataclass(slots=True, eq=False)
class Machine:
    """``customization``: fields of GuestCustomizationSectionType by their JSON keys. Policies are references."""

    local_id: str
    guest_os: str = "ubuntu64Guest"
    cpus: int = 2
    cores_per_socket: int = 1
    memory_mb: int = 2048
    hardware_version: str = "vmx-19"
    nics: list[Nic] = field(default_factory=list)
    primary_nic: int = 0
    disks: list[VirtualDisk] = field(default_factory=list)
    media: Entity | None = None
    snapshot: Snapshot | None = None
    customization: JsonObject = field(default_factory=dict)
    needs_customization: bool = False
    boot_delay: int = 0
    enters_bios: bool = False
    boot: JsonObject = field(default_factory=dict)
    """Boot options that came with API 37.1, by their JSON keys."""
    firmware: str = "bios"
    cpu_hot_add: bool = False
    memory_hot_add: bool = False
    storage_profile: Entity | None = None
    sizing_policy: JsonObject | None = None
    placement_policy: JsonObject | None = None
    product_sections: list[JsonObject] = field(default_factory=list)
    extra_config: dict[str, str] = field(default_factory=lambda: {"nvram": "machine.nvram"})
    """Settings of the hypervisor that OVF has no words for."""
    tools_version: str = TOOLS_VERSION
    nested_hypervisor: bool = False
    tpm: bool = False
    compliance_checked_at: float | None = None

    @property
    def internal_disks(self) -> list[VirtualDisk]:
        return [disk for disk in self.disks if disk.named is None]

    def nic(self, index: int) -> Nic | None:
        return next((nic for nic in self.nics if nic.index == index), None)

    def next_disk_id(self) -> str:
        used = [int(disk.id) for disk in self.disks if disk.id.isdigit()]
        return str(max(used, default=FIRST_DISK_ID - 1) + 1)

    def free_unit(self, adapter: Adapter, bus: int) -> int:
        """The lowest unit number of a bus that no disk has; SCSI keeps 7 for the controller itself."""
        used = {
            disk.unit for disk in self.disks if (disk.adapter.resource_type, disk.bus) == (adapter.resource_type, bus)
        }
        if adapter.resource_type == 6:
            used.add(7)
        return next(unit for unit in range(len(used) + 1) if unit not in used)


def machine(entity: Entity) -> Machine:
    """The machine of a VM, of a template's VM or of a shadow VM; an ordinary one where nobody said."""
    if not isinstance(entity.state, Machine):
        entity.state = new_machine(
            entity.uuid, networks=(_first_network(entity),), storage_profile=storage_profile_of(entity)
        )
    return entity.state


def new_machine(
    key: str,
    *,
    cpus: int = 2,
    cores_per_socket: int = 1,
    memory_mb: int = 2048,
    guest_os: str = "ubuntu64Guest",
    hardware_version: str = "vmx-19",
    disks_mb: Iterable[int] = (16 * 1024,),
    networks: Iterable[str] = (NO_NETWORK,),
    storage_profile: Entity | None = None,
) -> Machine:
    """A machine with disks of these sizes on one controller and a card for each network.

    Args:
        key: The VM's uuid: addresses and ids are made from it, so that they repeat with it.
    """
    return Machine(
        local_id=_uuid_of(key), guest_os=guest_os, cpus=cpus, cores_per_socket=cores_per_socket, memory_mb=memory_mb,
        hardware_version=hardware_version, storage_profile=storage_profile,
        disks=[
            VirtualDisk(str(FIRST_DISK_ID + number), size, unit=number) for number, size in enumerate(disks_mb)
        ],
        nics=[
            Nic(number, mac_address(key, number), network, mode="NONE" if network == NO_NETWORK else "DHCP",
                connected=network != NO_NETWORK)
            for number, network in enumerate(networks)
        ],
    )  # fmt: skip


def copy_machine(source: Machine, key: str) -> Machine:
    """A machine like another, as a VM gets it from a template or a clone: addresses and ids of its own, no named disks,
    nothing in the drive, no snapshot.

    Args:
        key: The new VM's uuid.
    """
    return replace(
        saved(source), local_id=_uuid_of(key), disks=[replace(disk) for disk in source.internal_disks], media=None,
        nics=[replace(nic, mac=mac_address(key, nic.index), ip=nic.ip if nic.mode == "MANUAL" else None)
              for nic in source.nics],
    )  # fmt: skip


def saved(source: Machine) -> Machine:
    """A machine as it is now, to go back to; it has no snapshot itself."""
    return replace(
        source, snapshot=None, nics=[replace(nic) for nic in source.nics],
        disks=[replace(disk) for disk in source.disks], customization=dict(source.customization),
        product_sections=list(source.product_sections), extra_config=dict(source.extra_config),
    )  # fmt: skip


def mac_address(key: str, index: int) -> str:
    """Of VMware's range, ever the same for a VM's card."""
    number = zlib.crc32(f"{key}/{index}".encode())
    return f"00:50:56:{number >> 16 & 0x3F:02x}:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"


def vsphere_id(entity: Entity, prefix: str = "vm") -> str:
    """The managed object reference in vCenter, ever the same for an entity."""
    return f"{prefix}-{zlib.crc32(entity.uuid.encode()) % 1_000_000}"


def _uuid_of(key: str) -> str:
    parts = [f"{zlib.crc32(f'{key}#{number}'.encode()):08x}" for number in range(4)]
    text = "".join(parts)
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


def storage_profile_of(entity: Entity) -> Entity | None:
    """The first of the vDC that a VM is in, through its vApp or template."""
    return default_storage_profile(vdc_of(entity))


def vdc_of(entity: Entity) -> Entity | None:
    one: Entity | None = entity
    while one is not None and one.kind.name != "vdc":
        one = one.parent
    return one


def _first_network(vm: Entity) -> str:
    """The network that an ordinary vApp is on, see ``vapps.vapp_state``."""
    network = None if vm.parent is None or vm.parent.kind.name != "vApp" else first_network(vm.parent)
    return NO_NETWORK if network is None else network.name


def first_network(vapp: Entity) -> Entity | None:
    """The first network of the vDC that a vApp is in."""
    vdc = vdc_of(vapp)
    return None if vdc is None else next((one for one in vdc.children if one.kind.name == "network"), None)
