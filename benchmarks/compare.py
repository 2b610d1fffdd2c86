"""The bridge against hand-written loops, side by side on one Kafka and one simulator, in alternating rounds.

python -m benchmarks compare [--actions N] [--rounds N] [--task-seconds S] [--profile]
"""

from __future__ import annotations

import argparse
import os
import platform
import pstats
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.contestants import CALLS, running_bridge, running_loop
from benchmarks.measuring import Measurement, measure, medians, requests_per_action
from tests.support.kafka import KAFKA_VERSION, KafkaCluster
from tests.support.simulator import Simulator, running_simulator


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table. Raises when an action failed, ended twice or was not carried out exactly once."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="vcd-bridge-bench-") as directory:
        cluster = KafkaCluster(Path(directory))
        cluster.start()
        try:
            with running_simulator(task_seconds=options.task_seconds, lenient_entities=True) as simulator:
                _run(options, cluster, simulator, Path(directory))
        finally:
            cluster.stop()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks compare", description="the bridge against hand-written loops")
    parser.add_argument("--actions", type=int, default=2000, help="actions per run (2000)")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each, alternating (2)")
    parser.add_argument("--task-seconds", type=float, default=2.0, help="how long each Task takes (2)")
    parser.add_argument("--calls", type=int, default=CALLS, help=f"the tuned loop's concurrent HTTP calls ({CALLS})")
    parser.add_argument("--profile", action="store_true", help="afterwards one run of the bridge under cProfile")
    options = parser.parse_args(arguments)
    if min(options.actions, options.rounds, options.calls) < 1:
        parser.error("--actions, --rounds and --calls must be at least 1")
    return options


def _run(options: argparse.Namespace, cluster: KafkaCluster, simulator: Simulator, directory: Path) -> None:
    broker = cluster.nodes[0].process
    if broker is None:
        raise RuntimeError("Kafka does not run")
    bridge: list[Measurement] = []
    tuned: list[Measurement] = []
    loop: list[Measurement] = []
    where = cluster.bootstrap
    print(machine(), flush=True)
    for number in range(1, options.rounds + 1):
        with running_bridge(where, simulator, directory) as contestant:
            bridge.append(measure(contestant, where, simulator, broker.pid, options.actions))
        _tell(number, "bridge", bridge[-1])
        for calls, runs in ((options.calls, tuned), (0, loop)):
            with running_loop(where, simulator, directory, calls=calls) as contestant:
                runs.append(measure(contestant, where, simulator, broker.pid, options.actions))
            _tell(number, contestant.name, runs[-1])
    print(table({"bridge": bridge, "tuned loop": tuned, "loop": loop}, options.task_seconds))
    if options.profile:
        profile = directory / "bridge.profile"
        with running_bridge(where, simulator, directory, profile=profile) as contestant:
            measured = measure(contestant, where, simulator, broker.pid, options.actions)
            print(f"\nunder cProfile ({measured.own_cpu:.1f} CPU-s)")
        print_profile(profile)


def print_profile(profile: Path) -> None:
    """Where a bridge's processor time went."""
    pstats.Stats(str(profile)).sort_stats("tottime").print_stats(45)
    pstats.Stats(str(profile)).sort_stats("cumtime").print_stats("bridge/", 60)


def machine() -> str:
    """What it ran on, on one line."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("confluent-kafka", "pyreqwest", "httpx", "uvloop"))
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {libraries}, "
        f"Kafka {KAFKA_VERSION}"
    )


def table(runs: Mapping[str, Sequence[Measurement]], task_seconds: float) -> str:
    """Medians side by side, with the ratios bridge / loop."""
    figures = {name: medians(measurements) for name, measurements in runs.items()}
    ours, tuned, loop = figures["bridge"], figures["tuned loop"], figures["loop"]
    rounds = runs["bridge"]
    lines = [
        "",
        f"{rounds[0].actions} actions, Tasks of {task_seconds:g} s, medians of {len(rounds)} alternating rounds",
        "",
        f"| {'':34} | {'bridge':>8} | {'tuned':>8} | {'loop':>8} | {'bridge/tuned':>12} | {'bridge/loop':>11} |",
        f"|{'-' * 36}|{'-' * 9}:|{'-' * 9}:|{'-' * 9}:|{'-' * 13}:|{'-' * 12}:|",
    ]
    lines += [
        f"| {n:34} | {ours[n]:8.2f} | {tuned[n]:8.2f} | {loop[n]:8.2f} | {ours[n] / tuned[n]:12.2f} |"
        f" {ours[n] / loop[n]:11.2f} |"
        for n in ours
    ]
    for name, measurements in runs.items():
        told = ", ".join(f"{operation} {count:.3f}" for operation, count in requests_per_action(measurements).items())
        lines.append(f"\nVCD requests per action, {name}: {told}")
    return "\n".join(lines)


def _tell(number: int, name: str, one: Measurement) -> None:
    figures = one.figures
    print(
        f"round {number} {name:10} {one.seconds:6.1f} s {figures['actions/s']:7.1f} actions/s "
        f"{one.own_cpu:6.2f} own CPU-s {one.simulator_cpu:6.2f} simulator CPU-s",
        flush=True,
    )
