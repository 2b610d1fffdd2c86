"""Users, groups and roles of an organization: made, changed and deleted at once, without a Task.

Source: operation pages POST-CreateUser, PUT-User, DELETE-User and their kin; jclouds-vcloud-director's user API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bridge.simulator.calls.actions import Actions
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, forbidden
from bridge.simulator.state.entities import Entity, User, initial_state
from bridge.simulator.state.founding.estate import group_state, role_named, role_state
from bridge.simulator.state.kinds import KINDS

_USER_FIELDS = (
    "fullName", "emailAddress", "telephone", "isEnabled", "im", "isAlertEnabled", "alertEmailPrefix", "alertEmail",
    "isExternal", "isDefaultCached", "isGroupRole", "storedVmQuota", "deployedVmQuota", "nameInSource",
)  # fmt: skip
_PLURALS = {"user": "users", "group": "groups", "role": "roles"}


class People:
    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions
        self._write: dict[str, Callable[[Call, Entity, JsonObject], None]] = {
            "user": self._write_user, "group": self._write_group, "role": self._write_role,
        }  # fmt: skip

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        for kind, plural in _PLURALS.items():
            label = kind.capitalize()
            create = Target(f"create{label}", self.create, changes=True, collection="admin/org", tail=kind)
            yield "POST", f"/api/admin/org/{{id}}/{plural}", create
            collection = f"admin/{kind}"
            yield (
                "PUT",
                f"/api/{collection}/{{id}}",
                Target(f"update{label}", self.update, changes=True, collection=collection, tail=kind),
            )
            yield (
                "DELETE",
                f"/api/{collection}/{{id}}",
                Target(f"delete{label}", self.delete, changes=True, collection=collection, tail=kind),
            )
        unlock = Target("unlockUser", self.unlock, changes=True, collection="admin/user")
        yield "POST", "/api/admin/user/{id}/action/unlock", unlock
        take = Target("takeOwnership", self.take_ownership, changes=True, collection="admin/user")
        yield "POST", "/api/admin/user/{id}/action/takeOwnership", take

    def create(self, call: Call) -> Answer:
        """201 with the new one."""
        org, kind = self._addressed(call), KINDS[call.target.tail]
        body = self._body(call, kind.media_stem)
        name = body.get("name")
        if not isinstance(name, str) or not name.strip():
            raise bad_request("Bad request: name is required")
        if self._taken(org, kind.name, name):
            raise Refusal(400, "DUPLICATE_NAME", f"The name {name} already exists.")
        entity = Entity(kind=kind, uuid=self.cloud.new_uuid(), name=name, org=org, parent=org, created_at=call.now,
                        **initial_state(kind))  # fmt: skip
        entity.properties["made"] = True
        self._write[kind.name](call, entity, body)
        self.cloud.store.add(entity)
        call.effect = True
        return self._answer(call, entity, 201)

    def _taken(self, org: Entity, kind: str, name: str) -> bool:
        if kind == "user":
            return (name.casefold(), org.name.casefold()) in self.cloud.store.users
        return self.cloud.store.named(KINDS[kind], org, name) is not None

    def update(self, call: Call) -> Answer:
        entity = self._addressed(call)
        body = self._body(call, entity.kind.media_stem)
        if entity.kind.name == "role" and not entity.properties.get("made") and not call.is_provider:
            raise forbidden()
        if isinstance(body.get("name"), str) and entity.kind.name != "user" and body["name"] != entity.name:
            self.cloud.store.rename(entity, body["name"])
        self._write[entity.kind.name](call, entity, body)
        call.effect = True
        return self._answer(call, entity)

    def delete(self, call: Call) -> Answer:
        """204. Nobody deletes himself."""
        entity = self._addressed(call)
        if entity is call.user.entity:
            raise bad_request("Bad request: a user cannot delete himself")
        self.cloud.store.remove(entity)
        call.effect = True
        return Answer(204)

    def unlock(self, call: Call) -> Answer:
        self._addressed(call)
        call.effect = True
        return Answer(204)

    def take_ownership(self, call: Call) -> Answer:
        """204; what the user owned is the caller's from now on."""
        user = self._addressed(call)
        for kind in ("vApp", "vm", "disk", "media", "vAppTemplate", "catalog"):
            for entity in self.cloud.store.of_kind(kind):
                if entity.owner is user:
                    entity.owner = call.user.entity
        call.effect = True
        return Answer(204)

    def _write_user(self, call: Call, entity: Entity, body: JsonObject) -> None:
        """A password is kept, and told to nobody; the first PUT without one leaves it. Who is not said to be enabled is
        not (go-vcloud-director types/v56/types.go leaves it out to disable).
        """
        role = self._role(call, entity, body)
        entity.properties.update({key: body[key] for key in _USER_FIELDS if body.get(key) is not None})
        entity.properties["isEnabled"] = body.get("isEnabled") is True
        if isinstance(body.get("description"), str):
            entity.description = body["description"]
        store, password = self.cloud.store, body.get("password")
        known = store.users_by_uuid.get(entity.uuid)
        if known is None:
            if role is None:
                raise bad_request("Bad request: role is required")
            if not isinstance(password, str) or not password:
                raise bad_request("Bad request: password is required")
            known = User(name=entity.name, password=password, org=entity.organization, entity=entity, api_token=None,
                         is_provider=entity.organization.name == "System", role=role)  # fmt: skip
            store.add_user(known)
        known.role = role or known.role
        known.password = password if isinstance(password, str) and password else known.password
        known.is_enabled = entity.properties["isEnabled"]

    def _write_group(self, call: Call, entity: Entity, body: JsonObject) -> None:
        state = group_state(entity)
        state.role = self._role(call, entity, body) or state.role
        if isinstance(body.get("description"), str):
            entity.description = body["description"]

    def _write_role(self, call: Call, entity: Entity, body: JsonObject) -> None:
        """The rights replace those that it had."""
        listed = (body.get("rightReferences") or {}).get("rightReference") or ()
        role_state(entity).rights = [self._referred(one, "right") for one in listed]
        if isinstance(body.get("description"), str):
            entity.description = body["description"]

    def _role(self, call: Call, entity: Entity, body: JsonObject) -> str | None:
        reference = body.get("role")
        if reference is None:
            return None
        role = self._referred(reference, "role")
        if role.organization is not entity.organization and role_named(entity.organization, role.name) is None:
            raise bad_request(f"Bad request: {role.name} is no role of {entity.organization.name}")
        if not call.sees(role):
            raise forbidden()
        return role.name

    def _referred(self, reference: JsonObject, kind: str) -> Entity:
        text = str(reference.get("href") or reference.get("id") or "").rstrip("/")
        entity = self.cloud.store.get(text[-36:].lower())
        if entity is None or entity.kind.name != kind:
            raise Refusal(400, "INVALID_REFERENCE", f"Invalid reference to a {kind}: {text}")
        return entity

    @staticmethod
    def _body(call: Call, stem: str) -> JsonObject:
        body = call.read_body(stem)
        if body is None:
            raise bad_request(f"Bad request: a body of type {stem} is expected")
        return body

    def _addressed(self, call: Call) -> Entity:
        entity = self.actions.addressed(call)
        if entity is None:
            raise forbidden()
        return entity

    def _answer(self, call: Call, entity: Entity, status: int = 200) -> Answer:
        documents, view = self.cloud.documents, call.view(entity)
        headers = [("Location", self.cloud.references.href(entity))] if status == 201 else None
        return call.reply(documents.entity(entity, view), documents.stem(entity, view), status, headers)
