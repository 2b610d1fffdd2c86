"""vApps and VMs for one test each, put into a simulator beside those of its inventory."""

from __future__ import annotations

from itertools import count

from bridge.simulator.director import Director
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.inventory import well_known_uuid
from bridge.simulator.state.kinds import KINDS

_NUMBERS = count(101)


def new_vapp(director: Director, machines: int = 1) -> Entity:
    """``vapp-N`` with ``vm-N`` (``vm-N-2``, …), powered off, on ``net-1``, an administrator's of acme."""
    cloud, number = director.cloud, next(_NUMBERS)
    vdc = cloud.store.get(well_known_uuid("vdc", "acme"))
    assert vdc is not None
    vapp = _add(director, vdc, "vApp", f"vapp-{number}")
    for position in range(1, machines + 1):
        _add(director, vapp, "vm", f"vm-{number}" if position == 1 else f"vm-{number}-{position}")
    return vapp


def _add(director: Director, parent: Entity, kind: str, name: str) -> Entity:
    return director.cloud.store.add(
        Entity(
            kind=KINDS[kind], uuid=director.cloud.new_uuid(), name=name, org=parent.organization, parent=parent,
            status=8, deployed=False,
        )
    )  # fmt: skip
