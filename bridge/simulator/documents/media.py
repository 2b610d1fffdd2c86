"""Media and what of any entity is being transferred.

Source: MediaType, FilesListType, FileType of the VCD schemas; jclouds-vcloud-director's recorded media.
"""

from __future__ import annotations

from bridge.simulator.documents.owner import owner, owner_link
from bridge.simulator.documents.view import View, Writer
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding import library
from bridge.simulator.state.references import References
from bridge.simulator.state.transfers import Transfer, TransferFile

MEDIA_STEM = "application/vnd.vmware.vcloud.media"


def media(writer: Writer, entity: Entity, view: View) -> JsonObject:
    state, references = storage.media(entity), writer.references
    href = references.href(entity)
    document: JsonObject = {
        "owner": owner(references, entity),
        "imageType": state.image_type,
        "size": state.size,
    }
    if state.storage_profile is not None:
        document["vdcStorageProfile"] = references.to(state.storage_profile)
    if state.transfer is not None and is_open(state.transfer):
        document["files"] = files(references, state.transfer)
    links = [*item_link(references, entity), owner_link(references, href)]
    if view.may_change:
        links += [references.link("edit", href, MEDIA_STEM), references.link("remove", href)]
        if state.transfer is None:
            links.append(references.link("enable", f"{href}/action/enableDownload"))
    document["link"] = links
    return document


def item_link(references: References, entity: Entity) -> list[JsonObject]:
    """The link of a template or media to the catalog item that stands for it."""
    item = library.item_of(entity)
    if item is None:
        return []
    return [references.link("catalogItem", references.href(item), item.kind.media_stem, item.name)]


def is_open(transfer: Transfer) -> bool:
    """An upload ends with its Task, however that ends."""
    return not transfer.upload or transfer.entity.busy is not None


def files(references: References, transfer: Transfer) -> JsonObject:
    """Where the files of an upload go or those of a download come from."""
    return {"file": [_file(references, transfer, one) for one in transfer.files]}


def transfer_href(references: References, transfer: Transfer, name: str) -> str:
    return f"{references.base}/transfer/{transfer.id}/{name}"


def _file(references: References, transfer: Transfer, file: TransferFile) -> JsonObject:
    rel = "upload:default" if transfer.upload else "download:default"
    document: JsonObject = {
        "name": file.name,
        "size": -1 if file.size is None else file.size,
        "bytesTransferred": file.received if transfer.upload else file.size or 0,
    }
    if not (transfer.upload and file.complete):
        document["link"] = [references.link(rel, transfer_href(references, transfer, file.name))]
    return document
