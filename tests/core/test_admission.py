"""The judge of requests: what is admitted and how, what is refused and why."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.catalogue.examples import example_of
from bridge.catalogue.load import Catalogue, load
from bridge.core import admission, content, entity_ids, policy
from bridge.core.admission import CODES, Admission, AdmissionContext, Policy, Rejection, Streams, judge, lane_of
from bridge.core.coordinates import Birth
from bridge.core.requests import ActionRequest, JsonValue

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
BIRTH = Birth("vcd.action-requests", 3, 17)
UUID = "6c0d9722-80a6-4f19-b676-72ebf48e4e71"
VM, VAPP = f"vm-{UUID}", f"vapp-{UUID}"
DESTRUCTIVE = Policy(allow_destructive=True)


TOPICS = {"external_tasks": "it.tasks", "approvals": "it.approvals", "action_requests": "it.requests"}


def ask(
    operation: str | None,
    *,
    policy: Policy = DESTRUCTIVE,
    version: str = "39.1",
    here: str = "action_requests",
    apart: frozenset[str] = frozenset(),
    is_provider: bool = True,
    **fields: Any,
) -> Any:
    request = ActionRequest(**{"request_id": "CHG-1", "operation": operation, **fields})
    context = AdmissionContext(
        api_version=version,
        own_hosts=frozenset({"vcd.example.com"}),
        policy=policy,
        streams=Streams(here=here, topics=TOPICS, apart=apart),
        is_provider=is_provider,
    )
    return judge(request, birth=BIRTH, now=NOW, catalogue=load(), context=context)


def admitted(operation: str, **fields: Any) -> Admission:
    verdict = ask(operation, **fields)
    assert isinstance(verdict, Admission), verdict
    return verdict


# --- admitted -----------------------------------------------------------------------------------------------------


def test_a_call_is_complete_but_for_host_session_and_version() -> None:
    verdict = admitted(
        "createSnapshot", parameters={"id": f"urn:vcloud:vm:{UUID}"}, body={"memory": True, "name": "größe"}
    )
    stored = verdict.stored
    assert (stored.birth, stored.method, stored.path) == (BIRTH, "POST", f"/vApp/{VM}/action/createSnapshot")
    assert stored.media_type == "application/vnd.vmware.vcloud.createSnapshotParams+json"
    assert stored.body == '{"memory":true,"name":"größe"}'
    assert verdict.entity == verdict.lane == f"/vApp/{VM}"
    assert verdict.created_name is None
    assert not verdict.deprecated


def test_a_body_whose_fields_all_have_defaults_is_sent_empty_when_none_is_given() -> None:
    without = admitted("createSnapshot", parameters={"id": VM})
    empty = admitted("createSnapshot", parameters={"id": VM}, body={})
    assert without.stored == empty.stored
    assert without.stored.body == "{}"
    assert without.content_hash == empty.content_hash


def test_a_call_without_body() -> None:
    stored = admitted("powerOnVApp", parameters={"id": VM}).stored
    assert (stored.body, stored.media_type) == (None, None)


def test_query_switches_are_sorted_and_lower_case() -> None:
    verdict = admitted("deleteVApp", parameters={"id": VAPP}, query={"recursive": "True", "force": "false"})
    assert verdict.stored.query == (("force", "false"), ("recursive", "true"))


def test_a_create_has_no_lane_and_is_known_by_its_new_name() -> None:
    verdict = admitted("composeVApp", parameters={"id": UUID}, body={"name": "web"})
    assert (verdict.entity, verdict.lane, verdict.created_name) == (None, None, "web")
    assert verdict.stored.body == '{"name":"web"}'
    disk = admitted("createDisk", parameters={"id": UUID}, body={"disk": {"name": "data", "sizeMb": 1024}})
    assert disk.created_name == "data"
    nameless = admitted("createDisk", parameters={"id": UUID}, body={"disk": {"name": 7, "sizeMb": 1}})
    assert nameless.created_name is None


def test_operation_key_travels_where_the_body_takes_one() -> None:
    body: dict[str, JsonValue] = {"disk": {"name": "data", "sizeMb": 1}, "locality": None}
    verdict = admitted("createDisk", parameters={"id": UUID}, body=body)
    assert json.loads(verdict.stored.body or "") == {
        "disk": {"name": "data", "sizeMb": 1, "operationKey": BIRTH.operation_key},
        "locality": None,
    }
    assert body == {"disk": {"name": "data", "sizeMb": 1}, "locality": None}, "the requester's own body stays as it is"
    assert BIRTH.call_id(2) == f"{BIRTH.operation_key}-2"


def test_a_body_with_a_key_of_its_own_is_sent_as_it_is() -> None:
    body: dict[str, JsonValue] = {"disk": {"name": "data", "sizeMb": 1, "operationKey": "mine"}}
    verdict = admitted("createDisk", parameters={"id": UUID}, body=body)
    assert json.loads(verdict.stored.body or "") == body


def test_deprecated_operations_run_and_are_flagged_from_that_version_on() -> None:
    assert admitted("convertToAdvancedGateway", parameters={"id": UUID}, version="32.0").deprecated
    assert not admitted("convertToAdvancedGateway", parameters={"id": UUID}, version="31.0").deprecated


def test_start_by_in_the_past_is_not_refused() -> None:
    admitted("powerOnVApp", parameters={"id": VM}, start_by=NOW - timedelta(days=1))


# --- lanes --------------------------------------------------------------------------------------------------------


def test_two_spellings_of_one_vm_are_one_lane_and_a_vm_and_its_vapp_are_two() -> None:
    spellings = [VM, f"urn:vcloud:vm:{UUID}", f"https://vcd.example.com/api/vApp/{VM.upper().replace('VM', 'vm')}"]
    lanes = {admitted("mergeVAppMetadata", parameters={"id": one}, body={}).lane for one in spellings}
    assert lanes == {f"/vApp/{VM}"}
    assert admitted("deployVApp", parameters={"id": VAPP}).lane == f"/vApp/{VAPP}"


@pytest.mark.parametrize(
    ("operations", "lane"),
    [
        (("deleteVdc", "deleteVdcAdminView", "mergeVdcMetadata"), f"/vdc/{UUID}"),
        (("deleteNetwork", "deleteOrgVdcNetwork", "resetNetwork"), f"/network/{UUID}"),
        (("deleteProviderVdc", "mergeProviderVdcMetadata"), f"/providervdc/{UUID}"),
        (("syncCatalog", "mergeCatalogMetadata"), f"/catalog/{UUID}"),
        (("mergeOrgMetadata", "expireVAppsStorageLease"), f"/org/{UUID}"),
    ],
)
def test_the_views_of_one_entity_are_one_lane(operations: tuple[str, ...], lane: str) -> None:
    for name in operations:
        body: dict[str, JsonValue] | None = {} if load()[name].media_type else None
        assert admitted(name, parameters={"id": UUID}, body=body).lane == lane


def test_lane_of_nothing() -> None:
    assert lane_of(None) is None


# --- the same request ---------------------------------------------------------------------------------------------


def test_what_counts_for_the_same_request() -> None:
    body: dict[str, JsonValue] = {"otherAttributes": {"a": 1, "b": [1, 2]}}
    first = admitted("deployVApp", parameters={"id": VM}, body=body, organization=UUID)
    same = admitted(
        "deployVApp",
        request_id="CHG-2",
        parameters={"id": f"urn:vcloud:vm:{UUID.upper()}"},
        body={"otherAttributes": {"b": [1, 2], "a": 1}},
        organization=f"urn:vcloud:org:{UUID.upper()}",
        correlation_id="other",
        requested_by="other",
        start_by=NOW,
        watch_until=NOW + timedelta(days=1),
    )
    assert first.content_hash == same.content_hash


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {"id": VAPP}},
        {"body": {"otherAttributes": {"a": 2, "b": [1, 2]}}},
        {"body": {"otherAttributes": {"a": 1, "b": [2, 1]}}},
        {"body": {"otherAttributes": {"a": True, "b": [1, 2]}}},
        {"organization": "acme"},
        {"organization": None},
    ],
)
def test_what_makes_another_request(change: dict[str, Any]) -> None:
    body = {"otherAttributes": {"a": 1, "b": [1, 2]}}
    fields: dict[str, Any] = {"parameters": {"id": VM}, "body": body, "organization": UUID}
    assert admitted("deployVApp", **fields).content_hash != admitted("deployVApp", **{**fields, **change}).content_hash


def test_the_hash_stays_what_it_is() -> None:
    """Dedupe compares with hashes in the store: a changed canonical form must get a new version."""
    verdict = admitted("deleteVApp", parameters={"id": VAPP}, query={"force": "TRUE"}, organization="größe")
    canonical = (
        '{"body":null,"operation":"deleteVApp","organization":"größe",'
        f'"parameters":{{"id":"vapp-{UUID}"}},"query":{{"force":"true"}}}}'
    )
    assert verdict.content_hash == "1:" + hashlib.sha256(canonical.encode()).hexdigest()


def test_a_refused_request_is_still_recognised_where_its_content_is_in_order() -> None:
    good = admitted("deleteVApp", parameters={"id": VAPP})
    late = ask("deleteVApp", parameters={"id": VAPP}, watch_until=NOW)
    forbidden = ask("deleteVApp", parameters={"id": VAPP}, policy=Policy())
    assert isinstance(late, Rejection)
    assert isinstance(forbidden, Rejection)
    assert late.content_hash == forbidden.content_hash == good.content_hash
    assert ask("deleteVApp").content_hash is None


# --- refused ------------------------------------------------------------------------------------------------------

BIG = {"name": "x" * content.BODY_LIMIT_BYTES}
FITS = {"name": "x" * (content.BODY_LIMIT_BYTES - len('{"name":""}'))}
ID: dict[str, Any] = {"parameters": {"id": VM}}
ORG: dict[str, Any] = {"parameters": {"id": UUID}, "body": {"metadataEntry": []}}
OTHER = "00000000-0000-4000-8000-00000000000b"

REFUSED: list[tuple[str, str | None, dict[str, Any], str, str]] = [
    ("invalid_request_id", "deployVApp", {"request_id": None}, "request_id", "none was given"),
    ("invalid_request_id", "deployVApp", {"request_id": ""}, "request_id", "0 were given"),
    ("invalid_request_id", "deployVApp", {"request_id": "x" * 257}, "request_id", "257 were given"),
    ("invalid_request_id", "deployVApp", {"request_id": "a\nb"}, "request_id", "'a\\nb' was given"),
    ("unknown_operation", None, {}, "operation", "no operation is called ''"),
    ("unknown_operation", "", {}, "operation", "`vcd-bridge operations` lists them"),
    ("unknown_operation", "deployVapps", {}, "operation",
     "no operation is called 'deployVapps'; did you mean deployVApp"),
    ("unknown_operation", "qqqqqqqq", {}, "operation", "`vcd-bridge operations` lists them"),
    ("missing_parameter", "deployVApp", {}, "parameters.id",
     "deployVApp needs parameters.id (/vApp/{id}/action/deploy)"),
    ("missing_parameter", "removeOrgAssociation", {"parameters": {"id": UUID}}, "parameters.associationId",
     "needs parameters.associationId"),
    ("surplus_parameter", "deployVApp", {"parameters": {"id": VM, "vm": "x"}}, "parameters.vm",
     "deployVApp has no parameter 'vm' (it takes id)"),
    ("surplus_parameter", "createOrg", {"parameters": {"id": "x"}, "body": {}}, "parameters.id", "(it takes none)"),
    ("malformed_parameter", "deployVApp", {"parameters": {"id": "../x"}}, "parameters.id",
     "is not the id, URN or href"),
    ("ambiguous_parameter", "deployVApp", {"parameters": {"id": UUID}}, "parameters.id", "a vApp or VM"),
    ("unexpected_query", "deployVApp", {**ID, "query": {"force": "true"}}, "query.force",
     "deployVApp has no query parameter 'force' (it takes none)"),
    ("unexpected_query", "deleteVApp", {**ID, "query": {"a&b": "1"}}, "query.a&b", "(it takes force, recursive)"),
    ("malformed_query", "deleteVApp", {**ID, "query": {"force": "1&x=2"}}, "query.force",
     "must be true or false, '1&x=2' was given"),
    ("body_not_allowed", "powerOnVApp", {**ID, "body": {}}, "body", "powerOnVApp takes no body"),
    ("body_required", "reconfigureVm", ID, "body", "reconfigureVm needs a body (Vm)"),
    ("body_too_large", "deployVApp", {**ID, "body": BIG}, "body", "524299 bytes of JSON, VCD takes 524288"),
    ("malformed_body", "deployVApp", {**ID, "body": {"a": math.nan}}, "body", "cannot be written as JSON"),
    ("malformed_body", "deployVApp", {**ID, "body": {"a": "\ud800"}}, "body", "cannot be written as JSON"),
    ("malformed_organization", "deployVApp", {**ID, "organization": ""}, "organization", "1 to 256 printable"),
    ("malformed_organization", "deployVApp", {**ID, "organization": "a\r\nX-Evil: 1"}, "organization",
     "1 to 256 printable"),
    ("malformed_organization", "deployVApp", {**ID, "organization": f"urn:vcloud:vm:{UUID}"}, "organization",
     "is not the URN of an organization"),
    ("malformed_body", "undeployVApp", {**ID, "body": {"undeployPowerActoin": "force"}}, "body.undeployPowerActoin",
     "the body of undeployVApp: `undeployPowerActoin` is no key of UndeployVAppParams; "
     "did you mean `undeployPowerAction`?"),
    ("malformed_body", "cloneVApp", {"parameters": {"id": UUID}, "body": {"source": {"href": 1, "nmae": "n"}}},
     "body.source.nmae", "did you mean `name`?"),
    ("malformed_body", "deployVApp", {**ID, "body": {f"k{number}": 1 for number in range(9)}}, "body.k0",
     "the body of deployVApp (the first 5 problems): `k0`"),
    ("not_in_api_version", "failoverReplicationTrackingVm", {**ID, "body": {}, "version": "37.2"}, "operation",
     "failoverReplicationTrackingVm exists in API versions since 38.0; the negotiated one is 37.2"),
    ("operation_has_own_stream", "createExternalTask", {"parameters": {"id": UUID}, "body": {}}, "operation",
     "createExternalTask belongs on it.tasks"),
    ("operation_has_own_stream", "resumeBlockingTask", {}, "operation", "belongs on it.approvals"),
    ("operation_has_own_stream", "cancelTask", {"parameters": {"id": UUID}}, "operation",
     "send a record with kind = cancel and target_request_id on it.requests"),
    ("operation_not_allowed", "deployVApp", {**ID, "policy": Policy(deny_operations=("deploy*",))}, "operation",
     "policy.deny_operations names deployVApp"),
    ("operation_not_allowed", "deployVApp", {**ID, "policy": Policy(allow_operations=("power*",))}, "operation",
     "policy.allow_operations does not name deployVApp"),
    ("operation_not_allowed", "cancelTask",
     {"policy": Policy(allow_operations=("*",), deny_operations=("cancelTask",))}, "operation", "deny_operations"),
    ("destructive_not_allowed", "createSnapshot", {**ID, "policy": Policy(allow_operations=("createSnapshot",))},
     "operation", "createSnapshot is destructive, and policy.allow_destructive is off"),
    ("destructive_not_allowed", "captureVAppToCatalog",
     {"parameters": {"id": UUID}, "body": {"targetCatalogItem": {"href": "x"}}, "policy": Policy()}, "operation",
     "captureVAppToCatalog with body.targetCatalogItem is destructive"),
    ("organization_not_allowed", "deployVApp",
     {**ID, "organization": "other", "policy": Policy(organizations=("acme", "dev-*"))}, "organization",
     "policy.organizations does not allow 'other'"),
    ("organization_not_allowed", "deployVApp", {**ID, "policy": Policy(organizations=("acme",))}, "organization",
     "a request that names none"),
    ("organization_not_allowed", "mergeOrgMetadata",
     {**ORG, "organization": "acme", "policy": Policy(allow_destructive=True, organizations=("acme",))},
     "parameters.id", f"does not show that {UUID} is allowed"),
    ("organization_not_allowed", "getTasksList",
     {"parameters": {"id": UUID}, "organization": OTHER, "policy": Policy(organizations=(OTHER,))}, "parameters.id",
     f"does not show that {UUID} is allowed"),
    ("organization_not_allowed", "refreshVimServer",
     {"parameters": {"id": UUID}, "organization": "acme", "policy": Policy(organizations=("*",))}, "operation",
     "refreshVimServer reaches beyond single organizations"),
    ("provider_needed", "abortBlockingTask", {"here": "approvals", "is_provider": False}, "operation",
     "abortBlockingTask is for a login of the provider"),
    ("destructive_not_allowed", "undeployVApp",
     {**ID, "body": {"undeployPowerAction": "force"}, "policy": Policy()}, "operation",
     'undeployVApp with body.undeployPowerAction = "force" is destructive'),
    ("watch_until_past", "deployVApp", {**ID, "watch_until": NOW}, "watch_until", "was already past"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "operation", "fields", "field", "message"), REFUSED)
def test_refused_with_field_and_cause(
    code: str, operation: str | None, fields: dict[str, Any], field: str, message: str
) -> None:
    verdict = ask(operation, **fields)
    assert isinstance(verdict, Rejection), verdict
    assert (verdict.reason.code, verdict.reason.field) == (code, field)
    assert message in verdict.reason.message


@pytest.mark.parametrize("nulls", [{"powerOn": None}, {"a": {"b": None}, "c": None}])
def test_a_body_of_only_nulls_is_none_where_none_is_taken(nulls: dict[str, JsonValue]) -> None:
    """A flat record has a place for every field of every operation."""
    without = admitted("powerOnVApp", **ID)
    assert admitted("powerOnVApp", **ID, body=nulls).stored == without.stored
    assert admitted("powerOnVApp", **ID, body=nulls).content_hash == without.content_hash
    assert ask("powerOnVApp", **ID, body={**nulls, "d": 0}).reason.code == "body_not_allowed"
    assert json.loads(admitted("deployVApp", **ID, body=nulls).stored.body or "") == nulls


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    assert len((admitted("createSnapshot", **ID, body=FITS).stored.body or "").encode()) == content.BODY_LIMIT_BYTES


def test_unknown_keys_are_passed_on_where_policy_says_so() -> None:
    """The hash is that of the body either way, so a redelivery is a repeat when the policy has changed meanwhile."""
    body: dict[str, JsonValue] = {"powerOn": True, "sinceTomorrow": 1}
    passed = admitted("deployVApp", **ID, body=body, policy=Policy(pass_unknown_body_keys=True))
    assert json.loads(passed.stored.body or "") == body
    refused = ask("deployVApp", **ID, body=body)
    assert (refused.reason.code, refused.content_hash) == ("malformed_body", passed.content_hash)
    wrong = ask("deployVApp", **ID, body={"powerOn": []}, policy=Policy(pass_unknown_body_keys=True))
    assert wrong.reason.code == "malformed_body"


def test_a_body_nested_too_deep_for_json_is_refused() -> None:
    body: dict[str, JsonValue] = {}
    for _ in range(100_000):
        body = {"a": body}
    assert ask("deployVApp", **ID, body=body).reason.code == "malformed_body"
    assert ask("powerOnVApp", **ID, body=body).reason.code == "body_not_allowed"
    while body:  # taken apart by hand: freeing it whole would recurse as deep
        body = body.pop("a")  # type: ignore[assignment]


def test_what_may_not_be_asked_at_all_is_told_before_what_is_wrong_with_it() -> None:
    assert ask("createSnapshot", policy=Policy()).reason.code == "destructive_not_allowed"
    assert ask("moveDisk", version="35.0").reason.code == "not_in_api_version"


def test_naming_an_operation_lets_it_leave_its_own_stream() -> None:
    policy = Policy(allow_operations=("deploy*", "cancelTask"))
    assert isinstance(ask("cancelTask", parameters={"id": UUID}, policy=policy), Admission)
    assert isinstance(ask("deployVApp", **ID, policy=policy), Admission)
    assert isinstance(ask("cancelTask", parameters={"id": UUID}, policy=Policy(allow_operations=("*",))), Admission)


DECISION: dict[str, Any] = {"parameters": {"id": UUID}, "body": {"message": "by the board"}}


def test_decisions_are_taken_on_their_own_stream_whatever_else_is_allowed() -> None:
    for allowing in (Policy(), Policy(allow_operations=("deploy*",))):
        for name in ("resumeBlockingTask", "abortBlockingTask", "failBlockingTask", "updateBlockingTaskProgress"):
            assert isinstance(ask(name, here="approvals", policy=allowing, **DECISION), Admission), name
    refused = ask("abortBlockingTask", here="approvals", policy=Policy(deny_operations=("abort*",)), **DECISION)
    assert refused.reason.code == "operation_not_allowed"


def test_nothing_else_is_taken_on_the_stream_of_decisions() -> None:
    for name, allowing in (("deployVApp", DESTRUCTIVE), ("cancelTask", Policy(allow_operations=("*",)))):
        reason = ask(name, here="approvals", policy=allowing, **ID).reason
        assert reason.code == "operation_has_own_stream", name
        assert "it.requests" in reason.message
        assert "allow_operations" not in reason.message


def test_whose_operation_a_decision_is_about_is_judged_when_it_is_read() -> None:
    """Unless it names an organization itself, which then has to be allowed."""
    acme = Policy(organizations=("acme",))
    assert isinstance(ask("resumeBlockingTask", here="approvals", policy=acme, **DECISION), Admission)
    for organization, code in (("acme", None), ("beta", "organization_not_allowed")):
        verdict = ask("resumeBlockingTask", here="approvals", policy=acme, organization=organization, **DECISION)
        assert (verdict.reason.code if isinstance(verdict, Rejection) else None) == code


def test_where_decisions_have_their_own_topic_no_policy_lets_them_in_elsewhere() -> None:
    everything = Policy(allow_operations=("*",))
    assert isinstance(ask("resumeBlockingTask", policy=everything, **DECISION), Admission)
    reason = ask("resumeBlockingTask", policy=everything, apart=frozenset({"approvals"}), **DECISION).reason
    assert (reason.code, reason.message) == (
        "operation_has_own_stream", "resumeBlockingTask belongs on it.approvals",
    )  # fmt: skip


def test_reading_blocking_tasks_and_tasks_needs_no_stream() -> None:
    for name in ("getTask", "getTasksList"):
        assert isinstance(ask(name, parameters={"id": UUID}, policy=Policy()), Admission)
    assert isinstance(ask("listBlockingTasks", policy=Policy()), Admission)


def test_capturing_to_a_new_item_is_not_destructive() -> None:
    body: dict[str, JsonValue] = {"name": "gold", "source": {"href": "x"}}
    verdict = ask("captureVAppToCatalog", parameters={"id": UUID}, body=body, policy=Policy())
    assert isinstance(verdict, Admission)


SPELLINGS = (UUID, f"urn:vcloud:org:{UUID}", UUID.upper())


@pytest.mark.parametrize("organization", SPELLINGS)
@pytest.mark.parametrize("allowed", SPELLINGS)
def test_an_allowed_organization_in_every_spelling(organization: str, allowed: str) -> None:
    policy = Policy(allow_destructive=True, organizations=("acme", allowed))
    assert isinstance(ask("deployVApp", **ID, organization=organization, policy=policy), Admission)
    assert isinstance(ask("mergeOrgMetadata", **ORG, organization="acme", policy=policy), Admission)


def test_a_pattern_of_names_meets_no_id_by_chance() -> None:
    policy = Policy(organizations=("6*", "dev-*"))
    assert ask("deployVApp", **ID, organization=UUID, policy=policy).reason.code == "organization_not_allowed"
    assert isinstance(ask("deployVApp", **ID, organization="dev-1", policy=policy), Admission)
    assert isinstance(ask("deployVApp", **ID, organization=UUID, policy=Policy(organizations=("*",))), Admission)


PROVIDER_WIDE = (
    "createOrg", "migrateTenant", "addSiteAssociation", "removeSiteAssociation", "mergeProviderVdcMetadata",
    "deletePvdcStorageProfileMetadataItem", "listBlockingTasks", "importVmIntoExistingVApp",
)  # fmt: skip


@pytest.mark.parametrize("name", PROVIDER_WIDE)
def test_what_reaches_beyond_organizations_is_not_for_those_who_are_bound_to_some(name: str) -> None:
    operation = load()[name]
    fields: dict[str, Any] = {
        "parameters": {one.name: UUID if one.kinds else "key" for one in operation.parameters},
        "body": example_of(operation),
        "organization": "acme",
    }
    bound = Policy(allow_destructive=True, allow_operations=("*",), organizations=("acme",))
    told = ask(name, **fields, policy=bound)
    assert (told.reason.code, told.reason.field) == ("organization_not_allowed", "operation")
    assert isinstance(ask(name, **fields, policy=replace(bound, organizations=())), Admission)


def test_removed_operations_are_refused_with_their_span() -> None:
    gone = replace(load()["deployVApp"], since="5.1", removed="38.0")
    context = AdmissionContext(api_version="38.0")
    request = ActionRequest(request_id="1", operation="deployVApp", parameters={"id": VM})
    verdict = judge(request, birth=BIRTH, now=NOW, catalogue=Catalogue((gone,), load().bodies), context=context)
    assert isinstance(verdict, Rejection)
    assert verdict.reason.message == (
        "deployVApp exists in API versions since 5.1 until 38.0; the negotiated one is 38.0"
    )


# --- the table of codes -------------------------------------------------------------------------------------------


def literal_codes() -> set[str]:
    """First arguments of Reason(…), _refused(…), and codes of _Refused(…) in the modules that judge."""
    found = set()
    for module in (admission, content, entity_ids, policy):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                given = {"Reason": node.args[:1], "_refused": node.args[:1], "_Refused": node.args[1:]}.get(
                    node.func.id, []
                )
                found |= {str(argument.value) for argument in given if isinstance(argument, ast.Constant)}
    return found | {"malformed_parameter"}


def test_every_code_that_is_told_is_in_the_table_and_tested() -> None:
    told_by_intake = {"request_too_large"}
    tested = {code for code, *_ in REFUSED}
    assert literal_codes() == tested == set(CODES) - told_by_intake
    assert all(meaning and not meaning.endswith(".") for meaning in CODES.values())


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_TEXT = st.none() | st.text(max_size=20)


@given(
    request_id=_TEXT,
    operation=st.sampled_from(sorted(load())) | st.text(max_size=20),
    parameters=st.dictionaries(
        st.sampled_from(["id", "key", "groupName"]) | st.text(max_size=5),
        st.sampled_from([VM, VAPP, UUID]) | st.text(max_size=40),
        max_size=3,
    ),
    query=st.dictionaries(st.sampled_from(["force"]) | st.text(max_size=5), st.text(max_size=5), max_size=2),
    body=st.none() | st.dictionaries(st.text(max_size=8), _JSON, max_size=3),
    organization=_TEXT,
)
def test_the_judge_never_raises_and_always_answers(**fields: Any) -> None:
    verdict = ask(fields.pop("operation"), **fields)
    if isinstance(verdict, Rejection):
        assert verdict.reason.code in CODES
    else:
        assert verdict.stored.body is None or json.loads(verdict.stored.body) is not None
