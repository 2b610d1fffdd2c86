"""The commands of many external tasks: one create each, updates in rounds over all of them, one finish each."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Producer


@dataclass(frozen=True, slots=True)
class Commands:
    """``seconds``: the time over which they are spread evenly, 0: all at once. ``finish`` false: tasks stay running."""

    tasks: int
    updates: int
    seconds: float = 0.0
    finish: bool = True

    def __str__(self) -> str:
        how = f"within {self.seconds:g} s" if self.seconds else "all at once"
        return f"{self.tasks} external tasks, {self.updates} updates each, {how}"

    @property
    def count(self) -> int:
        return self.tasks * (self.updates + 2)

    def send(self, bootstrap: str, topic: str) -> set[str]:
        """The keys of the tasks."""
        producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "partitioner": "murmur2_random"})
        run = uuid.uuid4().hex[:12]
        keys = [f"CHG-{run}-{number}" for number in range(self.tasks)]
        start = time.monotonic()
        for number, document in enumerate(self._documents()):
            value = json.dumps(document).encode()
            for place, key in enumerate(keys):
                self._wait(producer, start, number * self.tasks + place)
                producer.produce(topic, value, key)
            producer.poll(0)
        if producer.flush(30):
            raise RuntimeError(f"{topic}: not all commands were written")
        return set(keys)

    def _wait(self, producer: Producer, start: float, number: int) -> None:
        """Until a command's turn."""
        early = start + self.seconds * number / self.count - time.monotonic()
        if early > 0.001:
            producer.poll(early)

    def _documents(self) -> Iterator[dict[str, Any]]:
        names = {"organization": "acme", "operation": "Patching", "operationName": "patch"}
        yield {"command": "create", **names, "progress": 0}
        for number in range(1, self.updates + 1):
            progress = 95 * number // self.updates
            yield {"command": "update", "progress": progress, "details": f"step {number}", "revision": number}
        if self.finish:
            yield {"command": "finish", "details": "done", "revision": self.updates + 1}
