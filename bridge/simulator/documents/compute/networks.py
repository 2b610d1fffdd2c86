"""The networks of a vApp: as its sections tell them, and each as a document of its own."""

from __future__ import annotations

from bridge.simulator.documents.compute.sections import STEM, ovf_section, section
from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import Machine
from bridge.simulator.state.references import References
from bridge.simulator.state.vapps import VAppNetwork, vapp_state

NETWORK_STEM = f"{STEM}.vAppNetwork"
ADDRESSES_STEM = f"{STEM}.allocatedNetworkAddress"


def network_section(references: References, vapp: Entity) -> JsonObject:
    return ovf_section(
        "NetworkSectionType", "The list of logical networks", f"{references.href(vapp)}/networkSection/",
        f"{STEM}.networkSection",
        network=[{"name": one.name, "description": one.description} for one in vapp_state(vapp).networks],
    )  # fmt: skip


def network_config(references: References, vapp: Entity, *, editable: bool) -> JsonObject:
    return section(
        "NetworkConfigSectionType", "The configuration parameters for logical networks",
        f"{references.href(vapp)}/networkConfigSection/", f"{STEM}.networkConfigSection", editable=editable,
        networkConfig=[_config(references, vapp, one) for one in vapp_state(vapp).networks],
    )  # fmt: skip


def network_href(references: References, network: VAppNetwork, *, admin: bool = False) -> str:
    return f"{references.api}/{'admin/' if admin else ''}network/{network.uuid}"


def _config(references: References, vapp: Entity, network: VAppNetwork) -> JsonObject:
    admin = network_href(references, network, admin=True)
    links = [references.link("repair", f"{admin}/action/reset")]
    if network.fence_mode == "natRouted":
        links.append(references.link("syncSyslogSettings", f"{admin}/action/syncSyslogServerSettings",
                                     f"{STEM}.task"))  # fmt: skip
    return {
        "networkName": network.name, "description": network.description, "link": links,
        "configuration": configuration(references, network), "isDeployed": bool(vapp.deployed),
    }  # fmt: skip


def configuration(references: References, network: VAppNetwork) -> JsonObject:
    """NetworkConfigurationType."""
    return {
        "retainNetInfoAcrossDeployments": False, "guestVlanAllowed": False, **network.configuration,
        "ipScopes": {"ipScope": network.scopes},
        "parentNetwork": None if network.parent is None else references.to(network.parent),
        "fenceMode": network.fence_mode, "features": _features(network),
    }  # fmt: skip


def _features(network: VAppNetwork) -> JsonObject | None:
    """What is between a network and the one that it is routed to: a firewall at least."""
    given = network.configuration.get("features")
    services = list((given or {}).get("networkService") or ())
    if network.fence_mode != "natRouted" or any(one.get("_type") == "FirewallServiceType" for one in services):
        return given
    firewall = {"_type": "FirewallServiceType", "isEnabled": True, "defaultAction": "drop", "logDefaultAction": False}
    return {"networkService": [firewall, *services]}


def network_document(references: References, vapp: Entity, network: VAppNetwork) -> JsonObject:
    """VAppNetworkType: ``/network/{id}`` of a network in a vApp."""
    href = network_href(references, network)
    return {
        "href": href, "type": media_type(NETWORK_STEM), "id": f"urn:vcloud:network:{network.uuid}",
        "name": network.name, "description": network.description, "deployed": bool(vapp.deployed),
        "link": [
            references.link("up", references.href(vapp), vapp.kind.media_stem, vapp.name),
            references.link("edit", href, NETWORK_STEM),
            references.link("down", f"{href}/allocatedAddresses", ADDRESSES_STEM),
            references.link("repair", f"{network_href(references, network, admin=True)}/action/reset"),
        ],
        "configuration": configuration(references, network),
    }  # fmt: skip


def allocated_addresses(references: References, vapp: Entity, network: VAppNetwork) -> JsonObject:
    """AllocatedIpAddressesType: what the VMs of the vApp have of it."""
    found = [
        {"ipAddress": nic.ip, "allocationType": "vmAllocated", "isDeployed": bool(vapp.deployed)}
        for vm in vapp.children if isinstance(vm.state, Machine)
        for nic in vm.state.nics if nic.network == network.name and nic.ip is not None
    ]  # fmt: skip
    return {
        "href": f"{network_href(references, network)}/allocatedAddresses", "type": media_type(ADDRESSES_STEM),
        "ipAddress": found,
    }  # fmt: skip
