"""Organizations, people, vDCs, storage policies, networks, edge gateways."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address

from bridge.simulator.calls.queries.tables import columns as c
from bridge.simulator.calls.queries.tables.columns import Columns, QueryType, Refer, of_kinds, said
from bridge.simulator.documents.estate.network import allocated, first_scope
from bridge.simulator.documents.estate.vdc import storage_used
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.estate import (
    edge_state,
    group_state,
    members,
    network_state,
    networks_of,
    vdc_state,
)
from bridge.simulator.state.machines import vdc_of, vsphere_id
from bridge.simulator.state.usage import Usage, count, usage


def _count(kind: str, *, of_org: bool = False) -> c.Get:
    if of_org:
        return lambda org: sum(count(vdc, kind) for vdc in members(org, "vdc"))
    return lambda entity: count(entity, kind)


def _setting(key: str, default: object = 0) -> c.Get:
    return lambda org: ((org.properties.get("settings") or {}).get("orgGeneralSettings") or {}).get(key, default)


_ORG: Columns = {
    "name": c.name, "isReadOnly": lambda org: org.name == "System", "isEnabled": said("isEnabled", default=True),
    "deployedVMQuota": _setting("deployedVMQuota"),
    "storedVMQuota": _setting("storedVmQuota"), "displayName": said("fullName", default=""),
    "canPublishCatalogs": _setting("canPublishCatalogs", default=False),
    "numberOfCatalogs": _count("catalog"), "numberOfVdcs": _count("vdc"), "numberOfVApps": _count("vApp", of_org=True),
    "numberOfGroups": _count("group"), "numberOfDisks": _count("disk", of_org=True),
    "canPublishExternally": _setting("canPublishExternally", default=False),
}  # fmt: skip


def _owned(user: Entity, *, running: bool) -> int:
    vapps = (vapp for vdc in members(user.organization, "vdc") for vapp in members(vdc, "vApp") if vapp.owner is user)
    return sum(1 for vapp in vapps for vm in vapp.children if vm.deployed or not running)


_ADMIN_USER: Columns = {
    "name": c.name, "fullName": said("fullName", default=""), "isEnabled": said("isEnabled", default=True),
    "numberOfDeployedVMs": lambda user: _owned(user, running=True),
    "deployedVMQuota": said("deployedVmQuota", default=0),
    "numberOfStoredVMs": lambda user: _owned(user, running=False),
    "storedVMQuota": said("storedVmQuota", default=0),
    "isLdapUser": False, "isExternal": said("isExternal", default=False), "identityProviderType": "INTEGRATED",
}  # fmt: skip

_USER: Columns = {**_ADMIN_USER, "isLocked": False}

_GROUP: Columns = {
    "name": c.name, "roleName": lambda group: group_state(group).role, "isReadOnly": False,
    "identityProviderType": "SAML",
}  # fmt: skip

_ROLE: Columns = {"name": c.name, "isReadOnly": lambda role: not role.properties.get("made", False)}


class VdcRow:
    """A vDC with its usage, reckoned once for all columns."""

    __slots__ = ("_used", "vdc")

    def __init__(self, vdc: Entity) -> None:
        self.vdc = vdc
        self._used: Usage | None = None

    @property
    def used(self) -> Usage:
        if self._used is None:
            self._used = usage(self.vdc)
        return self._used


def _limit(kind: str, key: str) -> c.Get:
    return lambda row: ((row.vdc.properties.get("computeCapacity") or {}).get(kind) or {}).get(key, 0)


def _in(get: c.Get) -> c.Get:
    return lambda row: get(row.vdc)


def _storage_limit(row: VdcRow) -> int:
    return sum(one.properties.get("limit", 0) for one in members(row.vdc, "vdcStorageProfile"))


def _deployed_vapps(row: VdcRow) -> int:
    return sum(1 for one in members(row.vdc, "vApp") if one.deployed)


VDC_STATUSES = {-1: "FAILED_CREATION", 0: "NOT_READY", 1: "READY", 2: "UNKNOWN", 3: "UNRECOGNIZED"}
MODELS = {"AllocationVApp": 0, "AllocationPool": 1, "ReservationPool": 2, "Flex": 3}

_ANY_VDC: Columns = {
    "name": _in(c.name), "description": _in(c.description), "isEnabled": _in(said("isEnabled", default=True)),
    "cpuAllocationMhz": _limit("cpu", "allocated"), "cpuLimitMhz": _limit("cpu", "limit"),
    "cpuUsedMhz": lambda row: row.used.cpu_mhz, "cpuReservedMhz": 0,
    "memoryAllocationMB": _limit("memory", "allocated"), "memoryLimitMB": _limit("memory", "limit"),
    "memoryUsedMB": lambda row: row.used.memory_mb, "memoryReservedMB": 0,
    "storageAllocationMB": 0, "storageLimitMB": _storage_limit,
    "storageUsedMB": lambda row: row.used.storage_mb,
    "providerVdcName": c.name_of(lambda row: vdc_state(row.vdc).provider_vdc),
    "providerVdc": Refer(lambda row: vdc_state(row.vdc).provider_vdc), "orgName": _in(c.organization_name),
    "numberOfVApps": _in(_count("vApp")), "numberOfUnmanagedVApps": 0,
    "numberOfMedia": _in(_count("media")), "numberOfDisks": _in(_count("disk")),
    "numberOfVAppTemplates": _in(_count("vAppTemplate")), "isSystemVdc": False, "isBusy": _in(c.busy),
    "status": lambda row: VDC_STATUSES.get(row.vdc.status, "UNKNOWN"),
    "numberOfStorageProfiles": _in(_count("vdcStorageProfile")), "numberOfVMs": lambda row: row.used.machines,
    "numberOfRunningVMs": lambda row: row.used.running, "numberOfDeployedVApps": _deployed_vapps,
    "numberOfDeployedUnmanagedVApps": 0, "isThinProvisioned": _in(said("isThinProvision", default=True)),
    "isFastProvisioned": _in(said("usesFastProvisioning", default=False)),
}  # fmt: skip

_ADMIN_VDC: Columns = {
    **_ANY_VDC, "org": Refer(_in(c.organization)),
    "allocationModel": lambda row: MODELS.get(row.vdc.properties.get("allocationModel", "AllocationVApp"), 0),
    "vcName": "vimServer-1", "isVCEnabled": True, "numberOfResourcePools": 1,
    "networkPool": Refer(lambda row: vdc_state(row.vdc).network_pool), "cpuOverheadMhz": 0,
    "memoryOverheadMB": 0, "storageOverheadMB": 0,
    "usedNetworksInVdc": _in(_count("network")), "networkProviderType": "NSX_V",
}  # fmt: skip

_PROFILE: Columns = {
    "name": c.name, "isEnabled": said("enabled", default=True),
    "isDefaultStorageProfile": said("default", default=False),
    "storageUsedMB": storage_used, "storageLimitMB": said("limit", default=0), "iopsAllocated": 0,
    "iopsLimit": 0, "numberOfConditions": 0, "vdc": Refer(vdc_of), "vdcName": c.name_of(vdc_of),
    "diskIopsEnabled": False, "numberOfCapabilities": 0,
    "inheritPvdcDefaultSettings": True,
}  # fmt: skip


def scope(key: str) -> c.Get:
    return lambda network: first_scope(network).get(key)


def _fence(network: Entity) -> str:
    return str((network.properties.get("configuration") or {}).get("fenceMode", "isolated"))


def _interface(network: Entity) -> int | None:
    configuration = network.properties.get("configuration") or {}
    if configuration.get("fenceMode") != "natRouted":
        return None
    return 1 if configuration.get("subInterface") else 2 if configuration.get("distributedInterface") else 0


def _connected_to(network: Entity) -> Entity | None:
    state = network_state(network)
    return state.edge or state.external


def _addresses(network: Entity) -> int:
    """How many there are in the network's pool."""
    ranges = (first_scope(network).get("ipRanges") or {}).get("ipRange") or ()
    try:
        return sum(int(IPv4Address(one["endAddress"])) - int(IPv4Address(one["startAddress"])) + 1 for one in ranges)
    except (AddressValueError, KeyError):
        return 0


