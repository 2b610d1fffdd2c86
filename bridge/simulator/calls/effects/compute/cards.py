"""Network cards in bodies, put into a VM's state with the addresses that their modes give them."""

from __future__ import annotations

from typing import Any

from bridge.simulator.calls.effects.values import counted, objects
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import NO_NETWORK, Nic, mac_address, machine
from bridge.simulator.state.vapps import give_address


def apply_network_section(vm: Entity, section: JsonObject) -> None:
    apply_cards(vm, objects(section.get("networkConnection")), section.get("primaryNetworkConnectionIndex"))


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


def give_addresses(vm: Entity) -> None:
    """Each card has the address that its mode gives it."""
    if vm.parent is not None and vm.parent.kind.name == "vApp":
        for nic in machine(vm).nics:
            give_address(vm.parent, nic)
