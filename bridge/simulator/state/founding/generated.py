"""An inventory of a given size: acme and beta, the same for the same size and seed."""

from __future__ import annotations

import random

from bridge.simulator.state.founding.plan import (
    CatalogPlan,
    DiskPlan,
    EdgePlan,
    FenceMode,
    GroupPlan,
    MediaPlan,
    NetworkPlan,
    NicPlan,
    OrganizationPlan,
    Plan,
    PowerState,
    ProfilePlan,
    TemplatePlan,
    UserPlan,
    VAppPlan,
    VdcPlan,
    VmPlan,
)

PLAIN = 4
"""So many vApps of each tenant are alike, powered off and called by their numbers, for requests written by hand."""

_PURPOSES = ("web", "app", "db", "cache", "queue", "build", "mail", "proxy", "files", "desk")
_GUESTS = ("vmwarePhoton64Guest", "ubuntu64Guest", "rhel8_64Guest", "debian11_64Guest", "windows2019srv_64Guest")
_POWER: tuple[PowerState, ...] = ("POWERED_ON",) * 6 + ("POWERED_OFF",) * 3 + ("SUSPENDED",)


def generated_plan(*, virtual_machines: int, seed: int) -> Plan:
    """``virtual_machines``: how many vApps with one VM each, in acme and in beta."""
    return Plan([_tenant(name, virtual_machines, random.Random(f"{seed}/{name}")) for name in ("acme", "beta")])


def _tenant(name: str, virtual_machines: int, chance: random.Random) -> OrganizationPlan:
    first, second = _vdc(f"{name}-vdc", 0), _vdc(f"{name}-vdc-2", 1)
    for number in range(1, virtual_machines + 1):
        if number <= PLAIN:
            owner = "user" if number % 2 == 0 else None
            first.v_apps.append(VAppPlan(f"vapp-{number}", owner=owner, vms=[VmPlan(f"vm-{number}")]))
        else:
            first.v_apps.append(_various(number, first.networks, chance))
    catalog = CatalogPlan(
        f"{name}-catalog",
        templates=[TemplatePlan("photon", vms=[VmPlan("photon-vm")])],
        media=[MediaPlan("tools-iso")],
    )
    return OrganizationPlan(
        name,
        full_name=name.capitalize(),
        users=[UserPlan("admin", role="Organization Administrator"), UserPlan("user")],
        groups=[GroupPlan("staff", users=["user"])],
        vdcs=[first, second],
        catalogs=[catalog],
    )


def _vdc(name: str, number: int) -> VdcPlan:
    if number:
        networks = [_network("net-4", "isolated", 64)]
        return VdcPlan(name, allocation_model="Flex", networks=networks, storage_profiles=[ProfilePlan("silver")])
    networks = [
        _network("net-1", "natRouted", 16, edge="edge-1"),
        _network("net-2", "isolated", 32),
        _network("net-3", "bridged", 48),
    ]
    return VdcPlan(name, edges=[EdgePlan("edge-1")], networks=networks, disks=[DiskPlan("data-1")])


def _network(name: str, fence_mode: FenceMode, octet: int, edge: str | None = None) -> NetworkPlan:
    """A /12, so that there are addresses for as many machines as one likes."""
    return NetworkPlan(
        name, fence_mode=fence_mode, gateway=f"10.{octet}.0.1", prefix_length=12, dns1="10.0.0.53", edge=edge,
        pool=[f"10.{octet}.1.0", f"10.{octet + 15}.255.250"],
    )  # fmt: skip


def _various(number: int, networks: list[NetworkPlan], chance: random.Random) -> VAppPlan:
    purpose = chance.choice(_PURPOSES)
    cpus = chance.choice((1, 2, 2, 4, 8))
    machine = VmPlan(
        f"{purpose}-{number}",
        description=f"{purpose} server",
        cpus=cpus,
        cores_per_socket=chance.choice((1, cpus)),
        memory_mb=1024 * chance.choice((1, 2, 4, 8, 16)),
        power_state=chance.choice(_POWER),
        guest_os=chance.choice(_GUESTS),
        nics=[NicPlan(chance.choice(networks).name) for _ in range(chance.choice((1, 1, 1, 2)))],
        disks=[1024 * chance.choice((16, 40, 100)) for _ in range(chance.choice((1, 1, 2, 3)))],
    )
    return VAppPlan(f"{purpose}-vapp-{number}", owner=chance.choice(("admin", "user")), vms=[machine])
