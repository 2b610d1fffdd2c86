"""vDCs and their storage policies, in the view of a member and of an administrator.

Source: VdcType, AdminVdcType and VdcStorageProfileType of the VCD schemas; libcloud's recorded vDCs; pyvcloud's vdc.py
for the links that clients follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from bridge.simulator.documents.estate.hardware_version import hardware_versions
from bridge.simulator.documents.view import Part, View, Writer
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.protocol.xml_writer import Markup, escaped
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.estate import members, profile_state, vdc_state
from bridge.simulator.state.machines import vsphere_id
from bridge.simulator.state.references import References
from bridge.simulator.state.usage import Usage, usage

_EXTENSION = "http://www.vmware.com/vcloud/extension/v1.5"
VDC_STEM = "application/vnd.vmware.vcloud.vdc"
ADMIN_VDC_STEM = "application/vnd.vmware.admin.vdc"
ADMIN_PROFILE_STEM = "application/vnd.vmware.admin.vdcStorageProfile"
RECORDS_STEM = "application/vnd.vmware.vcloud.query.records"

_ADDS = (
    ("action/uploadVAppTemplate", "uploadVAppTemplateParams"), ("media", "media"),
    ("action/instantiateVAppTemplate", "instantiateVAppTemplateParams"), ("action/cloneVApp", "cloneVAppParams"),
    ("action/cloneVAppTemplate", "cloneVAppTemplateParams"), ("action/cloneMedia", "cloneMediaParams"),
    ("action/captureVApp", "captureVAppParams"), ("action/composeVApp", "composeVAppParams"),
    ("action/moveVApp", "MoveVAppParams"), ("action/instantiateOvf", "instantiateOvfParams"),
    ("action/instantiateVmFromTemplate", "instantiateVmTemplateParams"), ("action/createVm", "CreateVmParams"),
    ("disk", "diskCreateParams"), ("vmAffinityRules", "vmaffinityrule"),
)  # fmt: skip
_ADMIN_ADDS = (("networks", "vcloud.orgVdcNetwork"), ("edgeGateways", "admin.edgeGateway"))
_HOLDS = ("vApp", "vAppTemplate", "media", "disk")


def vdc(writer: Writer, entity: Entity, view: View) -> JsonObject:
    references, used = writer.references, usage(entity)
    network_list = list(members(entity, "network"))
    document: JsonObject = {
        "link": _links(references, entity, view),
        "computeCapacity": _capacity(entity, used),
        "resourceEntities": {"resourceEntity": _resources(references, entity, view)},
        "availableNetworks": {"network": _listed(references, network_list, view)},
        "capabilities": {"supportedHardwareVersions": hardware_versions(references, entity)},
        "usedNetworkCount": len(network_list),
        "vdcStorageProfiles": {
            "vdcStorageProfile": _listed(references, members(entity, "vdcStorageProfile"), view)},
    }  # fmt: skip
    document.update({key: entity.properties.get(key, value) for key, value in _ORDINARY.items()})
    servers = writer.store.of_kind("vimServer")
    if view.provider and servers:
        where = _in_vsphere(references, servers[0], entity)
        document["vCloudExtension"] = [{"required": False, "any": [where]}]
    if view.admin:
        state = vdc_state(entity)
        if state.network_pool is not None:
            document["networkPoolReference"] = references.to(state.network_pool)
        if state.provider_vdc is not None:
            document["providerVdcReference"] = references.to(state.provider_vdc)
    return document


_ORDINARY: JsonObject = {
    "allocationModel": "AllocationVApp", "nicQuota": 0, "networkQuota": 100, "vmQuota": 0, "isEnabled": True,
}  # fmt: skip


def _in_vsphere(references: References, server: Entity, entity: Entity) -> Markup:
    """Where a system administrator finds the vDC's resource pool in vCenter."""
    attributes = f'name="{escaped(server.name)}" href="{escaped(references.href(server))}"'
    return Markup(
        f'<vmext:VimObjectRef xmlns:vmext="{_EXTENSION}">'
        f'<vmext:VimServerRef {attributes} type="{server.kind.media_stem}+xml"/>'
        f"<vmext:MoRef>{vsphere_id(entity, 'resgroup')}</vmext:MoRef>"
        "<vmext:VimObjectType>RESOURCE_POOL</vmext:VimObjectType></vmext:VimObjectRef>"
    )


def _capacity(entity: Entity, used: Usage) -> JsonObject:
    said = entity.properties.get("computeCapacity") or {}
    of = {"cpu": ("MHz", used.cpu_mhz), "memory": ("MB", used.memory_mb)}
    return {
        name: {"units": units, "allocated": 0, "limit": 0, **(said.get(name) or {}), "reserved": 0, "used": amount}
        for name, (units, amount) in of.items()
    }


