"""Reads the store, or another topic, without being anybody's owner: for those who only look. All calls block.

The rules are those of a restore (``restoring.Log``): each partition is read to its end as it was at the beginning, past
transactions that are still open. But nobody is fenced for it: a transaction that its owner does not end in time is
told of, and what it holds is not shown. The group is not joined, and nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from bridge.core.coordinates import Birth, TopicPartition
from bridge.errors import ConfigurationError, TemporaryError
from bridge.kafka.clients import ReadRecord, read_record
from bridge.kafka.config import LOG, KafkaConfig, make
from bridge.kafka.connection import Connection, failure, failures
from bridge.kafka.letting_go import let_go
from bridge.kafka.messages import to_client
from bridge.kafka.queries import high_watermarks, log_starts, offsets_at
from bridge.kafka.restoring import Log
from bridge.ports import StoredRecord, TopicNames

OPEN_SECONDS = 5.0
"""How long an open transaction is waited for. A live owner commits within milliseconds; a dead one's successor ends
what it left."""
STALLED_SECONDS = 30.0
_BATCH = 5000
_LEADER_SECONDS = 10.0
_RETRY_SECONDS = 0.2
_LEADERLESS = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPartition:
    """The store of one input partition. ``held_up_at``: offset of the changelog behind which a transaction is open, so
    that nothing from there on is shown; None: read to the end."""

    partition: TopicPartition
    changelog: Sequence[StoredRecord]
    ended: Sequence[StoredRecord]
    held_up_at: int | None


@dataclass(slots=True)
class _Reading:
    partition: TopicPartition
    changelog: Log
    ended: Log | None

    @property
    def logs(self) -> tuple[Log, ...]:
        return (self.changelog,) if self.ended is None else (self.changelog, self.ended)

    def result(self) -> StoredPartition:
        short = not self.changelog.done
        return StoredPartition(
            partition=self.partition,
            changelog=self.changelog.records(),
            ended=self.ended.records() if self.ended is not None else (),
            held_up_at=self.changelog.stuck_at if short else None,
        )


def read_store(
    config: KafkaConfig,
    names: TopicNames,
    *,
    ended: bool,
    ended_since: datetime | None = None,
    wanted: Callable[[bytes], bool] = lambda key: True,
) -> list[StoredPartition]:
    """The store of all inputs, partition by partition. ``ended``: also what is remembered of those that ended.

    ``ended_since``: endings whose records bear an earlier time are not read; the embedded broker knows no times.
    ``wanted`` is asked of each key; records of others are passed over.
    Raises ConfigurationError (no such topic, not allowed) or TemporaryError.
    """
    connection = Connection(config)
    cluster = connection.look()
    missing = [name for name in names.stores if not cluster.partitions(name)]
    if missing:
        raise ConfigurationError(
            f"no store: {', '.join(missing)}", hint="is kafka.group_id the bridges' own? `vcd-bridge topics apply`"
        )
    readings = [
        _Reading(
            TopicPartition(topic, number),
            Log(TopicPartition(names.changelog(topic), number), latest_only=True),
            Log(TopicPartition(names.ended(topic), number), latest_only=False) if ended else None,
        )
        for topic in names.inputs
        for number in range(cluster.partitions(names.changelog(topic)))
    ]
    logs = {log.partition: log for reading in readings for log in reading.logs}
    reader: Consumer = make(lambda settings: Consumer(settings, logger=LOG), config.reader())
    try:
        with failures("the store cannot be read"):
            for partition, end in _led(lambda: high_watermarks(connection, logs)).items():
                logs[partition].end = end
            starts = _led(lambda: log_starts(connection, logs))
            if ended_since is not None and not cluster.is_embedded:
                endings = [reading.ended.partition for reading in readings if reading.ended is not None]
                starts |= _led(lambda: offsets_at(connection, endings, ended_since))
            reader.assign([to_client(partition, offset) for partition, offset in starts.items()])
            for partition, offset in starts.items():
                logs[partition].reached(offset)
            _read(reader, logs, wanted)
    finally:
        let_go(reader)
    return [reading.result() for reading in readings]


@dataclass(slots=True, kw_only=True)
class _HandedOver(Log):
    """A log of which nothing is kept here."""

    hand: Callable[[ReadRecord], None]

    def take(self, message: Message) -> None:
        self.hand(read_record(message))
        self.reached((message.offset() or 0) + 1)


def read_topic(
    config: KafkaConfig,
    topic: str,
    hand: Callable[[ReadRecord], None],
    *,
    places: Mapping[TopicPartition, int] | None = None,
    ends: Mapping[TopicPartition, int] | None = None,
) -> dict[TopicPartition, int]:
    """Hands over each committed record of ``topic`` up to where it ends now; per partition in order.

    ``places``: the partitions to read and where to begin in each; otherwise all from where they begin. ``ends``: where
    to end in each, at the latest. Returns the offsets behind which nothing could be read, for a transaction is open
    there and does not end.
    Raises ConfigurationError (no such topic, not allowed) or TemporaryError; and what ``hand`` raises.
    """
    connection = Connection(config)
    partitions = list(_partitions(connection, [topic])) if places is None else list(places)
    if not connection.look().partitions(topic):
        raise ConfigurationError(f"no such topic: {topic}", hint="`vcd-bridge topics apply` creates it")
    logs = {one: _HandedOver(partition=one, latest_only=False, hand=hand) for one in partitions}
    reader: Consumer = make(lambda settings: Consumer(settings, logger=LOG), config.reader())
    try:
        with failures(f"{topic} cannot be read"):
            for partition, end in _led(lambda: high_watermarks(connection, logs)).items():
                logs[partition].end = min(end, (ends or {}).get(partition, end))
            starts = _led(lambda: log_starts(connection, logs)) if places is None else places
        reader.assign([to_client(partition, offset) for partition, offset in starts.items()])
        for partition, offset in starts.items():
            logs[partition].reached(offset)
        _read(reader, logs, lambda _: True)
    finally:
        let_go(reader)
    return {partition: log.stuck_at for partition, log in logs.items() if not log.done}


def record_at(config: KafkaConfig, at: Birth, *, seconds: float = 10.0) -> ReadRecord | None:
    """The record with these coordinates; None when its topic does not hold it any more.

    Raises ConfigurationError or TemporaryError.
    """
    if at.offset < 0:
        return None
    connection = Connection(config)
    partition = at.topic_partition
    if connection.look().partitions(at.topic) <= at.partition:
        return None
    with failures(f"{at} cannot be read"):
        end = _led(lambda: high_watermarks(connection, [partition]))[partition]
        start = _led(lambda: log_starts(connection, [partition]))[partition]
    if not start <= at.offset < end:
        return None
    reader: Consumer = make(lambda settings: Consumer(settings, logger=LOG), config.reader())
    try:
        reader.assign([to_client(partition, at.offset)])
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for message in reader.consume(1, 0.1):
                if message.error() is None:
                    return read_record(message) if message.offset() == at.offset else None
                _refuse_errors(message)
        raise TemporaryError(f"{at} cannot be read", hint="is Kafka healthy?")
    finally:
        let_go(reader)


def ends_of(config: KafkaConfig, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """Where these topics end now, open transactions included. Raises ConfigurationError or TemporaryError."""
    connection = Connection(config)
    with failures("the ends of topics cannot be learnt"):
        return _led(lambda: high_watermarks(connection, list(_partitions(connection, topics))))


def places_at(config: KafkaConfig, topic: str, moment: datetime) -> dict[TopicPartition, int]:
    """The first offset of each partition of ``topic`` with a record of that time or later.

    The embedded broker knows no times: there it is where the partition begins.
    Raises ConfigurationError or TemporaryError.
    """
    connection = Connection(config)
    partitions = list(_partitions(connection, [topic]))
    with failures(f"{topic} cannot be read"):
        if connection.look().is_embedded:
            return log_starts(connection, partitions)
        return _led(lambda: offsets_at(connection, partitions, moment))


def _led(ask: Callable[[], T]) -> T:
    """The answer, once partitions that were just made, or just moved, have a leader. Raises KafkaException."""
    deadline = time.monotonic() + _LEADER_SECONDS
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in _LEADERLESS or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)


def _partitions(connection: Connection, topics: Sequence[str]) -> Iterator[TopicPartition]:
    cluster = connection.look()
    return (TopicPartition(topic, number) for topic in topics for number in range(cluster.partitions(topic)))


def _read(reader: Consumer, logs: Mapping[TopicPartition, Log], wanted: Callable[[bytes], bool]) -> None:
    """Until every log is read to its end, or to where a transaction has been open for too long."""
    heard_at = time.monotonic()
    while left := [log for log in logs.values() if not log.done]:
        messages = reader.consume(_BATCH, 0.05)
        for message in messages:
            _take(logs[TopicPartition(message.topic() or "", message.partition() or 0)], message, wanted)
        now = time.monotonic()
        # Whoever is handed the records may take his time.
        heard_at = now if messages else heard_at
        if all(log.stuck_at >= 0 and now - log.stuck_since > OPEN_SECONDS for log in left):
            return
        if now - heard_at > STALLED_SECONDS:
            names = ", ".join(str(log.partition) for log in left)
            raise TemporaryError(f"{names} cannot be read to the end", hint="is Kafka healthy?")


def _take(log: Log, message: Message, wanted: Callable[[bytes], bool]) -> None:
    error = message.error()
    if error is not None and error.code() == KafkaError._PARTITION_EOF:
        log.stopped_at(message.offset() or 0)
    elif error is not None:
        _refuse_errors(message)
    elif wanted(message.key() or b""):
        log.take(message)
    else:
        log.reached((message.offset() or 0) + 1)


def _refuse_errors(message: Message) -> None:
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF and (error.fatal() or not error.retriable()):
        raise failure(f"{message.topic()} cannot be read", error)
