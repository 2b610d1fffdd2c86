"""First contact with a cluster: what it is, which topics it has, and a clear error when it cannot be reached."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata

from bridge.errors import BridgeError, ConfigurationError, TemporaryError
from bridge.kafka.config import LOG, ClientConfig, KafkaConfig, make

REACH_SECONDS = 10.0
_EMBEDDED_ID = "mockCluster"
"""librdkafka's mock cluster names itself so (rdkafka_mock.c, rd_kafka_mock_cluster_new)."""
_CREDENTIALS = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_UNFIT = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.POLICY_VIOLATION,
        KafkaError._INVALID_ARG,
    }
)
MISSING = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as its metadata shows it. ``topics``: name -> number of partitions."""

    cluster_id: str
    brokers: int
    topics: Mapping[str, int]

    @property
    def is_embedded(self) -> bool:
        """librdkafka's mock cluster: transactions are accepted but not isolated, their offsets are thrown away."""
        return self.cluster_id.startswith(_EMBEDDED_ID)

    def partitions(self, topic: str) -> int:
        """0: there is no such topic."""
        return self.topics.get(topic, 0)


def require_topics(cluster: Cluster, topics: Iterable[str]) -> None:
    """Raises ConfigurationError that names every topic that is not there."""
    missing = [topic for topic in topics if not cluster.partitions(topic)]
    if missing:
        raise ConfigurationError(f"no such topic: {', '.join(missing)}", hint="create it: `vcd-bridge topics apply`")


def describe(error: KafkaError) -> str:
    """One line for people: text and librdkafka's name of the code."""
    return f"{error.str()} ({error.name()})"


def failure(what: str, error: KafkaError) -> BridgeError:
    """The bridge's own error for a client's: credentials and missing topics are settings, the rest may pass."""
    if error.code() in _CREDENTIALS:
        return ConfigurationError(f"{what}: {describe(error)}", hint="check kafka.properties and the cluster's ACLs")
    if error.code() in MISSING:
        return ConfigurationError(f"{what}: {describe(error)}", hint="run `vcd-bridge topics apply`")
    if error.code() in _UNFIT:
        return ConfigurationError(
            f"{what}: {describe(error)}", hint="see the topic's max.message.bytes and cleanup.policy"
        )
    return TemporaryError(f"{what}: {describe(error)}", hint="check kafka.bootstrap_servers and that Kafka is up")


@contextlib.contextmanager
def failures(what: str) -> Iterator[None]:
    """Turns KafkaException into the bridge's own errors."""
    try:
        yield
    except KafkaException as error:
        raise failure(what, error.args[0]) from None


class Connection:
    """An admin client that remembers why brokers could not be reached."""

    def __init__(self, config: KafkaConfig) -> None:
        self._servers = config.bootstrap_servers
        self._reasons: list[KafkaError] = []
        settings: ClientConfig = {**config.admin(), "error_cb": self._reasons.append, "logger": LOG}
        self.admin: AdminClient = make(AdminClient, settings)

    def metadata(self, seconds: float = REACH_SECONDS) -> ClusterMetadata:
        """What the client knows of brokers and topics. Raises TemporaryError or ConfigurationError."""
        try:
            return self.admin.list_topics(timeout=seconds)
        except KafkaException as error:
            self.admin.poll(0)
            # Why a broker could not be reached says more than that none could; wrong credentials say most.
            heard = [reason for reason in self._reasons if reason.code() != KafkaError._ALL_BROKERS_DOWN]
            heard.sort(key=lambda reason: reason.code() not in _CREDENTIALS)
            reason: KafkaError = heard[0] if heard else error.args[0]
            raise failure(f"Kafka at {self._servers} cannot be reached", reason) from None

    def look(self, seconds: float = REACH_SECONDS) -> Cluster:
        """The cluster in short. Raises TemporaryError or ConfigurationError."""
        found = self.metadata(seconds)
        topics = {name: len(topic.partitions) for name, topic in found.topics.items() if topic.error is None}
        return Cluster(f"{found.cluster_id}", len(found.brokers), topics)
