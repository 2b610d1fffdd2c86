"""Deployment and power of vApps and VMs."""

from __future__ import annotations

from bridge.simulator.calls.effects.occasion import (
    MIXED,
    PARTIALLY_POWERED_OFF,
    POWERED_OFF,
    POWERED_ON,
    SUSPENDED,
    Effect,
    Modelled,
    Occasion,
)
from bridge.simulator.state.entities import Entity


def machines(entity: Entity) -> list[Entity]:
    return [entity, *entity.children] if entity.kind.name == "vApp" else [entity]


def settle_parent(entity: Entity) -> None:
    """A vApp shows the state of its VMs."""
    vapp = entity.parent
    if vapp is None or vapp.kind.name != "vApp":
        return
    statuses = {child.status for child in vapp.children}
    vapp.status = statuses.pop() if len(statuses) == 1 else MIXED
    vapp.deployed = any(child.deployed for child in vapp.children)


def set_power(entity: Entity, status: int, *, deployed: bool | None) -> None:
    for one in machines(entity):
        one.status = status
        if deployed is not None:
            one.deployed = deployed
    settle_parent(entity)


def _power(status: int, *, deployed: bool | None) -> Effect:
    return lambda occasion: set_power(occasion.owner, status, deployed=deployed)


def _deploy(occasion: Occasion) -> None:
    power_on = occasion.body.get("powerOn")
    status = occasion.owner.status if power_on is False else POWERED_ON
    set_power(occasion.owner, POWERED_OFF if status is None else status, deployed=True)


def _undeploy(occasion: Occasion) -> None:
    suspends = occasion.body.get("undeployPowerAction") == "suspend"
    set_power(occasion.owner, SUSPENDED if suspends else POWERED_OFF, deployed=False)


def _discard_suspended(occasion: Occasion) -> None:
    set_power(occasion.owner, POWERED_OFF, deployed=False)


MODELLED: dict[str, Modelled] = {
    "deployVApp": Modelled(effect=_deploy),
    "undeployVApp": Modelled(effect=_undeploy),
    "powerOnVApp": Modelled(effect=_power(POWERED_ON, deployed=True)),
    "powerOffVApp": Modelled(effect=_power(PARTIALLY_POWERED_OFF, deployed=None)),
    "shutdownVApp": Modelled(effect=_power(PARTIALLY_POWERED_OFF, deployed=None)),
    "suspendVApp": Modelled(effect=_power(SUSPENDED, deployed=None)),
    "discardSuspendedState": Modelled(effect=_discard_suspended),
}
