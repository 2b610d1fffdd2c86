"""Requests at a steady pace, for tests that disturb the bridge meanwhile."""

from __future__ import annotations

import random
import threading
from typing import Any

from tests.support.bridge import Site
from tests.support.simulator import ACME_VDC

RELEASE = {"parked_lane_release_seconds": 1}
"""A parked request gives its lane up soon, so that those behind it can end while the test watches."""
ON_VAPPS = ("deployVApp", "rebootVApp", "createSnapshot", "powerOnVApp", "suspendVApp")
ON_MACHINES = ("createSnapshot", "rebootVApp", "mergeVAppMetadata")
BODIES: dict[str, dict[str, Any]] = {
    "createSnapshot": {"name": "s", "memory": False, "quiesce": False},
    "mergeVAppMetadata": {
        "metadataEntry": [{"key": "k", "typedValue": {"_type": "MetadataStringValue", "value": "v"}}]
    },
}
ENTITIES = 25
"""vApps, and as many machines: few enough that lanes fill."""


class Load:
    """A record every twentieth of a second, from a thread, until stopped.

    Mostly requests, for vApps, machines and new disks; some are sent twice, some are canceled soon after.
    """

    def __init__(self, site: Site, seed: int, first: int = 0) -> None:
        self._site = site
        self._rng = random.Random(seed)  # a seed, not a secret
        self._stop = threading.Event()
        self._first = first
        self._requests: list[tuple[dict[str, Any], str]] = []
        """With their record keys."""
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def sent(self) -> list[str]:
        """Ids of the requests, in order."""
        return [str(document["request_id"]) for document, _ in self._requests]

    def wait_sent(self, count: int) -> None:
        """Until so many requests were sent. Fails when the load has."""
        while len(self._requests) < count:
            assert self.failure is None, self.failure
            self._stop.wait(0.05)

    def finish(self) -> list[str]:
        """Stop; the ids of all requests."""
        self._stop.set()
        self._thread.join(60)
        assert self.failure is None, self.failure
        return self.sent

    def abandon(self) -> None:
        """Stop, whatever has become of it."""
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.05):
                self._send_one()
        except BaseException as failure:
            self.failure = failure

    def _send_one(self) -> None:
        draw = self._rng.random()
        recent = self._requests[-20:]
        if recent and draw < 0.07:
            document, key = self._rng.choice(recent)
            self._site.send(document, key=key)
        elif recent and draw < 0.15:
            document, key = self._rng.choice(recent)
            self._site.send({"kind": "cancel", "target_request_id": document["request_id"]}, key=key)
        else:
            document, key = self._request(f"r{self._first + len(self._requests)}")
            self._site.send(document, key=key)
            self._requests.append((document, key))

    def _request(self, request_id: str) -> tuple[dict[str, Any], str]:
        rng, draw = self._rng, self._rng.random()
        number = f"{rng.randrange(ENTITIES):012d}"
        if draw < 0.15:
            body = {"disk": {"name": f"disk-{request_id}", "sizeMb": 10}}
            document = {"operation": "createDisk", "parameters": {"id": ACME_VDC}, "body": body}
            return {"request_id": request_id, **document}, request_id
        # An id is one entity's only: under another kind's name it would be the same entity in another lane.
        vapp, machine = f"vapp-00000000-0000-4000-8000-{number}", f"vm-00000000-0000-4000-9000-{number}"
        entity, operations = (machine, ON_MACHINES) if draw < 0.4 else (vapp, ON_VAPPS)
        operation = rng.choice(operations)
        document = {"request_id": request_id, "operation": operation, "parameters": {"id": entity}}
        return document | ({"body": BODIES[operation]} if operation in BODIES else {}), entity
