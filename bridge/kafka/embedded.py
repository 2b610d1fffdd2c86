"""The embedded broker: librdkafka's own mock cluster, served by the library inside the client's wheel.

Good for a demo and for a first try: it starts at once and other processes can join. It isolates no transactions, keeps
no transactional offsets, compacts nothing and keeps about 5 MB per partition, so nothing is promised on it.
Source: librdkafka rdkafka_mock.h; its functions are called through ctypes, as the package does not offer them.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

import confluent_kafka

from bridge.errors import ConfigurationError, TemporaryError

_PRODUCER = 0
_NO_ERROR = 0
_TOPIC_ALREADY_EXISTS = 36
_INVALID_PARTITIONS = 37
_MESSAGE_BYTES = 512


class EmbeddedBroker:
    """A mock cluster in this process, on loopback ports of its own choice. Use as a context manager.

    Attributes:
        bootstrap: ``host:port[,host:port…]`` to connect to.
    """

    def __init__(self, topics: Mapping[str, int], *, brokers: int = 1) -> None:
        """Start with these topics (name -> partitions). Raises TemporaryError when the library refuses."""
        self._library = _load()
        message = ctypes.create_string_buffer(_MESSAGE_BYTES)
        configuration = self._library.rd_kafka_conf_new()
        # It would warn that the client inside has no servers to connect to.
        self._library.rd_kafka_conf_set(configuration, b"log_level", b"3", message, _MESSAGE_BYTES)
        self._client: int | None = self._library.rd_kafka_new(_PRODUCER, configuration, message, _MESSAGE_BYTES)
        if not self._client:
            raise TemporaryError(f"the embedded broker does not start: {message.value.decode(errors='replace')}")
        self._cluster: int | None = self._library.rd_kafka_mock_cluster_new(self._client, brokers)
        if not self._cluster:
            self.close()
            raise TemporaryError("the embedded broker does not start: no loopback port to listen on")
        # Real brokers wait for more members before the first rebalance; here nobody else is to be expected.
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        for topic, partitions in topics.items():
            self.create_topic(topic, partitions)
        self.bootstrap: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create_topic(self, topic: str, partitions: int) -> None:
        """Create a topic, if it is not there. Raises ConfigurationError."""
        code = _INVALID_PARTITIONS
        if partitions > 0:
            code = self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1)
        if code not in {_NO_ERROR, _TOPIC_ALREADY_EXISTS}:
            reason = self._library.rd_kafka_err2str(code).decode(errors="replace")
            raise ConfigurationError(
                f"the embedded broker cannot create {topic} with {partitions} partitions: {reason}"
            )

    def close(self) -> None:
        """Stop listening; what it held is gone."""
        cluster, self._cluster = getattr(self, "_cluster", None), None
        client, self._client = self._client, None
        if cluster:
            self._library.rd_kafka_mock_cluster_destroy(cluster)
        if client:
            self._library.rd_kafka_destroy(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def serve_embedded(topics: Mapping[str, int], ready: Callable[[str], None], stop: Event) -> None:
    """Serve in this process until ``stop`` is set; ``ready`` is told the bootstrap address. Prints nothing."""
    with EmbeddedBroker(topics) as broker:
        ready(broker.bootstrap)
        # In slices: a wait without end would keep Python from handling signals on some systems.
        while not stop.wait(0.5):
            continue


def _load() -> ctypes.CDLL:
    """librdkafka as the client's wheel brings it, or the system's where the client was built against that."""
    package = Path(confluent_kafka.__file__).parent
    bundled = [
        *package.parent.glob("confluent_kafka.libs/librdkafka*.so*"),
        *package.glob(".dylibs/librdkafka*.dylib"),
        *package.parent.glob("confluent_kafka.libs/*rdkafka*.dll"),
    ]
    name = str(bundled[0]) if bundled else ctypes.util.find_library("rdkafka")
    try:
        if name is None:
            raise OSError("not found")
        return _declare(ctypes.CDLL(name))
    except (OSError, AttributeError) as error:
        raise ConfigurationError(
            f"the embedded broker needs librdkafka with its mock cluster: {error}",
            hint="install confluent-kafka from its wheel, or use a real Kafka",
        ) from None


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Argument and result types: without them 64-bit pointers would be cut to int."""
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("rd_kafka_conf_new", pointer, []),
        ("rd_kafka_conf_set", number, [pointer, text, text, text, ctypes.c_size_t]),
        ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_destroy", None, [pointer]),
        ("rd_kafka_err2str", text, [number]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
        ("rd_kafka_mock_cluster_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, [pointer, ctypes.c_int32]),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
