"""What is put into VMs: named disks, media, and switches."""

from __future__ import annotations

from bridge.simulator.calls.effects.general import flag, keep
from bridge.simulator.calls.effects.occasion import Modelled, Occasion


def _attach(occasion: Occasion) -> None:
    disk = occasion.referred(occasion.body.get("disk"))
    if disk is not None:
        disk.properties["attachedVm"] = occasion.owner.urn
        attached = occasion.owner.properties.setdefault("attachedDisks", [])
        if disk.urn not in attached:
            attached.append(disk.urn)


def _detach(occasion: Occasion) -> None:
    disk = occasion.referred(occasion.body.get("disk"))
    if disk is not None:
        disk.properties["attachedVm"] = None
        attached = occasion.owner.properties.get("attachedDisks", [])
        if disk.urn in attached:
            attached.remove(disk.urn)


def _insert_media(occasion: Occasion) -> None:
    media = occasion.referred(occasion.body.get("media"))
    occasion.owner.properties["insertedMedia"] = None if media is None else media.urn


def _eject_media(occasion: Occasion) -> None:
    occasion.owner.properties["insertedMedia"] = None


MODELLED: dict[str, Modelled] = {
    "attachDisk": Modelled(effect=_attach),
    "detachDisk": Modelled(effect=_detach),
    "insertMedia": Modelled(effect=_insert_media),
    "ejectMedia": Modelled(effect=_eject_media),
    "enableNestedHypervisor": Modelled(effect=flag("nestedHypervisorEnabled", value=True)),
    "disableNestedHypervisor": Modelled(effect=flag("nestedHypervisorEnabled", value=False)),
    "updateVmBootOptions": Modelled(effect=keep("bootOptions")),
    "editTrustedPlatformModule": Modelled(effect=keep("trustedPlatformModule")),
}
