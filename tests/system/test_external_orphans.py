"""Running Tasks with the bridge's mark that nobody has: reported, adopted or ended. Those of others are left alone."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.bridge import BridgeProcess
from tests.support.external import NAMESPACE, ExternalSite, running_external_site
from tests.support.kafka import KafkaNode
from tests.support.ports import free_ports

OURS = {"CHG1": "CHG1", "CHG 2/[b]%": "CHG 2/%5Bb%5D%25"}
"""External keys, and how the mark writes them."""


@dataclass
class Cloud:
    """A site of one partition, and what is in VCD before any bridge runs."""

    site: ExternalSite
    management: str
    ours: Mapping[str, str]
    """Uuids by key."""
    others: tuple[str, ...]
    as_seeded: Mapping[str, dict[str, Any]]

    def start(self, policy: str) -> BridgeProcess:
        """The next bridge, after the one before has left."""
        for process in self.site.processes[-1:]:
            assert process.stop() == 0
        return self.site.start(external_tasks={"orphans": policy}).wait_ready()

    def task(self, uuid: str) -> dict[str, Any]:
        """``{"task": …, "updates": n, …}`` of a Task."""
        found = {one["task"]["id"][-36:]: one for one in self.site.simulator.external_tasks()}
        return found[uuid]

    def metric(self, name: str, label: str) -> float:
        with urllib.request.urlopen(f"http://{self.management}/metrics", timeout=5) as answer:
            found = re.search(rf'^{name}{{[^}}]*="{label}"}} (\S+)$', answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def wait_metric(self, name: str, label: str, wanted: float) -> None:
        deadline = time.monotonic() + 30
        while (value := self.metric(name, label)) != wanted:
            assert time.monotonic() < deadline, f"{name} is {value}: {self.site.processes[-1].told()}"
            time.sleep(0.02)  # the metrics are polled: there is nothing to be woken by


def seed(site: ExternalSite, operation: str, **fields: Any) -> str:
    (uuid,) = site.simulator.seed_external_tasks(
        **{"serviceNamespace": NAMESPACE, "operationName": "change", "details": "as it was", **fields},
        operation=operation,
    )
    return uuid


@pytest.fixture(scope="module")
def cloud(kafka: KafkaNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    management = f"127.0.0.1:{free_ports(1)[0]}"
    with running_external_site(
        kafka.bootstrap, tmp_path_factory.mktemp("external-orphans"), partitions=1, management={"listen": management}
    ) as site:
        place = f"{site.group}/{site.external}-0"
        ours = {key: seed(site, f"Change [{place}/{written}]", progress=20) for key, written in OURS.items()}
        others = (
            seed(site, f"Change [another-{place}/CHG1]"),
            seed(site, "Change CHG1"),
            seed(site, f"Change [{site.group}/{site.external}-1/CHG1]"),
            seed(site, f"Change [{site.group}/another-0/CHG1]"),
            seed(site, f"Change [{place}/CHG1]", serviceNamespace=NAMESPACE.upper()),
            seed(site, f"Change [{place}/CHG1]", serviceNamespace=f"{NAMESPACE}.more"),
            seed(site, f"Change [{place}/CHG1]", status="success"),
        )
        as_seeded = {one["task"]["id"][-36:]: one for one in site.simulator.external_tasks()}
        yield Cloud(site, management, ours, others, as_seeded)


def orphans_logged(process: BridgeProcess) -> list[tuple[str, str, str, str]]:
    lines = [json.loads(line) for line in process.log.read_text().splitlines() if '"external_task.orphan"' in line]
    return sorted((line["level"], line["external_key"], line["task"][-36:], line["policy"]) for line in lines)


def test_reported_adopted_or_ended_as_configured_and_others_left_alone(cloud: Cloud) -> None:
    site = cloud.site
    one, two = OURS
    # Reported, by default: log and metric, no more.
    reporting = cloud.start("report")
    cloud.wait_metric("vcdbridge_orphans_total", "report", 2)
    cloud.wait_metric("vcdbridge_foreign_external_tasks", NAMESPACE, 2)
    assert orphans_logged(reporting) == [("warning", key, cloud.ours[key], "report") for key in sorted(OURS)]
    assert all(cloud.task(uuid) == task for uuid, task in cloud.as_seeded.items())
    assert site.read_events() == []
    # Adopted, before any command has come: told, and the next process goes on with them.
    cloud.start("adopt")
    site.wait_told(lambda told: len(told) == 2)
    cloud.start("adopt")
    # A Task of the bridge's own is no orphan, after a restart either; the next command changes those that are adopted.
    site.command("create", "CHG3", operation="Change")
    told = site.wait_told(lambda told: len(told) == 3)
    assert sorted(e["external_key"] for e in told if e["change"] == "accepted") == sorted([*OURS, "CHG3"])
    adopted = {key: site.told(key)[0] for key in OURS}
    for key in OURS:
        assert (adopted[key]["task"]["id"][-36:], adopted[key]["task"]["progress"]) == (cloud.ours[key], 20)
    site.command("update", one, progress=60)
    site.person_cancels(cloud.ours[two])
    site.wait_told(lambda told: any(e["external_key"] == one and e["task"]["progress"] == 60 for e in told))
    site.wait_told(lambda told: any(e["external_key"] == two and e["task"]["cancelRequested"] for e in told))
    site.command("finish", two, status="aborted")
    assert site.wait_outcomes(two)[two] == "aborted"
    shown = cloud.task(cloud.ours[one])
    assert (shown["task"]["progress"], shown["task"]["details"], shown["updates"]) == (60, "as it was", 1)
    assert shown["task"]["operation"] == cloud.as_seeded[cloud.ours[one]]["task"]["operation"]
    # Ended: also a second Task of a key that is open, which stays as it is.
    place = f"{site.group}/{site.external}-0"
    late = {
        key: seed(site, f"Late [{place}/{key}]", status=status)
        for key, status in (("CHG9", "queued"), (one, "running"))
    }
    ending = cloud.start("end")
    events = site.wait_told(
        lambda told: set(late.values()) <= {e["task"]["id"][-36:] for e in told if e["final"] and e["task"]}
    )
    assert orphans_logged(ending) == [("warning", key, late[key], "end") for key in sorted(late)]
    for key, uuid in late.items():
        (end,) = [e for e in events if e["final"] and e["task"]["id"][-36:] == uuid]
        assert (end["external_key"], end["outcome"], end["reason"]["code"]) == (key, "aborted", "orphaned")
        ended = cloud.task(uuid)
        assert (ended["task"]["status"], ended["updates"], ended["terminal_updates"]) == ("aborted", 1, 1)
        assert ended["task"]["details"] == "ended by the bridge: nobody has this task any more"
    site.command("finish", one)
    site.command("finish", "CHG3")
    assert site.wait_outcomes("CHG3", one)["CHG3"] == "success"
    assert cloud.task(cloud.ours[one])["task"]["status"] == "success"
    # Others': counted each time, never asked for by any call.
    assert cloud.metric("vcdbridge_foreign_external_tasks", NAMESPACE) == 2
    assert {uuid: cloud.task(uuid) for uuid in cloud.others} == {uuid: cloud.as_seeded[uuid] for uuid in cloud.others}
    asked = [row["path"] for row in site.simulator.ledger() if row["user"] != "admin@acme"]
    assert [path for path in asked if any(uuid in path for uuid in cloud.others)] == []
    site.check()
