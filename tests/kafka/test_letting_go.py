"""Clients are destroyed by a thread that nobody waits for."""

from __future__ import annotations

import threading
from typing import Any

from bridge.kafka.letting_go import let_go


class Client:
    """Tells which thread destroyed it."""

    def __init__(self, destroyed_by: list[str], done: threading.Event) -> None:
        self._destroyed_by = destroyed_by
        self._done = done

    def __del__(self) -> None:
        self._destroyed_by.append(threading.current_thread().name)
        self._done.set()


class Owner:
    """Lets go of its client as producers and readers are let go of: by a name that lives on while it does."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def close(self) -> None:
        client, self.client = self.client, None
        let_go(client)


def test_the_caller_does_not_destroy_what_it_lets_go_of() -> None:
    for _ in range(20):
        destroyed_by: list[str] = []
        done = threading.Event()
        Owner(Client(destroyed_by, done)).close()
        assert done.wait(10)
        assert destroyed_by == ["kafka-let-go"]
