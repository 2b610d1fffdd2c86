"""Plain clients for the command line: write records, read topics as they grow, look at a cluster. All calls block."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, Message, Producer

from bridge.core.coordinates import Birth, TopicPartition
from bridge.errors import ConfigurationError
from bridge.kafka.config import LOG, KafkaConfig, make
from bridge.kafka.connection import Cluster, Connection, failure, failures
from bridge.kafka.messages import headers_of, to_client
from bridge.ports import Headers, OutRecord

SEND_SECONDS = 30.0
_BATCH = 500
_CREATE = "`vcd-bridge topics apply` creates the topics of the settings; any other has to be there"
_BY_KEY = -1
"""librdkafka's RD_KAFKA_PARTITION_UA: the partitioner decides."""


def librdkafka_version() -> str:
    """Version of the C library behind the client."""
    return confluent_kafka.libversion()[0]


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """One record as a ``read_committed`` reader sees it."""

    at: Birth
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


def look(config: KafkaConfig, *, seconds: float = 10.0) -> Cluster:
    """The cluster's metadata. Raises TemporaryError or ConfigurationError."""
    return Connection(config).look(seconds)


def send(config: KafkaConfig, records: Sequence[OutRecord]) -> list[Birth]:
    """Write records, acknowledged by all replicas; returns where each one is, in order.

    Raises ConfigurationError (no such topic, not allowed) or TemporaryError; some may have been written then.
    """
    cluster = look(config)
    missing = sorted({record.topic for record in records if not cluster.partitions(record.topic)})
    if missing:
        raise ConfigurationError(f"no such topic: {', '.join(missing)}", hint=_CREATE)
    producer: Producer = make(lambda settings: Producer(settings, logger=LOG), config.plain_producer())
    written: dict[int, Birth] = {}
    failed: list[KafkaError] = []
    with failures("the record was not written"):
        for index, record in enumerate(records):
            _produce(producer, record, _note(index, written, failed))
        left = producer.flush(SEND_SECONDS)
    if failed:
        raise failure("the record was not written", failed[0])
    if left:
        raise failure("the record was not written", KafkaError(KafkaError._TIMED_OUT))
    return [written[index] for index in range(len(records))]


def tail(
    config: KafkaConfig,
    topics: Sequence[str],
    *,
    from_beginning: bool = False,
    until_end: bool = False,
    stop: Callable[[], bool] = lambda: False,
    idle_seconds: float = 0.2,
    places: Mapping[TopicPartition, int] | None = None,
) -> Iterator[ReadRecord | None]:
    """Records of ``topics`` as they become visible to ``read_committed`` readers.

    ``places``: the partitions to read and where to begin in each; otherwise all, from one end.

    ``until_end``: end when the present ends have been reached, otherwise when ``stop()`` says so. None is yielded about
    every ``idle_seconds`` without a record. Per partition in order, across partitions as they come.
    Raises TemporaryError or ConfigurationError.
    """
    cluster = look(config)
    start = OFFSET_BEGINNING if from_beginning or until_end else OFFSET_END
    whole = {TopicPartition(topic, number): start for topic in topics for number in range(cluster.partitions(topic))}
    begin = whole if places is None else places
    waiting = {(one.topic, one.partition) for one in begin}
    missing = [topic for topic in topics if not cluster.partitions(topic)]
    if missing:
        raise ConfigurationError(f"no such topic: {', '.join(missing)}", hint=_CREATE)
    reader: Consumer = make(lambda settings: Consumer(settings, logger=LOG), config.reader())
    try:
        reader.assign([to_client(one, begin[one]) for one in sorted(begin)])
        heard_at = time.monotonic()
        while not stop() and (waiting or not until_end):
            messages = reader.consume(_BATCH, 0.02)
            yield from _records(messages, waiting)
            if messages:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at >= idle_seconds:
                heard_at = time.monotonic()
                yield None
    finally:
        reader.close()


def read_record(message: Message) -> ReadRecord:
    """A message without error, with where it is."""
    at = Birth(message.topic() or "", message.partition() or 0, message.offset() or 0)
    return ReadRecord(at, message.key(), message.value(), headers_of(message), message.timestamp()[1])


def _records(messages: Sequence[Message], waiting: set[tuple[str, int]]) -> Iterator[ReadRecord]:
    for message in messages:
        topic, number = message.topic() or "", message.partition() or 0
        error = message.error()
        if error is None:
            yield read_record(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            waiting.discard((topic, number))
        elif error.fatal() or not error.retriable():
            raise failure(f"{topic} cannot be read", error)


def _produce(producer: Producer, record: OutRecord, report: Callable[[KafkaError | None, Message], None]) -> None:
    headers: list[tuple[str, str | bytes | None]] = list(record.headers)
    partition = _BY_KEY if record.partition is None else record.partition
    while True:
        try:
            producer.produce(record.topic, record.value, record.key, partition, headers=headers, on_delivery=report)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def _note(
    index: int, written: dict[int, Birth], failed: list[KafkaError]
) -> Callable[[KafkaError | None, Message], None]:
    def report(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(error)
        else:
            written[index] = Birth(message.topic() or "", message.partition() or 0, message.offset() or 0)

    return report
