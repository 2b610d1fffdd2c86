"""Bodies of requests against the types of VCD's documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.catalogue.bodies import MOST_PROBLEMS, ProblemKind
from bridge.catalogue.load import load
from bridge.catalogue.operation import BodyRule
from bridge.catalogue.outline import body_fields
from bridge.catalogue.shapes import SUPERSEDED, Shapes, Slot
from bridge.catalogue.types import load_types

CATALOGUE = load()
BODIES = CATALOGUE.bodies
WITH_BODY = [one for one in CATALOGUE.values() if one.body_rule is not BodyRule.NONE]
CHECKED = [one for one in WITH_BODY if BODIES.checked_type(one) is not None]
SHAPES = Shapes(load_types())
SOURCE = {"href": "https://vcd.example.com/api/vAppTemplate/vappTemplate-1"}


def told(operation: str, body: Mapping[str, Any], *, pass_unknown: bool = False) -> list[str]:
    problems = BODIES.problems(CATALOGUE[operation], body, pass_unknown=pass_unknown)
    assert all(problem.message.startswith(f"`{problem.path}`") for problem in problems)
    return [problem.message for problem in problems]


def with_section(**section: Any) -> dict[str, Any]:
    return {"name": "web", "source": SOURCE, "instantiationParams": {"section": [section]}}


SECTION = "instantiationParams.section[0]"
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("undeployVApp", {"undeployPowerActoin": "force"},
     "`undeployPowerActoin` is no key of UndeployVAppParams; did you mean `undeployPowerAction`?"),
    ("undeployVApp", {"UndeployPowerAction": "force"},
     "`UndeployPowerAction` is no key of UndeployVAppParams; did you mean `undeployPowerAction`?"),
    ("createDisk", {"disk": {"name": "n", "sizeMb": 1}, "sizeMB": 1},
     "`sizeMB` is no key of DiskCreateParams; did you mean `disk.sizeMb`?"),
    ("deployVApp", {"x": 1},
     "`x` is no key of DeployVAppParams; it takes `powerOn`, `deploymentLeaseSeconds`, `forceCustomization`"),
    ("cloneVApp", {"name": "copy"}, "`source` is missing"),
    ("cloneVApp", {"name": "copy", "source": None}, "`source` is missing"),
    ("cloneVApp", {"name": "copy", "source": {"name": "web"}}, "`source.href` is missing"),
    ("createDisk", {"disk": {"name": "n"}}, "`disk.size` is missing (or `sizeMb`)"),
    ("configureEdgeGatewayServices",
     {"networkService": [{"_type": "NatServiceType", "natRule": [{"isEnabled": True}]}]},
     "`networkService[0].natRule[0].gatewayNatRule` is missing (or `oneToOneBasicRule`, `oneToOneVmRule`, "
     "`portForwardingRule`, `vmRule`)"),
    ("cloneVApp", {"source": [SOURCE]}, "`source` must be an object, not an array"),
    ("deployVApp", {"powerOn": "later"}, "`powerOn` must be true or false, not text"),
    ("deployVApp", {"deploymentLeaseSeconds": True}, "`deploymentLeaseSeconds` must be a whole number, not true"),
    ("deployVApp", {"deploymentLeaseSeconds": 1.5}, "`deploymentLeaseSeconds` must be a whole number, not a number"),
    ("createSnapshot", {"name": {"value": "n"}}, "`name` must be text, not an object"),
    ("mergeVAppMetadata", {"metadataEntry": {"key": "k"}}, "`metadataEntry` must be an array, not an object"),
    ("mergeVAppMetadata", {"metadataEntry": [{"key": "k"}, "k"]}, "`metadataEntry[1]` must be an object, not text"),
    ("createVmAffinityRule", {"polarity": "together", "vmReferences": {"vmReference": []}},
     "`polarity` must be Affinity or Anti-Affinity, not 'together'"),
    ("updateVAppLeaseSettingsSection", {"_type": "NetworkConfigSectionType"},
     "`_type` 'NetworkConfigSectionType' is no type that fits here; did you mean `LeaseSettingsSectionType`?"),
    ("instantiateVAppTemplate", with_section(_type="NetworkConfigSection"),
     f"`{SECTION}._type` 'NetworkConfigSection' is no type that fits here; did you mean `NetworkConfigSectionType`?"),
    ("instantiateVAppTemplate", with_section(_type=1), f"`{SECTION}._type` must be text, not a number"),
    ("instantiateVAppTemplate", with_section(networkConfig=[]),
     f"`{SECTION}._type` is missing; it says which kind this is, e.g. `NetworkConfigSectionType`"),
    ("instantiateVAppTemplate", with_section(_type="NetworkConfigSectionType", networkConfig=[{"networkName": "n"}]),
     f"`{SECTION}.networkConfig[0].configuration` is missing"),
    ("setVAppMetadataItem", {"typedValue": {"_type": "MetadataStringVlaue", "value": "v"}},
     "`typedValue._type` 'MetadataStringVlaue' is no type that fits here; did you mean `MetadataStringValue`?"),
    ("createMedia", {"name": "n", "size": 1}, "`imageType` is missing"),
    ("updateMedia", {"size": 1}, "`name` is missing"),
    ("updateVm", {"name": "n", "guestCustomizationSection": {"enabled": True}},
     "`guestCustomizationSection` is no key of Vm; did you mean `section[0]` with `_type` "
     "`GuestCustomizationSectionType`?"),
    ("captureVAppToCatalog", {"source": SOURCE, "customizeOnInstantiate": True},
     "`customizeOnInstantiate` is no key of CaptureVAppParams; did you mean `section[0].customizeOnInstantiate` with "
     "`_type` `CustomizationSectionType`?"),
    ("setVAppMetadataItem", {"MetadataStringValue": {"value": "v"}},
     "`MetadataStringValue` is no key of MetadataValue; did you mean `typedValue` with `_type` `MetadataStringValue`?"),
    ("deployVApp", {"_type": "UndeployVAppParamsType"},
     "`_type` 'UndeployVAppParamsType' is no type that fits here; did you mean `DeployVAppParamsType`?"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "body", "message"), WRONG)
def test_what_is_wrong_is_told_with_its_place_and_what_would_be_right(
    operation: str, body: dict[str, Any], message: str
) -> None:
    assert told(operation, body) == [message]


NIC = {"network": "n", "needsCustomization": True, "networkConnectionIndex": 0, "ipAddress": "any", "isConnected": True,
       "ipAddressAllocationMode": "DHCP", "networkAdapterType": "VMXNET3"}  # fmt: skip
"""As clients in the field send it."""
TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("deployVApp", {}),
    ("deployVApp", {"powerOn": "true", "deploymentLeaseSeconds": "3600", "forceCustomization": ""}),
    ("deployVApp", {"powerOn": None, "unknown": None, "also": {"unknown": None, "and": [None]}}),
    ("createSnapshot", {"name": 7, "memory": 0}),
    ("cloneVApp", {"source": {**SOURCE, "otherAttributes": {"x": 1}, "vCloudExtension": [], "id": None}}),
    ("deployVApp", {"otherAttributes": {"anything": [1]}, "_type": "DeployVAppParamsType"}),
    ("updateVmNetworkConnectionSection", {"networkConnection": [], "vCloudExtension": [], "otherAttributes": {}}),
    ("updateVmBootOptions", {"efiSecureBootEnabled": True}),
    ("createCatalog", {"name": "images", "distributedCatalogParams": {"whatever": 1}}),
    ("mergeVAppMetadata", {"metadataEntry": [None, {"key": "k", "domain": {"visibility": None}}]}),
    ("instantiateVAppTemplate", with_section(_type="OperatingSystemSectionType", whatever=1)),
    ("instantiateVAppTemplate", with_section(_type="NetworkConfigSectionType", info="as it may be")),
    ("updateVmDisks", {"item": [{"whatever": 1}]}),
    ("updateVmCpu", {"whatever": 1}),
    ("editTrustedPlatformModule", {"tpmPresent": True}),
    ("convertToReplicationTrackingVm", {"whatever": 1}),
    ("moveVApp", {"source": SOURCE}),
    ("createDisk", {"disk": {"name": "n", "size": 1}}),
    ("failoverReplicationTrackingVm", {}),
    ("updateMedia", {"name": "n"}),
    (
        "updateVmNetworkConnectionSection",
        {
            "_type": "NetworkConnectionSectionType",
            "networkConnection": [{**NIC, "ipType": "IPV_4", "secondaryIpAddressAllocationMode": "NONE"}],
        },
    ),
    (
        "instantiateOvf",
        {
            "name": "n",
            "powerOn": False,
            "allEULAsAccepted": True,
            "instantiateOvfProperty": [{"key": "k", "value": "v"}],
            "instantiateVmParams": [
                {
                    "id": "n",
                    "computerName": "n",
                    "vdcStorageProfile": SOURCE,
                    "networkConnectionSection": {"_type": "NetworkConnectionSectionType", "networkConnection": [NIC]},
                    "hardwareCustomization": {"numberOfCpus": 2, "coresPerSocket": 1, "memorySize": 1024},
                }
            ],
        },
    ),
    (
        "createOrgVdc",
        {
            "name": "n",
            "description": None,
            "isEnabled": True,
            "allocationModel": "Flex",
            "computeCapacity": {
                "cpu": {"units": "MHz", "limit": 0, "allocated": 2000},
                "memory": {"units": "MB", "limit": 1, "allocated": 1},
            },
            "vCpuInMhz": 1000,
            "resourceGuaranteedCpu": 0.05,
            "providerVdcReference": SOURCE,
            "vmQuota": 100,
            "vdcStorageProfile": [
                {
                    "default": True,
                    "_default": True,
                    "enabled": True,
                    "units": "MB",
                    "limit": 1,
                    "providerVdcStorageProfile": SOURCE,
                },
            ],
        },
    ),
]


@pytest.mark.parametrize(("operation", "body"), TAKEN)
def test_what_vcd_may_take_is_passed_on(operation: str, body: dict[str, Any]) -> None:
    assert told(operation, body) == []


def test_unknown_keys_pass_where_that_is_wanted_and_nothing_else_does() -> None:
    body = {"name": "web", "newKey": 1, **with_section(_type="NewerSectionType", x=1), "source": {"x": 1}}
    assert told("instantiateVAppTemplate", body, pass_unknown=True) == ["`source.href` is missing"]
    assert len(told("instantiateVAppTemplate", body)) == 4
    assert told("deployVApp", {"new": 1, "powerOn": []}, pass_unknown=True) != []
    newer = {"polarity": "Soft-Affinity", "vmReferences": {"vmReference": []}}
    assert told("createVmAffinityRule", newer) != []
    assert told("createVmAffinityRule", newer, pass_unknown=True) == []


def test_several_problems_are_told_at_once_and_not_without_end() -> None:
    body = {f"key{number}": 1 for number in range(100_000)}
    problems = BODIES.problems(CATALOGUE["deployVApp"], body)
    assert len(problems) == MOST_PROBLEMS
    assert {problem.kind for problem in problems} == {ProblemKind.UNKNOWN_KEY}
    entries = {"metadataEntry": [1] * 100_000}
    assert len(BODIES.problems(CATALOGUE["mergeVAppMetadata"], entries)) == MOST_PROBLEMS
    several = told("cloneVApp", {"source": {}, "deploy": "perhaps", "nmae": "copy"})
    assert [one.split("`")[1] for one in several] == ["deploy", "nmae", "source.href"]


def test_no_depth_and_no_length_breaks_it() -> None:
    task: dict[str, Any] = {}
    for _ in range(20_000):
        task = {"tasks": {"task": [task]}, "name": "t", "status": "running"}
    (problem, *_) = BODIES.problems(CATALOGUE["updateTask"], task)
    assert problem.kind is ProblemKind.MISSING_KEY
    assert len(problem.message) < 300
    assert len(told("deployVApp", {"x" * 100_000: 1})[0]) < 300
    while task:  # taken apart by hand: freeing it whole would recurse as deep
        task = task.pop("tasks", {"task": [{}]})["task"].pop()


def test_a_message_has_nothing_of_what_was_given_for_a_secret() -> None:
    body = {"adminPassword": {"is": "hunter2"}, "enabled": "hunter2", "hunter": None}
    assert not any("hunter2" in one for one in told("updateVmGuestCustomizationSection", body))


def test_an_update_needs_no_hardware_version() -> None:
    assert not told("reconfigureVm", {"name": "vm", "section": [{"_type": "VmSpecSectionType", "numCpus": 2}]})


def test_what_stands_for_a_required_key_is_known_to_its_type() -> None:
    types = load_types()
    for (name, old), new in SUPERSEDED.items():
        assert types[name].by_key[old].required
        assert types[name].by_key[new].newer


# --- any type -----------------------------------------------------------------------------------------------------

_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(max_size=3) | st.integers(0, 9),
    "true or false": st.sampled_from([True, False, "true", "False"]),
    "a whole number": st.integers(-5, 5) | st.sampled_from(["7", 2.0]),
    "a number": st.floats(0, 9) | st.just("1.5"),
    "a time": st.just("2026-01-31T18:00:00.000Z"),
    "anything": st.just({"x": [1]}),  # null all the way down would count as not given
}


@st.composite
def bodies(draw: st.DrawFn, name: str, depth: int = 3) -> dict[str, Any]:
    """A body of the type: all that must be there, and of the rest what is drawn."""
    shape = SHAPES[name]
    if shape.type.abstract:
        name = draw(st.sampled_from(sorted(SHAPES.kin(name).values())))
        shape = SHAPES[name]
        return draw(bodies(name, depth)) | {"_type": shape.type.json_name}
    if shape.foreign:
        return {"whatever": 1}
    keys = {draw(st.sampled_from(group)) for group in shape.needed}
    if depth > 0:
        keys |= set(draw(st.lists(st.sampled_from(sorted(shape.slots)), max_size=2)))
    return {key: draw(_value(shape.slots[key], depth - 1)) for key in sorted(keys)}


def _value(slot: Slot, depth: int) -> st.SearchStrategy[Any]:
    one = st.sampled_from(slot.choices) if slot.choices else _SCALARS.get(slot.wanted)
    if slot.shape is not None:
        one = bodies(slot.shape, depth)
    assert one is not None
    if not slot.many:
        return one if slot.wanted != "anything" else st.just({"x": 1})
    return st.lists(one, min_size=1, max_size=2)


def objects(name: str, value: Any, at: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every object of a body whose keys are known: its type, its path, itself."""
    named = SHAPES.kin(name).get(value.get("_type"), name)
    shape = SHAPES[named]
    if shape.foreign:
        return
    yield named, at, value
    for key, inner in value.items():
        slot = shape.slots.get(key)
        if slot is None or slot.shape is None:
            continue
        path = f"{at}.{key}" if at else key
        members = [(f"{path}[{n}]", one) for n, one in enumerate(inner)] if slot.many else [(path, inner)]
        for where, one in members:
            yield from objects(slot.shape, one, where)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), operation=st.sampled_from(CHECKED))
def test_a_body_of_any_type_passes_and_a_misspelt_key_is_told_with_the_right_one(
    data: st.DataObject, operation: Any
) -> None:
    kind = BODIES.checked_type(operation)
    assert kind is not None
    body = data.draw(bodies(kind.name))
    assert BODIES.problems(operation, body) == ()
    named, at, inner = data.draw(st.sampled_from(list(objects(kind.name, body))))
    right = data.draw(st.sampled_from(sorted(key for key in SHAPES[named].slots if key[0].isalpha())))
    inner[right[:1].swapcase() + right[1:]] = 1
    misspelt = f"{at}.{right[:1].swapcase()}{right[1:]}".removeprefix(".")
    messages = {problem.path: problem.message for problem in BODIES.problems(operation, body)}
    assert messages[misspelt].endswith(f"; did you mean `{right}`?")


def test_the_outline_demands_what_the_check_demands() -> None:
    required = {
        name: {one.key for one in body_fields(BODIES, CATALOGUE[name]) if one.required}
        for name in ("createMedia", "updateMedia")
    }
    assert required == {"createMedia": {"name", "imageType", "size"}, "updateMedia": {"name"}}
