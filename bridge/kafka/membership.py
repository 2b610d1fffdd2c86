"""Which partitions this process owns, under which epoch: written by the polling thread, read by all others. And which
topics they were restored from: written by the store, read by who looks after the member."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.core.coordinates import TopicPartition

_METADATA_MAGIC = b"CGMDv2:"
_EPOCH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a group metadata object says that we are. ``epoch``: generation or member epoch, -1 when there is none;
    ``member_id`` is empty when there is none."""

    member_id: str
    epoch: int

    @classmethod
    def of(cls, group_metadata: object) -> Identity:
        """The object is bytes: ``CGMDv2:``, the generation as little-endian int32, group and member, each ended by a
        NUL (rdkafka_cgrp.c, rd_kafka_consumer_group_metadata_write). Read from it, both are of one moment; the client
        may have become another member between two questions."""
        if not isinstance(group_metadata, bytes) or not group_metadata.startswith(_METADATA_MAGIC):
            return cls("", -1)
        epoch, names = len(_METADATA_MAGIC), len(_METADATA_MAGIC) + _EPOCH_BYTES
        _, member_id, *_ = group_metadata[names:].split(b"\0", 2)
        return cls(member_id.decode(), int.from_bytes(group_metadata[epoch:names], "little", signed=True))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Owned partitions and group metadata, taken together in the polling thread, at one moment.

    The broker's fence checks membership and generation, never ownership; taken apart, the two could belong to different
    assignments and a stale transaction would pass (measured). ``group_metadata`` is None while this process is not the
    member that the partitions were given to: a classic consumer without a member id, or with another one, would be let
    through by the broker (measured).
    """

    epochs: Mapping[TopicPartition, int]
    group_metadata: object | None
    losses: int


class Membership:
    """Epochs rise with every assignment, so that what belongs to an earlier one can be told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epochs: dict[TopicPartition, int] = {}
        self._topic_ids: dict[TopicPartition, tuple[int, str]] = {}
        self._last_epoch = 0
        self._losses = 0

    def grant(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """New epochs for newly assigned partitions."""
        with self._lock:
            granted: dict[TopicPartition, int] = {}
            for partition in partitions:
                self._last_epoch += 1
                granted[partition] = self._last_epoch
            self._epochs.update(granted)
            return granted

    def drop(self, partitions: Iterable[TopicPartition], *, lost: bool) -> frozenset[TopicPartition]:
        """Forget partitions; returns those that were owned. ``lost``: they may have had another owner already."""
        with self._lock:
            gone = frozenset(partition for partition in partitions if self._epochs.pop(partition, None) is not None)
            if lost:
                self._losses += 1
            return gone

    def owned(self) -> dict[TopicPartition, int]:
        with self._lock:
            return dict(self._epochs)

    def epoch(self, partition: TopicPartition) -> int | None:
        with self._lock:
            return self._epochs.get(partition)

    def owns(self, partition: TopicPartition, epoch: int) -> bool:
        """Whether ``partition`` is still owned under the assignment that ``epoch`` names."""
        return self.epoch(partition) == epoch

    def restored(self, partition: TopicPartition, epoch: int, topic_id: str) -> None:
        """The owner's offsets are those of the topic with this id; see ``TopicFacts``."""
        with self._lock:
            self._topic_ids[partition] = (epoch, topic_id)

    def restored_from(self) -> dict[TopicPartition, tuple[int, str]]:
        """Epoch and topic id of owned partitions, where the cluster has ids."""
        with self._lock:
            return {p: had for p, had in self._topic_ids.items() if had[1] and self._epochs.get(p) == had[0]}

    def snapshot(self, group_metadata: object | None) -> Snapshot:
        with self._lock:
            return Snapshot(dict(self._epochs), group_metadata, self._losses)

    def gone_since(self, snapshot: Snapshot, partitions: Iterable[TopicPartition]) -> frozenset[TopicPartition]:
        """Those of ``partitions`` that are not owned any more as they were when the snapshot was taken."""
        with self._lock:
            return frozenset(p for p in partitions if self._epochs.get(p) != snapshot.epochs.get(p))

    def lost_since(self, snapshot: Snapshot) -> bool:
        """Whether anything at all was lost since: the membership itself was in doubt then."""
        with self._lock:
            return self._losses != snapshot.losses
