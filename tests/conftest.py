"""What tests share: one real Kafka and one real schema registry for the whole run, started when first asked for."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.kafka import KafkaCluster, KafkaNode
from tests.support.prerequisites import PrerequisiteMissingError
from tests.support.processes import forking
from tests.support.registry import Registry, running_registry

pytest_plugins = ["tests.fidelity.conformity.plugin"]

# How quick an example is says nothing: others have the processors too. (As in hypothesis' own profile for CI.)
settings.register_profile("beside", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("beside")


# A shell starts what runs in its background with SIGINT ignored, which would be handed on to processes that tests
# interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Thousands of tests stay until the end: no use in looking for garbage among them again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _forking() -> Iterator[None]:
    with forking():
        yield


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    """A real single-node Kafka. Tests keep apart by unique names of topics and groups. It has an authorizer that lets
    everybody do everything until a test says otherwise about topics of its own."""
    authorizer = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka"), overrides=authorizer)
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


@pytest.fixture(scope="session")
def schema_registry() -> Iterator[Registry]:
    """A real Apicurio. Tests keep apart by unique subjects; one that takes it away starts its own."""
    try:
        with running_registry() as registry:
            yield registry
    except PrerequisiteMissingError as missing:
        pytest.fail(str(missing), pytrace=False)
