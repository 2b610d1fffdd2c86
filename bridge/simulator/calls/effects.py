"""What the common operations do to the cloud when their Task succeeds.

Operations that are not here still make a correct Task on the right owner; nothing else changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity, EntityStore

POWERED_ON, POWERED_OFF, SUSPENDED, PARTIALLY_POWERED_OFF, CREATED, FAILED_CREATION = 4, 8, 3, 20, 0, -1


@dataclass(frozen=True, slots=True)
class Occasion:
    """One call of an operation: its owner, path parameters, body."""

    store: EntityStore
    owner: Entity
    parameters: dict[str, str]
    body: JsonObject
    tail: str
    """What follows the entity's id in the path, e.g. ``virtualHardwareSection/cpu``."""


Effect = Callable[[Occasion], None]


def _machines(entity: Entity) -> list[Entity]:
    return [entity, *entity.children] if entity.kind.name == "vApp" else [entity]


def _settle_parent(entity: Entity) -> None:
    """A vApp shows the state of its VMs; 10 is MIXED."""
    vapp = entity.parent
    if vapp is None or vapp.kind.name != "vApp":
        return
    statuses = {child.status for child in vapp.children}
    vapp.status = statuses.pop() if len(statuses) == 1 else 10
    vapp.deployed = any(child.deployed for child in vapp.children)


def _set_power(entity: Entity, status: int, *, deployed: bool | None) -> None:
    for one in _machines(entity):
        one.status = status
        if deployed is not None:
            one.deployed = deployed
    _settle_parent(entity)


def _power(status: int, *, deployed: bool | None) -> Effect:
    return lambda occasion: _set_power(occasion.owner, status, deployed=deployed)


def _deploy(occasion: Occasion) -> None:
    power_on = occasion.body.get("powerOn")
    status = occasion.owner.status if power_on is False else POWERED_ON
    _set_power(occasion.owner, POWERED_OFF if status is None else status, deployed=True)


def _undeploy(occasion: Occasion) -> None:
    suspends = occasion.body.get("undeployPowerAction") == "suspend"
    _set_power(occasion.owner, SUSPENDED if suspends else POWERED_OFF, deployed=False)


def _discard_suspended(occasion: Occasion) -> None:
    _set_power(occasion.owner, POWERED_OFF, deployed=False)


def _create_snapshot(occasion: Occasion) -> None:
    """Removes every existing snapshot first: what a blind second call destroys (VCD API docs, POST-CreateSnapshot)."""
    for one in _machines(occasion.owner):
        taken = one.properties.get("snapshotsTaken", 0) + 1
        one.properties["snapshotsTaken"] = taken
        one.sections["snapshotSection"] = {
            "snapshot": {"name": occasion.body.get("name"), "number": taken, "powerOn": one.status == POWERED_ON}
        }


def _remove_snapshots(occasion: Occasion) -> None:
    for one in _machines(occasion.owner):
        one.sections["snapshotSection"] = {"snapshot": None}


def _revert(occasion: Occasion) -> None:
    for one in _machines(occasion.owner):
        snapshot = (one.sections.get("snapshotSection") or {}).get("snapshot")
        if snapshot:
            _set_power(
                one, POWERED_ON if snapshot.get("powerOn") else POWERED_OFF, deployed=bool(snapshot.get("powerOn"))
            )


def typed_value(entry: Any) -> Any:
    """The typed value of a metadata entry or value, whichever form it has; plain ``value`` is the deprecated form."""
    if not isinstance(entry, dict):
        return entry
    typed = entry.get("typedValue")
    if isinstance(typed, dict):
        return typed
    return {"_type": "MetadataStringValue", "value": entry.get("value")}


def metadata_key(domain: Any, key: str) -> str:
    """Metadata of the SYSTEM domain is apart from that of GENERAL, the default."""
    name = domain.get("value") or domain.get("domain") if isinstance(domain, dict) else domain
    return f"SYSTEM/{key}" if name == "SYSTEM" else f"GENERAL/{key}"


