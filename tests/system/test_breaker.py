"""VCD is out for long: what waits is not spent on it, intake stops at its caps, and all goes on by itself."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from tests.support.bridge import Site, running_site
from tests.support.gathering import ledger_of
from tests.support.kafka import KafkaNode
from tests.support.ports import free_ports
from tests.support.scraping import metric, wait_metric

CAP, REQUESTS = 20, 60
USER = "administrator"
NEVER_TWICE = {"operation": "createSnapshot", "body": {"name": "s", "memory": False, "quiesce": False}}
"""Each call of these that fails on VCD's side would be a request for a person to look into."""


def test_an_outage_costs_no_request_more_than_one_call_and_loses_none(kafka: KafkaNode, tmp_path: Path) -> None:
    management = f"127.0.0.1:{free_ports(1)[0]}"
    vcd = {"longest_pause_seconds": 0.5, "max_concurrent_calls": 8, "answer_timeout_seconds": 1, "lease_seconds": 1}
    with running_site(
        kafka.bootstrap, tmp_path, partitions=1, vcd=vcd, management={"listen": management},
        intake={"max_open_per_partition": CAP},
    ) as site:  # fmt: skip
        bridge = site.start().wait_ready()
        # As a balancer answers that has no cell left: calls and reads alike, logins apart.
        outage = [
            site.simulator.fault(do="status", status=503, path=path, times=None)
            for path in ("/api/vApp", "/api/vdc", "/api/query", "/api/task")
        ]
        site.send(*(_request(number) for number in range(REQUESTS)))
        bridge.wait_logged("vcd.breaker_open")
        wait_metric(management, "vcdbridge_breaker_open", 1)
        site.simulator.wait_met(outage[2])
        _wait_answered(site)
        burnt, tried = len(ledger_of(site.simulator, USER)), site.simulator.met(outage[2])
        site.simulator.wait_met(outage[2], tried + 5)
        assert metric(management, "vcdbridge_call_limit") == 0
        assert len(ledger_of(site.simulator, USER)) == burnt, "VCD was tried with calls"
        assert len(site.store()) <= CAP
        site.simulator.clear_faults()
        bridge.wait_logged("vcd.breaker_closed")
        events = site.wait_ended([f"r{number}" for number in range(REQUESTS)])
        assert {event["outcome"] for event in events if event["final"]} == {"success"}
        attempts = Counter(call.story for call in ledger_of(site.simulator, USER))
        assert max(attempts.values()) <= 2
        site.check(max_open=CAP)


def _wait_answered(site: Site) -> None:
    """Until what was out when the breaker opened has come back: an intent stands until its call is answered."""
    deadline = time.monotonic() + 30
    while "intent" in (phases := site.store().values()):
        assert time.monotonic() < deadline, f"calls are out: {Counter(phases)}"
        time.sleep(0.05)  # the store is polled: there is nothing to be woken by


def _request(number: int) -> dict[str, object]:
    entity = f"vapp-00000000-0000-4000-8000-{number:012d}"
    kind = NEVER_TWICE if number >= CAP else {"operation": "deployVApp"}
    return {"request_id": f"r{number}", "parameters": {"id": entity}, **kind}
