"""Bounded memory: beyond its caps a partition takes no more, and takes up again when some have ended."""

from __future__ import annotations

from pathlib import Path

from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode

CAP = 5


def _requests(count: int, **body: object) -> list[dict[str, object]]:
    return [
        {
            "request_id": f"r{number}",
            "operation": "createSnapshot",
            "parameters": {"id": f"vm-00000000-0000-4000-8000-{number:012d}"},
            "body": {"name": f"s{number}", **body},
        }
        for number in range(count)
    ]


def _most_open(site: Site) -> int:
    """Most stories that were accepted and not finished at one moment, by the order of the event log."""
    open_now, most = 0, 0
    for event in site.read_events():
        open_now += {"accepted": 1, "finished": -1}.get(event["change"], 0)
        most = max(most, open_now)
    return most


def test_open_requests_stay_below_the_cap(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_site(kafka.bootstrap, tmp_path, partitions=1, intake={"max_open_per_partition": CAP}) as site:
        requests = _requests(30)
        site.send(*requests)
        site.start().wait_ready()
        site.wait_ended([str(request["request_id"]) for request in requests])
        assert 1 < _most_open(site) <= CAP
        site.check()


def test_waiting_bodies_stay_below_the_cap(kafka: KafkaNode, tmp_path: Path) -> None:
    """Restored work is never refused: the cap counts it, but what is there is finished."""
    caps = {"max_waiting_bytes_per_partition": 40_000}
    with running_site(kafka.bootstrap, tmp_path, partitions=1, intake=caps, vcd={"max_concurrent_calls": 1}) as site:
        requests = _requests(12, description="x" * 20_000)
        site.send(*requests)
        first = site.start(crash_at="round_committed:3").wait_ready()
        first.wait_dead()
        assert 1 <= len(site.store()) <= 3, "each body is half of the cap"
        site.start().wait_ready()
        site.wait_ended([str(request["request_id"]) for request in requests])
        site.check()