def _merge_metadata(occasion: Occasion) -> None:
    for entry in occasion.body.get("metadataEntry") or ():
        if isinstance(entry, dict) and isinstance(entry.get("key"), str):
            occasion.owner.metadata[metadata_key(entry.get("domain"), entry["key"])] = typed_value(entry)


def _set_metadata(occasion: Occasion) -> None:
    domain = "SYSTEM" if "/SYSTEM/" in occasion.tail else None
    occasion.owner.metadata[metadata_key(domain, occasion.parameters["key"])] = typed_value(occasion.body)


def _delete_metadata(occasion: Occasion) -> None:
    domain = "SYSTEM" if "/SYSTEM/" in occasion.tail else None
    occasion.owner.metadata.pop(metadata_key(domain, occasion.parameters["key"]), None)


def _delete(occasion: Occasion) -> None:
    occasion.store.remove(occasion.owner)


def _update(occasion: Occasion) -> None:
    body, entity = occasion.body, occasion.owner
    name = body.get("name")
    if isinstance(name, str) and name and name != entity.name:
        occasion.store.rename(entity, name)
    if isinstance(body.get("description"), str):
        entity.description = body["description"]
    kept = {
        "name",
        "description",
        "href",
        "id",
        "type",
        "link",
        "tasks",
        "otherAttributes",
        "vCloudExtension",
        "status",
    }
    entity.properties.update({key: value for key, value in body.items() if key not in kept})


def _store_section(occasion: Occasion) -> None:
    occasion.owner.sections[occasion.tail] = occasion.body


def _referred(occasion: Occasion, field: str) -> Entity | None:
    reference = occasion.body.get(field)
    text = reference.get("href") or reference.get("id") or "" if isinstance(reference, dict) else ""
    return occasion.store.get(str(text)[-36:].lower())


def _attach(occasion: Occasion) -> None:
    disk = _referred(occasion, "disk")
    if disk is not None:
        disk.properties["attachedVm"] = occasion.owner.urn
        attached = occasion.owner.properties.setdefault("attachedDisks", [])
        if disk.urn not in attached:
            attached.append(disk.urn)


def _detach(occasion: Occasion) -> None:
    disk = _referred(occasion, "disk")
    if disk is not None:
        disk.properties["attachedVm"] = None
        attached = occasion.owner.properties.get("attachedDisks", [])
        if disk.urn in attached:
            attached.remove(disk.urn)


def _insert_media(occasion: Occasion) -> None:
    media = _referred(occasion, "media")
    occasion.owner.properties["insertedMedia"] = None if media is None else media.urn


def _eject_media(occasion: Occasion) -> None:
    occasion.owner.properties["insertedMedia"] = None


def _flag(name: str, value: object) -> Effect:
    def set_flag(occasion: Occasion) -> None:
        occasion.owner.properties[name] = value

    return set_flag


def _remove_association(occasion: Occasion) -> None:
    association = occasion.store.get(occasion.parameters["associationId"].lower())
    if association is not None and association.kind.name == "orgAssociation":
        occasion.store.remove(association)


def _keep(name: str) -> Effect:
    """The body becomes a field of the entity."""

    def keep(occasion: Occasion) -> None:
        occasion.owner.properties[name] = occasion.body

    return keep


def _set_configuration(entity: Entity, **values: Any) -> None:
    entity.properties["configuration"] = {**(entity.properties.get("configuration") or {}), **values}


def _configure(**values: Any) -> Effect:
    return lambda occasion: _set_configuration(occasion.owner, **values)


def _resize_gateway(occasion: Occasion) -> None:
    _set_configuration(occasion.owner, gatewayBackingConfig=occasion.body.get("gatewayType"))


