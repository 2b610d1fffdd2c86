"""The group's control topic: read whole when the process starts, then followed, on a thread of its own.

Whatever was acknowledged before the process started is known to it before it calls anything: the read goes up to the
end that the partition's leader names, not to where a reader finds nothing more for now.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message

from bridge.core.coordinates import TopicPartition
from bridge.core.freeze import KEY, THAWED, Freeze, UnreadableFreezeError, read_freeze
from bridge.errors import BridgeError, ConfigurationError, TemporaryError
from bridge.kafka.config import LOG, KafkaConfig, make
from bridge.kafka.connection import Connection, describe, failures, require_topics
from bridge.kafka.letting_go import let_go
from bridge.kafka.messages import to_client
from bridge.kafka.queries import high_watermarks
from bridge.kafka.worker import Worker
from bridge.ports import OutRecord

OPEN_SECONDS = 30.0
"""Longest read of the whole topic. It holds a few records."""
HUNG_SECONDS = 60.0
_POLL_SECONDS = 0.5
_REPEAT_SECONDS = 30.0
"""How often it is told that the topic cannot be read."""


class KafkaControl:
    """Implements ``bridge.ports.ControlTopic``.

    ``trouble(where, message)`` is called in the reader's thread, ``on_hung`` when a call of the client hangs.
    """

    def __init__(
        self,
        config: KafkaConfig,
        topic: str,
        *,
        trouble: Callable[[str, str], None] = lambda where, message: None,
        on_hung: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._config = config
        self._reader = _Reader(config, topic, trouble)
        self._worker = Worker("kafka-control", bound_seconds=HUNG_SECONDS, on_hung=on_hung)

    async def open(self) -> Freeze:
        """What holds now. Raises TemporaryError or ConfigurationError; nothing is left of it then."""
        try:
            return await self._worker.run(self._reader.read_whole)
        except BridgeError:
            await self.close()
            raise

    async def next(self) -> Freeze:
        """What is said next, once it is said. While Kafka is away nothing is."""
        while True:
            said = await self._worker.run(lambda: self._reader.poll(_POLL_SECONDS))
            if said is not None:
                return said

    async def close(self) -> None:
        """Let go of the client after the poll that is out."""
        await self._worker.run(self._reader.let_go)
        self._worker.close()


def read_control(config: KafkaConfig, topic: str) -> Freeze:
    """What holds now. Blocks. Raises TemporaryError or ConfigurationError."""
    troubles: list[str] = []
    reader = _Reader(config, topic, lambda where, message: troubles.append(message))
    try:
        return reader.read_whole()
    finally:
        reader.let_go()


def control_record(topic: str, value: bytes) -> OutRecord:
    """The record that says so to the whole group."""
    return OutRecord(topic, 0, KEY, value, (("content-type", b"application/json"),))


class _Reader:
    """A reader of the topic's one partition. All calls block, and all come from one thread."""

    def __init__(self, config: KafkaConfig, topic: str, trouble: Callable[[str, str], None]) -> None:
        self._config = config
        self._topic = topic
        self._trouble = trouble
        self._client: Consumer | None = None
        self._position = 0
        self._told_at = float("-inf")

    def let_go(self) -> None:
        """Never left to the collector: at the end of the process no thread can start, and it would wait for one."""
        client, self._client = self._client, None
        if client is not None:
            let_go(client)

    def read_whole(self) -> Freeze:
        """Up to the end as it is now. Raises TemporaryError or ConfigurationError."""
        connection = Connection(self._config)
        cluster = connection.look()
        require_topics(cluster, [self._topic])
        if cluster.partitions(self._topic) != 1:
            raise ConfigurationError(
                f"{self._topic} has {cluster.partitions(self._topic)} partitions, but what holds for the whole group "
                "needs an order: it must have 1",
                hint="delete it, and let `vcd-bridge topics apply` make it",
            )
        partition, deadline = TopicPartition(self._topic, 0), time.monotonic() + OPEN_SECONDS
        end = self._end(connection, partition, deadline)
        # What an idle group asks the broker: twice a second instead of the store's hundred times.
        config = {**self._config.reader(isolation="read_uncommitted"), "fetch.wait.max.ms": int(_POLL_SECONDS * 1000)}
        self._client = make(lambda settings: Consumer(settings, logger=LOG), config)
        self._client.assign([to_client(partition, OFFSET_BEGINNING)])
        said = THAWED
        while self._position < end:
            said = self.poll(_POLL_SECONDS) or said
            if time.monotonic() > deadline:
                raise TemporaryError(f"{self._topic} cannot be read to its end", hint="is Kafka healthy?")
        return said

    def _end(self, connection: Connection, partition: TopicPartition, deadline: float) -> int:
        """Asked again until ``deadline``: a topic that has just been made has no leader for a moment."""
        while True:
            try:
                with failures(f"{self._topic} cannot be read"):
                    return high_watermarks(connection, [partition])[partition]
            except TemporaryError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)

    def poll(self, seconds: float) -> Freeze | None:
        """What the next record says; None where there is none, or none that says anything."""
        message = self._client.poll(seconds) if self._client is not None else None
        if message is None:
            return None
        error = message.error()
        if error is None:
            self._position = (message.offset() or 0) + 1
            return self._said(message)
        if error.code() == KafkaError._PARTITION_EOF:
            self._position = message.offset() or 0
        elif time.monotonic() - self._told_at > _REPEAT_SECONDS:
            self._told_at = time.monotonic()
            self._trouble("kafka control", f"{self._topic}: {describe(error)}; what was said last holds")
        return None

    def _said(self, message: Message) -> Freeze | None:
        if message.key() != KEY:
            return None
        try:
            return read_freeze(message.value(), _written_at(message))
        except UnreadableFreezeError as error:
            place = f"{self._topic}/0/{message.offset()}"
            self._trouble("kafka control", f"{place} cannot be read ({error}); what was said before holds")
            return None


def _written_at(message: Message) -> datetime | None:
    """None also where its writer made up a time that no calendar has."""
    _, written_ms = message.timestamp()
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(written_ms / 1000, UTC) if written_ms > 0 else None
    return None
