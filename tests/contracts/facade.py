"""What a scenario does with a Kafka, whichever it is: both have the library's own calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as ClientPartition

from bridge.core.coordinates import TopicPartition
from bridge.kafka.membership import Identity
from bridge.kafka.queries import high_watermarks, readable_ranges
from tests.support.kafka import unique

PATIENCE_SECONDS = 20.0
PROTOCOLS: dict[str, dict[str, str]] = {
    "classic": {
        "session.timeout.ms": "10000",
        "heartbeat.interval.ms": "200",
        "partition.assignment.strategy": "cooperative-sticky",
    },
    "eager": {
        "session.timeout.ms": "10000",
        "heartbeat.interval.ms": "200",
        "partition.assignment.strategy": "range",
    },
    "kip-848": {"group.protocol": "consumer"},
}
"""Both group protocols, the classic one with cooperative and with eager assignors."""

Client = Any
"""The library's, or its double."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a call raised: its code, and ``R``etriable, ``F``atal, ``A``bort as far as they hold."""

    code: int
    flags: str

    @classmethod
    def of(cls, call: Callable[[], object]) -> Refusal | None:
        """None: it was not refused."""
        try:
            call()
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            told = (("R", error.retriable()), ("F", error.fatal()), ("A", error.txn_requires_abort()))
            return cls(error.code(), "".join(letter for letter, holds in told if holds))
        return None


class Lost(Enum):
    """What of a producer's EndTxn does not arrive. The producer hears nothing of it; at ``HELD`` its connection breaks,
    and it asks again while the first request is still on its way; at ``SILENTLY_HELD`` only after its time-out."""

    REQUEST = auto()
    ANSWER = auto()
    HELD = auto()
    SILENTLY_HELD = auto()


class Network(ABC):
    """What lies between the broker and the clients that are made to go through it."""

    bootstrap: str

    @abstractmethod
    def lose_end(self, what: Lost) -> None:
        """Of the transaction that ends next."""

    @abstractmethod
    def release(self) -> None:
        """What was held arrives; returns when the broker has carried it out."""

    @abstractmethod
    def go_silent(self) -> None:
        """Nothing passes any more, and nobody is told."""

    @abstractmethod
    def heal(self) -> None:
        """Everything passes again; what is held stays so."""

    @abstractmethod
    def settings(self, protocol: str) -> dict[str, str]:
        """Of a member that is to be missed soon."""

    @abstractmethod
    def run(self, make: Callable[..., Client]) -> Client:
        """A consumer that goes through this network; ``make`` takes its ``bootstrap``."""


