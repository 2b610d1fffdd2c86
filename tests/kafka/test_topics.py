"""Planning and applying topics on a real Kafka."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.errors import ConfigurationError
from bridge.kafka import clients
from bridge.kafka.config import KafkaConfig
from bridge.kafka.embedded import EmbeddedBroker
from bridge.kafka.layout import OVERHEAD_BYTES, Change, Layout
from bridge.kafka.topics import apply, plan
from bridge.ports import TopicNames
from tests.support.kafka import KafkaNode, create_topics, unique


def layout(partitions: int = 3, replicas: int = 1) -> Layout:
    names = TopicNames(
        action_requests=unique("in"), task_events=unique("events"), dead_letters=unique("dead"), group_id=unique("g")
    )
    return Layout(names=names, partitions=partitions, replication_factor=replicas)


def test_apply_creates_what_is_planned_and_is_idempotent(kafka: KafkaNode) -> None:
    config, wanted = KafkaConfig(bootstrap_servers=kafka.bootstrap, group_id="g"), layout()
    before = plan(config, wanted)
    assert {difference.change for difference in before.differences} == {Change.CREATE}
    assert [d.topic for d in apply(config, wanted).differences] == list(wanted.topics())
    assert plan(config, wanted).is_empty
    assert apply(config, wanted).is_empty


def test_an_input_that_is_switched_on_later_is_made_with_its_store(kafka: KafkaNode) -> None:
    config, before = KafkaConfig(bootstrap_servers=kafka.bootstrap, group_id="g"), layout()
    apply(config, before)
    names = replace(before.names, external_tasks=unique("external"), ticket_updates=unique("tickets"))
    wanted = replace(before, names=names, partitions=5)
    assert names.external_tasks is not None
    made = [names.external_tasks, names.changelog(names.external_tasks), names.ended(names.external_tasks)]
    assert [d.topic for d in apply(config, wanted).differences] == [*made, names.ticket_updates]
    assert plan(config, wanted).is_empty
    assert {clients.look(config).partitions(topic) for topic in made} == {5}


def test_apply_grows_and_sets_what_differs(kafka: KafkaNode) -> None:
    config, wanted = KafkaConfig(bootstrap_servers=kafka.bootstrap, group_id="g"), layout()
    source = wanted.names.action_requests
    changelog = wanted.names.changelog(source)
    create_topics(kafka.bootstrap, {source: 4, changelog: 2}, configs={source: {"max.message.bytes": "3000000"}})
    found = {(d.topic, d.change, d.setting): d.wanted for d in plan(config, wanted).differences}
    assert found[changelog, Change.GROW, "partitions"] == "4"
    assert found[changelog, Change.SET, "cleanup.policy"] == "compact"
    assert found[changelog, Change.SET, "max.message.bytes"] == str(3_000_000 + OVERHEAD_BYTES)
    apply(config, wanted)
    assert plan(config, wanted).is_empty


def test_what_is_impossible_stays_and_is_told(kafka: KafkaNode) -> None:
    config, wanted = KafkaConfig(bootstrap_servers=kafka.bootstrap, group_id="g"), layout(partitions=1)
    source = wanted.names.action_requests
    create_topics(kafka.bootstrap, {source: 1, wanted.names.ended(source): 2})
    apply(config, wanted)
    left = plan(config, wanted).differences
    assert [(d.topic, d.change, d.setting) for d in left] == [
        (wanted.names.ended(source), Change.IMPOSSIBLE, "partitions")
    ]
    assert left[0].hint


def test_more_replicas_than_brokers_is_a_configuration_error(kafka: KafkaNode) -> None:
    config = KafkaConfig(bootstrap_servers=kafka.bootstrap, group_id="g")
    with pytest.raises(ConfigurationError, match="cannot be created") as raised:
        apply(config, layout(replicas=3))
    assert "topics" in raised.value.hint


def test_the_embedded_broker_is_named_where_it_cannot_answer() -> None:
    with EmbeddedBroker({}) as broker:
        config = KafkaConfig(bootstrap_servers=broker.bootstrap, group_id="g")
        with pytest.raises(ConfigurationError, match="embedded"):
            plan(config, layout())
