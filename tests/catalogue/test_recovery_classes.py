"""What may be done when an answer was lost: decided by name wherever a second call could hurt."""

from __future__ import annotations

from collections import Counter

from bridge.catalogue.load import load
from bridge.catalogue.operation import Recovery, TaskSign

CATALOGUE = load()
OPERATIONS = tuple(CATALOGUE.values())
IDEMPOTENT, PROBE, KEYED, NEVER = Recovery.IDEMPOTENT, Recovery.PROBE, Recovery.KEYED, Recovery.NEVER_RETRY
DECISION = Recovery.DECISION

DANGEROUS: dict[Recovery, str] = {
    NEVER: """
        createSnapshot revertToCurrentSnapshot removeAllSnapshots discardSuspendedState rebootVApp resetVApp
        attachDisk detachDisk insertMedia ejectMedia installVMwareTools consolidateVm reconfigureVm recomposeVApp
        updateVmDisks updateVmVirtualHardwareSection updateVmNetworkCards updateVmNetworkConnectionSection relocateVm
        relocateVAppTemplateVm moveDisk moveVApp moveCatalogItem convertStandAloneVmToVApp
        convertToReplicationTrackingVm failoverReplicationTrackingVm instantiateVAppTemplate composeVApp cloneVApp
        instantiateOvf createStandaloneVm instantiateVmFromTemplate registerVApp captureVAppToCatalog captureVAppToVdc
        cloneVAppTemplate uploadVAppTemplate cloneMedia copyCatalogItem importVmIntoExistingVApp createOrgVdc
        instantiateVdcTemplate createExternalTask expireVAppsRuntimeLease expireVAppsStorageLease
        expireVAppTemplatesStorageLease regenerateOrgAssociationKeyPair regenerateSiteAssociationKeyPair
        addOrgAssociation addSiteAssociation migrateTenant mergeProviderVdcs migrateResourcePoolVms
        updateProviderVdcResourcePools updateProviderVdcStorageProfiles updateVdcStorageProfiles repairNetworkPool
        syncNetworkPool resetNetwork redeployEdgeGateway upgradeEdgeGatewayConfig convertNetworkToInternalInterface
        forceVimServerReconnect addVmsToNamedVmGroup removeVmsFromNamedVmGroup
    """,
    DECISION: "resumeBlockingTask abortBlockingTask failBlockingTask",
    PROBE: """
        deployVApp undeployVApp powerOnVApp powerOffVApp shutdownVApp suspendVApp enableNestedHypervisor
        disableNestedHypervisor editTrustedPlatformModule convertToAdvancedGateway modifyEdgeGatewayFormFactor
        forceDeleteStrandedItem unregisterVimServer convertNetworkToDistributedInterface convertNetworkToSubInterface
        updateTask
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


def test_what_a_repeat_could_destroy_is_disproved_by_nothing() -> None:
    """Somebody may have acted since: a machine started again, a key set again, trust set up again."""
    proved_only = {op.name for op in OPERATIONS if op.probe is not None and not op.probe.disproved_by}
    metadata = {op.name for op in OPERATIONS if op.method == "DELETE" and "/metadata/" in op.path}
    assert len(metadata) == 12
    assert proved_only == metadata | {"powerOffVApp", "undeployVApp", "removeSiteAssociation", "removeOrgAssociation"}


def test_a_new_entity_that_is_there_is_not_taken_for_ours() -> None:
    """A name proves nothing: somebody else may have made the entity. Only that it is not there says something."""
    probed = {op.name for op in OPERATIONS if op.recovery is KEYED and op.probe is not None}
    assert probed == {
        "createDisk", "createMedia", "createOrgVdcNetwork", "createCatalog", "createOrg", "createVmAffinityRule",
    }  # fmt: skip
    for name in probed:
        probe = CATALOGUE[name].probe
        assert probe is not None
        assert (probe.proved_by, probe.disproved_by) == ((), ("absent",))
        assert probe.steps[-1].body == CATALOGUE[name].created_name


def test_what_no_task_can_be_found_of_is_never_repeated_blindly() -> None:
    """Its Task belongs to something that neither path nor body names by an id."""
    hidden = {op.name for op in OPERATIONS if op.makes_task and op.task_sign is TaskSign.NONE}
    assert hidden == {
        "addVmsToNamedVmGroup", "removeVmsFromNamedVmGroup", "addSiteAssociation", "regenerateSiteAssociationKeyPair",
        "migrateTenant", "createStandaloneVm", "instantiateVmFromTemplate", "importVmIntoExistingVApp",
        "createExternalTask",
    }  # fmt: skip
    assert {CATALOGUE[name].recovery for name in hidden} == {NEVER}


def test_a_task_is_told_by_its_entity_or_by_the_name_of_what_is_new() -> None:
    for operation in OPERATIONS:
        match operation.task_sign:
            case TaskSign.ENTITY:
                assert operation.entity is not None
                assert operation.created_name is None
            case TaskSign.NAME:
                assert operation.entity is None
                assert operation.created_name is not None
            case TaskSign.NONE:
                assert operation.created_name is None


def test_reasons_are_specific() -> None:
    """The same reason serves a family (metadata, deletions) or two twins, never a heap of unlike operations."""
    reasons = Counter(operation.recovery_reason for operation in OPERATIONS)
    for reason, times in reasons.items():
        sharing = [operation for operation in OPERATIONS if operation.recovery_reason == reason]
        metadata = all("metadata" in operation.path for operation in sharing)
        assert times <= 3 or metadata, (reason, [operation.name for operation in sharing])
        assert len(reason) >= 35 or all(operation.method == "GET" for operation in sharing), reason
        assert not reason.endswith("."), reason
