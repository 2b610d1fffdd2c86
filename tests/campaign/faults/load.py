"""More work than there should be, and work that is spread badly."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.campaign.fault import fault
from tests.campaign.measuring import progress_of
from tests.campaign.paced import RateLoad
from tests.campaign.stage import Stage
from tests.campaign.trend import MEGABYTE, Watch
from tests.support.bridge import BridgeProcess, Site
from tests.support.checker.evidence import InputRecord, place_of

CALLS_PER_SECOND = 30.0
SUSTAINED = 0.8 * CALLS_PER_SECOND
"""Of one process: calls get four fifths of the rate, and each request is one call."""
MINUTES = 2


@fault("load_twice_the_sustainable", "load", minutes=6)
def load_twice_the_sustainable(stage: Stage) -> None:
    """Two minutes of twice what the call rate sustains: partitions pause, memory is bounded, nothing rebalances."""
    rate = 2 * 2 * SUSTAINED
    count = int(rate * MINUTES * 60)
    with stage.site(
        partitions=2,
        load=lambda site: RateLoad(site, rate, entities=4000, count=count),
        simulator={"task_seconds": 0.2},
        patience_seconds=600,
        vcd={"max_calls_per_second": CALLS_PER_SECOND},
        intake={"max_open_per_partition": 200},
    ) as site:
        began = time.monotonic()
        watch = Watch(lambda: [one.process.pid for one in site.processes])
        with watch.watching(), stage.injecting():
            assert stage.load is not None
            stage.load.wait_sent(count)
            sent_seconds = time.monotonic() - began
            site.wait_ended(stage.load.finish(), 600)
        stage.note(f"{count} requests in {sent_seconds:.0f} s, worked off in {time.monotonic() - began:.0f} s")
        steady = max(one.resident for one in watch.since(20) if one.seconds < 40) / MEGABYTE / 2
        stage.figure("resident memory after 30 s", steady, "MB a process")
        stage.figure("at its peak", watch.peak_megabytes / 2, "MB a process", at_most=steady + 60)
        _check_paused(stage, site.processes)
        _check_undisturbed(stage, site.processes)


def _check_paused(stage: Stage, bridges: Sequence[BridgeProcess]) -> None:
    paused = sum(bridge.log.read_text().count('"event": "partition.paused"') for bridge in bridges)
    stage.note(f"partitions paused {paused} times")
    if not paused:
        stage.fail("no partition has paused: it was no load")


def _check_undisturbed(stage: Stage, bridges: Sequence[BridgeProcess]) -> None:
    """No partition has changed hands since they were shared out."""
    for bridge in bridges:
        log = bridge.log.read_text()
        if '"event": "partition.lost"' in log:
            stage.fail(f"{bridge.log.name}: a partition was lost")
    revoked = sum(bridge.log.read_text().count('"event": "partition.revoked"') for bridge in bridges)
    # The first process gives half of them up when the second joins, before the load begins.
    stage.figure("partitions revoked", revoked, "in all", at_most=1)


HOT_REQUESTS = 10_000


@fault("load_hot_entity", "load", minutes=6)
def load_hot_entity(stage: Stage) -> None:
    """10,000 requests for one entity, whose Tasks are over at once: one lane, in their order, one at a time."""
    with stage.site(
        processes=1,
        load=lambda site: RateLoad(site, HOT_REQUESTS, entities=1, count=HOT_REQUESTS),
        simulator={"task_seconds": 0},
        patience_seconds=900,
        vcd={"max_calls_per_second": 1000},
    ) as site:
        began = time.monotonic()
        with stage.injecting():
            assert stage.load is not None
            stage.load.wait_sent(HOT_REQUESTS)
            site.wait_ended(stage.load.finish(), 900)
        stage.figure("one lane", HOT_REQUESTS / (time.monotonic() - began), "requests a second")


STUCK = 100
"""As many as a partition may hold open."""
BEHIND = 2_300
"""More than it holds in memory besides."""


@fault("load_stuck_partition", "load", minutes=2)
def load_stuck_partition(stage: Stage) -> None:
    """One partition is full of requests whose Tasks do not end, and pauses: the others go on as before."""
    with stage.site(processes=1, vcd={"max_calls_per_second": 200}, intake={"max_open_per_partition": STUCK}) as site:
        stage.wait_more(60)
        names = [f"vapp-00000000-0000-4000-9999-{number:012d}" for number in range(STUCK + BEHIND)]
        for name in names[:STUCK]:
            site.simulator.script({"preset": "never-ends"}, entity=name)
        with stage.injecting():
            began = time.time()
            stuck = site.send(*map(_for, names), key="stuck")
            stage.wait_more(200)
            partition, ended = stuck[0].partition, time.time()
            _note_latencies(stage, site, partition, began, ended)
            _check_paused(stage, site.processes)
            _release(site, stuck[:STUCK])
        stage.wait_more(20)


def _for(name: str) -> dict[str, object]:
    return {"request_id": f"on-{name[-12:]}", "operation": "deployVApp", "parameters": {"id": name}}


def _note_latencies(stage: Stage, site: Site, partition: int, began: float, ended: float) -> None:
    """From request to end, of all that was asked meanwhile on the other partitions, but the last ten seconds."""
    progress = progress_of(site)
    over = {one.birth: one.at for one in reversed(progress.told) if one.over}
    asked = {birth: at for birth, at in progress.asked.items() if began < at < ended - 10}
    others = {birth: at for birth, at in asked.items() if place_of(birth)[1] != partition}
    took = sorted(over.get(birth, float("inf")) - at for birth, at in others.items())
    if not took:
        stage.fail("nothing was asked on other partitions")
        return
    stage.figure("others: half of them ended within", took[len(took) // 2], at_most=5)
    stage.figure("nine of ten within", took[len(took) * 9 // 10])


def _release(site: Site, stuck: Sequence[InputRecord]) -> None:
    """Their Tasks end after all."""
    births = {record.birth for record in stuck}
    events = site.wait_events(lambda told: births <= {one["birth"] for one in told if one["task"]})
    for task in {str(one["task"]["id"]) for one in events if one["birth"] in births and one["task"]}:
        site.simulator.force_task(task[-36:], status="success")
