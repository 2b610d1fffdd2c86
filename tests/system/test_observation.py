"""Whole organizations are told as a stream, and all of them together, while processes come and are killed."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from bridge.kafka.messages import headers_of
from tests.support.bridge import Site, running_site
from tests.support.decoding import decoded
from tests.support.kafka import KafkaNode, Tail, read
from tests.support.observation import make_observation_topics, observation_names, observe
from tests.support.simulator import Client

USERS = ("admin@acme", "admin@beta")
OBSERVATIONS = ("acme", "beta", "*")
PARTITIONS = 3
UNKIND = {"late_rows": 0.3, "late_row_seconds": 2.0, "consistent_pages": False, "cells_apart_seconds": -3.0}
"""Some ends are shown late, every second one is written by a slow clock, and the list moves while it is read."""


def test_what_others_do_is_told_once_whoever_is_killed(kafka: KafkaNode, tmp_path: Path) -> None:
    names = observation_names()
    with running_site(
        kafka.bootstrap, tmp_path, partitions=PARTITIONS, simulator={"task_seconds": 0.7, "settings": UNKIND},
        topics=names, observation={"enabled": True, "interval_seconds": 0.5, "overlap_seconds": 8},
    ) as site:  # fmt: skip
        make_observation_topics(site, names)
        first, second = site.start(), site.start()
        first.wait_ready()
        second.wait_ready()
        observe(site, names, *OBSERVATIONS)
        loads = [_Load(site, user) for user in USERS]
        _wait_told(site, names["observed_tasks"], {one: 2 for load in loads for one in load.wait_begun(15)})
        first.kill()
        for load in loads:
            load.wait_begun(40)
        begun = [task for load in loads for task in load.stop()]
        third = site.start()
        _wait_told(site, names["observed_tasks"], dict.fromkeys(begun, 2))
        third.wait_ready()
        assert second.stop() == third.stop() == 0
        _check(site, names["observed_tasks"], begun)


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

    def wait_begun(self, count: int) -> list[str]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.tasks) >= count, 60)
            return list(self.tasks)

    def stop(self) -> list[str]:
        self._stopped.set()
        self._thread.join(30)
        return self.tasks


def _deploy(client: Client, vapp: str) -> str:
    reply = client.post(f"/api/vApp/{vapp}/action/deploy", {"powerOn": True})
    assert reply.status == 202, reply.body
    task: str = reply.json()["id"]
    return task


def _wait_told(site: Site, topic: str, ends: dict[str, int], seconds: float = 60.0) -> None:
    """Until the end of each Task is told as often as that."""
    tail, told, deadline = Tail(site.bootstrap, topic), defaultdict[str, int](int), time.monotonic() + seconds
    try:
        while any(told[task] < wanted for task, wanted in ends.items()):
            assert time.monotonic() < deadline, f"{sum(told.values())} ends told\n{site._logs()}"
            for message in tail.more(0.1):
                event = decoded(message.value(), headers_of(message))
                told[(message.key() or b"").decode()] += event["final"]
    finally:
        tail.close()


def _check(site: Site, topic: str, begun: list[str]) -> None:
    """Every Task that anybody began, once for its organization and once for all of them, without a gap or a repeat."""
    stories: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    events = [decoded(one.value(), headers_of(one)) for one in read(site.bootstrap, topic)]
    assert len({event["event_id"] for event in events}) == len(events)
    for event in events:
        assert event["lifecycle"] == "observation"
        stories[event["task"]["id"]][event["birth"]].append(event)
    assert stories.keys() == set(begun)
    for task, told in stories.items():
        assert len(told) == 2, task
        for story in told.values():
            assert [event["sequence"] for event in story] == list(range(1, len(story) + 1)), task
            assert [event["outcome"] for event in story if event["final"]] == ["success"], task
            assert story[-1]["final"], task
