"""What is the provider's: provider vDCs, their policies, vCenters, pools, hosts, datastores, stranded items.

Source: ProviderVdcType and the vmext types of the VCD schemas; pyvcloud's pvdc.py and platform.py.
"""

from __future__ import annotations

from bridge.simulator.clock import timestamp
from bridge.simulator.documents.view import Part, View, Writer
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.estate import vdcs_of
from bridge.simulator.state.machines import vsphere_id
from bridge.simulator.state.usage import usage

VMW_PROVIDER_VDC_STEM = "application/vnd.vmware.admin.vmwprovidervdc"
VMW_PROFILE_STEM = "application/vnd.vmware.admin.vmwPvdcStorageProfile"
CPU_MHZ, MEMORY_MB, STORAGE_MB = 512_000, 4_194_304, 104_857_600
"""What a provider vDC, and the host and the datastore under it, have."""


def _all(writer: Writer, kind: str) -> list[JsonObject]:
    return [writer.references.to(one) for one in writer.store.of_kind(kind)]


def moref(writer: Writer, entity: Entity, kind: str) -> JsonObject:
    """VimObjectRefType of something in vCenter."""
    return {"vimServerRef": _all(writer, "vimServer")[0], "moRef": vsphere_id(entity, kind.lower()),
            "vimObjectType": kind}  # fmt: skip


def provider_vdc(writer: Writer, entity: Entity, view: View) -> JsonObject:
    references, vdcs = writer.references, vdcs_of(writer.store, entity)
    used = [usage(one) for one in vdcs]
    cpu, memory, storage = (sum(getattr(one, key) for one in used) for key in ("cpu_mhz", "memory_mb", "storage_mb"))
    href = references.extension_href(entity) if view.extension else references.href(entity)
    switch = "disable" if entity.properties.get("isEnabled", True) else "enable"
    document: JsonObject = {
        "link": [
            references.link("down", f"{href}/vdcReferences", "application/vnd.vmware.admin.vdcReferences"),
            references.link(switch, f"{references.extension_href(entity)}/action/{switch}"),
            references.link("remove", references.extension_href(entity)),
        ],
        "computeCapacity": {
            "cpu": _capacity("MHz", CPU_MHZ, cpu), "memory": _capacity("MB", MEMORY_MB, memory), "isElastic": False,
            "isHA": False,
        },
        "storageCapacity": _capacity("MB", STORAGE_MB, storage),
        "availableNetworks": {"network": _all(writer, "externalNetwork")},
        "storageProfiles": {"providerVdcStorageProfile": _all(writer, "pvdcStorageProfile")},
        "capabilities": {"supportedHardwareVersions": {"supportedHardwareVersion": []}},
        "vdcs": {"vdc": [references.to(one) for one in vdcs]},
        "isEnabled": bool(entity.properties.get("isEnabled", True)),
        "networkPoolReferences": {"networkPoolReference": _all(writer, "networkPool")},
    }  # fmt: skip
    if view.extension:
        document |= {
            "dataStoreRefs": {"vimObjectRef": [moref(writer, one, "DATASTORE") for one in _of(writer, "datastore")]},
            "resourcePoolRefs": {
                "vimObjectRef": [moref(writer, one, "RESOURCE_POOL") for one in _of(writer, "resourcePool")]},
            "vimServer": _all(writer, "vimServer"), "hostReferences": {"hostReference": _all(writer, "host")},
            "highestSupportedHardwareVersion": "vmx-21",
        }  # fmt: skip
    return document


def _of(writer: Writer, kind: str) -> list[Entity]:
    return writer.store.of_kind(kind)


def _capacity(units: str, total: int, used: int) -> JsonObject:
    return {"units": units, "allocation": 0, "reserved": 0, "total": total, "used": used, "overhead": 0}


def profile(writer: Writer, entity: Entity, view: View) -> JsonObject:
    document: JsonObject = {
        "enabled": bool(entity.properties.get("enabled", True)), "units": "MB", "capacityTotal": float(STORAGE_MB),
        "capacityUsed": float(sum(usage(one).storage_mb for one in _of(writer, "vdc"))), "iopsCapacity": 0,
        "iopsAllocated": 0,
    }  # fmt: skip
    if view.extension:
        document["vimStorageProfile"] = moref(writer, entity, "STORAGE_PROFILE")
    return document


def vim_server(writer: Writer, entity: Entity, _view: View) -> JsonObject:
    link, href = writer.references.link, writer.references.href(entity)
    lists = {"resourcePoolList": "resourcePoolList", "hostReferences": "vmwHostReferences"}
    ordinary: JsonObject = {
        "username": "administrator@vsphere.local", "url": "https://vcenter.example.com", "isEnabled": True,
        "isConnected": True, "vcVersion": "8.0.2", "listenerState": "CONNECTED", "uuid": entity.uuid,
        "computeProviderScope": entity.name,
    }  # fmt: skip
    links = [link("down", f"{href}/{tail}", f"application/vnd.vmware.admin.{stem}") for tail, stem in lists.items()]
    links += [link("edit", href, entity.kind.media_stem), link("unregister", f"{href}/action/unregister"),
              link("refresh", f"{href}/action/refresh"),
              link("refreshStorageProfiles", f"{href}/action/refreshStorageProfiles"),
              link("forcevimserverreconnect", f"{href}/action/forcevimserverreconnect")]  # fmt: skip
    return {"link": links, **{key: entity.properties.get(key, value) for key, value in ordinary.items()}}


