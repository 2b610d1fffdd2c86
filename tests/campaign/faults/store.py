"""The store: large, damaged, set up wrongly, written by another version of the bridge."""

from __future__ import annotations

import contextlib
import re
import time
import urllib.request
from typing import Any

import psutil
from confluent_kafka.admin import AdminClient

from bridge.core.coordinates import Birth
from bridge.engine.partition.records import CURSOR_KEY, request_key, state_key
from bridge.kafka.admin import NewPartitions
from tests.campaign.fault import Verdict, fault
from tests.campaign.large_store import LargeSite, Size, fill, old_request
from tests.campaign.next_version import make_next_version
from tests.campaign.odd_store import OddSite, damage, mend
from tests.campaign.stage import Stage
from tests.campaign.trend import Watch
from tests.support.bridge import Site
from tests.support.checker.evidence import InputRecord
from tests.support.kafka import set_topic
from tests.support.ports import free_ports
from tests.support.scraping import metric
from tests.system.load import Load

REFUSED_SECONDS = 60.0
"""Longest stall where a partition is nobody's until somebody mends something or the upgrade is over."""
VICTIM = "vapp-00000000-0000-4000-8000-0000000000ff"
"""An entity that the load does not know."""


def _ask(site: Site, request_id: str) -> InputRecord:
    document = {"request_id": request_id, "operation": "deployVApp", "parameters": {"id": VICTIM}}
    return site.send(document)[0]


def _follows(site: Site, record: InputRecord) -> str:
    """Until a Task is followed for it; the Task's id."""
    events = site.wait_events(lambda told: any(e["birth"] == record.birth and e["task"] for e in told))
    return next(str(e["task"]["id"]) for e in events if e["birth"] == record.birth and e["task"])


