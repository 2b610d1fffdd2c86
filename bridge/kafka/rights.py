"""What the cluster lets the bridge do with its topics and its group: asked before any work is taken.

A right that is missing would otherwise show when VCD has been called and nobody can be told of it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException

from bridge.core.coordinates import TopicPartition
from bridge.errors import ConfigurationError
from bridge.kafka.admin import AclOperation, TopicCollection
from bridge.kafka.config import LOG, KafkaConfig, make
from bridge.kafka.connection import REACH_SECONDS, Connection, describe, failure
from bridge.kafka.letting_go import let_go
from bridge.kafka.messages import to_client
from bridge.ports import TopicNames

DENIED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_MOVING = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
    }
)
_AGAIN_SECONDS = 0.2
HINT = (
    "grant Read on inputs, store and control topic, Write on events, ticket updates, dead letters and store, Read on "
    "the group, Write on the transactional ids that begin with the group's name"
)


def check_rights(config: KafkaConfig, names: TopicNames) -> None:
    """Raises ConfigurationError that names every right that ``run`` would miss, TemporaryError without Kafka."""
    connection = Connection(config)
    on_topics = _missing_on_topics(connection, read_topics(names), written(names))
    _refuse([*on_topics, *_missing_on_group(connection, config, names)])


def read_topics(names: TopicNames) -> frozenset[str]:
    """What the bridge reads."""
    return frozenset((*names.inputs, *names.stores, names.control))


def written(names: TopicNames) -> frozenset[str]:
    """What the bridge writes."""
    return frozenset((*names.outputs, *names.stores))


def require_rights(connection: Connection, *, read: Collection[str], write: Collection[str]) -> None:
    """Raises ConfigurationError that names every right on topics that is missing; a cluster that will not say passes.

    Who may not use the group need not be told here: it cannot join, so it is given nothing to work on.
    """
    _refuse([*_missing_on_topics(connection, read, write)])


def _refuse(missing: Collection[str]) -> None:
    if missing:
        raise ConfigurationError(f"Kafka does not let the bridge {', '.join(missing)}", hint=HINT)


def _missing_on_topics(connection: Connection, read: Collection[str], write: Collection[str]) -> Iterable[str]:
    wanted = sorted({*read, *write})
    asked = connection.admin.describe_topics(
        TopicCollection(wanted), include_authorized_operations=True, request_timeout=REACH_SECONDS
    )
    for topic, future in asked.items():
        try:
            allowed = future.result().authorized_operations
        except KafkaException as error:
            if error.args[0].code() in DENIED:
                yield f"describe topic {topic}"
            continue
        if topic in read and _is_missing(AclOperation.READ, allowed):
            yield f"read topic {topic}"
        if topic in write and _is_missing(AclOperation.WRITE, allowed):
            yield f"write to topic {topic}"


def _missing_on_group(connection: Connection, config: KafkaConfig, names: TopicNames) -> Iterable[str]:
    """Raises TemporaryError when it cannot be learnt."""
    group = config.group_id
    try:
        allowed = _allowed_on_group(connection, config, names)
    except KafkaException as raised:
        error: KafkaError = raised.args[0]
        if error.code() not in DENIED:
            raise failure(f"what group {group} may do cannot be learnt", error) from None
        yield f"use group {group}: {describe(error)}"
    else:
        if _is_missing(AclOperation.READ, allowed):
            yield f"join group {group} (Read)"


def _allowed_on_group(
    connection: Connection, config: KafkaConfig, names: TopicNames
) -> Collection[AclOperation] | None:
    """Raises KafkaException. A coordinator that has just moved or starts is asked again for a while."""
    deadline = time.monotonic() + REACH_SECONDS
    while True:
        try:
            # Without a coordinator the next question times out, and that can abort the process inside librdkafka 2.x
            # (rd_kafka_enq_once_del_source_return, seen twice). This one just fails.
            _ask_the_coordinator(config, next(iter(names.inputs)))
            asked = connection.admin.describe_consumer_groups(
                [config.group_id], include_authorized_operations=True, request_timeout=REACH_SECONDS
            )
            allowed: Collection[AclOperation] | None = asked[config.group_id].result().authorized_operations
        except KafkaException as raised:
            if raised.args[0].code() not in _MOVING or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_SECONDS)
        else:
            return allowed


def _ask_the_coordinator(config: KafkaConfig, topic: str) -> None:
    """Raises KafkaException unless the group's coordinator answers."""
    reader: Consumer = make(lambda settings: Consumer(settings, logger=LOG), config.reader())
    try:
        for answer in reader.committed([to_client(TopicPartition(topic, 0))], timeout=REACH_SECONDS):
            if answer.error is not None:
                raise KafkaException(answer.error)
    finally:
        let_go(reader)


def _is_missing(operation: AclOperation, allowed: Collection[AclOperation] | None) -> bool:
    return bool(allowed) and operation not in (allowed or ()) and AclOperation.ALL not in (allowed or ())
