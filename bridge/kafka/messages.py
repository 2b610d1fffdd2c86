"""The client's messages and partitions in the bridge's words, and back."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import OFFSET_INVALID, Message
from confluent_kafka import TopicPartition as ClientPartition

from bridge.core.coordinates import TopicPartition


def headers_of(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    """Headers as the ports have them; the raw client hands out bytes only."""
    found = message.headers()
    if not found:
        return ()
    pairs = found.items() if isinstance(found, dict) else found
    return tuple((name, value.encode() if isinstance(value, str) else value) for name, value in pairs)


def partition_of(message: Message) -> TopicPartition:
    return TopicPartition(message.topic() or "", message.partition() or 0)


def to_client(partition: TopicPartition, offset: int = OFFSET_INVALID) -> ClientPartition:
    return ClientPartition(partition.topic, partition.partition, offset)


def from_client(partitions: Iterable[ClientPartition]) -> list[TopicPartition]:
    return [TopicPartition(partition.topic, partition.partition) for partition in partitions]
