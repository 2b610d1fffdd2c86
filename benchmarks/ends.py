"""When the ends of Tasks reach a reader of the events."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.support.decoding import decoded
from tests.support.kafka import Tail

PATIENCE_SECONDS = 120.0


@dataclass(slots=True)
class Ends:
    """Reads a topic of events as a committed reader does and notes when each end is there."""

    delays: dict[str, float] = field(default_factory=dict)
    """Seconds from VCD's end of the Task to the reader, by the Task."""

    def wait(self, count: int) -> list[float]:
        """The delays, when there are so many. Raises RuntimeError when they do not come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.delays) < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{count - len(self.delays)} of {count} ends were not told")
            time.sleep(0.05)
        return list(self.delays.values())

    def take(self, message: Any) -> None:
        now = time.time()
        event = decoded(message.value(), tuple(message.headers() or ()))
        if event["final"] and event["task"] is not None:
            self.delays[event["task"]["id"]] = now - _moment(event["task"]["endTime"])


@contextmanager
def reading_ends(bootstrap: str, topic: str) -> Iterator[Ends]:
    """Reads from the topic's beginning, in a thread of its own."""
    ends, stop = Ends(), threading.Event()

    def read() -> None:
        tail = Tail(bootstrap, topic)
        try:
            while not stop.is_set():
                for message in tail.more(0.05):
                    ends.take(message)
        finally:
            tail.close()

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    try:
        yield ends
    finally:
        stop.set()
        reading.join()


def _moment(told: datetime | int) -> float:
    """Seconds since the epoch."""
    return told.timestamp() if isinstance(told, datetime) else told / 1000
