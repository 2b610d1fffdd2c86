"""New vApps and VMs: composed, instantiated, cloned, made from nothing; and a vApp's VMs put together anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bridge.simulator.calls.effects.compute import machine_bodies, vapp_bodies
from bridge.simulator.calls.effects.compute.cards import give_addresses
from bridge.simulator.calls.effects.compute.hardware_items import put_media
from bridge.simulator.calls.effects.compute.power import deploy, refuse_unless_stopped, settle
from bridge.simulator.calls.effects.compute.removal import remove
from bridge.simulator.calls.effects.general import rename
from bridge.simulator.calls.effects.occasion import POWERED_OFF, Modelled, Occasion
from bridge.simulator.calls.effects.referring import optional, required
from bridge.simulator.calls.effects.values import objects
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding import library
from bridge.simulator.state.kinds import KINDS
from bridge.simulator.state.machines import Machine, copy_machine, machine, new_machine, vdc_of
from bridge.simulator.state.vapps import VAppState, bridged, network_uuid, vapp_state

_WHOLE = ("vApp", "vAppTemplate")
_SOURCES = (*_WHOLE, "vm", "vmTemplate")


def _inside(occasion: Occasion, *fields: str) -> list[JsonObject]:
    """The objects in these arrays of the body."""
    return [one for field in fields for one in objects(occasion.body.get(field) or [])]


def _check_items(occasion: Occasion) -> None:
    """Whatever the body takes its VMs from must be there."""
    for item in _inside(occasion, "sourcedItem"):
        optional(occasion, item.get("source"), *_SOURCES)


def _check_source(kind: str) -> Any:
    def check(occasion: Occasion) -> None:
        required(occasion, "source", kind)
        _check_items(occasion)

    return check


def _begin(occasion: Occasion) -> None:
    """A new vApp has no networks but those that it is given."""
    occasion.owner.state = VAppState()


def add_machine(occasion: Occasion, vapp: Entity, name: str, source: Machine | None = None) -> Entity:
    """A new VM in a vApp: a copy of another, or one with next to nothing."""
    uuid, vdc = occasion.cloud.new_uuid(), vdc_of(vapp)
    state = (
        new_machine(uuid, cpus=1, memory_mb=512, disks_mb=(), networks=()) if source is None
        else copy_machine(source, uuid)
    )  # fmt: skip
    profile = storage.default_storage_profile(vdc)
    if state.storage_profile is None or state.storage_profile.parent is not vdc:
        state.storage_profile = profile
    return occasion.store.add(
        Entity(
            kind=KINDS["vm"], uuid=uuid, name=name, org=vapp.organization, parent=vapp, owner=vapp.owner,
            created_at=occasion.now, status=POWERED_OFF, deployed=False, state=state,
        )
    )  # fmt: skip


def _add_sourced(occasion: Occasion, vapp: Entity, item: JsonObject) -> list[Entity]:
    """VMs from a VM, or from all of a vApp or template."""
    source = optional(occasion, item.get("source"), *_SOURCES)
    if source is None:
        return []
    if source.kind.name in _WHOLE:
        return [_add_copy(occasion, vapp, original, item) for original in source.children]
    return [_add_copy(occasion, vapp, source, item, name=item["source"].get("name"))]


def _add_copy(
    occasion: Occasion, vapp: Entity, original: Entity, item: JsonObject, *, name: str | None = None
) -> Entity:
    """``name``: of the reference to the original, which names the copy unless the body says more."""
    general = item.get("vmGeneralParams")
    general = general if isinstance(general, dict) else {}
    vm = add_machine(occasion, vapp, str(general.get("name") or name or original.name), machine(original))
    vm.description = str(general.get("description") or original.description)
    state = machine(vm)
    said = general.get("needsCustomization")
    state.needs_customization = original.kind.name == "vmTemplate" if said is None else said is True
    state.storage_profile = occasion.referred(item.get("storageProfile")) or state.storage_profile
    networks = {
        str(one.get("innerNetwork")): str(one.get("containerNetwork"))
        for one in objects(item.get("networkAssignment") or [])
    }
    for nic in state.nics:
        nic.network = networks.get(nic.network, nic.network)
    for field in ("instantiationParams", "vmTemplateInstantiationParams"):
        params = item.get(field)
        if isinstance(params, dict):
            machine_bodies.apply_sections(occasion, vm, params)
    machine_bodies.apply_sizes(vm, item.get("hardwareCustomization"))
    machine_bodies.apply_capabilities(vm, item.get("vmCapabilities"))
    machine_bodies.apply_policies(vm, item)
    give_addresses(vm)
    if item.get("sourceDelete") is True and original.kind.name == "vm":
        remove(occasion.store, original)
    return vm


def _add_created(occasion: Occasion, vapp: Entity, document: JsonObject) -> Entity:
    """A VM that the body describes."""
    vm = add_machine(occasion, vapp, str(document.get("name") or f"vm-{len(vapp.children) + 1}"))
    machine_bodies.apply_vm(occasion, vm, document)
    media = occasion.referred(document.get("media"))
    if media is not None and media.kind.name == "media":
        put_media(vm, media)
    return vm


def _apply_params(occasion: Occasion, vapp: Entity) -> None:
    """``instantiationParams`` of a vApp."""
    params = occasion.body.get("instantiationParams")
    sections = machine_bodies.sections_of(params) if isinstance(params, dict) else {}
    if (networks := sections.get("NetworkConfigSectionType")) is not None:
        vapp_bodies.apply_networks(occasion, vapp, networks)
    if (lease := sections.get("LeaseSettingsSectionType")) is not None:
        vapp_bodies.apply_lease(vapp, lease)
    if (startup := sections.get("StartupSectionType")) is not None:
        vapp_bodies.apply_startup(vapp, startup)


def _finish(occasion: Occasion) -> None:
    """Deployed and powered on unless the body says no (VAppCreationParamsType); an empty vApp cannot be."""
    body, vapp = occasion.body, occasion.owner
    settle(vapp)
    if vapp.children and body.get("deploy") is not False:
        deploy(vapp, occasion.now, power_on=body.get("powerOn") is not False)


def _compose(occasion: Occasion) -> None:
    vapp = occasion.owner
    _apply_params(occasion, vapp)
    _add_items(occasion, vapp)
    _finish(occasion)


def _add_items(occasion: Occasion, vapp: Entity) -> list[Entity]:
    made = [vm for item in _inside(occasion, "sourcedItem") for vm in _add_sourced(occasion, vapp, item)]
    return [*made, *(_add_created(occasion, vapp, item) for item in _inside(occasion, "createItem"))]


def _instantiate(occasion: Occasion) -> None:
    """All VMs of a template or vApp, each as its ``sourcedItem`` wants it."""
    vapp, source = occasion.owner, occasion.referred(occasion.body.get("source"))
    if source is not None:
        _inherit(occasion, source, vapp)
    _apply_params(occasion, vapp)
    wanted = {
        one.uuid: item for item in _inside(occasion, "sourcedItem", "sourcedVmInstantiationParams")
        if (one := occasion.referred(item.get("source"))) is not None
    }  # fmt: skip
    for original in () if source is None else list(source.children):
        _add_copy(occasion, vapp, original, {**wanted.get(original.uuid, {}), "sourceDelete": False})
    _finish(occasion)
    if source is not None and occasion.body.get("isSourceDelete") is True:
        remove(occasion.store, source)


def _inherit(occasion: Occasion, source: Entity, vapp: Entity) -> None:
    """A copy has the networks of its template or vApp, of a vApp also the order of the start."""
    if source.kind.name != "vApp":
        vapp_bodies.apply_networks(occasion, vapp, {"networkConfig": library.template(source).networks})
        return
    before, state = vapp_state(source), vapp_state(vapp)
    state.networks = [replace(one, uuid=network_uuid(vapp.uuid, one.name)) for one in before.networks]
    state.startup, state.product_sections = dict(before.startup), list(before.product_sections)


def _check_clone(occasion: Occasion) -> None:
    source = required(occasion, "source", "vApp")
    if source is not None and occasion.body.get("isSourceDelete") is True:
        refuse_unless_stopped(occasion, source)
    _check_items(occasion)


def _begin_standalone(occasion: Occasion) -> None:
    occasion.owner.state = VAppState(auto_nature=True)


def _connect(vapp: Entity, vm: Entity) -> None:
    """A standalone VM's vApp is on the networks of the vDC that the VM is on."""
    state, vdc = vapp_state(vapp), vdc_of(vapp)
    for name in {nic.network for nic in machine(vm).nics}:
        network = next(
            (one for one in (vdc.children if vdc else ()) if one.kind.name == "network" and one.name == name), None
        )
        if network is not None and state.network(name) is None:
            state.networks.append(bridged(vapp.uuid, network))
    give_addresses(vm)


