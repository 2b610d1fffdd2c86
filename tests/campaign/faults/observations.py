"""Observations: owners that die or leave in the midst of looks, a VCD that cannot be reached, pages full of one
moment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bridge.simulator.presets import PRESETS
from tests.campaign.fault import fault
from tests.campaign.observing import MOVING, QUICK, UNKIND, begin, end
from tests.campaign.stage import Stage
from tests.support.checker.evidence import ObservationRecord
from tests.support.observation_site import EVERYTHING, ObservationSite

STOPPED_SECONDS = 9.0
"""Past a session of 4 s, and looks of the other one besides."""
SLOW_LOOK = {"do": "delay", "seconds": 0.4, "path": "/api/query", "times": None}
SLOW_READ_OF_BLOCKED = {"do": "delay", "seconds": 0.4, "operation": "getBlockingTask", "times": None}


@fault("kill_observing", "process")
def kill_observing(stage: Stage) -> None:
    """Processes that observe two organizations and all of them are killed with -9 in the midst of slow looks, while
    people's Tasks begin and end in VCD; late rows, cells whose clocks differ, lists that move."""
    _killed_while(stage, SLOW_LOOK, UNKIND, decided_by=0, more=20)


@fault("kill_observing_blocked", "process")
def kill_observing_blocked(stage: Stage) -> None:
    """Processes that observe two organizations and all of them are killed with -9 in the midst of slow readings of
    what waits for a decision, while people's operations are held, decided, or left until their time is up."""
    _killed_while(stage, SLOW_READ_OF_BLOCKED, MOVING, decided_by=2, more=40)


def _killed_while(
    stage: Stage, slow: Mapping[str, Any], settings: Mapping[str, Any], *, decided_by: int, more: int
) -> None:
    """Three times, each when two answers were slow; ``more``: what people begin after that."""
    with stage.site(kind=ObservationSite, load=False, simulator={"settings": settings}, observation=QUICK) as site:
        assert isinstance(site, ObservationSite)
        begin(stage, site, decided_by=decided_by)
        stage.wait_more(20)
        for _ in range(3):
            looking = site.simulator.fault(**slow)
            site.simulator.wait_met(looking, 2)
            site.processes[-2].kill()
            stage.strike()
            site.simulator.clear_faults()
            site.start().wait_ready()
            stage.wait_more(more)
        end(stage, site)


@fault("stop_observing", "process")
def stop_observing(stage: Stage) -> None:
    """Each of two processes that observe two organizations and all of them is stopped (SIGSTOP) past its session and
    continued, twice, while people's operations begin, end, are held and decided."""
    with stage.site(
        kind=ObservationSite, load=False, simulator={"settings": MOVING}, observation=QUICK
    ) as site:  # fmt: skip
        assert isinstance(site, ObservationSite)
        begin(stage, site, decided_by=2)
        stage.wait_more(20)
        for zombie in 2 * site.processes[:2]:
            with stage.injecting():
                zombie.pause()
                zombie.wait_stopped()
                time.sleep(STOPPED_SECONDS)
                zombie.resume()
            stage.wait_more(40)
        end(stage, site)


@fault("kill_changing_observations", "process")
def kill_changing_observations(stage: Stage) -> None:
    """Observations are stopped, begun again from a moment ago and changed while processes are killed with -9: some of
    those records just before it, some while nobody is there; at last both processes at once."""
    with stage.site(kind=ObservationSite, load=False, simulator={"settings": MOVING}, observation=QUICK) as site:
        assert isinstance(site, ObservationSite)
        begin(stage, site, decided_by=1)
        stage.wait_more(20)
        for killed in (1, 1, 2):
            begun = _begin_again(site, "acme", {"action": "stop"})
            for bridge in site.processes[-2:][:killed]:
                bridge.kill()
            stage.strike()
            begun += _begin_again(site, "beta", None)
            site.order(EVERYTHING, {"action": "start", "blocking_tasks": killed > 1})
            begun.append(site.order(EVERYTHING, {"action": "start", "since": _ago(3600)}))
            for bridge in [site.start() for _ in range(killed)]:
                bridge.wait_ready()
            site.wait_answered(*begun)
            site.observed |= dict.fromkeys(("acme", "beta"), time.time())
            stage.wait_more(40)
        end(stage, site, same_orders=False)


