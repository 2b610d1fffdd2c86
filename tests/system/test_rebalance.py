"""Members come and go under load; one is stopped past its session and continued: nothing lost, nothing done twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.support.bridge import running_site
from tests.support.external import NAMESPACE, running_external_site
from tests.support.kafka import KafkaNode
from tests.system.external_load import MixedLoad
from tests.system.load import RELEASE, Load


def test_members_come_and_go_under_load(kafka: KafkaNode, tmp_path: Path) -> None:
    """Side by side: most of it is waiting."""
    acts: list[Callable[[KafkaNode, Path], None]] = [
        partial(_members_join_and_leave, protocol="classic"),
        partial(_members_join_and_leave, protocol="consumer"),
        _a_zombie_comes_back,
        _requests_and_tickets,
    ]
    with ThreadPoolExecutor(len(acts)) as pool:
        for played in [pool.submit(act, kafka, tmp_path / str(number)) for number, act in enumerate(acts)]:
            played.result()


def _members_join_and_leave(kafka: KafkaNode, directory: Path, protocol: str) -> None:
    directory.mkdir()
    properties = {"properties": {"group.protocol": protocol}}
    with running_site(kafka.bootstrap, directory, kafka=properties, intake=RELEASE) as site:
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


def _a_zombie_comes_back(kafka: KafkaNode, directory: Path) -> None:
    """It writes nothing, and calls nothing twice."""
    directory.mkdir()
    with running_site(kafka.bootstrap, directory, intake=RELEASE) as site:
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


def _requests_and_tickets(kafka: KafkaNode, directory: Path) -> None:
    """Two processes work on both topics, a third joins, one dies: each ticket ends once, as its last word has it."""
    directory.mkdir()
    external = {"update_interval_seconds": 0.2}
    with running_external_site(kafka.bootstrap, directory, intake=RELEASE, external_tasks=external) as site:
        strangers = site.simulator.seed_external_tasks(
            count=3, serviceNamespace=NAMESPACE, operation="Theirs [other/t-0/CHG-1]"
        )
        first, second = site.start(), site.start()
        first.wait_ready()
        second.wait_ready()
        load = MixedLoad(site, 3)
        load.wait_sent(30)
        site.start().wait_ready()
        load.wait_sent(60)
        second.kill()
        load.wait_sent(90)
        requests = load.finish()
        site.wait_ended(requests, 90)
        assert site.wait_outcomes(*load.ended) == load.ended
        site.check()
        left = [one for one in site.simulator.external_tasks(NAMESPACE) if one["seeded"]]
        assert [(one["task"]["id"][-36:], one["task"]["status"], one["updates"]) for one in left] == [
            (uuid, "running", 0) for uuid in strangers
        ]
