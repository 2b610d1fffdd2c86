"""What becomes of positions: topics made anew, cut or widened, offsets moved, a store that is lost, a second group."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from confluent_kafka import Producer

from tests.campaign.fault import Verdict, fault
from tests.campaign.stage import Stage
from tests.support.bridge import BridgeProcess, Site
from tests.support.checker.evidence import Write
from tests.support.gathering import endings_of, offsets_of
from tests.support.kafka import delete_records, produce, set_topic
from tests.support.positions import add_partitions, ends_of, forget_offsets, recreate_topic, set_offsets
from tests.support.simulator import running_simulator
from tests.system.load import Load

COMPACTED = {"cleanup.policy": "compact"}
REQUESTS = 60
"""Before a fault, and as many after it."""
REST_SECONDS = 3.0
"""Longer than a call may be on its way, and VCD's answer."""
ANEW = 1_000_000
"""Added to offsets of a changelog that was made again: later than all of the first."""

# --- offsets of the group ----------------------------------------------------------------------------------------


def _offsets_moved(stage: Stage, move: Callable[[Site], None], told: str) -> None:
    """While no process runs; all that was done is known by the store and not done again."""
    judged: dict[str, Any] = {}
    with stage.site(load=False, judged_as=judged) as site:
        _worked(site, 0)
        _stopped(site)
        ended = endings_of(site.bootstrap, site.ended)
        with stage.injecting():
            move(site)
        bridges = [site.start().wait_ready(), site.start().wait_ready()]
        assert any(told in bridge.log.read_text() for bridge in bridges), f"nobody says {told!r}"
        _worked(site, 1)
        later = [one for one in endings_of(site.bootstrap, site.ended) if one not in ended]
        judged["ended"] = [*ended, *later]


def _to_the_beginning(site: Site) -> None:
    set_offsets(site.bootstrap, site.group, site.requests, dict.fromkeys(range(site.partitions), 0))


def _back_by_some(site: Site) -> None:
    offsets = {number: max(0, end - 10) for number, end in _ends(site).items()}
    set_offsets(site.bootstrap, site.group, site.requests, offsets)


def _deleted(site: Site) -> None:
    forget_offsets(site.bootstrap, site.group)


def _past_the_dedupe_window(site: Site) -> None:
    """What the store remembers of endings is gone as well."""
    for number, end in ends_of(site.bootstrap, site.ended, site.partitions).items():
        delete_records(site.bootstrap, site.ended, number, before=end)
    _to_the_beginning(site)


for name, move, what, told in (
    ("earliest", _to_the_beginning, "reset to the beginning", "lies before the store's cursor"),
    ("rewound", _back_by_some, "rewound by hand", "lies before the store's cursor"),
    ("deleted", _deleted, "deleted", "has no committed offset any more"),
    ("past_dedupe", _past_the_dedupe_window, "reset past the dedupe window", "lies before the store's cursor"),
):
    fault(f"offsets_{name}", "positions", what=f"The group's offsets are {what} while no process runs.")(
        partial(_offsets_moved, move=move, told=told)
    )


@fault("offsets_latest", "positions", expects=Verdict.REFUSES, at_most_stall=90, at_most_recovery=90)
def offsets_latest(stage: Stage) -> None:
    """The group's offsets are reset to the end, past requests that nobody has read; then to where they were."""
    with stage.site(load=False) as site:
        _worked(site, 0)
        _stopped(site)
        before = {number: offset for (_, number), offset in _committed(site).items()}
        load = Load(site, 1, first=1000)
        load.wait_sent(REQUESTS)
        load.finish()
        with stage.injecting():
            set_offsets(site.bootstrap, site.group, site.requests, _ends(site))
        refusing = site.start()
        stage.refusal(refusing, r"the committed offset \(\d+\) is ahead of the store's cursor \(\d+\); [^\"]*")
        refusing.stop()
        set_offsets(site.bootstrap, site.group, site.requests, before)
        site.start().wait_ready()
        site.wait_ended(load.sent)


# --- the input ------------------------------------------------------------------------------------------------------


