"""A real Kafka on loopback without containers, and short words for what tests do with it.

The jars come from Maven Central once (``tests/support/kafka/pom.xml``) into ``.cache/``. A node with these flags
listens after about 3 s and takes about 350 MB.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from bridge.kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from tests.support.ports import free_ports
from tests.support.prerequisites import fetch, need

KAFKA_VERSION = os.environ.get("TEST_KAFKA_VERSION", "4.3.1")
REPOSITORY = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("kafka") / "pom.xml"
JAVA_FLAGS = (
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
START_SECONDS = 90.0
_PR_SET_PDEATHSIG = 1


def jars() -> Path:
    """Folder with Kafka's jars; fetched at first use. Raises PrerequisiteMissingError."""
    library = REPOSITORY / ".cache" / f"kafka-{KAFKA_VERSION}" / "lib"
    need("java")
    if (library / ".complete").exists():
        return library
    fetch(
        f"Kafka {KAFKA_VERSION}", "-f", str(POM), f"-Dkafka.version={KAFKA_VERSION}", "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={library}",
    )  # fmt: skip
    (library / ".complete").touch()
    return library


def _die_with_parent() -> None:
    """A test run that is killed must not leave brokers behind (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(slots=True)
class KafkaNode:
    """One broker and controller in a process of its own. Its ports stay the same over restarts."""

    number: int
    port: int
    controller_port: int
    proxied_port: int
    """What the listener for proxies advertises: a test puts a proxy there, in front of ``proxied_listener``."""
    proxied_listener: int
    directory: Path
    properties: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def proxied_bootstrap(self) -> str:
        """Clients that start here are sent back here, so that nothing bypasses a proxy on ``proxied_port``."""
        return f"127.0.0.1:{self.proxied_port}"

    @property
    def configuration(self) -> Path:
        return self.directory / f"node-{self.number}.properties"

    def launch(self) -> None:
        """Start the process; does not wait until it serves."""
        log = (self.directory / f"node-{self.number}.log").open("ab")
        command = ["java", *JAVA_FLAGS, "-cp", f"{jars()}/*", "kafka.Kafka", str(self.configuration)]
        self.process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=self.directory, preexec_fn=_die_with_parent
        )
        log.close()

    def kill(self) -> None:
        """``kill -9``."""
        self._send(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def stop(self) -> None:
        """Tests throw the data away, so nothing is gained by a clean shutdown."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def fill_disk(self) -> None:
        """From now on no file of this node grows, as on a disk that is full; by a quota of its own (Linux)."""
        self._limit_files(0)

    def free_disk(self) -> None:
        """Files may grow again. A node whose log directory has failed has ended by itself meanwhile."""
        self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size: int) -> None:
        if self.process is not None and self.process.poll() is None:
            _, most = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, most))

    def restart(self) -> None:
        """Start again after ``kill`` and wait until it serves."""
        self.launch()
        wait_until_served(self.bootstrap, 1, [self])

    def _send(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)


@dataclass(slots=True)
class KafkaCluster:
    """Nodes that form one cluster. ``overrides``: broker properties on top of those below."""

    directory: Path
    size: int = 1
    overrides: Mapping[str, str] = field(default_factory=dict)
    nodes: list[KafkaNode] = field(default_factory=list)

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes)

    def start(self) -> None:
        """Format and start all nodes; returns when every one serves."""
        ports = free_ports(4 * self.size)
        voters = ",".join(f"{n + 1}@127.0.0.1:{ports[4 * n + 1]}" for n in range(self.size))
        for n in range(self.size):
            port, controller, proxied, behind = ports[4 * n : 4 * n + 4]
            node = KafkaNode(n + 1, port, controller, proxied, behind, self.directory, {})
            node.properties = {**_properties(node, voters, self.size), **self.overrides}
            node.configuration.write_text("".join(f"{k}={v}\n" for k, v in node.properties.items()))
            self.nodes.append(node)
        cluster_id = "dmNkYnJpZGdldGVzdHMwMQ"
        command = ["java", *JAVA_FLAGS, "-cp", f"{jars()}/*", "kafka.tools.StorageTool", "format", "-t", cluster_id]
        formatting = [
            subprocess.Popen(
                [*command, "-c", str(node.configuration)],
                stdout=subprocess.DEVNULL,
            )
            for node in self.nodes
        ]
        if any(process.wait() != 0 for process in formatting):
            raise RuntimeError("Kafka's storage could not be formatted")
        # None listens before the quorum is there, so start all before waiting for any.
        for node in self.nodes:
            node.launch()
        try:
            self.wait_served()
        except BaseException:
            self.stop()
            raise

    def wait_served(self) -> None:
        """Until every node serves, also after ``launch`` of some."""
        wait_until_served(self.bootstrap, self.size, self.nodes)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def _properties(node: KafkaNode, voters: str, size: int) -> dict[str, str]:
    replicas = str(min(3, size))
    in_sync = str(min(2, size))
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://127.0.0.1:{node.port},PROXIED://127.0.0.1:{node.proxied_listener}"
        f",CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{node.port},PROXIED://127.0.0.1:{node.proxied_port}",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
        "log.dirs": str(node.directory / f"data-{node.number}"),
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.session.timeout.ms": "3000",
        "group.consumer.min.heartbeat.interval.ms": "200",
        "group.consumer.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "log.cleaner.backoff.ms": "500",
        "log.cleaner.dedupe.buffer.size": "4194304",
        "log.segment.delete.delay.ms": "1000",
        "num.io.threads": "4",
        "num.network.threads": "2",
    }


