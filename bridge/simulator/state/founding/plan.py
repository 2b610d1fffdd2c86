"""What an inventory consists of, before it is built: the same for one from a file and for a generated one.

The names of the fields are, in camel case, the keys of an inventory file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

PASSWORD = "secret"  # documented: the simulator's password, of nothing else

PowerState = Literal["POWERED_OFF", "POWERED_ON", "SUSPENDED"]
FenceMode = Literal["natRouted", "isolated", "bridged"]
AddressMode = Literal["POOL", "DHCP", "MANUAL", "NONE"]
AllocationModel = Literal["AllocationVApp", "AllocationPool", "ReservationPool", "Flex"]


def _at_least(minimum: int, default: int) -> Any:
    return field(default=default, metadata={"minimum": minimum})


@dataclass(slots=True)
class UserPlan:
    """Somebody who can log in."""

    name: str
    password: str = PASSWORD
    role: str = "vApp User"
    full_name: str = ""
    email: str = ""
    enabled: bool = True


@dataclass(slots=True)
class GroupPlan:
    name: str
    role: str = "vApp User"
    users: list[str] = field(default_factory=list)


@dataclass(slots=True)
class NicPlan:
    """``network``: an organization vDC network of the same vDC. ``address`` None: the next one of its pool."""

    network: str
    mode: AddressMode = "POOL"
    address: str | None = None
    connected: bool = True


@dataclass(slots=True)
class VmPlan:
    """A virtual machine, or one of a template.

    ``disks``: sizes in MiB; ``nics`` None: one card, on the vDC's first network.
    """

    name: str
    description: str = ""
    cpus: int = _at_least(1, 2)
    cores_per_socket: int = _at_least(1, 1)
    memory_mb: int = _at_least(4, 2048)
    power_state: PowerState = "POWERED_OFF"
    guest_os: str = "ubuntu64Guest"
    nics: list[NicPlan] | None = None
    disks: list[int] = field(default_factory=lambda: [16384], metadata={"minimum": 1})


@dataclass(slots=True)
class VAppPlan:
    """``owner``: a user of the organization; None: its first administrator."""

    name: str
    description: str = ""
    owner: str | None = None
    vms: list[VmPlan] = field(default_factory=list)


@dataclass(slots=True)
class DiskPlan:
    """A named disk. ``size`` in MiB."""

    name: str
    description: str = ""
    size_mb: int = _at_least(1, 1024)
    owner: str | None = None


@dataclass(slots=True)
class NetworkPlan:
    """An organization vDC network. ``edge``: of a routed one; ``pool``: first and last address."""

    name: str
    description: str = ""
    fence_mode: FenceMode = "isolated"
    gateway: str = "192.168.100.1"
    prefix_length: int = _at_least(1, 24)
    dns1: str | None = None
    dns2: str | None = None
    dns_suffix: str | None = None
    pool: list[str] = field(default_factory=list)
    edge: str | None = None
    shared: bool = False


@dataclass(slots=True)
class EdgePlan:
    name: str
    description: str = ""


@dataclass(slots=True)
class ProfilePlan:
    """A storage policy. ``limit`` in MiB; 0: none."""

    name: str
    limit_mb: int = _at_least(0, 0)
    enabled: bool = True


@dataclass(slots=True)
class VdcPlan:
    """A virtual data centre; the first storage profile is its default one."""

    name: str
    description: str = ""
    allocation_model: AllocationModel = "AllocationVApp"
    cpu_limit_mhz: int = _at_least(0, 0)
    memory_limit_mb: int = _at_least(0, 0)
    vm_quota: int = _at_least(0, 0)
    network_quota: int = _at_least(0, 100)
    enabled: bool = True
    storage_profiles: list[ProfilePlan] = field(default_factory=lambda: [ProfilePlan("gold")])
    edges: list[EdgePlan] = field(default_factory=list)
    networks: list[NetworkPlan] = field(default_factory=list)
    disks: list[DiskPlan] = field(default_factory=list)
    v_apps: list[VAppPlan] = field(default_factory=list)


@dataclass(slots=True)
class TemplatePlan:
    """A vApp template and the catalog item that shows it. ``vdc`` None: the organization's first."""

    name: str
    description: str = ""
    vdc: str | None = None
    vms: list[VmPlan] = field(default_factory=list)


@dataclass(slots=True)
class MediaPlan:
    name: str
    description: str = ""
    vdc: str | None = None
    size_bytes: int = _at_least(0, 4 * 1024 * 1024)


@dataclass(slots=True)
class CatalogPlan:
    name: str
    description: str = ""
    owner: str | None = None
    templates: list[TemplatePlan] = field(default_factory=list)
    media: list[MediaPlan] = field(default_factory=list)


@dataclass(slots=True)
class OrganizationPlan:
    """A tenant; without users it gets ``admin`` and ``user``."""

    name: str
    full_name: str = ""
    description: str = ""
    enabled: bool = True
    users: list[UserPlan] = field(default_factory=list)
    groups: list[GroupPlan] = field(default_factory=list)
    vdcs: list[VdcPlan] = field(default_factory=list)
    catalogs: list[CatalogPlan] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """All tenants. The System organization and what belongs to the provider are always the same."""

    organizations: list[OrganizationPlan] = field(default_factory=list)
