"""What is put into VMs: named disks, media, switches of the hardware."""

from __future__ import annotations

from bridge.simulator.calls.effects.compute.hardware_items import put_media
from bridge.simulator.calls.effects.compute.power import label
from bridge.simulator.calls.effects.occasion import Effect, Modelled, Occasion
from bridge.simulator.calls.effects.referring import optional, required
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import BY_SUB_TYPE, LSI_LOGIC, Adapter, Machine, VirtualDisk, machine


def _named(state: Machine, disk: Entity) -> VirtualDisk | None:
    return next((one for one in state.disks if one.named is disk), None)


def _check_attach(occasion: Occasion) -> None:
    disk = required(occasion, "disk", "disk")
    if disk is None:
        return
    attached = storage.disk(disk).attached.present(occasion.store)
    free = not attached or (storage.disk(disk).shareable and occasion.owner not in attached)
    names = ", ".join(vm.name for vm in attached)
    occasion.refuse_unless(free, disk, f"The disk {disk.name} is attached to the virtual machine {names}.")
    _check_place(occasion, machine(occasion.owner))


def _check_place(occasion: Occasion, state: Machine) -> None:
    """A unit of a bus holds one disk."""
    bus, unit = occasion.body.get("busNumber"), occasion.body.get("unitNumber")
    taken = unit is not None and any((disk.bus, disk.unit) == (bus or 0, unit) for disk in state.disks)
    text = f"Unit {unit} of bus {bus or 0} of {label(occasion.owner)} is in use."
    occasion.refuse_unless(not taken, occasion.owner, text, code="BAD_REQUEST")


def _attach(occasion: Occasion) -> None:
    disk = required(occasion, "disk", "disk")
    state = machine(occasion.owner)
    if disk is None or _named(state, disk) is not None:
        return
    storage.disk(disk).attached.add(occasion.owner)
    adapter = _adapter_of(disk)
    bus, unit = occasion.body.get("busNumber"), occasion.body.get("unitNumber")
    bus = bus if type(bus) is int else 0
    state.disks.append(
        VirtualDisk(
            state.next_disk_id(), storage.disk(disk).size_mb, bus=bus, adapter=adapter, named=disk,
            unit=unit if type(unit) is int else state.free_unit(adapter, bus),
        )
    )  # fmt: skip


def _adapter_of(disk: Entity) -> Adapter:
    return BY_SUB_TYPE.get(storage.disk(disk).bus_sub_type.lower(), LSI_LOGIC)


def _check_detach(occasion: Occasion) -> None:
    disk = required(occasion, "disk", "disk")
    if disk is not None:
        has = _named(machine(occasion.owner), disk) is not None
        text = f"The disk {disk.name} is not attached to {label(occasion.owner)}."
        occasion.refuse_unless(has, occasion.owner, text)


def _detach(occasion: Occasion) -> None:
    disk = required(occasion, "disk", "disk")
    if disk is not None:
        state = machine(occasion.owner)
        storage.disk(disk).attached.discard(occasion.owner)
        state.disks = [one for one in state.disks if one.named is not disk]


def _check_media(occasion: Occasion) -> None:
    optional(occasion, occasion.body.get("media"), "media")


def _insert(occasion: Occasion) -> None:
    media = optional(occasion, occasion.body.get("media"), "media")
    if media is not None:
        put_media(occasion.owner, media)


def _eject(occasion: Occasion) -> None:
    put_media(occasion.owner, None)


def _nested(value: bool) -> Effect:  # noqa: FBT001  # the value, not a switch
    def set_nested(occasion: Occasion) -> None:
        machine(occasion.owner).nested_hypervisor = value

    return set_nested


def _trusted_platform(occasion: Occasion) -> None:
    machine(occasion.owner).tpm = occasion.body.get("tpmPresent") is True


MODELLED: dict[str, Modelled] = {
    "attachDisk": Modelled(check=_check_attach, effect=_attach),
    "detachDisk": Modelled(check=_check_detach, effect=_detach),
    "insertMedia": Modelled(check=_check_media, effect=_insert),
    "ejectMedia": Modelled(check=_check_media, effect=_eject),
    "enableNestedHypervisor": Modelled(effect=_nested(value=True)),
    "disableNestedHypervisor": Modelled(effect=_nested(value=False)),
    "editTrustedPlatformModule": Modelled(effect=_trusted_platform),
}
