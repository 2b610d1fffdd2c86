"""``python -m bridge.simulator``: the simulator alone, without the rest of the bridge configured."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bridge.simulator.server import run


def main() -> None:
    """Reads the options of :func:`run` and serves."""
    parser = argparse.ArgumentParser(
        prog="python -m bridge.simulator", description="A simulated VMware Cloud Director."
    )
    parser.add_argument("--listen", default="127.0.0.1:8090", metavar="HOST:PORT", help="port 0 takes a free one")
    parser.add_argument("--task-seconds", type=float, default=2.0, help="how long a Task lasts")
    parser.add_argument("--vms", type=int, default=4, help="vApps with one VM each, per organization")
    parser.add_argument("--lenient-entities", action="store_true", help="unknown ids become entities")
    parser.add_argument("--public-url", help="what hrefs start with, if not the address served")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="faults from the start, JSON")
    parser.add_argument("--ledger", type=Path, metavar="FILE", help="gets one JSON line per call")
    parser.add_argument("--settings", type=json.loads, default={}, metavar="JSON", help="further settings, one object")
    parser.add_argument("--maximum-tasks", type=int, default=100_000)
    parser.add_argument("--seed", type=int, help="makes ids repeatable")
    options = parser.parse_args()
    try:
        run(
            options.listen, task_seconds=options.task_seconds, virtual_machines=options.vms,
            lenient_entities=options.lenient_entities, public_url=options.public_url, faults_file=options.faults,
            ledger_file=options.ledger, settings=options.settings, maximum_tasks=options.maximum_tasks,
            seed=options.seed,
        )  # fmt: skip
    except (ValueError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
