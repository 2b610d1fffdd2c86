"""Organization vDC networks, edge gateways, external networks, network pools."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from bridge.simulator.calls.effects.estate.natrules import numbered
from bridge.simulator.calls.effects.general import rename
from bridge.simulator.calls.effects.occasion import Effect, Modelled, Occasion
from bridge.simulator.protocol.exchange import JsonObject, Refusal, bad_request, forbidden
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.estate import EdgeState, NetworkState, Uplink, edge_state, network_state


def _configuration(entity: Entity) -> JsonObject:
    found: JsonObject = entity.properties.setdefault("configuration", {})
    return found


def _write_network(occasion: Occasion) -> None:
    """What the body says of a network; the addresses that machines have are VCD's to tell."""
    body, network = occasion.body, occasion.owner
    said = dict(body.get("configuration") or {})
    parent = occasion.referred(said.pop("parentNetwork", None))
    edge = occasion.referred(body.get("edgeGateway"))
    state = network_state(network)
    if parent is not None and parent.kind.name == "externalNetwork":
        state.external = parent
    if edge is not None and edge.kind.name == "edgeGateway":
        state.edge = edge
    if state.edge is not None and said.get("fenceMode") != "natRouted":
        state.edge = None
    as_scopes(said)
    network.properties["configuration"] = {**_configuration(network), **said}
    if isinstance(body.get("isShared"), bool):
        network.properties["isShared"] = body["isShared"]
    if body.get("serviceConfig") is not None:
        network.properties["serviceConfig"] = body["serviceConfig"]


def as_scopes(configuration: JsonObject) -> None:
    """One scope in the old singular form becomes a list; what is allocated is not taken over."""
    single = configuration.pop("ipScope", None)
    scopes = (configuration.get("ipScopes") or {}).get("ipScope") or ([single] if single else [])
    if scopes:
        configuration["ipScopes"] = {"ipScope": [_kept_scope(one) for one in scopes]}


def _kept_scope(said: JsonObject) -> JsonObject:
    """With the mask in both forms, whichever was sent."""
    scope = {key: value for key, value in said.items() if key != "allocatedIpAddresses"}
    mask = scope.get("netmask") or scope.get("subnetPrefixLength")
    try:
        network = IPv4Network(f"0.0.0.0/{mask}")
    except ValueError:
        return scope
    return {**scope, "netmask": str(network.netmask), "subnetPrefixLength": network.prefixlen}


def write_external(network: Entity, body: JsonObject) -> None:
    if isinstance(body.get("description"), str):
        network.description = body["description"]
    said = dict(body.get("configuration") or {})
    as_scopes(said)
    network.properties["configuration"] = {**_configuration(network), **said}


def _check_external(occasion: Occasion) -> None:
    if not occasion.is_provider:
        raise forbidden()
    name = occasion.body.get("name")
    if not isinstance(name, str) or not name:
        raise bad_request("Bad request: name is required")
    if any(one.name == name for one in occasion.store.of_kind("externalNetwork")):
        raise Refusal(400, "DUPLICATE_NAME", f"The name {name} already exists.")


def _new_external(occasion: Occasion) -> None:
    write_external(occasion.owner, occasion.body)


def _new_network(occasion: Occasion) -> None:
    occasion.owner.state = NetworkState()
    _write_network(occasion)


def _update_network(occasion: Occasion) -> None:
    rename(occasion)
    _write_network(occasion)


def _write_edge(occasion: Occasion) -> None:
    """Uplinks refer to external networks; the interfaces to networks behind the gateway are those networks' affair."""
    edge, said = occasion.owner, dict(occasion.body.get("configuration") or {})
    interfaces = (said.pop("gatewayInterfaces", None) or {}).get("gatewayInterface") or ()
    uplinks = []
    for one in interfaces:
        network = occasion.referred(one.get("network"))
        if network is not None and network.kind.name == "externalNetwork":
            uplinks.append(Uplink(network, {key: value for key, value in one.items() if key != "network"}))
    if interfaces:
        edge_state(edge).uplinks = uplinks
    edge.properties["configuration"] = {**_configuration(edge), **said}


def _new_edge(occasion: Occasion) -> None:
    occasion.owner.state = EdgeState()
    _write_edge(occasion)


def _update_edge(occasion: Occasion) -> None:
    rename(occasion)
    _write_edge(occasion)


def _configure(**values: Any) -> Effect:
    return lambda occasion: _configuration(occasion.owner).update(values)


def _resize(occasion: Occasion) -> None:
    _configuration(occasion.owner)["gatewayBackingConfig"] = occasion.body.get("gatewayType")


def _configure_services(occasion: Occasion) -> None:
    """The services replace those that were there."""
    _configuration(occasion.owner)["edgeGatewayServiceConfiguration"] = {
        "networkService": numbered(occasion.body.get("networkService"))
    }


def _configure_syslog(occasion: Occasion) -> None:
    """For the tenant; the provider's server is not the caller's to choose."""
    settings = occasion.body.get("tenantSyslogServerSettings")
    _configuration(occasion.owner)["syslogServerSettings"] = {"tenantSyslogServerSettings": settings}


MODELLED: dict[str, Modelled] = {
    "createExternalNetwork": Modelled(creates="externalNetwork", check=_check_external, begin=_new_external),
    "createOrgVdcNetwork": Modelled(creates="network", begin=_new_network),
    "updateOrgVdcNetwork": Modelled(effect=_update_network),
    "convertNetworkToSubInterface": Modelled(effect=_configure(subInterface=True, distributedInterface=False)),
    "convertNetworkToDistributedInterface": Modelled(effect=_configure(subInterface=False, distributedInterface=True)),
    "convertNetworkToInternalInterface": Modelled(effect=_configure(subInterface=False, distributedInterface=False)),
    "createEdgeGateway": Modelled(creates="edgeGateway", begin=_new_edge),
    "updateEdgeGateway": Modelled(effect=_update_edge),
    "convertToAdvancedGateway": Modelled(effect=_configure(advancedNetworkingEnabled=True)),
    "enableEdgeGatewayDistributedRouting": Modelled(effect=_configure(distributedRoutingEnabled=True)),
    "disableEdgeGatewayDistributedRouting": Modelled(effect=_configure(distributedRoutingEnabled=False)),
    "modifyEdgeGatewayFormFactor": Modelled(effect=_resize),
    "configureEdgeGatewayServices": Modelled(effect=_configure_services),
    "configureEdgeGatewaySyslogServerSettings": Modelled(effect=_configure_syslog),
}
"""Redeploying, upgrading and synchronizing leave what is configured as it is."""
