"""Waits until a read_committed reader has seen the end of every action."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

End = tuple[str, str]
"""Request id, or external key, and outcome."""


def bridge_end(message: Message) -> End | None:
    """The end that an event tells, from its headers alone: reading must not take the machine from those measured."""
    told: dict[str, Any] = dict(message.headers() or ())
    outcome = told.get("vcd_outcome")
    return None if outcome is None else (told["vcd_request_id"].decode(), outcome.decode())


def external_end(message: Message) -> End | None:
    """The same of an external task: its events are keyed by the external key."""
    told: dict[str, Any] = dict(message.headers() or ())
    outcome = told.get("vcd_outcome")
    return None if outcome is None else (told["ce_subject"].decode(), outcome.decode())


def loop_end(message: Message) -> End | None:
    result = json.loads(message.value() or b"")
    return result["request_id"], result["status"]


class Reader:
    """Reads one topic from its beginning."""

    def __init__(self, bootstrap: str, topic: str, end_of: Callable[[Message], End | None]) -> None:
        self.topic = topic
        self._end_of = end_of
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "benchmark-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
            }
        )
        partitions = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        self.ended: dict[str, str] = {}
        self.records = 0

    def wait(self, request_ids: set[str], seconds: float) -> float:
        """Monotonic time at which the last of them was seen. Raises when one failed, ended twice or did not end."""
        deadline = time.monotonic() + seconds
        while not request_ids <= self.ended.keys():
            if time.monotonic() > deadline:
                missing = request_ids - self.ended.keys()
                raise TimeoutError(f"{len(missing)} of {len(request_ids)} actions did not end within {seconds:.0f} s")
            for message in self._consumer.consume(500, 0.05):
                self._take(message)
        return time.monotonic()

    def close(self) -> None:
        self._consumer.close()

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            raise KafkaException(error)
        self.records += 1
        end = self._end_of(message)
        if end is None:
            return
        request_id, outcome = end
        if request_id in self.ended or outcome != "success":
            raise RuntimeError(f"{request_id} ended with {outcome} after {self.ended.get(request_id)}")
        self.ended[request_id] = outcome