def _finish_standalone(occasion: Occasion, vm: Entity) -> None:
    vapp = occasion.owner
    _connect(vapp, vm)
    settle(vapp)
    if occasion.body.get("powerOn") is True:
        deploy(vapp, occasion.now, power_on=True)


def _create_vm(occasion: Occasion) -> None:
    inside = occasion.body.get("createVm")
    document: JsonObject = inside if isinstance(inside, dict) else {}
    name = document.get("name") or occasion.body.get("name") or occasion.owner.name
    described = {"description": occasion.body.get("description"), **document, "name": name}
    vm = _add_created(occasion, occasion.owner, described)
    media = optional(occasion, occasion.body.get("media"), "media")
    if media is not None:
        put_media(vm, media)
    _finish_standalone(occasion, vm)


def _check_template_item(occasion: Occasion) -> None:
    item = occasion.body.get("sourcedVmTemplateItem")
    if isinstance(item, dict):
        optional(occasion, item.get("source"), "vmTemplate", "vm")


def _instantiate_vm(occasion: Occasion) -> None:
    item = occasion.body.get("sourcedVmTemplateItem")
    document: JsonObject = item if isinstance(item, dict) else {}
    source = optional(occasion, document.get("source"), "vmTemplate", "vm")
    vapp = occasion.owner
    if source is None:
        vm = add_machine(occasion, vapp, vapp.name)
    else:
        general = document.get("vmGeneralParams")
        named = {"name": occasion.body.get("name"), **(general if isinstance(general, dict) else {})}
        vm = _add_copy(occasion, vapp, source, {**document, "vmGeneralParams": named})
    machine_bodies.apply_policies(vm, occasion.body)
    _finish_standalone(occasion, vm)


