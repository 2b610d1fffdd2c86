"""What organizations, vDCs, networks, edge gateways, storage policies and people refer to.

What their documents say of themselves (quotas, address ranges, services, …) is in ``Entity.properties`` as the document
has it; here is what points at other entities, whose addresses are known only when a document is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity, EntityStore


@dataclass(slots=True, eq=False)
class VdcState:
    provider_vdc: Entity | None = None
    network_pool: Entity | None = None


@dataclass(slots=True, eq=False)
class NetworkState:
    """``edge``: of a routed network; ``external``: of one that is bridged to a network of the provider."""

    edge: Entity | None = None
    external: Entity | None = None


@dataclass(slots=True, eq=False)
class Uplink:
    """An interface of an edge gateway to an external network; ``document``: the rest of GatewayInterfaceType."""

    network: Entity
    document: JsonObject = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class EdgeState:
    uplinks: list[Uplink] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class ProfileState:
    """A storage policy of a vDC."""

    provider_profile: Entity | None = None


@dataclass(slots=True, eq=False)
class RoleState:
    rights: list[Entity] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class GroupState:
    role: str = "vApp User"
    users: list[Entity] = field(default_factory=list)


def vdc_state(entity: Entity) -> VdcState:
    if not isinstance(entity.state, VdcState):
        entity.state = VdcState()
    return entity.state


def network_state(entity: Entity) -> NetworkState:
    if not isinstance(entity.state, NetworkState):
        entity.state = NetworkState()
    return entity.state


def edge_state(entity: Entity) -> EdgeState:
    if not isinstance(entity.state, EdgeState):
        entity.state = EdgeState()
    return entity.state


def profile_state(entity: Entity) -> ProfileState:
    if not isinstance(entity.state, ProfileState):
        entity.state = ProfileState()
    return entity.state


def role_state(entity: Entity) -> RoleState:
    if not isinstance(entity.state, RoleState):
        entity.state = RoleState()
    return entity.state


def group_state(entity: Entity) -> GroupState:
    if not isinstance(entity.state, GroupState):
        entity.state = GroupState()
    return entity.state


def networks_of(edge: Entity) -> list[Entity]:
    """The networks that are routed by an edge gateway; they lie in its vDC."""
    beside = () if edge.parent is None else edge.parent.children
    return [one for one in beside if one.kind.name == "network" and network_state(one).edge is edge]


def role_named(organization: Entity, name: str) -> Entity | None:
    return next((one for one in organization.children if one.kind.name == "role" and one.name == name), None)


def members(organization: Entity, kind: str) -> Iterator[Entity]:
    return (one for one in organization.children if one.kind.name == kind)


def vdcs_of(store: EntityStore, provider_vdc: Entity) -> list[Entity]:
    return [one for one in store.of_kind("vdc") if vdc_state(one).provider_vdc is provider_vdc]
