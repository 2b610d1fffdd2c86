"""Questions about offsets and topics, each for many partitions in one request. All calls block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import KafkaException

from bridge.core.coordinates import TopicPartition
from bridge.kafka.admin import (
    EARLIEST,
    LATEST,
    ConfigResource,
    IsolationLevel,
    OffsetSpec,
    ResourceType,
    TopicCollection,
    at_time,
)
from bridge.kafka.connection import MISSING, Connection
from bridge.kafka.messages import to_client

ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """``topic_id``: Kafka's UUID, another one when the topic was made anew; empty where the cluster has none."""

    topic_id: str
    partitions: int


def topic_facts(connection: Connection, topics: Iterable[str], *, embedded: bool) -> Mapping[str, TopicFacts]:
    """Facts of those topics that exist. Raises KafkaException; the embedded broker cannot describe topics."""
    wanted = list(topics)
    if embedded:
        cluster = connection.look()
        return {topic: TopicFacts("", cluster.partitions(topic)) for topic in wanted if cluster.partitions(topic)}
    facts: dict[str, TopicFacts] = {}
    asked = connection.admin.describe_topics(TopicCollection(wanted), request_timeout=ANSWER_SECONDS)
    for topic, future in asked.items():
        try:
            found = future.result()
        except KafkaException as error:
            if error.args[0].code() in MISSING:
                continue
            raise
        facts[topic] = TopicFacts(str(found.topic_id), len(found.partitions))
    return facts


def topic_setting(connection: Connection, topics: Iterable[str], name: str) -> Mapping[str, str]:
    """Effective value of one setting by topic; topics of which the cluster will not say are left out."""
    asked = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    told: dict[str, str] = {}
    for resource, future in connection.admin.describe_configs(asked, request_timeout=ANSWER_SECONDS).items():
        # Not allowed to ask, or a cluster that cannot answer.
        with contextlib.suppress(KafkaException):
            entry = future.result().get(name)
            if entry is not None and entry.value is not None:
                told[resource.name] = entry.value
    return told


def high_watermarks(connection: Connection, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The true ends of logs, open transactions included. Raises KafkaException.

    A read_committed reader's own notions (watermark query, end of partition) stop at the last stable offset (measured).
    """
    return _offsets(connection, partitions, LATEST, IsolationLevel.READ_UNCOMMITTED)


def log_starts(connection: Connection, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """First offsets that logs still hold. Raises KafkaException."""
    return _offsets(connection, partitions, EARLIEST, IsolationLevel.READ_UNCOMMITTED)


def offsets_at(
    connection: Connection, partitions: Iterable[TopicPartition], moment: datetime
) -> dict[TopicPartition, int]:
    """First offsets whose records bear this time or a later one; the end where there is none. Raises KafkaException."""
    asked = list(partitions)
    found = _offsets(connection, asked, at_time(int(moment.timestamp() * 1000)), IsolationLevel.READ_UNCOMMITTED)
    ends = high_watermarks(connection, [partition for partition, offset in found.items() if offset < 0])
    return {partition: ends.get(partition, found[partition]) for partition in asked}


def readable_ranges(
    connection: Connection, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, tuple[int, int]]:
    """First offset and last stable offset: what a read_committed reader can read. Raises KafkaException."""
    asked = list(partitions)
    lows = log_starts(connection, asked)
    highs = _offsets(connection, asked, LATEST, IsolationLevel.READ_COMMITTED)
    return {partition: (lows[partition], highs[partition]) for partition in asked}


def _offsets(
    connection: Connection, partitions: Iterable[TopicPartition], spec: OffsetSpec, isolation: IsolationLevel
) -> dict[TopicPartition, int]:
    asked = {to_client(p): spec for p in partitions}
    if not asked:
        return {}
    answers = connection.admin.list_offsets(asked, isolation_level=isolation, request_timeout=ANSWER_SECONDS)
    return {TopicPartition(p.topic, p.partition): int(future.result().offset) for p, future in answers.items()}
