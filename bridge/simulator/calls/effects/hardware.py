"""What changes one VM: its sections, the whole of it, its hardware version, its compliance."""

from __future__ import annotations

from collections.abc import Callable

from bridge.simulator.calls.effects import machine_bodies as bodies
from bridge.simulator.calls.effects.cards import apply_network_section
from bridge.simulator.calls.effects.hardware_items import apply_extra_config, apply_item, apply_items
from bridge.simulator.calls.effects.occasion import POWERED_ON, Effect, Modelled, Occasion
from bridge.simulator.calls.effects.power import refuse_unless_stopped
from bridge.simulator.calls.effects.values import objects, whole
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


def _check_hot(kind: int) -> Effect:
    """A running VM takes another number of processors or more memory only where that was allowed before."""

    def check(occasion: Occasion) -> None:
        vm = occasion.owner
        state, asked = machine(vm), whole(occasion.body.get("virtualQuantity"))
        present, allowed = {
            PROCESSOR: (state.cpus, state.cpu_hot_add), MEMORY: (state.memory_mb, state.memory_hot_add),
        }[kind]  # fmt: skip
        if vm.status == POWERED_ON and asked not in (None, present) and not (allowed and (asked or 0) > present):
            refuse_unless_stopped(occasion, vm)

    return check


def _update_hardware(occasion: Occasion) -> None:
    _items(PROCESSOR, MEMORY, DISK, NETWORK, CD)(occasion)
    apply_extra_config(occasion.owner, occasion.body)


def _update_spec(occasion: Occasion) -> None:
    bodies.apply_vm(occasion, occasion.owner, occasion.body)


def _upgrade(occasion: Occasion) -> None:
    machine(occasion.owner).hardware_version = LATEST_HARDWARE


def _check_compliance(occasion: Occasion) -> None:
    machine(occasion.owner).compliance_checked_at = occasion.now


def _check_stopped(occasion: Occasion) -> None:
    refuse_unless_stopped(occasion, occasion.owner)


MODELLED: dict[str, Modelled] = {
    "updateVm": Modelled(effect=_update_spec),
    "reconfigureVm": Modelled(effect=_update_spec),
    "updateVmNetworkConnectionSection": _section(apply_network_section),
    "updateVmGuestCustomizationSection": _section(bodies.apply_customization),
    "updateVmOperatingSystemSection": _section(bodies.apply_operating_system),
    "updateVmVirtualHardwareSection": Modelled(effect=_update_hardware),
    "updateVmCpu": Modelled(check=_check_hot(PROCESSOR), effect=_item(PROCESSOR)),
    "updateVmMemory": Modelled(check=_check_hot(MEMORY), effect=_item(MEMORY)),
    "updateVmDisks": Modelled(effect=_items(DISK)),
    "updateVmSerialPorts": Modelled(),
    "updateVmMedia": Modelled(effect=_items(CD)),
    "updateVmNetworkCards": Modelled(effect=_items(NETWORK)),
    "updateVmCapabilities": _section(bodies.apply_capabilities),
    "updateVmBootOptions": _section(bodies.apply_boot),
    "upgradeVmHardwareVersion": Modelled(check=_check_stopped, effect=_upgrade),
    "checkVmCompliance": Modelled(effect=_check_compliance),
}
