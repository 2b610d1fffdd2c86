"""What the cloud holds at the start: what is the provider's, always the same, and the tenants of a plan."""

from __future__ import annotations

from bridge.simulator.state.entities import EntityStore
from bridge.simulator.state.founding.founding import Founder, well_known_uuid
from bridge.simulator.state.founding.generated import generated_plan
from bridge.simulator.state.founding.plan import PASSWORD, Plan
from bridge.simulator.state.founding.provider import build_provider
from bridge.simulator.state.founding.tenants import build_tenant

__all__ = ["PASSWORD", "build_inventory", "well_known_uuid"]


def build_inventory(
    store: EntityStore, *, virtual_machines: int = 4, seed: int | None = None, plan: Plan | None = None
) -> None:
    """Organization System and the tenants.

    Args:
        virtual_machines: Without a plan: how many vApps with one VM each, in acme and in beta.
        seed: Varies what the generated machines beyond the first four are like; the same seed, the same machines.
        plan: The tenants and what they have; None generates acme and beta.
    """
    provider = build_provider(store)
    plan = plan or generated_plan(virtual_machines=virtual_machines, seed=seed or 0)
    for number, organization in enumerate(plan.organizations, start=1):
        build_tenant(Founder(store, number, organization.name, organization.full_name), organization, provider)
