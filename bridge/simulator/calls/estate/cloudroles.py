"""Roles as CloudAPI changes them: made, renamed, deleted, given other rights; all at once, without a Task.

Source: CloudAPI documentation (Roles), go-vcloud-director roles.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.simulator.calls.access.openapi import body, page, reply, text
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.estate.cloudapi import BASE, COLLECTIONS, addressed
from bridge.simulator.calls.rights import Right, rights_of
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, forbidden, no_access
from bridge.simulator.state.entities import Entity, initial_state
from bridge.simulator.state.founding.estate import role_named, role_state
from bridge.simulator.state.kinds import KINDS


class CloudRoles:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        role = f"{BASE}/roles/{{id}}"
        for method, path, name, handle in (
            ("POST", f"{BASE}/roles", "createRole", self.create), ("PUT", role, "updateRole", self.update),
            ("DELETE", role, "deleteRole", self.delete), ("GET", f"{role}/rights", "listRightsOfRole", self.rights),
            ("POST", f"{role}/rights", "addRightsToRole", self.add_rights),
            ("PUT", f"{role}/rights", "setRightsOfRole", self.set_rights),
        ):  # fmt: skip
            yield method, path, Target(name, handle, changes=method != "GET", tail="roles")

    def create(self, call: Call) -> Answer:
        """201; without rights, which are given later."""
        if Right.ADMINISTER not in rights_of(call.user):
            raise forbidden()
        document, home = body(call), call.home
        name, kind = self._name(document, home, None), KINDS["role"]
        entity = Entity(kind=kind, uuid=self.cloud.new_uuid(), name=name, org=home, parent=home, created_at=call.now,
                        **initial_state(kind))  # fmt: skip
        entity.description, entity.properties["made"] = text(document, "description") or "", True
        self.cloud.store.add(entity)
        call.entity, call.effect = entity.uuid, True
        return self._answer(call, entity, 201)

    def update(self, call: Call) -> Answer:
        entity, document = self._changeable(call), body(call)
        name = self._name(document, entity.organization, entity)
        if name != entity.name:
            self.cloud.store.rename(entity, name)
        entity.description = text(document, "description") or ""
        return self._answer(call, entity)

    def delete(self, call: Call) -> Answer:
        self.cloud.store.remove(self._changeable(call))
        return Answer(204)

    def rights(self, call: Call) -> Answer:
        return self._page(call, addressed(self.cloud, call))

    def add_rights(self, call: Call) -> Answer:
        entity = self._changeable(call)
        held = role_state(entity).rights
        held.extend(one for one in self._named_rights(call) if one not in held)
        return self._page(call, entity)

    def set_rights(self, call: Call) -> Answer:
        entity = self._changeable(call)
        role_state(entity).rights = self._named_rights(call)
        return self._page(call, entity)

    def _named_rights(self, call: Call) -> list[Entity]:
        """The rights in the ``values`` of a body."""
        values = body(call).get("values")
        if not isinstance(values, list):
            raise bad_request("Bad request: values takes a list of references to rights")
        found = []
        for one in values:
            uuid = str(one.get("id") if isinstance(one, dict) else one)[-36:].lower()
            right = self.cloud.store.get(uuid)
            if right is None or right.kind.name != "right":
                raise no_access("right", uuid)
            found.append(right)
        return found

    def _changeable(self, call: Call) -> Entity:
        """Predefined roles are the provider's to change."""
        entity = addressed(self.cloud, call)
        if Right.ADMINISTER not in rights_of(call.user) or not (entity.properties.get("made") or call.is_provider):
            raise forbidden()
        call.effect = True
        return entity

    @staticmethod
    def _name(document: JsonObject, home: Entity, entity: Entity | None) -> str:
        name = text(document, "name")
        if name is None:
            raise bad_request("Bad request: name is required")
        if role_named(home, name) not in (None, entity):
            raise Refusal(400, "DUPLICATE_NAME", f"The name {name} already exists.")
        return name

    def _page(self, call: Call, entity: Entity) -> Answer:
        one, store = COLLECTIONS["rights"], self.cloud.store
        return page(call, (one.write(store, right) for right in role_state(entity).rights), one.filters)

    def _answer(self, call: Call, entity: Entity, status: int = 200) -> Answer:
        return reply(call, COLLECTIONS["roles"].write(self.cloud.store, entity), status)
