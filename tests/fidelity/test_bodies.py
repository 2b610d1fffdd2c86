"""What requests may send, held to VMware's generated classes: the examples, key by key."""

from __future__ import annotations

from collections import Counter

from bridge.catalogue.examples import example_of
from bridge.catalogue.load import load
from tests.fidelity.conformity.keys import problems

CATALOGUE = load()
NEWER = {
    "editTrustedPlatformModule": "TpmType is of API 37.2 (VMware's type page)",
    "failoverReplicationTrackingVm": "VmFailoverParamsType is of API 38.0 (VMware's type page)",
}
"""Operations whose bodies no class knows, and where they are from."""
NAMELESS = {"updateVmCpu": "ovf:RASD_Type", "updateVmMemory": "ovf:RASD_Type"}
"""Bodies of an element that has its type from another one."""
SHARED = "resourceType: ResourceType has no key value"
"""CIM's class ``ResourceType`` has the key, VCD's of the same name is found in its place."""


def test_every_example_has_only_keys_that_the_generated_classes_know() -> None:
    found, judged = [], 0
    for operation in CATALOGUE.values():
        example = example_of(operation)
        if example is None or operation.name in NEWER:
            continue
        known = CATALOGUE.bodies.type_of(operation)
        name = NAMELESS.get(operation.name) or (known.name if known is not None else "")
        found += [f"{operation.name}: {one}" for one in problems(example, name, Counter())]
        judged += 1
    assert [one for one in found if SHARED not in one] == []
    assert judged > 100
