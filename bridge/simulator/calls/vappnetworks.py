"""Networks inside vApps, which have addresses like those of vDCs: ``/network/{id}``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from bridge.catalogue.operation import Operation
from bridge.simulator.calls import beyond
from bridge.simulator.calls.actions import Actions, operation_target
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents.compute import networks
from bridge.simulator.protocol.exchange import Answer, JsonObject, no_access
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.references import References
from bridge.simulator.state.vapps import VAppNetwork, find_network

_Build = Callable[[References, Entity, VAppNetwork], JsonObject]
_BEYOND = (
    beyond.operation("resetVAppNetwork", "POST", "/admin/network/{id}/action/reset"),
    beyond.operation("syncVAppNetworkSyslogSettings", "POST", "/admin/network/{id}/action/syncSyslogServerSettings"),
)


def routes(cloud: Cloud, actions: Actions, operations: Iterable[Operation]) -> Iterator[tuple[str, str, Target]]:
    """Method, path and target; they come before those of vDCs' networks and take the ids of vApps' only."""
    calls = VAppNetworkCalls(cloud, actions)
    for operation in (*(one for one in operations if one.name in ("updateVAppNetwork", "deleteNetwork")), *_BEYOND):
        target = replace(operation_target(operation, actions), collection="vApp", handle=calls.perform)
        yield operation.method, f"/api{operation.path}", replace(target, takes=calls.knows)
    for tail, build in (("", networks.network_document), ("/allocatedAddresses", networks.allocated_addresses)):
        stem = networks.ADDRESSES_STEM if tail else networks.NETWORK_STEM
        target = Target("getVAppNetwork", calls.reader(stem, build), collection="vApp", takes=calls.knows)
        for view in ("network", "admin/network"):  # the query adminVAppNetwork names the latter
            yield "GET", f"/api/{view}/{{id}}{tail}", target


class VAppNetworkCalls:
    """Calls of a network in a vApp; its Tasks are the vApp's."""

    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def knows(self, uuid: str) -> bool:
        store = self.cloud.store
        return store.get(uuid.lower()) is None and find_network(store, uuid.lower()) is not None

    def reader(self, stem: str, build: _Build) -> Callable[[Call], Answer]:
        def read(call: Call) -> Answer:
            vapp, network = self._found(call)
            return call.reply(build(self.cloud.references, vapp, network), stem)

        return read

    def perform(self, call: Call) -> Answer:
        vapp, network = self._found(call)
        call.parameters = {"id": f"{vapp.kind.prefix}{vapp.uuid}", "network": network.uuid}
        return self.actions.perform(call)

    def _found(self, call: Call) -> tuple[Entity, VAppNetwork]:
        uuid = call.parameters["id"].lower()
        found = find_network(self.cloud.store, uuid)
        if found is None or not call.sees(found[0]):
            raise no_access("network", uuid)
        return found
