"""What bodies say about a VM's hardware and guest, put into its state. A part that a body leaves out stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import unescape
from typing import Any

from bridge.simulator.calls.effects.occasion import Occasion
from bridge.simulator.documents.compute.guest import SYSTEMS
from bridge.simulator.documents.compute.hardware import CD, DISK, IDE, MEGABYTE, MEMORY, NETWORK, PROCESSOR, SCSI
from bridge.simulator.documents.compute.sections import VMW, plain
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.protocol.xml_writer import VCLOUD
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import (
    BY_NUMBER,
    BY_SUB_TYPE,
    LSI_LOGIC,
    NO_NETWORK,
    PARAVIRTUAL,
    Machine,
    Nic,
    VirtualDisk,
    mac_address,
    machine,
)
from bridge.simulator.state.vapps import give_address

_CORES = re.compile(r"CoresPerSocket\b[^>]*>\s*(\d+)\s*<")
_EXTRA = re.compile(r"<[^<>]*\bExtraConfig\b[^<>]*>")
_KEY, _VALUE = re.compile(r'\bkey="([^"]*)"'), re.compile(r'\bvalue="([^"]*)"')
_NOT_SETTINGS = frozenset({"_type", "info", "required", "link", "any", "href", "type", "otherAttributes"})
"""What every section has beside its settings."""


def counted(value: Any) -> int | None:
    """A whole number, 0 or more, also as a text or wrapped; None for anything else."""
    text = str(plain(value))
    return int(text) if text.isdecimal() and len(text) < 19 else None


def whole(value: Any) -> int | None:
    """A whole number above 0."""
    return counted(value) or None


def objects(value: Any) -> list[JsonObject]:
    """The objects of an array, or one that stands alone."""
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict)]


def _markup(document: JsonObject) -> str:
    """The XML that stands where OVF's schemas take anything."""
    found = document.get("any")
    return "".join(map(str, found)) if isinstance(found, list) else str(found or "")


def apply_item(vm: Entity, item: JsonObject) -> None:
    """One item: processors or memory."""
    state, quantity = machine(vm), whole(item.get("virtualQuantity"))
    kind = whole(item.get("resourceType"))
    if kind == MEMORY:
        state.memory_mb = quantity or state.memory_mb
    elif kind == PROCESSOR:
        state.cpus = quantity or state.cpus
        cores = _CORES.search(_markup(item))
        given = int(cores[1]) if cores else whole(item.get("coresPerSocket"))
        state.cores_per_socket = given or state.cores_per_socket
        if state.cpus % state.cores_per_socket:
            state.cores_per_socket = 1


def apply_items(occasion: Occasion, vm: Entity, items: list[JsonObject], kinds: Iterable[int]) -> None:
    """All items of these resource types: disks and cards that are not among them are taken out."""
    by_kind: dict[int | None, list[JsonObject]] = {}
    for item in items:
        by_kind.setdefault(whole(item.get("resourceType")), []).append(item)
    for kind in kinds:
        if kind in (PROCESSOR, MEMORY):
            for item in by_kind.get(kind, ()):
                apply_item(vm, item)
        elif kind == DISK:
            controllers = [item for one in (IDE, SCSI, 20) for item in by_kind.get(one, ())]
            _apply_disks(occasion, machine(vm), by_kind.get(DISK, []), controllers)
        elif kind == NETWORK:
            apply_cards(vm, [_card_of_item(item) for item in by_kind.get(NETWORK, ())], None)
        elif kind == CD:
            _apply_drive(occasion, vm, by_kind.get(CD, []))


def _attributes(value: Any) -> Mapping[str, Any]:
    """VCD's attributes on an element of OVF, by their local names."""
    found = objects(value)
    other = found[0].get("otherAttributes") if found else None
    if not isinstance(other, dict):
        return {}
    return {key.removeprefix(f"{{{VCLOUD}}}"): one for key, one in other.items()}


