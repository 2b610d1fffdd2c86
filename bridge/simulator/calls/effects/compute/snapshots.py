"""Snapshots: one per VM, a new one removes the one before (VCD API docs, POST-CreateSnapshot)."""

from __future__ import annotations

from bridge.simulator.calls.effects.compute.power import label, set_power
from bridge.simulator.calls.effects.occasion import POWERED_OFF, POWERED_ON, Modelled, Occasion
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import Snapshot, machine, saved

_MEGABYTE = 1024 * 1024


def _machines(entity: Entity) -> list[Entity]:
    return list(entity.children) if entity.kind.name == "vApp" else [entity]


def _create(occasion: Occasion) -> None:
    body, name = occasion.body, occasion.body.get("name")
    for vm in _machines(occasion.owner):
        state, running = machine(vm), vm.status == POWERED_ON
        memory = running and body.get("memory") is True
        size = sum(disk.size_mb for disk in state.internal_disks) + (state.memory_mb if memory else 0)
        state.snapshot = Snapshot(
            created_at=occasion.now, powered_on=running, saved=saved(state),
            name=name if isinstance(name, str) else None, size=size * _MEGABYTE, memory=memory,
            quiesced=running and body.get("quiesce") is True,
        )  # fmt: skip


def _remove(occasion: Occasion) -> None:
    for vm in _machines(occasion.owner):
        machine(vm).snapshot = None


def _check_revert(occasion: Occasion) -> None:
    owner = occasion.owner
    has = any(machine(vm).snapshot is not None for vm in _machines(owner))
    text = f"The requested operation could not be executed since {label(owner)} has no snapshot."
    occasion.refuse_unless(has, owner, text)


def _revert(occasion: Occasion) -> None:
    """Hardware and power as they were; without its memory a VM that ran is off. Named disks are in no snapshot."""
    for vm in _machines(occasion.owner):
        state = machine(vm)
        snapshot = state.snapshot
        if snapshot is None:
            continue
        before = saved(snapshot.saved)
        before.snapshot, before.media = snapshot, state.media
        named = [disk for disk in state.disks if disk.named is not None]
        before.disks = [*(disk for disk in before.disks if disk.named is None), *named]
        vm.state = before
        set_power(vm, POWERED_ON if snapshot.memory else POWERED_OFF, deployed=snapshot.memory)


MODELLED: dict[str, Modelled] = {
    "createSnapshot": Modelled(effect=_create),
    "removeAllSnapshots": Modelled(effect=_remove),
    "revertToCurrentSnapshot": Modelled(check=_check_revert, effect=_revert),
}
