"""The data: every operation is there, complete, and decided by name where a second call could hurt."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bridge.catalogue.kinds import KINDS
from bridge.catalogue.load import as_json, load
from bridge.catalogue.operation import AnswerShape, BodyRule, Lane, Operation, Recovery

CATALOGUE = load()
OPERATIONS = tuple(CATALOGUE.values())
HERE = Path(__file__).parent

IDEMPOTENT, PROBE, KEYED, NEVER = Recovery.IDEMPOTENT, Recovery.PROBE, Recovery.KEYED, Recovery.NEVER_RETRY


def golden() -> dict[str, tuple[str, ...]]:
    """name -> method, path, ``task-page`` or ``-``, media type or ``-``."""
    lines = (HERE / "operations.golden").read_text().splitlines()
    return {name: tuple(rest) for name, *rest in map(str.split, lines)}


def test_the_catalogue_is_exactly_the_golden_list() -> None:
    unsourced = {"repairNetworkPool", "syncNetworkPool"}
    found = {
        operation.name: (
            operation.method,
            operation.path,
            "task-page" if operation.on_task_page else "-",
            operation.media_type if operation.media_type and operation.name not in unsourced else "-",
        )
        for operation in OPERATIONS
    }
    assert found == golden()
    assert len(found) == 202


def test_the_86_posts_of_the_task_page_are_there() -> None:
    on_page = [operation for operation in OPERATIONS if operation.on_task_page]
    assert len(on_page) == 86
    assert {operation.method for operation in on_page} == {"POST"}


def test_every_parameter_has_a_kind_or_is_known_to_be_text() -> None:
    texts = {(p.name, op.path.split("/{", 1)[0]) for op in OPERATIONS for p in op.parameters if not p.kinds}
    assert {name for name, _ in texts} == {"key", "groupName"}
    used = {kind for operation in OPERATIONS for p in operation.parameters for kind in p.kinds}
    assert used == set(KINDS)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("deployVApp", ("vapp", "vm")), ("createSnapshot", ("vapp", "vm")), ("deleteVApp", ("vapp", "vm")),
        ("mergeVAppMetadata", ("vapp", "vm")), ("updateVApp", ("vapp",)), ("updateVm", ("vm",)),
        ("recomposeVApp", ("vapp",)), ("updateVAppStartupSection", ("vapp",)), ("reconfigureVm", ("vm",)),
        ("attachDisk", ("vm",)), ("updateVmCpu", ("vm",)), ("consolidateVm", ("vm",)),
        ("deleteVAppTemplate", ("vappTemplate",)), ("relocateVAppTemplateVm", ("templateVm",)),
        ("mergeVAppTemplateMetadata", ("vappTemplate", "templateVm")), ("deleteShadowVm", ("shadowVm",)),
        ("deleteVdc", ("vdc",)), ("deleteVdcAdminView", ("vdc",)), ("createExternalTask", ("org",)),
    ],
)  # fmt: skip
def test_kinds_of_the_paths_that_several_kinds_share(name: str, kinds: tuple[str, ...]) -> None:
    assert CATALOGUE[name].parameters[0].kinds == kinds


def test_query_parameters_are_those_that_are_documented() -> None:
    with_query = {operation.name: operation.query for operation in OPERATIONS if operation.query}
    assert with_query == dict.fromkeys(
        ("deleteVApp", "deleteVdc", "deleteVdcAdminView", "deleteEdgeGateway", "deleteOrgVdcNetwork"),
        ("force", "recursive"),
    )


def test_a_body_is_optional_only_where_every_field_has_a_default_or_nothing_is_known() -> None:
    optional = {operation.name for operation in OPERATIONS if operation.body_rule is BodyRule.OPTIONAL}
    assert optional == {"deployVApp", "undeployVApp", "createSnapshot", "repairNetworkPool", "syncNetworkPool"}


def test_answers_with_the_entity_are_those_of_creates() -> None:
    shapes = Counter(operation.answer for operation in OPERATIONS)
    assert shapes[AnswerShape.ENTITY] == 14
    assert {op.name for op in OPERATIONS if op.answer is AnswerShape.SYNCHRONOUS} == {
        "getTask", "getTasksList", "listBlockingTasks", "cancelTask", "resumeBlockingTask", "abortBlockingTask",
        "failBlockingTask", "updateBlockingTaskProgress",
    }  # fmt: skip


def test_lanes() -> None:
    for operation in OPERATIONS:
        assert (operation.entity is not None) == (operation.lane is Lane.ENTITY), operation.name
    without = {operation.name for operation in OPERATIONS if operation.lane is Lane.NONE}
    creates = {operation.name for operation in OPERATIONS if operation.created_name}
    assert without - creates == {"getTask", "getTasksList", "listBlockingTasks", "createExternalTask"}
    assert creates <= without


def test_operations_of_other_streams() -> None:
    assert {operation.name: operation.stream for operation in OPERATIONS if operation.stream} == {
        "cancelTask": "action_requests", "createExternalTask": "external_tasks", "updateTask": "external_tasks",
        "resumeBlockingTask": "approvals", "abortBlockingTask": "approvals", "failBlockingTask": "approvals",
        "updateBlockingTaskProgress": "approvals",
    }  # fmt: skip


def test_operation_names_are_only_the_sourced_ones() -> None:
    assert {op.name: op.vcd_operation_name for op in OPERATIONS if op.vcd_operation_name} == {
        "deployVApp": "vappDeploy", "undeployVApp": "vappUndeployPowerOff", "createSnapshot": "vappCreateSnapshot",
        "deleteVApp": "vdcDeleteVapp", "deleteVAppTemplate": "libraryDeleteBacking", "deleteDisk": "vdcDeleteDisk",
        "instantiateVAppTemplate": "vdcInstantiateVapp", "composeVApp": "vdcComposeVapp",
    }  # fmt: skip


def test_versions() -> None:
    assert CATALOGUE["convertToAdvancedGateway"].deprecated == "32.0", "product 9.7 is API 32.0"
    assert CATALOGUE["failoverReplicationTrackingVm"].since == "38.0"
    assert CATALOGUE["moveDisk"].since == "36.0"
    assert sum(operation.deprecated is not None for operation in OPERATIONS) == 17


# --- recovery -----------------------------------------------------------------------------------------------------

DANGEROUS: dict[Recovery, str] = {
    NEVER: """
        createSnapshot revertToCurrentSnapshot removeAllSnapshots discardSuspendedState rebootVApp resetVApp
        detachDisk ejectMedia installVMwareTools consolidateVm reconfigureVm recomposeVApp updateVmDisks
        updateVmVirtualHardwareSection updateVmNetworkCards relocateVm relocateVAppTemplateVm moveDisk moveVApp
        moveCatalogItem convertStandAloneVmToVApp convertToReplicationTrackingVm failoverReplicationTrackingVm
        instantiateVAppTemplate composeVApp cloneVApp instantiateOvf createStandaloneVm instantiateVmFromTemplate
        registerVApp captureVAppToCatalog captureVAppToVdc cloneVAppTemplate uploadVAppTemplate cloneMedia
        copyCatalogItem importVmIntoExistingVApp createOrgVdc instantiateVdcTemplate createExternalTask
        expireVAppsRuntimeLease expireVAppsStorageLease expireVAppTemplatesStorageLease
        regenerateOrgAssociationKeyPair regenerateSiteAssociationKeyPair addOrgAssociation addSiteAssociation
        migrateTenant mergeProviderVdcs migrateResourcePoolVms updateProviderVdcResourcePools
        updateProviderVdcStorageProfiles updateVdcStorageProfiles repairNetworkPool syncNetworkPool resetNetwork
        redeployEdgeGateway upgradeEdgeGatewayConfig resumeBlockingTask abortBlockingTask failBlockingTask
    """,
    PROBE: """
        deployVApp undeployVApp powerOnVApp powerOffVApp shutdownVApp suspendVApp enableNestedHypervisor
        disableNestedHypervisor editTrustedPlatformModule convertToAdvancedGateway modifyEdgeGatewayFormFactor
        forceDeleteStrandedItem unregisterVimServer
    """,
    KEYED: """
        createDisk createMedia createOrgVdcNetwork createEdgeGateway createCatalog createOrg createVmGroup
        createVmGroupTenantView createVmAffinityRule createVmHostAffinityRule
    """,
}


def decided() -> dict[str, Recovery]:
    return {name: recovery for recovery, names in DANGEROUS.items() for name in names.split()}


def test_every_operation_that_could_hurt_is_decided_by_name() -> None:
    """What is not named here is a whole value that is set, a switch, a reading, or a deletion by id."""
    by_name = decided()
    rest = [operation for operation in OPERATIONS if operation.name not in by_name]
    assert {name: CATALOGUE[name].recovery for name in by_name} == by_name
    assert {op.recovery for op in rest if op.method == "DELETE"} == {PROBE}
    assert {op.recovery for op in rest if op.method != "DELETE"} == {IDEMPOTENT}


def test_no_create_is_called_twice_without_being_recognised() -> None:
    for operation in OPERATIONS:
        if operation.created_name is not None:
            assert operation.recovery in {NEVER, KEYED}, operation.name


@pytest.mark.parametrize(
    ("name", "path", "field", "value"),
    [
        ("deployVApp", "/vApp/{id}", "status", "4"),
        ("undeployVApp", "/vApp/{id}", "deployed", "false"),
        ("suspendVApp", "/vApp/{id}", "status", "3"),
        ("deleteVApp", "/vApp/{id}", "", "absent"),
        ("deleteVAppMetadataItem", "/vApp/{id}/metadata", "metadataEntry[key={key}]", "absent"),
        ("removeOrgAssociation", "/admin/org/{id}/associations/{associationId}", "", "absent"),
        ("modifyEdgeGatewayFormFactor", "/admin/edgeGateway/{id}", "configuration.gatewayBackingConfig",
         "body:gatewayType"),
    ],
)  # fmt: skip
def test_probes(name: str, path: str, field: str, value: str) -> None:
    probe = CATALOGUE[name].probe
    assert probe is not None
    assert (probe.path, probe.field, probe.value) == (path, field, value)


def test_reasons_are_specific() -> None:
    """The same reason serves a family (metadata, deletions) or two twins, never a heap of unlike operations."""
    reasons = Counter(operation.recovery_reason for operation in OPERATIONS)
    for reason, times in reasons.items():
        sharing = [operation for operation in OPERATIONS if operation.recovery_reason == reason]
        metadata = all("metadata" in operation.path for operation in sharing)
        assert times <= 3 or metadata, (reason, [operation.name for operation in sharing])
        assert len(reason) >= 35 or all(operation.method == "GET" for operation in sharing), reason
        assert not reason.endswith("."), reason


# --- destructive --------------------------------------------------------------------------------------------------


def test_destructive_operations() -> None:
    """All deletions, and by name what removes or overwrites for good. What a guest holds only in memory does not count,
    nor does a setting that can be set again."""
    assert {operation.name for operation in OPERATIONS if operation.destructive and operation.method != "DELETE"} == {
        "createSnapshot", "revertToCurrentSnapshot", "removeAllSnapshots", "discardSuspendedState",
        "upgradeVmHardwareVersion", "convertToReplicationTrackingVm", "failoverReplicationTrackingVm", "reconfigureVm",
        "recomposeVApp", "updateVmDisks", "updateVmVirtualHardwareSection", "editTrustedPlatformModule",
        "convertToAdvancedGateway", "upgradeEdgeGatewayConfig", "forceDeleteStrandedItem", "unregisterVimServer",
        "mergeProviderVdcs", "regenerateOrgAssociationKeyPair", "regenerateSiteAssociationKeyPair",
        "expireVAppsStorageLease", "expireVAppTemplatesStorageLease",
    }  # fmt: skip
    conditional = {op.name: op.destructive_when for op in OPERATIONS if op.destructive_when}
    assert conditional == dict.fromkeys(("captureVAppToCatalog", "captureVAppToVdc"), "targetCatalogItem")


# --- JSON field names ---------------------------------------------------------------------------------------------


def json_types() -> dict[str, dict[str, str]]:
    """Type -> field -> type, the JSON keys of API 36 (attribute maps of the PyPI package vcd-api-schemas-type 10.3)."""
    types = {}
    for line in (HERE / "json_fields.golden").read_text().splitlines():
        name, *fields = line.split()
        types[name] = dict(field.split(":", 1) for field in fields)
    return types


TYPES = json_types()
NEWER = {"trustedPlatformModule.tpmPresent": "element of VmType since API 37.2 (VMware's type pages Vm and Tpm)"}


def resolves(type_name: str, dotted: str) -> bool:
    for step in dotted.split("."):
        name, _, selector = step.partition("[")
        if name not in TYPES[type_name]:
            return False
        type_name = TYPES[type_name][name].removeprefix("list[").removesuffix("]")
        if selector and selector.split("=", 1)[0] not in TYPES[type_name]:
            return False
    return True


def document_types(operation: Operation) -> list[str]:
    """Types of the document that the probe's GET can answer with."""
    assert operation.probe is not None
    if operation.probe.path.endswith("/metadata"):
        return ["MetadataType"]
    by_kind = {"vapp": "VAppType", "vm": "VmType", "edgeGateway": "GatewayType"}
    return [by_kind[kind] for kind in operation.parameters[0].kinds]


