"""What bodies say about a VM as a whole and its guest, put into its state. What a body leaves out stays as it is."""

from __future__ import annotations

from typing import Any

from bridge.simulator.calls.effects.compute.cards import apply_network_section
from bridge.simulator.calls.effects.compute.hardware_items import apply_extra_config, apply_items, by_id, other_profile
from bridge.simulator.calls.effects.occasion import Occasion
from bridge.simulator.calls.effects.values import counted, flag, objects, whole
from bridge.simulator.documents.compute.guest import SYSTEMS
from bridge.simulator.documents.compute.hardware import DISK, MEGABYTE, MEMORY, NETWORK, PROCESSOR
from bridge.simulator.documents.compute.sections import VMW, plain
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import BY_NUMBER, PARAVIRTUAL, Machine, VirtualDisk, machine

_BOOT = ("bootRetryEnabled", "bootRetryDelay", "efiSecureBootEnabled", "networkBootProtocol")
_NOT_SETTINGS = frozenset({"_type", "info", "required", "link", "any", "href", "type", "otherAttributes"})
"""What every section has beside its settings."""


def apply_customization(vm: Entity, section: JsonObject) -> None:
    """In the place of the section that was there: what is left out has its default again."""
    given = {key: value for key, value in section.items() if key not in _NOT_SETTINGS and value is not None}
    given.pop("virtualMachineId", None)
    machine(vm).customization = given


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


def apply_spec(occasion: Occasion, vm: Entity, section: JsonObject) -> None:
    """VmSpecSection; one that says it is not modified is not read."""
    if section.get("modified") is False:
        return
    state = machine(vm)
    state.guest_os = str(section.get("osType") or state.guest_os)
    state.firmware = str(section.get("firmware") or state.firmware)
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
            disk.storage_profile = other_profile(occasion, state, one.get("storageProfile"))
        kept.append(disk)
    state.disks = sorted(kept, key=by_id)


def sections_of(document: JsonObject) -> dict[str, JsonObject]:
    """The sections in a body, by what they call themselves."""
    return {str(one.get("_type")): one for one in objects(document.get("section") or [])}


def sizes_in(document: JsonObject) -> tuple[int | None, int | None]:
    """The processors and the memory in MiB that the body of a VM or of its hardware asks for; None: as they are."""
    sections = sections_of(document)
    hardware, spec = sections.get("VirtualHardwareSectionType") or document, sections.get("VmSpecSectionType")
    asked = {
        whole(item.get("resourceType")): whole(item.get("virtualQuantity"))
        for item in objects(hardware.get("item") or [])
    }
    cpus, memory = asked.get(PROCESSOR), asked.get(MEMORY)
    if spec is not None and spec.get("modified") is not False:
        cpus = whole(spec.get("numCpus")) or cpus
        for one in objects(spec.get("memoryResourceMb")):
            memory = whole(one.get("configured")) or memory
    return cpus, memory


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
        state.memory_hot_add = flag(document, "memoryHotAddEnabled", state.memory_hot_add)
        state.cpu_hot_add = flag(document, "cpuHotAddEnabled", state.cpu_hot_add)


def apply_boot(vm: Entity, document: Any) -> None:
    """Boot options; the delay in milliseconds."""
    if isinstance(document, dict):
        state, delay = machine(vm), counted(document.get("bootDelay"))
        state.boot_delay = state.boot_delay if delay is None else delay
        state.enters_bios = flag(document, "enterBIOSSetup", state.enters_bios)
        state.boot = {**state.boot, **{key: document[key] for key in _BOOT if document.get(key) is not None}}


def apply_policies(vm: Entity, document: JsonObject) -> None:
    """A computePolicy that is there replaces both; the older vdcComputePolicy is that of the size."""
    state, policies = machine(vm), document.get("computePolicy")
    if isinstance(policies, dict):
        state.placement_policy = policies.get("vmPlacementPolicy") or None
        state.sizing_policy = policies.get("vmSizingPolicy") or None
    elif isinstance(document.get("vdcComputePolicy"), dict):
        state.sizing_policy = document["vdcComputePolicy"]
