"""Those that are compared, as processes with topics of their own on the same Kafka and the same simulator."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.watching import Reader, bridge_end, external_end, loop_end
from tests.support.bridge import Site
from tests.support.external import ExternalSite
from tests.support.kafka import create_topics, unique
from tests.support.processes import REPOSITORY
from tests.support.simulator import Simulator

PARTITIONS = 6
CALLS = 64
BRIDGE_SETTINGS: dict[str, dict[str, Any]] = {
    "vcd": {
        "max_concurrent_calls": CALLS,
        "max_calls_per_second": 100_000,
        "answer_timeout_seconds": 30,
        "lease_seconds": 5,
        "connect_timeout_seconds": 5,
    },
    # The loop looks once a second, so the bridge does too (its own default is 2 s).
    "following": {"interval_seconds": 1},
    "log": {"level": "warning"},
}


@dataclass(frozen=True, slots=True)
class Contestant:
    """Running processes that turn records of ``requests`` into ends that ``reader`` sees."""

    name: str
    requests: str
    processes: tuple[psutil.Process, ...]
    reader: Reader


@contextmanager
def running_bridge(
    bootstrap: str, simulator: Simulator, directory: Path, *, profile: Path | None = None
) -> Iterator[Contestant]:
    """``vcd-bridge run``; with ``profile`` under cProfile, whose statistics go to that file."""
    site = Site(bootstrap, simulator, directory, partitions=PARTITIONS, settings=BRIDGE_SETTINGS)
    bridge = None
    try:
        if profile is None:
            bridge = site.start()
        else:
            with profiled_start(profile):
                bridge = site.start()
        bridge.wait_ready()
        reader = Reader(bootstrap, site.events, bridge_end)
        yield Contestant("bridge", site.requests, (psutil.Process(bridge.process.pid),), reader)
        reader.close()
        if bridge.stop() != 0:
            raise RuntimeError(f"the bridge did not stop well: {bridge.told()}")
    finally:
        site.close()


@contextmanager
def profiled_start(profile: Path) -> Iterator[None]:
    """While it lasts, ``python -m bridge`` is started as ``python -m cProfile -o FILE -m bridge``."""
    python = sys.executable
    wrapper = profile.with_suffix(".sh")
    wrapper.write_text(f'#!/bin/sh\nshift 1\nexec {python} -m cProfile -o {profile} -m "$@"\n')
    wrapper.chmod(0o755)
    sys.executable = str(wrapper)
    try:
        yield
    finally:
        sys.executable = python


@contextmanager
def running_external_bridges(
    bootstrap: str, simulator: Simulator, directory: Path, *, processes: int = 1, profile: Path | None = None,
    **external: Any,
) -> Iterator[Contestant]:  # fmt: skip
    """``vcd-bridge run``, one or more, with external tasks on; ``external``: further settings of theirs."""
    settings = {**BRIDGE_SETTINGS, "external_tasks": {"cancel_check_seconds": 15, **external}}
    site = ExternalSite(bootstrap, simulator, directory, PARTITIONS, 1, settings)
    try:
        with profiled_start(profile) if profile is not None else nullcontext():
            bridges = [site.start() for _ in range(processes)]
        for bridge in bridges:
            bridge.wait_ready()
        reader = Reader(bootstrap, site.events, external_end)
        watched = tuple(psutil.Process(bridge.process.pid) for bridge in bridges)
        yield Contestant("bridge" if processes == 1 else f"{processes} bridges", site.external, watched, reader)
        reader.close()
        for bridge in bridges:
            if bridge.stop() != 0:
                raise RuntimeError(f"the bridge did not stop well: {bridge.told()}")
    finally:
        site.close()


@contextmanager
def running_loop(
    bootstrap: str, simulator: Simulator, directory: Path, *, calls: int = CALLS, module: str = "benchmarks.loop"
) -> Iterator[Contestant]:
    """``benchmarks.loop``, or another module with its command line."""
    group = unique("loop")
    requests, results = f"{group}.requests", f"{group}.results"
    create_topics(bootstrap, {requests: PARTITIONS, results: PARTITIONS})
    command = [sys.executable, "-m", module, bootstrap, group, requests, results, simulator.url]
    with (directory / f"{group}.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--calls", str(calls)], cwd=REPOSITORY, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        reader = Reader(bootstrap, results, loop_end)
        yield Contestant("tuned loop" if calls else "loop", requests, (psutil.Process(process.pid),), reader)
        reader.close()
        process.terminate()
        process.wait(20)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
