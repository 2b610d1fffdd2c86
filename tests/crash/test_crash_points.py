"""``kill -9`` at every named crash point: the restarted process finishes every story, and nothing is done twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bridge.crash import CRASH_POINTS
from tests.support.bridge import KILLED, Site, running_site
from tests.support.kafka import KafkaNode
from tests.support.simulator import acme_vapp, acme_vm

BODIES: dict[str, dict[str, Any]] = {
    "createSnapshot": {"name": "before", "memory": False, "quiesce": False},
    "mergeVAppMetadata": {
        "metadataEntry": [{"key": "k", "typedValue": {"_type": "MetadataStringValue", "value": "v"}}],
    },
}


def _requests(prefix: str) -> list[dict[str, Any]]:
    """Every recovery class, on entities of their own: what is never called twice among them."""
    plan = [
        ("deployVApp", acme_vapp(1)),
        ("createSnapshot", acme_vm(1)),
        ("rebootVApp", acme_vm(2)),
        ("mergeVAppMetadata", acme_vm(3)),
    ]
    return [
        {
            "request_id": f"{prefix}-{operation}",
            "operation": operation,
            "parameters": {"id": entity},
            **({"body": BODIES[operation]} if operation in BODIES else {}),
        }
        for operation, entity in plan
    ]


@pytest.mark.parametrize("time", [1, 2])
def test_every_story_ends_after_a_crash(kafka: KafkaNode, tmp_path: Path, time: int) -> None:
    """All points side by side: each has topics, a simulator and processes of its own."""
    points = [name for name in CRASH_POINTS if name not in {"restored", "handover"}]
    with ThreadPoolExecutor(len(points)) as pool:
        for played in [pool.submit(_crash_and_restart, kafka, tmp_path / point, point, time) for point in points]:
            played.result()


def _crash_and_restart(kafka: KafkaNode, directory: Path, point: str, time: int) -> None:
    directory.mkdir()
    with running_site(kafka.bootstrap, directory, partitions=2) as site:
        first = site.start(crash_at=f"{point}:{time}").wait_ready()
        requests = _requests(point)
        site.send(*requests)
        assert first.wait_dead() == KILLED
        site.start().wait_ready()
        _all_end(site, [request["request_id"] for request in requests])


def test_a_crash_while_restoring(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_site(kafka.bootstrap, tmp_path, partitions=2) as site:
        first = site.start(crash_at="intent_committed").wait_ready()
        requests = _requests("restored")
        site.send(*requests)
        assert first.wait_dead() == KILLED
        assert site.start(crash_at="restored").wait_dead() == KILLED
        site.start().wait_ready()
        _all_end(site, [request["request_id"] for request in requests])


def test_a_crash_in_the_middle_of_a_handover(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_site(kafka.bootstrap, tmp_path, partitions=2, simulator={"task_seconds": 3}) as site:
        first = site.start(crash_at="handover").wait_ready()
        requests = _requests("handover")
        site.send(*requests)
        site.wait_events(lambda events: any(event["change"] == "accepted" for event in events))
        site.start()
        assert first.wait_dead() == KILLED
        _all_end(site, [request["request_id"] for request in requests])


def _all_end(site: Site, request_ids: list[str]) -> None:
    events = site.wait_ended(request_ids)
    site.check()
    parked = [event for event in events if event["change"] == "parked"]
    assert all(event["evidence"] for event in parked), "a parked story tells what was looked at"
