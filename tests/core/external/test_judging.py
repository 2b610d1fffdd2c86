"""Which commands are good, and what the others are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.answers import Accepted
from bridge.core.events import Reason
from bridge.core.external.judging import (
    CODES,
    REMEMBERED_COMMANDS,
    Repeat,
    content_hash,
    fingerprint,
    judge_change,
    judge_create,
    namespace_of,
)
from bridge.core.external_commands import ExternalCommand
from bridge.core.external_rules import ExternalRules
from bridge.core.inputs import Answered, Granted, Looked, Vanished
from bridge.core.lifecycle import Ended, Phase
from bridge.core.policy import Policy
from bridge.engine.partition.round import remembered
from tests.core.external.happenings import KEY, OWNER, UNKNOWN, create, finish, update
from tests.core.external.stories import EXTERNAL, NAMESPACE, POSTED, SHOWN, Run
from tests.core.happenings import task

USER = "urn:vcloud:user:22222222-2222-4222-8222-222222222222"
OWNER_UUID = OWNER.rpartition(":")[2]


LOOKED = Looked(attempt=1, candidates=(), happened=None, evidence=(), incomplete="refused")


def _ended_as(status: str) -> Accepted:
    return Accepted(task=task("1", status), http_status=200)


def shown(*happenings: Any, status: str | None = None) -> Run:
    """A task that VCD has, and what happened to it since."""
    run = Run(status)
    for happening in (*SHOWN, *happenings):
        run.happen(1, happening)
    return run


def judged(run: Run, command: ExternalCommand) -> Reason | Repeat | None:
    known = run.lifecycle if run.lifecycle.is_open else remembered(run.lifecycle)
    return judge_change(command, known, run.request)


def code(verdict: Reason | Repeat | None) -> str | None:
    if isinstance(verdict, Reason):
        assert verdict.code in CODES
        return verdict.code
    return "repeat" if isinstance(verdict, Repeat) else None


# --- create -----------------------------------------------------------------------------------------------------------


def test_a_good_create_is_good() -> None:
    assert judge_create(create(), EXTERNAL, is_provider=True) is None


def test_a_create_needs_a_login_of_the_provider() -> None:
    verdict = judge_create(create(), EXTERNAL, is_provider=False)
    assert code(verdict) == "not_a_system_administrator"


def test_a_create_names_an_organization() -> None:
    verdict = judge_create(replace(create(), organization=None), EXTERNAL, is_provider=True)
    assert verdict is not None
    assert (code(verdict), verdict.field) == ("organization_missing", "organization")


def test_policy_says_in_which_organizations() -> None:
    rules = replace(EXTERNAL, policy=Policy(organizations=("acme*",)))
    assert judge_create(create(), rules, is_provider=True) is None
    verdict = judge_create(replace(create(), organization="other"), rules, is_provider=True)
    assert verdict is not None
    assert verdict.code == "organization_not_allowed"


@pytest.mark.parametrize(
    ("namespace", "refused"),
    [
        ("", "namespace_refused"),
        ("n" * 129, "namespace_refused"),
        ("com.vmware.vcloud", "namespace_refused"),
        ("Com.VMware.VCloud.mine", "namespace_refused"),
        ("com.example.*", "namespace_refused"),
        (" com.example", "namespace_refused"),
        ("n" * 128, "namespace_not_configured"),
        ("com.vmware.vcloudx", "namespace_refused"),
        ("COM.EXAMPLE.TICKETS", "namespace_not_configured"),
        (NAMESPACE, None),
        (None, None),
    ],
)
def test_namespaces(namespace: str | None, refused: str | None) -> None:
    command = replace(create(), service_namespace=namespace)
    verdict = judge_create(command, EXTERNAL, is_provider=True)
    assert code(verdict) == refused
    assert verdict is None or verdict.field == "serviceNamespace"
    assert namespace_of(command, EXTERNAL) == (verdict or NAMESPACE)


def test_without_a_setting_every_create_names_its_namespace() -> None:
    rules = ExternalRules(group_id="g", default_namespace=None, namespaces={NAMESPACE: timedelta(days=1)})
    assert code(judge_create(create(), rules, is_provider=True)) == "namespace_missing"
    assert judge_create(replace(create(), service_namespace=NAMESPACE), rules, is_provider=True) is None


CONTENT: tuple[dict[str, Any], ...] = (
    {"service_namespace": NAMESPACE}, {"organization": "other"}, {"operation": "x"}, {"operation_name": "x"},
    {"details": "x"}, {"description": "x"}, {"owner": USER}, {"user": USER}, {"status": "queued"}, {"progress": 1},
    {"error": {"message": "x"}}, {"result": {"resultContent": "1"}}, {"params": "1"},
)  # fmt: skip


@pytest.mark.parametrize("other", CONTENT, ids=lambda fields: next(iter(fields)))
def test_every_field_of_the_task_makes_another_content(other: dict[str, Any]) -> None:
    assert content_hash(create()) != content_hash(replace(create(), **other))


@pytest.mark.parametrize(
    "same",
    [
        {"correlation_id": "x"},
        {"expire_after": timedelta(1)},
        {"traceparent": "x"},
        {"command_id": "x"},
        {"revision": 9},
    ],
)
def test_what_is_not_of_the_task_does_not_count(same: dict[str, Any]) -> None:
    assert content_hash(create()) == content_hash(replace(create(), **same))


def test_free_content_counts_by_what_it_means() -> None:
    one, other = (replace(create(), params=text) for text in ('{"a":1,"b":2}', '{ "b": 2, "a": 1 }'))
    assert content_hash(one) == content_hash(other)


# --- repeats ----------------------------------------------------------------------------------------------------------


def test_a_command_id_tells_a_repeat_whatever_else_it_says() -> None:
    run = shown(update(command_id="u-1", progress=10))
    assert code(judged(run, update(command_id="u-1", progress=10))) == "repeat"
    assert judged(run, finish(command_id="u-1")) is None
    assert judged(run, update(command_id="u-2", progress=10)) is None


def test_a_revision_with_the_same_content_tells_a_repeat() -> None:
    run = shown(update(revision=5, progress=10))
    assert code(judged(run, update(revision=5, progress=10))) == "repeat"
    assert code(judged(run, update(revision=5, progress=11))) == "revision_not_higher"
    assert code(judged(run, finish(revision=5))) == "revision_not_higher"


def test_what_tells_nothing_is_no_repeat() -> None:
    assert fingerprint(update(progress=10)) is None
    assert judged(shown(update(progress=10)), update(progress=10)) is None


def test_the_last_commands_are_remembered_and_no_more() -> None:
    run = shown(*(update(command_id=f"u-{number}") for number in range(REMEMBERED_COMMANDS + 1)))
    assert judged(run, update(command_id="u-0")) is None
    assert code(judged(run, update(command_id="u-1"))) == "repeat"
    assert len(run.lifecycle.commands) == REMEMBERED_COMMANDS


def test_a_repeat_is_recognised_after_the_end() -> None:
    run = shown(finish(command_id="f-1"), Granted(), Answered(2, _ended_as("success"), 0.5))
    assert run.lifecycle.phase is Phase.ENDED
    assert code(judged(run, finish(command_id="f-1"))) == "repeat"
    assert code(judged(run, finish(command_id="f-2"))) == "already_finished"
    assert code(judged(run, update())) == "already_finished"


# --- revisions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revision", "refused"),
    [
        (7, "revision_not_higher"),
        (6, "revision_not_higher"),
        (-(2**63), "revision_not_higher"),
        (8, None),
        (2**63 - 1, None),
        (None, None),
    ],
)
def test_a_revision_has_to_rise(revision: int | None, refused: str | None) -> None:
    run = shown(update(revision=7, progress=10), update(progress=20))
    verdict = judged(run, update(revision=revision, progress=30))
    assert code(verdict) == refused
    assert verdict is None or (isinstance(verdict, Reason) and verdict.field == "revision")


def test_the_create_begins_the_revisions() -> None:
    assert create().revision == 0
    assert code(judged(shown(), update(revision=0))) == "revision_not_higher"
    assert judged(shown(), update(revision=1)) is None


# --- create-only fields -----------------------------------------------------------------------------------------------

SAME: tuple[dict[str, Any], ...] = (
    {"organization": "acme"}, {"organization": "ACME"}, {"service_namespace": NAMESPACE}, {"owner": OWNER},
    {"owner": f"https://other/api/vApp/vapp-{OWNER_UUID}"}, {"owner": f"/api/vApp/vapp-{OWNER_UUID.upper()}/"},
    {"user": USER}, {"user": f"https://vcd/api/admin/user/{USER.rpartition(':')[2]}"},
)  # fmt: skip
OTHER: tuple[tuple[dict[str, Any], str], ...] = (
    ({"organization": "other"}, "organization"),
    ({"service_namespace": "com.example.other"}, "serviceNamespace"),
    ({"owner": OWNER.replace("1111", "4111")}, "owner"),
    ({"user": USER.replace("2222", "4222")}, "user"),
    ({"params": "1"}, "params"),
)


@pytest.mark.parametrize("given", SAME, ids=str)
def test_what_only_a_create_can_give_may_be_repeated(given: dict[str, Any]) -> None:
    assert judged(shown(), update(**given)) is None
    assert judged(shown(), finish(**given)) is None


@pytest.mark.parametrize(("given", "field"), OTHER, ids=str)
def test_what_only_a_create_can_give_is_never_changed(given: dict[str, Any], field: str) -> None:
    for command in (update(**given), finish(**given)):
        verdict = judged(shown(), command)
        assert isinstance(verdict, Reason)
        assert (verdict.code, verdict.field) == ("create_only", field)


def test_an_owner_is_the_same_before_it_was_read_too() -> None:
    run = Run()
    assert run.lifecycle.phase is Phase.RESOLVING
    assert judged(run, update(owner=f"/api/vApp/vapp-{OWNER_UUID}")) is None
    assert code(judged(run, update(owner=USER))) == "create_only"


def test_params_are_compared_by_what_they_mean() -> None:
    run = Run(params='{"a": 1}')
    assert judged(run, update(params='{"a":1}')) is None
    assert code(judged(run, update(params='{"a":true}'))) == "create_only"


# --- statuses and ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ("running", "running", None),
        ("running", "preRunning", "status_goes_backward"),
        ("running", "queued", "status_goes_backward"),
        ("queued", "preRunning", None),
        ("queued", "running", None),
        ("queued", None, None),
    ],
)
def test_a_status_never_goes_backward(before: str, after: str | None, refused: str | None) -> None:
    assert code(judged(shown(status=before), update(status=after))) == refused


@pytest.mark.parametrize("status", ["success", "error", "aborted", None])
def test_any_task_can_be_finished(status: str | None) -> None:
    for run in (Run("queued"), shown(), shown(Vanished(403, "gone"))):
        assert judged(run, finish(status=status)) is None


def test_what_is_being_ended_takes_nothing_more() -> None:
    run = shown(finish())
    assert run.lifecycle.is_open
    assert code(judged(run, update(progress=10))) == "already_finished"
    assert code(judged(run, finish(status="error"))) == "already_finished"
    assert code(judged(Run("success"), update(progress=10))) == "already_finished"


def test_a_finish_resolves_what_is_parked() -> None:
    """Parked with an end that nobody could show: a person says finish once more."""
    run = Run("success")
    for happening in (*POSTED, Answered(1, UNKNOWN, 0.5), LOOKED):
        run.happen(1, happening)
    assert run.lifecycle.phase is Phase.PARKED
    assert judged(run, finish()) is None
    assert code(judged(run, update(progress=10))) == "already_finished"


def test_what_cannot_be_read_takes_only_the_finish_of_a_parked_task() -> None:
    following, parked = shown(), shown(Vanished(403, "gone"))
    for run in (following, parked):
        run.request = None
        assert code(judged(run, update(progress=10))) == "state_unreadable"
    assert code(judged(following, finish())) == "state_unreadable"
    assert judged(parked, finish()) is None


def test_an_ended_task_is_told_by_how_it_ended() -> None:
    run = shown(finish(status="aborted"), Granted(), Answered(2, _ended_as("aborted"), 0.5))
    known = remembered(run.lifecycle)
    assert isinstance(known, Ended)
    verdict = judge_change(update(), known, None)
    assert isinstance(verdict, Reason)
    assert KEY in verdict.message
    assert "aborted" in verdict.message
