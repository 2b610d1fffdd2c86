"""JSON bodies are read by their type: what can be meant is taken, what cannot is refused before anything happens."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bridge.catalogue.types import Primitive, load_types
from bridge.simulator.protocol.exchange import JsonObject, Refusal
from bridge.simulator.protocol.json_reader import from_json
from tests.simulator.driver import VAPP, VDC, VM, Caller, Cloud
from tests.simulator.test_vapps import NETWORK, TEMPLATE, TEMPLATE_VM, vm_reference


@pytest.mark.parametrize(
    ("name", "body", "read"),
    [
        ("DeployVAppParamsType", {"powerOn": "true", "deploymentLeaseSeconds": "60"},
         {"powerOn": True, "deploymentLeaseSeconds": 60}),
        ("DeployVAppParamsType", {"powerOn": None, "deploymentLeaseSeconds": ""}, {}),
        ("CreateSnapshotParamsType", {"name": 5, "memory": 1}, {"name": "5", "memory": True}),
        ("ovf:RASD_Type", {"virtualQuantity": 4, "elementName": {"value": "x"}},
         {"virtualQuantity": 4, "elementName": {"value": "x"}}),
        ("MetadataDateTimeValue", {"value": "2026-01-31T18:00:00+01:00"}, {"value": "2026-01-31T18:00:00+0100"}),
        ("MetadataDateTimeValue", {"value": "2026-01-31T18:00:00Z"}, {"value": "2026-01-31T18:00:00+0000"}),
        ("VmType", {"section": [None, {"_type": "VmSpecSectionType", "numCpus": "4"}], "unheardOf": [1]},
         {"section": [{"_type": "VmSpecSectionType", "numCpus": 4}], "unheardOf": [1]}),
    ],
)  # fmt: skip
def test_what_can_be_meant(name: str, body: JsonObject, read: JsonObject) -> None:
    assert from_json(body, name) == read


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("DeployVAppParamsType", {"powerOn": "maybe"}, "powerOn takes true or false"),
        ("DeployVAppParamsType", {"deploymentLeaseSeconds": "soon"}, "deploymentLeaseSeconds takes a whole number"),
        ("DeployVAppParamsType", {"deploymentLeaseSeconds": True}, "takes a number"),
        ("CreateSnapshotParamsType", {"name": ["x"]}, "name takes a simple value"),
        ("RecomposeVAppParamsType", {"deleteItem": {"href": "x"}}, "deleteItem takes an array"),
        ("RecomposeVAppParamsType", {"createItem": [{"section": [
            {"_type": "VmSpecSectionType", "diskSection": {"diskSettings": ["x"]}}]}]},
         "createItem.section.diskSection.diskSettings takes an object"),
    ],
)  # fmt: skip
def test_what_cannot(name: str, body: JsonObject, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        from_json(body, name)


def test_a_refused_body_makes_no_task(cloud: Cloud, admin: Caller) -> None:
    assert admin.call("POST", f"/vApp/{VAPP}/action/deploy", {"powerOn": {}}).status == 400
    assert cloud.director.ledger.after(0)[-1]["task"] is None


CALLS = (
    ("PUT", f"/vApp/{VM}/virtualHardwareSection", "ovf:VirtualHardwareSection_Type"),
    ("PUT", f"/vApp/{VM}/virtualHardwareSection/cpu", "ovf:RASD_Type"),
    ("PUT", f"/vApp/{VM}/virtualHardwareSection/disks", "RasdItemsListType"),
    ("PUT", f"/vApp/{VM}/networkConnectionSection", "NetworkConnectionSectionType"),
    ("POST", f"/vApp/{VM}/action/reconfigureVm", "VmType"),
    ("PUT", f"/vApp/{VAPP}/networkConfigSection", "NetworkConfigSectionType"),
    ("PUT", f"/vApp/{VAPP}/startupSection", "ovf:StartupSection_Type"),
    ("POST", f"/vApp/{VAPP}/action/recomposeVApp", "RecomposeVAppParamsType"),
    ("POST", f"/vdc/{VDC}/action/composeVApp", "ComposeVAppParamsType"),
    ("POST", f"/vdc/{VDC}/action/createVm", "CreateVmParamsType"),
    ("POST", f"/vApp/{VAPP}/action/controlAccess", "ControlAccessParamsType"),
)
JUNK: tuple[Any, ...] = (None, "x", 5, -1, 2**70, True, [], {}, [1], [[]], {"value": None}, {"href": 5}, 1.5, "")
SECTIONS = ("NetworkConnectionSectionType", "NetworkConfigSectionType", "VmSpecSectionType", "LeaseSettingsSectionType")


class Rubbish:
    """Bodies that are nearly right."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)  # a seed, not a secret

    def document(self, name: str, depth: int = 0) -> JsonObject:
        if depth > 6:
            return {}
        fields = [one for one in load_types()[name].fields if one.key not in ("link", "tasks", "vCloudExtension")]
        return {one.key: self._value(one.type, one.many, depth) for one in fields if self.draw.random() < 0.6}

    def _value(self, kind: str, many: bool, depth: int) -> Any:
        if self.draw.random() < 0.005:
            return self.draw.choice(JUNK)
        return [self._one(kind, depth) for _ in range(self.draw.randrange(3))] if many else self._one(kind, depth)

    def _one(self, kind: str, depth: int) -> Any:
        if kind == "ReferenceType":
            return self.draw.choice((vm_reference(), vm_reference(VAPP), TEMPLATE, TEMPLATE_VM, NETWORK))
        if kind == "ovf:Section_Type":
            name = self.draw.choice(SECTIONS)
            return {"_type": name, **self.document(name, depth + 1)}
        if kind in load_types():
            return self.document(kind, depth + 1)
        match load_types().primitive(kind):
            case Primitive.BOOLEAN:
                return self.draw.random() < 0.5
            case Primitive.INTEGER | Primitive.NUMBER:
                return self.draw.choice((0, 1, 3, 500, -1))
            case _:
                return self.draw.choice(("POOL", "MANUAL", "net-1", "inner", "3", "17", "2000", "10.0.0.9", ""))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_comes_the_simulator_stands(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    cloud, rubbish = Cloud(busy=False), Rubbish(seed)
    admin, taken = cloud.log_in(), 0
    for method, path, name in CALLS:
        status = admin.call(method, path, rubbish.document(name)).status
        assert status < 500
        taken += status < 300
        cloud.wait(11)
        for form in ("json", "xml"):
            assert admin.call("GET", f"/vApp/{VAPP}", accept=f"application/*+{form};version=39.0").status == 200
    assert taken > 2, "much of it is right"
    assert capsys.readouterr().err == ""
