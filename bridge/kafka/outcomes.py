"""How a transaction ended, and what the failures of its records and calls say about that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from confluent_kafka import KafkaError

from bridge.core.coordinates import TopicPartition
from bridge.kafka.connection import describe

Failures = list[tuple[TopicPartition, KafkaError]]
"""Of records that were not written: for which input partition, and why."""

_PERMANENT = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.POLICY_VIOLATION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._INVALID_ARG,
    }
)
"""Failures of a record that trying again does not cure."""
_DOUBTFUL = frozenset(
    {
        KafkaError._FENCED,
        KafkaError._FATAL,
        KafkaError.INVALID_TXN_STATE,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
        KafkaError.PRODUCER_FENCED,
        KafkaError.UNKNOWN_PRODUCER_ID,
    }
)
"""Answers after which nothing this producer says can be believed; ``_FENCED`` also means a mere time-out (measured)."""


class End(Enum):
    """How a transaction ended, as far as its own producer can tell."""

    COMMITTED = auto()
    ABORTED = auto()
    DOUBT = auto()


@dataclass(frozen=True, slots=True)
class Attempt:
    """``refused``: partitions with records that no attempt will write, with the reason. ``stalled``: those with records
    that were not acknowledged in time. ``input_missing``: an offset is one of a topic that the broker does not know."""

    end: End
    detail: str = ""
    refused: Mapping[TopicPartition, str] = field(default_factory=dict)
    stalled: frozenset[TopicPartition] = frozenset()
    input_missing: bool = False


def is_doubtful(error: KafkaError) -> bool:
    """Whether the producer that got this cannot even be told to abort."""
    return error.fatal() or error.code() in _DOUBTFUL


def is_permanent(error: KafkaError) -> bool:
    """Whether the record that got this will never be written."""
    return error.code() in _PERMANENT


def refusals(failures: Sequence[tuple[TopicPartition, KafkaError]]) -> dict[TopicPartition, str]:
    """Partitions with records that will never be written, and why."""
    reasons: dict[TopicPartition, str] = {}
    for partition, error in failures:
        if is_permanent(error):
            reasons.setdefault(partition, f"a record cannot be written: {describe(error)}")
    return reasons


def unacknowledged(
    error: KafkaError | None, failures: Sequence[tuple[TopicPartition, KafkaError]]
) -> frozenset[TopicPartition]:
    """Whose records were not acknowledged in time: they say so, or the abort that followed has purged them."""
    late = frozenset(partition for partition, failed in failures if failed.code() == KafkaError._MSG_TIMED_OUT)
    timed_out = error is not None and error.code() == KafkaError._TIMED_OUT
    return late or (frozenset(partition for partition, _ in failures) if timed_out else frozenset())
