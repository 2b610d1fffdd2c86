"""vApp templates: captured, cloned, changed, deleted, opened for a download."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bridge.simulator.calls.effects.compute.cards import apply_network_section
from bridge.simulator.calls.effects.general import rename
from bridge.simulator.calls.effects.libraries import shelves
from bridge.simulator.calls.effects.occasion import Modelled, Occasion
from bridge.simulator.calls.effects.referring import optional, required
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity, initial_state
from bridge.simulator.state.founding import library
from bridge.simulator.state.kinds import KINDS
from bridge.simulator.state.machines import copy_machine, machine, storage_profile_of
from bridge.simulator.state.transfers import TransferFile
from bridge.simulator.state.vapps import vapp_state

DESCRIPTOR = "descriptor.ovf"
DISK_FILE_BYTES = 64 * 1024
"""How large the file of a disk is that nobody uploaded: whatever its capacity, a download is short."""


def _check_capture(occasion: Occasion) -> None:
    required(occasion, "source", "vApp")
    optional(occasion, occasion.body.get("vdcStorageProfile"), "vdcStorageProfile")
    if optional(occasion, occasion.body.get("targetCatalogItem"), "catalogItem") is None:
        shelves.check_name(occasion)


def _begin_capture(occasion: Occasion) -> None:
    """The template lies in its vApp's vDC; its item shows at once, unless it takes the place of another template."""
    body, owner = occasion.body, occasion.owner
    source = required(occasion, "source", "vApp")
    catalog = shelves.catalog_of(occasion)
    home = source.parent if source is not None else catalog and library.home_vdc(catalog)
    if home is not None and home is not owner.parent:
        occasion.store.move(owner, home)
    _read_sections(occasion, body.get("section") or [])
    profile = optional(occasion, body.get("vdcStorageProfile"), "vdcStorageProfile")
    if profile is not None:
        library.template(owner).storage_profile = profile.name
    replaced = optional(occasion, body.get("targetCatalogItem"), "catalogItem")
    if catalog is not None and replaced is None:
        shelves.new_item(occasion.cloud, catalog, owner.name, owner, occasion.user, occasion.now)


def _capture(occasion: Occasion) -> None:
    source = required(occasion, "source", "vApp")
    if source is not None:
        copy_vms(occasion.cloud, source, occasion.owner)
        library.template(occasion.owner).networks = _networks(source)
    replaced = optional(occasion, occasion.body.get("targetCatalogItem"), "catalogItem")
    if replaced is not None:
        _take_place(occasion, replaced)


def _take_place(occasion: Occasion, item: Entity) -> None:
    """The item stands for the new template from now on; the one before is gone."""
    before = library.item(item).target
    if before is not None and before is not occasion.owner:
        shelves.remove(occasion.cloud, before)
    library.bind(item, occasion.owner)
    library.item(item).version += 1
    library.touch(item.parent)


def copy_vms(cloud: Cloud, source: Entity, target: Entity) -> None:
    """The VMs of a vApp or template, as VMs of a template."""
    kind = KINDS["vmTemplate"]
    for vm in [child for child in source.children if child.kind.name in ("vm", "vmTemplate")]:
        uuid = cloud.new_uuid()
        copy = Entity(
            kind=kind, uuid=uuid, name=vm.name, org=target.organization, parent=target, description=vm.description,
            owner=target.owner, created_at=target.created_at, **initial_state(kind),
        )  # fmt: skip
        copy.state = replace(copy_machine(machine(vm), uuid), storage_profile=storage_profile_of(target))
        cloud.store.add(copy)
    library.template(target).size = sum(
        disk.size_mb * storage.MEGABYTE for child in target.children for disk in machine(child).internal_disks
    )


def _networks(vapp: Entity) -> list[JsonObject]:
    """The networks of a vApp as a template keeps them: without what they were connected to."""
    return [
        {
            "networkName": one.name, "description": one.description, "isDeployed": False,
            "configuration": {"ipScopes": {"ipScope": one.scopes}, "fenceMode": "isolated"},
        }
        for one in vapp_state(vapp).networks
    ]  # fmt: skip


def _check_clone(occasion: Occasion) -> None:
    required(occasion, "source", "vAppTemplate")


def _clone(occasion: Occasion) -> None:
    source = required(occasion, "source", "vAppTemplate")
    if source is None:
        return
    copy_template(occasion.cloud, source, occasion.owner)
    if occasion.body.get("isSourceDelete"):
        item = library.item_of(source)
        shelves.remove(occasion.cloud, source)
        if item is not None:
            library.bind(item, occasion.owner)