def network_pool(writer: Writer, entity: Entity, _view: View) -> JsonObject:
    href, link = writer.references.href(entity), writer.references.link
    return {"link": [link(one, f"{href}/action/{one}") for one in ("repair", "sync")] + [link("remove", href)]}


def host(writer: Writer, entity: Entity, _view: View) -> JsonObject:
    enabled = bool(entity.properties.get("isEnabled", True))
    switch = "disable" if enabled else "enable"
    return {
        "link": [writer.references.link(switch, f"{writer.references.href(entity)}/action/{switch}")],
        "ready": True, "available": enabled, "enabled": enabled, "busy": False, "enableHostForHostSpanning": True,
        "cpuType": "x86_64", "numOfCpusPackages": 2, "numOfCpusLogical": 128, "cpuTotal": CPU_MHZ, "memUsed": 0.0,
        "memTotal": float(MEMORY_MB), "hostOsName": "VMware ESXi", "hostOsVersion": "8.0.2",
        "vmMoRef": vsphere_id(entity, "host"),
    }  # fmt: skip


def datastore(writer: Writer, entity: Entity, _view: View) -> JsonObject:
    return {
        "vimObjectRef": moref(writer, entity, "DATASTORE"), "enabled": True, "busy": False, "thresholdYellowGb": 50,
        "thresholdRedGb": 10, "datastoreFsType": "VMFS", "vcDisplayName": entity.name,
        "totalCapacityMb": float(STORAGE_MB), "totalCapacityGb": STORAGE_MB / 1024, "members": None,
    }  # fmt: skip


def resource_pool(writer: Writer, entity: Entity, _view: View) -> JsonObject:
    stores = [moref(writer, one, "DATASTORE") for one in _of(writer, "datastore")]
    return {"moRef": vsphere_id(entity, "resgroup"), "vimObjectType": "RESOURCE_POOL",
            "dataStoreRefs": {"vimObjectRef": stores}}  # fmt: skip


def stranded_item(writer: Writer, entity: Entity, _view: View) -> JsonObject:
    href = writer.references.href(entity)
    links = [writer.references.link("remove", href),
             writer.references.link("strandedItem:forceDelete", f"{href}/action/forceDelete")]  # fmt: skip
    return {"link": links, "entityType": "vm", "deletionDate": timestamp(entity.created_at),
            "errorMessage": "The object could not be deleted from vCenter Server."}  # fmt: skip


def vm_group(_writer: Writer, _entity: Entity, _view: View) -> JsonObject:
    return {"vmCount": 0}


def rule(writer: Writer, entity: Entity, _view: View) -> JsonObject:
    said = entity.properties
    document: JsonObject = {
        "isEnabled": bool(said.get("isEnabled", True)), "isMandatory": bool(said.get("isMandatory", True)),
        "polarity": said.get("polarity", "Affinity"),
    }  # fmt: skip
    if entity.kind.name == "vmAffinityRule":
        href = writer.references.href(entity)
        document["link"] = [writer.references.link("edit", href, entity.kind.media_stem),
                            writer.references.link("remove", href)]  # fmt: skip
        document["vmReferences"] = said.get("vmReferences") or {"vmReference": []}
    return document


def site_association(writer: Writer, entity: Entity, _view: View) -> JsonObject:
    base = writer.references.base
    return {"restEndpoint": f"{base}/api", "tenantUiEndpoint": f"{base}/tenant", "siteId": entity.urn,
            "siteName": entity.name, "status": "ACTIVE"}  # fmt: skip


def org_association(_writer: Writer, entity: Entity, _view: View) -> JsonObject:
    return {"siteId": "urn:vcloud:site:00000000-0000-4000-8000-000000000000", "orgId": entity.urn,
            "orgName": entity.name, "orgPublicKey": "", "status": "ACTIVE"}  # fmt: skip


PARTS = {
    "providervdc": Part(provider_vdc, extension_stem=VMW_PROVIDER_VDC_STEM),
    "pvdcStorageProfile": Part(profile, extension_stem=VMW_PROFILE_STEM),
    "vimServer": Part(vim_server),
    "networkPool": Part(network_pool),
    "host": Part(host),
    "datastore": Part(datastore),
    "resourcePool": Part(resource_pool),
    "strandedItem": Part(stranded_item),
    "vmGroup": Part(vm_group),
    "vmHostRule": Part(rule),
    "vmAffinityRule": Part(rule),
    "siteAssociation": Part(site_association),
    "orgAssociation": Part(org_association),
}
