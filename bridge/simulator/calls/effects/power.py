"""Deployment and power of vApps and VMs.

Sources of the refusals: ansible-module-vcloud-director #31 (not powered on), terraform-provider-vcd (not running; "Stop
the VM and try again" of #314, "Stop the vApp" of #706). go-vcloud-director's tests power a running vApp on.
"""

from __future__ import annotations

from bridge.simulator.calls.effects.occasion import (
    MIXED,
    PARTIALLY_POWERED_OFF,
    POWERED_OFF,
    POWERED_ON,
    RESOLVED,
    SUSPENDED,
    Effect,
    Modelled,
    Occasion,
)
from bridge.simulator.protocol.exchange import bad_request
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import Machine
from bridge.simulator.state.vapps import VAppState

_ACTIONS = (None, "powerOff", "suspend", "shutdown", "force", "default")


def machines(entity: Entity) -> list[Entity]:
    return [entity, *entity.children] if entity.kind.name == "vApp" else [entity]


def settle(vapp: Entity) -> None:
    """A vApp shows the state of its VMs: theirs if they agree, MIXED if not, RESOLVED where there are none."""
    statuses = {child.status for child in vapp.children}
    vapp.status = RESOLVED if not statuses else statuses.pop() if len(statuses) == 1 else MIXED
    vapp.deployed = any(child.deployed for child in vapp.children)


def settle_parent(entity: Entity) -> None:
    if entity.parent is not None and entity.parent.kind.name == "vApp":
        settle(entity.parent)


def set_power(entity: Entity, status: int, *, deployed: bool | None) -> None:
    for one in machines(entity):
        one.status = status
        if deployed is not None:
            one.deployed = deployed
        if status == POWERED_ON and isinstance(one.state, Machine):
            one.state.needs_customization = False  # the guest was customized when it started
    settle_parent(entity)


def label(entity: Entity) -> str:
    """As refusals name it: ``vApp "web"``."""
    return f'{"vApp" if entity.kind.name == "vApp" else "VM"} "{entity.name}"'


def refuse_unless_stopped(occasion: Occasion, entity: Entity) -> None:
    """For what is not done to something that is deployed."""
    what = "vApp" if entity.kind.name == "vApp" else "VM"
    text = f"The requested operation could not be executed on {label(entity)}. Stop the {what} and try again."
    occasion.refuse_unless(not entity.deployed, entity, text)


def _check_running(occasion: Occasion) -> None:
    owner = occasion.owner
    running = any(one.status == POWERED_ON for one in machines(owner))
    state = "not running" if owner.kind.name == "vApp" else "not powered on"
    text = f"The requested operation could not be executed since {label(owner)} is {state}."
    occasion.refuse_unless(running, owner, text, code="BAD_REQUEST")


def _check_power_on(occasion: Occasion) -> None:
    if occasion.owner.kind.name != "vApp" and occasion.owner.status == POWERED_ON:
        refuse_unless_stopped(occasion, occasion.owner)


def _check_undeploy(occasion: Occasion) -> None:
    action, owner = occasion.body.get("undeployPowerAction"), occasion.owner
    if action not in _ACTIONS:
        raise bad_request(f"Bad request: undeployPowerAction takes powerOff, suspend, shutdown or force, not {action}")
    text = f"The requested operation could not be executed since {label(owner)} is not running."
    occasion.refuse_unless(bool(owner.deployed) or owner.status == SUSPENDED, owner, text, code="BAD_REQUEST")


def _check_suspended(occasion: Occasion) -> None:
    owner = occasion.owner
    suspended = any(one.status == SUSPENDED for one in machines(owner))
    text = f"The requested operation could not be executed since {label(owner)} is not suspended."
    occasion.refuse_unless(suspended, owner, text)


def _power(status: int, *, deployed: bool | None) -> Effect:
    return lambda occasion: set_power(occasion.owner, status, deployed=deployed)


def deploy(entity: Entity, now: float, *, power_on: bool, lease: int | None = None) -> None:
    status = POWERED_ON if power_on else entity.status
    set_power(entity, POWERED_OFF if status is None else status, deployed=True)
    vapp = entity if entity.kind.name == "vApp" else entity.parent
    if vapp is not None and isinstance(vapp.state, VAppState):
        vapp.state.deployed_at, vapp.state.undeployed_at = now, None
        vapp.state.deployment_lease = vapp.state.deployment_lease if lease is None else lease


def _deploy(occasion: Occasion) -> None:
    body, owner = occasion.body, occasion.owner
    lease = body.get("deploymentLeaseSeconds")
    if body.get("forceCustomization") is True and isinstance(owner.state, Machine):
        owner.state.needs_customization = True
    power_on = body.get("powerOn") is not False
    deploy(owner, occasion.now, power_on=power_on, lease=lease if type(lease) is int and lease >= 0 else None)


def _undeploy(occasion: Occasion) -> None:
    owner = occasion.owner
    suspends = occasion.body.get("undeployPowerAction") == "suspend"
    set_power(owner, SUSPENDED if suspends else POWERED_OFF, deployed=False)
    vapp = owner if owner.kind.name == "vApp" else owner.parent
    if vapp is not None and isinstance(vapp.state, VAppState) and not vapp.deployed:
        vapp.state.deployed_at, vapp.state.undeployed_at = None, occasion.now


def _discard_suspended(occasion: Occasion) -> None:
    set_power(occasion.owner, POWERED_OFF, deployed=False)


MODELLED: dict[str, Modelled] = {
    "deployVApp": Modelled(effect=_deploy),
    "undeployVApp": Modelled(check=_check_undeploy, effect=_undeploy),
    "powerOnVApp": Modelled(check=_check_power_on, effect=_power(POWERED_ON, deployed=True)),
    "powerOffVApp": Modelled(check=_check_running, effect=_power(PARTIALLY_POWERED_OFF, deployed=None)),
    "shutdownVApp": Modelled(check=_check_running, effect=_power(PARTIALLY_POWERED_OFF, deployed=None)),
    "suspendVApp": Modelled(check=_check_running, effect=_power(SUSPENDED, deployed=None)),
    "rebootVApp": Modelled(check=_check_running),
    "resetVApp": Modelled(check=_check_running),
    "discardSuspendedState": Modelled(check=_check_suspended, effect=_discard_suspended),
}
