"""How large a record each topic takes, as the cluster says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bridge.kafka.connection import Connection
from bridge.kafka.queries import topic_setting
from bridge.ports import OutRecord

DEFAULT_BYTES = 1_048_588
"""The broker's default of message.max.bytes; used where the cluster will not say."""
OVERHEAD_BYTES = 512
"""Held back per record for what the journal adds and for the batch around it: brokers weigh whole batches."""
_RECORD_BYTES = 70
_HEADER_BYTES = 4


def record_bytes(record: OutRecord) -> int:
    """Key, value and headers with their lengths, and the batch's own fields."""
    headers = sum(len(name) + len(value or b"") + _HEADER_BYTES for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + _RECORD_BYTES


def topic_limits(connection: Connection, topics: Iterable[str]) -> Mapping[str, int]:
    """``max.message.bytes`` of each topic. Blocks.

    Where the cluster will not say it is the default: the journal still names the record that is refused.
    """
    wanted = list(topics)
    told = topic_setting(connection, wanted, "max.message.bytes")
    return {topic: int(told.get(topic, DEFAULT_BYTES)) for topic in wanted}
