"""What the observation of organizations costs VCD, reckoned and measured, and how soon ends are told.

python -m benchmarks observation [--looks N] [--organizations N --tasks N --interval S --processes N [--all]]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.compare import machine
from benchmarks.ends import Ends, reading_ends
from bridge.core.observation.plan import plan
from tests.support.bridge import running_site
from tests.support.kafka import KafkaCluster
from tests.support.observation import make_observation_topics, observation_names, observe
from tests.support.ports import free_ports
from tests.support.scraping import metric
from tests.support.simulator import Simulator

PARTITIONS = 12
PATIENCE_SECONDS = 300.0
NAMESPACE = "com.example.benchmark"


@dataclass(frozen=True, slots=True)
class Case:
    """``tasks`` active ones in all organizations together; ``everything``: one observation of the whole system."""

    organizations: int
    tasks: int
    interval: float
    processes: int = 1
    everything: bool = False

    @property
    def reckoned(self) -> float:
        """Requests per second of all processes, where each has its share of the observations."""
        if self.everything:
            return plan((), {}, everything=True, whole=self.tasks).pages / self.interval
        share = {f"{number:03d}": self.tasks // self.organizations for number in range(self.organizations)}
        total = 0.0
        for process in range(self.processes):
            mine = sorted(share)[process :: self.processes]
            total += plan(mine, share, everything=False, whole=self.tasks).pages / self.interval
        return total


CASES = (
    Case(1, 100, 5.0),
    Case(10, 1_000, 5.0),
    Case(100, 1_000, 5.0),
    Case(100, 10_000, 5.0),
    Case(100, 10_000, 5.0, everything=True),
    Case(100, 10_000, 5.0, processes=2),
    Case(100, 10_000, 20.0),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """``per_second``: queries that the simulator has answered; ``look_seconds``: how long a look took; ``delays``:
    seconds from the end of a Task to a committed reader of its event."""

    per_second: float
    look_seconds: float
    delays: Sequence[float]


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    options = _options(arguments)
    cases: Sequence[Case] = CASES
    if options.organizations is not None:
        given = (options.organizations, options.tasks, options.interval, options.processes, options.all)
        cases = (Case(*given),)
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="vcd-bridge-bench-") as directory:
        cluster = KafkaCluster(Path(directory))
        cluster.start()
        try:
            rows = [
                (case, _measured(cluster, Path(directory) / str(n), case, options.looks))
                for n, case in enumerate(cases)
            ]
        finally:
            cluster.stop()
    print(table(rows), flush=True)


def table(rows: Sequence[tuple[Case, Measured]]) -> str:
    """Requests per second, beside what was reckoned."""
    lines = [
        "\n| organizations | active Tasks | interval, s | processes | reckoned/s | measured/s | a look takes, s "
        "| an end is told after, s: median | longest |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for case, measured in rows:
        whose = f"all ({case.organizations})" if case.everything else str(case.organizations)
        cells = (f"{case.tasks:,}", f"{case.interval:g}", str(case.processes), f"{case.reckoned:.1f}")
        seconds = (measured.look_seconds, median(measured.delays), max(measured.delays))
        told = " | ".join(f"{one:.2f}" for one in seconds)
        lines.append(f"| {whose} | {' | '.join(cells)} | {measured.per_second:.1f} | {told} |")
    return "\n".join(lines)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks observation", description="what observation costs VCD")
    parser.add_argument("--looks", type=int, default=6, help="looks that are measured (6)")
    parser.add_argument("--organizations", type=int, help="one case instead of the table: so many organizations")
    parser.add_argument("--tasks", type=int, default=1_000, help="active Tasks of all of them (1000)")
    parser.add_argument("--interval", type=float, default=5.0, help="observation.interval_seconds (5)")
    parser.add_argument("--processes", type=int, default=1, help="bridges (1)")
    parser.add_argument("--all", action="store_true", help="one observation of the whole system")
    return parser.parse_args(arguments)


def _measured(cluster: KafkaCluster, folder: Path, case: Case, looks: int) -> Measured:
    folder.mkdir()
    names = observation_names()
    with running_site(
        cluster.bootstrap, folder, partitions=PARTITIONS, topics=names, log={"level": "warning"},
        observation={"enabled": True, "interval_seconds": case.interval},
        simulator={"settings": {"consistent_pages": False}},  # pages show what is, as a database does
    ) as site:  # fmt: skip
        make_observation_topics(site, names)
        with reading_ends(site.bootstrap, names["observed_tasks"]) as ends:
            tasks = fill(site.simulator, case.organizations, case.tasks)
            ports = [f"127.0.0.1:{port}" for port in free_ports(case.processes)]
            for process in [site.start(management={"listen": port}) for port in ports]:
                process.wait_ready()
            wanted = ["*"] if case.everything else [organization(number) for number in range(case.organizations)]
            observe(site, names, *wanted)
            _wait_steady(ports, case, len(wanted))
            return _count(site.simulator, ports, case.interval * looks, tasks, ends)


def organization(number: int) -> str:
    return f"bench-{number:03d}"


def fill(simulator: Simulator, organizations: int, tasks: int) -> list[str]:
    """Organizations, and Tasks in each that somebody else has begun and does not end. Returns one Task of each."""
    samples = []
    for number in range(organizations):
        simulator.create_entity("org", name=organization(number))
        work = {"serviceNamespace": NAMESPACE, "operation": "work"}
        begun = simulator.seed_external_tasks(organization=organization(number), count=tasks // organizations, **work)
        samples.append(begun[0])
    return samples


def _wait_steady(ports: Sequence[str], case: Case, observations: int) -> None:
    """Until every observation is looked after, and what the first looks have found is told."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        looked_after = sum(metric(port, "vcdbridge_observations") for port in ports)
        active = sum(metric(port, "vcdbridge_observed_active_tasks") for port in ports)
        behind = max(metric(port, "vcdbridge_observation_behind_seconds") for port in ports)
        if looked_after == observations and active >= case.tasks and behind <= 3 * case.interval + 10:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{looked_after} observations, {active} Tasks, {behind} s behind")
        time.sleep(0.2)


def _count(simulator: Simulator, ports: Sequence[str], seconds: float, tasks: Sequence[str], ends: Ends) -> Measured:
    """Tasks end one by one meanwhile, as many as there are or one a second."""

    def looks() -> tuple[float, float]:
        name = "vcdbridge_observation_look_seconds"
        return sum(metric(port, f"{name}_sum") for port in ports), sum(metric(port, f"{name}_count") for port in ports)

    last, before, began = simulator.state()["ledger"]["last"], looks(), time.monotonic()
    ending = tasks[: int(seconds)]
    for number, task in enumerate(ending, start=1):
        time.sleep(max(0.0, began + seconds * number / (len(ending) + 1) - time.monotonic()))
        simulator.force_task(task, status="success")
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    elapsed, after = time.monotonic() - began, looks()
    queries = sum(1 for call in simulator.ledger(last) if call["operation"] == "query")
    look_seconds = (after[0] - before[0]) / max(1.0, after[1] - before[1])
    return Measured(queries / elapsed, look_seconds, ends.wait(len(ending)))
