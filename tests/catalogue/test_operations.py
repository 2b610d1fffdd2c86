"""The data: every operation is there and complete."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from bridge.catalogue.kinds import KINDS
from bridge.catalogue.load import as_json, load
from bridge.catalogue.operation import AnswerShape, BodyRule, Lane, Operation

CATALOGUE = load()
OPERATIONS = tuple(CATALOGUE.values())
HERE = Path(__file__).parent


def facts() -> dict[str, dict[str, str]]:
    """What VMware's API pages and public clients say of each operation, as it was collected from them."""
    with (HERE / "facts.csv").open(newline="") as file:
        return {row["operation_name"]: row for row in csv.DictReader(file)}


DEPRECATED_BY_PAGE = {
    "updateOrgVdcNetwork": "PUT-OrgVdcNetwork", "createOrgVdcNetwork": "POST-CreateOrgVdcNetwork",
    "deleteOrgVdcNetwork": "DELETE-Network-AdminView", "deleteExternalNetwork": "DELETE-ExternalNetwork",
}  # fmt: skip
"""Deprecated since 35.0 by the operation's own page (developer.broadcom.com, latest/doc/operations), which the
collection does not have."""
UNKNOWN = "unsourced"


def test_every_fact_is_taken_over() -> None:
    collected = facts()
    assert set(CATALOGUE) == set(collected)
    assert len(collected) == 202
    for operation in OPERATIONS:
        fact = collected[operation.name]
        told = {
            "operation_name": operation.name,
            "method": operation.method,
            "path": operation.path,
            "body_type": operation.body_type or ("none" if operation.body_rule is BodyRule.NONE else UNKNOWN),
            "media_type": operation.media_type or "none",
            "since": operation.since or "",
            "deprecated": operation.deprecated or "",
            "on_task_page": "yes" if operation.on_task_page else "",
            "vcd_operation_name": operation.vcd_operation_name or "",
        }
        if fact["media_type"] == UNKNOWN:
            told["media_type"] = {"application/*+json": UNKNOWN}[told["media_type"]]
        if operation.name in DEPRECATED_BY_PAGE:
            assert (fact["deprecated"], told.pop("deprecated")) == ("", "35.0")
            fact = {name: value for name, value in fact.items() if name != "deprecated"}
            assert f"/{DEPRECATED_BY_PAGE[operation.name]}.html" in operation.source
        assert told == fact


def decision(operation: Operation) -> str:
    """Everything of an operation that is no collected fact, in one line."""
    parts = {
        "answer": operation.answer.value,
        **{parameter.name: "|".join(parameter.kinds) or "text" for parameter in operation.parameters},
        "query": "|".join(operation.query),
        "body": operation.body_rule.value,
        "entity": operation.entity,
        "lane": operation.lane.value,
        "created": operation.created_name,
        "key": operation.key_field,
        "task_sign": operation.task_sign.value,
        "removed": operation.removed,
        "stream": operation.stream,
        "destructive": "yes" if operation.destructive else "no",
        "when": " or ".join(map(str, operation.destructive_when)),
        "recovery": operation.recovery.value,
        "probe": f"GET {operation.probe.path}, {operation.probe}" if operation.probe is not None else None,
    }
    return operation.name + ": " + "; ".join(f"{name}={value}" for name, value in parts.items() if value)


def test_every_decision_is_the_golden_one() -> None:
    assert [decision(operation) for operation in OPERATIONS] == (HERE / "operations.golden").read_text().splitlines()


def test_no_source_is_named_twice() -> None:
    for operation in OPERATIONS:
        pages = [re.split(r" [\[(]", part)[0] for part in operation.source.split("; ")]
        assert len(pages) == len(set(pages)), operation.name


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
        "failBlockingTask", "updateBlockingTaskProgress", "updateTask",
    }  # fmt: skip


def test_lanes() -> None:
    for operation in OPERATIONS:
        assert (operation.entity is not None) == (operation.lane is Lane.ENTITY), operation.name
    without = {operation.name for operation in OPERATIONS if operation.lane is Lane.NONE}
    creates = {operation.name for operation in OPERATIONS if operation.created_name}
    assert without - creates == {
        "getTask", "getTasksList", "listBlockingTasks", "createExternalTask", "createStandaloneVm",
        "instantiateVmFromTemplate", "importVmIntoExistingVApp",
    }  # fmt: skip
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


# --- the document of ``operations --json`` ------------------------------------------------------------------------


def test_as_json_has_exactly_the_pinned_members_in_plain_types() -> None:
    for operation in OPERATIONS:
        document = as_json(operation)
        assert list(document) == [
            "name", "method", "path", "parameters", "query", "body_type", "media_type", "answer", "lane", "recovery",
            "destructive", "since", "deprecated", "removed", "vcd_operation_name",
        ]  # fmt: skip
        assert {type(value) for value in document.values()} <= {str, list, bool, type(None)}