LINK_TYPES = {"bridged": 0, "natRouted": 1, "isolated": 2}

_SCOPE: Columns = {
    "netmask": scope("netmask"), "subnetPrefixLength": scope("subnetPrefixLength"), "dns1": scope("dns1"),
    "dns2": scope("dns2"), "dnsSuffix": scope("dnsSuffix"),
}  # fmt: skip

_NETWORK: Columns = {
    "name": c.name, "defaultGateway": scope("gateway"), **_SCOPE,
    "linkType": lambda one: LINK_TYPES.get(_fence(one), 2), "connectedTo": c.name_of(_connected_to),
    "vdc": Refer(vdc_of), "vdcName": c.name_of(vdc_of), "isBusy": c.busy, "isShared": said("isShared", default=False),
    "isIpScopeInherited": scope("isInherited"), "usedIpCount": lambda one: sum(1 for _ in allocated(one)),
    "totalIpCount": _addresses, "interfaceType": _interface,
}  # fmt: skip

_ORG_NETWORK: Columns = {
    "name": c.name, "org": Refer(c.organization), "gateway": scope("gateway"), **_SCOPE,
    "isIpScopeInherited": scope("isInherited"), "isBusy": c.busy,
}  # fmt: skip


def _configured(key: str) -> c.Get:
    return lambda edge: bool((edge.properties.get("configuration") or {}).get(key, False))


