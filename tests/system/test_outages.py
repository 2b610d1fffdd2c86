"""The broker goes away and comes back; VCD goes away and comes back: nothing is lost, nothing is done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bridge import running_site
from tests.support.kafka import KafkaCluster, KafkaNode
from tests.system.load import RELEASE, Load


@pytest.mark.long
def test_the_broker_dies_under_load_and_returns(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    cluster = KafkaCluster(tmp_path / "kafka")
    cluster.start()
    try:
        with running_site(cluster.bootstrap, tmp_path, intake=RELEASE) as site:
            bridge = site.start().wait_ready()
            load = Load(site, 3)
            load.wait_sent(40)
            sent = load.finish()
            cluster.nodes[0].kill()
            cluster.nodes[0].restart()
            # An outage longer than its transactions may end a process; a supervisor starts it again.
            if bridge.process.poll() is not None:
                site.start().wait_ready()
            more = Load(site, 4, first=len(sent))
            more.wait_sent(20)
            site.wait_ended([*sent, *more.finish()], 120)
            site.check()
    finally:
        cluster.stop()


def test_vcd_refuses_and_loses_answers(kafka: KafkaNode, tmp_path: Path) -> None:
    """Every class of fault on the wire, a few times each, under load."""
    with running_site(kafka.bootstrap, tmp_path, intake=RELEASE, vcd={"answer_timeout_seconds": 1}) as site:
        site.start().wait_ready()
        path = "/action/"
        site.simulator.fault(do="drop", path=path, times=3, skip=3)
        site.simulator.fault(do="reset", path=path, times=3, skip=10, effect=True)
        site.simulator.fault(do="status", status=503, path=path, times=2, skip=20)
        site.simulator.fault(do="status", status=500, path=path, times=3, skip=25, effect=True)
        site.simulator.fault(do="status", status=429, path=path, times=3, skip=32, retry_after=1)
        site.simulator.fault(do="hang", path=path, times=1, skip=40, effect=True)
        load = Load(site, 5)
        load.wait_sent(60)
        site.simulator.expire_sessions()
        load.wait_sent(90)
        site.wait_ended(load.finish(), 90)
        site.check()
