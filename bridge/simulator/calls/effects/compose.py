"""New vApps: composed, instantiated, cloned."""

from __future__ import annotations

from bridge.simulator.calls.effects.occasion import POWERED_ON, Modelled, Occasion


def _power_on(occasion: Occasion) -> None:
    body, vapp = occasion.body, occasion.owner
    if body.get("powerOn") is True and body.get("deploy") is not False:
        vapp.status, vapp.deployed = POWERED_ON, True


_NEW_VAPP = Modelled(creates="vApp", effect=_power_on)

MODELLED: dict[str, Modelled] = dict.fromkeys(
    (
        "cloneVApp", "composeVApp", "createStandaloneVm", "instantiateOvf", "instantiateVAppTemplate",
        "instantiateVmFromTemplate", "registerVApp",
    ),
    _NEW_VAPP,
)  # fmt: skip
"""The Task belongs to the new vApp, for createVm the auto-natured one (VCD API docs, POST-CreateVm)."""