_BY_NAME: dict[str, Effect] = {
    "deployVApp": _deploy,
    "undeployVApp": _undeploy,
    "powerOnVApp": _power(POWERED_ON, deployed=True),
    "powerOffVApp": _power(PARTIALLY_POWERED_OFF, deployed=None),
    "shutdownVApp": _power(PARTIALLY_POWERED_OFF, deployed=None),
    "suspendVApp": _power(SUSPENDED, deployed=None),
    "discardSuspendedState": _discard_suspended,
    "createSnapshot": _create_snapshot,
    "removeAllSnapshots": _remove_snapshots,
    "revertToCurrentSnapshot": _revert,
    "attachDisk": _attach,
    "detachDisk": _detach,
    "insertMedia": _insert_media,
    "ejectMedia": _eject_media,
    "enableNestedHypervisor": _flag("nestedHypervisorEnabled", value=True),
    "disableNestedHypervisor": _flag("nestedHypervisorEnabled", value=False),
    "updateVmBootOptions": _keep("bootOptions"),
    "editTrustedPlatformModule": _keep("trustedPlatformModule"),
    "convertToAdvancedGateway": _configure(advancedNetworkingEnabled=True),
    "convertNetworkToSubInterface": _configure(subInterface=True, distributedInterface=False),
    "convertNetworkToDistributedInterface": _configure(subInterface=False, distributedInterface=True),
    "convertNetworkToInternalInterface": _configure(subInterface=False, distributedInterface=False),
    "modifyEdgeGatewayFormFactor": _resize_gateway,
    "removeOrgAssociation": _remove_association,
    "unregisterVimServer": _delete,
    "forceDeleteStrandedItem": _delete,
    "enableVmHostAffinityRule": _flag("isEnabled", value=True),
    "disableVmHostAffinityRule": _flag("isEnabled", value=False),
    "makeVmHostAffinityRuleMandatory": _flag("isMandatory", value=True),
    "makeVmHostAffinityRuleOptional": _flag("isMandatory", value=False),
}


def effect_of(name: str, method: str, tail: str) -> Effect | None:
    """What an operation does, by its name or else by the form of its path."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    if tail == "metadata" and method == "POST":
        return _merge_metadata
    if tail.startswith("metadata/"):
        return _set_metadata if method == "PUT" else _delete_metadata
    if method == "DELETE":
        return _delete
    if method == "PUT":
        return _store_section if tail else _update
    return None


CREATES: dict[str, str] = {
    "captureVAppToCatalog": "vAppTemplate",
    "captureVAppToVdc": "vAppTemplate",
    "cloneMedia": "media",
    "cloneVApp": "vApp",
    "cloneVAppTemplate": "vAppTemplate",
    "composeVApp": "vApp",
    "copyCatalogItem": "catalogItem",
    "createCatalog": "catalog",
    "createDisk": "disk",
    "createEdgeGateway": "edgeGateway",
    "createMedia": "media",
    "createOrg": "org",
    "createOrgVdc": "vdc",
    "createOrgVdcNetwork": "network",
    "createStandaloneVm": "vApp",
    "createVmAffinityRule": "vmAffinityRule",
    "createVmGroup": "vmGroup",
    "createVmGroupTenantView": "vmGroup",
    "createVmHostAffinityRule": "vmHostRule",
    "instantiateOvf": "vApp",
    "instantiateVAppTemplate": "vApp",
    "instantiateVdcTemplate": "vdc",
    "instantiateVmFromTemplate": "vApp",
    "registerVApp": "vApp",
    "uploadVAppTemplate": "vAppTemplate",
}
"""Kind of the new entity, which the Task belongs to: for createVm that is the new, auto-natured vApp (VCD API docs,
POST-CreateVm)."""

UNIQUE_NAMES = frozenset({"vApp", "catalog", "org", "vdc", "network", "edgeGateway", "vAppTemplate"})
"""Kinds whose names are unique in what contains them: DUPLICATE_NAME otherwise."""
