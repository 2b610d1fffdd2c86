"""With whom catalogs are shared: control access within an organization, publishing beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bridge.simulator.calls.actions import Actions
from bridge.simulator.calls.beyond import operation
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.effects.catalogs import published
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents.catalog import ACCESS_STEM, PUBLISH_EXTERNALLY_STEM, PUBLISH_STEM, control_access
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, forbidden, no_access
from bridge.simulator.state import library
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.kinds import KINDS

EVERYBODY = "*"
LEVELS = ("ReadOnly", "Change", "FullControl")
_PUBLISH = operation("publishCatalog", "POST", "/admin/catalog/{id}/action/publish", body_type="PublishCatalogParams")


class Sharing:
    """Handlers of what is shared."""

    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        """Control access is below the organization; clients also use it below the catalog itself."""
        for path in ("/api/org/{org}/catalog/{id}", "/api/catalog/{id}"):
            get = Target("getControlAccess", self.access, collection="catalog")
            yield "GET", f"{path}/controlAccess", get
            change = Target("setControlAccess", self.set_access, changes=True, collection="catalog")
            yield "POST", f"{path}/action/controlAccess", change
        publish = Target("publishCatalog", self.publish, changes=True, collection="admin/catalog")
        yield "POST", "/api/admin/catalog/{id}/action/publish", publish
        externally = Target(
            "publishCatalogExternally", self.publish_externally, changes=True, collection="admin/catalog"
        )
        yield "POST", "/api/admin/catalog/{id}/action/publishToExternalOrganizations", externally

    def access(self, call: Call) -> Answer:
        return self._answer(call, self._catalog(call))

    def set_access(self, call: Call) -> Answer:
        """Replaces what was before; answers what is now."""
        catalog = self._catalog(call)
        if not call.may(_PUBLISH, catalog):
            raise forbidden()
        body = call.read_body(ACCESS_STEM)
        if body is None:
            raise bad_request("Bad request: a body of type ControlAccessParams is expected")
        catalog.shared = self._read(body)
        call.effect = True
        return self._answer(call, catalog)

    def publish(self, call: Call) -> Answer:
        """To all organizations, or to none; 204. For who publishes catalogs in the whole cloud."""
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

    def _catalog(self, call: Call) -> Entity:
        """The catalog, which must be of the organization that the path names."""
        uuid = call.parameters["id"].lower()
        catalog = self.cloud.store.find(KINDS["catalog"], uuid, call.home)
        org = call.parameters.get("org")
        if not call.sees(catalog) or (org is not None and catalog.organization.uuid != org.lower()):
            raise no_access(KINDS["catalog"].urn, uuid)
        call.entity = catalog.uuid
        return catalog

    def _answer(self, call: Call, catalog: Entity) -> Answer:
        subjects = {uuid: one for uuid in catalog.shared if (one := self.cloud.store.get(uuid)) is not None}
        return call.reply(control_access(self.cloud.references, catalog, subjects), ACCESS_STEM)

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
        if found is None or found.kind.name not in ("user", "org"):
            raise Refusal(400, "INVALID_REFERENCE", f"The reference {text} does not lead to a user or organization.")
        return found


def _level(value: Any) -> str:
    if value not in LEVELS:
        raise bad_request(f"Invalid access level: {value}; it takes one of {', '.join(LEVELS)}")
    return str(value)
