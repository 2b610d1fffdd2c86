"""The virtual hardware versions of a vDC, below ``/vdc/{id}/hwv``."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.simulator.calls.actions import Actions
from bridge.simulator.calls.call import Call, Target
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents.estate.hardware_version import (
    HARDWARE_VERSIONS,
    LIST_STEM,
    STEM,
    hardware_version,
    hardware_versions,
)
from bridge.simulator.protocol.exchange import Answer, Refusal, no_access
from bridge.simulator.state.entities import Entity


class HardwareVersions:
    def __init__(self, cloud: Cloud, actions: Actions) -> None:
        self.cloud = cloud
        self.actions = actions

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        path = "/api/vdc/{id}/hwv"
        yield "GET", path, Target("listHardwareVersions", self.list_all, collection="vdc")
        yield "GET", f"{path}/{{name}}", Target("getHardwareVersion", self.get, collection="vdc")

    def list_all(self, call: Call) -> Answer:
        return call.reply(hardware_versions(self.cloud.references, self._vdc(call)), LIST_STEM)

    def get(self, call: Call) -> Answer:
        vdc, name = self._vdc(call), call.parameters["name"]
        if name not in HARDWARE_VERSIONS:
            raise no_access("virtualHardwareVersion", name)
        return call.reply(hardware_version(self.cloud.references, vdc, name), STEM)

    def _vdc(self, call: Call) -> Entity:
        vdc = self.actions.addressed(call)
        if vdc is None:
            raise Refusal(404, "RESOURCE_NOT_FOUND", "Resource not found")
        return vdc
