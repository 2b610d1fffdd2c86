"""vApp templates and their VMs, which are templates too.

Source: VAppTemplateType of the VCD schemas; the VCD API documentation, GET-VAppTemplate; jclouds-vcloud-director's
recorded templates; pyvcloud's org.py for the links of downloads.
"""

from __future__ import annotations

from typing import Any

from bridge.simulator.clock import timestamp
from bridge.simulator.documents.media import files, is_open, item_link, transfer_href
from bridge.simulator.documents.owner import owner, owner_link
from bridge.simulator.documents.view import View, Writer
from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding import library
from bridge.simulator.state.references import References

TEMPLATE_STEM = "application/vnd.vmware.vcloud.vAppTemplate"
DESCRIPTOR = "descriptor.ovf"


def template(writer: Writer, entity: Entity, view: View) -> JsonObject:
    state, references = library.template(entity), writer.references
    children = [writer.entity(child, view) for child in entity.children]
    document: JsonObject = {
        "link": _links(references, entity, view),
        "owner": owner(references, entity),
        "children": {"vm": children},
        "section": sections(references, entity, view),
        "defaultStorageProfile": state.storage_profile,
        "dateCreated": timestamp(entity.created_at),
        "ovfDescriptorUploaded": state.descriptor_uploaded,
        "goldMaster": state.gold_master,
    }
    if state.transfer is not None and state.transfer.upload and is_open(state.transfer):
        document["files"] = files(references, state.transfer)
    return document


def sections(references: References, entity: Entity, view: View) -> list[JsonObject]:
    return [make(references, entity, view) for make in SECTIONS.values()]


def _links(references: References, entity: Entity, view: View) -> list[JsonObject]:
    link, href = references.link, references.href(entity)
    transfer = library.template(entity).transfer
    links = [*item_link(references, entity), owner_link(references, href)]
    links.append({**link("ovf", f"{href}/ovf"), "type": "text/xml"})
    if transfer is not None and not transfer.upload:
        download = transfer_href(references, transfer, DESCRIPTOR)
        links.append({**link("download:default", download), "type": "text/xml"})
        links.append({**link("download:identity", download.replace(DESCRIPTOR, "descriptor-with-id.ovf")),
                      "type": "text/xml"})  # fmt: skip
    if not view.may_change:
        return links
    links += [link("edit", href, TEMPLATE_STEM), link("remove", href)]
    if transfer is None:
        links.append(link("enable", f"{href}/action/enableDownload"))
    elif not transfer.upload:
        links.append(link("disable", f"{href}/action/disableDownload"))
    return links


def _section(references: References, entity: Entity, view: View, name: str, info: str, **fields: Any) -> JsonObject:
    href, stem = f"{references.href(entity)}/{name}/", f"application/vnd.vmware.vcloud.{name}"
    return {
        "_type": f"{name[0].upper()}{name[1:]}Type",
        "info": info,
        "required": False,
        "href": href,
        "type": media_type(stem),
        "link": [references.link("edit", href, stem)] if view.may_change else [],
        **fields,
    }


def lease_settings(references: References, entity: Entity, view: View) -> JsonObject:
    lease = library.template(entity).lease_seconds
    expires = {"storageLeaseExpiration": timestamp(entity.created_at + lease)} if lease else {}
    return _section(
        references, entity, view, "leaseSettingsSection", "Lease settings section", storageLeaseInSeconds=lease,
        **expires,
    )  # fmt: skip


def customization(references: References, entity: Entity, view: View) -> JsonObject:
    state = library.template(entity)
    return _section(
        references, entity, view, "customizationSection", "VApp template customization section",
        customizeOnInstantiate=state.customize, goldMaster=state.gold_master,
    )  # fmt: skip


def network_config(references: References, entity: Entity, view: View) -> JsonObject:
    return _section(
        references, entity, view, "networkConfigSection", "The configuration parameters for logical networks",
        networkConfig=library.template(entity).networks,
    )  # fmt: skip


SECTIONS = {
    "leaseSettingsSection": lease_settings,
    "customizationSection": customization,
    "networkConfigSection": network_config,
}
"""A template's sections by their place in paths."""
