"""What lies in catalogs: an item stands for a template or media, which lies in a vDC."""

from __future__ import annotations

from bridge.simulator.calls.effects.general import refuse_duplicate
from bridge.simulator.calls.effects.occasion import Occasion
from bridge.simulator.cloud import Cloud
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity, User, initial_state
from bridge.simulator.state.founding import library
from bridge.simulator.state.kinds import KINDS
from bridge.simulator.state.transfers import Transfer, TransferFile


def catalog_of(occasion: Occasion) -> Entity | None:
    """The catalog that the path names."""
    return occasion.container if occasion.container.kind.name == "catalog" else None


def check_name(occasion: Occasion) -> None:
    """In a catalog each name is there once."""
    catalog = catalog_of(occasion)
    if catalog is not None:
        check_free(occasion.cloud, catalog, occasion.owner.name)


def check_free(cloud: Cloud, catalog: Entity, name: str) -> None:
    refuse_duplicate(cloud.store, KINDS["catalogItem"], catalog, name)


def put_on_shelf(occasion: Occasion) -> Entity | None:
    """A new template or media that was made in a catalog lies in a vDC, and the catalog has an item for it."""
    catalog, owner = catalog_of(occasion), occasion.owner
    if catalog is None:
        return None
    home = library.home_vdc(catalog)
    if home is not None:
        occasion.store.move(owner, home)
    return new_item(occasion.cloud, catalog, owner.name, owner, occasion.user, occasion.now)


def new_item(
    cloud: Cloud, catalog: Entity, name: str, target: Entity, user: User, now: float
) -> Entity:  # fmt: skip
    item = Entity(
        kind=KINDS["catalogItem"], uuid=cloud.new_uuid(), name=name, org=catalog.organization, parent=catalog,
        description=target.description, owner=user.entity, created_at=now, **initial_state(KINDS["catalogItem"]),
    )  # fmt: skip
    cloud.store.add(item)
    library.bind(item, target)
    library.touch(catalog)
    return item


def open_upload(occasion: Occasion, file: TransferFile) -> None:
    """From now on the new template or media waits for a file."""
    state = library.contents(occasion.owner)
    state.files = [file]
    _open(occasion, state.files, upload=True)


def open_download(occasion: Occasion, files: list[TransferFile]) -> None:
    """The files of a template or media have addresses until the download is disabled."""
    _open(occasion, files, upload=False)


def _open(occasion: Occasion, files: list[TransferFile], *, upload: bool) -> None:
    transfer = Transfer(occasion.cloud.new_uuid(), occasion.owner, upload=upload, files=files)
    library.contents(occasion.owner).transfer = occasion.cloud.transfers.open(transfer)


def is_open(occasion: Occasion) -> bool:
    """Whether there is something to upload, so that the Task goes on until it is there."""
    return library.contents(occasion.owner).transfer is not None


def close(cloud: Cloud, target: Entity) -> None:
    """The addresses of a template's or media's files lead nowhere any more."""
    state = library.contents(target)
    cloud.transfers.close(state.transfer)
    state.transfer = None


def end_upload(occasion: Occasion) -> None:
    close(occasion.cloud, occasion.owner)


def remove(cloud: Cloud, target: Entity) -> None:
    """A template or media is gone, and what was uploaded of it."""
    close(cloud, target)
    cloud.transfers.forget(library.contents(target).files)
    cloud.store.remove(target)


def remove_item(cloud: Cloud, item: Entity) -> None:
    """An item is gone with what it stands for."""
    target = library.item(item).target
    if target is not None and cloud.store.get(target.uuid) is target:
        remove(cloud, target)
    library.touch(item.parent)
    cloud.store.remove(item)


def remove_with_item(cloud: Cloud, target: Entity) -> None:
    """A template or media is gone with the item that stood for it."""
    item = library.item_of(target)
    if item is None:
        remove(cloud, target)
    else:
        remove_item(cloud, item)


def copy_media(cloud: Cloud, source: Entity, target: Entity) -> None:
    before, after = storage.media(source), storage.media(target)
    after.image_type, after.size = before.image_type, before.size
    after.files = cloud.transfers.copies(before.files)
