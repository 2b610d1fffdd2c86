"""What changes a vApp as a whole, and what deletes it or one of its VMs."""

from __future__ import annotations

from bridge.simulator.calls.effects.compute import machine_bodies, vapp_bodies
from bridge.simulator.calls.effects.compute.compose import recompose
from bridge.simulator.calls.effects.compute.power import refuse_unless_stopped
from bridge.simulator.calls.effects.compute.removal import remove
from bridge.simulator.calls.effects.general import rename
from bridge.simulator.calls.effects.occasion import Modelled, Occasion
from bridge.simulator.calls.effects.referring import optional
from bridge.simulator.calls.effects.values import objects
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import machine
from bridge.simulator.state.vapps import vapp_state


def _update(occasion: Occasion) -> None:
    """PUT of a vApp: name, description, and those of its sections that are in the body."""
    rename(occasion)
    sections = machine_bodies.sections_of(occasion.body)
    if (networks := sections.get("NetworkConfigSectionType")) is not None:
        vapp_bodies.apply_networks(occasion, occasion.owner, networks)
    if (lease := sections.get("LeaseSettingsSectionType")) is not None:
        vapp_bodies.apply_lease(occasion.owner, lease)
    if (startup := sections.get("StartupSectionType")) is not None:
        vapp_bodies.apply_startup(occasion.owner, startup)


def _networks(occasion: Occasion) -> None:
    vapp_bodies.apply_networks(occasion, occasion.owner, occasion.body)


def _lease(occasion: Occasion) -> None:
    vapp_bodies.apply_lease(occasion.owner, occasion.body)


def _startup(occasion: Occasion) -> None:
    vapp_bodies.apply_startup(occasion.owner, occasion.body)


def _products(occasion: Occasion) -> None:
    sections = objects(occasion.body.get("productSection") or [])
    if occasion.owner.kind.name == "vApp":
        vapp_bodies.apply_products(occasion.owner, sections)
    else:
        machine(occasion.owner).product_sections = sections


def _check_delete(occasion: Occasion) -> None:
    """``force=true`` deletes what runs as well."""
    if occasion.query.get("force", "").lower() != "true":
        refuse_unless_stopped(occasion, occasion.owner)


def _delete(occasion: Occasion) -> None:
    remove(occasion.store, occasion.owner)


def _moved(occasion: Occasion) -> Entity:
    """The vApp that the body names: the Task is its."""
    source = optional(occasion, occasion.body.get("source"), "vApp")
    return occasion.container if source is None else source


def _move(occasion: Occasion) -> None:
    if occasion.owner is occasion.container:
        return
    occasion.store.move(occasion.owner, occasion.container)
    profile = storage.default_storage_profile(occasion.container)
    for vm in occasion.owner.children:
        machine(vm).storage_profile = profile
    sections = machine_bodies.sections_of(occasion.body)
    if (networks := sections.get("NetworkConfigSectionType")) is not None:
        vapp_bodies.apply_networks(occasion, occasion.owner, networks)


def _to_vapp(occasion: Occasion) -> None:
    """A standalone VM's vApp shows from now on."""
    vapp = occasion.owner if occasion.owner.kind.name == "vApp" else occasion.owner.parent
    if vapp is not None:
        vapp_state(vapp).auto_nature = False
        rename(occasion, replaces=False)


def _update_network(occasion: Occasion) -> None:
    if occasion.owner.kind.name != "vApp":
        return  # a network of a vDC, which this call does not change
    uuid = occasion.parameters["network"]
    network = next((one for one in vapp_state(occasion.owner).networks if one.uuid == uuid), None)
    if network is not None:
        name, description = occasion.body.get("name"), occasion.body.get("description")
        network.name = str(name or network.name)
        network.description = str(description or "")
        vapp_bodies.apply_configuration(occasion, network, occasion.body.get("configuration"))


def _delete_network(occasion: Occasion) -> None:
    if occasion.owner.kind.name == "vApp":
        state, uuid = vapp_state(occasion.owner), occasion.parameters["network"]
        state.networks = [one for one in state.networks if one.uuid != uuid]
    else:
        remove(occasion.store, occasion.owner)


MODELLED: dict[str, Modelled] = {
    "updateVApp": Modelled(effect=_update),
    "deleteVApp": Modelled(check=_check_delete, effect=_delete),
    "recomposeVApp": recompose,
    "moveVApp": Modelled(owner=_moved, effect=_move),
    "convertStandAloneVmToVApp": Modelled(effect=_to_vapp),
    "updateVAppNetworkConfigSection": Modelled(effect=_networks),
    "updateVAppLeaseSettingsSection": Modelled(effect=_lease),
    "updateVAppStartupSection": Modelled(effect=_startup),
    "updateVAppNetwork": Modelled(effect=_update_network),
    "deleteNetwork": Modelled(effect=_delete_network),
    "resetVAppNetwork": Modelled(),
    "syncVAppNetworkSyslogSettings": Modelled(),
    "updateVAppProductSections": Modelled(effect=_products),
}