class Kafka(ABC):
    """Topics and groups of a scenario have names that nobody else uses."""

    bootstrap: str

    @abstractmethod
    def topic(self, partitions: int = 1) -> str: ...

    @abstractmethod
    def compacted_topic(self) -> str:
        """Of one partition, and cleaned as often as can be while somebody writes to it."""

    @abstractmethod
    def make_producer(self, settings: dict[str, Any]) -> Client: ...

    @abstractmethod
    def make_consumer(self, settings: dict[str, Any]) -> Client: ...

    @abstractmethod
    def sleep(self, seconds: float) -> None: ...

    @abstractmethod
    def now(self) -> float: ...

    @abstractmethod
    def connection(self) -> Any: ...

    def name(self) -> str:
        return unique("contract")

    @abstractmethod
    def network(self) -> AbstractContextManager[Network]:
        """One at a time."""

    def producer(
        self,
        transactional_id: str,
        *,
        timeout_seconds: float = 20.0,
        init: bool = True,
        network: Network | None = None,
        **settings: Any,
    ) -> Client:
        """With an epoch of its own, unless ``init`` is False."""
        made = self.make_producer(
            {
                "bootstrap.servers": network.bootstrap if network is not None else self.bootstrap,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": int(timeout_seconds * 1000),
                "retry.backoff.ms": 5,
                "metadata.recovery.strategy": "none",
                **settings,
            }
        )
        if init:
            made.init_transactions(PATIENCE_SECONDS)
        return made

    def consumer(
        self, group: str, *, isolation: str = "read_committed", bootstrap: str | None = None, **settings: Any
    ) -> Client:
        return self.make_consumer(
            {
                "bootstrap.servers": bootstrap or self.bootstrap,
                "group.id": group,
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
                **settings,
            }
        )

    def member(self, group: str, topic: str, protocol: str, *, network: Network | None = None) -> Member:
        """Behind a network it is missed soon after it was heard last."""
        return Member(self, group, topic, protocol, network)

    def settle(self, members: Sequence[Member], until: Callable[[], object]) -> None:
        """All of them poll until it is so."""
        deadline = self.now() + PATIENCE_SECONDS
        while not until():
            assert self.now() < deadline, f"it did not come to that: {[(one.identity, one.calls) for one in members]}"
            for member in members:
                member.client.consume(100, 0.02)

    def ends(self, topic: str, partition: int = 0) -> tuple[int, int, int]:
        """First offset, last stable offset, high watermark."""
        asked, connection = TopicPartition(topic, partition), self.connection()
        low, stable = readable_ranges(connection, [asked])[asked]
        return low, stable, high_watermarks(connection, [asked])[asked]

    def read(
        self, topic: str, *, isolation: str = "read_committed", partition: int = 0
    ) -> tuple[list[bytes | None], int]:
        """Values up to the first end of partition, and its offset."""
        found, end = self._read(topic, isolation, partition)
        return [message.value() for message in found], end

    def records(self, topic: str, *, isolation: str = "read_committed") -> list[Message]:
        """Of the topic's first partition, up to the first end of partition."""
        return self._read(topic, isolation, 0)[0]

    def _read(self, topic: str, isolation: str, partition: int) -> tuple[list[Message], int]:
        reader = self.consumer(self.name(), isolation=isolation)
        reader.assign([ClientPartition(topic, partition, confluent_kafka.OFFSET_BEGINNING)])
        found: list[Message] = []
        while True:
            message: Message | None = reader.poll(PATIENCE_SECONDS)
            assert message is not None
            error = message.error()
            if error is None:
                found.append(message)
                continue
            assert error.code() == KafkaError._PARTITION_EOF
            reader.close()
            return found, message.offset() or 0

    def committed(self, group: str, topic: str, partition: int = 0, *, seconds: float = 10.0) -> tuple[int, str | None]:
        """Offset and metadata. Raises KafkaException."""
        asker = self.consumer(group)
        try:
            found = asker.committed([ClientPartition(topic, partition)], timeout=seconds)[0]
        finally:
            asker.close()
        return found.offset, found.metadata

    def until_stable(self, topic: str, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Until no transaction is open on the topic's first partition."""
        deadline = self.now() + seconds
        while (ends := self.ends(topic))[1] < ends[2]:
            assert self.now() < deadline
            self.sleep(0.02)


@dataclass(slots=True)
class Member:
    """Of a group, as the bridge is one. ``owned``: partitions of its topic; ``calls``: its callbacks, in order;
    ``in_revoke`` is called once, in the first revoke that takes something."""

    kafka: Kafka
    group: str
    topic: str
    protocol: str
    network: Network | None = None
    owned: set[int] = field(default_factory=set)
    calls: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    client: Client = None
    in_revoke: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        settings = PROTOCOLS[self.protocol]
        if self.network is not None:
            settings = {**settings, **self.network.settings(self.protocol)}
        make = partial(self.kafka.consumer, self.group, **settings)
        self.client = make() if self.network is None else self.network.run(make)
        self.client.subscribe([self.topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose)

    @property
    def metadata(self) -> object:
        return self.client.consumer_group_metadata()

    @property
    def identity(self) -> Identity:
        return Identity.of(self.metadata)

    def leave(self) -> None:
        self.client.close()

    def _assign(self, client: Client, partitions: Sequence[ClientPartition]) -> None:
        self._called("assign", partitions)
        self.owned |= {p.partition for p in partitions}
        if self._is_eager:
            client.assign(partitions)
        else:
            client.incremental_assign(partitions)

    def _revoke(self, client: Client, partitions: Sequence[ClientPartition]) -> None:
        self._called("revoke", partitions)
        if partitions and self.in_revoke is not None:
            call, self.in_revoke = self.in_revoke, None
            call()
        self._let_go(client, partitions)

    def _lose(self, client: Client, partitions: Sequence[ClientPartition]) -> None:
        self._called("lose", partitions)
        self._let_go(client, partitions)

    def _let_go(self, client: Client, partitions: Sequence[ClientPartition]) -> None:
        self.owned -= {p.partition for p in partitions}
        if self._is_eager:
            client.unassign()
        else:
            client.incremental_unassign(partitions)

    @property
    def _is_eager(self) -> bool:
        return self.protocol == "eager"

    def _called(self, what: str, partitions: Sequence[ClientPartition]) -> None:
        self.calls.append((what, tuple(sorted(p.partition for p in partitions))))
