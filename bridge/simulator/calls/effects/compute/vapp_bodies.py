"""What bodies say about a vApp's networks, leases and start, put into its state."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from bridge.simulator.calls.effects.estate.natrules import numbered
from bridge.simulator.calls.effects.occasion import Occasion
from bridge.simulator.calls.effects.values import objects
from bridge.simulator.documents.compute.sections import plain
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.vapps import VAppNetwork, network_uuid, vapp_state

_OWN = frozenset({"fenceMode", "parentNetwork", "_type", "vCloudExtension", "otherAttributes", "routerInfo"})
"""Fields of a configuration that are not kept as they came."""
_START = frozenset({"order", "startAction", "startDelay", "stopAction", "stopDelay", "waitingForGuest"})


def apply_networks(occasion: Occasion, vapp: Entity, section: JsonObject) -> None:
    """All networks of a vApp: those that are not in the section are gone, and the cards on them are on none."""
    state = vapp_state(vapp)
    before = {one.name: one for one in state.networks}
    networks = [
        _network(occasion, vapp, config, before)
        for config in objects(section.get("networkConfig") or [])
        if config.get("networkName")
    ]
    state.networks = networks


def _network(occasion: Occasion, vapp: Entity, config: JsonObject, before: dict[str, VAppNetwork]) -> VAppNetwork:
    name = str(config["networkName"])
    known = before.get(name)
    network = VAppNetwork(name, network_uuid(vapp.uuid, name) if known is None else known.uuid)
    network.description = str(config.get("description") or "")
    apply_configuration(occasion, network, config.get("configuration"))
    return network


def apply_configuration(occasion: Occasion, network: VAppNetwork, configuration: Any) -> None:
    """NetworkConfigurationType. A network with a parent takes its addresses from there, so they are not kept."""
    given: JsonObject = configuration if isinstance(configuration, dict) else {}
    network.parent = occasion.referred(given.get("parentNetwork"))
    network.fence_mode = str(given.get("fenceMode") or ("bridged" if network.parent is not None else "isolated"))
    kept = {key: value for key, value in given.items() if key not in _OWN and value is not None}
    if network.parent is not None and network.fence_mode == "bridged":
        kept.pop("ipScopes", None)
        kept.pop("ipScope", None)
    for scope in objects((kept.get("ipScopes") or {}).get("ipScope") or []):
        _complete(scope)
    if isinstance(features := kept.get("features"), dict):
        kept["features"] = {**features, "networkService": numbered(features.get("networkService"))}
    network.configuration = kept


def _complete(scope: JsonObject) -> None:
    """What VCD fills in: that the scope is in use, and the length of its prefix."""
    scope.setdefault("isEnabled", True)
    try:
        subnet = ip_network(
            f"{scope.get('gateway')}/{scope.get('netmask') or scope.get('subnetPrefixLength')}", strict=False
        )
    except ValueError:
        return
    scope.update(netmask=str(subnet.netmask), subnetPrefixLength=subnet.prefixlen)


def apply_lease(vapp: Entity, section: JsonObject) -> None:
    state = vapp_state(vapp)
    deployment, storage = section.get("deploymentLeaseInSeconds"), section.get("storageLeaseInSeconds")
    state.deployment_lease = deployment if type(deployment) is int else state.deployment_lease
    state.storage_lease = storage if type(storage) is int else state.storage_lease


def apply_startup(vapp: Entity, section: JsonObject) -> None:
    vapp_state(vapp).startup = {
        str(item.get("id")): {key: plain(value) for key, value in item.items() if key in _START and value is not None}
        for item in objects(section.get("item") or [])
    }


def apply_products(vapp: Entity, sections: list[JsonObject]) -> None:
    vapp_state(vapp).product_sections = sections
