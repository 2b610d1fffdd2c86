"""What Cloud Director and the way to it do wrong: all that the simulator's fault plan has, and longer troubles."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from bridge.simulator.faultplan import WAYS
from bridge.simulator.presets import PRESETS
from tests.campaign.classes import POLICY, SAMPLES, TICKET_CALLS, Classes
from tests.campaign.fault import AT_MOST_SECONDS, fault
from tests.campaign.stage import Stage
from tests.support.bridge import Site
from tests.support.checker.evidence import StateWrite
from tests.support.external import ExternalSite
from tests.support.ports import free_ports
from tests.support.scraping import metric, wait_metric
from tests.system.external_load import MixedLoad
from tests.system.load import Load

QUICK: dict[str, Any] = {
    "vcd": {"answer_timeout_seconds": 0.7, "lease_seconds": 1},
    "retry": {"base_delay_seconds": 0.1, "max_delay_seconds": 0.5, "busy_max_delay_seconds": 0.3},
    "following": {"interval_seconds": 0.1},
    "policy": POLICY,
}
ROUNDS, SPARED, MET = 4, 1, 2
"""Requests of each class; of the calls of each operation the first is spared, so many then meet the fault."""
PATIENCE_SECONDS = 180.0
LOOKS = r"^/api/(query|task/)"
"""How Tasks are found and followed."""

# --- one answer at a time -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WireFault:
    """One kind of the fault plan, as the simulator is told it."""

    name: str
    about: str
    fields: Mapping[str, Any]


_WITHOUT_AN_ANSWER = ("drop", "reset", "hang", "status", "delay")
"""It makes a difference whether the call is carried out first; the others are done to the answer of one that was."""
_CELLS = ("refuse",)
"""No calls are met, but a whole cell: lines of their own."""
_TOLD: Mapping[str, Mapping[str, Any]] = {
    "delay": {"seconds": 0.3},
    "slow": {"bytes_per_second": 8000},
    "maintenance": {"retry_after": 1},
}
"""Where the plan's own figures would take too long, or do nothing."""


def wire_faults() -> Iterator[WireFault]:
    """Every way and every preset that the fault plan has, before and after the effect where that differs."""
    for way in WAYS:
        fields = {"do": way, **_TOLD.get(way, {})}
        if way in _WITHOUT_AN_ANSWER:
            yield WireFault(f"{way}_before", f"{way}, the call is not carried out", {**fields, "effect": False})
            yield WireFault(f"{way}_after", f"{way}, the call is carried out", {**fields, "effect": True})
        elif way not in _CELLS:
            yield WireFault(way, f"{way}, done to the answer", fields)
    for preset, known in PRESETS.items():
        told = {"preset": preset, **_TOLD.get(preset, {})}
        yield WireFault(preset.replace("-", "_"), known.about, told)


def _strike(wire: WireFault, stage: Stage) -> None:
    with stage.site(processes=1, partitions=2, external=True, load=False, simulator=_roomy(), **QUICK) as site:
        assert isinstance(site, ExternalSite)
        requests = Classes(site)
        requests.prepare(ROUNDS)
        for operation in {*SAMPLES.values(), *TICKET_CALLS}:
            site.simulator.fault(**wire.fields, operation=operation, skip=SPARED, times=MET)
        site.simulator.fault(**wire.fields, method="GET", path=LOOKS, skip=SPARED, times=MET)
        sent = [name for _ in range(ROUNDS) for name in requests.send()]
        # So many failures in a row are an outage to the breaker: it tries one call at a time, ever more seldom.
        events = site.wait_ended(sent, PATIENCE_SECONDS)
        site.wait_outcomes(*requests.tickets, seconds=PATIENCE_SECONDS)
        requests.end()
        _count_met(stage, site)
        parked = [event for event in events if event["change"] == "parked"]
        if parked:
            stage.note(f"{len(parked)} parked: {', '.join(sorted({e['catalogue_operation'] for e in parked}))}")
        left = [one for one in site.simulator.admin("GET", "faults") if one.get("path") is None]
        if left:
            stage.fail(f"not met: {left}")


def _roomy() -> dict[str, Any]:
    return {"task_seconds": 0.3, "virtual_machines": 3 * ROUNDS}


def _count_met(stage: Stage, site: Site) -> None:
    """Each call that met a fault is an injection."""
    for entry in site.simulator.ledger():
        if entry["fault"] is not None:
            at = datetime.fromisoformat(entry["time"]).timestamp()
            stage.injections.append((at, at))


for _wire in wire_faults():
    fault(
        f"vcd_{_wire.name}",
        "vcd",
        what=f"Calls of every recovery class, tickets' POST and PUT, and looks meet it: {_wire.about}.",
    )(partial(_strike, _wire))


# --- longer troubles ----------------------------------------------------------------------------------------------


def _down(site: Site, seconds: float) -> None:
    """The bridges' cell refuses connections for so long; the simulator itself is asked through its second cell."""
    site.simulator.fault(do="refuse", cell="cell-1", **{"for": seconds})


