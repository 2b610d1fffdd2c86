"""``python -m tests.simulation --seeds N | --seed N``: plays seeds and tells what contradicts the guarantees."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.world import Plan, run


def main() -> int:
    """Exit code 1 when a seed fails; its number replays it exactly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to play, from 0")
    parser.add_argument("--seed", type=int, help="play this one and tell its story")
    chosen = parser.parse_args()
    seeds = [chosen.seed] if chosen.seed is not None else range(chosen.seeds)
    began, failed, calls, told = time.monotonic(), 0, 0, 0
    left: Counter[str] = Counter()
    for seed in seeds:
        evidence, found = run(Plan(seed=seed))
        left += Counter(evidence.store.values())
        calls, told = calls + len(evidence.ledger), told + len(evidence.events)
        if chosen.seed is not None:
            for event in evidence.events:
                task = event.get("task") or {}
                print(event["event_id"], event["request_id"], event["change"], task.get("status"), event["outcome"])
        if found:
            failed += 1
            print(f"seed {seed}: {len(found)} violations")
            print("\n".join(f"  {one}" for one in found[:10]))
    seconds = time.monotonic() - began
    print(f"{len(seeds)} seeds, {failed} failed, {calls} calls, {told} events in {seconds:.0f} s; left: {dict(left)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
