"""Organizations, their settings and rights, vDCs and storage policies: what changes at once, without a Task.

Source: operation pages PUT-Organization, PUT-OrgSettings, PUT-OrganizationRights and their kin.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.simulator.calls import beyond
from bridge.simulator.calls.actions import Actions, operation_target
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.effects.estate.organizations import write_organization
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents.estate.organization import (
    ADMIN_ORG_STEM,
    RIGHTS_STEM,
    ROLES_STEM,
    SETTINGS,
    SETTINGS_STEM,
    rights,
    roles,
    setting,
    settings,
)
from bridge.simulator.documents.estate.vdc import ADMIN_PROFILE_STEM
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, forbidden, media_type
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.founding.estate import members
from bridge.simulator.state.tasks.limits import OWN_LIMITS

_ORG, _VDC = "admin/org", "admin/vdc"
_DELETE = beyond.operation("deleteOrg", "DELETE", "/admin/org/{id}")
"""Answers with a Task (go-vcloud-director adminorg.go)."""


class Organizations:
    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        org = "/api/admin/org/{id}"
        yield "PUT", org, Target("updateOrg", self.update, changes=True, collection=_ORG)
        yield "DELETE", org, operation_target(_DELETE, self.actions)
        for what, collection in (("Org", _ORG), ("Vdc", _VDC), ("ProviderVdc", "admin/extension/providervdc")):
            for verb in ("enable", "disable"):
                yield (
                    "POST",
                    f"/api/{collection}/{{id}}/action/{verb}",
                    Target(f"{verb}{what}", self.switch, changes=True, collection=collection, tail=verb),
                )
        yield "GET", f"{org}/settings", Target("getOrgSettings", self.settings, collection=_ORG)
        yield "PUT", f"{org}/settings", Target("updateOrgSettings", self.put_settings, changes=True, collection=_ORG)
        for tail, (key, _, _) in SETTINGS.items():
            if key == OWN_LIMITS:
                continue  # the provider's to set: see tasks.settings
            yield "GET", f"{org}/settings/{tail}", Target("getOrgSettings", self.setting, collection=_ORG, tail=tail)
            put = Target("updateOrgSettings", self.put_setting, changes=True, collection=_ORG, tail=tail)
            yield "PUT", f"{org}/settings/{tail}", put
        yield "GET", f"{org}/roles", Target("getOrgRoles", self.roles, collection=_ORG)
        yield "GET", f"{org}/rights", Target("getOrgRights", self.rights, collection=_ORG)
        for method in ("POST", "PUT"):
            yield method, f"{org}/rights", Target("updateOrgRights", self.put_rights, changes=True, collection=_ORG)
        profile = Target("updateStorageProfile", self.put_profile, changes=True, collection="admin/vdcStorageProfile")
        yield "PUT", "/api/admin/vdcStorageProfile/{id}", profile

    def update(self, call: Call) -> Answer:
        org = self._addressed(call)
        body = self._body(call, ADMIN_ORG_STEM)
        name = body.get("name")
        if isinstance(name, str) and name != org.name:
            if not call.is_provider:
                raise forbidden()
            if self.cloud.store.organization(name) is not None:
                raise Refusal(400, "DUPLICATE_NAME", f"The name {name} already exists.")
            self.cloud.store.rename(org, name)
        if isinstance(body.get("description"), str):
            org.description = body["description"]
        if not call.is_provider:
            body.pop("isEnabled", None)
            body["settings"] = _own_to_say(body.get("settings") or {})
        write_organization(org, body)
        call.effect = True
        return self._reply(call, org)

    def switch(self, call: Call) -> Answer:
        entity = self._for_provider(call)
        entity.properties["isEnabled"] = call.target.tail == "enable"
        call.effect = True
        return Answer(204)

    def settings(self, call: Call) -> Answer:
        org = self._addressed(call)
        return call.reply(settings(self.cloud.references, org, call.view(org)), SETTINGS_STEM)

    def put_settings(self, call: Call) -> Answer:
        org = self._addressed(call)
        said = self._body(call, SETTINGS_STEM)
        write_organization(org, {"settings": said if call.is_provider else _own_to_say(said)})
        call.effect = True
        return self.settings(call)

    def setting(self, call: Call) -> Answer:
        org, tail = self._addressed(call), call.target.tail
        stem = f"application/vnd.vmware.admin.{SETTINGS[tail][1]}"
        return call.reply(setting(self.cloud.references, org, call.view(org), tail), stem)

    def put_setting(self, call: Call) -> Answer:
        org = self._addressed(call)
        key, stem, _ = SETTINGS[call.target.tail]
        body = self._body(call, f"application/vnd.vmware.admin.{stem}")
        said = {name: value for name, value in body.items() if name not in ("href", "type", "link")}
        write_organization(org, {"settings": {key: said}})
        call.effect = True
        return self.setting(call)

    def rights(self, call: Call) -> Answer:
        org = self._addressed(call)
        return call.reply(rights(self.cloud.documents, org, call.view(org)), RIGHTS_STEM, name="OrganizationRightsType")

    def roles(self, call: Call) -> Answer:
        org = self._addressed(call)
        document = {"type": media_type(ROLES_STEM), **roles(self.cloud.documents, org)}
        return call.reply(document, ROLES_STEM)

    def put_rights(self, call: Call) -> Answer:
        """POST adds rights, PUT replaces them."""
        org = self._for_provider(call)
        listed = self._body(call, RIGHTS_STEM, "OrganizationRightsType").get("rightReference") or ()
        named = {str(one.get("href") or one.get("id") or "")[-36:].lower() for one in listed}
        before = org.properties.get("grantedRights")
        if call.request.method == "POST":
            every = {one.uuid for one in self.cloud.store.of_kind("right")}
            named |= every if before is None else set(before)
        org.properties["grantedRights"] = sorted(named)
        call.effect = True
        return self.rights(call)

    def put_profile(self, call: Call) -> Answer:
        profile = self._for_provider(call)
        body = self._body(call, ADMIN_PROFILE_STEM)
        said = {key: body[key] for key in ("enabled", "units", "limit", "default") if body.get(key) is not None}
        if said.get("default") and profile.parent is not None:
            for one in members(profile.parent, "vdcStorageProfile"):
                one.properties["default"] = False
        profile.properties.update(said)
        call.effect = True
        return self._reply(call, profile)

    def _reply(self, call: Call, entity: Entity) -> Answer:
        documents, view = self.cloud.documents, call.view(entity)
        return call.reply(documents.entity(entity, view), documents.stem(entity, view))

    @staticmethod
    def _body(call: Call, stem: str, name: str | None = None) -> JsonObject:
        body = call.read_body(stem, name)
        if body is None:
            raise bad_request(f"Bad request: a body of type {stem} is expected")
        return body

    def _for_provider(self, call: Call) -> Entity:
        entity = self._addressed(call)
        if not call.is_provider:
            raise forbidden()
        return entity

    def _addressed(self, call: Call) -> Entity:
        entity = self.actions.addressed(call)
        if entity is None:
            raise forbidden()
        return entity


def _own_to_say(settings: JsonObject) -> JsonObject:
    """How many operations an organization may run it does not say itself."""
    return {key: value for key, value in settings.items() if key != OWN_LIMITS}
