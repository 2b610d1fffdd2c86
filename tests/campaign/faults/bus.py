"""Cloud Director's message bus: what it does not say is seen by looking, what it says twice is told once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

from tests.campaign.fault import fault
from tests.campaign.measuring import told_after
from tests.campaign.stage import Stage
from tests.support.bridge import BridgeProcess
from tests.support.observation_site import EVERYTHING, ObservationSite
from tests.support.simulator import Simulator
from tests.system.load import Load

INTERVAL_SECONDS = 3.0
"""Between two looks, of those who follow and of those who observe."""
SLACK_SECONDS = 2.5
"""What a look, the reading of an end and a commit may take on a machine that is busy."""
MOVED_SECONDS = 6.0
"""What is lost three times within a short time is tried again after up to four seconds."""
FOLLOWED: dict[str, Any] = {"interval_seconds": INTERVAL_SECONDS}
PATIENCE_SECONDS = 40.0
TIMES = 3

Strike = Callable[[Simulator], object]


@contextmanager
def _listening(stage: Stage, cells: int = 1) -> Iterator[ObservationSite]:
    """Requests whose Tasks are followed, and observed too. ``cells``: of VCD; of several the first is the test's."""
    with stage.site(
        kind=ObservationSite, processes=0, simulator={"bus": True, "cells": cells}, load=False, following=FOLLOWED,
        observation={**FOLLOWED, "overlap_seconds": 8}, notifications={"enabled": True},
    ) as site:  # fmt: skip
        assert isinstance(site, ObservationSite)
        url, *further = site.simulator.urls[1:] or site.simulator.urls
        site.settings["vcd"] = {"url": url, "further_urls": further}
        for bridge in [site.start(), site.start()]:
            bridge.wait_ready()
        site.observe(EVERYTHING)
        stage.load = Load(site, 0)
        stage.wait_more(40)
        yield site
        site.wait_ended(stage.load.finish(), 2 * PATIENCE_SECONDS)
        left = site.ends_left(site.tasks(), PATIENCE_SECONDS)
        if left:
            stage.fail(f"ends of {len(left)} Tasks are not told: {left[0]}")
        took = told_after(site)
        lost = sum(len(_logged(bridge, "bus.lost")) for bridge in site.processes)
        stage.note(f"{site.simulator.admin('GET', 'bus')['published']} messages, {lost} connections lost")
        stage.figure("an end is told after", median(took))
        stage.figure("at the latest", took[-1], at_most=INTERVAL_SECONDS + SLACK_SECONDS)


def _logged(bridge: BridgeProcess, event: str) -> list[dict[str, Any]]:
    whole = (line for line in bridge.log.read_text().splitlines(keepends=True) if line.endswith("\n"))
    return [told for line in whole if (told := json.loads(line))["event"] == event]


def _on_the_bus(stage: Stage, strike: Strike, heal: Strike, *, throws_out: bool) -> None:
    """``throws_out``: connections end by it."""
    with _listening(stage) as site:
        for number in range(TIMES):
            _wait_connected(site, 1 + number if throws_out else 1)
            with stage.injecting():
                strike(site.simulator)
                stage.wait_more(60)
                heal(site.simulator)
            stage.wait_more(20)
        _wait_connected(site, 1 + TIMES if throws_out else 1)


def _settings(**changes: Any) -> Strike:
    return lambda simulator: simulator.settings(**changes)


def _nothing(_: Simulator) -> None:
    """It is over by itself."""


def _rubbish_and_gone(simulator: Simulator) -> None:
    for payload in ("", "{", '{"type": "NEW"}', '{"type": "EVENT", "payload": "[]"}'):
        simulator.admin("POST", "bus/messages", {"topic": "publish/any/body", "payload": payload})
    simulator.admin("DELETE", "bus/connections")


for _name, _strike, _heal, _throws_out, _what in (
    ("silent", _settings(bus_silent=True), _settings(bus_silent=False), False, "says nothing for some seconds"),
    ("loses", _settings(bus_loss=0.7), _settings(bus_loss=0), False, "loses seven of ten messages for some seconds"),
    (
        "doubles", _settings(bus_duplicates=1, bus_delay_seconds=2),
        _settings(bus_duplicates=0, bus_delay_seconds=0), False,
        "says everything twice, late and out of order for some seconds",
    ),
    ("expires", lambda simulator: simulator.expire_sessions(), _nothing, True, "throws out whose token has expired"),
    ("restarts", _rubbish_and_gone, _nothing, True, "says what nobody knows and ends all connections"),
):  # fmt: skip
    fault(
        f"bus_{_name}", "vcd",
        what=f"VCD's message bus {_what}, three times, under requests whose Tasks are followed and observed.",
    )(partial(_on_the_bus, strike=_strike, heal=_heal, throws_out=_throws_out))  # fmt: skip


@fault("bus_cell_down", "vcd")
def bus_cell_down(stage: Stage) -> None:
    """One of VCD's two cells goes down, with all connections to it, then the other when the first is back, and the
    first again, under requests whose Tasks are followed and observed: everybody listens at the one that is there."""
    longest = 0.0
    with _listening(stage, cells=3) as site:
        _, first, second = site.simulator.urls
        for cell, other in (("cell-2", second), ("cell-3", first), ("cell-2", second)):
            with stage.injecting():
                site.simulator.fault(do="refuse", cell=cell)
                longest = max(longest, _wait_all_at(site, other))
                stage.wait_more(60)
                site.simulator.clear_faults()
            stage.wait_more(20)
    stage.figure("everybody is at the other cell after", longest, at_most=MOVED_SECONDS)


def _wait_connected(site: ObservationSite, times: int) -> None:
    """Until each process has connected so often. It was thrown out before each time but the first, or has noticed by
    itself that its token is another."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(len(_logged(bridge, "bus.connected")) < times for bridge in site.processes):
        assert time.monotonic() < deadline, f"not every process has connected {times} times"
        time.sleep(0.02)  # files are polled: there is nothing to be woken by


def _wait_all_at(site: ObservationSite, url: str) -> float:
    """Until each process is connected there; how long that took, in seconds."""
    began = time.monotonic()
    while not all(_logged(bridge, "bus.connected")[-1]["url"] == url for bridge in site.processes):
        took = time.monotonic() - began
        assert took < PATIENCE_SECONDS, f"not everybody listens at {url}"
        time.sleep(0.02)  # files are polled: there is nothing to be woken by
    return time.monotonic() - began
