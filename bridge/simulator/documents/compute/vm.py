"""A VM's document and its sections; the VM of a template has less of both."""

from __future__ import annotations

from collections.abc import Callable

from bridge.simulator.clock import timestamp
from bridge.simulator.documents.compute import guest, hardware
from bridge.simulator.documents.compute.links import machine_links
from bridge.simulator.documents.view import View, Writer
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.protocol.xml_writer import Markup, escaped
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import Machine, machine, vsphere_id
from bridge.simulator.state.references import References

_EXTENSION = "http://www.vmware.com/vcloud/extension/v1.5"
_ENVIRONMENT = "http://www.vmware.com/schema/ovfenv"


def vm(writer: Writer, entity: Entity, view: View) -> JsonObject:
    references, state = writer.references, machine(entity)
    document = _common(entity, state)
    document |= {
        "link": machine_links(references, entity, changes=view.may_change, provider=view.provider),
        "section": [*(make(references, entity) for make in SECTIONS.values()), *products(state.product_sections)],
        "needsCustomization": state.needs_customization,
        "storageProfile": None if state.storage_profile is None else references.to(state.storage_profile),
        "vmCapabilities": guest.capabilities(references, entity),
        "bootOptions": guest.boot_options(references, entity),
        "environment": _environment(entity),
        "media": None if state.media is None else references.to(state.media),
        "encrypted": False,
        "nestedHypervisorEnabled": state.nested_hypervisor,
    }
    if view.version >= (37, 2):
        document["trustedPlatformModule"] = {"tpmPresent": state.tpm}
    if view.provider:
        document["vCloudExtension"] = [{"required": False, "any": [_in_vsphere(writer, entity)]}]
    return document


def template_vm(writer: Writer, entity: Entity, _view: View) -> JsonObject:
    """The VM of a template: it has no power and no snapshot, and only its cards can be changed.

    In the template's document it is of the template's type, so it has only what both types know.
    """
    references = writer.references
    names = ("vmSpecSection", "virtualHardwareSection", "operatingSystemSection", "networkConnectionSection")
    sections = [SECTIONS[name](references, entity) for name in names]
    sections.append(guest.guest_customization(references, entity, editable=False))
    return {**_common(entity, machine(entity)), "section": sections}


def _common(entity: Entity, state: Machine) -> JsonObject:
    policies = {"vmPlacementPolicy": state.placement_policy, "vmSizingPolicy": state.sizing_policy}
    return {
        "dateCreated": timestamp(entity.created_at),
        "vAppScopedLocalId": state.local_id,
        "vdcComputePolicy": state.sizing_policy,
        "computePolicy": {name: one for name, one in policies.items() if one is not None} or None,
    }


def products(sections: list[JsonObject]) -> list[JsonObject]:
    """Product sections as sections of a document."""
    return [{**one, "_type": "ProductSectionType"} for one in sections]


SECTIONS: dict[str, Callable[[References, Entity], JsonObject]] = {
    "vmSpecSection": hardware.spec_section,
    "virtualHardwareSection": hardware.hardware_section,
    "operatingSystemSection": guest.operating_system,
    "networkConnectionSection": lambda references, entity: guest.network_connection(references, entity, editable=True),
    "guestCustomizationSection": lambda references, entity: guest.guest_customization(
        references, entity, editable=True
    ),
    "runtimeInfoSection": guest.runtime_info,
    "snapshotSection": guest.snapshot_section,
}
"""The sections of a VM by their place in paths, in VCD's order."""


def _environment(entity: Entity) -> JsonObject | None:
    """What the guest is told at its start; there is one while the VM is deployed."""
    if not entity.deployed:
        return None
    platform = {"kind": "VMware ESXi", "version": "8.0.0", "vendor": "VMware, Inc.", "locale": "en"}
    return {
        "otherAttributes": {f"{{{_ENVIRONMENT}}}vCenterId": vsphere_id(entity)}, "id": "",
        "section": [{"_type": "PlatformSectionType", **platform}],
    }  # fmt: skip


def _in_vsphere(writer: Writer, entity: Entity) -> Markup:
    """Where a system administrator finds the VM, its datastore and its host in vCenter."""
    servers = writer.store.of_kind("vimServer")
    href = writer.references.href(servers[0]) if servers else f"{writer.references.api}/admin/extension/vimServer"
    server = f'name="vimServer-1" href="{escaped(href)}"'

    def reference(element: str, moref: str, kind: str) -> str:
        return (
            f'<vmext:{element}><vmext:VimServerRef {server} type="application/vnd.vmware.admin.vmwvirtualcenter+xml"/>'
            f"<vmext:MoRef>{moref}</vmext:MoRef><vmext:VimObjectType>{kind}</vmext:VimObjectType></vmext:{element}>"
        )

    return Markup(
        f'<vmext:VmVimInfo xmlns:vmext="{_EXTENSION}">'
        + reference("VmVimObjectRef", vsphere_id(entity), "VIRTUAL_MACHINE")
        + reference("DatastoreVimObjectRef", "datastore-1", "DATASTORE")
        + reference("HostVimObjectRef", "host-1", "HOST")
        + "<vmext:VirtualDisksMaxChainLength>1</vmext:VirtualDisksMaxChainLength></vmext:VmVimInfo>"
    )
