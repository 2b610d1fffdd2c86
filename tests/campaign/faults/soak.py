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
"""The checker holds the whole run in memory, and the simulator's ledger has its last 200,000 calls."""
WARM_UP = 0.25
"""Share of the time after which growth counts: caches have filled, and what is remembered is forgotten again."""
MEGABYTES_PER_HOUR = 5.0
FILES_PER_HOUR = 2.0
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

    following = {"interval_seconds": 1}
    with stage.site(
        processes=PROCESSES, external=True, load=load, patience_seconds=300, intake=window, following=following
    ) as site:
        watch = Watch(lambda: [one.process.pid for one in site.processes], min(10.0, seconds / 100))
        began = time.monotonic()
        with watch.watching():
            assert stage.load is not None
            while (left := began + seconds - time.monotonic()) > 0:
                assert stage.load.failure is None, stage.load.failure
                time.sleep(min(5.0, left))  # it is the passing of time that is wanted
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
