"""Catalogs and their items: made, copied, moved, deleted."""

from __future__ import annotations

from bridge.simulator.calls.effects.libraries import shelves
from bridge.simulator.calls.effects.libraries.templates import copy_template
from bridge.simulator.calls.effects.occasion import CREATED, Modelled, Occasion
from bridge.simulator.calls.effects.referring import optional, required
from bridge.simulator.protocol.exchange import JsonObject, bad_request
from bridge.simulator.state.entities import Entity, initial_state
from bridge.simulator.state.founding import library


def _check_create(occasion: Occasion) -> None:
    if not occasion.body.get("name") and not occasion.cloud.behavior.lenient_entities:
        raise bad_request("Bad request: a catalog needs a name")
    profiles_in(occasion)


def _begin_create(occasion: Occasion) -> None:
    set_details(occasion)


def profiles_in(occasion: Occasion) -> list[Entity]:
    """The storage policies that a body names for a catalog."""
    named = (occasion.body.get("catalogStorageProfiles") or {}).get("vdcStorageProfile") or []
    found = [optional(occasion, one, "vdcStorageProfile") for one in named]
    return [one for one in found if one is not None]


def set_details(occasion: Occasion) -> None:
    """What an AdminCatalog in a body says beside name and description."""
    state = library.catalog(occasion.owner)
    state.storage_profiles = profiles_in(occasion)
    external = occasion.body.get("publishExternalCatalogParams")
    if isinstance(external, dict):
        state.external = published(external)


def published(document: JsonObject) -> JsonObject:
    """How a catalog is published to other clouds; the password is not shown again."""
    return {
        key: value
        for key, value in document.items()
        if value is not None and key not in ("password", "otherAttributes", "vCloudExtension")
    }


def _check_delete(occasion: Occasion) -> None:
    """What is in a catalog goes with it only where that is asked for."""
    catalog = occasion.owner
    recursive = str(occasion.query.get("recursive", "")).lower() == "true"
    occasion.refuse_unless(
        recursive or not catalog.children, catalog, f"The catalog {catalog.name} is not empty; delete it recursively."
    )


def _delete(occasion: Occasion) -> None:
    for child in list(occasion.owner.children):
        shelves.remove_item(occasion.cloud, child)
    occasion.store.remove(occasion.owner)


def _name(occasion: Occasion, source: Entity | None) -> str:
    return str(occasion.body.get("name") or (occasion.owner if source is None else source).name)


def _check_copy(occasion: Occasion) -> None:
    source = required(occasion, "source", "catalogItem")
    shelves.check_free(occasion.cloud, occasion.container, _name(occasion, source))


def _begin_copy(occasion: Occasion) -> None:
    """The new item stands for a copy, which is there at once and whole at the end."""
    source = required(occasion, "source", "catalogItem")
    cloud, item = occasion.cloud, occasion.owner
    occasion.store.rename(item, _name(occasion, source))
    library.item(item).target = None
    if source is not None and not occasion.body.get("description"):
        item.description = source.description
    before = None if source is None else library.item(source).target
    if before is None:
        return
    kind, home = before.kind, library.home_vdc(occasion.container) or before.parent
    after = Entity(
        kind=kind, uuid=cloud.new_uuid(), name=item.name, org=item.organization, parent=home,
        description=item.description, owner=item.owner, created_at=occasion.now, **initial_state(kind),
    )  # fmt: skip
    occasion.memory["status"], after.status = after.status, CREATED
    cloud.store.add(after)
    library.bind(item, after)
    library.touch(occasion.container)


def _copy(occasion: Occasion) -> None:
    source = required(occasion, "source", "catalogItem")
    before = None if source is None else library.item(source).target
    after = library.item(occasion.owner).target
    if before is None or after is None:
        return
    if before.kind.name == "media":
        shelves.copy_media(occasion.cloud, before, after)
    else:
        copy_template(occasion.cloud, before, after)
    library.bind(occasion.owner, after)
    after.status = occasion.memory["status"]


def _check_move(occasion: Occasion) -> None:
    source = required(occasion, "source", "catalogItem")
    if source is not None:
        shelves.check_free(occasion.cloud, occasion.container, _name(occasion, source))


def _move(occasion: Occasion) -> None:
    item = required(occasion, "source", "catalogItem")
    if item is None:
        return
    library.item(item)  # what it stands for is looked up by its place: before it leaves
    library.touch(item.parent)
    occasion.store.move(item, occasion.owner)
    library.touch(occasion.owner)
    if occasion.body.get("name"):
        occasion.store.rename(item, str(occasion.body["name"]))
    if occasion.body.get("description"):
        item.description = str(occasion.body["description"])


MODELLED: dict[str, Modelled] = {
    "createCatalog": Modelled(creates="catalog", check=_check_create, begin=_begin_create),
    "deleteCatalog": Modelled(check=_check_delete, effect=_delete),
    "copyCatalogItem": Modelled(creates="catalogItem", check=_check_copy, begin=_begin_copy, effect=_copy),
    "moveCatalogItem": Modelled(check=_check_move, effect=_move),
}
