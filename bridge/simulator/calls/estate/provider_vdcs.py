"""Provider vDCs are made by the provider.

Source: VMWProviderVdcParamsType of the VCD schemas; pyvcloud's platform.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridge.simulator.calls.call import Call, Target
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, Refusal, bad_request, forbidden
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.kinds import KINDS

_PARAMS_STEM = "application/vnd.vmware.admin.createProviderVdcParams"
_PATH = "admin/extension/providervdcsparams"
_VDC = "admin/extension/providervdc"


class ProviderVdcs:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def routes(self) -> Iterator[tuple[str, str, Target]]:
        yield "POST", f"/api/{_PATH}", Target("createProviderVdc", self.create, changes=True)
        yield "PUT", f"/api/{_VDC}/{{id}}", Target("updateProviderVdc", self.update, changes=True, collection=_VDC)

    def create(self, call: Call) -> Answer:
        """201 with the new one in the provider's view; storage policies that it names and nobody has are made too."""
        if not call.is_provider:
            raise forbidden()
        body = call.read_body(_PARAMS_STEM, "vmext:VMWProviderVdcParamsType") or {}
        name, store = body.get("name"), self.cloud.store
        if not isinstance(name, str) or not name:
            raise bad_request("Bad request: name is required")
        if any(one.name == name for one in store.of_kind("providervdc")):
            raise Refusal(400, "DUPLICATE_NAME", f"The name {name} already exists.")
        known = {one.name for one in store.of_kind("pvdcStorageProfile")}
        for profile in body.get("storageProfile") or ():
            if profile not in known:
                self._add("pvdcStorageProfile", str(profile), call)
        made = self._add("providervdc", name, call)
        made.description = str(body.get("description") or "")
        made.properties["isEnabled"] = body.get("isEnabled") is not False
        call.effect = True
        documents, view = self.cloud.documents, replace(call.view(made), admin=True, extension=True)
        headers = [("Location", self.cloud.references.extension_href(made))]
        return call.reply(documents.entity(made, view), documents.stem(made, view), 201, headers)

    def update(self, call: Call) -> Answer:
        """Name, description and whether it is enabled, at once."""
        vdc = self.cloud.store.find(KINDS["providervdc"], call.parameters["id"].lower(), None)
        if not call.is_provider:
            raise forbidden()
        documents, view = self.cloud.documents, call.view(vdc)
        body = call.read_body(documents.stem(vdc, view)) or {}
        if isinstance(body.get("name"), str) and body["name"] not in ("", vdc.name):
            self.cloud.store.rename(vdc, body["name"])
        vdc.description = str(body.get("description") or "")
        if isinstance(body.get("isEnabled"), bool):
            vdc.properties["isEnabled"] = body["isEnabled"]
        call.effect = True
        return call.reply(documents.entity(vdc, view), documents.stem(vdc, view))

    def _add(self, kind: str, name: str, call: Call) -> Entity:
        return self.cloud.store.add(
            Entity(kind=KINDS[kind], uuid=self.cloud.new_uuid(), name=name, org=call.user.org, status=1,
                   created_at=call.now)
        )  # fmt: skip
