"""Which properties reach which client, and which are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Producer

from bridge.errors import ConfigurationError
from bridge.kafka.config import ClientConfig, KafkaConfig, make
from bridge.kafka.properties import REFUSED


def config(**properties: str) -> KafkaConfig:
    named = {name.replace("_", "."): value for name, value in properties.items()}
    return KafkaConfig(bootstrap_servers="127.0.0.1:9", group_id="group", properties=named)


def all_clients(made: KafkaConfig) -> list[ClientConfig]:
    producer = made.producer("id", largest_record_bytes=1_000_000, batch_bytes=1_000_000)
    return [made.consumer(), made.reader(), producer, made.admin(), made.plain_producer()]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_property_that_breaks_a_guarantee_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        KafkaConfig(bootstrap_servers="127.0.0.1:9", group_id="group", properties={name: "false"})
    assert f"kafka.properties: {name} is refused: {REFUSED[name]}" in raised.value.message


def test_every_refusal_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        config(acks="1", partitioner="random")
    assert raised.value.message.count("is refused") == 2


@pytest.mark.parametrize("name", ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"])
def test_what_the_broker_decides_under_kip_848_is_not_sent_and_not_taken(name: str) -> None:
    assert name not in config(group_protocol="consumer").consumer()
    with pytest.raises(ConfigurationError, match=name):
        KafkaConfig(
            bootstrap_servers="127.0.0.1:9", group_id="group", properties={"group.protocol": "consumer", name: "1"}
        )


def test_security_reaches_every_client() -> None:
    for client in all_clients(config(security_protocol="SASL_SSL", sasl_mechanisms="PLAIN", sasl_password="secret")):
        assert (client["security.protocol"], client["sasl.password"]) == ("SASL_SSL", "secret")


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(config(sasl_password="secret"))


def test_forced_settings_win_over_nothing_and_tunable_ones_give_way() -> None:
    consumer = config(fetch_wait_max_ms="7", linger_ms="1").consumer()
    assert consumer["fetch.wait.max.ms"] == "7"
    assert "linger.ms" not in consumer
    assert consumer["isolation.level"] == "read_committed"
    assert consumer["enable.auto.commit"] is False
    assert consumer["auto.offset.reset"] == "error"
    assert consumer["partition.assignment.strategy"] == "cooperative-sticky"
    producer = config(linger_ms="1").producer("id", largest_record_bytes=5, batch_bytes=4)
    assert producer["linger.ms"] == "1"
    assert producer["retry.backoff.ms"] == 5
    assert all(client["metadata.recovery.strategy"] == "none" for client in all_clients(config()))


@pytest.mark.parametrize(
    ("given", "idle_ms"),
    [({}, 7000), ({"socket_timeout_ms": "60000"}, 63_000), ({"socket_timeout_ms": "0xEA60"}, 63_000)],
)
def test_idle_connections_are_closed_once_nothing_can_be_out_on_them(given: dict[str, str], idle_ms: int) -> None:
    producer = config(**given).producer("id", largest_record_bytes=5, batch_bytes=4)
    assert producer["connections.max.idle.ms"] == idle_ms


def test_a_transaction_ends_before_its_owners_session() -> None:
    made = KafkaConfig(bootstrap_servers="127.0.0.1:9", group_id="group", session_timeout_seconds=10)
    assert 4 <= made.transaction_timeout_seconds < 10
    assert config(transaction_timeout_ms="2500").transaction_timeout_seconds == 2.5


@pytest.mark.parametrize(
    ("properties", "cooperative"),
    [
        ({}, True),
        ({"group.protocol": "consumer"}, True),
        ({"partition.assignment.strategy": "range,roundrobin"}, False),
        ({"partition.assignment.strategy": "cooperative-sticky"}, True),
    ],
)
def test_the_rebalance_protocol_is_known(properties: dict[str, str], cooperative: bool) -> None:
    made = KafkaConfig(bootstrap_servers="127.0.0.1:9", group_id="group", properties=properties)
    assert made.is_cooperative is cooperative


def test_librdkafka_takes_every_configuration() -> None:
    for made in (config(), config(group_protocol="consumer"), config(partition_assignment_strategy="range")):
        producer = made.producer("id", largest_record_bytes=1_000_000, batch_bytes=1_000_000)
        for kind, settings in ((Consumer, made.consumer()), (Consumer, made.reader()), (Producer, producer)):
            make(_quiet(kind), settings)


def test_an_unknown_property_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="nonsense"):
        make(Consumer, config(nonsense="1").consumer())


def _quiet(kind: type[Consumer] | type[Producer]) -> Callable[[ClientConfig], Consumer | Producer]:
    return lambda settings: kind({**settings, "log_level": 0})
