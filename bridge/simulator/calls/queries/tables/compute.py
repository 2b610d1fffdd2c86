"""vApps and VMs, their networks, what connects them to others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from bridge.simulator.calls.queries.tables import columns as c
from bridge.simulator.calls.queries.tables.columns import Columns, QueryType, Refer, of_kinds
from bridge.simulator.clock import timestamp
from bridge.simulator.documents.compute.guest import SYSTEMS
from bridge.simulator.documents.compute.hardware import address_of
from bridge.simulator.documents.compute.networks import network_href
from bridge.simulator.documents.owner import owner_of
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.founding.library import item_of
from bridge.simulator.state.machines import Machine, Nic, machine, vdc_of, vsphere_id
from bridge.simulator.state.references import References
from bridge.simulator.state.usage import size_of
from bridge.simulator.state.vapps import VAppNetwork, vapp_state

STATUSES = {
    -1: "FAILED_CREATION", 0: "UNRESOLVED", 1: "RESOLVED", 2: "DEPLOYED", 3: "SUSPENDED", 4: "POWERED_ON",
    5: "WAITING_FOR_INPUT", 6: "UNKNOWN", 7: "UNRECOGNIZED", 8: "POWERED_OFF", 9: "INCONSISTENT_STATE", 10: "MIXED",
    11: "DESCRIPTOR_PENDING", 12: "COPYING_CONTENTS", 13: "DISK_CONTENTS_PENDING", 14: "QUARANTINED",
    15: "QUARANTINE_EXPIRED", 16: "REJECTED", 17: "TRANSFER_TIMEOUT", 18: "VAPP_UNDEPLOYED",
    19: "VAPP_PARTIALLY_DEPLOYED", 20: "PARTIALLY_POWERED_OFF",
}  # fmt: skip
"""How records spell the status of vApps, VMs, templates and media (go-vcloud-director types/v56)."""


def status(entity: Entity) -> str | None:
    return None if entity.status is None else STATUSES.get(entity.status, "UNKNOWN")


def deployed(entity: Entity) -> bool:
    return bool(entity.deployed)


def of_vdc(key: str) -> c.Get:
    """A field of the vDC that an entity lies in."""

    def get(entity: Entity) -> object:
        vdc = vdc_of(entity)
        return None if vdc is None else vdc.properties.get(key)

    return get


def _parent(entity: Entity) -> Entity | None:
    return entity.parent


def _is_template(vm: Entity) -> bool:
    return vm.kind.name == "vmTemplate"


def _primary(vm: Entity) -> Nic | None:
    state = machine(vm)
    return state.nic(state.primary_nic) or next(iter(state.nics), None)


def _network_name(vm: Entity) -> str | None:
    nic = _primary(vm)
    return None if nic is None or nic.network == "none" else nic.network


def _network(vm: Entity) -> Entity | None:
    nic = _primary(vm)
    if nic is None or vm.parent is None or vm.parent.kind.name != "vApp":
        return None
    network = vapp_state(vm.parent).network(nic.network)
    return None if network is None else network.parent


def _address(vm: Entity) -> str | None:
    nic = _primary(vm)
    return None if nic is None else address_of(vm, nic)


def _guest(vm: Entity) -> str:
    system = machine(vm).guest_os
    return SYSTEMS.get(system, (1, system))[1]


def _hardware(vm: Entity) -> int:
    return int(machine(vm).hardware_version.removeprefix("vmx-"))


def _profile(vm: Entity) -> Entity | None:
    return machine(vm).storage_profile


def _snapshot(vm: Entity) -> bool:
    return isinstance(vm.state, Machine) and vm.state.snapshot is not None


def _snapshot_created(vm: Entity) -> str | None:
    snapshot = machine(vm).snapshot
    return None if snapshot is None else timestamp(snapshot.created_at)


def _catalog_name(vm: Entity) -> str | None:
    item = item_of(vm.parent) if vm.parent is not None and vm.parent.kind.name == "vAppTemplate" else None
    return None if item is None or item.parent is None else item.parent.name


def _customization(vm: Entity) -> str:
    return "GC_PENDING" if machine(vm).needs_customization else "GC_COMPLETE"


def _policy(key: str) -> c.Get:
    def get(vm: Entity) -> object:
        policy: JsonObject | None = getattr(machine(vm), key)
        return None if policy is None else policy.get("id")

    return get


VM: Columns = {
    "name": c.name, "containerName": c.name_of(_parent), "container": Refer(_parent),
    "ownerName": c.name_of(owner_of), "owner": Refer(owner_of), "vdcName": c.name_of(vdc_of), "vdc": Refer(vdc_of),
    "description": c.description, "vappScopedLocalId": lambda vm: machine(vm).local_id,
    "isVAppTemplate": _is_template, "isDeleted": False, "guestOs": _guest,
    "numberOfCpus": lambda vm: size_of(vm)[0], "memoryMB": lambda vm: size_of(vm)[1], "status": status,
    "networkName": _network_name, "network": Refer(_network), "ipAddress": _address, "isBusy": c.busy,
    "isDeployed": deployed, "isPublished": False, "catalogName": _catalog_name,
    "hardwareVersion": _hardware, "vmToolsStatus": lambda vm: machine(vm).tools_version,
    "isInMaintenanceMode": False, "isAutoNature": lambda vm: _auto_nature(vm.parent),
    "storageProfileName": c.name_of(_profile), "snapshot": _snapshot, "snapshotCreated": _snapshot_created,
    "gcStatus": _customization, "isComputePolicyCompliant": True,
    "vmSizingPolicyId": _policy("sizing_policy"), "vmPlacementPolicyId": _policy("placement_policy"),
    "encrypted": False, "dateCreated": lambda vm: timestamp(vm.created_at),
    "totalStorageAllocatedMb": lambda vm: size_of(vm)[2], "isExpired": False,
    "defaultStoragePolicyName": c.name_of(_profile),
}  # fmt: skip

_VM_IN_VCENTER: Columns = {
    "hostName": "host-1", "isVdcEnabled": of_vdc("isEnabled"),
    "vmToolsVersion": lambda vm: int(machine(vm).tools_version), "datastoreName": "datastore-1",
    "moref": vsphere_id, "org": Refer(c.organization), "vmNameInVc": lambda vm: f"{vm.name} ({vm.uuid})",
}  # fmt: skip

_ONLY_OF_MEMBERS = frozenset(
    {"ownerName", "owner", "network", "isBusy", "vmToolsStatus", "isInMaintenanceMode", "snapshot", "snapshotCreated",
     "totalStorageAllocatedMb", "defaultStoragePolicyName"}
)  # fmt: skip


def _auto_nature(vapp: Entity | None) -> bool:
    return vapp is not None and vapp.kind.name == "vApp" and vapp_state(vapp).auto_nature


def _sizes(index: int) -> Callable[[Entity], int]:
    return lambda vapp: sum(size_of(vm)[index] for vm in vapp.children)


VAPP: Columns = {
    "name": c.name, "vdc": Refer(vdc_of), "vdcName": c.name_of(vdc_of), "description": c.description,
    "isPublic": False, "isEnabled": True, "isBusy": c.busy, "creationDate": c.created,
    "status": status, "ownerName": c.name_of(owner_of), "memoryAllocationMB": _sizes(1), "isDeployed": deployed,
    "isInMaintenanceMode": lambda vapp: vapp_state(vapp).in_maintenance, "isAutoNature": _auto_nature,
    "isExpired": False, "numberOfCpus": _sizes(0),
    "snapshot": lambda vapp: any(_snapshot(vm) for vm in vapp.children),
    "snapshotCreated": lambda vapp: next((_snapshot_created(vm) for vm in vapp.children if _snapshot(vm)), None),
    "totalStorageAllocatedMb": _sizes(2),
}  # fmt: skip

_ADMIN_VAPP: Columns = {
    **{key: value for key, value in VAPP.items() if key not in ("isPublic", "snapshot", "snapshotCreated")},
    "org": Refer(c.organization), "isVdcEnabled": of_vdc("isEnabled"), "storageKB": lambda vapp: _sizes(2)(vapp) * 1024,
    "numberOfVMs": lambda vapp: len(vapp.children), "cpuAllocationMhz": lambda vapp: _sizes(0)(vapp) * 1000,
}  # fmt: skip


class Connection(NamedTuple):
    """A network in a vApp."""

    vapp: Entity
    network: VAppNetwork


def _connections(store: EntityStore) -> Iterator[Connection]:
    for vapp in store.of_kind("vApp"):
        for network in vapp_state(vapp).networks:
            yield Connection(vapp, network)


def _bridged(store: EntityStore) -> Iterator[Connection]:
    return (one for one in _connections(store) if one.network.parent is not None)


def _scope(key: str) -> c.Get:
    def get(row: Connection) -> object:
        scopes = row.network.scopes
        return scopes[0].get(key) if scopes else None

    return get


_VAPP_NETWORK: Columns = {
    "name": lambda row: row.network.name, "isIpScopeInherited": _scope("isInherited"), "gateway": _scope("gateway"),
    "netmask": _scope("netmask"), "subnetPrefixLength": _scope("subnetPrefixLength"), "dns1": _scope("dns1"),
    "dns2": _scope("dns2"), "dnsSuffix": _scope("dnsSuffix"), "vApp": Refer(lambda row: row.vapp),
    "isBusy": lambda row: c.busy(row.vapp), "isLinked": lambda row: row.network.parent is not None,
}  # fmt: skip

_RELATION: Columns = {
    "entityType": "vApp", "name": lambda row: row.vapp.name, "org": Refer(lambda row: row.vapp.organization),
    "status": lambda row: status(row.vapp), "ownerName": lambda row: c.name_of(owner_of)(row.vapp),
}  # fmt: skip


def _vapp_of(row: Connection) -> Entity:
    return row.vapp


def _uuid(row: Connection) -> str:
    return row.network.uuid


def _address_of(row: Connection, references: References) -> tuple[str, str]:
    return network_href(references, row.network), f"urn:vcloud:network:{row.network.uuid}"


def _admin_address_of(row: Connection, references: References) -> tuple[str, str]:
    return network_href(references, row.network, admin=True), f"urn:vcloud:network:{row.network.uuid}"


TYPES = (
    QueryType("vm", "VM", of_kinds("vm", "vmTemplate"), VM),
    QueryType("adminVM", "AdminVM", of_kinds("vm", "vmTemplate"),
              {**{key: value for key, value in VM.items() if key not in _ONLY_OF_MEMBERS}, **_VM_IN_VCENTER},
              provider_only=True),
    QueryType("vApp", "VApp", of_kinds("vApp"), VAPP),
    QueryType("adminVApp", "AdminVApp", of_kinds("vApp"), _ADMIN_VAPP, provider_only=True),
    QueryType("vAppNetwork", "VAppNetwork", _connections, {**_VAPP_NETWORK, "vAppName": lambda row: row.vapp.name},
              entity=_vapp_of, uuid=_uuid, address=_address_of),
    QueryType("adminVAppNetwork", "AdminVAppNetwork", _connections, {
        **_VAPP_NETWORK, "vappName": lambda row: row.vapp.name, "org": Refer(lambda row: row.vapp.organization)},
        entity=_vapp_of, provider_only=True, uuid=_uuid, address=_admin_address_of),
    QueryType("vAppOrgVdcNetworkRelation", "VAppOrgVdcNetworkRelation", _bridged,
              {**_RELATION, "orgVdcNetwork": Refer(lambda row: row.network.parent),
               "orgVdcNetworkName": lambda row: row.network.parent.name}, entity=_vapp_of),
    QueryType("vAppOrgNetworkRelation", "VAppOrgNetworkRelation", _bridged,
              {**{key: value for key, value in _RELATION.items() if key != "entityType"},
               "orgNetwork": Refer(lambda row: row.network.parent),
               "orgNetworkName": lambda row: row.network.parent.name,
               "configurationType": lambda row: row.network.fence_mode}, entity=_vapp_of),
)  # fmt: skip
