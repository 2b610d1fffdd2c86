"""What ended before an observation began is told a piece at a time, and keeps nothing else waiting."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import pytest

from tests.engine.harness import virtually
from tests.engine.observing import OBSERVED, ORDERS, ObservingSite, is_order, since, started
from tests.engine.scripted_vcd import urn
from tests.simulation.loop import EPOCH

PIECE = 200
LONG_AGO = 900
"""Tasks that ended over an hour, from an hour ago on."""


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.engine.observation.listing.PIECE", PIECE)


def fill(site: ObservingSite) -> Counter[str]:
    """Three at a time, and the last hundred in one millisecond."""
    for number in range(LONG_AGO):
        site.vcd.past(number, 400 + 10 * min(number // 3, LONG_AGO // 3 - 30))
    return Counter({urn(number): 1 for number in range(LONG_AGO)})


@pytest.mark.usefixtures("small_pieces")
def test_what_ended_long_ago_is_told_a_piece_at_a_time() -> None:
    @virtually
    async def check() -> None:
        site = ObservingSite()
        await asyncio.sleep(4000)
        expected = fill(site)
        site.vcd.past(6000, 399.0)
        site.vcd.begin(7000)
        await site.start()
        site.observe(1, since=since(400))
        positions = set[datetime | None]()

        def note() -> None:
            positions.update(one.observation.position for one in site.lifecycles(ORDERS) if is_order(one.observation))

        site.after_commit = note
        await site.until(lambda: len(site.committed(OBSERVED)) > LONG_AGO)
        await site.looks(2)
        assert site.ends() == expected, "what ended from then on, each once"
        on_the_way = [one for one in positions if one is not None and one < EPOCH + timedelta(seconds=3900)]
        assert len(on_the_way) >= 1 + LONG_AGO // (PIECE + 128), "each is committed before the next is read"
        assert site.story_of(7000) == ["accepted running"]
        assert not site.sighted()[1:], "what lies behind is forgotten"

    check()


@pytest.mark.usefixtures("small_pieces")
def test_what_ends_now_does_not_wait_for_what_ended_long_ago() -> None:
    @virtually
    async def check() -> None:
        site = ObservingSite()
        await asyncio.sleep(4000)
        fill(site)
        await started(site, 2)
        site.vcd.hanging = dict.fromkeys(site.vcd.work, 3600.0)
        site.observe(1, since=since(400))
        await site.until(lambda: len(site.vcd.queries) > 3)
        site.vcd.begin(7000, in_organization=2)
        site.vcd.end(7000)
        await site.looks(2)
        assert site.ends() == {urn(7000): 1}
        site.vcd.hanging.clear()
        await site.until(lambda: site.ends().total() == LONG_AGO + 1)

    check()


@pytest.mark.usefixtures("small_pieces")
def test_catching_up_goes_on_where_it_was_after_a_crash() -> None:
    @virtually
    async def check() -> None:
        site = ObservingSite()
        await asyncio.sleep(4000)
        expected = fill(site)
        await site.start()
        site.observe(1, since=since(400))
        for told in (100, 450, 700):
            await site.until(lambda told=told: len(site.committed(OBSERVED)) >= told)  # type: ignore[misc]
            await site.next_owner(after=12.0)
        await site.until(lambda: len(site.committed(OBSERVED)) >= LONG_AGO)
        await site.looks(2)
        assert site.ends() == expected
        assert site.vcd.reads.total() < LONG_AGO + 3 * (PIECE + 128), "what was committed is not read again"
        site.check_stories()

    check()
