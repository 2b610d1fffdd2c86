"""Requests at a steady pace, for tests that disturb the bridge meanwhile."""

from __future__ import annotations

import random
import threading
from typing import Any

from tests.support.bridge import Site

RELEASE = {"parked_lane_release_seconds": 1}
"""A parked request gives its lane up soon, so that those behind it can end while the test watches."""
OPERATIONS = ("deployVApp", "rebootVApp", "createSnapshot", "powerOnVApp")


def _vapp(number: int) -> str:
    return f"vapp-00000000-0000-4000-8000-{number:012d}"


def _request(number: int, rng: random.Random) -> dict[str, Any]:
    operation = rng.choice(OPERATIONS)
    document: dict[str, Any] = {
        "request_id": f"r{number}", "operation": operation, "parameters": {"id": _vapp(rng.randrange(30))},
    }  # fmt: skip
    if operation == "createSnapshot":
        document["body"] = {"name": "s", "memory": False, "quiesce": False}
    return document


class Load:
    """Requests at a steady pace, from a thread, until stopped."""

    def __init__(self, site: Site, seed: int, first: int = 0) -> None:
        self._site = site
        self._rng = random.Random(seed)  # a seed, not a secret
        self._stop = threading.Event()
        self._first = first
        self.sent: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            request = _request(self._first + len(self.sent), self._rng)
            self._site.send(request)
            self.sent.append(str(request["request_id"]))

    def wait_sent(self, count: int) -> None:
        while len(self.sent) < count:
            self._stop.wait(0.05)

    def finish(self) -> list[str]:
        self._stop.set()
        self._thread.join(30)
        return self.sent
