"""External tasks: the bridge against a loop that sends every update, and how soon a person's cancel is told.

python -m benchmarks external [--tasks N] [--updates N] [--seconds S] [--rounds N] [--watched N] [--profile]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.cancels import measure_cancels
from benchmarks.commands import Commands
from benchmarks.compare import machine, print_profile
from benchmarks.contestants import Contestant, running_external_bridges, running_loop
from benchmarks.measuring import PATIENCE_SECONDS, Cost, cost_of
from tests.support.kafka import KafkaCluster
from tests.support.simulator import Simulator, running_simulator

LOOP = "benchmarks.external_loop"
WARM_UP = Commands(tasks=30, updates=3)
CALLS = frozenset({"createExternalTask", "updateTask"})

Start = Callable[[], AbstractContextManager[Contestant]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything runs."""

    bootstrap: str
    broker_pid: int
    simulator: Simulator
    directory: Path


@dataclass(frozen=True, slots=True)
class Run:
    """What one contestant made of the commands."""

    commands: Commands
    cost: Cost

    @property
    def figures(self) -> dict[str, float]:
        """By the names of the table's rows."""
        tasks, cost = self.commands.tasks, self.cost
        asked = Counter(call["operation"] for call in cost.calls)
        thousands = self.commands.count / 1000
        return {
            "all ended after, s": cost.seconds,
            "commands/s": self.commands.count / cost.seconds,
            "PUTs per task": asked["updateTask"] / tasks,
            "VCD requests per task": asked.total() / tasks,
            "own CPU-s per 1,000 commands": cost.own_cpu / thousands,
            "simulator CPU-s per 1,000 commands": cost.simulator_cpu / thousands,
            "broker CPU-s per 1,000 commands": cost.broker_cpu / thousands,
            "records published per task": cost.records_out / tasks,
        }


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables. Raises when a task did not end once, or was made twice."""
    options = _options(arguments)
    burst = Commands(tasks=options.tasks, updates=options.updates)
    paced = Commands(tasks=options.tasks, updates=options.updates, seconds=options.seconds)
    print(machine(), flush=True)
    with _place() as place:
        bridge, two = (
            partial(running_external_bridges, place.bootstrap, place.simulator, place.directory, processes=number)
            for number in (1, 2)
        )
        loop = partial(running_loop, place.bootstrap, place.simulator, place.directory, module=LOOP)
        contestants: dict[str, Start] = {"bridge": bridge, "2 bridges": two, "tuned loop": loop}
        for commands in (burst, paced):
            print(table(commands, _compared(place, contestants, commands, options.rounds)), flush=True)
        with running_external_bridges(place.bootstrap, place.simulator, place.directory) as contestant:
            print(measure_cancels(place.bootstrap, contestant, place.simulator, options.watched), flush=True)
        if options.profile:
            profile = place.directory / "bridge.profile"
            with bridge(profile=profile) as contestant:
                _run(place, contestant, burst)
            print_profile(profile)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks external", description="external tasks")
    parser.add_argument("--tasks", type=int, default=1000, help="external tasks per run (1000)")
    parser.add_argument("--updates", type=int, default=20, help="updates of each (20)")
    parser.add_argument("--seconds", type=float, default=10.0, help="in which they come, where they come paced (10)")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each, alternating (1)")
    parser.add_argument("--watched", type=int, default=200, help="running tasks that people cancel (200)")
    parser.add_argument("--profile", action="store_true", help="afterwards one run of the bridge under cProfile")
    options = parser.parse_args(arguments)
    if min(options.tasks, options.updates, options.rounds, options.watched) < 1:
        parser.error("--tasks, --updates, --rounds and --watched must be at least 1")
    return options


@contextmanager
def _place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="vcd-bridge-bench-") as directory:
        cluster = KafkaCluster(Path(directory))
        cluster.start()
        try:
            broker = cluster.nodes[0].process
            if broker is None:
                raise RuntimeError("Kafka does not run")
            with running_simulator() as simulator:
                yield Place(cluster.bootstrap, broker.pid, simulator, Path(directory))
        finally:
            cluster.stop()


def _compared(place: Place, contestants: Mapping[str, Start], commands: Commands, rounds: int) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    for number in range(1, rounds + 1):
        for name, start in contestants.items():
            with start() as contestant:
                runs[name].append(_run(place, contestant, commands))
            told = runs[name][-1].figures
            print(
                f"round {number} {name:10} {told['all ended after, s']:6.1f} s {told['commands/s']:8.1f} commands/s "
                f"{told['PUTs per task']:6.2f} PUTs per task {runs[name][-1].cost.own_cpu:6.2f} own CPU-s",
                flush=True,
            )
    return runs


def _run(place: Place, contestant: Contestant, commands: Commands) -> Run:
    """Warm up, then send the commands and wait for the ends."""

    def work(commands: Commands) -> float:
        keys = commands.send(place.bootstrap, contestant.requests)
        return contestant.reader.wait(keys, PATIENCE_SECONDS)

    work(WARM_UP)
    cost = cost_of(contestant, place.simulator, place.broker_pid, partial(work, commands))
    made = sum(1 for call in cost.calls if call["operation"] == "createExternalTask" and call["effect"])
    if made != commands.tasks:
        raise RuntimeError(f"{contestant.name}: {made} Tasks in VCD for {commands.tasks} external tasks")
    return Run(commands, cost)


def table(commands: Commands, runs: Mapping[str, Sequence[Run]]) -> str:
    """Medians side by side, with the ratios to the loop."""
    figures = {name: _medians(some) for name, some in runs.items()}
    bridge, two, loop = figures["bridge"], figures["2 bridges"], figures["tuned loop"]
    names = ("bridge", "2 bridges", "loop", "bridge/loop", "2/loop")
    lines = [
        "",
        f"{commands}, medians of {len(runs['bridge'])} alternating rounds",
        "",
        f"| {'':34} |" + "".join(f" {name:>11} |" for name in names),
        f"|{'-' * 36}|" + f"{'-' * 12}:|" * len(names),
    ]
    for name in bridge:
        row = (bridge[name], two[name], loop[name], bridge[name] / loop[name], two[name] / loop[name])
        lines.append(f"| {name:34} |" + "".join(f" {value:11.2f} |" for value in row))
    for name, some in runs.items():
        asked = sum((Counter(str(call["operation"]) for call in run.cost.calls) for run in some), Counter[str]())
        told = ", ".join(f"{what} {count / commands.tasks / len(some):.3f}" for what, count in asked.most_common())
        lines.append(f"\nVCD requests per task, {name}: {told}")
    return "\n".join(lines)


def _medians(runs: Sequence[Run]) -> dict[str, float]:
    rows = [run.figures for run in runs]
    return {name: median(row[name] for row in rows) for name in rows[0]}
