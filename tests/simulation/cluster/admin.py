"""The bridge's ``Connection`` to the simulated cluster: topics, their settings, offsets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as ClientPartition

from bridge.core.coordinates import TopicPartition
from bridge.kafka.admin import EARLIEST, IsolationLevel
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Cluster
from tests.simulation.cluster import errors
from tests.simulation.cluster.broker import SimKafka
from tests.simulation.cluster.client import Client
from tests.simulation.process import NoAnswer
from tests.simulation.threads import block

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a future of the admin client holds, or why it does not."""

    value: Any = None
    error: KafkaException | None = None

    def result(self, timeout: float | None = None) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


@dataclass(frozen=True, slots=True)
class Description:
    topic_id: str = ""
    partitions: Sequence[int] = ()
    authorized_operations: None = None


@dataclass(frozen=True, slots=True)
class Offset:
    offset: int


@dataclass(frozen=True, slots=True)
class Setting:
    value: str


class SimAdmin(Client):
    """``AdminClient``, as far as the bridge asks it while it runs. Every question travels."""

    def list_offsets(
        self, asked: Mapping[ClientPartition, Any], *, isolation_level: Any = None, request_timeout: float = 10.0
    ) -> Mapping[ClientPartition, Answer]:
        committed = isolation_level == IsolationLevel.READ_COMMITTED

        def look(partition: ClientPartition, spec: Any) -> Answer:
            log = self.cluster.log(TopicPartition(partition.topic, partition.partition))
            if spec is EARLIEST:
                return Answer(Offset(log.start))
            return Answer(Offset(log.stable_end if committed else log.end))

        return self._answered(lambda: {p: look(p, spec) for p, spec in asked.items()}, request_timeout)

    def describe_topics(self, asked: Any, *, request_timeout: float = 10.0, **_: object) -> Mapping[str, Answer]:
        def look(name: str) -> Answer:
            topic = self.cluster.topic(name)
            if not topic.partitions:
                return Answer(error=errors.plain(KafkaError.UNKNOWN_TOPIC_OR_PART, "no such topic"))
            return Answer(Description(f"{name}#{topic.number}", range(topic.partitions)))

        return self._answered(lambda: {name: look(name) for name in asked.topic_names}, request_timeout)

    def describe_configs(self, asked: Sequence[Any], *, request_timeout: float = 10.0) -> Mapping[Any, Answer]:
        def look(name: str) -> Answer:
            policy = "compact" if self.cluster.topic(name).compacted else "delete"
            return Answer({"cleanup.policy": Setting(policy), "max.message.bytes": Setting("1048588")})

        return self._answered(lambda: {resource: look(resource.name) for resource in asked}, request_timeout)

    def describe_consumer_groups(self, asked: Sequence[str], **_: object) -> Mapping[str, Answer]:
        return {group: Answer(Description()) for group in asked}

    def _answered(self, act: Callable[[], Mapping[Any, Answer]], seconds: float) -> Mapping[Any, Answer]:
        try:
            return block(self.ask("logs", act, seconds))
        except NoAnswer:
            return {asked: Answer(error=errors.timed_out("no broker answers")) for asked in act()}


@dataclass
class SimConnection:
    """``bridge.kafka.connection.Connection``."""

    config: KafkaConfig
    admin: SimAdmin = field(init=False)

    def __post_init__(self) -> None:
        self.admin = SimAdmin(self.config.admin())

    def look(self, seconds: float = 10.0) -> Cluster:
        return Cluster("simulated", 3, _AnyTopic(self.admin.cluster))


class _AnyTopic(Mapping[str, int]):
    """Topics are made when they are first asked for."""

    def __init__(self, cluster: SimKafka) -> None:
        self._cluster = cluster

    def __getitem__(self, name: str) -> int:
        return self._cluster.topic(name).partitions

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]

    def __iter__(self) -> Any:
        return iter(self._cluster.topics)

    def __len__(self) -> int:
        return len(self._cluster.topics)
