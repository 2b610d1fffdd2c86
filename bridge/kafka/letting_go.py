"""How a client is let go without waiting for it."""

from __future__ import annotations

import threading

from confluent_kafka import Consumer, Producer


def let_go(client: Producer | Consumer) -> None:
    """Destroy a client in a thread of its own: with its brokers gone that can block for minutes (measured)."""
    holder = [client]
    threading.Thread(target=holder.clear, name="kafka-let-go", daemon=True).start()
