"""Catalogs, items, templates, media, disks: what is read below them, and what changes at once, without a Task.

Source: VCD API documentation: PUT-Catalog, DELETE-Catalog (a Task since API 30), POST-CreateCatalogItem,
PUT-CatalogItem, DELETE-CatalogItem (204), POST-UploadVAppTemplate (a CatalogItem), POST-PublishCatalog; pyvcloud's
acl.py and go-vcloud-director's access_control.go for control access.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from bridge.catalogue.operation import Operation
from bridge.simulator.calls import machines
from bridge.simulator.calls.actions import Actions, operation_target
from bridge.simulator.calls.beyond import operation
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.effects.general import refuse_duplicate
from bridge.simulator.calls.effects.libraries import catalogs, shelves
from bridge.simulator.calls.effects.occasion import Occasion
from bridge.simulator.calls.effects.referring import required
from bridge.simulator.calls.libraries.transfer import descriptor_of
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents import owner, template
from bridge.simulator.documents.catalog import ITEM_STEM
from bridge.simulator.documents.disk import VMS_STEM
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, forbidden
from bridge.simulator.state import storage
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding import library

DELETE_CATALOG = operation("deleteCatalog", "DELETE", "/admin/catalog/{id}")
UPLOAD_TEMPLATE = operation(
    "uploadVAppTemplateToCatalog", "POST", "/catalog/{id}/action/upload", body_type="UploadVAppTemplateParams"
)
UPLOAD_MEDIA = operation("uploadMediaToCatalog", "POST", "/catalog/{id}/action/upload", body_type="Media")

_OWNED = ("catalog", "admin/catalog", "vAppTemplate", "media", "disk")


class Libraries:
    """Handlers of libraries and storage."""

    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        delete = operation_target(DELETE_CATALOG, self.actions)
        yield "DELETE", "/api/admin/catalog/{id}", delete
        upload = replace(operation_target(UPLOAD_TEMPLATE, self.actions), handle=self.upload)
        yield "POST", "/api/catalog/{id}/action/upload", upload
        yield "PUT", "/api/admin/catalog/{id}", _changing("updateCatalog", self.update_catalog, "admin/catalog")
        for collection in ("catalog", "admin/catalog"):
            create = _changing("createCatalogItem", self.create_item, collection)
            yield "POST", f"/api/{collection}/{{id}}/catalogItems", create
        yield "PUT", "/api/catalogItem/{id}", _changing("updateCatalogItem", self.update_item, "catalogItem")
        yield "DELETE", "/api/catalogItem/{id}", _changing("deleteCatalogItem", self.delete_item, "catalogItem")
        for collection in _OWNED:
            yield "GET", f"/api/{collection}/{{id}}/owner", Target("getOwner", self.owner, collection=collection)
            change = _changing("changeOwner", self.change_owner, collection)
            yield "PUT", f"/api/{collection}/{{id}}/owner", change
        yield "GET", "/api/disk/{id}/attachedVms", Target("getAttachedVms", self.attached_vms, collection="disk")
        for collection in ("vAppTemplate", "shadowVm"):
            for tail in sorted({*template.SECTIONS, *machines.RESOURCES}):
                target = Target("getSection", self.section, collection=collection, tail=tail)
                yield "GET", f"/api/{collection}/{{id}}/{tail}", target
        yield "GET", "/api/vAppTemplate/{id}/ovf", Target("getOvf", self.ovf, collection="vAppTemplate")
        for collection in ("vAppTemplate", "media"):
            disable = _changing("disableDownload", self.disable_download, collection)
            yield "POST", f"/api/{collection}/{{id}}/action/disableDownload", disable

    def upload(self, call: Call) -> Answer:
        """A template or, by the body, a media: made in the catalog, answered with the item that stands for it."""
        is_media = "media" in (call.request.header(b"content-type") or "").lower() or b"imageType" in call.request.body
        chosen = UPLOAD_MEDIA if is_media else UPLOAD_TEMPLATE
        call.target = operation_target(chosen, self.actions)
        answer = self.actions.perform(call)
        task = None if call.task is None else self.cloud.engine.get(call.task, call.now)
        item = None if task is None else library.item_of(task.owner)
        if item is None:
            return answer
        return self._answer(call, item, 201)

    def update_catalog(self, call: Call) -> Answer:
        """Name, description, storage policies, how it is published."""
        catalog = self._changeable(call)
        occasion = self._occasion(call, catalog, "application/vnd.vmware.admin.catalog")
        _rename(self.cloud, catalog, occasion.body)
        catalogs.set_details(occasion)
        library.touch(catalog)
        return self._answer(call, catalog)

    def create_item(self, call: Call) -> Answer:
        """An item for a template or media that is there already."""
        catalog = self._changeable(call)
        occasion = self._occasion(call, catalog, ITEM_STEM)
        target = required(occasion, "entity", "vAppTemplate", "media")
        name = occasion.body.get("name")
        if not name or target is None:
            raise bad_request("Bad request: a catalog item needs a name and an entity")
        shelves.check_free(self.cloud, catalog, str(name))
        item = shelves.new_item(self.cloud, catalog, str(name), target, call.user, call.now)
        item.description = str(occasion.body.get("description") or "")
        library.item(item).properties = list(occasion.body.get("property") or [])
        return self._answer(call, item, 201)

    def update_item(self, call: Call) -> Answer:
        """Name, description, properties; what it stands for stays."""
        item = self._changeable(call)
        occasion = self._occasion(call, item, ITEM_STEM)
        body, state = occasion.body, library.item(item)
        name = body.get("name")
        if name and name != item.name and item.parent is not None:
            shelves.check_free(self.cloud, item.parent, str(name))
        _rename(self.cloud, item, body)
        state.properties = list(body.get("property") or [])
        state.version += 1
        library.touch(item.parent)
        return self._answer(call, item)

    def delete_item(self, call: Call) -> Answer:
        """With what it stands for."""
        shelves.remove_item(self.cloud, self._changeable(call))
        return Answer(204)

    def owner(self, call: Call) -> Answer:
        entity = self._seen(call)
        href = self._href(call, entity)
        return call.reply(owner.owner_document(self.cloud.references, entity, href), owner.OWNER_STEM)

    def change_owner(self, call: Call) -> Answer:
        """To another member of the organization; 204."""
        entity = self._changeable(call)
        occasion = self._occasion(call, entity, owner.OWNER_STEM)
        user = required(occasion, "user", "user")
        if user is None or user.organization is not entity.organization:
            raise Refusal(400, "INVALID_REFERENCE", "The owner must be a member of the organization.")
        entity.owner = user
        return Answer(204)

    def attached_vms(self, call: Call) -> Answer:
        disk, references = self._seen(call), self.cloud.references
        href = references.href(disk)
        machines = storage.disk(disk).attached.present(self.cloud.store)
        document: JsonObject = {
            "href": f"{href}/attachedVms",
            "type": f"{VMS_STEM}+json",
            "link": [references.link("up", href, disk.kind.media_stem, disk.name)],
            "vmReference": [references.to(vm) for vm in machines],
        }
        return call.reply(document, VMS_STEM)

    def section(self, call: Call) -> Answer:
        """What lies below a template, or below a VM that does not run: that of a template or a shadow."""
        entity, tail, references = self._seen(call), call.target.tail, self.cloud.references
        if entity.kind.name == "vAppTemplate":
            own = template.SECTIONS.get(tail)
            if own is not None:
                document = own(references, entity, call.view(entity))
                document.pop("_type")  # told by the media type
                return call.reply(document, f"application/vnd.vmware.vcloud.{tail}")
        else:
            resource = machines.RESOURCES.get(tail)
            if resource is not None and resource.of_vm is not None:
                document = resource.of_vm(references, entity)
                document.pop("_type", None)
                return call.reply(document, resource.stem)
        raise Refusal(404, "RESOURCE_NOT_FOUND", f"Resource not found: {tail}")

    def ovf(self, call: Call) -> Answer:
        """The descriptor, without files: what the template is made of."""
        return Answer(200, descriptor_of(self._seen(call), []), "text/xml")

    def disable_download(self, call: Call) -> Answer:
        """The addresses of a download lead nowhere any more; 204."""
        entity = self._changeable(call)
        transfer = library.contents(entity).transfer
        if transfer is not None and not transfer.upload:
            shelves.close(self.cloud, entity)
        return Answer(204)

    def _seen(self, call: Call) -> Entity:
        entity = self.actions.addressed(call)
        if entity is None:
            raise Refusal(404, "RESOURCE_NOT_FOUND", "Resource not found")
        return entity

    def _changeable(self, call: Call) -> Entity:
        entity = self._seen(call)
        if not call.may(_as_operation(call), entity):
            raise forbidden()
        call.effect = True
        return entity

    def _occasion(self, call: Call, entity: Entity, stem: str) -> Occasion:
        call.body = call.read_body(stem) or {}
        return self.actions.occasion(call, entity, entity)

    def _answer(self, call: Call, entity: Entity, status: int = 200) -> Answer:
        documents, view = self.cloud.documents, call.view(entity)
        headers = [("Location", self._href(call, entity))] if status == 201 else []
        return call.reply(documents.entity(entity, view), documents.stem(entity, view), status, headers)

    def _href(self, call: Call, entity: Entity) -> str:
        references, admin = self.cloud.references, call.target.collection.startswith("admin/")
        return references.admin_href(entity) if admin else references.href(entity)


def _changing(name: str, handle: Callable[[Call], Answer], collection: str) -> Target:
    return Target(name, handle, changes=True, collection=collection)


def _as_operation(call: Call) -> Operation:
    """The call in the terms in which rights are asked for."""
    return operation(call.target.name, call.request.method, f"/{call.target.collection}/{{id}}")


def _rename(cloud: Cloud, entity: Entity, body: JsonObject) -> None:
    """A PUT replaces: a description that is left out is gone."""
    if name := str(body.get("name") or ""):
        refuse_duplicate(cloud.store, entity.kind, entity.parent, name, entity)
        cloud.store.rename(entity, name)
    entity.description = str(body.get("description") or "")
