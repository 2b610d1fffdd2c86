"""Catalogs in the view of a user and of an administrator, their items, who they are shared with.

Source: CatalogType, AdminCatalogType, CatalogItemType of the VCD schemas; jclouds-vcloud-director's recorded catalogs;
pyvcloud's org.py and acl.py for the links that clients follow.
"""

from __future__ import annotations

from bridge.simulator.clock import timestamp
from bridge.simulator.documents.owner import owner, owner_link
from bridge.simulator.documents.sharing import ACCESS_STEM
from bridge.simulator.documents.view import View, Writer
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding import library
from bridge.simulator.state.references import References

CATALOG_STEM = "application/vnd.vmware.vcloud.catalog"
ADMIN_CATALOG_STEM = "application/vnd.vmware.admin.catalog"
ITEM_STEM = "application/vnd.vmware.vcloud.catalogItem"
PUBLISH_STEM = "application/vnd.vmware.admin.publishCatalogParams"
PUBLISH_EXTERNALLY_STEM = "application/vnd.vmware.admin.publishExternalCatalogParams"

_ADDS = (
    ("catalogItems", ITEM_STEM),
    ("action/upload", "application/vnd.vmware.vcloud.media"),
    ("action/upload", "application/vnd.vmware.vcloud.uploadVAppTemplateParams"),
    ("action/captureVApp", "application/vnd.vmware.vcloud.captureVAppParams"),
)
_COPY_STEM = "application/vnd.vmware.vcloud.copyOrMoveCatalogItemParams"


def catalog(writer: Writer, entity: Entity, view: View) -> JsonObject:
    state, references = library.catalog(entity), writer.references
    document: JsonObject = {
        "link": _links(references, entity, view),
        "owner": owner(references, entity),
        "catalogItems": {
            "catalogItem": [references.to(child) for child in entity.children if child.kind.name == "catalogItem"]
        },
        "isPublished": state.published,
        "dateCreated": timestamp(entity.created_at),
        "versionNumber": state.version,
    }
    if view.admin:
        document["publishExternalCatalogParams"] = state.external
        if state.storage_profiles:
            document["catalogStorageProfiles"] = {
                "vdcStorageProfile": [references.to(one) for one in state.storage_profiles]
            }
    return document


def catalog_item(writer: Writer, entity: Entity, view: View) -> JsonObject:
    state, references = library.item(entity), writer.references
    href = references.href(entity)
    document: JsonObject = {
        "dateCreated": timestamp(entity.created_at),
        "versionNumber": state.version,
        "property": state.properties,
    }
    if state.target is not None:
        document["entity"] = references.to(state.target)
        document["size"] = library.size_of(state.target)
    if view.may_change:
        document["link"] = [references.link("edit", href, ITEM_STEM), references.link("remove", href)]
    return document


def access_path(references: References, entity: Entity) -> str:
    """Where the control access of a catalog is: below the path of its organization."""
    return f"{references.api}/org/{entity.organization.uuid}/catalog/{entity.uuid}"


def _links(references: References, entity: Entity, view: View) -> list[JsonObject]:
    link, href = references.link, references.href(entity)
    admin_href = f"{references.api}/admin/catalog/{entity.uuid}"
    access = access_path(references, entity)
    links = [link("down", f"{access}/controlAccess/", ACCESS_STEM)]
    if view.admin:
        links += [link("alternate", href, CATALOG_STEM), owner_link(references, admin_href)]
    if not view.may_change:
        return links
    links += [link("add", f"{href}/{tail}", stem) for tail, stem in _ADDS]
    links += [link(rel, f"{href}/action/{rel}", _COPY_STEM) for rel in ("copy", "move")]
    links.append(link("controlAccess", f"{access}/action/controlAccess", ACCESS_STEM))
    links.append(link("publish", f"{admin_href}/action/publish", PUBLISH_STEM))
    links.append(
        link(
            "publishToExternalOrganizations",
            f"{admin_href}/action/publishToExternalOrganizations",
            PUBLISH_EXTERNALLY_STEM,
        )
    )
    if view.admin:
        links += [link("edit", admin_href, ADMIN_CATALOG_STEM), link("remove", admin_href)]
    return links