def _begin_again(site: ObservationSite, organization: str, stop: Mapping[str, Any] | None) -> list[ObservationRecord]:
    site.order(organization, stop)
    return [site.order(organization, {"action": "start", "blocking_tasks": True, "since": _ago(3)})]


def _ago(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds, UTC).isoformat()


@fault("rolling_restart_observing", "process")
def rolling_restart_observing(stage: Stage) -> None:
    """Three processes that observe two organizations and all of them are restarted one after the other (SIGTERM, and
    a new one once it has gone), while people's Tasks begin and end in VCD, and some are held and decided."""
    with stage.site(
        kind=ObservationSite, processes=3, load=False, simulator={"settings": MOVING}, observation=QUICK
    ) as site:  # fmt: skip
        assert isinstance(site, ObservationSite)
        begin(stage, site, decided_by=2)
        for bridge in site.processes[:3]:
            stage.wait_more(15)
            with stage.injecting():
                assert bridge.stop() == 0
                site.start().wait_ready()
        stage.wait_more(15)
        end(stage, site)


@fault("vcd_outage_observing", "vcd")
def vcd_outage_observing(stage: Stage) -> None:
    """The bridges cannot reach VCD for longer than their windows overlap, while people's Tasks begin and end there."""
    with stage.site(
        kind=ObservationSite, load=False, simulator={"cells": 2},
        observation={"interval_seconds": 0.5, "overlap_seconds": 2},
    ) as site:  # fmt: skip
        assert isinstance(site, ObservationSite)
        elsewhere = replace(site.simulator, url=site.simulator.urls[1])
        begin(stage, site, people_at=elsewhere)
        stage.wait_more(20)
        with stage.injecting():
            elsewhere.fault(do="refuse", cell="cell-1")
            stage.wait_more(80)
            elsewhere.clear_faults()
        stage.wait_more(20)
        end(stage, site)


LOOKS = r"^/api/(query|task/|admin/extension/blockingTask/)"
"""What observers ask."""
MET = (0.3, 0.6, 1.0)
"""Of those answers, in turn."""


def _badly_answered(preset: str, stage: Stage) -> None:
    """More ends at once than fit on a page, so that looks take several; what waits for decisions is looked at too."""
    with stage.site(kind=ObservationSite, load=False, simulator={"settings": MOVING}, observation=QUICK) as site:
        assert isinstance(site, ObservationSite)
        begin(stage, site, decided_by=2)
        stage.wait_more(20)
        seeded: list[str] = []
        for number, share in enumerate(MET):
            with stage.injecting():
                seeded += _end_at_once(site)
                site.simulator.fault(
                    preset=preset, method="GET", path=LOOKS, probability=share, seed=number, times=None
                )  # fmt: skip
                stage.wait_more(40)
                site.simulator.clear_faults()
            stage.wait_more(20)
        met = sum(entry["fault"] is not None for entry in site.simulator.ledger())
        stage.note(f"{met} answers were so")
        end(stage, site, seeded)


for _preset in ("rate-limit", "rate-limit-silent", "starting", "half-answer", "login-page"):
    fault(
        f"vcd_{_preset.replace('-', '_')}_observing", "vcd", minutes=1,
        what="Looks meet it, at first three of ten, then six, then all: "
        f"{PRESETS[_preset].about}; people's Tasks begin and end in VCD, some are held and decided.",
    )(partial(_badly_answered, _preset))  # fmt: skip


@fault("tasks_of_one_millisecond", "load")
def tasks_of_one_millisecond(stage: Stage) -> None:
    """Hundreds of Tasks of two organizations begin and end in one millisecond, more than VCD shows on one page, among
    those of people; three times."""
    with stage.site(kind=ObservationSite, load=False, simulator={"settings": UNKIND}, observation=QUICK) as site:
        assert isinstance(site, ObservationSite)
        begin(stage, site)
        seeded: list[str] = []
        for _ in range(3):
            stage.wait_more(10)
            with stage.injecting():
                seeded += _end_at_once(site)
        end(stage, site, seeded)


def _end_at_once(site: ObservationSite) -> list[str]:
    """Tasks of two organizations, of one millisecond. Their URNs."""
    uuids = [
        uuid
        for organization in ("acme", "beta")
        for uuid in site.simulator.seed_external_tasks(
            organization=organization, count=200, status="success", serviceNamespace="org.example", operation="Theirs"
        )
    ]
    return [f"urn:vcloud:task:{uuid}" for uuid in uuids]
