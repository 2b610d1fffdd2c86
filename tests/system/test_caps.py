"""Memory is bounded: beyond the cap on open requests a partition waits, then pauses; restored work is never refused."""

from __future__ import annotations

import re
import time
import urllib.request
from pathlib import Path

from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode, free_ports, read

REQUESTS = 2_600
"""More than the records that the engine holds undecided plus the cap, so that the partition has to pause."""
CAP = 200


def _metric(address: str, name: str) -> float:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def _wait_paused(address: str) -> None:
    deadline = time.monotonic() + 30
    while _metric(address, "vcdbridge_paused_partitions") != 1:
        assert time.monotonic() < deadline, "the partition was not paused"
        time.sleep(0.02)  # the metrics are polled: there is nothing to be woken by


def _most_open(site: Site) -> int:
    """The most lifecycles that were open at once, as the changelog tells it record by record."""
    present: set[bytes] = set()
    most = 0
    for message in read(site.bootstrap, site.changelog):
        key = message.key() or b""
        if key.endswith(b"|state"):
            (present.discard if message.value() is None else present.add)(key)
            most = max(most, len(present))
    return most


def test_open_requests_stay_below_the_cap_and_restored_ones_are_kept(kafka: KafkaNode, tmp_path: Path) -> None:
    management = f"127.0.0.1:{free_ports(1)[0]}"
    with running_site(
        kafka.bootstrap,
        tmp_path,
        partitions=1,
        simulator={"task_seconds": 0.2},
        management={"listen": management},
        vcd={"max_calls_per_second": 100_000},
    ) as site:
        names = [f"r{number}" for number in range(REQUESTS)]
        site.send(
            *(
                {
                    "request_id": name,
                    "operation": "powerOnVApp",
                    "parameters": {"id": f"vapp-00000000-0000-4000-8000-{number:012d}"},
                }
                for number, name in enumerate(names)
            )
        )
        first = site.start(intake={"max_open_per_partition": CAP}).wait_ready()
        _wait_paused(management)
        first.kill()
        # What is restored is above the new cap: it is worked on, and nothing new is taken before it went down.
        site.start(intake={"max_open_per_partition": CAP // 10}).wait_ready()
        site.wait_ended(names, 90)
        assert CAP // 10 < _most_open(site) <= CAP
        site.check()
