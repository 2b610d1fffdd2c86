"""Memory is bounded: beyond the cap on open requests a partition waits, then pauses; restored work is never refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.engine.partition.flow import HIGH_WATER
from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode
from tests.support.ports import free_ports
from tests.support.scraping import metric, wait_metric

CAP = 100


@contextlib.contextmanager
def _loaded_site(kafka: KafkaNode, directory: Path, requests: int) -> Iterator[tuple[Site, str, list[str]]]:
    """A site with that many requests on one partition, each for an entity of its own; no bridge runs yet."""
    management = f"127.0.0.1:{free_ports(1)[0]}"
    with running_site(
        kafka.bootstrap,
        directory,
        partitions=1,
        simulator={"task_seconds": 1.0},
        management={"listen": management},
        vcd={"max_calls_per_second": 100_000},
    ) as site:
        names = [f"r{number}" for number in range(requests)]
        entities = [f"vapp-00000000-0000-4000-8000-{number:012d}" for number in range(requests)]
        site.send(
            *(
                {"request_id": name, "operation": "powerOnVApp", "parameters": {"id": entity}}
                for name, entity in zip(names, entities, strict=True)
            )
        )
        yield site, management, names


def test_open_requests_stay_below_the_cap_and_restored_ones_are_kept(kafka: KafkaNode, tmp_path: Path) -> None:
    with _loaded_site(kafka, tmp_path, 5 * CAP // 2) as (site, management, names):
        first = site.start(intake={"max_open_per_partition": CAP}).wait_ready()
        wait_metric(management, "vcdbridge_open_lifecycles", CAP)
        first.kill()
        # What is restored is above the new cap: it is worked on, and nothing new is taken before it went down.
        site.start(intake={"max_open_per_partition": CAP // 2}).wait_ready()
        site.wait_ended(names, 60)
        site.check(max_open=CAP)


def test_waiting_bodies_stay_below_the_cap(kafka: KafkaNode, tmp_path: Path) -> None:
    """The first process holds what the cap lets it; the next finishes that, and all the rest."""
    caps = {"max_waiting_bytes_per_partition": 40_000}
    with running_site(kafka.bootstrap, tmp_path, partitions=1, intake=caps, vcd={"max_concurrent_calls": 1}) as site:
        records = site.send(*(_with_body(number, "x" * 20_000) for number in range(12)))
        first = site.start(crash_at="round_committed:3")
        first.wait_dead()
        assert 1 <= len(site.store()) <= 3, "each body is half of the cap"
        site.start().wait_ready()
        site.wait_over(*records)
        site.check()


def _with_body(number: int, description: str) -> dict[str, object]:
    entity = f"vm-00000000-0000-4000-8000-{number:012d}"
    body = {"name": f"s{number}", "description": description}
    return {"request_id": f"r{number}", "operation": "createSnapshot", "parameters": {"id": entity}, "body": body}


@pytest.mark.long
def test_a_partition_pauses_when_more_waits_than_is_held(kafka: KafkaNode, tmp_path: Path) -> None:
    with _loaded_site(kafka, tmp_path, HIGH_WATER + 6 * CAP) as (site, management, names):
        site.start(intake={"max_open_per_partition": CAP}).wait_ready()
        wait_metric(management, "vcdbridge_paused_partitions", 1)
        site.wait_ended(names, 110)
        assert metric(management, "vcdbridge_paused_partitions") == 0
        site.check(max_open=CAP)
