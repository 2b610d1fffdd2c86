"""What is the provider's: provider vDCs, vCenters, hosts, datastores, pools, external networks, stranded items."""

from __future__ import annotations

from typing import NamedTuple

from bridge.simulator.calls.queries.tables import columns as c
from bridge.simulator.calls.queries.tables.columns import Columns, QueryType, Refer, of_kinds, said
from bridge.simulator.calls.queries.tables.estate import scope
from bridge.simulator.documents.estate.provider import CPU_MHZ, MEMORY_MB, STORAGE_MB
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.founding.estate import vdcs_of
from bridge.simulator.state.machines import vsphere_id
from bridge.simulator.state.usage import Usage, usage

PROVIDER_VDC, SERVER = "providervdc-1", "vimServer-1"


class PoolRow:
    """A provider vDC and what its vDCs use, reckoned once for all columns."""

    __slots__ = ("entity", "used", "vdcs")

    def __init__(self, entity: Entity, vdcs: list[Entity]) -> None:
        self.entity = entity
        self.vdcs = vdcs
        parts = [usage(vdc) for vdc in vdcs]
        self.used = Usage(
            cpu_mhz=sum(one.cpu_mhz for one in parts), memory_mb=sum(one.memory_mb for one in parts),
            storage_mb=sum(one.storage_mb for one in parts),
        )  # fmt: skip


def _pools(store: EntityStore) -> list[PoolRow]:
    return [PoolRow(one, vdcs_of(store, one)) for one in store.of_kind("providervdc")]


def _entity(row: PoolRow) -> Entity:
    return row.entity


_PROVIDER_VDC: Columns = {
    "name": lambda row: row.entity.name, "isEnabled": lambda row: row.entity.properties.get("isEnabled", True),
    "isDeleted": False, "vcpuRatingMhz": 1000, "cpuUsedMhz": lambda row: row.used.cpu_mhz,
    "cpuLimitMhz": CPU_MHZ, "cpuAllocationMhz": CPU_MHZ,
    "memoryUsedMB": lambda row: row.used.memory_mb, "memoryLimitMB": MEMORY_MB,
    "memoryAllocationMB": MEMORY_MB, "storageUsedMB": lambda row: row.used.storage_mb,
    "storageLimitMB": STORAGE_MB, "storageAllocationMB": STORAGE_MB,
    "numberOfDatastores": 1, "numberOfVdcs": lambda row: len(row.vdcs), "vcName": SERVER,
    "isBusy": lambda row: c.busy(row.entity), "status": "READY", "numberOfResourcePools": 1,
    "numberOfStorageProfiles": 1, "networkProviderType": "NSX_V",
}  # fmt: skip

_PROFILE: Columns = {
    "isEnabled": said("enabled", default=True), "name": c.name, "storageTotalMB": STORAGE_MB,
    "numberOfConditions": 0, "storageProfileMoref": lambda one: vsphere_id(one, "policy"),
    "iopsCapacity": 0, "iopsAllocated": 0, "numberOfCapabilities": 0,
    "iopsLimitingEnabled": False,
}  # fmt: skip

_SERVER: Columns = {
    "name": c.name, "url": said("url", default="https://vcenter.example.com"),
    "userName": said("username", default="administrator@vsphere.local"), "isEnabled": said("isEnabled", default=True),
    "vcVersion": said("vcVersion", default="8.0.2"), "status": "READY", "isBusy": c.busy,
    "listenerState": "CONNECTED", "uuid": lambda one: one.uuid, "isSupported": True,
    "isTenantScoped": False, "isProviderScoped": True, "hasProxy": False,
}  # fmt: skip

_HOST: Columns = {
    "name": c.name, "isEnabled": True, "isDeleted": False, "isBusy": c.busy,
    "isPrepared": True, "isSupported": True, "isHung": False,
    "isPendingUpgrade": False, "state": 1, "osVersion": "8.0.2",
    "isCrossHostEnabled": True, "isInMaintenanceMode": False,
    "connectionState": "connected", "vcName": SERVER,
}  # fmt: skip

_DATASTORE: Columns = {
    "name": c.name, "datastoreType": "VMFS", "isEnabled": True, "isDeleted": False,
    "storageMB": STORAGE_MB, "vcName": SERVER,
    "moref": lambda one: vsphere_id(one, "datastore"), "numberOfProviderVdcs": 1,
    "datastoreCluster": False, "iopsCapacity": 0, "iopsAllocated": 0,
}  # fmt: skip

_RESOURCE_POOL: Columns = {
    "name": c.name, "moref": lambda one: vsphere_id(one, "resgroup"), "isDeleted": False,
    "vcName": SERVER, "providerName": PROVIDER_VDC, "isEnabled": True,
    "isPrimary": True, "isKubernetesEnabled": False,
}  # fmt: skip

