"""A vApp's document and its sections."""

from __future__ import annotations

from collections.abc import Callable

from bridge.simulator.clock import timestamp
from bridge.simulator.documents.compute.guest import product_sections, snapshot_section
from bridge.simulator.documents.compute.links import vapp_links
from bridge.simulator.documents.compute.networks import network_config, network_section
from bridge.simulator.documents.compute.sections import STEM, ovf_section, section
from bridge.simulator.documents.compute.vm import products as sections_of
from bridge.simulator.documents.owner import owner
from bridge.simulator.documents.view import View, Writer
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.references import References
from bridge.simulator.state.vapps import VAppState, vapp_state


def vapp(writer: Writer, entity: Entity, view: View) -> JsonObject:
    references, state = writer.references, vapp_state(entity)
    children = [writer.entity(child, view) for child in entity.children]
    return {
        "link": vapp_links(references, entity, changes=view.may_change, provider=view.provider),
        "owner": owner(references, entity),
        "dateCreated": timestamp(entity.created_at),
        "inMaintenanceMode": state.in_maintenance,
        "autoNature": state.auto_nature,
        "ovfDescriptorUploaded": True,
        "children": {"vm": children} if children else None,
        "section": [*(make(references, entity) for make in SECTIONS.values()), *sections_of(state.product_sections)],
    }


def lease_settings(references: References, entity: Entity) -> JsonObject:
    state, fields = vapp_state(entity), JsonObject()
    fields["deploymentLeaseInSeconds"] = state.deployment_lease
    fields["storageLeaseInSeconds"] = state.storage_lease
    if entity.deployed and state.deployment_lease and state.deployed_at is not None:
        fields["deploymentLeaseExpiration"] = timestamp(state.deployed_at + state.deployment_lease)
    if not entity.deployed and state.storage_lease:
        fields["storageLeaseExpiration"] = timestamp(_stored_since(entity, state) + state.storage_lease)
    return section(
        "LeaseSettingsSectionType", "Lease settings section", f"{references.href(entity)}/leaseSettingsSection/",
        f"{STEM}.leaseSettingsSection", editable=True, **fields,
    )  # fmt: skip


def _stored_since(entity: Entity, state: VAppState) -> float:
    return entity.created_at if state.undeployed_at is None else state.undeployed_at


def startup(references: References, entity: Entity) -> JsonObject:
    href, stem = f"{references.href(entity)}/startupSection/", f"{STEM}.startupSection"
    ordinary = {"order": 0, "startAction": "powerOn", "startDelay": 0, "stopAction": "powerOff", "stopDelay": 0}
    settings = vapp_state(entity).startup
    return ovf_section(
        "StartupSectionType", "VApp startup section", href, stem, links=[("edit", href, stem)],
        item=[{"id": vm.name, **ordinary, **settings.get(vm.name, {})} for vm in entity.children],
    )  # fmt: skip


SECTIONS: dict[str, Callable[[References, Entity], JsonObject]] = {
    "leaseSettingsSection": lease_settings,
    "startupSection": startup,
    "networkSection": network_section,
    "networkConfigSection": lambda references, entity: network_config(references, entity, editable=True),
    "snapshotSection": snapshot_section,
}
"""The sections of a vApp by their place in paths, in VCD's order."""


def products(references: References, entity: Entity) -> JsonObject:
    return product_sections(references, entity, vapp_state(entity).product_sections)
