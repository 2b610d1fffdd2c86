"""Loads at a stated rate."""

from __future__ import annotations

import time
from typing import Any

from tests.support.bridge import Site
from tests.support.external import ExternalSite
from tests.system.external_load import MixedLoad
from tests.system.load import Load


class RateLoad(Load):
    """So many requests a second, each for the next of ``entities`` vApps, in batches; at most ``count``."""

    def __init__(self, site: Site, rate: float, *, entities: int, count: int | None = None) -> None:
        self._rate = rate
        self._entities = entities
        self._count = count
        self._began = time.monotonic()
        super().__init__(site, 0)

    def _send_one(self) -> None:
        sent = len(self._requests)
        due = int((time.monotonic() - self._began) * self._rate)
        if self._count is not None:
            due = min(due, self._count)
        documents = [self._numbered(number) for number in range(sent, due)]
        if documents:
            self._site.send(*documents)
            self._requests += [(document, document["parameters"]["id"]) for document in documents]

    def _numbered(self, number: int) -> dict[str, Any]:
        entity = f"vapp-00000000-0000-4000-8000-{number % self._entities:012d}"
        return {"request_id": f"r{number}", "operation": "deployVApp", "parameters": {"id": entity}}


class SlowMixedLoad(MixedLoad):
    """All kinds of requests, and tickets, one of each every ``pause_seconds``."""

    def __init__(self, site: ExternalSite, seed: int, pause_seconds: float) -> None:
        self._pause_seconds = pause_seconds
        super().__init__(site, seed)

    def _send_one(self) -> None:
        super()._send_one()
        self._stop.wait(max(0.0, self._pause_seconds - 0.05))
