"""Runs the deterministic simulation over many seeds, on all cores, and tells the story of one that fails."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context

from tests.simulation.story import story
from tests.simulation.world import Plan, play

_BATCH = 20
_PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Failed:
    """What a seed violates, or what broke its run."""

    seed: int
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """``cpu_seconds`` of all its runs."""

    runs: int
    cpu_seconds: float
    failed: tuple[Failed, ...]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="how many (SEEDS=)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (FIRST=)")
    parser.add_argument("--seed", type=int, help="only this one, with its story (SEED=)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="worker processes")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _one(options.seed)
    return _many(range(options.first, options.first + options.seeds), options.processes)


def _one(seed: int) -> int:
    run = play(Plan.from_seed(seed))
    print(f"seed {seed}: {run.world.plan}", *run.found, "", *story(run), sep="\n")
    if run.broken is not None:
        traceback.print_exception(run.broken)
    print(f"seed {seed}: {'failed' if run.found or run.broken else 'clean'}")
    return int(bool(run.found) or run.broken is not None)


def _many(seeds: range, processes: int) -> int:
    began, told_at = time.monotonic(), 0.0
    runs, cpu_seconds, failed = 0, 0.0, list[Failed]()
    for batch in _batches(seeds, processes):
        runs, cpu_seconds = runs + batch.runs, cpu_seconds + batch.cpu_seconds
        failed += batch.failed
        for one in batch.failed:
            print(f"seed {one.seed}:", *one.why, f"again, with its story: make simulate SEED={one.seed}", sep="\n  ")
            sys.stdout.flush()
        if time.monotonic() > told_at + _PROGRESS_SECONDS:
            told_at = time.monotonic()
            print(_progress(runs, len(seeds), len(failed), cpu_seconds), file=sys.stderr)
    print(_progress(runs, len(seeds), len(failed), cpu_seconds), file=sys.stderr)
    print(f"{runs - len(failed)} clean, {len(failed)} failed, {time.monotonic() - began:.0f} s")
    return int(bool(failed))


def _progress(runs: int, wanted: int, failed: int, cpu_seconds: float) -> str:
    rate = 60 * runs / cpu_seconds if cpu_seconds else 0.0
    return f"{runs} of {wanted} seeds, {failed} failed; {rate:.0f} runs a minute and core"


def _batches(seeds: range, processes: int) -> Iterator[Batch]:
    """As they are done, each in a process of its own: what its runs leave behind goes with that."""
    with get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap(_played, _batched(seeds, _BATCH))


def _batched(seeds: range, size: int) -> Iterable[range]:
    return (seeds[start : start + size] for start in range(0, len(seeds), size))


def _played(seeds: range) -> Batch:
    # Looking for cycles takes a fifth of the time, and the process ends before it would be worth it.
    gc.disable()
    began = time.process_time()
    failed = [one for one in map(_judged, seeds) if one is not None]
    return Batch(len(seeds), time.process_time() - began, tuple(failed))


def _judged(seed: int) -> Failed | None:
    run = play(Plan.from_seed(seed))
    if run.broken is not None:
        return Failed(seed, (f"the run broke: {run.broken!r}",))
    return Failed(seed, tuple(map(str, run.found[:3]))) if run.found else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
