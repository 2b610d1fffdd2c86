"""What a record, a waiting command, or a Task that nobody has opens."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.commands import Follow, ReadReferences
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.events import Change
from bridge.core.external import documents
from bridge.core.external.lifecycle import decide_external
from bridge.core.external.marks import Marker
from bridge.core.external.opening import command_of, command_text, open_external, open_orphan, open_waiting
from bridge.core.external_commands import ExternalCommand, ExternalVerb
from bridge.core.external_rules import OrphanPolicy
from bridge.core.inputs import Restored
from bridge.core.lifecycle import Kind, Phase
from bridge.core.opening import Asker
from bridge.core.task import Task, empty_document
from tests.avro.documents import TEXT
from tests.core.external.happenings import KEY, create, finish, update
from tests.core.external.stories import EXTERNAL, NAMESPACE, RULES, Run
from tests.core.external.test_documents import ERRORS, RESULTS
from tests.core.stories import START

BIRTH = Birth("tickets", 0, 7)
WHO = Asker(BIRTH, None, None, "T1", None, None, None, lifecycle=Kind.EXTERNAL_TASK, external_key=KEY)
OPTIONAL = st.none() | TEXT
COMMANDS = st.builds(
    ExternalCommand,
    verb=st.sampled_from(ExternalVerb),
    external_key=TEXT,
    revision=st.none() | st.integers(-(2**63), 2**63 - 1),
    progress=st.none() | st.integers(0, 100),
    error=st.none() | ERRORS,
    result=st.none() | RESULTS,
    expire_after=st.none() | st.integers(1, 10**8).map(lambda seconds: timedelta(seconds=seconds)),
    **dict.fromkeys(
        (
            "command_id", "service_namespace", "organization", "operation", "operation_name", "details", "description",
            "owner", "user", "status", "params", "correlation_id", "traceparent",
        ),
        OPTIONAL,
    ),
)  # fmt: skip


# --- a create ---------------------------------------------------------------------------------------------------------


def test_a_create_opens_a_task_whose_references_are_read_first() -> None:
    command = replace(create("queued"), correlation_id="T1", traceparent="trace", revision=3)
    decision = open_external(START, WHO, command, NAMESPACE, EXTERNAL)
    opened = decision.lifecycle
    assert (opened.kind, opened.phase, opened.external_key) == (Kind.EXTERNAL_TASK, Phase.RESOLVING, KEY)
    assert (opened.wanted, opened.sending, opened.shown, opened.wanted_status) == (1, 0, 0, "queued")
    assert (opened.revision, opened.correlation_id, opened.traceparent) == (3, "T1", "trace")
    assert (opened.organization, opened.service_namespace) == ("acme", NAMESPACE)
    assert (opened.heard_at, opened.expire_after_seconds) == (START, 3600)
    assert opened.unshown == ()
    assert len(opened.commands) == 1
    assert decision.commands == (ReadReferences(),)
    assert not decision.events
    assert decision.request is not None
    assert (decision.request.method, decision.request.media_type) == ("POST", documents.MEDIA_TYPE)
    assert documents.read(decision.request.body)["operation"] == "Change [bridge/tickets-0/CHG1]"


@pytest.mark.parametrize(("asked", "seconds"), [(None, 3600), (60, 60)])
def test_a_command_may_say_how_long_its_owner_can_be_silent(asked: int | None, seconds: int) -> None:
    opened = open_external(START, WHO, create(expire_after=asked), NAMESPACE, EXTERNAL).lifecycle
    assert opened.expire_after_seconds == seconds


def test_what_is_not_shown_yet_does_not_expire() -> None:
    assert Run().lifecycle.expires_at is None


# --- a command that waits ---------------------------------------------------------------------------------------------


@given(COMMANDS)
def test_a_waiting_command_comes_back_whole(command: ExternalCommand) -> None:
    assert command_of(command_text(command)) == command


def test_every_field_of_a_command_is_tried() -> None:
    """A field that nobody draws proves nothing."""
    drawn = {"verb", "external_key", "revision", "progress", "error", "result", "expire_after", "command_id",
             "service_namespace", "organization", "operation", "operation_name", "details", "description", "owner",
             "user", "status", "params", "correlation_id", "traceparent"}  # fmt: skip
    assert {field.name for field in fields(ExternalCommand)} == drawn


@pytest.mark.parametrize("command", [update(progress=10), finish(status="aborted")], ids=["update", "finish"])
def test_a_command_without_its_task_waits_for_it(command: ExternalCommand) -> None:
    decision = open_waiting(START, WHO, command, EXTERNAL)
    waiting = decision.lifecycle
    assert (waiting.kind, waiting.phase, waiting.control) == (Kind.CONTROL, Phase.PENDING, command.verb.value)
    assert (waiting.external_key, waiting.target_request_id) == (KEY, KEY)
    assert waiting.wake_at == START + EXTERNAL.create_wait
    assert waiting.told_as == "external_task"
    assert waiting.needs_request
    assert decision.request is not None
    assert command_of(decision.request.body or "") == command
    assert not decision.events


# --- a Task that nobody has -------------------------------------------------------------------------------------------


def found(**changes: Any) -> Task:
    document = empty_document()
    document["id"] = "urn:vcloud:task:55555555-5555-4555-8555-555555555555"
    document["href"] = "https://vcd/api/task/55555555-5555-4555-8555-555555555555"
    document["status"] = "running"
    document["serviceNamespace"] = NAMESPACE
    document["operation"] = "Change [bridge/tickets-0/CHG1]"
    document["progress"] = 40
    return Task({**document, **changes})  # type: ignore[typeddict-item]


def test_an_orphan_is_taken_over_as_it_is() -> None:
    rules = replace(EXTERNAL, orphans=OrphanPolicy.ADOPT)
    decision = open_orphan(START, TopicPartition("tickets", 0), KEY, found(), rules)
    adopted = decision.lifecycle
    assert (adopted.phase, adopted.external_key, adopted.task_id) == (Phase.FOLLOWING, KEY, found().id)
    assert adopted.wanted == adopted.sending == adopted.shown
    assert adopted.birth.offset < 0
    assert [event.change for event in decision.events] == [Change.ACCEPTED]
    assert Follow() in decision.commands
    assert decision.request is not None
    assert (decision.request.method, decision.request.path) == ("PUT", "/task/55555555-5555-4555-8555-555555555555")
    document = documents.read(decision.request.body)
    assert document == {
        "name": "task", "serviceNamespace": NAMESPACE, "status": "running", "progress": 40,
        "operation": "Change [bridge/tickets-0/CHG1]",
    }  # fmt: skip
    assert adopted.heard_at == START
    assert adopted.expires_at == START + timedelta(hours=1)


def test_an_orphan_has_the_same_birth_whoever_finds_it() -> None:
    births = {open_orphan(START, TopicPartition("tickets", 0), KEY, found(), EXTERNAL).lifecycle.birth for _ in "ab"}
    other = open_orphan(
        START,
        TopicPartition("tickets", 0),
        KEY,
        found(id="urn:vcloud:task:65555555-5555-4555-8555-555555555555"),
        EXTERNAL,
    )
    assert len(births) == 1
    assert other.lifecycle.birth not in births


@pytest.mark.parametrize("status", ["aborted", "error"])
def test_an_orphan_is_ended_where_that_is_the_policy(status: str) -> None:
    rules = replace(EXTERNAL, orphans=OrphanPolicy.END, expired_status=status)
    decision = open_orphan(START, TopicPartition("tickets", 0), KEY, found(), rules)
    ending = decision.lifecycle
    assert (ending.phase, ending.wake_at, ending.ends_because) == (Phase.WAITING, None, "orphaned")
    assert ending.wanted_status == status
    assert ending.expires_at is None
    assert decision.request is not None
    document = documents.read(decision.request.body)
    assert document["status"] == status
    assert Marker("bridge", TopicPartition("tickets", 0)).bears(str(document["operation"]), KEY)


def test_a_namespace_that_the_settings_have_dropped_keeps_its_tasks() -> None:
    """Its open tasks go on, and an orphan of it can be taken over; only new ones are refused."""
    dropped = replace(EXTERNAL, default_namespace=None, namespaces={"com.example.new": timedelta(days=1)})
    adopted = open_orphan(START, TopicPartition("tickets", 0), KEY, found(), dropped).lifecycle
    assert adopted.service_namespace == NAMESPACE
    assert adopted.expire_after_seconds == 7 * 24 * 3600
    rules = replace(RULES, external=dropped)
    run = Run()
    decision = decide_external(START, run.lifecycle, Restored(), run.request, rules)
    assert tuple(decision.commands) == (ReadReferences(),)
