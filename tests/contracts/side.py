"""One Kafka for a scenario: the simulated one in virtual time, or the real one. Both have the library's own calls."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as ClientPartition

from bridge.core.coordinates import TopicPartition
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Connection
from bridge.kafka.letting_go import let_go
from bridge.kafka.membership import Identity
from bridge.kafka.queries import high_watermarks, readable_ranges
from tests.simulation.cluster.adapters import simulated_clients
from tests.simulation.cluster.admin import SimConnection
from tests.simulation.cluster.broker import SimKafka, Timing
from tests.simulation.cluster.consumer import Consumer as SimConsumer
from tests.simulation.cluster.producer import Producer as SimProducer
from tests.simulation.loop import run_virtually
from tests.simulation.threads import Time, to_thread
from tests.support.kafka import KafkaNode, create_topics, unique

PATIENCE_SECONDS = 20.0
PROTOCOLS: dict[str, dict[str, str]] = {
    "classic": {
        "session.timeout.ms": "10000",
        "heartbeat.interval.ms": "200",
        "partition.assignment.strategy": "cooperative-sticky",
    },
    "kip-848": {"group.protocol": "consumer"},
}

Client = Any
"""The library's, or its double."""
_READY: dict[tuple[str, int], list[str]] = {}
"""Real topics that nobody has used, by cluster and number of partitions: made several at once, they cost little."""
_AT_ONCE = 12


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


class Kafka(ABC):
    """Topics and groups of a scenario have names that nobody else uses."""

    bootstrap: str

    @abstractmethod
    def topic(self, partitions: int = 1) -> str: ...

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

    def producer(self, transactional_id: str, *, timeout_seconds: float = 20.0, init: bool = True) -> Client:
        """With an epoch of its own, unless ``init`` is False."""
        made = self.make_producer(
            {
                "bootstrap.servers": self.bootstrap,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": int(timeout_seconds * 1000),
                "retry.backoff.ms": 5,
                "metadata.recovery.strategy": "none",
            }
        )
        if init:
            made.init_transactions(PATIENCE_SECONDS)
        return made

    def consumer(self, group: str, *, isolation: str = "read_committed", **settings: Any) -> Client:
        return self.make_consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": group,
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
                **settings,
            }
        )

    def member(self, group: str, topic: str, protocol: str) -> Member:
        return Member(self, group, topic, protocol)

    def settle(self, members: Sequence[Member], until: Callable[[], object]) -> None:
        """All of them poll until it is so."""
        deadline = self.now() + PATIENCE_SECONDS
        while not until():
            assert self.now() < deadline, "it did not come to that"
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
        reader = self.consumer(self.name(), isolation=isolation)
        reader.assign([ClientPartition(topic, partition, confluent_kafka.OFFSET_BEGINNING)])
        values: list[bytes | None] = []
        while True:
            message: Message | None = reader.poll(PATIENCE_SECONDS)
            assert message is not None
            error = message.error()
            if error is None:
                values.append(message.value())
                continue
            assert error.code() == KafkaError._PARTITION_EOF
            reader.close()
            return values, message.offset() or 0

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
    owned: set[int] = field(default_factory=set)
    calls: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    client: Client = None
    in_revoke: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self.client = self.kafka.consumer(self.group, **PROTOCOLS[self.protocol])
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
        client.incremental_assign(partitions)

    def _revoke(self, client: Client, partitions: Sequence[ClientPartition]) -> None:
        self._called("revoke", partitions)
        if partitions and self.in_revoke is not None:
            call, self.in_revoke = self.in_revoke, None
            call()
        self.owned -= {p.partition for p in partitions}
        client.incremental_unassign(partitions)

    def _lose(self, client: Client, partitions: Sequence[ClientPartition]) -> None:
        self._called("lose", partitions)
        self.owned -= {p.partition for p in partitions}
        client.incremental_unassign(partitions)

    def _called(self, what: str, partitions: Sequence[ClientPartition]) -> None:
        self.calls.append((what, tuple(sorted(p.partition for p in partitions))))


