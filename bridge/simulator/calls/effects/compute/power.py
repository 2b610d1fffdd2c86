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


def set_power(entity: Entity, status: int | None, *, deployed: bool | None, only: int | None = None) -> None:
    """Gives a VM, or a vApp's VMs, another state.

    Args:
        status: None: each keeps its own.
        only: Only what has this status so far.
    """
    several = entity.kind.name == "vApp" and entity.children
    for one in entity.children if several else (entity,):
        if only is not None and one.status != only:
            continue
        one.status = one.status if status is None else status
        one.deployed = one.deployed if deployed is None else deployed
        if status == POWERED_ON and isinstance(one.state, Machine):
            one.state.needs_customization = False  # the guest was customized when it started
    if several:
        settle(entity)
    else:
        settle_parent(entity)


def label(entity: Entity) -> str:
    """As refusals name it: ``vApp "web"``."""
    return f'{"vApp" if entity.kind.name == "vApp" else "VM"} "{entity.name}"'


def refuse_unless_stopped(occasion: Occasion, entity: Entity) -> None:
    """For what is not done to something that runs or is suspended while it is deployed. Being deployed is no hindrance:
    go-vcloud-director's tests delete what is powered off without undeploying it.
    """
    what = "vApp" if entity.kind.name == "vApp" else "VM"
    text = f"The requested operation could not be executed on {label(entity)}. Stop the {what} and try again."
    runs = any(one.status == POWERED_ON or (one.deployed and one.status == SUSPENDED) for one in machines(entity))
    occasion.refuse_unless(not runs, entity, text)


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


def _stop(status: int) -> Effect:
    """Only what runs is stopped."""

    def stop(occasion: Occasion) -> None:
        lenient = occasion.cloud.behavior.lenient_entities or not occasion.cloud.behavior.strict_states
        set_power(occasion.owner, status, deployed=None, only=None if lenient else POWERED_ON)

    return stop


def _start(entity: Entity) -> None:
    """A vApp starts its VMs but those whose start action is none."""
    startup = entity.state.startup if isinstance(entity.state, VAppState) else {}
    still = [vm for vm in entity.children if startup.get(vm.name, {}).get("startAction") == "none"] if startup else []
    before = [vm.status for vm in still]
    set_power(entity, POWERED_ON, deployed=True)
    for vm, status in zip(still, before, strict=True):
        vm.status = status
    if still:
        settle(entity)


def _power_on(occasion: Occasion) -> None:
    _start(occasion.owner)


def deploy(entity: Entity, now: float, *, power_on: bool, lease: int | None = None) -> None:
    if power_on:
        _start(entity)
    else:
        set_power(entity, None, deployed=True)
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
    if occasion.body.get("undeployPowerAction") == "suspend":
        set_power(owner, SUSPENDED, deployed=False, only=POWERED_ON)
        set_power(owner, POWERED_OFF, deployed=False, only=PARTIALLY_POWERED_OFF)
        set_power(owner, None, deployed=False)
    else:
        set_power(owner, POWERED_OFF, deployed=False)
    vapp = owner if owner.kind.name == "vApp" else owner.parent
    if vapp is not None and isinstance(vapp.state, VAppState) and not vapp.deployed:
        vapp.state.deployed_at, vapp.state.undeployed_at = None, occasion.now


def _discard_suspended(occasion: Occasion) -> None:
    set_power(occasion.owner, POWERED_OFF, deployed=False)


MODELLED: dict[str, Modelled] = {
    "deployVApp": Modelled(effect=_deploy),
    "undeployVApp": Modelled(check=_check_undeploy, effect=_undeploy),
    "powerOnVApp": Modelled(check=_check_power_on, effect=_power_on),
    "powerOffVApp": Modelled(check=_check_running, effect=_stop(PARTIALLY_POWERED_OFF)),
    "shutdownVApp": Modelled(check=_check_running, effect=_stop(PARTIALLY_POWERED_OFF)),
    "suspendVApp": Modelled(check=_check_running, effect=_stop(SUSPENDED)),
    "rebootVApp": Modelled(check=_check_running),
    "resetVApp": Modelled(check=_check_running),
    "discardSuspendedState": Modelled(check=_check_suspended, effect=_discard_suspended),
}