@fault("topic_recreated", "positions", expects=Verdict.REFUSES)
def topic_recreated(stage: Stage) -> None:
    """The input is deleted and made again under a running process, with more records in it than before.

    Those that it reads on to before it notices are judged as well: each is answered where it was read, and no other.
    """
    judged: dict[str, Any] = {}
    with stage.site(load=False, processes=1, judged_as=judged, allow_open=True, kafka=QUICK_METADATA) as site:
        _worked(site, 0)
        old, (bridge,) = _committed(site), site.processes
        calls = len(site.simulator.ledger(changes=True))
        with stage.injecting():
            bridge.pause()  # it sees nothing of the moment in which the topic is empty, and its session lasts
            recreate_topic(site.bootstrap, site.requests, site.partitions)
            for number in range(site.partitions):
                produce(site.bootstrap, site.requests, [b'{"request_id": "new"}'] * 200, partition=number)
            bridge.resume()
        for number in range(site.partitions):
            stage.refusal(bridge, rf"requests/{number}: the topic was deleted and made again \(id [^\"]*")
        judged["offsets"] = read = old | _committed(site)
        further = [one for one in site.read_inputs() if old[one.place] <= one.offset < read[one.place]]
        judged["inputs"] = [*site.inputs, *further]
        assert len(site.simulator.ledger(changes=True)) == calls, "something was called of the new topic's records"


