"""How soon an external task is shown as it is wanted: a burst in few calls; an ending at once, and last."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from bridge.core.answers import CallAnswer, HttpCall, Limited, NeverSent, OutcomeUnknown
from tests.engine.external import ExternalSite, running
from tests.engine.harness import virtually
from tests.engine.scripted_vcd import NO_ANSWER

INTERVAL = 1.0


@virtually
async def test_of_a_burst_the_last_content_is_shown_with_few_calls() -> None:
    site = ExternalSite()
    await running(site)
    for number in range(100):
        site.update(details=f"step {number}")
    await asyncio.sleep(5)
    assert site.vcd.shown()["details"] == "step 99"
    # The first goes at once, all that came meanwhile with the next.
    assert 1 <= len(site.vcd.bodies("PUT")) <= 2


@pytest.mark.parametrize("interval", [0.5, 1.0, 5.0])
@virtually
async def test_there_is_never_more_than_one_update_of_a_task_in_an_interval(interval: float) -> None:
    site = ExternalSite()
    site.rules(update_interval=timedelta(seconds=interval))
    keys = [f"CHG{number}" for number in range(5)]
    await running(site, *keys)
    for step in range(200):
        for key in keys:
            site.update(key, details=str(step))
        await asyncio.sleep(0.1)
    await asyncio.sleep(2 * interval + 1)
    seconds = 200 * 0.1
    for number in range(1, 6):
        path = f"/task/{site.vcd.shown(number)['id'].rpartition(':')[2]}"
        at = [left.at for left in site.vcd.calls if left.call.path == path]
        gaps = [later - earlier for earlier, later in pairwise(at)]
        assert min(gaps) >= interval
        assert len(at) <= seconds / interval + 2
        # Nor fewer than there could be: a second's worth of round trips apart.
        assert len(at) >= seconds / (interval + 0.3) - 1
        assert site.vcd.shown(number)["details"] == "199"


@virtually
async def test_an_ending_goes_at_once_and_last() -> None:
    site = ExternalSite()
    site.rules(update_interval=timedelta(minutes=10))
    await running(site)
    site.update(details="first")
    await asyncio.sleep(INTERVAL)
    site.update(details="second")
    await asyncio.sleep(INTERVAL)
    began = site.vcd.now()
    site.finish(details="done")
    site.update(details="too late")
    await asyncio.sleep(5)
    [(at, body)] = zip(site.vcd.at("PUT"), site.vcd.bodies("PUT"), strict=True)
    assert (body["status"], body["details"]) == ("success", "done")
    assert at - began < 0.5
    assert site.told() == [
        "accepted running", "rejected -> rejected (already_finished)", "finished success -> success",
    ]  # fmt: skip
    assert site.kept() == {}


@virtually
async def test_what_comes_while_a_call_is_out_goes_with_the_next_one() -> None:
    site = ExternalSite()
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def slow(call: HttpCall) -> CallAnswer:
        if len(site.vcd.calls) == 1:
            await answer
        return site.vcd.keeping(call)

    site.vcd.on_call = slow
    await site.start()
    site.create(details="0")
    await asyncio.sleep(5)
    for number in (1, 2, 3):
        site.update(details=str(number))
    site.finish(status="error", error={"message": "no", "majorErrorCode": 500, "minorErrorCode": "X"})
    await asyncio.sleep(5)
    assert len(site.vcd.calls) == 1
    answer.set_result(None)
    await asyncio.sleep(5)
    [body] = site.vcd.bodies("PUT")
    assert (body["details"], body["status"]) == ("3", "error")
    assert site.told() == ["accepted running", "finished error -> error"]


@pytest.mark.parametrize(
    "fault",
    [
        Limited(code="HTTP_429", message="slow", http_status=429, retry_after=timedelta(seconds=30)),
        NeverSent(code="connect_failed", message="refused"),
        NO_ANSWER,
        OutcomeUnknown(code="HTTP_500", message="internal", http_status=500),
    ],
    ids=["limited", "never sent", "no answer", "500"],
)
@pytest.mark.parametrize("acted", [False, True])
@virtually
async def test_an_ending_that_meets_a_fault_is_sent_until_vcd_shows_it(fault: CallAnswer, acted: bool) -> None:
    """``acted``: VCD carried it out, whatever it said; that is seen, and nothing is sent again."""
    site = ExternalSite()
    await running(site)
    faults = [fault]

    def answer(call: HttpCall) -> CallAnswer:
        if not faults:
            return site.vcd.keeping(call)
        found = faults.pop()
        if acted and isinstance(found, OutcomeUnknown):
            site.vcd.keeping(call)
        return found

    site.vcd.on_call = answer
    site.finish(status="aborted")
    await asyncio.sleep(120)
    assert site.told()[-1] == "finished aborted -> aborted"
    assert len(site.vcd.bodies("PUT")) == (1 if acted and isinstance(fault, OutcomeUnknown) else 2)