def _apply_disks(occasion: Occasion, state: Machine, items: list[JsonObject], controllers: list[JsonObject]) -> None:
    buses = {str(plain(one.get("instanceID"))): whole(one.get("address")) or 0 for one in controllers}
    kept = [disk for disk in state.disks if disk.named is not None]
    before = {disk.id: disk for disk in state.internal_disks}
    for item in items:
        backing = _attributes(item.get("hostResource"))
        if "disk" in backing:
            continue
        identity = str(plain(item.get("instanceID")))
        capacity, quantity = whole(backing.get("capacity")), whole(item.get("virtualQuantity"))
        in_bytes = None if quantity is None else max(1, quantity // MEGABYTE)
        disk = before.pop(identity, None)
        if disk is None:
            adapter = BY_SUB_TYPE.get(str(backing.get("busSubType")).lower(), LSI_LOGIC)
            bus = buses.get(str(plain(item.get("parent"))), 0)
            disk = VirtualDisk(identity, in_bytes or capacity or 1, bus=bus, adapter=adapter)
            disk.unit = whole(item.get("addressOnParent")) or 0
        elif in_bytes not in (None, disk.size_mb):
            disk.size_mb = in_bytes or disk.size_mb
        else:
            disk.size_mb = capacity or disk.size_mb
        disk.storage_profile = _other_profile(occasion, state, {"href": backing.get("storageProfileHref")})
        kept.append(disk)
    state.disks = sorted(kept, key=_order)


def _order(disk: VirtualDisk) -> tuple[int, str]:
    return len(disk.id), disk.id


def _other_profile(occasion: Occasion, state: Machine, reference: Any) -> Entity | None:
    """A disk's storage policy where it is not the VM's."""
    profile = occasion.referred(reference)
    return None if profile is None or profile is state.storage_profile else profile


def _card_of_item(item: JsonObject) -> JsonObject:
    """An item of a network card as the connection section tells it."""
    connection = item.get("connection")
    attributes = _attributes(connection)
    return {
        "networkConnectionIndex": plain(item.get("addressOnParent")), "macAddress": plain(item.get("address")),
        "network": plain(connection), "isConnected": plain(item.get("automaticAllocation")),
        "networkAdapterType": plain(item.get("resourceSubType")), "ipAddress": attributes.get("ipAddress"),
        "ipAddressAllocationMode": attributes.get("ipAddressingMode"),
        "_primary": attributes.get("primaryNetworkConnection") == "true",
    }  # fmt: skip


def apply_cards(vm: Entity, connections: list[JsonObject], primary: Any) -> None:
    """All cards of a VM; what a card leaves out it keeps from the card with its index."""
    state = machine(vm)
    cards = []
    for position, one in enumerate(connections):
        given = counted(one.get("networkConnectionIndex"))
        index = position if given is None else given
        cards.append(_card(vm, state.nic(index), index, one))
        if one.get("_primary"):
            primary = index
    state.nics = sorted(cards, key=lambda nic: nic.index)
    if (chosen := counted(primary)) is not None:
        state.primary_nic = chosen
    elif state.nics and state.nic(state.primary_nic) is None:
        state.primary_nic = state.nics[0].index
    give_addresses(vm)


def give_addresses(vm: Entity) -> None:
    """Each card has the address that its mode gives it."""
    if vm.parent is not None and vm.parent.kind.name == "vApp":
        for nic in machine(vm).nics:
            give_address(vm.parent, nic)


def _card(vm: Entity, before: Nic | None, index: int, one: JsonObject) -> Nic:
    network = str(one.get("network") or NO_NETWORK)
    mode = str(one.get("ipAddressAllocationMode") or "NONE").upper()
    same = before is not None and before.network == network and before.mode == mode
    address = one.get("ipAddress") or None
    return Nic(
        index=index, mac=str(one.get("macAddress") or mac_address(vm.uuid, index)), network=network, mode=mode,
        ip=(str(address) if address is not None and mode != "POOL" else before.ip if same and before else None),
        adapter=str(one.get("networkAdapterType") or (before.adapter if before else "VMXNET3")),
        connected=one.get("isConnected") is True and network != NO_NETWORK,
        needs_customization=one.get("needsCustomization") is True,
    )  # fmt: skip


def _apply_drive(occasion: Occasion, vm: Entity, items: list[JsonObject]) -> None:
    for item in items:
        href = _attributes(item.get("hostResource")).get("href")
        put_media(vm, None if href is None else occasion.referred({"href": href}))


def put_media(vm: Entity, media: Entity | None) -> None:
    """What is in the drive from now on."""
    state = machine(vm)
    if state.media is not None:
        storage.eject(state.media, vm)
    state.media = media
    if media is not None:
        storage.insert(media, vm)


def apply_network_section(vm: Entity, section: JsonObject) -> None:
    apply_cards(vm, objects(section.get("networkConnection")), section.get("primaryNetworkConnectionIndex"))


def apply_customization(vm: Entity, section: JsonObject) -> None:
    state = machine(vm)
    given = {key: value for key, value in section.items() if key not in _NOT_SETTINGS and value is not None}
    given.pop("virtualMachineId", None)
    state.customization.update(given)


def apply_operating_system(vm: Entity, section: JsonObject) -> None:
    """By its name, or else by the description of one that is known."""
    state = machine(vm)
    labels = {label: name for name, (_, label) in SYSTEMS.items()}
    other = section.get("otherAttributes") or {}
    named = other.get(f"{{{VMW}}}osType") if isinstance(other, dict) else None
    described = labels.get(str(plain(section.get("description"))))
    if named is not None and named != state.guest_os:
        state.guest_os = str(named)
    elif described is not None:
        state.guest_os = described


def apply_extra_config(vm: Entity, section: JsonObject) -> None:
    """What stands after the items of a hardware section as XML, if anything does: sets the keys that it names, an empty
    value takes one away (go-vcloud-director vm.go).
    """
    texts = _EXTRA.findall(_markup(section))
    given = {unescape(key[1]): unescape(value[1]) for text in texts
             if (key := _KEY.search(text)) and (value := _VALUE.search(text))}  # fmt: skip
    state = machine(vm)
    state.extra_config = {key: value for key, value in {**state.extra_config, **given}.items() if value}


def apply_spec(occasion: Occasion, vm: Entity, section: JsonObject) -> None:
    """VmSpecSection; one that says it is not modified is not read."""
    if section.get("modified") is False:
        return
    state = machine(vm)
    state.guest_os = str(section.get("osType") or state.guest_os)
    state.cpus = whole(section.get("numCpus")) or state.cpus
    state.cores_per_socket = whole(section.get("numCoresPerSocket")) or state.cores_per_socket
    memory = section.get("memoryResourceMb")
    if isinstance(memory, dict):
        state.memory_mb = whole(memory.get("configured")) or state.memory_mb
    version = section.get("hardwareVersion")
    text = (version.get("content") or version.get("value")) if isinstance(version, dict) else version
    state.hardware_version = str(text or state.hardware_version)
    disks = section.get("diskSection")
    if isinstance(disks, dict):
        _apply_settings(occasion, state, objects(disks.get("diskSettings") or []))


def _apply_settings(occasion: Occasion, state: Machine, settings: list[JsonObject]) -> None:
    before = {disk.id: disk for disk in state.internal_disks}
    kept = [disk for disk in state.disks if disk.named is not None]
    state.disks = [*kept, *before.values()]
    for one in settings:
        if isinstance(one.get("disk"), dict) and one["disk"].get("href"):
            continue
        disk = before.get(str(one.get("diskId")))
        if disk is None:
            adapter = BY_NUMBER.get(str(one.get("adapterType")), PARAVIRTUAL)
            disk = VirtualDisk(state.next_disk_id(), 1, bus=whole(one.get("busNumber")) or 0, adapter=adapter)
            unit = counted(one.get("unitNumber"))
            disk.unit = state.free_unit(adapter, disk.bus) if unit is None else unit
            state.disks.append(disk)
        disk.size_mb = whole(one.get("sizeMb")) or disk.size_mb
        disk.iops = whole(one.get("iops")) or disk.iops
        if one.get("overrideVmDefault"):
            disk.storage_profile = _other_profile(occasion, state, one.get("storageProfile"))
        kept.append(disk)
    state.disks = sorted(kept, key=_order)


def sections_of(document: JsonObject) -> dict[str, JsonObject]:
    """The sections in a body, by what they call themselves."""
    return {str(one.get("_type")): one for one in objects(document.get("section") or [])}


def apply_sections(occasion: Occasion, vm: Entity, document: JsonObject) -> None:
    """Cards are the connection section's, where there is one; processors, memory and disks the spec section's."""
    sections = sections_of(document)
    hardware = sections.get("VirtualHardwareSectionType")
    network = sections.get("NetworkConnectionSectionType")
    if hardware is not None:
        kinds = (PROCESSOR, MEMORY, DISK) if network is not None else (PROCESSOR, MEMORY, DISK, NETWORK)
        apply_items(occasion, vm, objects(hardware.get("item") or []), kinds)
        apply_extra_config(vm, hardware)
    if (spec := sections.get("VmSpecSectionType")) is not None:
        apply_spec(occasion, vm, spec)
    if network is not None:
        apply_network_section(vm, network)
    if (guest := sections.get("GuestCustomizationSectionType")) is not None:
        apply_customization(vm, guest)
    if (system := sections.get("OperatingSystemSectionType")) is not None and spec is None:
        apply_operating_system(vm, system)
    products = [one for one in objects(document.get("section") or []) if one.get("_type") == "ProductSectionType"]
    if products:
        machine(vm).product_sections = products


def apply_vm(occasion: Occasion, vm: Entity, document: JsonObject) -> None:
    """A whole VM as reconfigureVm, createVm and recompose take it: name, description, sections, settings."""
    name, state = document.get("name"), machine(vm)
    if isinstance(name, str) and name and name != vm.name:
        occasion.store.rename(vm, name)
    if isinstance(document.get("description"), str):
        vm.description = document["description"]
    profile = occasion.referred(document.get("storageProfile"))
    state.storage_profile = profile or state.storage_profile
    apply_sections(occasion, vm, document)
    apply_capabilities(vm, document.get("vmCapabilities"))
    apply_boot(vm, document.get("bootOptions"))
    apply_policies(vm, document)
    if isinstance(document.get("nestedHypervisorEnabled"), bool):
        state.nested_hypervisor = document["nestedHypervisorEnabled"]
    if isinstance(document.get("needsCustomization"), bool):
        state.needs_customization = document["needsCustomization"]


def apply_sizes(vm: Entity, document: Any) -> None:
    """InstantiateVmHardwareCustomizationParamsType: processors, memory in MiB, disks by their ids in bytes."""
    if not isinstance(document, dict):
        return
    state = machine(vm)
    state.cpus = whole(document.get("numberOfCpus")) or state.cpus
    state.cores_per_socket = whole(document.get("coresPerSocket")) or state.cores_per_socket
    state.memory_mb = whole(document.get("memorySize")) or state.memory_mb
    sizes = {str(one.get("instanceId")): whole(one.get("size")) for one in objects(document.get("disk") or [])}
    for disk in state.internal_disks:
        disk.size_mb = (sizes.get(disk.id) or 0) // MEGABYTE or disk.size_mb


def apply_capabilities(vm: Entity, document: Any) -> None:
    if isinstance(document, dict):
        state = machine(vm)
        state.memory_hot_add = _flag(document, "memoryHotAddEnabled", state.memory_hot_add)
        state.cpu_hot_add = _flag(document, "cpuHotAddEnabled", state.cpu_hot_add)


def apply_boot(vm: Entity, document: Any) -> None:
    """Boot options; the delay in milliseconds."""
    if isinstance(document, dict):
        state, delay = machine(vm), counted(document.get("bootDelay"))
        state.boot_delay = state.boot_delay if delay is None else delay
        state.enters_bios = _flag(document, "enterBIOSSetup", state.enters_bios)


def apply_policies(vm: Entity, document: JsonObject) -> None:
    """A computePolicy that is there replaces both; the older vdcComputePolicy is that of the size."""
    state, policies = machine(vm), document.get("computePolicy")
    if isinstance(policies, dict):
        state.placement_policy = policies.get("vmPlacementPolicy") or None
        state.sizing_policy = policies.get("vmSizingPolicy") or None
    elif isinstance(document.get("vdcComputePolicy"), dict):
        state.sizing_policy = document["vdcComputePolicy"]


def _flag(document: JsonObject, name: str, before: bool) -> bool:  # noqa: FBT001  # the value, not a switch
    value = document.get(name)
    return value if isinstance(value, bool) else before
