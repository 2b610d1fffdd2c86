"""Frees partitions from a transaction that its dead owner left open.

Until such a transaction ends, nothing behind it can be read: the next owner would wait in silence for the broker's
time-out (measured: 21 s with a 20 s time-out). ``init_transactions`` with the dead owner's id ends it at once.
"""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from bridge.core.coordinates import TopicPartition
from bridge.kafka.config import LOG, KafkaConfig, make
from bridge.kafka.letting_go import let_go
from bridge.kafka.limits import DEFAULT_BYTES
from bridge.kafka.messages import headers_of, to_client
from bridge.kafka.producing import WRITER_HEADER

_FIND_SECONDS = 5.0
_AGAIN_SECONDS = 5.0
_INIT_SECONDS = 10.0


class Fence:
    """``own_id`` is never fenced: this process ends its own transactions itself."""

    def __init__(self, config: KafkaConfig, own_id: str) -> None:
        self._config = config
        self._own_id = own_id
        self._fenced_at: dict[str, float] = {}

    def free(self, partition: TopicPartition, stable_end: int) -> str | None:
        """End the open transaction whose first record is at ``stable_end`` of a store partition.

        Returns the transactional id that was fenced, None when there is none to fence. Raises KafkaException.
        """
        writer = self._writer_at(partition, stable_end)
        if writer is None or writer == self._own_id:
            return None
        now = time.monotonic()
        if now - self._fenced_at.get(writer, -_AGAIN_SECONDS) < _AGAIN_SECONDS:
            return None
        self._fenced_at[writer] = now
        settings = self._config.producer(writer, largest_record_bytes=DEFAULT_BYTES, batch_bytes=DEFAULT_BYTES)
        producer: Producer = make(lambda made: Producer(made, logger=LOG), settings)
        try:
            producer.init_transactions(_INIT_SECONDS)
        finally:
            let_go(producer)
        return writer

    def _writer_at(self, partition: TopicPartition, offset: int) -> str | None:
        """The writer's id in the header of the first record at or after ``offset``, committed or not."""
        reader: Consumer = make(
            lambda made: Consumer(made, logger=LOG), self._config.reader(isolation="read_uncommitted")
        )
        try:
            reader.assign([to_client(partition, offset)])
            deadline = time.monotonic() + _FIND_SECONDS
            while time.monotonic() < deadline:
                message = reader.poll(0.1)
                if message is None:
                    continue
                error = message.error()
                if error is None:
                    told = dict(headers_of(message)).get(WRITER_HEADER)
                    return told.decode(errors="replace") if told else None
                if error.code() == KafkaError._PARTITION_EOF:
                    return None
                if error.fatal():
                    raise KafkaException(error)
            return None
        finally:
            let_go(reader)
