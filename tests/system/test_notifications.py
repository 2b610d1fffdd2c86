"""VCD's message bus: a Task's end is told at once, and as soon as the next look comes where the bus says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tests.support.bridge import BridgeProcess, Site, running_site
from tests.support.kafka import KafkaNode
from tests.support.observation_site import running_observation_site
from tests.support.ports import free_ports
from tests.support.scraping import metric, wait_metric

SELDOM_SECONDS = 30.0
"""So seldom is looked, that what comes within a third of it came by the bus."""
OFTEN_SECONDS = 1.0


@contextmanager
def _listening(kafka: KafkaNode, folder: Path, interval: float) -> Iterator[tuple[Site, BridgeProcess, str]]:
    management = f"127.0.0.1:{free_ports(1)[0]}"
    with running_site(
        kafka.bootstrap, folder, partitions=1, simulator={"bus": True, "task_seconds": 0.6},
        following={"interval_seconds": interval}, notifications={"enabled": True},
        management={"listen": management},
    ) as site:  # fmt: skip
        bridge = site.start().wait_ready()
        wait_metric(management, "vcdbridge_bus_connected", 1)
        yield site, bridge, management


def _send(site: Site, name: str, operation: str = "deployVApp") -> None:
    site.send({"request_id": name, "operation": operation, "parameters": {"id": f"vapp-{_uuid(name)}"}})


def _uuid(name: str) -> str:
    return f"00000000-0000-4000-8000-{int.from_bytes(name.encode(), 'big') % 10**12:012d}"


def _seconds(site: Site, name: str) -> float:
    """From VCD's end of the Task to the event that tells it, by the clocks of this machine."""
    final = site.wait_ended([name])[-1]
    assert final["outcome"] == "success"
    return _moment(final["observed_at"]) - _moment(final["task"]["endTime"])


def _moment(time: datetime | int) -> float:
    """Seconds since the epoch."""
    return time.timestamp() if isinstance(time, datetime) else time / 1000


def test_an_end_is_told_long_before_the_next_look_and_after_a_lost_connection_too(
    kafka: KafkaNode, tmp_path: Path
) -> None:
    with _listening(kafka, tmp_path, SELDOM_SECONDS) as (site, bridge, management):
        _send(site, "first")
        assert _seconds(site, "first") < SELDOM_SECONDS / 10
        site.simulator.admin("DELETE", "bus/connections")
        bridge.wait_logged("bus.lost")
        wait_metric(management, "vcdbridge_bus_connected", 1)
        _send(site, "reconnected")
        assert _seconds(site, "reconnected") < SELDOM_SECONDS / 10
        site.check()


def test_an_expired_session_is_a_new_one_on_the_bus_too(kafka: KafkaNode, tmp_path: Path) -> None:
    with _listening(kafka, tmp_path, SELDOM_SECONDS) as (site, bridge, management):
        site.simulator.admin("POST", "sessions/expire", {})
        bridge.wait_logged("bus.lost")
        # Its call is answered 401, so that the bridge logs in again; its Task is final at first sight.
        site.simulator.script({"preset": "final-at-once"}, operation="rebootVApp")
        _send(site, "noticed", "rebootVApp")
        site.wait_ended(["noticed"])
        wait_metric(management, "vcdbridge_bus_connected", 1)
        _send(site, "after")
        assert _seconds(site, "after") < SELDOM_SECONDS / 10
        site.check()


def test_a_silent_bus_and_rubbish_cost_time_and_nothing_else(kafka: KafkaNode, tmp_path: Path) -> None:
    with _listening(kafka, tmp_path, OFTEN_SECONDS) as (site, _, management):
        site.simulator.settings(bus_silent=True)
        _send(site, "silent")
        site.wait_ended(["silent"])
        assert metric(management, "vcdbridge_bus_hints_total") == 0
        site.simulator.settings(bus_silent=False, bus_duplicates=1, bus_delay_seconds=0.3)
        site.simulator.admin("POST", "bus/messages", {"topic": "publish/any/body", "payload": '{"type": "NEW"}'})
        wait_metric(management, "vcdbridge_bus_messages_total", 1)
        _send(site, "twice and late")
        site.wait_ended(["twice and late"])
        wait_metric(management, "vcdbridge_bus_hints_total", 2)
        site.check()


def test_what_others_do_is_told_long_before_the_next_look_of_its_observation(kafka: KafkaNode, tmp_path: Path) -> None:
    management = f"127.0.0.1:{free_ports(1)[0]}"
    with running_observation_site(
        kafka.bootstrap, tmp_path, partitions=1, simulator={"bus": True, "task_seconds": 0.6},
        observation={"interval_seconds": SELDOM_SECONDS}, notifications={"enabled": True},
        management={"listen": management},
    ) as site:  # fmt: skip
        site.start().wait_ready()
        wait_metric(management, "vcdbridge_bus_connected", 1)
        site.observe("acme")
        wait_metric(management, "vcdbridge_observations", 1)
        path = f"/api/vApp/vapp-{_uuid('others')}/action/deploy"
        assert site.simulator.log_in("admin@acme").post(path, {"powerOn": True}).status == 202
        (task,) = site.tasks()
        assert site.ends_left([task], SELDOM_SECONDS / 10) == []
        site.check()
