"""Words of the admin client that its package exports without saying so to type checkers."""

from __future__ import annotations

from confluent_kafka import IsolationLevel, TopicCollection
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions, NewTopic

EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the package leaves it untyped
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # likewise

__all__ = [
    "EARLIEST",
    "LATEST",
    "AclOperation",
    "AlterConfigOpType",
    "ConfigEntry",
    "ConfigResource",
    "IsolationLevel",
    "NewPartitions",
    "NewTopic",
    "OffsetSpec",
    "ResourceType",
    "TopicCollection",
    "at_time",
]


def at_time(millis: int) -> OffsetSpec:
    """The first record of this time or later."""
    found: OffsetSpec = OffsetSpec.for_timestamp(millis)
    return found
