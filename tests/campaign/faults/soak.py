"""Hours of steady work: what a process holds must not grow."""

from __future__ import annotations

import time

from tests.campaign.fault import fault
from tests.campaign.paced import SlowMixedLoad
from tests.campaign.stage import Stage
from tests.campaign.trend import MEGABYTE, Sample, Watch, slope_per_hour
from tests.support.bridge import Site
from tests.support.external import ExternalSite

MOST_REQUESTS = 40_000
"""The checker holds what was asked and told in memory, however many hours it took."""
WARM_UP = 0.25
"""Share of the time after which growth counts: caches have filled, and what is remembered is forgotten again."""
MEGABYTES_PER_HOUR = 5.0
"""Most that an hour may add to a process. In it a process has some 10,000 requests and as many commands, and one that
is open takes kilobytes: were each to leave but 300 bytes, it would be more. Below it is what the allocator does not
give back. What shrinks is no leak: the bounds have no lower side."""
FILES_PER_HOUR = 2.0
"""Connections come and go; what is left open of each look, call or hand-over would be thousands."""
PROCESSES = 2


@fault("soak", "soak", needs_hours=True, minutes=60)
def soak(stage: Stage) -> None:
    """Steady requests of every kind and tickets for ``--hours``: resident memory, open files and threads stay level."""
    seconds = 3600 * (stage.hours or 1.0)
    pause = max(0.05, seconds / MOST_REQUESTS)
    # So short that in the warm-up as much is forgotten as remembered.
    window = {"dedupe_window_days": WARM_UP / 2 * seconds / 86_400}

    def load(site: Site) -> SlowMixedLoad:
        assert isinstance(site, ExternalSite)
        return SlowMixedLoad(site, 1, pause)

    with stage.site(
        processes=PROCESSES,
        external=True,
        load=load,
        # In a file: looks are most of the calls, and their number grows with the hours.
        simulator={"ledger_file": stage.directory / "ledger.jsonl"},
        patience_seconds=300,
        intake=window,
        following={"interval_seconds": 1},
    ) as site:
        watch = Watch(lambda: [one.process.pid for one in site.processes], min(10.0, seconds / 100))
        began = time.monotonic()
        with watch.watching():
            assert stage.load is not None
            while (left := began + seconds - time.monotonic()) > 0:
                assert stage.load.failure is None, stage.load.failure
                time.sleep(min(5.0, left))  # it is the passing of time that is wanted
        if len(site.processes) > PROCESSES:
            stage.fail("a process ended itself, and what it held with it")
        _judge(stage, watch.since(WARM_UP * seconds), seconds)


def _judge(stage: Stage, samples: list[Sample], seconds: float) -> None:
    """Slopes of one process; a run below an hour cannot tell small ones from noise, so its bounds are wider."""
    hours = seconds / 3600
    wider = max(1.0, 1 / hours)
    memory = slope_per_hour([(one.seconds, one.resident / MEGABYTE / PROCESSES) for one in samples])
    files = slope_per_hour([(one.seconds, one.files / PROCESSES) for one in samples])
    threads = slope_per_hour([(one.seconds, one.threads / PROCESSES) for one in samples])
    stage.note(f"{hours:g} h, {len(samples)} samples after the first {WARM_UP:.0%}, per process")
    stage.figure("resident memory", samples[-1].resident / MEGABYTE / PROCESSES, "MB at the end")
    stage.figure("its slope", memory, "MB/h", at_most=wider * MEGABYTES_PER_HOUR)
    stage.figure("open files", samples[-1].files / PROCESSES, "at the end")
    stage.figure("their slope", files, "/h", at_most=wider * FILES_PER_HOUR)
    stage.figure("slope of threads", threads, "/h", at_most=wider * FILES_PER_HOUR)
