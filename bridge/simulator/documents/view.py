"""What a document depends on beside the entity: who looks, when, through which path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.references import References


@dataclass(frozen=True, slots=True)
class View:
    """One look at what there is.

    Args:
        provider: A system administrator looks.
        administrator: An administrator of the organization looks, or of the system.
        may_change: Whether links to what changes the entity are shown.
        admin: Through a path below ``/admin``: the administrator's view of an entity that has two.
        extension: Through a path below ``/admin/extension``: the provider's view of an entity that has two.
        version: The API version that was asked for.
        sees: Whether who looks sees another entity: what he does not see is not listed either.
    """

    now: float
    provider: bool
    administrator: bool = True
    may_change: bool = True
    admin: bool = False
    extension: bool = False
    version: tuple[int, int] = (39, 0)
    sees: Callable[[Entity], bool] = lambda _entity: True


class Writer(Protocol):
    """What writes whole documents, for those that have others inside."""

    references: References
    store: EntityStore

    def entity(self, entity: Entity, view: View) -> JsonObject:
        """The entity's whole document."""


Build = Callable[[Writer, Entity, View], JsonObject]
"""What the document of a kind has beyond that of every entity, by JSON key, sparse. ``link`` is added to the links that
every entity has; every other key replaces what stands there."""


@dataclass(frozen=True, slots=True)
class Part:
    """A kind's share of its documents; the stems are those of its other views, where these are of other types."""

    build: Build
    admin_stem: str | None = None
    extension_stem: str | None = None
