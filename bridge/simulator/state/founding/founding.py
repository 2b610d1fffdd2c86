"""Makes the entities that are there from the start, with ids that are known beforehand."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bridge.simulator.state.entities import Entity, EntityStore, User, initial_state
from bridge.simulator.state.kinds import KINDS

_GROUPS = {name: number for number, name in enumerate(KINDS, start=0x10)}
_ORGANIZATIONS = {"System": 0, "acme": 1, "beta": 2}

ROLES = ("Organization Administrator", "Catalog Author", "vApp Author", "vApp User", "Console Access Only",
         "Defer to Identity Provider")  # fmt: skip
"""The predefined roles of an organization (VMware Cloud Director documentation)."""


def well_known_uuid(kind: str, organization: str, number: int = 1) -> str:
    """Uuid of the ``number``-th entity of a kind in an organization, e.g. acme's first vApp.

    ``<kind's number>-000<organization's>-4000-8000-<number>``, all in hex except the last group, which is decimal.
    """
    return numbered_uuid(kind, _ORGANIZATIONS[organization], number)


def numbered_uuid(kind: str, organization: int, number: int) -> str:
    """The same for the organization of a number: 0 System, from 1 on the tenants in their order."""
    return f"{_GROUPS[kind]:08x}-{organization:04x}-4000-8000-{number:012d}"


class Founder:
    """Builds one organization. Entities of a kind are numbered from 1 in the order in which they are made."""

    def __init__(self, store: EntityStore, number: int, name: str, full_name: str) -> None:
        self.store = store
        self.number = number
        self._made: Counter[str] = Counter()
        self.org = store.add(Entity(kind=KINDS["org"], uuid=numbered_uuid("org", number, 1), name=name, status=1))
        self.org.properties.update({"fullName": full_name, "isEnabled": True})

    def entity(self, kind: str, name: str, parent: Entity | None = None, **fields: Any) -> Entity:
        """``fields``: of Entity, beside the usual ones."""
        self._made[kind] += 1
        values = {**initial_state(KINDS[kind]), **fields}
        return self.store.add(
            Entity(kind=KINDS[kind], uuid=numbered_uuid(kind, self.number, self._made[kind]), name=name, org=self.org,
                   parent=parent, **values)
        )  # fmt: skip

    def user(self, name: str, password: str, role: str, **properties: Any) -> Entity:
        """Somebody who can log in; ``properties``: fields of UserType."""
        entity = self.entity("user", name, self.org, properties=properties)
        self.store.add_user(
            User(name=name, password=password, org=self.org, entity=entity, is_provider=self.number == 0, role=role,
                 api_token=f"api-token-{name}-{self.org.name.lower()}", is_enabled=properties.get("isEnabled", True))
        )  # fmt: skip
        return entity
