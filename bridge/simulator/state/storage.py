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


class Users:
    """The VMs that have a disk attached or a media in their drive."""

    __slots__ = ("_machines",)

    def __init__(self) -> None:
        self._machines: list[Entity] = []

    def __len__(self) -> int:
        return len(self._machines)

    def add(self, vm: Entity) -> None:
        if vm not in self._machines:
            self._machines.append(vm)

    def discard(self, vm: Entity) -> None:
        if vm in self._machines:
            self._machines.remove(vm)

    def present(self, store: EntityStore) -> list[Entity]:
        """Those that are still there; one that was deleted has let go."""
        self._machines = [one for one in self._machines if store.get(one.uuid) is one]
        return list(self._machines)


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
    attached: Users = field(default_factory=Users)

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
    inserted: Users = field(default_factory=Users)


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
