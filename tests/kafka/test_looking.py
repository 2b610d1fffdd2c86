"""Looking at a store on a real Kafka without being its owner: past open transactions, and fencing nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from bridge.core.coordinates import Birth, TopicPartition
from bridge.errors import ConfigurationError
from bridge.kafka import looking
from bridge.kafka.clients import send, tail
from bridge.kafka.config import KafkaConfig
from bridge.kafka.embedded import EmbeddedBroker
from bridge.kafka.looking import ends_of, places_at, read_store, record_at
from bridge.ports import OutRecord, TopicNames
from tests.support.kafka import KafkaNode, create_topics, produce, unique


@pytest.fixture
def names(kafka: KafkaNode) -> TopicNames:
    group = unique("look")
    topics = TopicNames(
        action_requests=f"{group}.requests", task_events=f"{group}.events", dead_letters=f"{group}.dead", group_id=group
    )
    stores = {name: {"cleanup.policy": "compact"} for name in topics.stores if name.endswith("changelog")}
    create_topics(
        kafka.bootstrap, dict.fromkeys((*topics.inputs, *topics.stores, topics.task_events), 2), configs=stores
    )
    return topics


def _config(kafka: KafkaNode, names: TopicNames) -> KafkaConfig:
    return KafkaConfig(bootstrap_servers=kafka.bootstrap, group_id=names.group_id)


def _transaction(kafka: KafkaNode) -> Producer:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": unique("owner")})
    producer.init_transactions(20)
    producer.begin_transaction()
    return producer


def test_the_latest_of_each_key_and_only_what_is_wanted(kafka: KafkaNode, names: TopicNames) -> None:
    changelog, ended = names.stores
    owner = _transaction(kafka)
    for key, value in ((b"a", b"1"), (b"b", b"1"), (b"a|request", b"body"), (b"a", b"2"), (b"b", None)):
        owner.produce(changelog, value, key, 1)
    owner.produce(ended, b"end", b"c", 0)
    owner.commit_transaction(20)
    none, both = read_store(_config(kafka, names), names, ended=True, wanted=lambda key: not key.endswith(b"|request"))
    assert [one.partition for one in (none, both)] == [TopicPartition(names.action_requests, n) for n in (0, 1)]
    assert [(record.key, record.value) for record in both.changelog] == [(b"a", b"2")]
    assert ([record.value for record in none.ended], both.ended) == ([b"end"], [])
    assert both.held_up_at is None
    assert not read_store(_config(kafka, names), names, ended=False)[0].ended


def test_endings_of_long_ago_are_not_read(kafka: KafkaNode, names: TopicNames) -> None:
    _, ended = names.stores
    now = datetime.now(UTC)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for hours in (5, 3, 1):
        when = int((now - timedelta(hours=hours)).timestamp() * 1000)
        producer.produce(ended, f"{hours} h ago".encode(), b"k", 0, timestamp=when)
    assert producer.flush(20) == 0
    for hours, left in ((6, 3), (4, 2), (2, 1), (0, 0)):
        found = read_store(_config(kafka, names), names, ended=True, ended_since=now - timedelta(hours=hours))
        assert [len(one.ended) for one in found] == [left, 0]
        assert all(one.held_up_at is None for one in found)


def test_an_open_transaction_is_told_of_and_its_owner_is_not_fenced(
    kafka: KafkaNode, names: TopicNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "OPEN_SECONDS", 0.3)
    changelog, _ = names.stores
    produce(kafka.bootstrap, changelog, [b"1"], key=b"before")
    owner = _transaction(kafka)
    owner.produce(changelog, b"1", b"open", 0, headers=[("vb_writer", b"owner")])
    assert owner.flush(20) == 0
    held_up, free = read_store(_config(kafka, names), names, ended=False)
    assert (held_up.held_up_at, free.held_up_at) == (1, None)
    assert [record.key for record in held_up.changelog] == [b"before"]
    owner.commit_transaction(20)
    whole, _ = read_store(_config(kafka, names), names, ended=False)
    assert whole.held_up_at is None
    assert {record.key for record in whole.changelog} == {b"before", b"open"}


def test_one_record_by_its_coordinates(kafka: KafkaNode, names: TopicNames) -> None:
    config, topic = _config(kafka, names), names.action_requests
    produce(kafka.bootstrap, topic, [b"0", b"1"], partition=1, key=b"k1")
    found = record_at(config, Birth(topic, 1, 1))
    assert found is not None
    assert (found.at, found.key, found.value) == (Birth(topic, 1, 1), b"k1", b"1")
    for nowhere in (Birth(topic, 1, 2), Birth(topic, 0, 0), Birth(topic, 7, 0), Birth("unheard-of", 0, 0)):
        assert record_at(config, nowhere) is None
    assert record_at(config, Birth(topic, 1, -7)) is None, "what was found without a record"


def test_reading_begins_where_it_is_told_to(kafka: KafkaNode, names: TopicNames) -> None:
    config, topic = _config(kafka, names), names.task_events
    produce(kafka.bootstrap, topic, [b"0", b"1"])
    ends = ends_of(config, [topic])
    assert ends == {TopicPartition(topic, 0): 2, TopicPartition(topic, 1): 0}
    produce(kafka.bootstrap, topic, [b"2"])
    assert [one.value for one in tail(config, [topic], until_end=True, places=ends) if one] == [b"2"]
    now = datetime.now(UTC)
    assert places_at(config, topic, now - timedelta(hours=1)) == dict.fromkeys(ends, 0)
    assert places_at(config, topic, now + timedelta(hours=1)) == {**ends, TopicPartition(topic, 0): 3}


def test_a_store_that_is_not_there(kafka: KafkaNode) -> None:
    names = TopicNames(action_requests="a", task_events="e", dead_letters="d", group_id=unique("nobody"))
    with pytest.raises(ConfigurationError, match="no store"):
        read_store(_config(kafka, names), names, ended=False)


def test_the_embedded_broker_can_be_looked_at_too() -> None:
    names = TopicNames(action_requests="in", task_events="events", dead_letters="dead", group_id="g")
    with EmbeddedBroker(dict.fromkeys((*names.inputs, *names.stores, "events"), 1)) as broker:
        config = KafkaConfig(bootstrap_servers=broker.bootstrap, group_id="g")
        changelog, _ = names.stores
        (at, _) = send(config, [OutRecord("events", 0, b"k", b"event"), OutRecord(changelog, 0, b"a", b"1")])
        (stored,) = read_store(config, names, ended=True)
        assert [record.value for record in stored.changelog] == [b"1"]
        # It cannot find a record by its time.
        assert places_at(config, "events", datetime.now(UTC)) == {at.topic_partition: 0}
        found = record_at(config, at)
    assert found is not None
    assert found.value == b"event"
