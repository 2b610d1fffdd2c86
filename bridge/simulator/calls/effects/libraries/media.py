"""Media: made, copied, changed, deleted, opened for a download."""

from __future__ import annotations

from bridge.simulator.calls.effects.general import rename
from bridge.simulator.calls.effects.libraries import shelves
from bridge.simulator.calls.effects.occasion import Modelled, Occasion
from bridge.simulator.calls.effects.referring import optional, required
from bridge.simulator.protocol.exchange import bad_request
from bridge.simulator.state import storage
from bridge.simulator.state.founding import library
from bridge.simulator.state.transfers import TransferFile


def _check_create(occasion: Occasion) -> None:
    body = occasion.body
    size = body.get("size", 0)
    if isinstance(size, bool) or not str(size).isdecimal():
        raise bad_request(f"Invalid size of a media: {size}")
    if not body.get("imageType") and not occasion.cloud.behavior.lenient_entities:
        raise bad_request("Bad request: a media needs imageType")
    optional(occasion, body.get("vdcStorageProfile"), "vdcStorageProfile")
    shelves.check_name(occasion)


def _begin_create(occasion: Occasion) -> None:
    """The upload is open at once; the Task waits for it."""
    shelves.put_on_shelf(occasion)
    body, state = occasion.body, storage.media(occasion.owner)
    state.image_type = str(body.get("imageType") or state.image_type)
    state.size = int(body.get("size", 0))
    profile = optional(occasion, body.get("vdcStorageProfile"), "vdcStorageProfile")
    state.storage_profile = profile or state.storage_profile
    if state.size and occasion.cloud.behavior.uploads_wait:
        shelves.open_upload(occasion, TransferFile("file", size=state.size))


def _check_clone(occasion: Occasion) -> None:
    required(occasion, "source", "media")


def _begin_clone(occasion: Occasion) -> None:
    source = required(occasion, "source", "media")
    state = storage.media(occasion.owner)
    if source is not None:
        state.image_type, state.size = storage.media(source).image_type, storage.media(source).size
    profile = optional(occasion, occasion.body.get("vdcStorageProfile"), "vdcStorageProfile")
    state.storage_profile = profile or state.storage_profile


def _clone(occasion: Occasion) -> None:
    source = required(occasion, "source", "media")
    if source is None:
        return
    shelves.copy_media(occasion.cloud, source, occasion.owner)
    if occasion.body.get("isSourceDelete"):
        item = library.item_of(source)
        shelves.remove(occasion.cloud, source)
        if item is not None:
            library.bind(item, occasion.owner)


def _check_delete(occasion: Occasion) -> None:
    machines = storage.media(occasion.owner).inserted.present(occasion.store)
    names = ", ".join(vm.name for vm in machines)
    occasion.refuse_unless(
        not machines, occasion.owner, f"The media {occasion.owner.name} is in use by the virtual machine {names}."
    )


def _delete(occasion: Occasion) -> None:
    shelves.remove_with_item(occasion.cloud, occasion.owner)


def _update(occasion: Occasion) -> None:
    rename(occasion)
    state = storage.media(occasion.owner)
    profile = optional(occasion, occasion.body.get("vdcStorageProfile"), "vdcStorageProfile")
    state.storage_profile = profile or state.storage_profile
    library.touch(None if (item := library.item_of(occasion.owner)) is None else item.parent)


def _enable_download(occasion: Occasion) -> None:
    state = storage.media(occasion.owner)
    files = state.files or [TransferFile("file", size=state.size, received=state.size)]
    shelves.open_download(occasion, files)


_CREATE = Modelled(
    creates="media", check=_check_create, begin=_begin_create, effect=shelves.end_upload, waits=shelves.is_open
)  # fmt: skip

MODELLED: dict[str, Modelled] = {
    "createMedia": _CREATE,
    "uploadMediaToCatalog": _CREATE,
    "cloneMedia": Modelled(creates="media", check=_check_clone, begin=_begin_clone, effect=_clone),
    "updateMedia": Modelled(effect=_update),
    "deleteMedia": Modelled(check=_check_delete, effect=_delete),
    "enableMediaDownload": Modelled(effect=_enable_download),
}
