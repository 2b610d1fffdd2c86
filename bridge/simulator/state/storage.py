"""Disks and media: how large, on which storage, attached to what.

Each entity of these kinds has its state from the moment that somebody asks for it: an entity that was made when it was
addressed has an ordinary one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.transfers import Transfer, TransferFile

MEGABYTE = 1024 * 1024
ORDINARY_DISK_MB = 1024
ORDINARY_MEDIA_BYTES = 4 * MEGABYTE


@dataclass(slots=True, eq=False)
class DiskState:
    """A named (independent) disk. ``size_mb`` in MiB; ``uuid`` is the guest's, not the entity's; ``attached``: VMs,
    more than one only where the disk is shared.
    """

    size_mb: int = ORDINARY_DISK_MB
    iops: int = 0
    bus_type: str = "6"
    bus_sub_type: str = "lsilogic"
    sharing_type: str = "None"
    encrypted: bool = False
    uuid: str = ""
    storage_profile: Entity | None = None
    attached: list[Entity] = field(default_factory=list)

    @property
    def shareable(self) -> bool:
        return self.sharing_type != "None"


@dataclass(slots=True, eq=False)
class MediaState:
    """An image. ``size`` in bytes; ``files``: what was uploaded; ``transfer``: the upload or the download that is open;
    ``item``: the catalog item that stands for it; ``inserted``: VMs that have it in their drive.
    """

    image_type: str = "iso"
    size: int = ORDINARY_MEDIA_BYTES
    storage_profile: Entity | None = None
    files: list[TransferFile] = field(default_factory=list)
    transfer: Transfer | None = None
    item: Entity | None = None
    inserted: list[Entity] = field(default_factory=list)


def disk(entity: Entity) -> DiskState:
    if not isinstance(entity.state, DiskState):
        entity.state = DiskState(
            uuid=f"6000c29{entity.uuid[7:]}", storage_profile=default_storage_profile(entity.parent)
        )
    return entity.state


def media(entity: Entity) -> MediaState:
    if not isinstance(entity.state, MediaState):
        entity.state = MediaState(storage_profile=default_storage_profile(entity.parent))
    return entity.state


def default_storage_profile(vdc: Entity | None) -> Entity | None:
    """The first storage policy of a vDC."""
    if vdc is None:
        return None
    return next((one for one in vdc.children if one.kind.name == "vdcStorageProfile"), None)


def attach(store: EntityStore, disk_entity: Entity, vm: Entity) -> None:
    attached = disk(disk_entity).attached
    if vm not in attached:
        attached.append(vm)
    _forget_gone(store, attached)


def detach(disk_entity: Entity, vm: Entity) -> None:
    attached = disk(disk_entity).attached
    if vm in attached:
        attached.remove(vm)


def attached_vms(store: EntityStore, disk_entity: Entity) -> list[Entity]:
    """The VMs that have a disk attached; one that was deleted has let go of it."""
    attached = disk(disk_entity).attached
    _forget_gone(store, attached)
    return attached


def insert(media_entity: Entity, vm: Entity) -> None:
    inserted = media(media_entity).inserted
    if vm not in inserted:
        inserted.append(vm)


def eject(media_entity: Entity, vm: Entity) -> None:
    inserted = media(media_entity).inserted
    if vm in inserted:
        inserted.remove(vm)


def inserted_in(store: EntityStore, media_entity: Entity) -> list[Entity]:
    """The VMs that have a media in their drive."""
    inserted = media(media_entity).inserted
    _forget_gone(store, inserted)
    return inserted


def _forget_gone(store: EntityStore, machines: list[Entity]) -> None:
    machines[:] = [one for one in machines if store.get(one.uuid) is one]
