"""The organizations of the simulated Cloud Director, and whose an entity is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bridge.core.task import ReferenceDocument


@dataclass(frozen=True, slots=True)
class Organization:
    """``uuid`` is bare."""

    name: str
    uuid: str

    def reference(self) -> ReferenceDocument:
        """As documents have it."""
        href, urn = f"https://vcd/api/org/{self.uuid}", f"urn:vcloud:org:{self.uuid}"
        return {"href": href, "id": urn, "type": None, "name": self.name}


ORGANIZATIONS = tuple(
    Organization(name, f"00000000-0000-4000-8000-{number:012d}")
    for number, name in ((1, "acme"), (3, "globex"), (4, "initech"))
)


@cache
def organization_of(entity: str) -> Organization:
    """Each entity is one organization's; ``entity`` is its path below ``/api``."""
    return ORGANIZATIONS[sum(entity.encode()) % len(ORGANIZATIONS)]