@fault("input_truncated", "positions")
def input_truncated(stage: Stage) -> None:
    """Retention deletes requests that nobody has read, while no process runs: the rest is done, and it is told."""
    judged: dict[str, Any] = {}
    with stage.site(load=False, judged_as=judged, intake={"unknown_cancel_wait_seconds": 2}) as site:
        _worked(site, 0)
        _stopped(site)
        read = _ends(site)
        load = Load(site, 1, first=1000)
        load.wait_sent(REQUESTS)
        load.finish()
        with stage.injecting():
            _truncated(site, {number: (read[number] + end) // 2 for number, end in _ends(site).items()}, read)
        bridge = site.start().wait_ready()
        judged["inputs"] = list(site.inputs)
        assert "were deleted before they were read (retention)" in bridge.log.read_text()
        site.wait_ended(sorted({one.request_id for one in site.inputs if one.opens and one.request_id}))
        deadline = time.monotonic() + 30
        while "pending" in site.store().values():
            assert time.monotonic() < deadline, "cancels of what was deleted are not over"
            time.sleep(0.2)  # the store is read again: there is nothing to be woken by


@fault("partitions_added", "positions", expects=Verdict.REFUSES, minutes=1, at_most_stall=60)
def partitions_added(stage: Stage) -> None:
    """The input gets partitions under a running process: they are taken by themselves once the store has them."""
    with stage.site(processes=1, kafka=QUICK_METADATA) as site:
        stage.wait_more(REQUESTS)
        with stage.injecting():
            add_partitions(site.bootstrap, site.requests, 2 * site.partitions)
            stage.refusal(site.processes[0], r"the store has 3 partitions, too few for this one; [^\"]*")
        stage.wait_more(REQUESTS // 2)
        for topic in (site.changelog, site.ended):
            add_partitions(site.bootstrap, topic, 2 * site.partitions)
        # The key decides over more partitions now, for producers that know of them.
        site.partitions *= 2
        site.producer = Producer({"bootstrap.servers": site.bootstrap, "partitioner": "murmur2_random"})
        _worked(site, 1, seconds=150)


# --- the store ------------------------------------------------------------------------------------------------------


@fault("store_recreated", "positions", expects=Verdict.REFUSES)
def store_recreated(stage: Stage) -> None:
    """The changelog is deleted and made again, empty, while no process runs."""
    _store_lost(stage, lambda site: recreate_topic(site.bootstrap, site.changelog, site.partitions, configs=COMPACTED))


@fault("store_and_offsets_lost", "positions", expects=Verdict.REFUSES)
def store_and_offsets_lost(stage: Stage) -> None:
    """The changelog is made again, empty, and the group's offsets are deleted, while no process runs."""

    def lose(site: Site) -> None:
        recreate_topic(site.bootstrap, site.changelog, site.partitions, configs=COMPACTED)
        forget_offsets(site.bootstrap, site.group)

    _store_lost(stage, lose)


@fault("store_recreated_running", "positions", expects=Verdict.REFUSES)
def store_recreated_running(stage: Stage) -> None:
    """The changelog is made again, empty, under a running process with open requests; then another takes over."""
    judged: dict[str, Any] = {}
    with stage.site(load=False, processes=1, judged_as=judged, allow_open=True) as site:
        site.simulator.script({"preset": "never-ends"})
        _sent(site, 0)
        before = _at_rest(site)
        with stage.injecting():
            recreate_topic(site.bootstrap, site.changelog, site.partitions, configs=COMPACTED)
        _sent(site, 1)
        site.processes[0].kill()
        judged["writes"] = [*before, *(replace(one, offset=one.offset + ANEW) for one in site.read_changelog())]
        stage.refusal(site.start(), r"the store holds \d+ open lifecycles, its cursor says \d+; [^\"]*")


@fault("store_beginning_deleted", "positions", expects=Verdict.REFUSES)
def store_beginning_deleted(stage: Stage) -> None:
    """The first half of the changelog is deleted (delete_records), with requests open in it, while no process runs."""

    def lose(site: Site) -> None:
        # The broker deletes from a log that is compacted only if it may also be deleted by age.
        set_topic(site.bootstrap, site.changelog, "cleanup.policy", "compact,delete")
        for number, end in ends_of(site.bootstrap, site.changelog, site.partitions).items():
            delete_records(site.bootstrap, site.changelog, number, before=end // 2)
        set_topic(site.bootstrap, site.changelog, "cleanup.policy", "compact")

    _store_lost(
        stage, lose, open_requests=True, told=r"the store holds \d+ open lifecycles, its cursor says \d+; [^\"]*"
    )


@fault("another_group", "positions")
def another_group(stage: Stage) -> None:
    """Another group of bridges works on the same input, for a Cloud Director of its own: each tells its own stories."""
    with stage.site() as site, running_simulator(lenient_entities=True, task_seconds=0.6) as simulator:
        directory = site.directory / "other"
        directory.mkdir()
        other = Site(
            site.bootstrap, simulator, directory, site.partitions, site.replication, site.settings,
            source=site.requests, documents=site.documents,
        )  # fmt: skip
        try:
            with stage.injecting():
                other.start().wait_ready()
            stage.wait_more(2 * REQUESTS)
            assert stage.load is not None
            sent = stage.load.finish()
            other.inputs = site.inputs
            other.wait_ended(sent)
            other.wait_taken(60)
            other.check()
        finally:
            other.close()


# --- words for the above ----------------------------------------------------------------------------------------------

QUICK_METADATA: dict[str, Any] = {"properties": {"topic.metadata.refresh.interval.ms": "1000"}}
"""Members learn of topics that change within five minutes by default."""


def _worked(site: Site, number: int, seconds: float = 60.0) -> None:
    """A load that has begun and ended."""
    load = Load(site, number, first=1000 * number)
    load.wait_sent(REQUESTS)
    site.wait_ended(load.finish(), seconds)


def _sent(site: Site, number: int) -> None:
    load = Load(site, number, first=1000 * number)
    load.wait_sent(REQUESTS)
    load.finish()
    site.wait_taken()


def _at_rest(site: Site) -> list[Write]:
    """Until nothing more is written to the changelog, all of whose history is returned."""
    earlier, writes = list[Write](), site.read_changelog()
    while len(writes) > len(earlier):
        time.sleep(REST_SECONDS)  # that nothing comes is what is waited for
        earlier, writes = writes, site.read_changelog()
    return writes


def _stopped(site: Site) -> None:
    """Every process has left its group."""
    for bridge in site.processes:
        assert bridge.stop() == 0, bridge.told()


def _ends(site: Site) -> dict[int, int]:
    return ends_of(site.bootstrap, site.requests, site.partitions)


def _truncated(site: Site, kept: dict[int, int], read: dict[int, int]) -> None:
    """Records below ``kept`` are deleted; those that were ``read`` before are known all the same."""
    for number, offset in kept.items():
        delete_records(site.bootstrap, site.requests, number, before=offset)
    site.inputs = [one for one in site.inputs if not read[one.partition] <= one.offset < kept[one.partition]]


def _store_lost(
    stage: Stage,
    lose: Callable[[Site], None],
    *,
    open_requests: bool = False,
    told: str = r"the store has no cursor although [^\"]*",
) -> None:
    """``open_requests``: there are some, as old as the store; ``told``: why the next process refuses."""
    judged: dict[str, Any] = {}
    with stage.site(load=False, judged_as=judged, allow_open=True) as site:
        if open_requests:
            _left_open(site)
        _worked(site, 0)
        _stopped(site)
        judged["writes"], judged["offsets"] = site.read_changelog(), _committed(site)
        calls = len(site.simulator.ledger(changes=True))
        with stage.injecting():
            lose(site)
        refusing: BridgeProcess = site.start()
        stage.refusal(refusing, told)
        assert len(site.simulator.ledger(changes=True)) == calls, "something was called again"


def _left_open(site: Site) -> None:
    """Requests whose Tasks do not end, in every partition."""
    names = [f"vapp-00000000-0000-4000-9999-{number:012d}" for number in range(10 * site.partitions)]
    for name in names:
        site.simulator.script({"preset": "never-ends"}, entity=name)
    asked = site.send(*({"request_id": n, "operation": "deployVApp", "parameters": {"id": n}} for n in names))
    assert {one.partition for one in asked} == set(range(site.partitions))
    site.wait_events(lambda told: set(names) <= {event["request_id"] for event in told if event["task"]})


def _committed(site: Site) -> dict[tuple[str, int], int]:
    """The group's offsets, before anything happens to them."""
    return offsets_of(site.bootstrap, site.group, site.requests, site.partitions)
