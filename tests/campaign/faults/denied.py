"""What the machine denies a process: more open files, room for its log."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from tests.campaign.fault import Verdict, fault
from tests.campaign.faults.network import networked
from tests.campaign.stage import Stage
from tests.support.bridge import BridgeProcess

NO_MORE_FILES = 3
"""Less than a process has open: it can keep those and gets none besides."""
TOO_FEW_TO_START = 24
"""Enough for an interpreter and its event loop, too few for its connections besides."""


@fault("no_files_left", "process")
def no_files_left(stage: Stage) -> None:
    """No process can open one more file or connection for a while, and all connections to Kafka and Cloud Director are
    lost; twice."""
    with networked(stage) as (site, network):
        for _ in range(2):
            stage.wait_more(40)
            with stage.injecting(), _limited(site.processes, resource.RLIMIT_NOFILE, NO_MORE_FILES):
                network.cut()
                site.simulator.fault(do="drop", path="/action/", times=10)
                stage.wait_more(100)
        stage.wait_more(40)


@fault("too_few_files_to_start", "process", expects=Verdict.REFUSES)
def too_few_files_to_start(stage: Stage) -> None:
    """A process starts that may open no more than 24 files: it ends and says why; the other goes on."""
    with stage.site(processes=1) as site:
        stage.wait_more(20)
        poor = site.start()
        stage.strike()
        resource.prlimit(poor.process.pid, resource.RLIMIT_NOFILE, (TOO_FEW_TO_START, TOO_FEW_TO_START))
        stage.refusal(poor, r'(?i)[^"]*too many open files[^"]*')
        stage.wait_more(40)


@fault("log_cannot_be_written", "process")
def log_cannot_be_written(stage: Stage) -> None:
    """Nothing more can be written to the processes' logs for a while, as on a full disk; one of them is told to go
    meanwhile (SIGTERM)."""
    with stage.site() as site:
        stage.wait_more(40)
        leaving, staying = site.processes
        sizes = [bridge.log.stat().st_size for bridge in site.processes]
        with stage.injecting(), _limited(site.processes, resource.RLIMIT_FSIZE, min(sizes)):
            stage.wait_more(100)
            assert leaving.stop() == 0
            stage.wait_more(40)
            assert staying.process.poll() is None
            assert [bridge.log.stat().st_size for bridge in (leaving, staying)] == sizes, "it could be written"
        stage.wait_more(40)


@contextmanager
def _limited(processes: list[BridgeProcess], what: int, limit: int) -> Iterator[None]:
    """The soft limit of those that run now is so low until this is left."""
    pids = [one.process.pid for one in processes if one.process.poll() is None]
    hard = [resource.prlimit(pid, what)[1] for pid in pids]
    for pid, most in zip(pids, hard, strict=True):
        resource.prlimit(pid, what, (limit, most))
    try:
        yield
    finally:
        for one in processes:
            if one.process.poll() is None and one.process.pid in pids:
                most = hard[pids.index(one.process.pid)]
                resource.prlimit(one.process.pid, what, (most, most))
