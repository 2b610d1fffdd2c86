"""Observations on the command line: composed, sent, watched, listed, shown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.avro.event_codec import AvroEventCodec
from bridge.avro.observation_codec import AvroObservationCodec
from bridge.avro.store_codec import AvroStoreCodec
from bridge.catalogue.operation import Recovery
from bridge.cli.composing import NotComposable, Stream, compose_lines, compose_observation, observation_from_options
from bridge.cli.connections import kafka_config
from bridge.cli.options import UsageError, load_settings
from bridge.cli.requests.acting import Word, refuse_others
from bridge.cli.requests.advice import Judge
from bridge.cli.requests.filters import Filter
from bridge.cli.requests.known import About
from bridge.cli.requests.showing import waits_for
from bridge.cli.requests.words import document_of, kind_of, name_of
from bridge.core.blocking_task import BlockingTask
from bridge.core.coordinates import Birth
from bridge.core.events import StatusEvent
from bridge.core.inputs import CancelWanted, OrganizationKnown, StopWanted
from bridge.core.lifecycle import Kind, Lifecycle
from bridge.core.observation.blocking import open_blocking
from bridge.core.observation.opening import open_order
from bridge.core.observation.order import decide_order
from bridge.core.observation.task import open_observed
from bridge.core.observation_records import Observation, ObservationAction
from bridge.core.rules import OperationFacts, Rules
from bridge.engine.partition.records import state_key
from bridge.kafka.clients import send, tail
from bridge.ports import OutRecord, StoredRecord
from bridge.settings.naming import topic_names
from tests.avro.documents import delivery
from tests.cli.conftest import Shell
from tests.core.observation.orders import NOW, ORG_UUID, RULES, VCD_NOW, asker, followed, received, task

ORDER = followed()
JUDGE = Judge(NOW, lambda name: OperationFacts(Recovery.PROBE), Rules())


def sighted(status: str = "running") -> Lifecycle:
    decision = open_observed(NOW, ORDER, task("t", status, ended=VCD_NOW if status == "success" else None))
    assert decision is not None
    return decision.lifecycle


# --- composing --------------------------------------------------------------------------------------------------------


def test_its_key_is_its_organization() -> None:
    given = {
        "--observation": "start",
        "--organization": "*",
        "--since": "2026-01-31T18:00:00Z",
        "--blocking-tasks": True,
    }
    composed = compose_observation(observation_from_options(given), "how")
    assert (composed.key, composed.stream) == ("*", Stream.OBSERVATIONS)
    assert composed.document == {
        "action": "start", "organization": "*", "since": "2026-01-31T18:00:00Z", "blocking_tasks": True,
    }  # fmt: skip
    (line,) = compose_lines(['{"action": "stop", "key": "acme"}'], "f")
    assert (line.key, line.document) == ("acme", {"action": "stop", "organization": "acme"})


@pytest.mark.parametrize(
    "given", [{"--observation": "pause"}, {"--observation": "start"}, {"--observation": "start", "--operation": "x"}]
)
def test_what_makes_none_is_told(given: dict[str, Any]) -> None:
    with pytest.raises(NotComposable):
        compose_observation(observation_from_options(given), "how")


# --- requests list, show ----------------------------------------------------------------------------------------------


def test_what_was_seen_is_listed_when_its_kind_is_asked_for() -> None:
    held = open_blocking(NOW, ORDER, BlockingTask(id="urn:vcloud:blockingTask:b")).lifecycle
    everything = [ORDER, sighted(), held]
    for wanted, found in (
        (Filter(), [ORDER]),
        (Filter(kind=Kind.OBSERVATION), [ORDER]),
        (Filter(kind=Kind.OBSERVED_TASK), [everything[1]]),
        (Filter(kind=Kind.BLOCKING_TASK), [held]),
    ):  # fmt: skip
        assert [one for one in everything if wanted.takes(one)] == found
        assert [one for one in everything if wanted.takes_record(stored(one))] == found, "told by the headers too"
    assert [kind_of(one) for one in everything] == ["observation", "observed", "blocking"]
    assert name_of(everything[1]) == "acme/urn:vcloud:task:t"


def stored(one: Lifecycle) -> StoredRecord:
    return StoredRecord(state_key(one.birth), *AvroStoreCodec().encode_state(one))


def test_each_is_found_by_its_name() -> None:
    other = replace(followed(offset=9), organization="acme2")
    records = [stored(ORDER), stored(sighted()), stored(other)]
    for name, found in (("acme", 0), ("acme/urn:vcloud:task:t", 1), ("acme2", 2), (str(ORDER.birth), 0)):
        takes = About(name).choose(records)
        assert [takes(record) for record in records] == [number == found for number in range(3)], name


def test_what_it_waits_for_and_what_can_be_done() -> None:
    assert waits_for(received(), (), Rules()) == "VCD's word on the organization that it names"
    assert waits_for(ORDER, (), Rules()) == "its next look: told is what ended up to 2026-01-31T12:00:03.000Z"
    assert waits_for(sighted(), (), Rules()) == "the end of urn:vcloud:task:t"
    assert "no look to show its end again" in waits_for(sighted("success"), (), Rules())
    stopping = decide_order(NOW, ORDER, StopWanted(ORDER.birth), RULES).lifecycle
    assert waits_for(stopping, (), Rules()) == "what it has seen to be forgotten"
    assert [one.command for one in JUDGE.possible(ORDER)] == ["send --observation stop --organization acme"]
    assert JUDGE.possible(stopping) == JUDGE.possible(sighted()) == []
    assert "of an observation" in (JUDGE.objection(ORDER, "acme", CancelWanted(None)) or "")
    with pytest.raises(UsageError, match="observation"):
        refuse_others(Word(verb="cancel", name="acme", by="ann"), ORDER)
    assert document_of(ORDER)["observation"]["position"] == "2026-01-31T12:00:03.000Z"
    assert document_of(sighted())["observation"] == {
        "order": str(ORDER.birth), "id": "urn:vcloud:task:t", "ended_at": None,
    }  # fmt: skip
    json.dumps([document_of(ORDER), document_of(sighted())])


# --- on a real Kafka --------------------------------------------------------------------------------------------------


@pytest.fixture
def observing(kafka_shell: Shell) -> Shell:
    """With observation on."""
    prefix = load_settings(None).settings.topics.action_requests
    kafka_shell.set(
        observation__enabled="true", topics__observations=f"{prefix}.orders",
        topics__observed_tasks=f"{prefix}.observed", topics__blocking_tasks=f"{prefix}.blocking",
    )  # fmt: skip
    kafka_shell.run("topics", "apply")
    return kafka_shell


def test_records_are_sent_as_json_and_as_avro(observing: Shell) -> None:
    assert "start of observing * at " in observing.run("send", "--observation", "start", "--organization", "*")
    assert observing.err == ""
    since = ("--since", "2026-01-31T18:00:00Z", "--blocking-tasks", "--format", "avro")
    (told,) = observing.lines("send", "--observation", "start", "--organization", "acme", *since)
    assert told["key"] == "acme"
    observing.run("send", "--observation", "stop", "--organization", "acme", "--requested-by", "ann")
    settings = load_settings(None).settings
    sent = tail(kafka_config(settings), [settings.topics.observations], until_end=True)
    found = [
        AvroObservationCodec().decode(delivery(record.value, record.headers, record.key)) for record in sent if record
    ]
    assert sorted(found, key=str) == sorted(
        (
            Observation(organization="*"),
            Observation(organization="acme", since=datetime(2026, 1, 31, 18, tzinfo=UTC), blocking_tasks=True),
            Observation(organization="acme", action=ObservationAction.STOP, requested_by="ann"),
        ),
        key=str,
    )
    observing.set(observation__enabled="false")
    observing.run("send", "--observation", "stop", "--organization", "acme")
    assert "observation is off in these settings" in observing.err


def publish(topic: str, *events: StatusEvent) -> None:
    codec = AvroEventCodec("group")
    encoded = [(event.key, *codec.encode(event)) for event in events]
    settings = load_settings(None).settings
    send(kafka_config(settings), [OutRecord(topic, None, key, value, headers) for key, value, headers in encoded])


def test_what_is_told_of_them_is_watched(observing: Shell) -> None:
    topics = load_settings(None).settings.topics
    first = open_observed(NOW, ORDER, task("t"))
    assert first is not None
    publish(topics.observed_tasks, *first.events)
    blocking = BlockingTask(
        id="urn:vcloud:blockingTask:b", operation="vappDeploy", timeout=VCD_NOW, timeout_action="abort"
    )
    publish(topics.blocking_tasks, *open_blocking(NOW, ORDER, blocking).events)
    options = ("--from-beginning", "--until-end")
    assert "urn:vcloud:task:t" in observing.run("watch", "--observed", *options)
    shown = observing.run("watch", "--blocking", *options)
    assert "urn:vcloud:blockingTask:b" in shown
    assert "pending" in shown
    assert "abort at 12:00:03" in shown
    (event,) = observing.lines("watch", "--blocking", "--correlation", "CHG1", *options)
    assert (event["state"], event["operation"]) == ("pending", "vappDeploy")
    assert observing.run("watch", *options) == ""
    assert "two topics" in observing.error("watch", "--observed", "--blocking", code=2)["message"]


def test_schemas_have_a_subject_for_each_topic(observing: Shell) -> None:
    listed = [(one["name"].split(".")[-1], one["subject"]) for one in observing.json("schemas", "list")]
    topics = load_settings(None).settings.topics
    assert [one for one in listed if one[0] in {"Observation", "BlockingTaskEvent", "TaskStatusEvent"}] == [
        ("Observation", f"{topics.observations}-value"),
        ("TaskStatusEvent", f"{topics.task_events}-value"),
        ("TaskStatusEvent", f"{topics.observed_tasks}-value"),
        ("BlockingTaskEvent", f"{topics.blocking_tasks}-value"),
    ]


def test_they_are_listed_and_shown_with_what_was_told(observing: Shell) -> None:
    settings = load_settings(None).settings
    topics, changelog = settings.topics, topic_names(settings).changelog(settings.topics.observations)
    order = open_order(NOW, replace(asker(), birth=Birth(topics.observations, 0, 7)), Observation(organization="acme"))
    known = decide_order(NOW, order.lifecycle, OrganizationKnown(ORG_UUID, VCD_NOW), RULES)
    first = open_observed(NOW, known.lifecycle, task("t"))
    assert first is not None
    held = open_blocking(NOW, known.lifecycle, BlockingTask(id="urn:vcloud:blockingTask:b"))
    publish(topics.task_events, *known.events)
    publish(topics.observed_tasks, *first.events)
    publish(topics.blocking_tasks, *held.events)
    states = [stored(one) for one in (known.lifecycle, first.lifecycle, held.lifecycle)]
    send(kafka_config(settings), [OutRecord(changelog, 0, one.key, one.value, one.headers) for one in states])

    def listed(*options: str) -> list[str]:
        return [one["kind"] for one in observing.lines("requests", "list", *options)]

    assert listed() == ["observation"]
    assert listed("--kind", "observed_task") == ["observed_task"]
    for name, told in (
        ("acme", "accepted"), ("acme/urn:vcloud:task:t", "running"), ("acme/urn:vcloud:blockingTask:b", "pending"),
    ):  # fmt: skip
        (event,) = observing.json("requests", "show", name)["events"]
        assert event["sequence"] == 1
        assert told in observing.run("requests", "show", name), name
    assert "of an observation" in observing.error("requests", "cancel", "acme", code=2)["message"]
