"""Tickets and requests while VCD loses answers and processes die, leave and stand still: many seeds of it."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.external import ExternalSite, running_external_site
from tests.support.kafka import KafkaNode
from tests.system.external_load import MixedLoad
from tests.system.load import RELEASE

SEEDS = range(12)
SIDE_BY_SIDE = 3
LOST = (("drop", True), ("drop", False), ("hang", True), ("status", True))
"""How calls fail, and whether they are carried out all the same."""


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_one_task_and_one_end_whatever_happens(kafka: KafkaNode, tmp_path: Path) -> None:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for played in [pool.submit(_storm, kafka, tmp_path / str(seed), seed) for seed in SEEDS]:
            played.result()


def _storm(kafka: KafkaNode, directory: Path, seed: int) -> None:
    directory.mkdir()
    rng = random.Random(seed)  # a seed, not a secret
    group = {"properties": {"group.protocol": "consumer"}} if seed % 2 else {"session_timeout_seconds": 4}
    external = {"update_interval_seconds": 0.05}
    with running_external_site(
        kafka.bootstrap, directory, partitions=2, intake=RELEASE, external_tasks=external, kafka=group
    ) as site:
        _trouble(site, seed)
        live = [site.start(), site.start()]
        for bridge in live:
            bridge.wait_ready()
        load = MixedLoad(site, seed)
        for sent in range(20, 140, 20):
            load.wait_sent(sent)
            victim = live.pop(rng.randrange(len(live)))
            match rng.choice(["kill", "kill", "stop", "pause"]):
                case "kill":
                    victim.kill()
                case "stop":
                    victim.stop()
                case _:
                    victim.pause()
                    # Past its session: what it had is another's when it wakes.
                    load.wait_sent(sent + 120)
                    victim.resume()
            live.append(site.start())
        requests = load.finish()
        site.simulator.clear_faults()
        site.wait_ended(requests, 180)
        assert site.wait_outcomes(*load.ended, seconds=180) == load.ended, seed
        site.check()


def _trouble(site: ExternalSite, seed: int) -> None:
    for do, effect in LOST:
        for operation in ("createExternalTask", "updateTask"):
            site.simulator.fault(do=do, effect=effect, operation=operation, times=None, probability=0.05, seed=seed)
    site.simulator.fault(do="delay", seconds=1.5, operation="updateTask", times=None, probability=0.1, seed=seed)
