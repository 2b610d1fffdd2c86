"""Whole organizations are told as a stream, and all of them together, while processes come and are killed."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from uuid import uuid4

from bridge.kafka.messages import headers_of
from tests.support.bridge import Site
from tests.support.decoding import decoded
from tests.support.kafka import KafkaNode, Tail
from tests.support.observation_site import EVERYTHING, ObservationSite, running_observation_site
from tests.support.simulator import Client

USERS = ("admin@acme", "admin@beta")
UNKIND = {"late_rows": 0.3, "late_row_seconds": 2.0, "consistent_pages": False, "cells_apart_seconds": -3.0}
"""Some ends are shown late, every second one is written by a slow clock, and the list moves while it is read."""
LATE_SECONDS = 6.0
"""Lateness and clocks of that, with a second of doubt."""


def test_what_others_do_is_told_once_whoever_is_killed(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_observation_site(
        kafka.bootstrap, tmp_path, simulator={"task_seconds": 0.7, "settings": UNKIND},
        observation={"interval_seconds": 0.5, "overlap_seconds": 8},
    ) as site:  # fmt: skip
        site.lists_late_seconds = LATE_SECONDS
        first, second = site.start(), site.start()
        first.wait_ready()
        second.wait_ready()
        site.observe("acme", "beta", EVERYTHING)
        loads = [_Load(site, user) for user in USERS]
        _wait_told(site, ends=30)
        first.kill()
        for load in loads:
            load.wait_begun(40)
        begun = {task for load in loads for task in load.stop()}
        third = site.start()
        assert site.ends_left(begun) == []
        third.wait_ready()
        assert second.stop() == third.stop() == 0
        assert site.tasks() == begun
        site.check()


class _Load:
    """A person who deploys one vApp after the other, past the bridge."""

    def __init__(self, site: Site, user: str) -> None:
        self._client = site.simulator.log_in(user)
        self.tasks: list[str] = []
        self._more = threading.Condition()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.is_set():
            task = _deploy(self._client, f"vapp-{uuid4()}")
            with self._more:
                self.tasks.append(task)
                self._more.notify_all()
            self._stopped.wait(0.1)

    def wait_begun(self, count: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.tasks) >= count, 60)

    def stop(self) -> list[str]:
        self._stopped.set()
        self._thread.join(30)
        return self.tasks


def _deploy(client: Client, vapp: str) -> str:
    reply = client.post(f"/api/vApp/{vapp}/action/deploy", {"powerOn": True})
    assert reply.status == 202, reply.body
    task: str = reply.json()["id"]
    return task


def _wait_told(site: ObservationSite, ends: int, seconds: float = 60.0) -> None:
    """Until so many ends are told."""
    tail, deadline = Tail(site.bootstrap, site.names["observed_tasks"]), time.monotonic() + seconds
    try:
        while ends > 0:
            assert time.monotonic() < deadline, f"{ends} more ends are not told"
            ends -= sum(decoded(one.value(), headers_of(one))["final"] for one in tail.more(0.1))
    finally:
        tail.close()
