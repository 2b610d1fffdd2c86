"""``python -m benchmarks [NAME] [options]``: one of ``BENCHMARKS``; without a name all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from benchmarks import compare, external_tasks, notifications, observation, simulator

BENCHMARKS: dict[str, Callable[[Sequence[str]], None]] = {
    "compare": compare.main,
    "external": external_tasks.main,
    "notifications": notifications.main,
    "observation": observation.main,
    "simulator": simulator.main,
}


def main(arguments: Sequence[str]) -> None:
    if not arguments:
        for benchmark in BENCHMARKS.values():
            benchmark(())
    elif arguments[0] in BENCHMARKS:
        BENCHMARKS[arguments[0]](arguments[1:])
    else:
        raise SystemExit(f"benchmarks: give one of {', '.join(BENCHMARKS)}, then options, not {arguments[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
