"""What changes one VM: its sections, the whole of it, its hardware version, its compliance."""

from __future__ import annotations

from collections.abc import Callable

from bridge.simulator.calls.effects.compute import machine_bodies as bodies
from bridge.simulator.calls.effects.compute.cards import apply_network_section
from bridge.simulator.calls.effects.compute.hardware_items import apply_extra_config, apply_item, apply_items
from bridge.simulator.calls.effects.compute.power import refuse_unless_stopped
from bridge.simulator.calls.effects.occasion import POWERED_ON, Effect, Modelled, Occasion
from bridge.simulator.calls.effects.values import objects
from bridge.simulator.documents.compute.hardware import CD, DISK, MEMORY, NETWORK, PROCESSOR
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import LATEST_HARDWARE, machine


def _section(apply: Callable[[Entity, JsonObject], None]) -> Modelled:
    return Modelled(effect=lambda occasion: apply(occasion.owner, occasion.body))


def _items(*kinds: int) -> Effect:
    def apply(occasion: Occasion) -> None:
        items = objects(occasion.body.get("item") or [])
        apply_items(occasion, occasion.owner, items, kinds)

    return apply


def _item(kind: int) -> Effect:
    """One item, which need not say what it is."""
    return lambda occasion: apply_item(occasion.owner, {**occasion.body, "resourceType": kind})


def _check_item(kind: int) -> Effect:
    return lambda occasion: _check_size(occasion, {"item": [{**occasion.body, "resourceType": kind}]})


def _check_body(occasion: Occasion) -> None:
    _check_size(occasion, occasion.body)


def _check_size(occasion: Occasion, document: JsonObject) -> None:
    """A running VM takes more processors or memory only where that was allowed before, and never less."""
    vm = occasion.owner
    state = machine(vm)
    cpus, memory = bodies.sizes_in(document)
    grown = (
        (cpus or state.cpus, state.cpus, state.cpu_hot_add),
        (memory or state.memory_mb, state.memory_mb, state.memory_hot_add),
    )
    if vm.status == POWERED_ON and not all(
        asked == present or (allowed and asked > present) for asked, present, allowed in grown
    ):
        refuse_unless_stopped(occasion, vm)


def _update_hardware(occasion: Occasion) -> None:
    _items(PROCESSOR, MEMORY, DISK, NETWORK, CD)(occasion)
    apply_extra_config(occasion.owner, occasion.body)


def _update_spec(occasion: Occasion) -> None:
    bodies.apply_vm(occasion, occasion.owner, occasion.body)


def _replace(occasion: Occasion) -> None:
    """A PUT: the description that it leaves out is gone."""
    bodies.apply_vm(occasion, occasion.owner, {**occasion.body, "description": occasion.body.get("description") or ""})


def _upgrade(occasion: Occasion) -> None:
    machine(occasion.owner).hardware_version = LATEST_HARDWARE


def _check_compliance(occasion: Occasion) -> None:
    machine(occasion.owner).compliance_checked_at = occasion.now


def _check_stopped(occasion: Occasion) -> None:
    refuse_unless_stopped(occasion, occasion.owner)


MODELLED: dict[str, Modelled] = {
    "updateVm": Modelled(check=_check_body, effect=_replace),
    "reconfigureVm": Modelled(check=_check_body, effect=_update_spec),
    "updateVmNetworkConnectionSection": _section(apply_network_section),
    "updateVmGuestCustomizationSection": _section(bodies.apply_customization),
    "updateVmOperatingSystemSection": _section(bodies.apply_operating_system),
    "updateVmVirtualHardwareSection": Modelled(check=_check_body, effect=_update_hardware),
    "updateVmCpu": Modelled(check=_check_item(PROCESSOR), effect=_item(PROCESSOR)),
    "updateVmMemory": Modelled(check=_check_item(MEMORY), effect=_item(MEMORY)),
    "updateVmDisks": Modelled(effect=_items(DISK)),
    "updateVmSerialPorts": Modelled(),
    "updateVmMedia": Modelled(effect=_items(CD)),
    "updateVmNetworkCards": Modelled(effect=_items(NETWORK)),
    "updateVmCapabilities": _section(bodies.apply_capabilities),
    "updateVmBootOptions": _section(bodies.apply_boot),
    "upgradeVmHardwareVersion": Modelled(check=_check_stopped, effect=_upgrade),
    "checkVmCompliance": Modelled(effect=_check_compliance),
}
