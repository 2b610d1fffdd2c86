"""OVF's items in bodies: processors, memory, disks, cards, what is in the drive; put into a VM's state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import unescape
from typing import Any

from bridge.simulator.calls.effects.compute.cards import apply_cards
from bridge.simulator.calls.effects.occasion import Occasion
from bridge.simulator.calls.effects.values import markup, objects, whole
from bridge.simulator.documents.compute.hardware import CD, DISK, IDE, MEGABYTE, MEMORY, NETWORK, PROCESSOR, SCSI
from bridge.simulator.documents.compute.sections import plain
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.protocol.xml_writer import VCLOUD
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import BY_SUB_TYPE, LSI_LOGIC, Machine, VirtualDisk, machine

_CORES = re.compile(r"CoresPerSocket\b[^>]*>\s*(\d+)\s*<")
_EXTRA = re.compile(r"<[^<>]*\bExtraConfig\b[^<>]*>")
_KEY, _VALUE = re.compile(r'\bkey="([^"]*)"'), re.compile(r'\bvalue="([^"]*)"')


def apply_item(vm: Entity, item: JsonObject) -> None:
    """One item: processors or memory."""
    state, quantity = machine(vm), whole(item.get("virtualQuantity"))
    kind = whole(item.get("resourceType"))
    if kind == MEMORY:
        state.memory_mb = quantity or state.memory_mb
    elif kind == PROCESSOR:
        state.cpus = quantity or state.cpus
        cores = _CORES.search(markup(item))
        given = int(cores[1]) if cores else whole(item.get("coresPerSocket"))
        state.cores_per_socket = given or state.cores_per_socket
        if state.cpus % state.cores_per_socket:
            state.cores_per_socket = 1


def apply_items(occasion: Occasion, vm: Entity, items: list[JsonObject], kinds: Iterable[int]) -> None:
    """All items of these resource types: disks and cards that are not among them are taken out."""
    by_kind: dict[int | None, list[JsonObject]] = {}
    for item in items:
        by_kind.setdefault(whole(item.get("resourceType")), []).append(item)
    for kind in kinds:
        if kind in (PROCESSOR, MEMORY):
            for item in by_kind.get(kind, ()):
                apply_item(vm, item)
        elif kind == DISK:
            controllers = [item for one in (IDE, SCSI, 20) for item in by_kind.get(one, ())]
            _apply_disks(occasion, machine(vm), by_kind.get(DISK, []), controllers)
        elif kind == NETWORK:
            apply_cards(vm, [_card_of_item(item) for item in by_kind.get(NETWORK, ())], None)
        elif kind == CD:
            _apply_drive(occasion, vm, by_kind.get(CD, []))


def _attributes(value: Any) -> Mapping[str, Any]:
    """VCD's attributes on an element of OVF, by their local names."""
    found = objects(value)
    other = found[0].get("otherAttributes") if found else None
    if not isinstance(other, dict):
        return {}
    return {key.removeprefix(f"{{{VCLOUD}}}"): one for key, one in other.items()}


def _apply_disks(occasion: Occasion, state: Machine, items: list[JsonObject], controllers: list[JsonObject]) -> None:
    buses = {str(plain(one.get("instanceID"))): whole(one.get("address")) or 0 for one in controllers}
    kept = [disk for disk in state.disks if disk.named is not None]
    before = {disk.id: disk for disk in state.internal_disks}
    for item in items:
        backing = _attributes(item.get("hostResource"))
        if "disk" in backing:
            continue
        identity = str(plain(item.get("instanceID")))
        capacity, quantity = whole(backing.get("capacity")), whole(item.get("virtualQuantity"))
        in_bytes = None if quantity is None else max(1, quantity // MEGABYTE)
        disk = before.pop(identity, None)
        if disk is None:
            adapter = BY_SUB_TYPE.get(str(backing.get("busSubType")).lower(), LSI_LOGIC)
            bus = buses.get(str(plain(item.get("parent"))), 0)
            disk = VirtualDisk(identity, in_bytes or capacity or 1, bus=bus, adapter=adapter)
            disk.unit = whole(item.get("addressOnParent")) or 0
        elif in_bytes not in (None, disk.size_mb):
            disk.size_mb = in_bytes or disk.size_mb
        else:
            disk.size_mb = capacity or disk.size_mb
        disk.storage_profile = other_profile(occasion, state, {"href": backing.get("storageProfileHref")})
        kept.append(disk)
    state.disks = sorted(kept, key=by_id)


def by_id(disk: VirtualDisk) -> tuple[int, str]:
    return len(disk.id), disk.id


def other_profile(occasion: Occasion, state: Machine, reference: Any) -> Entity | None:
    """A disk's storage policy where it is not the VM's."""
    profile = occasion.referred(reference)
    return None if profile is None or profile is state.storage_profile else profile


def _card_of_item(item: JsonObject) -> JsonObject:
    """An item of a network card as the connection section tells it."""
    connection = item.get("connection")
    attributes = _attributes(connection)
    return {
        "networkConnectionIndex": plain(item.get("addressOnParent")), "macAddress": plain(item.get("address")),
        "network": plain(connection), "isConnected": plain(item.get("automaticAllocation")),
        "networkAdapterType": plain(item.get("resourceSubType")), "ipAddress": attributes.get("ipAddress"),
        "ipAddressAllocationMode": attributes.get("ipAddressingMode"),
        "_primary": attributes.get("primaryNetworkConnection") == "true",
    }  # fmt: skip


def _apply_drive(occasion: Occasion, vm: Entity, items: list[JsonObject]) -> None:
    for item in items:
        href = _attributes(item.get("hostResource")).get("href")
        put_media(vm, None if href is None else occasion.referred({"href": href}))


def put_media(vm: Entity, media: Entity | None) -> None:
    """What is in the drive from now on."""
    state = machine(vm)
    if state.media is not None:
        storage.media(state.media).inserted.discard(vm)
    state.media = media
    if media is not None:
        storage.media(media).inserted.add(vm)


def apply_extra_config(vm: Entity, section: JsonObject) -> None:
    """What stands after the items of a hardware section as XML, if anything does: sets the keys that it names, an empty
    value takes one away (go-vcloud-director vm.go).
    """
    texts = _EXTRA.findall(markup(section))
    given = {unescape(key[1]): unescape(value[1]) for text in texts
             if (key := _KEY.search(text)) and (value := _VALUE.search(text))}  # fmt: skip
    state = machine(vm)
    state.extra_config = {key: value for key, value in {**state.extra_config, **given}.items() if value}
