"""What the cloud holds at the start. Ids are well known, so that a request can be written by hand."""

from __future__ import annotations

from bridge.simulator.state.entities import Entity, EntityStore, User, initial_state
from bridge.simulator.state.kinds import KINDS

PASSWORD = "secret"  # documented: the simulator's password, of nothing else

_GROUPS = {name: number for number, name in enumerate(KINDS, start=0x10)}
_ORGANIZATIONS = {"System": 0, "acme": 1, "beta": 2}


def well_known_uuid(kind: str, organization: str, number: int = 1) -> str:
    """Uuid of the ``number``-th entity of a kind in an organization, e.g. acme's first vApp.

    ``<kind's number>-000<organization's>-4000-8000-<number>``, all in hex except the last group, which is decimal.
    """
    return f"{_GROUPS[kind]:08x}-000{_ORGANIZATIONS[organization]}-4000-8000-{number:012d}"


class _Builder:
    def __init__(self, store: EntityStore, organization: str, system: Entity | None) -> None:
        self.store = store
        self.name = organization
        self.org = store.add(
            Entity(kind=KINDS["org"], uuid=well_known_uuid("org", organization), name=organization, status=1)
        )
        self.org.properties.update({"fullName": organization.capitalize(), "isEnabled": True})
        self.system = system or self.org

    def entity(self, kind: str, name: str, parent: Entity | None = None, number: int = 1) -> Entity:
        return self.store.add(
            Entity(
                kind=KINDS[kind],
                uuid=well_known_uuid(kind, self.name, number),
                name=name,
                org=self.org,
                parent=parent,
                **initial_state(KINDS[kind]),
            )
        )

    def user(self, name: str, role: str, number: int = 1) -> None:
        entity = self.entity("user", name, self.org, number)
        token = f"api-token-{name}-{self.name.lower()}"
        self.store.add_user(
            User(name=name, password=PASSWORD, org=self.org, entity=entity, api_token=token,
                 is_provider=self.name == "System", role=role)
        )  # fmt: skip


def build_inventory(store: EntityStore, *, virtual_machines: int = 4) -> None:
    """Organizations System, acme and beta, and in each tenant one of everything.

    Args:
        virtual_machines: How many vApps with one VM each, in acme and in beta.
    """
    system = _Builder(store, "System", None)
    for number, name in enumerate(("administrator", "operator"), start=1):
        system.user(name, "System Administrator", number)
    for kind in KINDS.values():
        if kind.provider_only:
            system.entity(kind.name, f"{kind.name}-1")
    for organization in ("acme", "beta"):
        _build_tenant(_Builder(store, organization, system.org), virtual_machines)


def _build_tenant(builder: _Builder, virtual_machines: int) -> None:
    builder.user("admin", "Organization Administrator")
    builder.user("user", "vApp User", number=2)
    org = builder.org
    vdc = builder.entity("vdc", f"{builder.name}-vdc", org)
    catalog = builder.entity("catalog", f"{builder.name}-catalog", org)
    builder.entity("catalogItem", "photon", catalog)
    template = builder.entity("vAppTemplate", "photon", vdc)
    builder.entity("vmTemplate", "photon-vm", template)
    for kind, name in (
        ("media", "tools-iso"), ("disk", "data-1"), ("network", "net-1"), ("edgeGateway", "edge-1"),
        ("vdcStorageProfile", "gold"), ("vmAffinityRule", "together"),
    ):  # fmt: skip
        builder.entity(kind, name, vdc)
    builder.entity("orgAssociation", f"{builder.name}-association", org)
    for number in range(1, virtual_machines + 1):
        vapp = builder.entity("vApp", f"vapp-{number}", vdc, number)
        builder.entity("vm", f"vm-{number}", vapp, number)
    shadow = builder.entity("shadowVm", "shadow-1", vdc)
    shadow.description = "Shadow VM"