_EDGE: Columns = {
    "name": c.name, "vdc": Refer(vdc_of), "orgVdcName": c.name_of(vdc_of), "orgName": c.organization_name,
    "numberOfExtNetworks": lambda edge: len(edge_state(edge).uplinks),
    "numberOfOrgNetworks": lambda edge: len(networks_of(edge)), "isBusy": c.busy,
    "edgeGatewayType": "NSXV_BACKED",
    "availableNetCount": lambda edge: max(0, 10 - len(networks_of(edge)) - len(edge_state(edge).uplinks)),
    "gatewayStatus": lambda edge: "READY" if edge.status == 1 else "NOT_READY",
    "haStatus": lambda edge: "UP" if _configured("haEnabled")(edge) else "DISABLED",
    "advancedNetworkingEnabled": _configured("advancedNetworkingEnabled"),
    "distributedRoutingEnabled": _configured("distributedRoutingEnabled"),
}  # fmt: skip


def _vdc(row: VdcRow) -> Entity:
    return row.vdc


_RESOURCE_POOL: Columns = {
    "vdc": Refer(_vdc), "resourcePoolMoref": lambda row: vsphere_id(row.vdc, "resgroup"),
    "vcName": "vimServer-1", "resourcePoolName": _in(c.name),
}  # fmt: skip

TYPES = (
    QueryType("organization", "Org", of_kinds("org"), _ORG),
    QueryType("user", "User", of_kinds("user"), _USER),
    QueryType("adminUser", "AdminUser", of_kinds("user"), {**_ADMIN_USER, "org": Refer(c.organization)},
              provider_only=True),
    QueryType("group", "Group", of_kinds("group"), {**_GROUP, "description": c.description}),
    QueryType("adminGroup", "AdminGroup", of_kinds("group"), {**_GROUP, "org": Refer(c.organization)},
              provider_only=True),
    QueryType("role", "Role", of_kinds("role"), {**_ROLE, "description": c.description}),
    QueryType("adminRole", "AdminRole", of_kinds("role"),
              {**_ROLE, "org": Refer(c.organization), "orgName": c.organization_name}, provider_only=True),
    QueryType("right", "Right", of_kinds("right"), {"name": c.name, "category": said("category")}, everybody=True),
    QueryType("orgVdc", "OrgVdc", lambda store: map(VdcRow, store.of_kind("vdc")), _ANY_VDC, entity=_vdc),
    QueryType("adminOrgVdc", "AdminVdc", lambda store: map(VdcRow, store.of_kind("vdc")), _ADMIN_VDC, entity=_vdc,
              provider_only=True, admin_href=True),
    QueryType("orgVdcStorageProfile", "OrgVdcStorageProfile", of_kinds("vdcStorageProfile"),
              {**_PROFILE, "isVdcBusy": lambda one: one.parent is not None and c.busy(one.parent)}),
    QueryType("adminOrgVdcStorageProfile", "AdminOrgVdcStorageProfile", of_kinds("vdcStorageProfile"), {
        **_PROFILE, "org": Refer(c.organization), "storageProfileMoref": lambda one: vsphere_id(one, "policy")},
        provider_only=True, admin_href=True),
    QueryType("orgVdcNetwork", "OrgVdcNetwork", of_kinds("network"), _NETWORK, admin_href=True),
    QueryType("orgNetwork", "OrgNetwork", of_kinds("network"), _ORG_NETWORK),
    QueryType("adminOrgNetwork", "AdminOrgNetwork", of_kinds("network"), {
        **{key: value for key, value in _ORG_NETWORK.items() if key != "dnsSuffix"}, "orgName": c.organization_name},
        provider_only=True, admin_href=True),
    QueryType("edgeGateway", "EdgeGateway", of_kinds("edgeGateway"), _EDGE, admin_href=True),
    QueryType("orgVdcResourcePoolRelation", "OrgVdcResourcePoolRelation",
              lambda store: map(VdcRow, store.of_kind("vdc")), _RESOURCE_POOL, entity=_vdc, provider_only=True,
              has_href=False),
)  # fmt: skip