_STRANDED: Columns = {
    "name": c.name, "description": c.description, "vimObjectType": "VirtualMachine",
    "deletionDate": c.created, "numberOfPurgeAttempts": 1,
    "message": "The object could not be deleted from vCenter Server.",
}  # fmt: skip

_VM_GROUP: Columns = {
    "vmGroupId": lambda one: one.uuid, "vmGroupName": c.name, "clusterMoref": "domain-c1",
    "clusterName": "cluster-1", "namedVmGroupId": lambda one: one.uuid,
}  # fmt: skip


class PortGroup(NamedTuple):
    """A port group in vCenter: that of an external network, or a free one."""

    name: str
    about: Entity
    network: Entity | None


def _port_groups(store: EntityStore) -> list[PortGroup]:
    used = [PortGroup(f"{one.name}-portgroup", one, one) for one in store.of_kind("externalNetwork")]
    return used + [PortGroup("free-portgroup", one, None) for one in store.of_kind("vimServer")]


def _about(row: PortGroup) -> Entity:
    return row.about


_CAPACITY: Columns = {
    "name": lambda row: row.entity.name, "isEnabled": True, "isPrimary": True,
    "resourcePoolMoref": lambda row: vsphere_id(row.entity, "resgroup"),
    "cpuReservationLimitMhz": CPU_MHZ, "cpuReservationAllocationMhz": 0,
    "memoryReservationLimitMB": MEMORY_MB, "memoryReservationAllocationMB": 0,
    "providerVdc": Refer(_entity), "vcName": SERVER,
    "numberOfVMs": lambda row: sum(usage(one).machines for one in row.vdcs),
}  # fmt: skip

TYPES = (
    QueryType("providerVdc", "VMWProviderVdc", _pools, _PROVIDER_VDC, entity=_entity, provider_only=True),
    QueryType("providerVdcStorageProfile", "ProviderVdcStorageProfile", of_kinds("pvdcStorageProfile"), _PROFILE,
              provider_only=True),
    QueryType("providerVdcResourcePoolRelation", "ProviderVdcResourcePoolRelation", _pools, _CAPACITY, entity=_entity,
              provider_only=True, has_href=False),
    QueryType("externalNetwork", "Network", of_kinds("externalNetwork"), {
        "name": c.name, "gateway": scope("gateway"), "netmask": scope("netmask"), "dns1": scope("dns1"),
        "subnetPrefixLength": scope("subnetPrefixLength"), "dns2": scope("dns2"), "dnsSuffix": scope("dnsSuffix"),
        "isBusy": c.busy}, provider_only=True),
    QueryType("networkPool", "NetworkPool", of_kinds("networkPool"), {
        "name": c.name, "networkPoolType": 3, "vcName": SERVER, "description": c.description,
        "isVCEnabled": True, "isBusy": c.busy}, provider_only=True),
    QueryType("virtualCenter", "VirtualCenter", of_kinds("vimServer"), _SERVER, provider_only=True),
    QueryType("host", "Host", of_kinds("host"), _HOST, provider_only=True),
    QueryType("datastore", "Datastore", of_kinds("datastore"), _DATASTORE, provider_only=True),
    QueryType("resourcePool", "ResourcePool", of_kinds("resourcePool"), _RESOURCE_POOL, provider_only=True),
    QueryType("strandedItem", "StrandedItem", of_kinds("strandedItem"), _STRANDED, provider_only=True),
    QueryType("vmGroups", "VmGroups", of_kinds("vmGroup"), _VM_GROUP, provider_only=True, has_href=False),
    QueryType("portgroup", "Portgroup", _port_groups, {
        "name": lambda row: row.name, "moref": lambda row: vsphere_id(row.about, "dvportgroup"),
        "portgroupType": "DV_PORTGROUP", "vcName": SERVER, "isVCEnabled": True,
        "network": Refer(lambda row: row.network), "networkName": lambda row: row.network.name if row.network else "--",
        "scopeType": 0}, entity=_about, provider_only=True, has_href=False),
    QueryType("siteAssociation", "SiteAssociation", of_kinds("siteAssociation"), {
        "associatedSiteName": c.name, "associatedSiteId": lambda one: one.urn, "status": "ACTIVE"},
        provider_only=True),
    QueryType("orgAssociation", "OrgAssociation", of_kinds("orgAssociation"), {
        "localOrgId": lambda one: one.organization.urn, "orgId": lambda one: one.urn, "orgName": c.name,
        "status": "ACTIVE"}),
)  # fmt: skip
