"""Looks at a cluster's topics and brings them to the layout. All calls block."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from bridge.core.coordinates import TopicPartition
from bridge.errors import ConfigurationError, TemporaryError
from bridge.kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, ResourceType
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Connection, failure
from bridge.kafka.layout import Change, Difference, ExistingTopic, Layout, TopicPlan, compare
from bridge.kafka.limits import DEFAULT_BYTES
from bridge.kafka.queries import high_watermarks

ANSWER_SECONDS = 30.0
_VISIBLE_SECONDS = 30.0


def plan(config: KafkaConfig, layout: Layout) -> TopicPlan:
    """Where the cluster differs from ``layout``. Raises ConfigurationError or TemporaryError."""
    return _plan(_connected(config), layout)


def apply(config: KafkaConfig, layout: Layout) -> TopicPlan:
    """Create, grow and set what differs; what is impossible stays. Returns what differed before.

    May be repeated. Raises ConfigurationError (not allowed, too few brokers) or TemporaryError; some changes may have
    been made then.
    """
    connection = _connected(config)
    found = _plan(connection, layout)
    _create(connection, found)
    _grow(connection, found.of(Change.GROW))
    _set(connection, found.of(Change.SET))
    _wait_until_visible(connection, found)
    return found


def _connected(config: KafkaConfig) -> Connection:
    connection = Connection(config)
    if connection.look().is_embedded:
        raise ConfigurationError(
            "the embedded broker cannot be asked about topics or change them",
            hint="`vcd-bridge broker` makes the bridge's topics itself",
        )
    return connection


def _plan(connection: Connection, layout: Layout) -> TopicPlan:
    existing = _existing(connection, layout.topics())
    all_there = all(topic in existing for topic in layout.names.inputs)
    default = DEFAULT_BYTES if all_there else _default_record_bytes(connection)
    return compare(layout.required(existing, default_record_bytes=default), existing)


def _existing(connection: Connection, names: Iterable[str]) -> dict[str, ExistingTopic]:
    metadata = connection.metadata()
    there = [name for name in names if name in metadata.topics and metadata.topics[name].error is None]
    settings = _settings(connection, ResourceType.TOPIC, there)
    return {
        name: ExistingTopic(
            partitions=len(metadata.topics[name].partitions),
            replication_factor=min(len(part.replicas) for part in metadata.topics[name].partitions.values()),
            settings=settings[name],
        )
        for name in there
    }


def _default_record_bytes(connection: Connection) -> int:
    broker = str(next(iter(connection.metadata().brokers)))
    return int(_settings(connection, ResourceType.BROKER, [broker])[broker].get("message.max.bytes") or DEFAULT_BYTES)


def _settings(connection: Connection, kind: ResourceType, names: Iterable[str]) -> dict[str, Mapping[str, str]]:
    resources = [ConfigResource(kind, name) for name in names]
    if not resources:
        return {}
    answers = connection.admin.describe_configs(resources, request_timeout=ANSWER_SECONDS)
    return {
        resource.name: {
            name: entry.value
            for name, entry in _result(future, f"settings of {resource.name} cannot be read").items()
            if entry.value is not None
        }
        for resource, future in answers.items()
    }


def _create(connection: Connection, found: TopicPlan) -> None:
    wanted = [found.required[difference.topic] for difference in found.of(Change.CREATE)]
    if not wanted:
        return
    topics = [
        NewTopic(
            topic.name,
            topic.partitions,
            topic.replication_factor,
            config={name: setting.value for name, setting in topic.settings.items()},
        )
        for topic in wanted
    ]
    answers = connection.admin.create_topics(topics, operation_timeout=ANSWER_SECONDS, request_timeout=ANSWER_SECONDS)
    for name, future in answers.items():
        _result(future, f"{name} cannot be created", besides={KafkaError.TOPIC_ALREADY_EXISTS})


def _grow(connection: Connection, differences: Iterable[Difference]) -> None:
    wanted = [NewPartitions(difference.topic, int(difference.wanted)) for difference in differences]
    if wanted:
        for name, future in connection.admin.create_partitions(wanted, request_timeout=ANSWER_SECONDS).items():
            _result(future, f"{name} cannot be given more partitions")


def _set(connection: Connection, differences: Iterable[Difference]) -> None:
    entries: dict[str, list[ConfigEntry]] = {}
    for difference in differences:
        entries.setdefault(difference.topic, []).append(
            ConfigEntry(difference.setting, difference.wanted, incremental_operation=AlterConfigOpType.SET)
        )
    resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=one) for name, one in entries.items()]
    if resources:
        answers = connection.admin.incremental_alter_configs(resources, request_timeout=ANSWER_SECONDS)
        for resource, future in answers.items():
            _result(future, f"settings of {resource.name} cannot be changed")


def _wait_until_visible(connection: Connection, found: TopicPlan) -> None:
    """Brokers learn of a topic one after the other, its leaders last; whoever starts next should find it."""
    wanted = {d.topic: found.required[d.topic].partitions for d in (*found.of(Change.CREATE), *found.of(Change.GROW))}
    deadline = time.monotonic() + _VISIBLE_SECONDS
    while not (_are_listed(connection, wanted) and _are_led(connection, wanted)):
        if time.monotonic() > deadline:
            raise TemporaryError(f"topics were created but are not visible yet: {', '.join(sorted(wanted))}")
        time.sleep(0.1)


def _are_listed(connection: Connection, wanted: Mapping[str, int]) -> bool:
    cluster = connection.look()
    return all(cluster.partitions(name) >= number for name, number in wanted.items())


def _are_led(connection: Connection, wanted: Mapping[str, int]) -> bool:
    """Whether each partition's leader knows that it leads. Where nothing is said of that, nothing is waited for."""
    try:
        high_watermarks(
            connection, [TopicPartition(name, one) for name, number in wanted.items() for one in range(number)]
        )
    except KafkaException as error:
        return error.args[0].code() not in _NOT_LED_YET
    return True


def _result(future: Future[Any], what: str, *, besides: frozenset[int] | set[int] = frozenset()) -> Any:
    try:
        return future.result()
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        if reason.code() in besides:
            return None
        if reason.code() in _REFUSED:
            raise ConfigurationError(f"{what}: {reason.str()}", hint="see settings topics.*") from None
        raise failure(what, reason) from None


_NOT_LED_YET = frozenset(
    {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART}
)

_REFUSED = frozenset(
    {
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_CONFIG,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.INVALID_REQUEST,
    }
)
"""The cluster will not have it so; trying again does not help."""
