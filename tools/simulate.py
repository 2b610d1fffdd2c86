"""Runs the deterministic simulation over many seeds and names those that break a guarantee."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.world import Plan, run


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="how many, from 0 (SEEDS=)")
    parser.add_argument("--seed", type=int, help="only this one, with what it violates in full (SEED=)")
    options = parser.parse_args(arguments)
    seeds = range(options.seeds) if options.seed is None else [options.seed]
    began = time.monotonic()
    broken = 0
    for seed in seeds:
        found = run(Plan(seed=seed))[1]
        if found:
            broken += 1
            shown = found if options.seed is not None else found[:3]
            print(f"seed {seed}:", *shown, sep="\n  ", flush=True)
    print(f"{len(seeds) - broken} passed, {broken} failed")
    print(f"{time.monotonic() - began:.0f} s; one seed again: make simulate SEED=number", file=sys.stderr)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
