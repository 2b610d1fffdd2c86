"""Plain clients on a real Kafka."""

from __future__ import annotations

import pytest

from bridge.core.coordinates import Birth
from bridge.errors import ConfigurationError
from bridge.kafka.clients import librdkafka_version, look, send, tail
from bridge.kafka.config import KafkaConfig
from bridge.ports import OutRecord
from tests.support.kafka import KafkaNode, create_topics, read, unique


@pytest.fixture
def config(kafka: KafkaNode) -> KafkaConfig:
    return KafkaConfig(bootstrap_servers=kafka.bootstrap, group_id=unique("g"))


def test_records_are_placed_as_java_producers_place_them(kafka: KafkaNode, config: KafkaConfig) -> None:
    topic = unique("placed")
    create_topics(kafka.bootstrap, {topic: 10})
    # murmur2(b"21") & 0x7fffffff = 1173551340 (Kafka's UtilsTest): partition 0 of 10.
    births = send(config, [OutRecord(topic, None, b"21", b"v", (("h", b"1"), ("none", None)))])
    assert births == [Birth(topic, 0, 0)]
    message = read(kafka.bootstrap, topic)[0]
    assert message.headers() == [("h", b"1"), ("none", None)]


def test_births_are_told_in_order(kafka: KafkaNode, config: KafkaConfig) -> None:
    topic = unique("many")
    create_topics(kafka.bootstrap, {topic: 2})
    births = send(config, [OutRecord(topic, n % 2, None, b"%d" % n) for n in range(6)])
    assert births == [Birth(topic, n % 2, n // 2) for n in range(6)]


def test_what_cannot_be_written_is_told(kafka: KafkaNode, config: KafkaConfig) -> None:
    topic = unique("there")
    create_topics(kafka.bootstrap, {topic: 1})
    with pytest.raises(ConfigurationError, match="no such topic: nowhere"):
        send(config, [OutRecord("nowhere", None, None, b"x")])
    with pytest.raises(ConfigurationError, match="too large"):
        send(config, [OutRecord(topic, None, None, b"x" * 2_000_000)])
    with pytest.raises(ConfigurationError, match="partition"):
        send(config, [OutRecord(topic, 7, None, b"x")])


def test_tail_follows_until_told_to_stop(kafka: KafkaNode, config: KafkaConfig) -> None:
    topic = unique("tail")
    create_topics(kafka.bootstrap, {topic: 1})
    send(config, [OutRecord(topic, 0, None, b"before")])
    written: list[bytes | None] = []
    seen: list[bytes | None] = []
    for record in tail(config, [topic], stop=lambda: bool(seen)):
        if record is not None:
            seen.append(record.value)
        else:
            # Idle: nothing came for a while. It may not have found the end yet, or not have heard of what is there.
            written.append(b"%d" % len(written))
            send(config, [OutRecord(topic, 0, None, written[-1])])
    assert seen == written[written.index(seen[0]) :][: len(seen)], "only what came after it began, in order"
    everything = [record.value for record in tail(config, [topic], until_end=True) if record is not None]
    assert everything == [b"before", *written]


def test_a_real_cluster_is_not_taken_for_the_embedded_one(config: KafkaConfig) -> None:
    cluster = look(config)
    assert (cluster.is_embedded, cluster.brokers) == (False, 1)


def test_the_librarys_version_is_known() -> None:
    assert librdkafka_version().startswith("2.")
