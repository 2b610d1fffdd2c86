"""Named disks: made, changed, moved, deleted. What attaches them to VMs is in ``devices``."""

from __future__ import annotations

from typing import Any

from bridge.simulator.calls.effects.occasion import Modelled, Occasion
from bridge.simulator.calls.effects.referring import optional, required
from bridge.simulator.protocol.exchange import JsonObject, Refusal, bad_request
from bridge.simulator.state import storage
from bridge.simulator.state.storage import DiskState

SHARING_TYPES = ("None", "DiskSharing", "ControllerSharing")
"""Source: go-vcloud-director and terraform-provider-vcd, sharing types of independent disks."""


def _size_mb(document: JsonObject) -> int | None:
    """MiB from ``sizeMb``, or from ``size`` in bytes as clients before API 33 send it; None where neither is."""
    for field, unit in (("sizeMb", 1), ("size", storage.MEGABYTE)):
        value = document.get(field)
        if value is not None:
            if isinstance(value, bool) or not str(value).isdecimal() or int(value) < 1:
                raise bad_request(f"Invalid size of a disk: {field} {value}")
            return max(1, int(value) // unit)
    return None


def _description(document: JsonObject) -> JsonObject:
    """The disk in a body: DiskCreateParams have it inside."""
    inside = document.get("disk")
    return inside if isinstance(inside, dict) else document


def _check_create(occasion: Occasion) -> None:
    document = _description(occasion.body)
    if _size_mb(document) is None and not occasion.cloud.behavior.lenient_entities:
        raise bad_request("Bad request: a disk needs sizeMb")
    if document.get("sharingType") not in (None, *SHARING_TYPES):
        raise bad_request(f"Invalid sharing type: {document['sharingType']}")
    optional(occasion, document.get("storageProfile"), "vdcStorageProfile")


def _begin_create(occasion: Occasion) -> None:
    document, entity = _description(occasion.body), occasion.owner
    state = storage.disk(entity)
    entity.description = str(document.get("description") or "")
    state.size_mb = _size_mb(document) or state.size_mb
    state.bus_type = str(document.get("busType") or state.bus_type)
    state.bus_sub_type = str(document.get("busSubType") or state.bus_sub_type)
    state.sharing_type = document.get("sharingType") or ("DiskSharing" if document.get("shareable") else "None")
    _set_storage(occasion, state, document)


def _set_storage(occasion: Occasion, state: DiskState, document: JsonObject) -> None:
    profile = optional(occasion, document.get("storageProfile"), "vdcStorageProfile")
    state.storage_profile = profile or state.storage_profile
    iops: Any = document.get("iops")
    if iops is not None:
        state.iops = int(iops)


def _detached(occasion: Occasion) -> None:
    """An attached disk is neither changed nor deleted nor moved."""
    attached = storage.disk(occasion.owner).attached.present(occasion.store)
    names = ", ".join(vm.name for vm in attached)
    occasion.refuse_unless(
        not attached, occasion.owner, f"The disk {occasion.owner.name} is attached to the virtual machine {names}."
    )


def _check_update(occasion: Occasion) -> None:
    _detached(occasion)
    _size_mb(occasion.body)
    optional(occasion, occasion.body.get("storageProfile"), "vdcStorageProfile")


def _update(occasion: Occasion) -> None:
    """A PUT replaces: a description that is left out is gone; what has no default stays."""
    body, entity = occasion.body, occasion.owner
    state = storage.disk(entity)
    if body.get("name"):
        occasion.store.rename(entity, str(body["name"]))
    entity.description = str(body.get("description") or "")
    state.size_mb = _size_mb(body) or state.size_mb
    _set_storage(occasion, state, body)


def _check_move(occasion: Occasion) -> None:
    _detached(occasion)
    target = required(occasion, "vdc", "vdc")
    if target is not None and target.organization is not occasion.owner.organization:
        raise Refusal(400, "INVALID_REFERENCE", "A disk can only be moved within its organization.")
    optional(occasion, occasion.body.get("storagePolicy"), "vdcStorageProfile")


def _move(occasion: Occasion) -> None:
    """Into another vDC, onto the storage policy that was named or that vDC's first."""
    target = required(occasion, "vdc", "vdc")
    if target is None:
        return
    state = storage.disk(occasion.owner)
    occasion.store.move(occasion.owner, target)
    policy = optional(occasion, occasion.body.get("storagePolicy"), "vdcStorageProfile")
    state.storage_profile = policy or storage.default_storage_profile(target)
    if occasion.body.get("iops") is not None:
        state.iops = int(occasion.body["iops"])


def _delete(occasion: Occasion) -> None:
    occasion.store.remove(occasion.owner)


MODELLED: dict[str, Modelled] = {
    "createDisk": Modelled(creates="disk", check=_check_create, begin=_begin_create),
    "updateDisk": Modelled(check=_check_update, effect=_update),
    "deleteDisk": Modelled(check=_detached, effect=_delete),
    "moveDisk": Modelled(check=_check_move, effect=_move),
}
