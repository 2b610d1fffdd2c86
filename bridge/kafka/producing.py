"""Records on their way into an open transaction, and what the client reports of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from bridge.core.coordinates import TopicPartition
from bridge.kafka.outcomes import Failures
from bridge.ports import OutRecord, PartitionEntries

Result = TypeVar("Result")

WRITER_HEADER = "vb_writer"
"""Header of every store record: the transactional id that wrote it, so that the next owner can free what a dead owner
left open."""

_BY_KEY = -1
"""librdkafka's RD_KAFKA_PARTITION_UA: the partitioner decides."""


class RecordWriter:
    """Writes records for one transactional id. ``step`` is called before each blocking call with its name."""

    def __init__(
        self, transactional_id: str, store_topics: frozenset[str], *, seconds: float, step: Callable[[str], None]
    ) -> None:
        self._header = (WRITER_HEADER, transactional_id.encode())
        self._store_topics = store_topics
        self._seconds = seconds
        self._step = step

    def write(self, producer: Producer, written: Sequence[PartitionEntries], failures: Failures) -> None:
        """All records, acknowledged; those that are not end up in ``failures``, and the rest is not waited for.

        Raises KafkaException when time is up.
        """
        for entries in written:
            report = partial(_delivered, failures, entries.partition)
            for record in entries.records:
                try:
                    self._produce(producer, record, report)
                except KafkaException as error:
                    failures.append((entries.partition, error.args[0]))
                    return
        # Flushed first: AddOffsetsToTxn behind unfinished produce requests costs a back-off (measured).
        self._step("flush")
        deadline = time.monotonic() + self._seconds
        while reporting(producer.flush, max(0.0, deadline - time.monotonic())) and not failures:
            if time.monotonic() >= deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "records were not acknowledged in time"))

    def _produce(
        self, producer: Producer, record: OutRecord, report: Callable[[KafkaError | None, Message], None]
    ) -> None:
        headers: list[tuple[str, str | bytes | None]] = list(record.headers)
        if record.topic in self._store_topics:
            headers.append(self._header)
        partition = _BY_KEY if record.partition is None else record.partition
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                producer.produce(record.topic, record.value, record.key, partition, headers=headers, on_delivery=report)
            except BufferError:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._QUEUE_FULL, "records are not taken")) from None
                reporting(producer.poll, 0.05)
            else:
                return


def reporting(call: Callable[..., Result], *arguments: float) -> Result:
    """A call of the client in which reports are delivered. Raises KafkaException.

    Where the call itself fails meanwhile, whatever a report's function does ends in a SystemError that is caused by the
    failure: such is a producer that was fenced with records on their way (measured on confluent-kafka 2.16.1).
    """
    try:
        return call(*arguments)
    except SystemError as error:
        if isinstance(error.__cause__, KafkaException):
            raise error.__cause__ from None
        raise


def _delivered(failures: Failures, partition: TopicPartition, error: KafkaError | None, _: Message) -> None:
    # Nothing is asked of the error here: see ``reporting``.
    if error is not None:
        failures.append((partition, error))
