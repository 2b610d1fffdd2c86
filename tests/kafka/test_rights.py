"""A right that is missing is told before any work is taken; one that is taken away later ends the process."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from bridge.errors import ConfigurationError, TemporaryError
from bridge.kafka import rights
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Connection
from bridge.kafka.rights import check_rights
from bridge.ports import TopicNames
from tests.kafka.member import Stage, running
from tests.support.kafka import KafkaNode, create_topics, read, unique

NAMES = TopicNames(action_requests="in", task_events="events", dead_letters="dead", group_id="g")


def _deny(stage: Stage, kind: ResourceType, name: str, operation: AclOperation) -> None:
    """Everything but ``operation`` stays allowed; returns when the broker has taken it."""
    admin = AdminClient({"bootstrap.servers": stage.bootstrap})
    for permission, what in ((AclPermissionType.ALLOW, AclOperation.ALL), (AclPermissionType.DENY, operation)):
        binding = AclBinding(kind, name, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", what, permission)
        for future in admin.create_acls([binding]).values():
            future.result(10)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            _require(stage)
        except ConfigurationError:
            return
    raise TimeoutError(f"{operation} on {name} is still allowed")


def _require(stage: Stage) -> None:
    check_rights(stage.config(), stage.names)


def test_nothing_is_missing_where_everything_is_allowed(kafka: KafkaNode) -> None:
    _require(Stage.make(kafka))


@pytest.mark.parametrize(
    ("topic", "operation", "told"),
    [
        ("events", AclOperation.WRITE, "write to topic {name}"),
        ("dead", AclOperation.WRITE, "write to topic {name}"),
        ("changelog", AclOperation.WRITE, "write to topic {name}"),
        ("changelog", AclOperation.READ, "read topic {name}"),
        ("requests", AclOperation.READ, "read topic {name}"),
        ("requests", AclOperation.DESCRIBE, "describe topic {name}"),
        ("external", AclOperation.READ, "read topic {name}"),
        ("external store", AclOperation.READ, "read topic {name}"),
        ("external store", AclOperation.WRITE, "write to topic {name}"),
        ("tickets", AclOperation.WRITE, "write to topic {name}"),
    ],
)
def test_a_missing_right_on_a_topic_is_named(kafka: KafkaNode, topic: str, operation: AclOperation, told: str) -> None:
    stage = Stage.make(kafka, external=1)
    stage = replace(stage, names=replace(stage.names, ticket_updates=unique("tickets")))
    create_topics(kafka.bootstrap, {f"{stage.names.ticket_updates}": 1})
    names = {
        "events": stage.names.task_events,
        "dead": stage.names.dead_letters,
        "changelog": stage.changelog,
        "requests": stage.source,
        "external": stage.external,
        "external store": stage.names.ended(stage.external),
        "tickets": f"{stage.names.ticket_updates}",
    }
    _deny(stage, ResourceType.TOPIC, names[topic], operation)
    with pytest.raises(ConfigurationError, match=told.format(name=names[topic])):
        _require(stage)


def test_a_missing_right_on_the_group_is_named(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    _deny(stage, ResourceType.GROUP, stage.names.group_id, AclOperation.READ)
    with pytest.raises(ConfigurationError, match=f"join group {stage.names.group_id}"):
        _require(stage)


async def test_who_may_not_use_the_group_is_told_by_joining_and_is_given_nothing(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    _deny(stage, ResourceType.GROUP, stage.names.group_id, AclOperation.READ)
    async with running(stage) as member:
        assert member._reading is not None
        with pytest.raises(ConfigurationError, match="Group authorization failed"):
            await asyncio.wait_for(member._reading, 20)
        assert member.owned == {}


def test_the_group_is_not_asked_about_without_a_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client library can abort the whole process over that question."""

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("asked without a coordinator")

    monkeypatch.setattr(rights, "REACH_SECONDS", 1.0)
    config = KafkaConfig(bootstrap_servers="127.0.0.1:1", group_id="g")
    connection = Connection(config)
    monkeypatch.setattr(connection.admin, "describe_consumer_groups", asked)
    with pytest.raises(TemporaryError, match=r"what group g may do cannot be learnt: .*_TIMED_OUT"):
        list(rights._missing_on_group(connection, config, NAMES))


def test_a_group_that_could_not_be_described_is_not_taken_for_allowed(
    kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage.make(kafka)
    connection = Connection(stage.config())
    failed: Future[None] = Future()
    failed.set_exception(KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT)))
    monkeypatch.setattr(connection.admin, "describe_consumer_groups", lambda groups, **_: dict.fromkeys(groups, failed))
    with pytest.raises(TemporaryError, match=r"cannot be learnt: .*REQUEST_TIMED_OUT"):
        list(rights._missing_on_group(connection, stage.config(), stage.names))


def test_a_coordinator_that_has_just_moved_is_asked_again(kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage.make(kafka)
    connection = Connection(stage.config())
    ask, times = connection.admin.describe_consumer_groups, list[int]()
    moved: Future[None] = Future()
    moved.set_exception(KafkaException(KafkaError(KafkaError.NOT_COORDINATOR)))

    def asked(groups: list[str], **options: Any) -> Any:
        times.append(1)
        return dict.fromkeys(groups, moved) if len(times) < 3 else ask(groups, **options)

    monkeypatch.setattr(connection.admin, "describe_consumer_groups", asked)
    assert list(rights._missing_on_group(connection, stage.config(), stage.names)) == []
    assert len(times) >= 3


async def test_a_journal_that_may_not_tell_events_does_not_open(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    _deny(stage, ResourceType.TOPIC, stage.names.task_events, AclOperation.WRITE)
    with pytest.raises(ConfigurationError, match=f"write to topic {stage.names.task_events}"):
        async with running(stage):
            pass


async def test_a_right_that_is_taken_away_ends_the_process_with_the_reason(kafka: KafkaNode) -> None:
    stage = Stage.make(kafka)
    async with running(stage) as member:
        await member.owning(0)
        await member.commit(event=b"a")
        _deny(stage, ResourceType.TOPIC, stage.names.task_events, AclOperation.WRITE)
        with pytest.raises(ConfigurationError, match="Topic authorization failed") as raised:
            await member.commit(event=b"b")
    assert "Write on events" in (raised.value.hint or "")
    assert len(read(kafka.bootstrap, stage.names.task_events)) == 1
