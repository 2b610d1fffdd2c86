"""Members come and go under load; one is stopped past its session and continued: nothing lost, nothing done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bridge import running_site
from tests.support.kafka import KafkaNode
from tests.system.load import RELEASE, Load


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
