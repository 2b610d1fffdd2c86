"""The kinds of entity that path parameters name: their ids in paths and their URNs.

Source: VMware Cloud Director API documentation; ids of vApps, VMs and templates carry a prefix in paths, others are
bare uuids. URNs: ``id`` attributes of the documentation's examples; go-vcloud-director types/v56/constants.go.
"""

from __future__ import annotations

from dataclasses import dataclass

VIEWS = ("", "admin/", "admin/extension/")
"""What stands between ``/api/`` and an entity's own segment: the user's, the administrator's, the provider's view."""


@dataclass(frozen=True, slots=True)
class Kind:
    """``urns`` are the third parts of ``urn:vcloud:<urn>:<uuid>``; ``prefix`` begins the id in a path.

    ``segments``: path segments that come before such an id, in any view of the entity. ``label``: for people.
    """

    name: str
    urns: tuple[str, ...]
    prefix: str
    segments: tuple[str, ...]
    label: str


_ALL = (
    Kind("vapp", ("vapp",), "vapp-", ("vApp",), "vApp"),
    Kind("vm", ("vm",), "vm-", ("vApp",), "VM"),
    Kind("vappTemplate", ("vapptemplate",), "vappTemplate-", ("vAppTemplate",), "vApp template"),
    Kind("templateVm", ("vm",), "vm-", ("vAppTemplate",), "VM of a template"),
    Kind("shadowVm", ("vm",), "vm-", ("shadowVm",), "shadow VM"),
    Kind("vdc", ("vdc",), "", ("vdc",), "vDC"),
    Kind("org", ("org",), "", ("org", "tasksList"), "organization"),
    Kind("catalog", ("catalog",), "", ("catalog",), "catalog"),
    Kind("catalogItem", ("catalogitem",), "", ("catalogItem",), "catalog item"),
    Kind("media", ("media",), "", ("media",), "media"),
    Kind("disk", ("disk",), "", ("disk",), "disk"),
    Kind("network", ("network",), "", ("network",), "network"),
    Kind("edgeGateway", ("gateway", "edgegateway"), "", ("edgeGateway",), "edge gateway"),
    Kind("vdcStorageProfile", ("vdcstorageprofile",), "", ("vdcStorageProfile",), "vDC storage profile"),
    Kind("pvdcStorageProfile", ("providervdcstorageprofile",), "", ("pvdcStorageProfile",), "provider storage profile"),
    Kind("providerVdc", ("providervdc",), "", ("providervdc",), "provider vDC"),
    Kind("vmAffinityRule", ("vmaffinityrule",), "", ("vmAffinityRule",), "VM affinity rule"),
    Kind("vmHostRule", ("vmhostaffinityrule",), "", ("rule",), "VM-host affinity rule"),
    Kind("vimServer", ("vimserver",), "", ("vimServer",), "vCenter server"),
    Kind("resourcePool", ("resourcepool",), "", ("resourcePool",), "resource pool"),
    Kind("networkPool", ("networkpool",), "", ("networkPool",), "network pool"),
    # An external network's URN is that of a network in the vCloud API's own documents.
    Kind("externalNetwork", ("externalnetwork", "network"), "", ("externalnet",), "external network"),
    Kind("strandedItem", ("strandeditem",), "", ("strandedItem",), "stranded item"),
    Kind("siteAssociation", ("site",), "", ("associations",), "site association"),
    Kind("orgAssociation", ("org",), "", ("associations",), "organization association"),
    Kind("task", ("task",), "", ("task",), "Task"),
    Kind("blockingTask", ("blockingtask",), "", ("blockingTask",), "blocking task"),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
"""Kind name, as the catalogue uses it -> kind."""
