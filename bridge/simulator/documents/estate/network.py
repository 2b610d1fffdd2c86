"""Organization vDC networks, edge gateways, external networks.

Source: OrgVdcNetworkType, GatewayType and VMWExternalNetworkType of the VCD schemas; jclouds-vcloud-director's recorded
networks; pyvcloud's vdc_network.py, gateway.py and external_network.py for the links that clients follow.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.simulator.documents.view import Part, View, Writer
from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.estate import Uplink, edge_state, network_state, networks_of
from bridge.simulator.state.machines import Machine, vsphere_id
from bridge.simulator.state.references import References
from bridge.simulator.state.usage import machines_in

NETWORK_STEM = "application/vnd.vmware.vcloud.orgVdcNetwork"
EDGE_STEM = "application/vnd.vmware.admin.edgeGateway"
ALLOCATED_STEM = "application/vnd.vmware.vcloud.allocatedNetworkAddress"
RECORDS_STEM = "application/vnd.vmware.vcloud.query.records"
SERVICES_STEM = "application/vnd.vmware.admin.edgeGatewayServiceConfiguration"

ORDINARY_CONFIGURATION: JsonObject = {"fenceMode": "isolated", "retainNetInfoAcrossDeployments": False}

_CONVERSIONS = (("convertToSubInterface", "sub"), ("convertToInternalInterface", "internal"),
                ("convertToDistributedInterface", "distributed"))  # fmt: skip
_EDGE_ACTIONS = (("redeploy", "redeploy"), ("reapplyServices", "reapplyServices"), ("upgrade", "upgradeConfig"),
                 ("syncSyslogSettings", "syncSyslogServerSettings"))  # fmt: skip
"""Relation and action."""


def network(writer: Writer, entity: Entity, view: View) -> JsonObject:
    references, state = writer.references, network_state(entity)
    configuration = configuration_of(entity)
    if state.external is not None:
        configuration["parentNetwork"] = references.to(state.external)
    document: JsonObject = {
        "link": _network_links(references, entity, view),
        "configuration": configuration,
        "isShared": bool(entity.properties.get("isShared", False)),
    }
    if view.admin and state.edge is not None:
        document["edgeGateway"] = references.to(state.edge)
    return document


def configuration_of(entity: Entity) -> JsonObject:
    """NetworkConfigurationType, with the addresses that machines have on it in its scopes."""
    configuration: JsonObject = {**ORDINARY_CONFIGURATION, **(entity.properties.get("configuration") or {})}
    scopes = (configuration.get("ipScopes") or {}).get("ipScope") or ()
    used = [address for address, _ in allocated(entity)]
    if scopes and used:
        first = {**scopes[0], "allocatedIpAddresses": {"ipAddress": used}}
        configuration["ipScopes"] = {"ipScope": [first, *scopes[1:]]}
    return configuration


def allocated(network_entity: Entity) -> Iterator[tuple[str, Entity]]:
    """The addresses that machines have on an organization vDC network, and the machines."""
    vdc = network_entity.parent
    if vdc is None or vdc.kind.name != "vdc":
        return
    for vm in machines_in(vdc):
        if isinstance(vm.state, Machine):
            for nic in vm.state.nics:
                if nic.network == network_entity.name and nic.ip is not None:
                    yield nic.ip, vm


def allocated_addresses(references: References, entity: Entity, *, admin: bool) -> JsonObject:
    """``allocatedAddresses`` below a network."""
    href = references.admin_href(entity) if admin else references.href(entity)
    return {
        "href": f"{href}/allocatedAddresses/", "type": media_type(ALLOCATED_STEM),
        "ipAddress": [
            {"ipAddress": address, "isDeployed": bool(vm.deployed), "allocationType": "vmAllocated",
             "link": [references.link("down", references.href(vm), vm.kind.media_stem, vm.name)]}
            for address, vm in allocated(entity)
        ],
    }  # fmt: skip


def _network_links(references: References, entity: Entity, view: View) -> list[JsonObject]:
    href, admin_href, link = references.href(entity), references.admin_href(entity), references.link
    links = [link("down", f"{admin_href if view.admin else href}/allocatedAddresses/", ALLOCATED_STEM)]
    if not view.admin:
        if view.administrator:
            links += [link("alternate", admin_href, NETWORK_STEM), link("edit", admin_href, NETWORK_STEM),
                      link("remove", admin_href)]  # fmt: skip
        return links
    relations = f"{references.api}/query?type=vAppOrgVdcNetworkRelation&format=records"
    links += [link("alternate", href, NETWORK_STEM), link("edit", admin_href, NETWORK_STEM), link("remove", admin_href),
              link("repair", f"{admin_href}/action/reset"),
              link("down", f"{relations}&filter=orgVdcNetwork%3D%3D{href}", RECORDS_STEM)]  # fmt: skip
    configuration = entity.properties.get("configuration") or {}
    if configuration.get("fenceMode") == "natRouted":
        now = "sub" if configuration.get("subInterface") else (
            "distributed" if configuration.get("distributedInterface") else "internal")  # fmt: skip
        links += [
            link(f"orgVdcNetwork:{action}", f"{admin_href}/action/{action}")
            for action, kind in _CONVERSIONS
            if kind != now
        ]
    return links


def edge_gateway(writer: Writer, entity: Entity, view: View) -> JsonObject:
    references = writer.references
    configuration: JsonObject = {"gatewayBackingConfig": "compact", **(entity.properties.get("configuration") or {})}
    configuration["gatewayInterfaces"] = {"gatewayInterface": [
        *(_uplink(references, one) for one in edge_state(entity).uplinks),
        *(_internal(references, one) for one in networks_of(entity)),
    ]}  # fmt: skip
    configuration.setdefault("edgeGatewayServiceConfiguration", {"networkService": []})
    configuration.setdefault("syslogServerSettings", {"tenantSyslogServerSettings": {}})
    return {"link": _edge_links(references, entity, view), "configuration": configuration}


def _uplink(references: References, uplink: Uplink) -> JsonObject:
    return {
        "name": uplink.network.name, "displayName": uplink.network.name, "interfaceType": "uplink",
        "subnetParticipation": [_participation(uplink.network)], "applyRateLimit": False, "inRateLimit": 100.0,
        "outRateLimit": 100.0, "useForDefaultRoute": True, **uplink.document,
        "network": references.to(uplink.network),
    }  # fmt: skip


def _internal(references: References, entity: Entity) -> JsonObject:
    configuration = entity.properties.get("configuration") or {}
    kind = "subinterface" if configuration.get("subInterface") else (
        "distributed" if configuration.get("distributedInterface") else "internal")  # fmt: skip
    return {
        "name": entity.name, "displayName": entity.name, "network": references.to(entity), "interfaceType": kind,
        "subnetParticipation": [_participation(entity)], "applyRateLimit": False, "useForDefaultRoute": False,
    }  # fmt: skip


def _participation(entity: Entity) -> JsonObject:
    """An edge gateway's address in a network: for a network behind it the network's gateway."""
    scope = first_scope(entity)
    found = {key: scope[key] for key in ("gateway", "netmask", "subnetPrefixLength") if scope.get(key) is not None}
    address = scope.get("gateway")
    ranges = (scope.get("ipRanges") or {}).get("ipRange") or ()
    if entity.kind.name == "externalNetwork" and ranges:
        address = ranges[0].get("startAddress")
    return {**found, "ipAddress": address, "useForDefaultRoute": entity.kind.name == "externalNetwork"}


def first_scope(entity: Entity) -> JsonObject:
    """The first IpScopeType of a network, also where it is told in the old singular form."""
    configuration = entity.properties.get("configuration") or {}
    scopes = (configuration.get("ipScopes") or {}).get("ipScope") or ()
    return dict(scopes[0]) if scopes else dict(configuration.get("ipScope") or {})


def _edge_links(references: References, entity: Entity, view: View) -> list[JsonObject]:
    href, link = references.admin_href(entity), references.link
    links = []
    if view.admin:
        links.append(link("alternate", references.href(entity), EDGE_STEM))
    if not view.administrator:
        return links
    if not view.admin:
        links.append(link("alternate", href, EDGE_STEM))
    links.append(link("edit", href, EDGE_STEM))
    if view.provider:
        links.append(link("remove", href))
    links += [link(f"edgeGateway:{rel}", f"{href}/action/{action}") for rel, action in _EDGE_ACTIONS]
    links.append(link("edgeGateway:configureServices", f"{href}/action/configureServices", SERVICES_STEM))
    links.append(link("edgeGateway:configureSyslogServerSettings", f"{href}/action/configureSyslogServerSettings",
                      "application/vnd.vmware.vcloud.SyslogSettings"))  # fmt: skip
    links.append(link("edgeGateway:modifyFormFactor", f"{href}/action/modifyFormFactor",
                      "application/vnd.vmware.vcloud.edgeGatewayFormFactor"))  # fmt: skip
    configuration = entity.properties.get("configuration") or {}
    if not configuration.get("advancedNetworkingEnabled"):
        links.append(link("edgeGateway:convertToAdvancedGateway", f"{href}/action/convertToAdvancedGateway"))
    routing = "disable" if configuration.get("distributedRoutingEnabled") else "enable"
    links.append(link(f"edgeGateway:{routing}DistributedRouting", f"{href}/action/{routing}DistributedRouting"))
    links.append(link("orgVdcNetworks", f"{references.api}/query?type=orgVdcNetwork&format=records", RECORDS_STEM))
    return links


def external_network(writer: Writer, entity: Entity, _view: View) -> JsonObject:
    references, href = writer.references, writer.references.href(entity)
    servers = writer.store.of_kind("vimServer")
    group = None
    if servers:
        group = {
            "vimServerRef": references.to(servers[0]), "moRef": vsphere_id(entity, "dvportgroup"),
            "vimObjectType": "DV_PORTGROUP",
        }  # fmt: skip
    return {
        "link": [references.link("edit", href, entity.kind.media_stem), references.link("remove", href)],
        "configuration": {**ORDINARY_CONFIGURATION, **(entity.properties.get("configuration") or {})},
        "vimPortGroupRef": group,
    }  # fmt: skip


PARTS = {
    "network": Part(network),
    "edgeGateway": Part(edge_gateway),
    "externalNetwork": Part(external_network),
}
