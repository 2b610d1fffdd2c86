"""The broker goes away and comes back; VCD goes away and comes back: nothing is lost, nothing is done twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import TemporaryError
from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaCluster, KafkaNode
from tests.system.load import RELEASE, Load


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize("deaths", [1, 3])
def test_brokers_die_under_load_and_return(kafka_cluster: KafkaCluster, tmp_path: Path, deaths: int) -> None:
    """One after the other; after three, whatever leads and coordinates has moved. Quick in most runs, but a call of the
    client can hang for good, and only a watchdog's 45 s end that."""
    with running_site(kafka_cluster.bootstrap, tmp_path, replication=3, intake=RELEASE) as site:
        site.start().wait_ready()
        load, sent = Load(site, 3), 30
        for node in kafka_cluster.nodes[:deaths]:
            load.wait_sent(sent)
            assert site.store(), "there is work under way when it dies"
            node.kill()
            load.wait_sent(sent + 20)
            node.restart()
            sent += 40
        _wait_ended_under_a_supervisor(site, load.finish())
        site.check()


def _wait_ended_under_a_supervisor(site: Site, request_ids: Sequence[str]) -> None:
    """As orchestrators do, a process that asks for it by its exit code is started again."""

    def over(events: list[dict[str, Any]]) -> bool:
        if site.processes[-1].process.poll() == TemporaryError.exit_code:
            site.start()
        ended = {event["request_id"] for event in events if event["final"] or event["change"] == "parked"}
        return set(request_ids) <= ended

    site.wait_events(over, 110)


def test_vcd_refuses_and_loses_answers(kafka: KafkaNode, tmp_path: Path) -> None:
    """Every class of fault on the wire, a few times each, under load; then each of two cells dies and comes back."""
    with running_site(kafka.bootstrap, tmp_path, simulator={"cells": 3}, intake=RELEASE) as site:
        _, first, second = site.simulator.urls
        bridge = site.start(vcd={"url": first, "further_urls": [second], "answer_timeout_seconds": 1})
        bridge.wait_ready()
        path = "/action/"
        faults = [
            site.simulator.fault(do="drop", path=path, times=3, skip=3),
            site.simulator.fault(do="reset", path=path, times=3, skip=10, effect=True),
            site.simulator.fault(do="status", status=503, path=path, times=2, skip=20),
            site.simulator.fault(do="status", status=500, path=path, times=3, skip=25, effect=True),
            site.simulator.fault(do="status", status=429, path=path, times=3, skip=32, retry_after=1),
            site.simulator.fault(do="hang", path=path, times=1, skip=40, effect=True),
        ]
        load = Load(site, 5)
        load.wait_sent(60)
        site.simulator.expire_sessions()
        load.wait_sent(90)
        site.simulator.wait_met(faults[-1])
        for cell in ("cell-2", "cell-3"):
            met = len(load.sent)
            site.simulator.fault(do="refuse", cell=cell, **{"for": 1})
            load.wait_sent(met + 25)
        bridge.wait_logged("vcd.address_answers")
        site.wait_ended(load.finish(), 90)
        site.check()
