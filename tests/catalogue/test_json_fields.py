"""Every field that the catalogue names exists in VCD's own types."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bridge.catalogue.load import load
from bridge.catalogue.operation import Operation
from bridge.catalogue.probes import Probe
from bridge.catalogue.types import Field, Primitive, load_types

CATALOGUE = load()
OPERATIONS = tuple(CATALOGUE.values())
TYPES = load_types()


def field_at(type_name: str, steps: Iterable[str]) -> Field | None:
    """The field at the end of a way through objects and lists; None where there is none."""
    field = None
    for name in steps:
        field = TYPES[type_name].by_key.get(name) if type_name in TYPES else None
        if field is None:
            return None
        type_name = field.type
    return field


def body_type(operation: Operation) -> str:
    found = CATALOGUE.bodies.type_of(operation)
    assert found is not None
    return found.name


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
    for document in document_types(probe, operation):
        names = [step.name for step in probe.steps]
        assert field_at(document, names) is not None
        last = probe.steps[-1]
        if last.key is not None:
            key = field_at(document, [*names, last.key])
            assert key is not None
            assert TYPES.primitive(key.type) is Primitive.STRING


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
    assert field_at(body_type(operation), field.split(".")) is not None


def test_conditions_have_the_type_of_their_field() -> None:
    """A flag is compared with a flag, a word with a word, and only a list can be empty."""
    for operation in OPERATIONS:
        for condition in operation.destructive_when:
            field = field_at(body_type(operation), condition.field.split("."))
            assert field is not None
            kind = TYPES.primitive(field.type)
            match condition.value:
                case bool():
                    assert kind is Primitive.BOOLEAN
                case str():
                    assert kind is Primitive.STRING
                case ():
                    assert field.many
                case None:
                    assert kind is None
