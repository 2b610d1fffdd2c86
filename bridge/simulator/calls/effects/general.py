"""What operations of many kinds of entity have in common: rename, delete, a flag, a section kept as it came."""

from __future__ import annotations

from bridge.simulator.calls.effects.occasion import Effect, Modelled, Occasion
from bridge.simulator.protocol.exchange import Refusal
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.kinds import Kind

_KEPT = frozenset(
    {"name", "description", "href", "id", "type", "link", "tasks", "otherAttributes", "vCloudExtension", "status"}
)
"""What a PUT of an entity does not write into its properties."""


def delete(occasion: Occasion) -> None:
    occasion.store.remove(occasion.owner)


def refuse_duplicate(
    store: EntityStore, kind: Kind, parent: Entity | None, name: str, itself: Entity | None = None
) -> None:
    """400 where another one of the kind has the name already, in what contains both."""
    if store.named(kind, parent, name) not in (None, itself):
        raise Refusal(400, "DUPLICATE_NAME", f"The name {name} already exists.")


def rename(occasion: Occasion, *, replaces: bool = True) -> None:
    """Name and description of the body; where it ``replaces``, as a PUT does, one that is left out is gone."""
    body, entity = occasion.body, occasion.owner
    name = body.get("name")
    if isinstance(name, str) and name and name != entity.name:
        occasion.store.rename(entity, name)
    if replaces or isinstance(body.get("description"), str):
        entity.description = str(body.get("description") or "")


def update(occasion: Occasion) -> None:
    rename(occasion)
    occasion.owner.properties.update({key: value for key, value in occasion.body.items() if key not in _KEPT})


def store_section(occasion: Occasion) -> None:
    occasion.owner.sections[occasion.tail] = occasion.body


def flag(name: str, value: object) -> Effect:
    def set_flag(occasion: Occasion) -> None:
        occasion.owner.properties[name] = value

    return set_flag


def keep(name: str) -> Effect:
    """The body becomes a field of the entity."""

    def keep_body(occasion: Occasion) -> None:
        occasion.owner.properties[name] = occasion.body

    return keep_body


DELETE, UPDATE, SECTION, NOTHING = (
    Modelled(effect=delete),
    Modelled(effect=update),
    Modelled(effect=store_section),
    Modelled(),
)
"""What an operation does that no family has, by the form of its path."""
