"""Builds what a plan says of a tenant."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding import library
from bridge.simulator.state.founding.estate import (
    EdgeState,
    GroupState,
    NetworkState,
    ProfileState,
    RoleState,
    Uplink,
    VdcState,
)
from bridge.simulator.state.founding.founding import ROLES, Founder
from bridge.simulator.state.founding.plan import (
    CatalogPlan,
    NetworkPlan,
    NicPlan,
    OrganizationPlan,
    TemplatePlan,
    VAppPlan,
    VdcPlan,
    VmPlan,
)
from bridge.simulator.state.founding.provider import Provider
from bridge.simulator.state.machines import NO_NETWORK, Machine, new_machine
from bridge.simulator.state.storage import DiskState, MediaState
from bridge.simulator.state.vapps import VAppState, bridged

_POWER: dict[str, tuple[int, bool]] = {"POWERED_OFF": (8, False), "POWERED_ON": (4, True), "SUSPENDED": (3, True)}
"""Status and whether it is deployed."""


def build_tenant(founder: Founder, plan: OrganizationPlan, provider: Provider) -> None:
    """The organization is made already; this fills it."""
    _Tenant(founder, provider).fill(plan)


class _Tenant:
    def __init__(self, founder: Founder, provider: Provider) -> None:
        self.founder = founder
        self.provider = provider
        self.org = founder.org
        self.users: dict[str | None, Entity] = {}
        self.vdcs: dict[str | None, Entity] = {}

    def fill(self, plan: OrganizationPlan) -> None:
        self.org.description = plan.description
        self.org.properties["isEnabled"] = plan.enabled
        for role in ROLES:
            self.founder.entity("role", role, self.org, state=RoleState(self.provider.granted(role)))
        for user in plan.users:
            self.users[user.name] = self.founder.user(
                user.name, user.password, user.role, fullName=user.full_name or user.name, emailAddress=user.email,
                isEnabled=user.enabled,
            )  # fmt: skip
        for group in plan.groups:
            state = GroupState(group.role, [self.users[name] for name in group.users])
            self.founder.entity("group", group.name, self.org, state=state)
        for vdc in plan.vdcs:
            self.vdcs[vdc.name] = self._vdc(vdc)
        for catalog in plan.catalogs:
            self._catalog(catalog)
        self._odd_ones()

    def _odd_ones(self) -> None:
        """One each of what plans do not tell, in the first vDC."""
        vdc = next(iter(self.vdcs.values()))
        self.founder.entity("vmAffinityRule", "together", vdc)
        self.founder.entity("orgAssociation", f"{self.org.name}-association", self.org)
        self.founder.entity("shadowVm", "shadow-1", vdc, description="Shadow VM")

    def _vdc(self, plan: VdcPlan) -> Entity:
        vdc = self.founder.entity(
            "vdc", plan.name, self.org, description=plan.description, properties=_quotas(plan),
            state=VdcState(self.provider.provider_vdc, self.provider.network_pool),
        )  # fmt: skip
        for number, profile in enumerate(plan.storage_profiles):
            values = {"enabled": profile.enabled, "units": "MB", "limit": profile.limit_mb, "default": number == 0}
            state = ProfileState(self.provider.profile)
            self.founder.entity("vdcStorageProfile", profile.name, vdc, properties=values, state=state)
        edges = {
            edge.name: self.founder.entity(
                "edgeGateway", edge.name, vdc, description=edge.description,
                properties={"configuration": _edge_configuration()},
                state=EdgeState([Uplink(self.provider.external_network)]),
            )
            for edge in plan.edges
        }  # fmt: skip
        networks = {network.name: self._network(network, vdc, edges) for network in plan.networks}
        for disk in plan.disks:
            self.founder.entity("disk", disk.name, vdc, description=disk.description, owner=self.users.get(disk.owner),
                                state=DiskState(size_mb=disk.size_mb, storage_profile=_profile(vdc)))  # fmt: skip
        pools = {network.name: _addresses(network) for network in plan.networks}
        for vapp in plan.v_apps:
            self._vapp(vapp, vdc, networks, pools)
        return vdc

    def _network(self, plan: NetworkPlan, vdc: Entity, edges: dict[str, Entity]) -> Entity:
        bridged_to = self.provider.external_network if plan.fence_mode == "bridged" else None
        return self.founder.entity(
            "network", plan.name, vdc, description=plan.description,
            properties={"configuration": _network_configuration(plan), "isShared": plan.shared},
            state=NetworkState(edges.get(plan.edge or ""), bridged_to),
        )  # fmt: skip

    def _vapp(self, plan: VAppPlan, vdc: Entity, networks: dict[str, Entity], pools: dict[str, Iterator[str]]) -> None:
        vapp = self.founder.entity(
            "vApp", plan.name, vdc, description=plan.description, owner=self.users.get(plan.owner)
        )
        used = {nic.network for vm in plan.vms for nic in vm.nics or ()}
        if used:
            vapp.state = VAppState(networks=[bridged(vapp.uuid, networks[name]) for name in sorted(used)])
        for vm in plan.vms:
            entity = self._machine("vm", vm, vapp, _profile(vdc))
            entity.status, entity.deployed = _POWER[vm.power_state]
            if isinstance(entity.state, Machine):
                _connect(entity.state, vm.nics or (), pools)
        statuses = {child.status for child in vapp.children} or {8}
        vapp.status = statuses.pop() if len(statuses) == 1 else 10
        vapp.deployed = any(child.deployed for child in vapp.children)

    def _machine(self, kind: str, plan: VmPlan, parent: Entity, profile: Entity | None) -> Entity:
        """A machine of which a plan says nothing stays an ordinary one until somebody looks."""
        entity = self.founder.entity(kind, plan.name, parent, description=plan.description)
        if plan != VmPlan(plan.name, plan.description, power_state=plan.power_state):
            entity.state = new_machine(
                entity.uuid, cpus=plan.cpus, cores_per_socket=plan.cores_per_socket, memory_mb=plan.memory_mb,
                guest_os=plan.guest_os, disks_mb=plan.disks, storage_profile=profile,
                networks=[nic.network for nic in plan.nics or ()] or [NO_NETWORK],
            )  # fmt: skip
        return entity

    def _catalog(self, plan: CatalogPlan) -> None:
        catalog = self.founder.entity(
            "catalog", plan.name, self.org, description=plan.description, owner=self.users.get(plan.owner)
        )
        for template in plan.templates:
            vdc = self._home(template.vdc)
            entity = self.founder.entity("vAppTemplate", template.name, vdc, description=template.description)
            self._fill_template(template, entity, vdc)
            library.bind(self.founder.entity("catalogItem", template.name, catalog), entity)
        for media in plan.media:
            vdc = self._home(media.vdc)
            state = MediaState(size=media.size_bytes, storage_profile=_profile(vdc))
            entity = self.founder.entity("media", media.name, vdc, description=media.description, state=state)
            library.bind(self.founder.entity("catalogItem", media.name, catalog), entity)

    def _home(self, name: str | None) -> Entity:
        return self.vdcs[name] if name is not None else next(iter(self.vdcs.values()))

    def _fill_template(self, plan: TemplatePlan, template: Entity, vdc: Entity) -> None:
        for vm in plan.vms:
            self._machine("vmTemplate", vm, template, _profile(vdc))


def _connect(machine: Machine, nics: list[NicPlan] | tuple[NicPlan, ...], pools: dict[str, Iterator[str]]) -> None:
    for card, plan in zip(machine.nics, nics, strict=False):
        card.mode, card.connected = plan.mode, plan.connected
        card.ip = plan.address if plan.mode != "POOL" or plan.address else next(pools[plan.network], None)


def _addresses(network: NetworkPlan) -> Iterator[str]:
    """The pool's addresses in their order, each once."""
    if network.pool:
        first, last = (int(IPv4Address(address)) for address in network.pool)
        for number in range(first, last + 1):
            yield str(IPv4Address(number))


