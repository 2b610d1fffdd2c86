"""Members come and go under load; one is stopped past its session and continued: nothing lost, nothing done twice."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode

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

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._rng = random.Random(seed)  # a seed, not a secret
        self._stop = threading.Event()
        self.sent: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            request = _request(len(self.sent), self._rng)
            self._site.send(request)
            self.sent.append(str(request["request_id"]))

    def wait_sent(self, count: int) -> None:
        while len(self.sent) < count:
            self._stop.wait(0.05)

    def finish(self) -> list[str]:
        self._stop.set()
        self._thread.join(30)
        return self.sent


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_members_join_and_leave_under_load(kafka: KafkaNode, tmp_path: Path, protocol: str) -> None:
    properties = {"properties": {"group.protocol": protocol}}
    with running_site(kafka.bootstrap, tmp_path, kafka=properties, intake=RELEASE) as site:
        site.start().wait_ready()
        load = Load(site, 1)
        load.wait_sent(20)
        second = site.start().wait_ready()
        load.wait_sent(60)
        assert second.stop() == 0
        load.wait_sent(80)
        third = site.start().wait_ready()
        load.wait_sent(110)
        third.kill()
        site.wait_ended(load.finish(), 90)
        site.check()


def test_a_zombie_writes_nothing_and_calls_nothing_twice(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_site(kafka.bootstrap, tmp_path, intake=RELEASE) as site:
        zombie = site.start().wait_ready()
        load = Load(site, 2)
        load.wait_sent(20)
        zombie.pause()
        site.start().wait_ready()
        load.wait_sent(120)
        # The other has taken everything over when what was sent during the pause has ended.
        site.wait_ended(load.sent[:60], 90)
        zombie.resume()
        load.wait_sent(160)
        site.wait_ended(load.finish(), 90)
        site.check()