class RealKafka(Kafka):
    """``close`` lets all its clients go: one that is only dropped may block in its destructor, for good."""

    def __init__(self, node: KafkaNode) -> None:
        self.bootstrap = node.bootstrap
        self._clients: list[Client] = []

    def close(self) -> None:
        while self._clients:
            client = self._clients.pop()
            with contextlib.suppress(RuntimeError, KafkaException):  # closed already, or fenced
                client.close()
            let_go(client)

    def topic(self, partitions: int = 1) -> str:
        ready = _READY.setdefault((self.bootstrap, partitions), [])
        if not ready:
            ready += [self.name() for _ in range(_AT_ONCE)]
            create_topics(self.bootstrap, dict.fromkeys(ready, partitions))
        return ready.pop()

    def make_producer(self, settings: dict[str, Any]) -> Client:
        self._clients.append(confluent_kafka.Producer(settings))
        return self._clients[-1]

    def make_consumer(self, settings: dict[str, Any]) -> Client:
        self._clients.append(confluent_kafka.Consumer(settings))
        return self._clients[-1]

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> float:
        return time.monotonic()

    def connection(self) -> Any:
        return Connection(KafkaConfig(bootstrap_servers=self.bootstrap, group_id="contract"))


class SimulatedKafka(Kafka):
    """Timed as the broker of the tests is."""

    def __init__(self, seed: int) -> None:
        timing = Timing(session=3.0, heartbeat=0.5, transaction_cleanup=1.0)
        self._cluster = SimKafka(Random(seed), 1, timing=timing)
        self.bootstrap = self._cluster.address
        self._names = 0

    def name(self) -> str:
        self._names += 1
        return f"contract-{self._names}"

    def topic(self, partitions: int = 1) -> str:
        name = self.name()
        self._cluster.create_topic(name, partitions)
        return name

    def make_producer(self, settings: dict[str, Any]) -> Client:
        return SimProducer(settings)

    def make_consumer(self, settings: dict[str, Any]) -> Client:
        return SimConsumer(settings)

    def sleep(self, seconds: float) -> None:
        Time.sleep(seconds)

    def now(self) -> float:
        return Time.monotonic()

    def connection(self) -> Any:
        return SimConnection(KafkaConfig(bootstrap_servers=self.bootstrap, group_id="contract"))


def _play_simulated(scenario: Callable[..., None], **told: Any) -> None:
    """Under some seeds: the answers may not depend on how long anything takes."""

    async def main(seed: int) -> None:
        await to_thread(lambda: scenario(SimulatedKafka(seed), **told))

    for seed in range(10):
        with simulated_clients(Random(seed)):
            run_virtually(main(seed))


def contract(scenario: Callable[[Kafka], None]) -> Callable[..., None]:
    """The scenario as a test against both."""

    @pytest.mark.parametrize("side", ["simulated", "real"])
    def test(side: str, request: pytest.FixtureRequest) -> None:
        if side == "simulated":
            _play_simulated(scenario)
        else:
            with contextlib.closing(RealKafka(request.getfixturevalue("kafka"))) as kafka:
                scenario(kafka)

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


def contract_of_groups(scenario: Callable[[Kafka, str], None]) -> Callable[..., None]:
    """The scenario as a test against both, under both group protocols."""

    @pytest.mark.parametrize("protocol", list(PROTOCOLS))
    @pytest.mark.parametrize("side", ["simulated", "real"])
    def test(side: str, protocol: str, request: pytest.FixtureRequest) -> None:
        if side == "simulated":
            _play_simulated(scenario, protocol=protocol)
        else:
            with contextlib.closing(RealKafka(request.getfixturevalue("kafka"))) as kafka:
                scenario(kafka, protocol)

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test
