"""What is gathered of an observation is enough to judge it by, and to measure."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from tests.campaign.measuring import progress_of, told_after
from tests.support.checker import violations
from tests.support.checker.evidence import Blocked
from tests.support.checker.violation import Harm
from tests.support.kafka import KafkaNode, Tail
from tests.support.observation_site import ObservationSite
from tests.support.simulator import ACME_ORG, ACME_VAPP, running_simulator

LOOKS = {"interval_seconds": 0.2, "overlap_seconds": 5}
COUNT = 3


def test_a_decision_that_is_told_wrongly_is_seen(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_simulator(settings={"blocking_operations": ["deployVApp"]}) as simulator:
        site = ObservationSite(kafka.bootstrap, simulator, tmp_path, settings={"observation": LOOKS})
        try:
            site.start().wait_ready()
            site.observe("acme", "*", blocking_tasks=True)
            since = time.time()
            assert simulator.log_in("admin@acme").post(f"/api/vApp/{ACME_VAPP}/action/deploy", {}).status == 202
            (uuid,) = simulator.state()["tasks"]["blocking"]
            for topic in ("blocking_tasks", "observed_tasks"):
                _wait_told_by_both(site, topic)
            assert progress_of(site).open_at(time.time()) == set(), "nobody is slow who waits for somebody"
            path = f"/api/admin/extension/blockingTask/{uuid}/action/abort"
            assert simulator.log_in("operator@System").post(path, {"message": "no"}).status == 204
            known = Blocked(organization=ACME_ORG, since=since, until=time.time(), decided="abort")
            site.blocked[f"urn:vcloud:blockingTask:{uuid}"] = known
            assert site.decisions_left(site.blocked) == []
            evidence = site.evidence()
        finally:
            site.close()
        assert violations(evidence) == []
        evidence.blocked = {urn: replace(one, decided="fail") for urn, one in site.blocked.items()}
        assert len([found for found in violations(evidence) if "somebody decided fail" in found]) == 2


def test_an_end_that_is_not_told_is_seen(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_simulator() as simulator:
        site = ObservationSite(kafka.bootstrap, simulator, tmp_path, settings={"observation": LOOKS})
        try:
            site.start().wait_ready()
            site.observe("acme", "*")
            seeded = simulator.seed_external_tasks(count=COUNT, status="success", serviceNamespace="org.example")
            assert site.tasks() == {f"urn:vcloud:task:{uuid}" for uuid in seeded}
            assert site.ends_left(site.tasks()) == []
            progress, evidence, seconds = progress_of(site), site.evidence(), told_after(site)
        finally:
            site.close()
        assert len(progress.asked) == 2 + 2 * COUNT, "records, and each Task once for its organization and once for all"
        assert progress.open_at(evidence.judged_at or 0.0) == set()
        assert len(seconds) == 2 * COUNT
        assert seconds[0] > 0
        assert violations(evidence) == []
        evidence.lists_late_seconds = -60.0  # as if the positions were long past the Tasks' ends
        evidence.events = [event for event in evidence.events if event["task"] is None]
        lost = [found for found in violations(evidence) if found.startswith("I10") and found.kind is Harm.LOST]
        assert len(lost) == 2 * COUNT


def _wait_told_by_both(site: ObservationSite, topic: str) -> None:
    tail, told, deadline = Tail(site.bootstrap, site.names[topic]), 0, time.monotonic() + 30
    try:
        while told < 2:
            assert time.monotonic() < deadline, "it is not told that something waits"
            told += len(tail.more(0.1))
    finally:
        tail.close()
