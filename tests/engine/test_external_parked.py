"""A parked task whose POST may have been carried out: no Task of it runs for ever that nobody looks for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bridge.core.answers import CallAnswer, HttpCall, ReadRefused, TaskPage, TaskQuery
from bridge.core.external_rules import OrphanPolicy
from tests.engine.external import ANSWER_SECONDS, ExternalSite
from tests.engine.external_vcd import NAMESPACE
from tests.engine.harness import virtually
from tests.engine.scripted_vcd import NO_ANSWER

SILENCE = 100.0
LOOKED = 2 * ANSWER_SECONDS


class _Queries:
    """Queries that VCD refuses until they are ``allowed``; ``count`` of all of them."""

    def __init__(self, site: ExternalSite) -> None:
        self._site = site
        self.allowed = False
        self.count = 0
        site.vcd.query = self.answer

    def answer(self, query: TaskQuery) -> TaskPage | ReadRefused:
        self.count += 1
        return self._site.vcd.rows(query) if self.allowed else ReadRefused(400, "bad filter")


async def _parked(*, acted: bool, finished: bool = False) -> tuple[ExternalSite, _Queries]:
    site = ExternalSite()
    site.rules(namespaces={NAMESPACE: timedelta(seconds=SILENCE)}, orphans=OrphanPolicy.END)
    queries = _Queries(site)

    def lost(call: HttpCall) -> CallAnswer:
        if acted:
            site.vcd.keeping(call)
        site.vcd.on_call = site.vcd.keeping
        return NO_ANSWER

    site.vcd.on_call = lost
    await site.start()
    site.create()
    await asyncio.sleep(2)
    if finished:
        site.finish(details="done")
    await asyncio.sleep(LOOKED)
    assert site.told() == ["parked (outcome_unknown)"]
    return site, queries


@virtually
async def test_a_silent_owners_task_is_found_and_ended() -> None:
    site, queries = await _parked(acted=True)
    queries.allowed = True
    await asyncio.sleep(SILENCE + LOOKED)
    assert site.told()[1:] == ["accepted running", "finished aborted -> aborted (owner_silent)"]
    assert site.vcd.shown()["status"] == "aborted"
    assert site.kept() == {}


@pytest.mark.parametrize("finished", [False, True])
@virtually
async def test_the_next_owner_finds_it_and_it_goes_on(finished: bool) -> None:
    site, queries = await _parked(acted=True, finished=finished)
    queries.allowed = True
    await site.next_owner()
    await asyncio.sleep(LOOKED)
    if not finished:
        assert site.told()[1:] == ["accepted running"]
        site.finish(details="done")
        await asyncio.sleep(5)
    assert site.told()[1:] == ["accepted running", "finished success -> success"]
    assert (site.vcd.shown()["details"], len(site.vcd.bodies("POST"))) == ("done", 1)


@virtually
async def test_a_finish_that_meets_a_parked_create_is_shown_when_its_task_is_found() -> None:
    """Its owner has said its last word: that it is silent from then on is no reason not to look."""
    site, queries = await _parked(acted=True, finished=True)
    queries.allowed = True
    await asyncio.sleep(SILENCE + LOOKED)
    assert site.told()[1:] == ["accepted running", "finished success -> success"]
    assert site.vcd.shown()["details"] == "done"


@pytest.mark.parametrize("allowed", [False, True])
@virtually
async def test_what_is_not_found_stays_parked_and_is_looked_for_once_per_silence(allowed: bool) -> None:
    site, queries = await _parked(acted=False)
    queries.allowed = allowed
    before = queries.count
    await asyncio.sleep(10 * SILENCE)
    assert (site.told(), site.phase(), len(site.vcd.bodies("POST"))) == (
        ["parked (outcome_unknown)"], ["parked"], 1,
    )  # fmt: skip
    looks = queries.count - before
    await asyncio.sleep(10 * SILENCE)
    assert queries.count - before <= 2 * looks + 8
    assert looks <= 10 * 4
    queries.allowed = True
    site.update(details="go on")
    await asyncio.sleep(LOOKED)
    assert site.told()[1:] == ["accepted running"]
    assert site.vcd.shown()["details"] == "go on"