def _resources(references: References, entity: Entity, view: View) -> list[JsonObject]:
    return [
        {**references.to(one), "_type": "ResourceReferenceType"}
        for one in entity.children
        if one.kind.name in _HOLDS and view.sees(one)
    ]


def _listed(references: References, entities: Iterable[Entity], view: View) -> list[JsonObject]:
    """References; an administrator's view has those of his views."""
    found = []
    for one in entities:
        stem = ADMIN_PROFILE_STEM if view.admin and one.kind.name == "vdcStorageProfile" else one.kind.media_stem
        href = references.admin_href(one) if view.admin else references.href(one)
        found.append(references.reference(href, one.urn, stem, one.name))
    return found


def _links(references: References, entity: Entity, view: View) -> list[JsonObject]:
    href, admin_href, link = references.href(entity), references.admin_href(entity), references.link
    below = {"edgeGateways": f"{admin_href}/edgeGateways", "orgVdcNetworks": f"{admin_href}/networks"}
    if not view.administrator:
        below = {"orgVdcNetworks": _query(references, entity, "orgVdcNetwork")}
    links = [*(link(rel, target, RECORDS_STEM) for rel, target in below.items()),
             link("down", f"{href}/vmAffinityRules", "application/vnd.vmware.vcloud.vmaffinityrules"),
             link("down", f"{href}/controlAccess/", "application/vnd.vmware.vcloud.controlAccess")]  # fmt: skip
    if not view.admin:
        links += [link("add", f"{href}/{tail}", f"application/vnd.vmware.vcloud.{stem}") for tail, stem in _ADDS]
        if view.administrator:
            links.append(link("alternate", admin_href, ADMIN_VDC_STEM))
            links.append(link("controlAccess", f"{href}/action/controlAccess",
                              "application/vnd.vmware.vcloud.controlAccess"))  # fmt: skip
            links += _admin_adds(references, admin_href, view)
            links.append(link("remove", href))
        return links
    links.append(link("alternate", href, VDC_STEM))
    links += _admin_adds(references, admin_href, view)
    if view.provider:
        switch = "disable" if entity.properties.get("isEnabled", True) else "enable"
        links += [link("edit", admin_href, ADMIN_VDC_STEM), link(switch, f"{admin_href}/action/{switch}"),
                  link("edit", f"{admin_href}/vdcStorageProfiles",
                       "application/vnd.vmware.admin.updateVdcStorageProfiles"),
                  link("remove", admin_href)]  # fmt: skip
    return links


def _admin_adds(references: References, admin_href: str, view: View) -> list[JsonObject]:
    """Networks are added by administrators, edge gateways by the provider."""
    return [
        references.link("add", f"{admin_href}/{tail}", f"application/vnd.vmware.{stem}")
        for tail, stem in _ADMIN_ADDS
        if view.provider or tail == "networks"
    ]


def _query(references: References, entity: Entity, kind: str) -> str:
    condition = quote(f"vdc=={references.href(entity)}", safe="")
    return f"{references.api}/query?type={kind}&format=records&filter={condition}"


def storage_profile(writer: Writer, entity: Entity, view: View) -> JsonObject:
    references = writer.references
    document: JsonObject = {
        "link": [references.link("alternate", references.href(entity), entity.kind.media_stem)] if view.admin else [],
        "enabled": True, "units": "MB", "limit": 0, "default": False,
    }  # fmt: skip
    document.update({key: entity.properties[key] for key in document if key in entity.properties})
    if view.administrator and not view.admin:
        document["link"] = [references.link("alternate", references.admin_href(entity), ADMIN_PROFILE_STEM)]
    document["storageUsedMB"] = storage_used(entity)
    if view.admin:
        if view.provider:
            document["link"].append(references.link("edit", references.admin_href(entity), ADMIN_PROFILE_STEM))
        above = profile_state(entity).provider_profile
        if above is not None:
            document["providerVdcStorageProfile"] = references.to(above)
    return document


def storage_used(profile: Entity) -> int:
    """MiB on a storage policy: what is in the vDC lies on its default one."""
    is_default = bool(profile.properties.get("default"))
    return usage(profile.parent).storage_mb if is_default and profile.parent is not None else 0


PARTS = {
    "vdc": Part(vdc, admin_stem=ADMIN_VDC_STEM),
    "vdcStorageProfile": Part(storage_profile, admin_stem=ADMIN_PROFILE_STEM),
}
