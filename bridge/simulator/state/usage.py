"""How much of a vDC is used. Machines that nobody has looked at count as the ordinary ones that they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.simulator.state.entities import Entity
from bridge.simulator.state.machines import Machine
from bridge.simulator.state.storage import DiskState

ORDINARY_CPUS, ORDINARY_MEMORY_MB, ORDINARY_STORAGE_MB = 2, 2048, 16 * 1024
MHZ_PER_CPU = 1000
POWERED_ON = 4


@dataclass(slots=True)
class Usage:
    """``cpu_mhz`` and ``memory_mb`` of the machines that run, the rest of all."""

    machines: int = 0
    running: int = 0
    cpus: int = 0
    cpu_mhz: int = 0
    memory_mb: int = 0
    storage_mb: int = 0


def size_of(vm: Entity) -> tuple[int, int, int]:
    """Processors, memory and storage in MiB."""
    state = vm.state
    if not isinstance(state, Machine):
        return ORDINARY_CPUS, ORDINARY_MEMORY_MB, ORDINARY_STORAGE_MB
    return state.cpus, state.memory_mb, sum(disk.size_mb for disk in state.disks if disk.named is None)


def machines_in(vdc: Entity) -> Iterator[Entity]:
    for vapp in vdc.children:
        if vapp.kind.name == "vApp":
            yield from (vm for vm in vapp.children if vm.kind.name == "vm")


def usage(vdc: Entity) -> Usage:
    total = Usage()
    for vm in machines_in(vdc):
        cpus, memory, storage = size_of(vm)
        total.machines += 1
        total.cpus += cpus
        total.storage_mb += storage
        if vm.status == POWERED_ON:
            total.running += 1
            total.cpu_mhz += cpus * MHZ_PER_CPU
            total.memory_mb += memory
    for disk in vdc.children:
        if disk.kind.name == "disk":
            total.storage_mb += disk.state.size_mb if isinstance(disk.state, DiskState) else 1024
    return total


def count(vdc: Entity, kind: str) -> int:
    return sum(1 for one in vdc.children if one.kind.name == kind)
