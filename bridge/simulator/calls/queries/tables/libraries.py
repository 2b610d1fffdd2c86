"""Catalogs, their items, templates, media, disks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bridge.simulator.calls.queries.tables import columns as c
from bridge.simulator.calls.queries.tables.columns import Columns, QueryType, Refer, of_kinds
from bridge.simulator.calls.queries.tables.compute import of_vdc, status
from bridge.simulator.documents.owner import owner_of
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity, EntityStore
from bridge.simulator.state.founding import library
from bridge.simulator.state.machines import vdc_of

BUSES = {"5": "IDE", "6": "SCSI", "20": "SATA"}
"""What the numbers of buses (OVF resource types) are called."""


def _items(catalog: Entity, kind: str) -> int:
    targets = (library.item(one).target for one in catalog.children if one.kind.name == "catalogItem")
    return sum(1 for one in targets if one is not None and one.kind.name == kind)


def _is_shared(catalog: Entity) -> bool:
    return bool(catalog.shared)


_ANY_CATALOG: Columns = {
    "name": c.name, "isPublished": lambda one: library.catalog(one).published, "isShared": _is_shared,
    "creationDate": c.created, "orgName": c.organization_name, "ownerName": c.name_of(owner_of),
    "numberOfMedia": lambda one: _items(one, "media"), "owner": Refer(owner_of), "isLocal": True,
}  # fmt: skip

_CATALOG: Columns = {
    **_ANY_CATALOG, "description": c.description, "numberOfVAppTemplates": lambda one: _items(one, "vAppTemplate"),
    "publishSubscriptionType": "UNPUBLISHED", "version": lambda one: library.catalog(one).version,
    "status": "READY",
}  # fmt: skip

_ADMIN_CATALOG: Columns = {
    **_ANY_CATALOG, "org": Refer(c.organization), "numberOfTemplates": lambda one: _items(one, "vAppTemplate"),
}  # fmt: skip


def _target(item: Entity) -> Entity | None:
    return library.item(item).target


def _target_vdc(item: Entity) -> Entity | None:
    target = _target(item)
    return None if target is None else vdc_of(target)


def _target_type(item: Entity) -> str | None:
    target = _target(item)
    return None if target is None else target.kind.name.replace("vAppTemplate", "vapptemplate")


def _parent(entity: Entity) -> Entity | None:
    return entity.parent


_ITEM: Columns = {
    "entity": Refer(_target), "entityName": c.name_of(_target), "entityType": _target_type, "catalog": Refer(_parent),
    "catalogName": c.name_of(_parent), "ownerName": c.name_of(owner_of), "owner": Refer(owner_of),
    "isPublished": lambda item: item.parent is not None and library.catalog(item.parent).published,
    "vdc": Refer(_target_vdc), "vdcName": c.name_of(_target_vdc), "isVdcEnabled": True,
    "creationDate": c.created, "isExpired": False,
    "status": lambda item: None if (target := _target(item)) is None else status(target), "name": c.name,
}  # fmt: skip


def _catalog_of(entity: Entity) -> Entity | None:
    item = library.item_of(entity)
    return None if item is None else item.parent


def _published(entity: Entity) -> bool:
    catalog = _catalog_of(entity)
    return catalog is not None and library.catalog(catalog).published


_IN_CATALOG: Columns = {
    "ownerName": c.name_of(owner_of), "catalogName": c.name_of(_catalog_of), "isPublished": _published, "name": c.name,
    "vdc": Refer(vdc_of), "vdcName": c.name_of(vdc_of), "org": Refer(c.organization), "creationDate": c.created,
    "isBusy": c.busy, "status": status,
}  # fmt: skip

_ADMIN_IN_CATALOG: Columns = {
    "owner": Refer(owner_of), "isVdcEnabled": of_vdc("isEnabled"), "catalog": Refer(_catalog_of),
    "catalogItem": Refer(library.item_of),
}  # fmt: skip

_TEMPLATE: Columns = {
    **_IN_CATALOG, "isGoldMaster": lambda one: library.template(one).gold_master, "isEnabled": True,
    "isDeployed": False, "isExpired": False,
    "storageProfileName": lambda one: library.template(one).storage_profile,
}  # fmt: skip


def _media_profile(media: Entity) -> Entity | None:
    return storage.media(media).storage_profile


_MEDIA: Columns = {
    **_IN_CATALOG, **_ADMIN_IN_CATALOG, "storageB": lambda one: storage.media(one).size,
    "storageProfileName": c.name_of(_media_profile),
}  # fmt: skip


def _disk_profile(disk: Entity) -> Entity | None:
    return storage.disk(disk).storage_profile


def _attached(disk: Entity) -> int:
    return len(storage.disk(disk).attached)


_DISK: Columns = {
    "name": c.name, "vdc": Refer(vdc_of), "description": c.description,
    "sizeB": lambda one: storage.disk(one).size_mb * storage.MEGABYTE, "sizeMb": lambda one: storage.disk(one).size_mb,
    "iops": lambda one: storage.disk(one).iops, "encrypted": lambda one: storage.disk(one).encrypted,
    "uuid": lambda one: storage.disk(one).uuid, "datastoreName": "datastore-1", "ownerName": c.name_of(owner_of),
    "vdcName": c.name_of(vdc_of), "storageProfile": Refer(_disk_profile),
    "storageProfileName": c.name_of(_disk_profile),
    "status": status, "busType": lambda one: storage.disk(one).bus_type,
    "busTypeDesc": lambda one: BUSES.get(storage.disk(one).bus_type),
    "busSubType": lambda one: storage.disk(one).bus_sub_type, "attachedVmCount": _attached,
    "isAttached": lambda one: _attached(one) > 0, "isShareable": lambda one: storage.disk(one).shareable,
    "sharingType": lambda one: storage.disk(one).sharing_type,
}  # fmt: skip


class Attachment(NamedTuple):
    disk: Entity
    vm: Entity


def _attachments(store: EntityStore) -> Iterator[Attachment]:
    for disk in store.of_kind("disk"):
        for vm in storage.disk(disk).attached.present(store):
            yield Attachment(disk, vm)


_ATTACHMENT: Columns = {
    "vdc": Refer(lambda row: vdc_of(row.disk)), "disk": Refer(lambda row: row.disk), "vm": Refer(lambda row: row.vm),
}  # fmt: skip


def _disk_of(row: Attachment) -> Entity:
    return row.disk


_SHADOW: Columns = {
    "isPublished": False, "name": c.name, "primaryVmName": c.name,
    "datastoreName": "datastore-1", "vcName": "vimServer-1", "isDeleted": False,
    "status": status, "isBusy": c.busy, "org": Refer(c.organization),
}  # fmt: skip

TYPES = (
    QueryType("catalog", "Catalog", of_kinds("catalog"), _CATALOG),
    QueryType("adminCatalog", "AdminCatalog", of_kinds("catalog"), _ADMIN_CATALOG, provider_only=True),
    QueryType("catalogItem", "CatalogItem", of_kinds("catalogItem"), _ITEM),
    QueryType("adminCatalogItem", "AdminCatalogItem", of_kinds("catalogItem"),
              {**_ITEM, "org": Refer(c.organization)}, provider_only=True),
    QueryType("vAppTemplate", "VAppTemplate", of_kinds("vAppTemplate"), {
        **_TEMPLATE, "description": c.description, "publishSubscriptionType": "UNPUBLISHED",
        "version": lambda one: None if (item := library.item_of(one)) is None else library.item(item).version}),
    QueryType("adminVAppTemplate", "AdminVAppTemplate", of_kinds("vAppTemplate"),
              {**_TEMPLATE, **_ADMIN_IN_CATALOG}, provider_only=True),
    QueryType("media", "Media", of_kinds("media"),
              {key: value for key, value in _MEDIA.items() if key != "isVdcEnabled"}),
    QueryType("adminMedia", "AdminMedia", of_kinds("media"), _MEDIA, provider_only=True),
    QueryType("disk", "Disk", of_kinds("disk"), _DISK),
    QueryType("adminDisk", "AdminDisk", of_kinds("disk"), {**_DISK, "org": Refer(c.organization)}, provider_only=True),
    QueryType("vmDiskRelation", "VmDiskRelation", _attachments, _ATTACHMENT, entity=_disk_of, has_href=False),
    QueryType("adminVmDiskRelation", "AdminVmDiskRelation", _attachments, _ATTACHMENT, entity=_disk_of,
              provider_only=True, has_href=False),
    QueryType("adminShadowVM", "AdminShadowVM", of_kinds("shadowVm"), _SHADOW, provider_only=True),
)  # fmt: skip
