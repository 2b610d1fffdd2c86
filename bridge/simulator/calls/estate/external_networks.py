"""External networks: changed by the provider at once; made and deleted by operations with a Task.

Source: VMWExternalNetworkType of the VCD schemas; pyvcloud's platform.py and external_network.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridge.catalogue.operation import AnswerShape
from bridge.simulator.calls import beyond
from bridge.simulator.calls.actions import Actions, operation_target
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.calls.effects.estate.networks import write_external
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, JsonObject, Refusal, bad_request, forbidden
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.kinds import KINDS

_KIND = KINDS["externalNetwork"]
_COLLECTION = _KIND.collections[0]
_CREATE = replace(
    beyond.operation("createExternalNetwork", "POST", "/admin/extension/externalnets", body_type="VMWExternalNetwork",
                     answer=AnswerShape.ENTITY), media_type=f"{_KIND.media_stem}+json")  # fmt: skip
"""Answers with the new one, its Task inside (go-vcloud-director system.go)."""


class ExternalNetworks:
    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        yield "POST", "/api/admin/extension/externalnets", operation_target(_CREATE, self.actions)
        update = Target("updateExternalNetwork", self.update, changes=True, collection=_COLLECTION)
        yield "PUT", f"/api/{_COLLECTION}/{{id}}", update

    def update(self, call: Call) -> Answer:
        network = self.actions.addressed(call)
        if network is None:
            raise forbidden()
        body, name = self._body(call)
        if name != network.name:
            self._refuse_taken(name)
            self.cloud.store.rename(network, name)
        write_external(network, body)
        return self._answer(call, network)

    def _refuse_taken(self, name: str) -> None:
        if any(one.name == name for one in self.cloud.store.of_kind(_KIND.name)):
            raise Refusal(400, "DUPLICATE_NAME", f"The name {name} already exists.")

    @staticmethod
    def _body(call: Call) -> tuple[JsonObject, str]:
        body = call.read_body(_KIND.media_stem) or {}
        if not isinstance(body.get("name"), str) or not body["name"]:
            raise bad_request("Bad request: name is required")
        return body, body["name"]

    def _answer(self, call: Call, network: Entity) -> Answer:
        call.effect = True
        documents, view = self.cloud.documents, call.view(network)
        return call.reply(documents.entity(network, view), documents.stem(network, view))
