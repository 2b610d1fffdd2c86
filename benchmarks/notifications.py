"""How soon an end is told, of requests' Tasks and of others' that are observed: with VCD's message bus and without it.

python -m benchmarks notifications [--tasks N] [--seconds S] [--interval S]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles

from benchmarks.compare import machine
from benchmarks.ends import reading_ends
from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaCluster
from tests.support.observation import make_observation_topics, observation_names, observe

GAP_SECONDS = 0.15
"""Between two requests: few Tasks end in the same moment."""


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table. Raises when an end was not told."""
    options = _options(arguments)
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="vcd-bridge-bench-") as directory:
        cluster = KafkaCluster(Path(directory))
        cluster.start()
        try:
            rows = {
                f"{whose}, {how}": _measured(
                    cluster, Path(directory) / f"{whose}-{bus}", options, bus=bus, observed=observed
                )
                for whose, observed in (("requests", False), ("observed", True))
                for how, bus in (("with the bus", True), ("without", False))
            }
        finally:
            cluster.stop()
    print(table(rows, options), flush=True)


def table(rows: Mapping[str, Sequence[float]], options: argparse.Namespace) -> str:
    """Milliseconds from the end of the Task in VCD to a reader of the event."""
    what = f"{options.tasks} Tasks of {options.seconds:g} s, looks every {options.interval:g} s"
    head = f"\n{what}; ms from end to reader\n"
    lines = [head, "| | median | 95 % | longest |", "|---|---:|---:|---:|"]
    for name, delays in rows.items():
        cells = (median(delays), quantiles(delays, n=20)[-1], max(delays))
        lines.append(f"| {name} | {' | '.join(f'{1000 * cell:.0f}' for cell in cells)} |")
    return "\n".join(lines)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks notifications", description="how soon an end is told")
    parser.add_argument("--tasks", type=int, default=200, help="Tasks per run (200)")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long a Task takes (3)")
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between looks of both kinds (2)")
    options = parser.parse_args(arguments)
    if options.tasks < 20:
        parser.error("--tasks must be at least 20")
    return options


def _measured(
    cluster: KafkaCluster, folder: Path, options: argparse.Namespace, *, bus: bool, observed: bool
) -> list[float]:
    folder.mkdir()
    names = observation_names()
    looks = {"interval_seconds": options.interval}
    with running_site(
        cluster.bootstrap, folder, simulator={"bus": True, "task_seconds": options.seconds}, topics=names,
        following=looks, observation={"enabled": observed, **looks}, notifications={"enabled": bus},
        events={"progress_step_percent": 0}, log={"level": "info"},
    ) as site:  # fmt: skip
        make_observation_topics(site, names)
        bridge = site.start().wait_ready()
        if bus:
            bridge.wait_logged("bus.connected")
        if observed:
            observe(site, names, "acme")
        with reading_ends(site.bootstrap, names["observed_tasks"] if observed else site.events) as ends:
            _start(site, options.tasks, observed=observed)
            return ends.wait(options.tasks)


def _start(site: Site, tasks: int, *, observed: bool) -> None:
    somebody = site.simulator.log_in("admin@acme")
    for number in range(tasks):
        vapp = site.simulator.create_entity("vApp", name=f"bench-{number}", organization="acme")
        if observed:
            reply = somebody.post(f"/api{vapp['path']}/action/deploy", {"powerOn": False})
            assert reply.status == 202, (reply.status, reply.body)
        else:
            site.send({"request_id": f"r{number}", "operation": "deployVApp", "parameters": {"id": vapp["id"]}})
        time.sleep(GAP_SECONDS)