def _check_recompose(occasion: Occasion) -> None:
    _check_items(occasion)
    for reference in _inside(occasion, "deleteItem"):
        vm = optional(occasion, reference, "vm")
        if vm is not None:
            refuse_unless_stopped(occasion, vm)
    for document in _inside(occasion, "reconfigureItem"):
        optional(occasion, document, "vm")


def _recompose(occasion: Occasion) -> None:
    """Takes VMs away, changes others, adds new ones; the new ones are powered on where the body says so."""
    vapp = occasion.owner
    rename(occasion, replaces=False)
    _apply_params(occasion, vapp)
    for reference in _inside(occasion, "deleteItem"):
        vm = occasion.referred(reference)
        if vm is not None and vm.parent is vapp:
            remove(occasion.store, vm)
    for document in _inside(occasion, "reconfigureItem"):
        vm = occasion.referred(document)
        if vm is not None and vm.parent is vapp:
            machine_bodies.apply_vm(occasion, vm, document)
    made = _add_items(occasion, vapp)
    settle(vapp)
    for vm in made:
        if occasion.body.get("powerOn") is True and occasion.body.get("deploy") is not False:
            deploy(vm, occasion.now, power_on=True)


recompose = Modelled(check=_check_recompose, effect=_recompose)

MODELLED: dict[str, Modelled] = {
    "composeVApp": Modelled(creates="vApp", check=_check_items, begin=_begin, effect=_compose),
    "instantiateVAppTemplate": Modelled(
        creates="vApp", check=_check_source("vAppTemplate"), begin=_begin, effect=_instantiate
    ),
    "cloneVApp": Modelled(creates="vApp", check=_check_clone, begin=_begin, effect=_instantiate),
    "instantiateOvf": Modelled(creates="vApp", begin=_begin, effect=_compose),
    "registerVApp": Modelled(creates="vApp", begin=_begin, effect=_compose),
    "createStandaloneVm": Modelled(creates="vApp", begin=_begin_standalone, effect=_create_vm),
    "instantiateVmFromTemplate": Modelled(
        creates="vApp", check=_check_template_item, begin=_begin_standalone, effect=_instantiate_vm
    ),
}
"""The Task belongs to the new vApp, for createVm the auto-natured one (VCD API docs, POST-CreateVm)."""
