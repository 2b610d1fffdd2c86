"""Which node of a cluster leads and coordinates what, and how to move that while all of them are alive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from confluent_kafka import ElectionType, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support.kafka import KafkaCluster, KafkaNode, read
from tests.support.wire import quorum_leader, set_replicas

OFFSETS_TOPIC = "__consumer_offsets"
TRANSACTIONS_TOPIC = "__transaction_state"
_MOVE_SECONDS = 30.0


def leader_of(cluster: KafkaCluster, topic: str, partition: int = 0) -> KafkaNode:
    """The node that leads a partition. Fails while it has no leader."""
    found = AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics(topic, timeout=10)
    return _node(cluster, found.topics[topic].partitions[partition].leader)


def controller_of(cluster: KafkaCluster) -> KafkaNode:
    """The node whose controller is the active one."""
    return _node(cluster, quorum_leader(cluster.bootstrap))


def group_place(cluster: KafkaCluster, group: str) -> tuple[str, int]:
    """The partition whose leader coordinates a group."""
    return OFFSETS_TOPIC, _hashed(group) % int(cluster.nodes[0].properties["offsets.topic.num.partitions"])


def transaction_place(cluster: KafkaCluster, transactional_id: str) -> tuple[str, int]:
    """The partition whose leader coordinates the transactions of an id."""
    partitions = int(cluster.nodes[0].properties["transaction.state.log.num.partitions"])
    return TRANSACTIONS_TOPIC, _hashed(transactional_id) % partitions


def wait_forgotten(cluster: KafkaCluster, transactional_ids: Iterable[str], seconds: float) -> None:
    """Until the coordinators have dropped all of these ids, which they have known."""
    wanted = set(transactional_ids)
    assert wanted
    _until(lambda: wanted <= _expired_ids(cluster), seconds)


def _expired_ids(cluster: KafkaCluster) -> set[str]:
    """Those that the coordinators' log ends with a deletion of."""
    records = read(cluster.bootstrap, TRANSACTIONS_TOPIC, committed=False)
    last = {message.key(): message.value() for message in records}
    # TransactionLogKey, version 0: two bytes of version, two of length, the id.
    return {key[4:].decode() for key, value in last.items() if key is not None and value is None}


def move_leader(cluster: KafkaCluster, topic: str, partition: int = 0) -> KafkaNode:
    """Give a partition's leadership to the next of its replicas; returns the new leader once it leads."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    found = admin.list_topics(topic, timeout=10).topics[topic].partitions[partition]
    at = found.replicas.index(found.leader)
    replicas = [*found.replicas[at + 1 :], *found.replicas[: at + 1]]
    set_replicas(cluster.bootstrap, topic, partition, replicas)
    _until(lambda: admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].replicas == replicas)

    def leads() -> bool:
        try:
            admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition(topic, partition)]).result(10)
        except KafkaException:
            return False
        return bool(admin.list_topics(topic, timeout=10).topics[topic].partitions[partition].leader == replicas[0])

    _until(leads)
    return _node(cluster, replicas[0])


def _node(cluster: KafkaCluster, number: int) -> KafkaNode:
    return next(node for node in cluster.nodes if node.number == number)


def _hashed(text: str) -> int:
    """Java's ``String.hashCode`` without its sign, as coordinators are found by (Utils.abs)."""
    code = 0
    for letter in text:
        code = (31 * code + ord(letter)) & 0xFFFFFFFF
    return code & 0x7FFFFFFF


def _until(condition: Callable[[], bool], seconds: float = _MOVE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:.0f} s"
        time.sleep(0.05)  # metadata is polled: there is nothing to be woken by
