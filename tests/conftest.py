"""What tests share: one real Kafka for the whole run, started when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.kafka import KafkaCluster, KafkaNode, PrerequisiteMissingError


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    """A real single-node Kafka. Tests keep apart by unique names of topics and groups."""
    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka"))
    try:
        cluster.start()
    except PrerequisiteMissingError as missing:
        pytest.fail(str(missing), pytrace=False)
    yield cluster.nodes[0]
    cluster.stop()


@pytest.fixture(scope="session")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A real three-node Kafka; for tests that take nodes away."""
    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka-cluster"), size=3)
    try:
        cluster.start()
    except PrerequisiteMissingError as missing:
        pytest.fail(str(missing), pytrace=False)
    yield cluster
    cluster.stop()
