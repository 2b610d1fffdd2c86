"""What each librdkafka client is made with. Names of properties are those of librdkafka's CONFIGURATION.md."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from confluent_kafka import KafkaException

from bridge.errors import ConfigurationError
from bridge.kafka.hearing import INTERVAL_MS
from bridge.kafka.properties import (
    BROKER_SIDE_WITH_KIP_848,
    CONSUMERS_ONLY,
    MEMBERS_ONLY,
    PRODUCERS_ONLY,
    REFUSED,
)

ClientConfig = dict[str, Any]
Client = TypeVar("Client")

LOG = logging.getLogger("librdkafka")
"""Where the clients' own log lines go."""

MAX_POLL_INTERVAL_SECONDS = 60.0
"""Polling has a thread of its own, so a minute without a poll means it hangs. KIP-848 members that stop polling are
noticed only this long plus the broker's session later."""


@dataclass(frozen=True, kw_only=True)
class KafkaConfig:
    """How to reach Kafka and as whom. ``properties``: librdkafka's own names, for every client.

    Raises ConfigurationError for a property that would break a guarantee.
    """

    bootstrap_servers: str
    group_id: str
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    session_timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        wrong = [f"kafka.properties: {name} is refused: {REFUSED[name]}" for name in self.properties if name in REFUSED]
        if self.uses_kip_848:
            wrong += [
                f"kafka.properties: {name} is refused with group.protocol=consumer: the broker decides it"
                for name in BROKER_SIDE_WITH_KIP_848
                if name in self.properties
            ]
        if wrong:
            raise ConfigurationError("\n".join(wrong), hint="remove it from kafka.properties")

    @property
    def uses_kip_848(self) -> bool:
        return self.properties.get("group.protocol", "classic").lower() == "consumer"

    @property
    def silence_seconds(self) -> float:
        """How long a member that is well may hear nothing: an idle one hears its heartbeats' answers alone."""
        if not self.uses_kip_848:
            return self.session_timeout_seconds
        # The broker decides the interval there, 15 s at most (group.consumer.max.heartbeat.interval.ms), and its answer
        # may take a while.
        return max(20.0, self.session_timeout_seconds)

    @property
    def is_cooperative(self) -> bool:
        """Whether partitions come and go one by one; otherwise all at once (the eager protocol)."""
        strategy = self.properties.get("partition.assignment.strategy", "cooperative-sticky")
        return self.uses_kip_848 or strategy.startswith("cooperative")

    @property
    def group_instance_id(self) -> str | None:
        return self.properties.get("group.instance.id")

    @property
    def transaction_timeout_seconds(self) -> float:
        """Shorter than the session, so that a dead owner's transaction does not outlive its membership by much."""
        own = self.properties.get("transaction.timeout.ms")
        if own is not None and own.isdecimal():
            return int(own) / 1000
        return min(8.0, max(4.0, 0.8 * self.session_timeout_seconds))

    def consumer(self) -> ClientConfig:
        """The group member that reads the inputs."""
        session_ms = int(self.session_timeout_seconds * 1000)
        config: ClientConfig = {
            **self._common(),
            "group.id": self.group_id,
            "session.timeout.ms": session_ms,
            # Partitions that move wait for the next heartbeat twice: keep it short.
            "heartbeat.interval.ms": min(1000, session_ms // 3),
            "max.poll.interval.ms": int(MAX_POLL_INTERVAL_SECONDS * 1000),
            "partition.assignment.strategy": "cooperative-sticky",
            # End of partition, resume after a pause and watermark queries all wait for the fetch in flight.
            "fetch.wait.max.ms": 50,
            # The engine holds what waits; 100,000 records and 64 MB per process would only be memory.
            "queued.min.messages": 2000,
            "queued.max.messages.kbytes": 16384,
            **self._passed(without=PRODUCERS_ONLY),
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "statistics.interval.ms": INTERVAL_MS,
            "allow.auto.create.topics": False,
        }
        if self.uses_kip_848:
            for name in BROKER_SIDE_WITH_KIP_848:
                config.pop(name, None)
        return config

    def producer(self, transactional_id: str, *, largest_record_bytes: int, batch_bytes: int) -> ClientConfig:
        """The journal's producer. ``batch_bytes``: the smallest topic's limit, because brokers weigh whole batches."""
        timeout_ms = int(self.transaction_timeout_seconds * 1000)
        config: ClientConfig = {
            **self._common(),
            # While markers of the last transaction are written, AddOffsetsToTxn is answered with
            # CONCURRENT_TRANSACTIONS and librdkafka waits this long (measured: 95 ms per commit at the default 100).
            "retry.backoff.ms": 5,
            "transaction.timeout.ms": timeout_ms,
            # A lost EndTxn is asked again after this, well within the transaction's time.
            "socket.timeout.ms": timeout_ms // 2,
            "linger.ms": 5,
            # A topic that is gone is told of after this, not after half a minute: one partition's dead letter must not
            # hold up the transaction of all for longer than a transaction may take.
            "topic.metadata.propagation.max.ms": 1000,
            "message.max.bytes": largest_record_bytes,
            **self._passed(without=CONSUMERS_ONLY | MEMBERS_ONLY),
            "batch.size": batch_bytes,
            "transactional.id": transactional_id,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            # Successful deliveries need no report: the commit says it for all.
            "delivery.report.only.error": True,
        }
        # With that back-off send_offsets_to_transaction is told three times within 35 ms that the group has no
        # coordinator, and then asks again only when one of its connections comes or goes. So idle ones go (measured on
        # librdkafka 2.16.0: without it never). Not before an offset or commit request would have timed out: the client
        # looks at idleness alone, and would cut one off whose late arrival nobody expects then. It takes up to 2 s off.
        return {**config, "connections.max.idle.ms": _milliseconds(config["socket.timeout.ms"]) + 3000}

    def reader(self, *, isolation: str = "read_committed") -> ClientConfig:
        """A consumer that is assigned partitions by hand and never joins: the store's reader."""
        return {
            **self._common(),
            "group.id": self.group_id,
            "fetch.wait.max.ms": 10,
            "queued.max.messages.kbytes": 16384,
            **self._passed(without=PRODUCERS_ONLY | MEMBERS_ONLY),
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            # Retention may overtake a read from the beginning; what is left is then all there is.
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
        }

    def admin(self) -> ClientConfig:
        """Questions about topics, and changes to them."""
        return {**self._common(), **self._passed(without=PRODUCERS_ONLY | CONSUMERS_ONLY | MEMBERS_ONLY)}

    def plain_producer(self) -> ClientConfig:
        """A producer without transactions, for ``send``."""
        return {
            **self._common(),
            # The broker knows each topic's own limit; the client's would be 1 MB for all.
            "message.max.bytes": 100_000_000,
            **self._passed(without=CONSUMERS_ONLY | MEMBERS_ONLY),
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
        }

    def _passed(self, *, without: frozenset[str]) -> dict[str, str]:
        return {name: value for name, value in self.properties.items() if name not in without}

    def _common(self) -> ClientConfig:
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "client.id": "vcd-bridge",
            "metadata.recovery.strategy": "none",
            "reconnect.backoff.max.ms": 1000,
            "enable.metrics.push": False,
        }


def _milliseconds(value: object) -> int:
    """Of a property as it was given, also ``0x10`` as librdkafka takes it; what is no number it refuses itself."""
    try:
        return int(str(value), 0)
    except ValueError:
        return 0


def make(client: Callable[[ClientConfig], Client], config: ClientConfig) -> Client:
    """A client of ``config``. Raises ConfigurationError when librdkafka does not take it."""
    try:
        return client(config)
    except KafkaException as error:
        text = error.args[0].str() if error.args and hasattr(error.args[0], "str") else str(error)
        raise ConfigurationError(f"kafka.properties: {text}", hint="see librdkafka's CONFIGURATION.md") from None
