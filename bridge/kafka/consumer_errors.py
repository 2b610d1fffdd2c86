"""What the consumer's errors mean for its process: an end, a lost position, or something that passes."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import KafkaError

from bridge.kafka.connection import describe

_REPEAT_SECONDS = 30.0
_POSITION_LOST = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION})
_HOPELESS = frozenset(
    {
        KafkaError.INVALID_SESSION_TIMEOUT,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.INVALID_GROUP_ID,
        KafkaError.UNSUPPORTED_ASSIGNOR,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    }
)
"""The client would go on asking to join for ever."""


def is_fatal(error: KafkaError) -> bool:
    """The error inside a message has the code ``_FATAL`` without the flag (measured)."""
    return error.fatal() or error.code() == KafkaError._FATAL or error.code() in _HOPELESS


def is_position_lost(error: KafkaError) -> bool:
    """Retention overtook a reader, or the log was cut."""
    return error.code() in _POSITION_LOST


class Troubles:
    """Tells each trouble now and then only: the client repeats itself as long as one lasts."""

    def __init__(self, trouble: Callable[[str, str], None]) -> None:
        self._trouble = trouble
        self._told: dict[tuple[int, str], float] = {}

    def tell(self, error: KafkaError, where: str = "") -> None:
        now = time.monotonic()
        key = (error.code(), where)
        if now - self._told.get(key, -_REPEAT_SECONDS) >= _REPEAT_SECONDS:
            self._told[key] = now
            self._trouble("kafka consumer", f"{where}: {describe(error)}" if where else describe(error))
