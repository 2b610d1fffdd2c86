"""One modifying Task per entity: BUSY_ENTITY in VCD's words (terraform-provider-vcd #976, go-vcloud-director #616)."""

from __future__ import annotations

import re

from bridge.simulator.protocol.exchange import Refusal
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.tasks.tasks import Task

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def upper_snake(operation_name: str) -> str:
    """``vappDeploy`` as busy texts spell it: ``VAPP_DEPLOY``."""
    return _CAMEL.sub("_", operation_name).upper()


def holder(entity: Entity, *, related: bool) -> Task | None:
    """The Task that holds the entity; with ``related`` one that holds its parent or a part of it counts too.

    Only vApps and VMs are related: a vDC or an organization is not locked by what happens inside it.
    """
    if entity.busy is not None or not related:
        return entity.busy
    if entity.parent is not None and entity.parent.kind.name == "vApp" and entity.parent.busy is not None:
        return entity.parent.busy
    if entity.kind.name == "vApp":
        return next((child.busy for child in entity.children if child.busy is not None), None)
    return None


def busy_refusal(task: Task, *, old_text: bool) -> Refusal:
    """HTTP 400 BUSY_ENTITY; the newer text names the Task as an entity reference."""
    held = task.owner
    if old_text:
        text = f"The entity {held.name} is busy completing an operation."
    else:
        doing = upper_snake(task.operation_name)
        text = (
            f"The entity Ref: com.vmware.vcloud.entity.{held.kind.urn}:{held.uuid} is busy completing an operation "
            f"{doing}. {doing}(com.vmware.vcloud.entity.task:{task.id})"
        )
    return Refusal(400, "BUSY_ENTITY", text)
