"""Which of its partitions the consumer reads, and how far each has been handed over. In the polling thread only.

An assignment alone reads nothing: a partition is given to the client when it is begun, at the offset that the store
says. Every logical offset (end, beginning, committed) would be looked up by the client in the background, and an answer
that comes after a seek makes it look up again and jump there: records in between were never delivered (seen under
KIP-848; rdkafka_partition.c, "outdated offset response").
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException

from bridge.core.coordinates import TopicPartition
from bridge.kafka.messages import to_client


class Reading:
    """``cooperative``: partitions come and go one by one; otherwise all at once."""

    def __init__(self, consumer: Consumer, *, cooperative: bool) -> None:
        self._consumer = consumer
        self._cooperative = cooperative
        self._wanted: dict[TopicPartition, int] = {}
        """Next offset wanted, of each partition that is being read."""

    def __contains__(self, partition: TopicPartition) -> bool:
        return partition in self._wanted

    def begin(self, partition: TopicPartition, offset: int) -> None:
        """Read it from ``offset`` on, also where it is being read already."""
        if self._cooperative:
            self.stop([partition])
            self._consumer.incremental_assign([to_client(partition, offset)])
            self._wanted[partition] = offset
        else:
            self._wanted[partition] = offset
            self._assign_all()

    def pause(self, partition: TopicPartition) -> None:
        if partition in self._wanted:
            self._consumer.pause([to_client(partition)])

    def resume(self, partition: TopicPartition) -> None:
        if partition in self._wanted:
            self._consumer.resume([to_client(partition)])
            # A resume alone does not wake the client's fetching thread, which may sleep for a second; a seek does.
            with contextlib.suppress(KafkaException):
                self._consumer.seek(to_client(partition, self._wanted[partition]))

    def stop(self, partitions: Iterable[TopicPartition]) -> bool:
        """Take those that are being read away from the client; False when none of them was."""
        begun = [partition for partition in partitions if self._wanted.pop(partition, None) is not None]
        if begun and self._cooperative:
            self._consumer.incremental_unassign([to_client(partition) for partition in begun])
        elif begun:
            self._assign_all()
        return bool(begun)

    def accept(self) -> None:
        """Answer an assignment, in its callback: the group is told that it is taken, and nothing more is read."""
        if self._cooperative:
            self._consumer.incremental_assign([])
        else:
            self._wanted.clear()
            self._consumer.assign([])

    def give_up(self, partitions: Iterable[TopicPartition]) -> None:
        """Answer a revoke or a loss, in its callback."""
        if not self._cooperative:
            self._wanted.clear()
            self._consumer.unassign()
        elif not self.stop(partitions):
            self._consumer.incremental_unassign([])

    def take(self, partition: TopicPartition, offset: int) -> bool:
        """A record has come; False for what a former assignment left over in the client's queue."""
        wanted = self._wanted.get(partition)
        if wanted is None or offset < wanted:
            return False
        self._wanted[partition] = offset + 1
        return True

    def _assign_all(self) -> None:
        self._consumer.assign([to_client(one, offset) for one, offset in self._wanted.items()])
