"""Commands that VCD has not shown yet: each is shown, or told and can be sent again, also by the next owner."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bridge.core.answers import Limited, Refused
from tests.engine.external import ExternalSite
from tests.engine.harness import virtually

LATER = Limited(code="HTTP_429", message="slow", http_status=429, retry_after=timedelta(seconds=60))
TOO_LONG = Refused(code="BAD_REQUEST", message="too long", http_status=400)
REJECTED = ["rejected -> rejected (BAD_REQUEST)"]


async def _held_up() -> ExternalSite:
    """A running Task whose updates VCD does not take for now."""
    site = ExternalSite()
    await site.start()
    site.create()
    await asyncio.sleep(5)
    site.vcd.on_call = lambda call: LATER
    return site


@pytest.mark.parametrize("restarted", [False, True])
@virtually
async def test_each_of_fifty_is_told_and_can_be_sent_again(restarted: bool) -> None:
    site = await _held_up()
    births = [site.update(details=f"d{number}", revision=number) for number in range(1, 51)]
    await asyncio.sleep(5)
    site.vcd.on_call = lambda call: TOO_LONG
    if restarted:
        await site.next_owner()
    await asyncio.sleep(200)
    assert [site.answers(birth) for birth in births] == [REJECTED] * 50
    site.vcd.on_call = site.vcd.keeping
    again = site.update(details="d50", revision=50)
    await asyncio.sleep(60)
    assert (site.answers(again), site.vcd.shown()["details"]) == ([], "d50")


@virtually
async def test_of_two_that_ask_for_the_same_both_are_told_and_each_can_be_sent_again() -> None:
    site = await _held_up()
    births = [site.update(details="B", command_id=name) for name in ("a", "b")]
    await asyncio.sleep(5)
    site.vcd.on_call = lambda call: TOO_LONG
    await asyncio.sleep(200)
    assert [site.answers(birth) for birth in births] == [REJECTED] * 2
    site.vcd.on_call = site.vcd.keeping
    site.update(details="B", command_id="b")
    await asyncio.sleep(60)
    assert site.vcd.shown()["details"] == "B"


@virtually
async def test_of_more_than_a_thousand_the_rest_is_refused_at_once_and_the_finish_is_taken() -> None:
    site = await _held_up()
    births = [site.update(details=f"d{number}") for number in range(1005)]
    await asyncio.sleep(20)
    answers = [site.answers(birth) for birth in births]
    assert answers == [[]] * 1000 + [["rejected -> rejected (too_many_unshown)"]] * 5
    assert max(len(record.value or b"") for record in site.kept().values()) < 20_000
    site.finish()
    site.vcd.on_call = site.vcd.keeping
    await asyncio.sleep(100)
    assert (site.vcd.shown()["details"], site.vcd.shown()["status"]) == ("d999", "success")
