"""Organizations in the view of a member and of an administrator, with their settings.

Source: OrgType, AdminOrgType and OrgSettingsType of the VCD schemas; jclouds-vcloud-director's recorded organizations;
pyvcloud's org.py for the queries that an organization links to since API 33.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bridge.simulator.documents.view import Part, View, Writer
from bridge.simulator.protocol.exchange import JsonObject, media_type
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.estate import members
from bridge.simulator.state.references import References

ORG_STEM = "application/vnd.vmware.vcloud.org"
ADMIN_ORG_STEM = "application/vnd.vmware.admin.organization"
RECORDS_STEM = "application/vnd.vmware.vcloud.query.records"
TASKS_LIST_STEM = "application/vnd.vmware.vcloud.tasksList"
TASK_STEM = "application/vnd.vmware.vcloud.task"
RIGHTS_STEM = "application/vnd.vmware.admin.org.rights"
ROLES_STEM = "application/vnd.vmware.admin.org.roles"
SETTINGS_STEM = "application/vnd.vmware.admin.orgSettings"

SETTINGS: dict[str, tuple[str, str, JsonObject]] = {
    "general": ("orgGeneralSettings", "organizationGeneralSettings", {
        "canPublishCatalogs": False, "canPublishExternally": False, "canSubscribe": False, "deployedVMQuota": 0,
        "storedVmQuota": 0, "useServerBootSequence": False, "delayAfterPowerOnSeconds": 0, "vdcQuota": 0,
    }),
    "vAppLeaseSettings": ("vAppLeaseSettings", "vAppLeaseSettings", {
        "deleteOnStorageLeaseExpiration": False, "deploymentLeaseSeconds": 0, "storageLeaseSeconds": 0,
        "powerOffOnRuntimeLeaseExpiration": False,
    }),
    "vAppTemplateLeaseSettings": ("vAppTemplateLeaseSettings", "vAppTemplateLeaseSettings", {
        "deleteOnStorageLeaseExpiration": False, "storageLeaseSeconds": 0,
    }),
    "ldap": ("orgLdapSettings", "organizationLdapSettings", {"orgLdapMode": "NONE"}),
    "email": ("orgEmailSettings", "organizationEmailSettings", {
        "isDefaultSmtpServer": True, "isDefaultOrgEmail": True, "fromEmailAddress": "", "defaultSubjectPrefix": "",
        "isAlertEmailToAllAdmins": True,
        "smtpServerSettings": {"isUseAuthentication": False, "host": "", "username": ""},
    }),
    "passwordPolicy": ("orgPasswordPolicySettings", "organizationPasswordPolicySettings", {
        "accountLockoutEnabled": False, "invalidLoginsBeforeLockout": 5, "accountLockoutIntervalMinutes": 10,
    }),
    "operationLimitsSettings": ("orgOperationLimitsSettings", "operationLimitsSettings", {}),
}  # fmt: skip
"""By the last part of their path: key in OrgSettingsType, media type below ``admin.``, and what is there until somebody
changed it."""

_ADDS = (
    ("catalogs", "admin.catalog"), ("users", "admin.user"), ("groups", "admin.group"), ("roles", "admin.role"),
    ("vdcsparams", "admin.createVdcParams"),
)  # fmt: skip
"""What can be added, and to which path; vDCs only by the provider."""


def organization(writer: Writer, entity: Entity, view: View) -> JsonObject:
    if view.admin:
        return _admin_organization(writer, entity, view)
    references = writer.references
    admin_href, link = references.admin_href(entity), references.link
    links = [*_task_links(references, entity, view), *_contents(references, entity, view)]
    links += [
        link("down", references.href(one), "application/vnd.vmware.vcloud.orgNetwork", one.name)
        for vdc in members(entity, "vdc") for one in members(vdc, "network")
    ]  # fmt: skip
    if view.administrator:
        links.append(link("alternate", admin_href, ADMIN_ORG_STEM))
        links.append(link("add", f"{admin_href}/catalogs", "application/vnd.vmware.admin.catalog"))
    return {"link": links, "fullName": entity.properties.get("fullName", entity.name), "isEnabled": _enabled(entity)}


def _task_links(references: References, entity: Entity, view: View) -> list[JsonObject]:
    """All see the list of Tasks; external ones are made by providers only."""
    tasks = f"{references.api}/tasksList/{entity.uuid}"
    links = [references.link("down", tasks, TASKS_LIST_STEM)]
    if view.provider:
        links.append(references.link("task:create", tasks, TASK_STEM))
    return links


def _contents(references: References, entity: Entity, view: View) -> list[JsonObject]:
    """vDCs and catalogs: one by one up to API 32, by a query from 33 on."""
    if view.version < (33, 0):
        return [
            references.link("down", references.href(one), one.kind.media_stem, one.name)
            for one in entity.children
            if one.kind.name in ("vdc", "catalog") and view.sees(one)
        ]
    kinds = ("adminOrgVdc", "adminCatalog") if view.provider else ("orgVdc", "catalog")
    links = []
    for kind in kinds:
        query = f"type={kind}&format=records"
        if view.provider:
            query += f"&filter={quote(f'org=={references.href(entity)}', safe='')}"
        links.append(references.link("down", f"{references.api}/query?{query}", RECORDS_STEM))
    return links


def _admin_organization(writer: Writer, entity: Entity, view: View) -> JsonObject:
    references = writer.references
    href, link = references.admin_href(entity), references.link
    links = [*_task_links(references, entity, view), link("alternate", references.href(entity), ORG_STEM),
             link("down", f"{href}/associations", "application/vnd.vmware.admin.organizationAssociations")]  # fmt: skip
    if view.may_change:
        links += [
            link("add", f"{href}/{tail}", f"application/vnd.vmware.{stem}")
            for tail, stem in _ADDS
            if view.provider or tail != "vdcsparams"
        ]
        links.append(link("edit", href, ADMIN_ORG_STEM))
        if view.provider:
            links.append(link("disable" if _enabled(entity) else "enable", f"{href}/action/{_switch(entity)}"))
            links.append(link("remove", href))
    vdcs = list(members(entity, "vdc"))
    networks = [one for vdc in vdcs for one in members(vdc, "network")]
    return {
        "link": links,
        "fullName": entity.properties.get("fullName", entity.name),
        "isEnabled": _enabled(entity),
        "settings": settings(references, entity, view),
        "users": {"userReference": [references.to(one) for one in members(entity, "user")]},
        "groups": {"groupReference": [references.to(one) for one in members(entity, "group")]},
        "catalogs": {"catalogReference": [_admin(references, one) for one in members(entity, "catalog")]},
        "vdcs": {"vdc": [_admin(references, one) for one in vdcs]},
        "networks": {"network": [_admin(references, one) for one in networks]},
        "rightReferences": rights(writer, entity, view),
        "roleReferences": roles(writer, entity),
    }  # fmt: skip


def _admin(references: References, entity: Entity) -> JsonObject:
    """A reference to the administrators' view; its type stays that of the entity, as recorded ones have it."""
    stem = {"catalog": "application/vnd.vmware.admin.catalog", "vdc": "application/vnd.vmware.admin.vdc"}
    return references.reference(
        references.admin_href(entity), entity.urn, stem.get(entity.kind.name, entity.kind.media_stem), entity.name
    )


