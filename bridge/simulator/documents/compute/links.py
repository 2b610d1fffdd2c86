"""What can be done with a vApp or a VM in its present state: the links that VCD offers.

Source: libcloud's recorded vApps; pyvcloud's RelationType and what its vapp.py and vm.py follow; the VCD API guide's
tables of link relations.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.simulator.documents.compute.sections import RASD_STEM, STEM
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import LATEST_HARDWARE, Machine, machine
from bridge.simulator.state.references import References
from bridge.simulator.state.vapps import vapp_state

POWERED_ON, SUSPENDED = 4, 3
ACCESS_STEM, OWNER_STEM = f"{STEM}.controlAccess", f"{STEM}.owner"
NETWORK_STEM = f"{STEM}.vAppNetwork"
_Link = tuple[str, str, str | None]
"""Rel, the path below the entity, media type without ``+json``."""


def machine_links(references: References, vm: Entity, *, changes: bool, provider: bool) -> list[JsonObject]:
    """``changes``: whether the caller may change the VM."""
    if vm.kind.name == "shadowVm":
        return []  # nothing but its removal, which is no link of a machine's
    state = machine(vm)
    offered: list[_Link] = []
    if changes:
        offered += [*_power(vm), *_deployment(vm), *_snapshots(has=state.snapshot is not None), *_devices(vm, state)]
    if provider:
        offered += [("relocate", "/action/relocate", f"{STEM}.relocateVmParams"),
                    ("reloadFromVc", "/action/reloadFromVc", None)]  # fmt: skip
    offered += [
        ("checkCompliance", "/action/checkCompliance", None),
        ("down", "/complianceResult", "application/vnd.vmware.vm.complianceResult"),
        ("down", "/productSections/", f"{STEM}.productSections"),
        ("down", "/vmCapabilities", f"{STEM}.vmCapabilitiesSection"),
    ]
    if vm.status == POWERED_ON:
        offered += [
            ("screen:thumbnail", "/screen", None),
            ("screen:acquireTicket", "/screen/action/acquireTicket", None),
            ("screen:acquireMksTicket", "/screen/action/acquireMksTicket", f"{STEM}.mksTicket"),
        ]
    return _written(references, vm, offered)


def _written(references: References, entity: Entity, offered: list[_Link]) -> list[JsonObject]:
    href = references.href(entity)
    return [references.link(rel, href + path, stem) for rel, path, stem in offered]


def _power(entity: Entity) -> Iterator[_Link]:
    if entity.status != POWERED_ON:
        yield "power:powerOn", "/power/action/powerOn", None
        if entity.status == SUSPENDED:
            yield "discardState", "/action/discardSuspendedState", None
        return
    for name in ("powerOff", "reboot", "reset", "shutdown", "suspend"):
        yield f"power:{name}", f"/power/action/{name}", None


def _deployment(entity: Entity) -> Iterator[_Link]:
    if not entity.deployed or entity.kind.name == "vApp":
        yield "deploy", "/action/deploy", f"{STEM}.deployVAppParams"
    if entity.deployed:
        yield "undeploy", "/action/undeploy", f"{STEM}.undeployVAppParams"
    else:
        yield "remove", "", None
    yield "edit", "", entity.kind.media_stem


def _snapshots(*, has: bool) -> Iterator[_Link]:
    yield "snapshot:create", "/action/createSnapshot", f"{STEM}.createSnapshotParams"
    if has:
        yield "snapshot:revertToCurrent", "/action/revertToCurrentSnapshot", None
        yield "snapshot:removeAll", "/action/removeAllSnapshots", None


def _devices(vm: Entity, state: Machine) -> Iterator[_Link]:
    yield "reconfigureVm", "/action/reconfigureVm", f"{STEM}.vm"
    yield "disk:attach", "/disk/action/attach", f"{STEM}.diskAttachOrDetachParams"
    yield "disk:detach", "/disk/action/detach", f"{STEM}.diskAttachOrDetachParams"
    yield "media:insertMedia", "/media/action/insertMedia", f"{STEM}.mediaInsertOrEjectParams"
    yield "media:ejectMedia", "/media/action/ejectMedia", f"{STEM}.mediaInsertOrEjectParams"
    yield "customizeAtNextPowerOn", "/action/customizeAtNextPowerOn", None
    yield "consolidate", "/action/consolidate", None
    if vm.status == POWERED_ON:
        yield "installVmwareTools", "/action/installVMwareTools", None
    else:
        if hardware_number(state.hardware_version) < hardware_number(LATEST_HARDWARE):
            yield "upgrade", "/action/upgradeHardwareVersion", None
        switch = "disable" if state.nested_hypervisor else "enable"
        yield f"{switch}NestedHypervisor", f"/action/{switch}NestedHypervisor", None
    yield "edit", "/virtualHardwareSection/cpu", RASD_STEM


def hardware_number(version: str) -> int:
    """19 of ``vmx-19``."""
    digits = version.rpartition("-")[2]
    return int(digits) if digits.isdigit() else 0


def vapp_links(references: References, vapp: Entity, *, changes: bool, provider: bool) -> list[JsonObject]:
    state = vapp_state(vapp)
    offered: list[_Link] = []
    if changes:
        has_snapshot = any(machine(vm).snapshot is not None for vm in vapp.children)
        offered += [*_power(vapp), *_deployment(vapp), *_snapshots(has=has_snapshot)]
        offered += [
            ("recompose", "/action/recomposeVApp", f"{STEM}.recomposeVAppParams"),
            ("controlAccess", "/action/controlAccess", ACCESS_STEM),
            ("enable", "/action/enableDownload", None),
        ]
    if provider:
        mode = "exit" if state.in_maintenance else "enter"
        offered.append((f"{mode}MaintenanceMode", f"/action/{mode}MaintenanceMode", None))
    offered += [
        ("down", "/controlAccess/", ACCESS_STEM),
        ("down", "/owner", OWNER_STEM),
        ("down", "/productSections/", f"{STEM}.productSections"),
    ]
    networks = [
        references.link("down", f"{references.api}/network/{one.uuid}", NETWORK_STEM, one.name)
        for one in state.networks
    ]
    return [*_written(references, vapp, offered), *networks]
