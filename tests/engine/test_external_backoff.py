"""Updates of unknown outcome: sent again, later each time, until VCD answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from bridge.core.answers import Accepted, CallAnswer, HttpCall, OutcomeUnknown
from tests.engine.external import ANSWER_SECONDS, ExternalSite
from tests.engine.harness import virtually
from tests.engine.scripted_vcd import urn

Answer = Callable[[ExternalSite], CallAnswer]


def _failed(site: ExternalSite) -> CallAnswer:
    return OutcomeUnknown(code="HTTP_500", message="internal error", http_status=500)


def _of_another_task(site: ExternalSite) -> CallAnswer:
    return Accepted(task=site.vcd.tasks[urn(2)], http_status=200)


@pytest.mark.parametrize("verb", ["update", "finish"])
@pytest.mark.parametrize("answer", [_failed, _of_another_task])
@virtually
async def test_an_update_whose_outcome_stays_unknown_is_sent_later_each_time_and_told_once(
    answer: Answer, verb: str
) -> None:
    site = ExternalSite()
    await site.start()
    site.create()
    await asyncio.sleep(5)
    site.vcd.seed("another")
    site.vcd.on_call = lambda call: answer(site)
    site.command(verb, "CHG1", details="a")
    await asyncio.sleep(1800)
    pauses = [round(later - earlier) for earlier, later in pairwise(site.vcd.at("PUT"))]
    assert pauses == sorted(pauses)
    assert pauses[0] <= ANSWER_SECONDS + 2
    assert pauses[-1] >= 60
    assert len(pauses) <= 1800 / 60 + 6
    assert site.told()[1:] == ["waiting (update_unanswered)"]
    await site.next_owner()
    site.vcd.on_call = site.vcd.keeping
    await asyncio.sleep(120)
    assert site.vcd.shown()["details"] == "a"
    site.vcd.on_call = _once(site, answer)
    if verb == "update":
        site.update(details="b")
        await asyncio.sleep(2 * ANSWER_SECONDS)
        assert site.vcd.shown()["details"] == "b", "what was answered begins anew"


def _once(site: ExternalSite, answer: Answer) -> Callable[[HttpCall], CallAnswer]:
    def call(call: HttpCall) -> CallAnswer:
        site.vcd.on_call = site.vcd.keeping
        return answer(site)

    return call
