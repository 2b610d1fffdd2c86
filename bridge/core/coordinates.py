"""Where a record stands in Kafka, and the identity a lifecycle takes from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

OPERATION_KEY_PREFIX = "vb-"
"""Begins every operationKey and call id of a bridge."""


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of a topic, as Kafka names it."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True, order=True)
class Birth:
    """Coordinates of the record that opened a lifecycle: its identity for ever.

    Written as ``<topic>/<partition>/<offset>``; topic names cannot contain ``/``, so the text is injective.
    """

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Birth:
        """Read ``<topic>/<partition>/<offset>``. Raises ValueError when it is not that."""
        topic, partition, offset = text.rsplit("/", 2)
        if not topic:
            raise ValueError(f"not the coordinates of a record: {text!r}")
        return cls(topic, int(partition), int(offset))

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    @property
    def operation_key(self) -> str:
        """Value of operationKey in the bodies that take one: the same for every attempt."""
        digest = hashlib.sha256(str(self).encode()).hexdigest()[:32]
        return f"{OPERATION_KEY_PREFIX}{digest}"

    def call_id(self, attempt: int) -> str:
        """Value of ``X-VMWARE-VCLOUD-CLIENT-REQUEST-ID`` for one attempt.

        Alphanumerics and dashes only and below 128 characters, as VCD demands.
        """
        return f"{self.operation_key}-{attempt}"
