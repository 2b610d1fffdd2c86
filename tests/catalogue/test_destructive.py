"""What removes or overwrites for good: always, or by what its body says."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.catalogue.load import load
from bridge.catalogue.operation import Destroys
from bridge.core.policy import what_destroys

CATALOGUE = load()
OPERATIONS = tuple(CATALOGUE.values())


def test_destructive_operations() -> None:
    """All deletions, and by name what removes or overwrites for good. What a guest holds only in memory does not count,
    nor does a setting that can be set again."""
    metadata = {op.name for op in OPERATIONS if op.body_type in {"Metadata", "MetadataValue"}}
    assert len(metadata) == 25
    whole = {operation.name for operation in OPERATIONS if operation.destructive and operation.method != "DELETE"}
    assert whole == metadata | {
        "createSnapshot", "revertToCurrentSnapshot", "removeAllSnapshots", "discardSuspendedState",
        "upgradeVmHardwareVersion", "convertToReplicationTrackingVm", "failoverReplicationTrackingVm", "reconfigureVm",
        "recomposeVApp", "updateVmDisks", "updateVmVirtualHardwareSection", "editTrustedPlatformModule",
        "convertToAdvancedGateway", "upgradeEdgeGatewayConfig", "forceDeleteStrandedItem", "unregisterVimServer",
        "mergeProviderVdcs", "regenerateOrgAssociationKeyPair", "regenerateSiteAssociationKeyPair",
        "expireVAppsStorageLease", "expireVAppTemplatesStorageLease", "convertStandAloneVmToVApp",
    }  # fmt: skip


DELETES: list[tuple[str, list[Any], list[Any]]] = [
    ("undeployVApp", [{"undeployPowerAction": "force"}, {"undeployPowerAction": " FORCE "}],
     [{}, {"undeployPowerAction": "powerOff"}, {"undeployPowerAction": None}]),
    ("captureVAppToCatalog", [{"targetCatalogItem": {"href": "x"}}], [{"name": "gold"}, {"targetCatalogItem": None}]),
    ("captureVAppToVdc", [{"targetCatalogItem": {"href": "x"}}], [{"name": "gold"}]),
    ("cloneVApp", [{"isSourceDelete": True}, {"isSourceDelete": "true"}, {"isSourceDelete": 1},
                   {"sourcedItem": [{}, {"sourceDelete": True}]}],
     [{}, {"isSourceDelete": False}, {"isSourceDelete": "False"}, {"sourcedItem": [{"sourceDelete": False}]}]),
    ("instantiateVAppTemplate", [{"isSourceDelete": True}, {"sourcedItem": {"sourceDelete": True}}],
     [{"sourcedItem": []}]),
    ("cloneMedia", [{"isSourceDelete": True}], [{"name": "x"}]),
    ("cloneVAppTemplate", [{"isSourceDelete": True}], [{"isSourceDelete": None}]),
    ("composeVApp", [{"sourcedItem": [{"sourceDelete": True}]}, {"sourcedItem": [[{"sourceDelete": "TRUE"}]]}],
     [{"sourcedItem": [{"source": {}}, None, "odd"]}, {"sourceDelete": True}]),
    ("importVmIntoExistingVApp", [{"sourceMove": True}], [{"sourceMove": False}]),
    ("updateVdcStorageProfiles", [{"removeStorageProfile": [{"href": "x"}]}, {"removeStorageProfile": {"href": "x"}}],
     [{"addStorageProfile": [{}]}, {"removeStorageProfile": []}, {"removeStorageProfile": None}]),
    ("updateProviderVdcStorageProfiles", [{"removeStorageProfile": [{"href": "x"}]}], [{"removeStorageProfile": []}]),
    ("updateVmNetworkCards", [{}, {"item": []}, {"item": None}], [{"item": [{}]}]),
    ("updateVAppNetworkConfigSection", [{}, {"networkConfig": []}], [{"networkConfig": [{}]}]),
    ("updateVAppTemplateNetworkConfigSection", [{"networkConfig": []}], [{"networkConfig": {"networkName": "a"}}]),
    ("updateVmNetworkConnectionSection", [{"networkConnection": []}], [{"networkConnection": [{}]}]),
    ("updateVAppTemplateNetworkConnectionSection", [{"networkConnection": []}], [{"networkConnection": [{}]}]),
    ("updateVAppProductSections", [{"productSection": []}], [{"productSection": [{}]}]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "bodies", "harmless"), DELETES, ids=[name for name, *_ in DELETES])
def test_a_body_can_make_a_call_destructive(name: str, bodies: list[Any], harmless: list[Any]) -> None:
    for body in bodies:
        told = what_destroys(CATALOGUE[name], body)
        assert told is not None, body
        assert told.startswith(f"{name} with body."), told
    for body in harmless:
        assert what_destroys(CATALOGUE[name], body) is None, body


def test_every_condition_of_the_catalogue_is_in_that_table() -> None:
    assert {name for name, *_ in DELETES} == {op.name for op in OPERATIONS if op.destructive_when}


def test_a_condition_reads_as_it_is_meant() -> None:
    assert str(Destroys("item", ())) == "body.item empty or missing"
    assert str(Destroys("isSourceDelete", True)) == "body.isSourceDelete = true"
    assert str(Destroys("undeployPowerAction", "force")) == 'body.undeployPowerAction = "force"'
    assert str(Destroys("targetCatalogItem")) == "body.targetCatalogItem"
