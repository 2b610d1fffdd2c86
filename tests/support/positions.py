"""What people do to topics and offsets: by hand, by a script, by a retention that is too short."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from bridge.kafka.admin import LATEST, NewPartitions
from tests.support.kafka import create_topics

_SECONDS = 30.0


def set_offsets(bootstrap: str, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Commit these offsets by partition for a group that has no members left."""
    wanted = [TopicPartition(topic, number, offset) for number, offset in offsets.items()]
    admin = AdminClient({"bootstrap.servers": bootstrap})

    def alter() -> None:
        asked = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, wanted)])
        found = asked[group].result(_SECONDS)
        failed = [one.error for one in found.topic_partitions if one.error is not None]
        if failed:
            raise KafkaException(failed[0])

    _repeated(alter)


def forget_offsets(bootstrap: str, group: str) -> None:
    """A group that has no members left is deleted, as it is when its offsets expire."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    _repeated(lambda: admin.delete_consumer_groups([group])[group].result(_SECONDS))


def ends_of(bootstrap: str, topic: str, partitions: int) -> dict[int, int]:
    """The end offset of each partition."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    asked = admin.list_offsets({TopicPartition(topic, number): LATEST for number in range(partitions)})
    return {one.partition: int(future.result(_SECONDS).offset) for one, future in asked.items()}


def recreate_topic(bootstrap: str, topic: str, partitions: int, *, configs: Mapping[str, str] | None = None) -> None:
    """Delete a topic and make it again, empty, under the same name."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.delete_topics([topic], operation_timeout=_SECONDS)[topic].result(_SECONDS)
    # A broker may still know the old one for a moment.
    _repeated(lambda: create_topics(bootstrap, {topic: partitions}, configs={topic: dict(configs or {})}))


def add_partitions(bootstrap: str, topic: str, partitions: int) -> None:
    """Let a topic have so many."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(_SECONDS)
    deadline = time.monotonic() + _SECONDS
    while len(admin.list_topics(topic, timeout=10).topics[topic].partitions) != partitions:
        assert time.monotonic() < deadline, f"{topic} has not got its partitions"
        time.sleep(0.05)  # metadata is polled: there is nothing to be woken by


def _repeated(call: Callable[[], object]) -> None:
    """Until the broker takes it: of a member that has just left, or of a topic that has, it learns a little later."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            call()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)  # the broker is asked again: there is nothing to be woken by
        else:
            return