def _profile(vdc: Entity) -> Entity | None:
    return next((one for one in vdc.children if one.kind.name == "vdcStorageProfile"), None)


def _quotas(plan: VdcPlan) -> JsonObject:
    """Fields of AdminVdcType that a plan tells, and their usual values."""
    return {
        "allocationModel": plan.allocation_model,
        "computeCapacity": {
            "cpu": {"units": "MHz", "allocated": plan.cpu_limit_mhz, "limit": plan.cpu_limit_mhz},
            "memory": {"units": "MB", "allocated": plan.memory_limit_mb, "limit": plan.memory_limit_mb},
        },
        "nicQuota": 0, "networkQuota": plan.network_quota, "vmQuota": plan.vm_quota, "isEnabled": plan.enabled,
        "vCpuInMhz2": 1000, "resourceGuaranteedMemory": 1.0, "resourceGuaranteedCpu": 1.0, "vCpuInMhz": 1000,
        "isThinProvision": True, "usesFastProvisioning": False, "overCommitAllowed": True, "vmDiscoveryEnabled": False,
        "isElastic": plan.allocation_model == "Flex", "includeMemoryOverhead": True,
    }  # fmt: skip


def _network_configuration(plan: NetworkPlan) -> JsonObject:
    netmask = str(IPv4Network(f"0.0.0.0/{plan.prefix_length}").netmask)
    scope: JsonObject = {
        "isInherited": plan.fence_mode == "bridged", "gateway": plan.gateway, "netmask": netmask,
        "subnetPrefixLength": plan.prefix_length, "isEnabled": True,
        **{key: value for key, value in
           (("dns1", plan.dns1), ("dns2", plan.dns2), ("dnsSuffix", plan.dns_suffix)) if value is not None},
    }  # fmt: skip
    if plan.pool:
        scope["ipRanges"] = {"ipRange": [{"startAddress": plan.pool[0], "endAddress": plan.pool[1]}]}
    return {
        "ipScopes": {"ipScope": [scope]}, "fenceMode": plan.fence_mode, "retainNetInfoAcrossDeployments": False,
        "advancedNetworkingEnabled": True, "subInterface": False, "distributedInterface": False,
        "guestVlanAllowed": False,
    }  # fmt: skip


def _edge_configuration() -> JsonObject:
    return {
        "gatewayBackingConfig": "compact", "haEnabled": False, "useDefaultRouteForDnsRelay": False,
        "advancedNetworkingEnabled": False, "distributedRoutingEnabled": False, "fipsModeEnabled": False,
    }  # fmt: skip
