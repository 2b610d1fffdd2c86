"""A host whose wall clock was ahead has died, or its clock is set right: nothing waits longer than it would have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from bridge.core.answers import CallAnswer, HttpCall, Limited
from tests.engine.external import ExternalSite
from tests.engine.external_vcd import NAMESPACE
from tests.engine.harness import virtually
from tests.simulation.loop import VirtualClock

AHEAD = timedelta(minutes=10)
INTERVAL = 15.0


@asynccontextmanager
async def _host_ahead(site: ExternalSite) -> AsyncIterator[None]:
    """What is done inside is done by a host with another clock, the rest by its successor."""
    site.host_ahead = AHEAD
    await site.start()
    yield
    site.host_ahead, site.vcd.clock_ahead = timedelta(), timedelta()
    await site.next_owner()


@virtually
async def test_updates_keep_their_pace() -> None:
    site = ExternalSite()
    async with _host_ahead(site):
        site.create()
        await asyncio.sleep(5)
    site.update(details="b")
    await asyncio.sleep(3)
    assert site.vcd.shown()["details"] == "b"


@virtually
async def test_an_update_that_vcd_put_off_is_sent_when_its_pause_is_over() -> None:
    site = ExternalSite()

    def limited(call: HttpCall) -> CallAnswer:
        slow = Limited(code="HTTP_429", message="slow", http_status=429, retry_after=timedelta(seconds=60))
        return slow if call.method == "PUT" else site.vcd.keeping(call)

    site.vcd.on_call = limited
    async with _host_ahead(site):
        site.create()
        await asyncio.sleep(5)
        site.update(details="b")
        await asyncio.sleep(2)
    site.vcd.on_call = site.vcd.keeping
    await asyncio.sleep(30)
    assert site.vcd.bodies("PUT") == [site.vcd.bodies("PUT")[0]], "a pause that VCD asked for is kept"
    await asyncio.sleep(40)
    assert site.vcd.shown()["details"] == "b"


@virtually
async def test_a_silence_lasts_as_long_as_it_is_allowed_to() -> None:
    site = ExternalSite()
    site.rules(namespaces={NAMESPACE: timedelta(seconds=100)})
    async with _host_ahead(site):
        site.create()
        await asyncio.sleep(5)
    await asyncio.sleep(90)
    assert site.told() == ["accepted running"]
    await asyncio.sleep(20)
    assert site.told()[1:] == ["finished aborted -> aborted (owner_silent)"]


@virtually
async def test_a_command_that_waits_for_its_create_is_answered_in_time() -> None:
    site = ExternalSite()
    async with _host_ahead(site):
        early = site.update(details="b")
        await asyncio.sleep(5)
    await asyncio.sleep(65)
    assert [one.partition(" (")[0] for one in site.answers(early)] == ["rejected -> rejected"]


@virtually
async def test_a_cancel_is_told_within_the_interval() -> None:
    site = ExternalSite()
    async with _host_ahead(site):
        site.create()
        await asyncio.sleep(5)
    site.vcd.person_cancels()
    await asyncio.sleep(INTERVAL + 1)
    assert site.of()[-1]["task"]["cancelRequested"] is True


def _set_back(site: ExternalSite) -> None:
    clock = site.watch._clock
    assert isinstance(clock, VirtualClock)
    clock.ahead -= AHEAD


@virtually
async def test_a_cancel_is_told_within_the_interval_though_the_clock_is_set_back() -> None:
    site = ExternalSite()
    await site.start()
    site.create()
    await asyncio.sleep(5)
    _set_back(site)
    site.vcd.person_cancels()
    await asyncio.sleep(INTERVAL + 1)
    assert site.of()[-1]["task"]["cancelRequested"] is True


@virtually
async def test_updates_keep_their_pace_though_the_clock_is_set_back() -> None:
    site = ExternalSite()
    await site.start()
    site.create()
    await asyncio.sleep(5)
    _set_back(site)
    for details in "abc":
        site.update(details=details)
        await asyncio.sleep(3)
        assert site.vcd.shown()["details"] == details
