"""The kinds of entity: their place in paths, their URNs, their media types.

Source: VMware Cloud Director API documentation, the types' pages; go-vcloud-director types/v56/constants.go.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """``collections`` are the paths below /api in front of an id, user view first; ``prefix`` begins such an id."""

    name: str
    urn: str
    collections: tuple[str, ...]
    media_stem: str
    label: str
    prefix: str = ""
    provider_only: bool = False


def _kind(
    name: str, urn: str, collections: str, stem: str, label: str, *, prefix: str = "", hidden: bool = False
) -> Kind:
    return Kind(
        name=name, urn=urn, collections=tuple(collections.split()), media_stem=f"application/vnd.vmware.{stem}",
        label=label, prefix=prefix, provider_only=hidden,
    )  # fmt: skip


_ALL = (
    _kind("vApp", "vapp", "vApp", "vcloud.vApp", "Virtual Application", prefix="vapp-"),
    _kind("vm", "vm", "vApp", "vcloud.vm", "Virtual Machine", prefix="vm-"),
    _kind("vAppTemplate", "vapptemplate", "vAppTemplate", "vcloud.vAppTemplate", "Virtual Application Template",
          prefix="vappTemplate-"),
    _kind("vmTemplate", "vm", "vAppTemplate", "vcloud.vm", "Virtual Machine Template", prefix="vm-"),
    _kind("vdc", "vdc", "vdc admin/vdc", "vcloud.vdc", "Virtual Datacenter"),
    _kind("org", "org", "org admin/org tasksList", "vcloud.org", "Organization"),
    _kind("user", "user", "admin/user", "admin.user", "User"),
    _kind("catalog", "catalog", "catalog admin/catalog", "vcloud.catalog", "Catalog"),
    _kind("catalogItem", "catalogitem", "catalogItem", "vcloud.catalogItem", "Catalog Item"),
    _kind("media", "media", "media", "vcloud.media", "Media File"),
    _kind("disk", "disk", "disk", "vcloud.disk", "Disk"),
    _kind("network", "network", "network admin/network", "vcloud.orgVdcNetwork", "Network"),
    _kind("edgeGateway", "gateway", "edgeGateway admin/edgeGateway", "admin.edgeGateway", "Edge Gateway"),
    _kind("vdcStorageProfile", "vdcstorageProfile", "vdcStorageProfile admin/vdcStorageProfile",
          "vcloud.vdcStorageProfile", "Storage Policy"),
    _kind("vmAffinityRule", "vmAffinityRule", "vmAffinityRule", "vcloud.vmaffinityrule", "VM Affinity Rule"),
    _kind("providervdc", "providervdc", "admin/providervdc admin/extension/providervdc", "admin.providervdc",
          "Provider Virtual Datacenter", hidden=True),
    _kind("pvdcStorageProfile", "providervdcstorageprofile", "admin/pvdcStorageProfile", "admin.pvdcStorageProfile",
          "Provider Storage Policy", hidden=True),
    _kind("vimServer", "vimserver", "admin/extension/vimServer", "admin.vmwvirtualcenter",
          "vCenter Server", hidden=True),
    _kind("resourcePool", "resourcepool", "admin/extension/resourcePool", "admin.resourcePool",
          "Resource Pool", hidden=True),
    _kind("networkPool", "networkpool", "admin/extension/networkPool", "admin.networkPool",
          "Network Pool", hidden=True),
    _kind("externalNetwork", "externalnetwork", "admin/extension/externalnet", "admin.vmwexternalnet",
          "External Network",
          hidden=True),
    _kind("strandedItem", "strandeditem", "admin/extension/strandedItem", "admin.strandedItem", "Stranded Item",
          hidden=True),
    _kind("vmGroup", "vmgroup", "admin/extension/vmGroup", "admin.vmwVmGroupType", "VM Group", hidden=True),
    _kind("vmHostRule", "vmhostaffinityrule", "admin/extension/rule", "admin.vmwVmHostAffinityRule",
          "VM-Host Affinity Rule", hidden=True),
    _kind("shadowVm", "vm", "shadowVm", "vcloud.vm", "Shadow Virtual Machine", prefix="vm-"),
    _kind("siteAssociation", "site", "site/associations", "admin.siteAssociation", "Site Association", hidden=True),
    _kind("orgAssociation", "org", "admin/org/associations", "admin.organizationAssociation",
          "Organization Association"),
    _kind("role", "role", "admin/role", "admin.role", "Role"),
    _kind("right", "right", "admin/right", "admin.right", "Right"),
    _kind("group", "group", "admin/group", "admin.group", "Group"),
    _kind("host", "host", "admin/extension/host", "admin.host", "Host", hidden=True),
    _kind("datastore", "datastore", "admin/extension/datastore", "admin.datastore", "Datastore", hidden=True),
)  # fmt: skip

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}

BY_COLLECTION: dict[str, tuple[Kind, ...]] = {}
for _one in _ALL:
    for _collection in _one.collections:
        BY_COLLECTION[_collection] = (*BY_COLLECTION.get(_collection, ()), _one)


def kind_of(collection: str, path_id: str) -> tuple[Kind, str] | None:
    """The kind and the bare uuid of an id as it stands in a path; None where the id fits no kind of the collection."""
    for kind in BY_COLLECTION.get(collection, ()):
        if path_id.startswith(kind.prefix):
            return kind, path_id[len(kind.prefix) :].lower()
    return None