def _wait_up(site: Site, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not all(cell["listening"] for cell in site.simulator.admin("GET", "cells")):
        assert time.monotonic() < deadline, "the cell does not come back"
        time.sleep(0.02)  # the simulator is polled: there is nothing to be woken by


def _through_second_cell(site: Site) -> None:
    """The bridges know the first alone, by its address."""
    simulator = site.simulator
    site.settings.setdefault("vcd", {})["url"] = simulator.url
    simulator.url = simulator.urls[1]


@fault("vcd_restart", "vcd")
def vcd_restart(stage: Stage) -> None:
    """Cloud Director restarts: it refuses connections for 3 s, and has lost all sessions."""
    with stage.site(processes=0, load=False, external=True, simulator={"cells": 2}) as site:
        assert isinstance(site, ExternalSite)
        _through_second_cell(site)
        for bridge in [site.start(), site.start()]:
            bridge.wait_ready()
        load = MixedLoad(site, 3)
        for sent in (60, 160):
            load.wait_sent(sent)
            with stage.injecting():
                _down(site, 3)
                site.simulator.expire_sessions()
                _wait_up(site, 10)
        load.wait_sent(250)
        site.wait_ended(load.finish(), 90)
        site.wait_outcomes(*load.ended, seconds=90)


OUTAGE_SECONDS = 40
"""Stands for an hour: waits and pauses of the retries are shorter than their defaults by about as much."""
COMPRESSED: dict[str, Any] = {
    "retry": {"base_delay_seconds": 0.1, "max_delay_seconds": 0.7, "longest_wait_seconds": 80},
    "vcd": {"max_calls_per_second": 1000},
    "intake": {"max_open_per_partition": 100},
}
OVERFLOW = 2500
"""Requests of the outage: more than a partition holds open and in memory."""


@fault("vcd_long_outage", "vcd", minutes=2, at_most_stall=OUTAGE_SECONDS + AT_MOST_SECONDS)
def vcd_long_outage(stage: Stage) -> None:
    """An hour without Cloud Director, compressed to 40 s: intake pauses, no attempt is burned, it resumes by itself."""
    management = f"127.0.0.1:{free_ports(1)[0]}"
    settings = {**COMPRESSED, "management": {"listen": management}}
    with stage.site(processes=0, partitions=1, load=False, simulator={"cells": 2}, **settings) as site:
        _through_second_cell(site)
        site.start().wait_ready()
        _send_crowd(site, 0, 100)
        site.wait_events(lambda events: len(events) >= 50)
        with stage.injecting():
            _down(site, OUTAGE_SECONDS)
            _send_crowd(site, 100, OVERFLOW)
            wait_metric(management, "vcdbridge_paused_partitions", 1)
            _wait_up(site, OUTAGE_SECONDS + 10)
        events = site.wait_ended([f"r{number}" for number in range(100 + OVERFLOW)], 120)
        stage.figure("paused at the end", metric(management, "vcdbridge_paused_partitions"), "partitions", at_most=0)
        given_up = [event["request_id"] for event in events if event["outcome"] in {"rejected", "expired"}]
        if given_up:
            stage.fail(f"given up: {given_up[:5]}")
    began, healed = stage.injections[-1]
    tried = [write for write in _intents(stage) if began + 1 < write.at < healed - 1]
    # Those that were out when it struck, and what the breaker needs to open: not one for each that is open.
    stage.figure(
        "intents during the outage", len(tried), "intents", at_most=COMPRESSED["intake"]["max_open_per_partition"]
    )


MOST_CALLS = 8
AT_ITS_BEST, OVERLOADED = 0.1, 1.0
"""How long Cloud Director takes over a call, in seconds."""


@fault("vcd_slows_down", "vcd", minutes=1)
def vcd_slows_down(stage: Stage) -> None:
    """Cloud Director takes ten times as long over every call, and is well again: fewer calls are out at once while it
    does, and as many as before after it."""
    management = f"127.0.0.1:{free_ports(1)[0]}"
    settings: dict[str, Any] = {
        "vcd": {"max_calls_per_second": 1000, "max_concurrent_calls": MOST_CALLS},
        "management": {"listen": management},
    }
    with stage.site(processes=1, partitions=1, load=False, **settings) as site:
        _takes(site, AT_ITS_BEST)
        _crowd_is_worked_off(site, 0, 100)
        assert metric(management, CALL_LIMIT) == MOST_CALLS
        with stage.injecting():
            _takes(site, OVERLOADED)
            _send_crowd(site, 100, 400)
            wait_metric(management, CALL_LIMIT, MOST_CALLS // 2, falls=True)
            stage.note(f"{MOST_CALLS} calls at once became {metric(management, CALL_LIMIT):.0f}")
            _takes(site, AT_ITS_BEST)
        wait_metric(management, CALL_LIMIT, MOST_CALLS)
        stage.note(f"and {MOST_CALLS} again")
        site.wait_ended([f"r{number}" for number in range(100, 500)])


CALL_LIMIT = "vcdbridge_call_limit"


def _takes(site: Site, seconds: float) -> None:
    site.simulator.clear_faults()
    site.simulator.fault(do="delay", effect=True, seconds=seconds, method="POST", path="/action/", times=None)


def _crowd_is_worked_off(site: Site, first: int, count: int) -> None:
    _send_crowd(site, first, count)
    site.wait_ended([f"r{number}" for number in range(first, first + count)])


def _intents(stage: Stage) -> Iterator[StateWrite]:
    assert stage.evidence is not None
    writes = (write for write in stage.evidence.writes if isinstance(write, StateWrite) and write.phase == "intent")
    seen: set[tuple[str, int]] = set()
    for write in writes:
        if (write.birth, write.attempt) not in seen:
            seen.add((write.birth, write.attempt))
            yield write


def _send_crowd(site: Site, first: int, count: int) -> None:
    """Each for an entity of its own."""
    names = [f"vapp-00000000-0000-4000-8000-{number:012d}" for number in range(first, first + count)]
    site.send(
        *(
            {"request_id": f"r{first + n}", "operation": "deployVApp", "parameters": {"id": name}}
            for n, name in enumerate(names)
        )
    )


def _on_cells(stage: Stage, trouble: dict[str, Any]) -> None:
    """Two processes on the second and third of three cells; the first is the test's own."""
    with stage.site(processes=0, simulator={"cells": 3}, load=False, external=True) as site:
        _, first, second = site.simulator.urls
        quick = {"url": first, "further_urls": [second], "answer_timeout_seconds": 1}
        for bridge in [site.start(vcd=quick), site.start(vcd=quick)]:
            bridge.wait_ready()
        load = Load(site, 7)
        load.wait_sent(60)
        with stage.injecting():
            site.simulator.fault(**trouble, cell="cell-2")
        load.wait_sent(180)
        site.simulator.clear_faults()
        site.wait_ended(load.finish(), 90)


@fault("vcd_cell_down", "vcd")
def vcd_cell_down(stage: Stage) -> None:
    """One of two cells refuses connections and does not come back: the other has all the work."""
    _on_cells(stage, {"do": "refuse"})


@fault("vcd_cell_hangs", "vcd")
def vcd_cell_hangs(stage: Stage) -> None:
    """One of two cells takes every call, carries it out, and never answers: the other has all the work."""
    _on_cells(stage, {"do": "hang", "effect": True, "times": None})


@fault("vcd_cell_starting", "vcd")
def vcd_cell_starting(stage: Stage) -> None:
    """One of two cells answers 503 SERVICE_NOT_READY to everything."""
    _on_cells(stage, {"preset": "starting", "times": None})


def _under_storm(stage: Stage, faults: list[dict[str, Any]]) -> None:
    with stage.site(external=True) as site:
        stage.wait_more(40)
        with stage.injecting():
            for one in faults:
                site.simulator.fault(**one, times=None)
            stage.wait_more(150)
            site.simulator.clear_faults()
        stage.wait_more(40)
        met = sum(entry["fault"] is not None for entry in site.simulator.ledger())
        stage.note(f"{met} answers were so")


@fault("vcd_429_storm", "vcd")
def vcd_429_storm(stage: Stage) -> None:
    """Every other call, look and login is answered 429; some with Retry-After, most without."""
    _under_storm(
        stage,
        [
            {"status": 429, "body": "", "retry_after": 1, "probability": 0.02, "seed": 1},
            {"status": 429, "body": "", "probability": 0.5, "seed": 2},
        ],
    )


@fault("vcd_401_storm", "vcd")
def vcd_401_storm(stage: Stage) -> None:
    """A third of all calls and looks is answered 401 though the session is good."""
    _under_storm(stage, [{"preset": "session-expired", "path": "^/api/", "probability": 0.33, "seed": 1}])


@fault("vcd_token_expiry_storm", "vcd")
def vcd_token_expiry_storm(stage: Stage) -> None:
    """All sessions end, again and again: forty times in 12 s."""
    with stage.site(external=True) as site:
        stage.wait_more(40)
        for _ in range(40):
            with stage.injecting():
                site.simulator.expire_sessions()
            stage.wait_more(5)
        stage.wait_more(40)


@fault("vcd_everything_at_once", "vcd", minutes=1)
def vcd_everything_at_once(stage: Stage) -> None:
    """Each kind of the fault plan meets one call in a hundred, before or after its effect, while two bridges work."""
    vcd = {"answer_timeout_seconds": 1, "max_calls_per_second": 300}
    with stage.site(external=True, vcd=vcd) as site:
        stage.wait_more(40)
        with stage.injecting():
            for number, wire in enumerate(wire_faults()):
                site.simulator.fault(**{**wire.fields, "times": None, "probability": 0.01, "seed": number})
            stage.wait_more(300)
            site.simulator.clear_faults()
        stage.wait_more(40)
        met = sum(entry["fault"] is not None for entry in site.simulator.ledger())
        stage.note(f"{met} calls met one")