def wait_until_served(bootstrap: str, brokers: int, nodes: Sequence[KafkaNode]) -> None:
    """Returns when ``brokers`` brokers are in the metadata."""
    deadline = time.monotonic() + START_SECONDS
    addresses = [address.rsplit(":", 1) for address in bootstrap.split(",")]
    while time.monotonic() < deadline:
        for node in nodes:
            if node.process is None or node.process.poll() is not None:
                log = (node.directory / f"node-{node.number}.log").read_text(errors="replace")
                raise RuntimeError(f"Kafka node {node.number} ended: {log[-2000:]}")
        # A client made too early would only back off; a plain connect tells when it is worth making one.
        if all(_listens(host, int(port)) for host, port in addresses) and _serves(bootstrap, brokers):
            return
        time.sleep(0.05)
    raise TimeoutError(f"Kafka at {bootstrap} did not serve within {START_SECONDS:.0f} s")


def _listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 0.5):
        return True
    return False


def _serves(bootstrap: str, brokers: int) -> bool:
    try:
        return (
            len(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=3).brokers) >= brokers
        )
    except KafkaException:
        return False


# --- words for tests ----------------------------------------------------------------------------------------------


def unique(name: str) -> str:
    """A name nobody else uses on the shared broker."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def create_topics(
    bootstrap: str,
    topics: Mapping[str, int],
    *,
    replication: int = 1,
    configs: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Create topics (name -> partitions) and return when they are there."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    wanted = [
        NewTopic(name, number, replication, config=dict((configs or {}).get(name, {})))
        for name, number in topics.items()
    ]
    for future in admin.create_topics(wanted, operation_timeout=20).values():
        future.result(30)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        known = admin.list_topics(timeout=10).topics
        if all(name in known and len(known[name].partitions) == number for name, number in topics.items()):
            return
    raise TimeoutError(f"topics were not created: {sorted(topics)}")


def set_topic(bootstrap: str, topic: str, setting: str, value: str) -> None:
    """Change one setting of a topic and return when the broker has taken it."""
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(20)
    deadline = time.monotonic() + 20
    while True:
        (future,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
        if future.result(20)[setting].value == value:
            return
        assert time.monotonic() < deadline, f"{topic}: {setting} is still {future.result(20)[setting].value}"
        time.sleep(0.02)  # the controller has it, the broker is polled: there is nothing to be woken by


def delete_records(bootstrap: str, topic: str, partition: int, *, before: int) -> None:
    """As retention would."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_records([TopicPartition(topic, partition, before)]).values():
        future.result(20)


def create_bridge_topics(bootstrap: str, group: str, inputs: str, partitions: int, *outputs: str) -> None:
    """An input topic, its store and outputs, all with the same number of partitions."""
    changelog, ended = f"{group}.{inputs}.changelog", f"{group}.{inputs}.ended"
    topics = dict.fromkeys((inputs, changelog, ended, *outputs), partitions)
    create_topics(bootstrap, topics, configs={changelog: {"cleanup.policy": "compact"}})


def produce(
    bootstrap: str, topic: str, values: Sequence[bytes | None], *, partition: int = 0, key: bytes | None = None
) -> None:
    """Write plain records and wait for their acknowledgement."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    failed: list[object] = []
    for value in values:
        producer.produce(
            topic, value, key, partition=partition, on_delivery=lambda error, _: failed.append(error) if error else None
        )
    if producer.flush(20) or failed:
        raise RuntimeError(f"{topic}: not written: {failed[:1]}")


def read(bootstrap: str, topic: str, *, committed: bool = True) -> list[Message]:
    """All records that are visible now, by partition and offset; ``committed``: to read_committed readers."""
    consumer, partitions = _reader(bootstrap, topic, committed=committed)
    try:
        return sorted(_until_ends(consumer, partitions), key=_place)
    finally:
        consumer.close()


class Tail:
    """A topic as read_committed readers come to see it. Made once, asked often."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer, _ = _reader(bootstrap, topic, committed=True)

    def more(self, seconds: float) -> list[Message]:
        """What came since the last time; waits so long when there is nothing."""
        found = []
        for message in self._consumer.consume(2000, seconds):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() != error._PARTITION_EOF and not error.retriable():
                raise KafkaException(error)
        return found

    def close(self) -> None:
        self._consumer.close()


def _reader(bootstrap: str, topic: str, *, committed: bool) -> tuple[Consumer, set[int]]:
    """A consumer that reads all partitions from their beginning, and their numbers."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
        }
    )
    partitions = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    return consumer, partitions


def _place(message: Message) -> tuple[int, int]:
    return message.partition() or 0, message.offset() or 0


def _until_ends(consumer: Consumer, open_partitions: set[int]) -> Iterator[Message]:
    deadline = time.monotonic() + 30
    while open_partitions:
        if time.monotonic() > deadline:
            raise TimeoutError(f"partitions {sorted(open_partitions)} were not read to their end")
        for message in consumer.consume(500, 0.02):
            error = message.error()
            if error is None:
                yield message
            elif error.code() == error._PARTITION_EOF:
                open_partitions.discard(message.partition() or 0)
            elif not error.retriable():
                raise KafkaException(error)


def read_committed(bootstrap: str, topic: str) -> list[bytes | None]:
    """Values of a topic as read_committed readers see them now, by partition and offset."""
    return [message.value() for message in read(bootstrap, topic)]


def committed_offset(bootstrap: str, group: str, topic: str, partition: int = 0) -> tuple[int, str | None]:
    """The group's committed offset and its metadata; offset -1001 when there is none."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        found = consumer.committed([TopicPartition(topic, partition)], timeout=20)[0]
        return found.offset, found.metadata
    finally:
        consumer.close()