def _until_parked(stage: Stage, site: Site, record: InputRecord) -> None:
    """It is parked, with a reason and a hint, and it alone."""

    def parked(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [e for e in told if e["birth"] == record.birth and e["change"] == "parked"]

    [event] = parked(site.wait_events(lambda told: bool(parked(told))))
    stage.note(f"parked: {event['reason']['code']}: {event['reason']['message'][:120]}")


# --- damage -------------------------------------------------------------------------------------------------------


@fault("store_unreadable_state", "store")
def store_unreadable_state(stage: Stage) -> None:
    """The snapshot of a request whose Task runs is damaged while nobody owns it: it is parked, the rest goes on."""
    with stage.site(processes=1, partitions=2, kind=OddSite) as site:
        site.simulator.script({"preset": "never-ends"}, entity=VICTIM)
        victim = _ask(site, "victim")
        task = _follows(site, victim)
        stage.wait_more(40)
        site.processes[0].kill()
        with stage.injecting():
            damage(site, state_key(Birth.parse(victim.birth)), victim.partition)
            stage.excuse(re.escape(victim.birth) + r"\b", "what the damaged snapshot had held is not judged")
            site.start().wait_ready()
        _until_parked(stage, site, victim)
        stage.wait_more(40)
        site.simulator.force_task(task[-36:], status="success")
        resolution = {"outcome": "success", "reason": "seen in VCD", "decided_by": "campaign"}
        site.send({"kind": "resolve", "target_request_id": "victim", "resolution": resolution}, key=VICTIM)
        site.wait_events(lambda told: any(e["birth"] == victim.birth and e["final"] for e in told))
        _called_once(stage, site)


def _called_once(stage: Stage, site: Site) -> None:
    made = [one for one in site.simulator.ledger(changes=True) if one["entity"] == VICTIM and one["effect"]]
    if len(made) != 1:
        stage.fail(f"called {len(made)} times")


@fault("store_unreadable_request", "store")
def store_unreadable_request(stage: Stage) -> None:
    """The body of a request that waits for its lane is damaged: it is parked when its turn comes, the rest goes on."""
    with stage.site(processes=1, partitions=2, kind=OddSite) as site:
        site.simulator.script({"preset": "never-ends"}, entity=VICTIM, times=1)
        first = _ask(site, "first")
        task = _follows(site, first)
        second = _ask(site, "second")
        site.wait_taken(30)
        site.processes[0].kill()
        with stage.injecting():
            damage(site, request_key(Birth.parse(second.birth)), second.partition)
            site.start().wait_ready()
        stage.wait_more(40)
        site.simulator.force_task(task[-36:], status="success")
        _until_parked(stage, site, second)
        _called_once(stage, site)


@fault("store_unreadable_cursor", "store", expects=Verdict.REFUSES, at_most_stall=REFUSED_SECONDS)
def store_unreadable_cursor(stage: Stage) -> None:
    """A partition's cursor is damaged: nobody takes that partition, the others go on; mended, it goes on too."""
    with stage.site(processes=1, partitions=3, kind=OddSite) as site:
        stage.wait_more(60)
        site.processes[0].kill()
        with stage.injecting():
            good = damage(site, CURSOR_KEY, 0)
            bridge = site.start().wait_ready()
            stage.refusal(bridge, r"store record cursor \(cursor\) [^\"]*without it nobody knows where to go on")
            _others_go_on(stage, site, without=0)
            bridge.kill()
            mend(site, good)
            site.start().wait_ready()
        stage.wait_more(40)


def _others_go_on(stage: Stage, site: Site, *, without: int) -> None:
    """Requests that are sent from now on end on every partition but this one, on which nothing is told."""
    assert stage.load is not None
    before = len(stage.load.sent)
    stage.wait_more(60)
    names = set(stage.load.sent[before:])
    first: dict[str, InputRecord] = {}
    for record in site.inputs:
        if record.opens and record.request_id in names:
            first.setdefault(record.request_id, record)
    sent = list(first.values())
    site.wait_over(*(one for one in sent if one.partition != without))
    births = {one.birth for one in sent if one.partition == without}
    assert births, "the load sends to all partitions"
    told = births & {event["birth"] for event in site.read_events()}
    if told:
        stage.fail(f"told although the partition is not taken: {sorted(told)[:3]}")


# --- set up wrongly -----------------------------------------------------------------------------------------------


@fault("store_deletes_by_age", "store", expects=Verdict.REFUSES, at_most_stall=REFUSED_SECONDS)
def store_deletes_by_age(stage: Stage) -> None:
    """The changelog gets ``cleanup.policy=delete``: nobody takes a partition of it until it is compact again."""
    with stage.site(processes=1) as site:
        stage.wait_more(40)
        with stage.injecting():
            set_topic(site.bootstrap, site.changelog, "cleanup.policy", "delete")
            site.processes[0].kill()
            bridge = site.start().wait_ready()
            stage.refusal(bridge, r"cleanup.policy=delete, so requests that are still open would be deleted[^\"]*")
            stage.wait_more(40)
            set_topic(site.bootstrap, site.changelog, "cleanup.policy", "compact")
            bridge.kill()
            site.start().wait_ready()
        stage.wait_more(40)


@fault("store_too_few_partitions", "store", expects=Verdict.REFUSES, at_most_stall=REFUSED_SECONDS)
def store_too_few_partitions(stage: Stage) -> None:
    """The input has a partition that the store lacks: nobody takes it until the store has it; the others go on."""
    with stage.site(processes=0, partitions=3, load=_with_one_partition_more) as site:
        with stage.injecting():
            stage.refusal(site.processes[0], r"the store has 3 partitions, too few for this one[^\"]*")
            _others_go_on(stage, site, without=3)
            _grow(site, site.changelog, 4)
            _grow(site, site.ended, 4)
            site.processes[0].kill()
            site.start().wait_ready()
        stage.wait_more(40)


def _with_one_partition_more(site: Site) -> Load:
    _grow(site, site.requests, 4)
    site.partitions = 4
    site.start().wait_ready()
    return Load(site, 5)


def _grow(site: Site, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": site.bootstrap})
    for future in admin.create_partitions([NewPartitions(topic, partitions)]).values():
        future.result(20)


# --- other versions -----------------------------------------------------------------------------------------------

NEWER = "has format 2; this version writes format 1; finish the upgrade: run the newer version of the bridge everywhere"


@fault("store_newer_format", "store", expects=Verdict.REFUSES, at_most_stall=REFUSED_SECONDS)
def store_newer_format(stage: Stage) -> None:
    """One of two processes is of the next version and dies: the older takes none of its partitions."""
    following = make_next_version(stage.directory / "next")
    with stage.site(processes=1, partitions=4, kind=OddSite) as site:
        stage.wait_more(40)
        site.sources = following
        newer = site.start().wait_ready()
        stage.wait_more(60)
        with stage.injecting():
            newer.kill()
            stage.refusal(site.processes[0], NEWER)
            stage.wait_more(60)
            site.start().wait_ready()
            site.processes[0].stop()
        stage.wait_more(60)


@fault("store_rolling_versions", "store", minutes=1, at_most_stall=REFUSED_SECONDS, at_most_recovery=REFUSED_SECONDS)
def store_rolling_versions(stage: Stage) -> None:
    """Two processes are upgraded to the next version one by one, back again, and forward once more, under load."""
    following = make_next_version(stage.directory / "next")
    with stage.site(processes=2, partitions=4, kind=OddSite) as site:
        here = site.sources
        for sources in (following, here, following):
            site.sources = sources
            for old in [one for one in site.processes if one.process.poll() is None]:
                stage.wait_more(40)
                with stage.injecting():
                    site.start().wait_ready()
                    old.stop()
        stage.wait_more(60)
        said = sum(len(re.findall(NEWER, bridge.log.read_text())) for bridge in site.processes)
        stage.figure("times that the older version refused a partition", said, "times")
        if not said:
            stage.fail("the older version has never met what the newer wrote")


# --- size ---------------------------------------------------------------------------------------------------------

MILLION = Size(ended=230_000, lived=16_700, parked=1_600)
REPEATED = range(0, MILLION.ended, 1_000)


@fault("store_million_records", "store", minutes=5)
def store_million_records(stage: Stage) -> None:
    """A process restores 1,000,000 records: open requests, ended ones, and the lives of those that ended last."""
    management = f"127.0.0.1:{free_ports(1)[0]}"
    with stage.site(
        processes=0, load=False, kind=LargeSite, management={"listen": management}, patience_seconds=180
    ) as site:
        assert isinstance(site, LargeSite)
        records = fill(site, MILLION)
        with stage.injecting():
            took, busy, silence, peak = _restore(site, management)
        stage.figure(f"{records:,} records restored in", took, at_most=180)
        stage.figure("of them", records / took, "records/s")
        stage.figure("to each second of processor time", records / busy, "records")
        stage.figure("resident memory at its peak", peak, "MB", at_most=4000)
        stage.figure("longest silence of /live meanwhile", silence, at_most=5)
        parked = site.partitions * MILLION.parked
        stage.figure("open lifecycles missing", parked - metric(management, "vcdbridge_open_lifecycles"), "", at_most=0)
        site.send(*map(old_request, REPEATED))
        load = Load(site, 3)
        load.wait_sent(100)
        site.wait_ended(load.finish())
        site.wait_taken()
        forgotten = len(REPEATED) - metric(management, "vcdbridge_repeats_total")
        stage.figure("remembered ids called again", max(0.0, forgotten), "", at_most=0)


def _restore(site: Site, management: str) -> tuple[float, float, float, float]:
    """Seconds until it is ready, and of processor time; the longest that its management port was silent; its largest
    resident memory in MB."""
    bridge, began = site.start(), time.monotonic()
    watch = Watch(lambda: [bridge.process.pid], every_seconds=0.2)
    heard, silence = None, 0.0
    with watch.watching():
        while not bridge.ready.wait(0.1):
            assert bridge.process.poll() is None, bridge.told()
            assert time.monotonic() < began + 600, bridge.told()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{management}/live", timeout=60):
                now = time.monotonic()
                silence, heard = max(silence, now - heard if heard is not None else 0.0), now
    used = psutil.Process(bridge.process.pid).cpu_times()
    return time.monotonic() - began, used.user + used.system, silence, watch.peak_megabytes
