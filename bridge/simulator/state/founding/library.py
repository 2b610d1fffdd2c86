"""Catalogs, their items, vApp templates: who shares them, what an item stands for, which sections a template has."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.transfers import Transfer, TransferFile

ORDINARY_LEASE_SECONDS = 90 * 86400
ORDINARY_TEMPLATE_BYTES = 16 * storage.MEGABYTE


@dataclass(slots=True, eq=False)
class CatalogState:
    """``version`` counts the changes of the catalog and of what is in it, from 1. ``published``: to all organizations;
    ``external``: how it is published to other clouds.
    """

    published: bool = False
    version: int = 1
    external: JsonObject = field(default_factory=lambda: {"isPublishedExternally": False})
    storage_profiles: list[Entity] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class ItemState:
    """``target``: the template or media that the item stands for."""

    target: Entity | None = None
    version: int = 1
    properties: list[JsonObject] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class TemplateState:
    """``customize``: on instantiation; ``size`` in bytes; ``files``: descriptor and disks as they were uploaded;
    ``transfer``: the upload or the download that is open; ``item``: the catalog item that stands for it.
    """

    gold_master: bool = False
    descriptor_uploaded: bool = True
    customize: bool = True
    lease_seconds: int = ORDINARY_LEASE_SECONDS
    storage_profile: str | None = None
    size: int = ORDINARY_TEMPLATE_BYTES
    networks: list[JsonObject] = field(default_factory=list)
    files: list[TransferFile] = field(default_factory=list)
    transfer: Transfer | None = None
    item: Entity | None = None


def catalog(entity: Entity) -> CatalogState:
    if not isinstance(entity.state, CatalogState):
        entity.state = CatalogState()
    return entity.state


def item(entity: Entity) -> ItemState:
    """Of an item that nobody bound it stands for what has its name, else for nothing."""
    if not isinstance(entity.state, ItemState):
        entity.state = ItemState(target=_namesake(entity, "vAppTemplate", "media"))
    return entity.state


def template(entity: Entity) -> TemplateState:
    if not isinstance(entity.state, TemplateState):
        profile = storage.default_storage_profile(entity.parent)
        entity.state = TemplateState(storage_profile=None if profile is None else profile.name)
    return entity.state


def contents(target: Entity) -> storage.MediaState | TemplateState:
    """The state of what an item stands for, whose files go up and come down."""
    return storage.media(target) if target.kind.name == "media" else template(target)


def _namesake(entity: Entity, *kinds: str) -> Entity | None:
    places = [child for child in entity.organization.children if child.kind.name == "vdc"]
    return next(
        (one for place in places for one in place.children if one.kind.name in kinds and one.name == entity.name), None
    )


def bind(item_entity: Entity, target: Entity) -> None:
    """From now on the item stands for the target."""
    item(item_entity).target = target
    contents(target).item = item_entity


def item_of(target: Entity) -> Entity | None:
    """The catalog item of a template or media; where nobody bound one, the one that has its name."""
    state = contents(target)
    if state.item is None:
        places = [place for place in target.organization.children if place.kind.name == "catalog"]
        items = (one for place in places for one in place.children if one.name == target.name)
        state.item = next((one for one in items if item(one).target is target), None)
    return state.item


def catalog_of(entity: Entity) -> Entity | None:
    """The catalog that an item, a template, its VMs or a media lies in; a catalog itself."""
    match entity.kind.name:
        case "catalog":
            return entity
        case "catalogItem":
            return entity.parent
        case "vmTemplate":
            return None if entity.parent is None else catalog_of(entity.parent)
        case "vAppTemplate" | "media":
            found = item_of(entity)
            return None if found is None else found.parent
        case _:
            return None


def is_shared_with(entity: Entity, organization: Entity) -> bool:
    """Whether something lies in a catalog that is published to all organizations, or shared with this one."""
    found = catalog_of(entity)
    return found is not None and (catalog(found).published or organization.uuid in found.shared)


def size_of(target: Entity | None) -> int | None:
    """Bytes on storage of what an item stands for."""
    match target:
        case Entity(kind=kind) if kind.name == "media":
            return storage.media(target).size
        case Entity(kind=kind) if kind.name == "vAppTemplate":
            return template(target).size
        case _:
            return None


def touch(catalog_entity: Entity | None) -> None:
    """Something in a catalog changed: its version goes up."""
    if catalog_entity is not None:
        catalog(catalog_entity).version += 1


def home_vdc(catalog_entity: Entity) -> Entity | None:
    """The vDC whose storage holds what is put into a catalog: its organization's first."""
    return next((one for one in catalog_entity.organization.children if one.kind.name == "vdc"), None)
