"""Every field that the catalogue names exists in VCD's own types."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from bridge.catalogue.load import load
from bridge.catalogue.operation import Operation
from bridge.catalogue.probes import Probe

OPERATIONS = tuple(load().values())
HERE = Path(__file__).parent


def json_types() -> dict[str, dict[str, str]]:
    """Type -> field -> type, the JSON keys of API 36 (attribute maps of the PyPI package vcd-api-schemas-type 10.3)."""
    types = {}
    for line in (HERE / "json_fields.golden").read_text().splitlines():
        name, *fields = line.split()
        types[name] = dict(field.split(":", 1) for field in fields)
    return types


TYPES = json_types()
NEWER = {"trustedPlatformModule.tpmPresent": "element of VmType since API 37.2 (VMware's type pages Vm and Tpm)"}


def ends_at(type_name: str, steps: Iterable[str]) -> str | None:
    """The type of a field, through lists; None where there is no such field."""
    for name in steps:
        if name not in TYPES.get(type_name, {}):
            return None
        type_name = TYPES[type_name][name].removeprefix("list[").removesuffix("]")
    return type_name


def body_type(operation: Operation) -> str:
    odd = {
        "EdgeGateway": "GatewayType",
        "UpdateProviderVdcStorageProfiles": "UpdateProviderVdcStorageProfilesParamsType",
    }
    return odd.get(operation.body_type or "", f"{operation.body_type}Type".removeprefix("ovf:"))


def document_types(probe: Probe, operation: Operation) -> list[str]:
    """Types of the document that the probe's GET can answer with."""
    by_path = {
        "/task/{id}": ["TaskType"], "/vdc/{id}": ["VdcType"], "/admin/vdc/{id}": ["AdminVdcType"],
        "/admin/org/{id}": ["AdminOrgType"], "/org": ["OrgListType"], "/admin/network/{id}": ["OrgVdcNetworkType"],
        "/vdc/{id}/vmAffinityRules": ["VmAffinityRulesType"], "/admin/edgeGateway/{id}": ["GatewayType"],
    }  # fmt: skip
    if probe.path.endswith("/metadata"):
        return ["MetadataType"]
    by_kind = {"vapp": "VAppType", "vm": "VmType"}
    return by_path.get(probe.path) or [by_kind[kind] for kind in operation.parameters[0].kinds]


@pytest.mark.parametrize("operation", [op for op in OPERATIONS if op.probe and op.probe.field], ids=lambda op: op.name)
def test_probed_fields_exist(operation: Operation) -> None:
    probe = operation.probe
    assert probe is not None
    if probe.field in NEWER:
        return
    for document in document_types(probe, operation):
        names = [step.name for step in probe.steps]
        assert ends_at(document, names) is not None
        last = probe.steps[-1]
        if last.key is not None:
            assert ends_at(document, [*names, last.key]) == "str"


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        pytest.param(operation, field, id=f"{operation.name}:{field}")
        for operation in OPERATIONS
        for field in (
            operation.created_name, operation.key_field, *(one.field for one in operation.destructive_when),
        )
        if field is not None
    ],
)  # fmt: skip
def test_named_body_fields_exist(operation: Operation, field: str) -> None:
    assert ends_at(body_type(operation), field.split(".")) is not None


def test_conditions_have_the_type_of_their_field() -> None:
    """A flag is compared with a flag, a word with a word, and only a list can be empty."""
    for operation in OPERATIONS:
        for condition in operation.destructive_when:
            *way, last = condition.field.split(".")
            holder = ends_at(body_type(operation), way)
            kind = TYPES[holder or ""][last]
            match condition.value:
                case bool():
                    assert kind == "bool"
                case str():
                    assert kind == "str"
                case ():
                    assert kind.startswith("list[")
                case None:
                    assert kind not in {"bool", "str"}
