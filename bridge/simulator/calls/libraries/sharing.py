"""With whom catalogs, vApps and vDCs are shared: control access within an organization, publishing beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bridge.simulator.calls.actions import Actions
from bridge.simulator.calls.beyond import operation
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.effects.libraries.catalogs import published
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents.catalog import PUBLISH_EXTERNALLY_STEM, PUBLISH_STEM
from bridge.simulator.documents.sharing import ACCESS_STEM, control_access
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, forbidden, no_access
from bridge.simulator.state.entities import EVERYBODY, Entity
from bridge.simulator.state.founding import library
from bridge.simulator.state.kinds import kind_of

LEVELS = ("ReadOnly", "Change", "FullControl")
_PLACES = (
    ("/org/{org}/catalog/{id}", "catalog", ("POST",)),
    ("/catalog/{id}", "catalog", ("POST",)),
    ("/vApp/{id}", "vApp", ("POST",)),
    ("/org/{org}/vdc/{id}", "vdc", ("PUT", "POST")),
    ("/vdc/{id}", "vdc", ("PUT", "POST")),
)
"""Path, collection, methods of a change. A catalog's access is below its organization, but clients use its own path as
well; a vDC's is PUT by pyvcloud and go-vcloud-director, where others are POSTed.
"""

_PUBLISH = operation("publishCatalog", "POST", "/admin/catalog/{id}/action/publish", body_type="PublishCatalogParams")


class Sharing:
    """Handlers of what is shared; the access of any kind of entity is read and replaced alike."""

    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        """Method, path and target of each."""
        for path, collection, methods in _PLACES:
            yield "GET", f"/api{path}/controlAccess", Target("getControlAccess", self.access, collection=collection)
            change = Target("setControlAccess", self.set_access, changes=True, collection=collection)
            for method in methods:
                yield method, f"/api{path}/action/controlAccess", change
        for tail, name, handle in (
            ("publish", "publishCatalog", self.publish),
            ("publishToExternalOrganizations", "publishCatalogExternally", self.publish_externally),
        ):
            for collection in ("admin/catalog", "catalog"):  # links lead to the first, clients use both
                target = Target(name, handle, changes=True, collection=collection)
                yield "POST", f"/api/{collection}/{{id}}/action/{tail}", target

    def access(self, call: Call) -> Answer:
        return self._answer(call, self._entity(call))

    def set_access(self, call: Call) -> Answer:
        """Replaces what was before; answers what is now."""
        entity = self._entity(call)
        if not call.may(operation(call.target.name, call.request.method, _in_terms_of_rights(entity)), entity):
            raise forbidden()
        body = call.read_body(ACCESS_STEM)
        if body is None:
            raise bad_request("Bad request: a body of type ControlAccessParams is expected")
        entity.shared = self._read(body)
        call.effect = True
        return self._answer(call, entity)

    def publish(self, call: Call) -> Answer:
        """To all organizations, or to none; 204."""
        catalog = self._publishable(call)
        body = call.read_body(PUBLISH_STEM) or {}
        if not isinstance(body.get("isPublished"), bool):
            raise bad_request("Bad request: isPublished takes true or false")
        library.catalog(catalog).published = body["isPublished"]
        library.touch(catalog)
        call.effect = True
        return Answer(204)

    def publish_externally(self, call: Call) -> Answer:
        """To other clouds; 204."""
        catalog = self._publishable(call)
        body = call.read_body(PUBLISH_EXTERNALLY_STEM) or {}
        library.catalog(catalog).external = published(body)
        library.touch(catalog)
        call.effect = True
        return Answer(204)

    def _publishable(self, call: Call) -> Entity:
        catalog = self.actions.addressed(call)
        if catalog is None or not call.may(_PUBLISH, catalog):
            raise forbidden()
        return catalog

    def _entity(self, call: Call) -> Entity:
        """The entity, which must be of the organization that the path names, if it names one; a VM has no access of its
        own.
        """
        path_id, org = call.parameters["id"], call.parameters.get("org")
        found = kind_of(call.target.collection, path_id)
        if found is None or found[0].name == "vm":
            raise Refusal(404, "RESOURCE_NOT_FOUND", f"Resource not found: {path_id}")
        kind, uuid = found
        entity = self.cloud.store.find(kind, uuid, call.home)
        if not call.sees(entity) or (org is not None and entity.organization.uuid != org.lower()):
            raise no_access(kind.urn, uuid)
        call.entity = f"{kind.prefix}{uuid}"
        return entity

    def _answer(self, call: Call, entity: Entity) -> Answer:
        return call.reply(control_access(self.cloud.references, self.cloud.store, entity), ACCESS_STEM)

    def _read(self, body: JsonObject) -> dict[str, str]:
        shared: dict[str, str] = {}
        if body.get("isSharedToEveryone"):
            shared[EVERYBODY] = _level(body.get("everyoneAccessLevel") or LEVELS[0])
        settings = (body.get("accessSettings") or {}).get("accessSetting") or []
        for one in settings:
            subject = self._subject(one.get("subject"))
            if subject.uuid in shared:
                raise bad_request(f"Bad request: {subject.name} is named twice")
            shared[subject.uuid] = _level(one.get("accessLevel"))
        return shared

    def _subject(self, reference: Any) -> Entity:
        """A user, a group or an organization."""
        text = str((reference or {}).get("href") or (reference or {}).get("id") or "").rstrip("/")
        found = self.cloud.store.get(text[-36:].lower())
        if found is None or found.kind.name not in ("user", "group", "org"):
            raise Refusal(400, "INVALID_REFERENCE", f"The reference {text} leads to no user or organization.")
        return found


def _in_terms_of_rights(entity: Entity) -> str:
    """A path that takes the right to share such an entity; a vDC is shared by its organization's administrators."""
    return "/org/{id}/vdc" if entity.kind.name == "vdc" else f"/{entity.kind.collections[0]}/{{id}}/"


def _level(value: Any) -> str:
    if value not in LEVELS:
        raise bad_request(f"Invalid access level: {value}; it takes one of {', '.join(LEVELS)}")
    return str(value)
