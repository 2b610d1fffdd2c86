"""How soon a Task's end is told: with VCD's message bus and without it.

python -m benchmarks notifications [--tasks N] [--interval S]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.compare import machine
from tests.support.bridge import Site, running_site
from tests.support.decoding import decoded
from tests.support.kafka import KafkaCluster, Tail
from tests.support.simulator import Simulator

PATIENCE_SECONDS = 120.0
TASK_SECONDS = 3.0
GAP_SECONDS = 0.05
"""Between two requests: few Tasks end in the same moment."""


@dataclass(slots=True)
class Listener:
    """Reads the events as a committed reader does and notes when each end is there."""

    site: Site
    delays: dict[str, float] = field(default_factory=dict)
    """Seconds from VCD's end of the Task to the reader, by request."""
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        tail = Tail(self.site.bootstrap, self.site.events)
        try:
            while not self.stop.is_set():
                for message in tail.more(0.05):
                    self._take(message)
        finally:
            tail.close()

    def _take(self, message: Any) -> None:
        now = time.time()
        event = decoded(message.value(), tuple(message.headers() or ()))
        if event["final"] and event["task"] is not None:
            self.delays[event["request_id"]] = now - _moment(event["task"]["endTime"])


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table. Raises when an end was not told."""
    options = _options(arguments)
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="vcd-bridge-bench-") as directory:
        cluster = KafkaCluster(Path(directory))
        cluster.start()
        try:
            rows = {
                "with the bus": _measured(cluster, Path(directory) / "bus", options, bus=True),
                "without": _measured(cluster, Path(directory) / "looks", options, bus=False),
            }
        finally:
            cluster.stop()
    print(table(rows, options), flush=True)


def table(rows: Mapping[str, Sequence[float]], options: argparse.Namespace) -> str:
    """Milliseconds from the end of the Task in VCD to a reader of the event."""
    head = f"\n{options.tasks} Tasks of {TASK_SECONDS:g} s, looks every {options.interval:g} s; ms from end to reader\n"
    lines = [head, "| | median | 95 % | longest |", "|---|---:|---:|---:|"]
    for name, delays in rows.items():
        cells = (median(delays), quantiles(delays, n=20)[-1], max(delays))
        lines.append(f"| {name} | {' | '.join(f'{1000 * cell:.0f}' for cell in cells)} |")
    return "\n".join(lines)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks notifications", description="how soon an end is told")
    parser.add_argument("--tasks", type=int, default=200, help="Tasks per run (200)")
    parser.add_argument("--interval", type=float, default=2.0, help="following.interval_seconds (2)")
    options = parser.parse_args(arguments)
    if options.tasks < 20:
        parser.error("--tasks must be at least 20")
    return options


def _measured(cluster: KafkaCluster, folder: Path, options: argparse.Namespace, *, bus: bool) -> list[float]:
    folder.mkdir()
    with running_site(
        cluster.bootstrap, folder, simulator={"bus": True, "task_seconds": TASK_SECONDS},
        following={"interval_seconds": options.interval}, notifications={"enabled": bus},
        events={"progress_step_percent": 0}, log={"level": "info"},
    ) as site:  # fmt: skip
        bridge = site.start().wait_ready()
        if bus:
            bridge.wait_logged("bus.connected")
        listener = Listener(site)
        reading = threading.Thread(target=listener.run, daemon=True)
        reading.start()
        try:
            return _delays(site, site.simulator, listener, options.tasks)
        finally:
            listener.stop.set()
            reading.join()


def _delays(site: Site, simulator: Simulator, listener: Listener, tasks: int) -> list[float]:
    for number in range(tasks):
        vapp = simulator.create_entity("vApp", name=f"bench-{number}", organization="acme")
        document = {"request_id": f"r{number}", "operation": "deployVApp", "parameters": {"id": vapp["id"]}}
        site.send(document)
        time.sleep(GAP_SECONDS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(listener.delays) < tasks:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{tasks - len(listener.delays)} of {tasks} ends were not told")
        time.sleep(0.05)
    return list(listener.delays.values())


def _moment(told: datetime | int) -> float:
    """Seconds since the epoch."""
    return told.timestamp() if isinstance(told, datetime) else told / 1000
