"""External networks: made and changed by the provider, at once; their deletion is an operation with a Task.

Source: VMWExternalNetworkType of the VCD schemas; pyvcloud's platform.py and external_network.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.simulator.calls.actions import Actions
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.effects.networks import as_scopes
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, forbidden
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.kinds import KINDS

_KIND = KINDS["externalNetwork"]
_COLLECTION = _KIND.collections[0]


class ExternalNetworks:
    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        create = Target("createExternalNetwork", self.create, changes=True)
        yield "POST", "/api/admin/extension/externalnets", create
        update = Target("updateExternalNetwork", self.update, changes=True, collection=_COLLECTION)
        yield "PUT", f"/api/{_COLLECTION}/{{id}}", update

    def create(self, call: Call) -> Answer:
        """201 with the new one."""
        if not call.is_provider:
            raise forbidden()
        body, name = self._body(call)
        self._refuse_taken(name)
        network = Entity(kind=_KIND, uuid=self.cloud.new_uuid(), name=name, org=call.user.org, status=1,
                         created_at=call.now)  # fmt: skip
        self._write(network, body)
        self.cloud.store.add(network)
        return self._answer(call, network, 201)

    def update(self, call: Call) -> Answer:
        network = self.actions.addressed(call)
        if network is None:
            raise forbidden()
        body, name = self._body(call)
        if name != network.name:
            self._refuse_taken(name)
            self.cloud.store.rename(network, name)
        self._write(network, body)
        return self._answer(call, network, 200)

    def _refuse_taken(self, name: str) -> None:
        if any(one.name == name for one in self.cloud.store.of_kind(_KIND.name)):
            raise Refusal(400, "DUPLICATE_NAME", f"The name {name} already exists.")

    @staticmethod
    def _write(network: Entity, body: JsonObject) -> None:
        if isinstance(body.get("description"), str):
            network.description = body["description"]
        said = dict(body.get("configuration") or {})
        as_scopes(said)
        network.properties["configuration"] = {**(network.properties.get("configuration") or {}), **said}

    @staticmethod
    def _body(call: Call) -> tuple[JsonObject, str]:
        body = call.read_body(_KIND.media_stem) or {}
        if not isinstance(body.get("name"), str) or not body["name"]:
            raise bad_request("Bad request: name is required")
        return body, body["name"]

    def _answer(self, call: Call, network: Entity, status: int) -> Answer:
        call.effect = True
        documents, view = self.cloud.documents, call.view(network)
        headers = [("Location", self.cloud.references.href(network))] if status == 201 else None
        return call.reply(documents.entity(network, view), documents.stem(network, view), status, headers)
