"""What a vApp has beside its VMs: networks, leases, the order of their start, who else may use it."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.machines import Machine, Nic, first_network

ORDINARY_SCOPE: JsonObject = {
    "isInherited": True, "gateway": "192.168.0.1", "netmask": "255.255.0.0", "subnetPrefixLength": 16,
    "dns1": "192.168.0.1", "isEnabled": True,
    "ipRanges": {"ipRange": [{"startAddress": "192.168.1.1", "endAddress": "192.168.200.254"}]},
}  # fmt: skip
"""IpScopeType of a network whose addresses nobody told."""


@dataclass(slots=True, eq=False)
class VAppNetwork:
    """A network in a vApp. ``fence_mode``: bridged to ``parent``, natRouted, or isolated.

    ``configuration``: further fields of NetworkConfigurationType by their JSON keys.
    """

    name: str
    uuid: str
    fence_mode: str = "bridged"
    parent: Entity | None = None
    description: str = ""
    configuration: JsonObject = field(default_factory=dict)

    @property
    def scopes(self) -> list[JsonObject]:
        """IpScopeType: its own, else those of the network that it is bridged to, which it inherits."""
        inherited = None if self.parent is None else self.parent.properties.get("configuration")
        found = _scopes(self.configuration) or [{**one, "isInherited": True} for one in _scopes(inherited or {})]
        return found or [ORDINARY_SCOPE]


def _scopes(configuration: JsonObject) -> list[JsonObject]:
    """Of NetworkConfigurationType, in its form with several or in the older one with one."""
    scopes = (configuration.get("ipScopes") or {}).get("ipScope")
    return list(scopes or ([configuration["ipScope"]] if configuration.get("ipScope") else []))


@dataclass(slots=True, eq=False)
class VAppState:
    """``startup``: what differs from the ordinary start of a VM, by its name: fields of the startup section's items.

    Leases in seconds, 0: for ever. With whom it is shared is the entity's ``shared``.
    """

    networks: list[VAppNetwork] = field(default_factory=list)
    deployment_lease: int = 0
    storage_lease: int = 0
    deployed_at: float | None = None
    undeployed_at: float | None = None
    startup: dict[str, JsonObject] = field(default_factory=dict)
    product_sections: list[JsonObject] = field(default_factory=list)
    in_maintenance: bool = False
    auto_nature: bool = False

    def network(self, name: str) -> VAppNetwork | None:
        return next((one for one in self.networks if one.name == name), None)


def vapp_state(entity: Entity) -> VAppState:
    """The state of a vApp; an ordinary one is on the first network of its vDC."""
    if not isinstance(entity.state, VAppState):
        network = first_network(entity)
        entity.state = VAppState(networks=[] if network is None else [bridged(entity.uuid, network)])
    return entity.state


def bridged(key: str, network: Entity) -> VAppNetwork:
    """A vApp's network that is an organization vDC network. ``key``: the vApp's uuid."""
    return VAppNetwork(network.name, network_uuid(key, network.name), parent=network)


def network_uuid(key: str, name: str) -> str:
    """Uuid of a network in a vApp, ever the same for its name."""
    text = "".join(f"{zlib.crc32(f'{key}|{name}#{number}'.encode()):08x}" for number in range(4))
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


def find_network(store: EntityStore, uuid: str) -> tuple[Entity, VAppNetwork] | None:
    """The vApp that a network is in, and the network."""
    for vapp in store.of_kind("vApp"):
        if isinstance(vapp.state, VAppState):
            for network in vapp.state.networks:
                if network.uuid == uuid:
                    return vapp, network
    return None


def give_address(vapp: Entity, nic: Nic) -> None:
    """A card with mode POOL gets the first address of its network that no other card has; one without needs none."""
    if nic.mode in ("DHCP", "NONE"):
        nic.ip = None
    elif nic.mode == "POOL" and nic.ip is None:
        network = vapp_state(vapp).network(nic.network)
        if network is not None:
            used = {other.ip for other in _cards(vapp, network) if other is not nic}
            nic.ip = next((address for address in _addresses(network) if address not in used), None)


def _cards(vapp: Entity, network: VAppNetwork) -> Iterator[Nic]:
    """Of all VMs known so far on the same network: in this vApp, and if it is bridged in those beside it."""
    beside = vapp.parent.children if network.parent is not None and vapp.parent is not None else [vapp]
    for other in beside:
        if isinstance(other.state, VAppState):
            names = {one.name for one in other.state.networks if one is network or one.parent is network.parent}
            for vm in other.children:
                if isinstance(vm.state, Machine):
                    yield from (nic for nic in vm.state.nics if nic.network in names)


def _addresses(network: VAppNetwork) -> Iterator[str]:
    for scope in network.scopes:
        for part in (scope.get("ipRanges") or {}).get("ipRange") or ():
            first, last = _number(part.get("startAddress")), _number(part.get("endAddress"))
            if first is not None and last is not None:
                yield from (str(ipaddress.ip_address(number)) for number in range(first, last + 1))


def _number(address: object) -> int | None:
    try:
        return int(ipaddress.ip_address(str(address)))
    except ValueError:
        return None


def leased_address(vm: Entity, nic: Nic) -> str | None:
    """What DHCP gave a card, which shows while its VM runs."""
    if vm.parent is None or vm.parent.kind.name != "vApp":
        return None
    network = vapp_state(vm.parent).network(nic.network)
    if network is None:
        return None
    scope = network.scopes[0]
    try:
        subnet = ipaddress.ip_network(f"{scope.get('gateway')}/{scope.get('netmask')}", strict=False)
    except ValueError:
        return None
    size = subnet.num_addresses
    return str(subnet[size // 2 + zlib.crc32(nic.mac.encode()) % max(size // 2 - 1, 1)]) if size > 3 else None
