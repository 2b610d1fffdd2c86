"""Users, groups, roles, rights. Source: the VCD schemas; jclouds-vcloud-director's recorded users."""

from __future__ import annotations

from bridge.simulator.documents.view import Part, View, Writer
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.estate import group_state, role_named, role_state
from bridge.simulator.state.references import References


def user(writer: Writer, entity: Entity, view: View) -> JsonObject:
    """Without the password, which VCD never tells."""
    references, known = writer.references, writer.store.users_by_uuid.get(entity.uuid)
    role = None if known is None else known.role
    groups = [one for one in writer.store.of_kind("group") if entity in group_state(one).users]
    ordinary: JsonObject = {
        "fullName": entity.name, "emailAddress": "", "telephone": "", "isEnabled": True, "isLocked": False, "im": "",
        "nameInSource": entity.name, "isAlertEnabled": False, "alertEmailPrefix": "", "alertEmail": "",
        "isExternal": False, "providerType": "INTEGRATED", "isDefaultCached": False, "isGroupRole": False,
        "storedVmQuota": 0, "deployedVmQuota": 0,
    }  # fmt: skip
    document = {key: entity.properties.get(key, value) for key, value in ordinary.items()}
    document["groupReferences"] = {"groupReference": [references.to(one) for one in groups]}
    if role is not None:
        document["role"] = _role(references, entity, role)
    return {**document, "link": _links(references, entity, view)}


def _role(references: References, member: Entity, name: str) -> JsonObject | None:
    role = role_named(member.organization, name)
    return None if role is None else references.to(role)


def group(writer: Writer, entity: Entity, view: View) -> JsonObject:
    references, state = writer.references, group_state(entity)
    return {
        "link": _links(references, entity, view), "nameInSource": entity.name,
        "usersList": {"userReference": [references.to(one) for one in state.users]}, "providerType": "SAML",
        "role": _role(references, entity, state.role),
    }  # fmt: skip


def role(writer: Writer, entity: Entity, view: View) -> JsonObject:
    references = writer.references
    return {
        "link": _links(references, entity, view),
        "rightReferences": {"rightReference": [references.to(one) for one in role_state(entity).rights]},
    }


def right(_writer: Writer, entity: Entity, _view: View) -> JsonObject:
    return {"category": entity.properties.get("category", "General"), "serviceNamespace": "com.vmware.vcloud"}


def _links(references: References, entity: Entity, view: View) -> list[JsonObject]:
    if not view.administrator:
        return []
    href = references.href(entity)
    return [references.link("edit", href, entity.kind.media_stem), references.link("remove", href)]


PARTS = {"user": Part(user), "group": Part(group), "role": Part(role), "right": Part(right)}