def copy_template(cloud: Cloud, source: Entity, target: Entity) -> None:
    before, profile = library.template(source), storage.default_storage_profile(target.parent)
    target.state = replace(
        before, files=cloud.transfers.copies(before.files), networks=list(before.networks), transfer=None, item=None,
        storage_profile=before.storage_profile if profile is None else profile.name,
    )  # fmt: skip
    copy_vms(cloud, source, target)


def _delete(occasion: Occasion) -> None:
    shelves.remove_with_item(occasion.cloud, occasion.owner)


def _update(occasion: Occasion) -> None:
    """Name, description, whether it is a gold master, the policies of its VMs."""
    rename(occasion)
    body = occasion.body
    if occasion.owner.kind.name != "vAppTemplate":
        return
    if body.get("goldMaster") is not None:
        library.template(occasion.owner).gold_master = bool(body["goldMaster"])
    children: Any = (body.get("children") or {}).get("vm") or []
    for document in children:
        vm = occasion.referred(document)
        if vm is not None and vm.parent is occasion.owner:
            _set_policies(vm, document)


def _set_policies(vm: Entity, document: JsonObject) -> None:
    policies = document.get("computePolicy") or {}
    state = machine(vm)
    state.sizing_policy = policies.get("vmSizingPolicy") or document.get("vdcComputePolicy")
    state.placement_policy = policies.get("vmPlacementPolicy")


def _update_cards(occasion: Occasion) -> None:
    """Only the VMs of a template have cards."""
    if occasion.owner.kind.name == "vmTemplate":
        apply_network_section(occasion.owner, occasion.body)


def _update_section(occasion: Occasion) -> None:
    name = occasion.tail.rstrip("/")
    kind = f"{name[:1].upper()}{name[1:]}Type"
    _read_sections(occasion, [{**occasion.body, "_type": kind}])


def _read_sections(occasion: Occasion, sections: list[JsonObject]) -> None:
    """What a template's sections say of it."""
    if occasion.owner.kind.name != "vAppTemplate":
        return
    state = library.template(occasion.owner)
    for one in sections:
        match one.get("_type"):
            case "CustomizationSectionType":
                state.customize = bool(one.get("customizeOnInstantiate", state.customize))
                state.gold_master = bool(one.get("goldMaster") or state.gold_master)
            case "LeaseSettingsSectionType" if one.get("storageLeaseInSeconds") is not None:
                state.lease_seconds = int(one["storageLeaseInSeconds"])
            case "NetworkConfigSectionType":
                state.networks = list(one.get("networkConfig") or [])
            case _:
                pass


def _enable_download(occasion: Occasion) -> None:
    """Descriptor and disks have addresses until the download is disabled."""
    template = occasion.owner
    state = library.template(template)
    files = state.files or [
        TransferFile(f"vm-{vm.uuid}-disk-{number}.vmdk", DISK_FILE_BYTES, received=DISK_FILE_BYTES)
        for vm in template.children
        for number in range(len(machine(vm).internal_disks))
    ]
    shelves.open_download(occasion, files)


def _begin_upload(occasion: Occasion) -> None:
    """The upload of the descriptor is open at once; the Task waits for it and for the files that it names."""
    shelves.put_on_shelf(occasion)
    profile = optional(occasion, occasion.body.get("vdcStorageProfile"), "vdcStorageProfile")
    state = library.template(occasion.owner)
    if profile is not None:
        state.storage_profile = profile.name
    if occasion.cloud.behavior.uploads_wait and not occasion.body.get("sourceHref"):
        state.descriptor_uploaded = False
        shelves.open_upload(occasion, TransferFile(DESCRIPTOR))


_UPLOAD = Modelled(
    creates="vAppTemplate",
    check=shelves.check_name,
    begin=_begin_upload,
    effect=shelves.end_upload,
    waits=shelves.is_open,
)
_CAPTURE = Modelled(creates="vAppTemplate", check=_check_capture, begin=_begin_capture, effect=_capture)

MODELLED: dict[str, Modelled] = {
    "captureVAppToCatalog": _CAPTURE,
    "captureVAppToVdc": _CAPTURE,
    "cloneVAppTemplate": Modelled(creates="vAppTemplate", check=_check_clone, effect=_clone),
    "uploadVAppTemplate": _UPLOAD,
    "uploadVAppTemplateToCatalog": _UPLOAD,
    "updateVAppTemplate": Modelled(effect=_update),
    "deleteVAppTemplate": Modelled(effect=_delete),
    "updateVAppTemplateCustomizationSection": Modelled(effect=_update_section),
    "updateVAppTemplateLeaseSettingsSection": Modelled(effect=_update_section),
    "updateVAppTemplateNetworkConfigSection": Modelled(effect=_update_section),
    "updateVAppTemplateNetworkConnectionSection": Modelled(effect=_update_cards),
    "enableVAppTemplateDownload": Modelled(effect=_enable_download),
}