def rights(writer: Writer, entity: Entity, view: View) -> JsonObject:
    """What the organization's roles can be made of (OrganizationRightsType)."""
    references = writer.references
    href = f"{references.admin_href(entity)}/rights"
    links = []
    if view.provider:
        links = [references.link("add", href, RIGHTS_STEM), references.link("edit", href, RIGHTS_STEM)]
    return {
        "href": href, "type": media_type(RIGHTS_STEM), "link": links,
        "rightReference": [references.to(one) for one in granted(writer, entity)],
    }  # fmt: skip


def roles(writer: Writer, entity: Entity) -> JsonObject:
    """OrganizationRolesType."""
    references = writer.references
    return {
        "href": f"{references.admin_href(entity)}/roles",
        "roleReference": [references.to(one) for one in members(entity, "role")],
    }


def granted(writer: Writer, entity: Entity) -> list[Entity]:
    """The rights of an organization: all that there are, until somebody says which."""
    named = entity.properties.get("grantedRights")
    every = writer.store.of_kind("right")
    return every if named is None else [one for one in every if one.uuid in named]


def settings(references: References, entity: Entity, view: View) -> JsonObject:
    """All settings (OrgSettingsType)."""
    href, link = f"{references.admin_href(entity)}/settings", references.link
    links = [link("down", f"{href}/{tail}", _stem(stem)) for tail, (_, stem, _) in SETTINGS.items()]
    if view.may_change:
        links.append(link("edit", href, SETTINGS_STEM))
    document: JsonObject = {"href": href, "type": media_type(SETTINGS_STEM), "link": links}
    for tail, (key, _, _) in SETTINGS.items():
        document[key] = setting(references, entity, view, tail)
    return document


def setting(references: References, entity: Entity, view: View, tail: str) -> JsonObject:
    """One category of the settings."""
    key, stem, ordinary = SETTINGS[tail]
    href = f"{references.admin_href(entity)}/settings/{tail}"
    links = [references.link("edit", href, _stem(stem))] if view.may_change and tail != "ldap" else []
    said: dict[str, Any] = (entity.properties.get("settings") or {}).get(key) or {}
    return {"href": href, "type": media_type(_stem(stem)), "link": links, **ordinary, **said}


def _stem(name: str) -> str:
    return f"application/vnd.vmware.admin.{name}"


def _enabled(entity: Entity) -> bool:
    return bool(entity.properties.get("isEnabled", True))


def _switch(entity: Entity) -> str:
    return "disable" if _enabled(entity) else "enable"


PARTS = {"org": Part(organization, admin_stem=ADMIN_ORG_STEM)}
