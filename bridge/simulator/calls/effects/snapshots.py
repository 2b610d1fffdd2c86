"""Snapshots: one per VM, a new one removes the one before (VCD API docs, POST-CreateSnapshot)."""

from __future__ import annotations

from bridge.simulator.calls.effects.occasion import POWERED_OFF, POWERED_ON, Modelled, Occasion
from bridge.simulator.calls.effects.power import machines, set_power


def _create(occasion: Occasion) -> None:
    for one in machines(occasion.owner):
        taken = one.properties.get("snapshotsTaken", 0) + 1
        one.properties["snapshotsTaken"] = taken
        one.sections["snapshotSection"] = {
            "snapshot": {"name": occasion.body.get("name"), "number": taken, "powerOn": one.status == POWERED_ON}
        }


def _remove(occasion: Occasion) -> None:
    for one in machines(occasion.owner):
        one.sections["snapshotSection"] = {"snapshot": None}


def _revert(occasion: Occasion) -> None:
    for one in machines(occasion.owner):
        snapshot = (one.sections.get("snapshotSection") or {}).get("snapshot")
        if snapshot:
            on = bool(snapshot.get("powerOn"))
            set_power(one, POWERED_ON if on else POWERED_OFF, deployed=on)


MODELLED: dict[str, Modelled] = {
    "createSnapshot": Modelled(effect=_create),
    "removeAllSnapshots": Modelled(effect=_remove),
    "revertToCurrentSnapshot": Modelled(effect=_revert),
}