@pytest.mark.parametrize("operation", [op for op in OPERATIONS if op.probe and op.probe.field], ids=lambda op: op.name)
def test_probed_fields_exist(operation: Operation) -> None:
    assert operation.probe is not None
    if operation.probe.field not in NEWER:
        assert all(resolves(name, operation.probe.field) for name in document_types(operation))


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        pytest.param(operation, field, id=f"{operation.name}:{field}")
        for operation in OPERATIONS
        for field in (operation.created_name, operation.key_field, operation.destructive_when)
        if field is not None
    ],
)
def test_named_body_fields_exist(operation: Operation, field: str) -> None:
    body_type = {"EdgeGateway": "GatewayType"}.get(operation.body_type or "", f"{operation.body_type}Type")
    assert resolves(body_type, field)


# --- the document of ``operations --json`` ------------------------------------------------------------------------


def test_as_json_has_exactly_the_pinned_members_in_plain_types() -> None:
    for operation in OPERATIONS:
        document = as_json(operation)
        assert list(document) == [
            "name", "method", "path", "parameters", "query", "body_type", "media_type", "answer", "lane", "recovery",
            "destructive", "since", "deprecated", "removed", "vcd_operation_name",
        ]  # fmt: skip
        assert {type(value) for value in document.values()} <= {str, list, bool, type(None)}
