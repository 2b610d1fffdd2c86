"""How a client is let go without waiting for it."""

from __future__ import annotations

import sys
import threading
import time

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

_LOOKS = 100
_FIRST_LOOK_SECONDS, _LONGEST_LOOK_SECONDS = 0.001, 0.1
_OURS = 2
"""References that the thread itself has: its list's, and the argument of the call that counts them."""


def let_go(client: Producer | Consumer | AdminClient) -> None:
    """Destroy a client in a thread of its own: with its brokers gone that can block for minutes (measured).

    Whoever drops the last reference destroys it, and the caller still has one while it calls this. So the thread keeps
    the client until nobody else refers to it (for 10 s at most: somebody who keeps it for longer means to).
    """
    holder = [client]

    def drop() -> None:
        seconds = _FIRST_LOOK_SECONDS
        for _ in range(_LOOKS):
            if sys.getrefcount(holder[0]) <= _OURS:
                break
            time.sleep(seconds)
            seconds = min(2 * seconds, _LONGEST_LOOK_SECONDS)
        holder.clear()

    threading.Thread(target=drop, name="kafka-let-go", daemon=True).start()
