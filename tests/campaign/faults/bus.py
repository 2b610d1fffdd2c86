"""Cloud Director's message bus: what it does not say is seen by looking, what it says twice is told once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from tests.campaign.fault import fault
from tests.campaign.measuring import told_after
from tests.campaign.stage import Stage
from tests.support.observation_site import EVERYTHING, ObservationSite
from tests.support.simulator import Simulator
from tests.system.load import Load

INTERVAL_SECONDS = 3.0
"""Between two looks, of those who follow and of those who observe."""
SLACK_SECONDS = 2.5
"""What a look, the reading of an end and a commit may take on a machine that is busy."""
FOLLOWED: dict[str, Any] = {"interval_seconds": INTERVAL_SECONDS}
PATIENCE_SECONDS = 40.0
TIMES = 3

Strike = Callable[[Simulator], object]


def _on_the_bus(stage: Stage, strike: Strike, heal: Strike, *, throws_out: bool) -> None:
    """Under requests whose Tasks are followed and observed too. ``throws_out``: connections end by it."""
    with stage.site(
        kind=ObservationSite, simulator={"bus": True}, load=False, following=FOLLOWED,
        observation={**FOLLOWED, "overlap_seconds": 8}, notifications={"enabled": True},
    ) as site:  # fmt: skip
        assert isinstance(site, ObservationSite)
        site.observe(EVERYTHING)
        stage.load = Load(site, 0)
        stage.wait_more(40)
        for _ in range(TIMES):
            with stage.injecting():
                strike(site.simulator)
                stage.wait_more(60)
                heal(site.simulator)
            stage.wait_more(20)
        site.wait_ended(stage.load.finish(), 2 * PATIENCE_SECONDS)
        left = site.ends_left(site.tasks(), PATIENCE_SECONDS)
        if left:
            stage.fail(f"ends of {len(left)} Tasks are not told: {left[0]}")
        lost = sum(bridge.log.read_text().count('"event": "bus.lost"') for bridge in site.processes)
        if throws_out and lost < TIMES * len(site.processes):
            stage.fail("not every process was thrown out each time")
        took = told_after(site)
        stage.note(f"{site.simulator.admin('GET', 'bus')['published']} messages, {lost} connections lost")
        stage.figure("an end is told after", median(took))
        stage.figure("at the latest", took[-1], at_most=INTERVAL_SECONDS + SLACK_SECONDS)


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
