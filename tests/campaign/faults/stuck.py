"""One thread of a process stands still while the others go on: what a kill or a SIGSTOP cannot show."""

from __future__ import annotations

import json
import time
from datetime import datetime
from functools import partial
from typing import Any

from tests.campaign.fault import AT_MOST_SECONDS, fault
from tests.campaign.faults.processes import PROTOCOLS
from tests.campaign.stage import Stage
from tests.support.bridge import BridgeProcess
from tests.support.ports import free_ports
from tests.support.scraping import probe

POLL_SECONDS = 8
"""Longest time between two polls that the client allows a member: far below a hung thread's bound, of 45 s."""
BLOCKED_SECONDS = 12.0
"""Longer than the session, a call's lease and VCD's answer."""


def _polling_stuck(stage: Stage, protocol: str) -> None:
    properties = {"group.protocol": protocol, "max.poll.interval.ms": str(1000 * POLL_SECONDS)}
    with stage.site(processes=1, kafka={"properties": properties}) as site:
        (other,) = site.processes
        stuck = site.start(crash_at="polled:20:hold").wait_ready()
        joined = time.time()
        with stage.injecting():
            _wait_assigned(other, joined)
            site.wait_ended(stage.wait_more(20), 90)
            woken = time.time()
            stuck.resume()
        _wait_assigned(stuck, woken)
        stage.wait_more(40)
        assert stuck.process.poll() is None, f"it has not lived on: {stuck.told()}"
        assert "maximum poll interval" in stuck.log.read_text().lower(), "it was never out of its group"


for _protocol in PROTOCOLS:
    fault(
        f"polling_stuck{'' if _protocol == 'classic' else '_kip848'}", "process", minutes=1,
        at_most_stall=POLL_SECONDS + AT_MOST_SECONDS,
        what="The thread that polls Kafka stands still past max.poll.interval.ms, its process does not: engine, calls"
        f" and heartbeats go on; then it moves again ({_protocol} group protocol).",
    )(partial(_polling_stuck, protocol=_protocol))  # fmt: skip


@fault("loop_stuck", "process", minutes=1, at_most_stall=BLOCKED_SECONDS + AT_MOST_SECONDS)
def loop_stuck(stage: Stage) -> None:
    """The event loop stands still for 12 s when an intent is durable and its call has not left; polling goes on."""
    probes = f"127.0.0.1:{free_ports(1)[0]}"
    with stage.site(processes=1) as site:
        stuck = site.start(crash_at="intent_committed:20:hold", management={"listen": probes}).wait_ready()
        held = _wait_held(probes)
        with stage.injecting():
            time.sleep(held + BLOCKED_SECONDS - time.monotonic())  # the time itself is the fault
            stuck.resume()
        stage.wait_more(40)
        assert stuck.process.poll() is None, f"it has not lived on: {stuck.told()}"


@fault("loop_stuck_in_handover", "process", minutes=1, at_most_stall=60)
def loop_stuck_in_handover(stage: Stage) -> None:
    """The event loop stands still when an intent is durable and its call has not left; another process joins, waits
    for the handover in vain, takes over, and the first one moves again."""
    with stage.site(processes=0, partitions=2) as site:
        stuck = site.start(crash_at="intent_committed:30:hold").wait_ready()
        stage.wait_more(60)
        with stage.injecting():
            joined = time.time()
            other = site.start()
            _wait_assigned(other, joined)
            other.wait_ready()
            stuck.resume()
        stage.wait_more(60)
        assert stuck.process.poll() is None, f"it has not lived on: {stuck.told()}"
        assert "was not finished in time" in stuck.log.read_text(), "it was handed over in order"


def _wait_held(probes: str, seconds: float = 60.0) -> float:
    """Until the event loop stands still: it is what answers the probes. Since when at the latest, on the monotonic
    clock: a probe that is not answered takes its time-out."""
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if not _lives(probes):
            return asked
        assert asked < deadline, "its loop is not held"
        time.sleep(0.1)  # the probe is polled: there is nothing to be woken by


def _lives(probes: str) -> bool:
    return probe(probes, "/live")[0] != 0


def _wait_assigned(process: BridgeProcess, since: float, seconds: float = 90.0) -> None:
    """Until it has been given a partition later than ``since``, by its log."""
    deadline = time.monotonic() + seconds
    while not any(_at(told) > since for told in _told(process) if told["event"] == "partition.assigned"):
        assert time.monotonic() < deadline, f"it is given nothing: {process.told()}"
        time.sleep(0.05)  # a file is polled: there is nothing to be woken by


def _told(process: BridgeProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def _at(told: dict[str, Any]) -> float:
    return datetime.fromisoformat(told["timestamp"]).timestamp()
