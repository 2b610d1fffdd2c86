"""Whether Kafka is heard at all.

A KIP-848 member whose brokers have fallen silent is told of no loss, and an idle process asks for nothing that could
fail: it would call itself ready for as long as that lasts (measured, two minutes). The client's statistics tell.
"""

from __future__ import annotations

import json
import time

INTERVAL_MS = 1000
"""Between two statistics of a client."""


class Hearing:
    """Takes the client's statistics. A member's heartbeats are answered every few seconds, whatever else there is."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience = patience_seconds
        self._heard_at = time.monotonic()
        self.silent_seconds = 0.0
        """So long nothing has come from any broker."""

    @property
    def is_silent(self) -> bool:
        """Nothing has come from any broker for longer than ``patience_seconds``."""
        return self.silent_seconds > self._patience

    def take(self, statistics: str) -> None:
        """Called by the client. ``rxidle``: microseconds since a broker's last answer on its connection, -1 for none
        (librdkafka STATISTICS.md)."""
        now = time.monotonic()
        idle = [broker.get("rxidle", -1) for broker in json.loads(statistics).get("brokers", {}).values()]
        heard = [now - since / 1_000_000 for since in idle if since >= 0]
        self._heard_at = max([self._heard_at, *heard])
        self.silent_seconds = now - self._heard_at
