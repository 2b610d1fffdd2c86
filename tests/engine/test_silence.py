"""A Task whose owner is not heard of is ended after one look; whoever is heard of in time is left alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.answers import Limited, Unavailable
from bridge.core.coordinates import TopicPartition
from bridge.ports import NotCommitted
from tests.engine.external import TICKETS, ExternalSite
from tests.engine.external_vcd import NAMESPACE, ExternalVcd
from tests.engine.harness import virtually
from tests.engine.scripted_vcd import NO_ANSWER

SILENCE = 100.0
OTHER = "com.example.other"
ENDED = ["accepted running", "finished aborted -> aborted (owner_silent)"]


def _site(**rules: Any) -> ExternalSite:
    site = ExternalSite()
    namespaces = {NAMESPACE: timedelta(seconds=SILENCE), OTHER: timedelta(seconds=3 * SILENCE)}
    site.rules(namespaces=namespaces, **rules)
    return site


@pytest.mark.parametrize("status", ["aborted", "error"])
@virtually
async def test_silence_ends_a_task_with_the_reason(status: str) -> None:
    site = _site(expired_status=status)
    await site.start()
    site.create(details="a")
    await asyncio.sleep(SILENCE)
    assert site.told() == ["accepted running"]
    await asyncio.sleep(10)
    assert site.told() == ["accepted running", f"finished {status} -> {status} (owner_silent)"]
    assert site.vcd.shown()["status"] == status
    assert "not been heard of" in site.vcd.shown()["details"]
    assert len(site.vcd.bodies("PUT")) == 1
    assert site.kept() == {}


@virtually
async def test_the_time_is_the_namespaces_or_the_commands_own() -> None:
    site = _site()
    await site.start()
    site.create("A")
    site.create("B", serviceNamespace=OTHER)
    site.create("C", expire_after_seconds=int(2 * SILENCE))
    site.create("D")
    site.update("D", expire_after_seconds=int(4 * SILENCE))
    ended = []
    for _ in range(5):
        await asyncio.sleep(SILENCE)
        ended.append([key for key in "ABCD" if site.told(key)[-1].startswith("finished")])
    assert ended == [[], ["A"], ["A", "C"], ["A", "B", "C"], ["A", "B", "C", "D"]]


@virtually
async def test_every_command_counts_also_one_that_changes_nothing() -> None:
    site = _site()
    await site.start()
    site.create()
    for _ in range(10):
        await asyncio.sleep(0.8 * SILENCE)
        site.update()
    assert site.told() == ["accepted running"]
    assert site.vcd.bodies("PUT") == []
    await asyncio.sleep(SILENCE + 10)
    assert site.told() == ENDED


@virtually
async def test_one_look_sees_what_somebody_else_did_meanwhile() -> None:
    site = _site()
    await site.start()
    site.create()
    await asyncio.sleep(SILENCE - 2)
    site.vcd.ends(1, "success")
    await asyncio.sleep(20)
    assert site.told() == ["accepted running", "finished success -> success (ended_in_vcd)"]
    assert site.vcd.bodies("PUT") == []


@virtually
async def test_an_update_in_the_backlog_prevents_it() -> None:
    """The bridge was away for longer than the silence lasts: what came meanwhile is read before anybody is judged."""
    site = _site()
    await site.start()
    site.create("HEARD")
    site.create("SILENT")
    await asyncio.sleep(10)
    site.crash()
    await asyncio.sleep(3 * SILENCE)
    for number in range(300):
        site.update("OTHER", details=str(number))
    site.update("HEARD", details="alive")
    await site.start()
    await asyncio.sleep(60)
    assert site.vcd.shown(1)["status"] == "running"
    assert site.vcd.shown(1)["details"] == "alive"
    assert site.told("SILENT") == ENDED


@virtually
async def test_it_is_not_judged_before_the_backlog_is_admitted() -> None:
    site = _site()
    await site.start()
    site.create()
    await asyncio.sleep(10)
    site.crash()
    await asyncio.sleep(2 * SILENCE)
    partition = TopicPartition(TICKETS, 0)
    site.update(details="alive")
    site.outcomes.extend([lambda entries: NotCommitted(stalled=frozenset({partition}))] * 4)
    await site.start()
    await asyncio.sleep(20)
    assert site.tickets().admitting
    assert site.vcd.bodies("PUT") == []
    await asyncio.sleep(60)
    assert [body["status"] for body in site.vcd.bodies("PUT")] == ["running"]


@virtually
async def test_vcd_away_at_the_time_is_looked_at_later(monkeypatch: pytest.MonkeyPatch) -> None:
    site = _site()
    await site.start()
    site.create("GONE")
    site.create("BACK")
    await asyncio.sleep(10)
    original = ExternalVcd.read_task

    async def away(vcd: ExternalVcd, task_id: str, href: str | None) -> Unavailable:
        return Unavailable("away")

    monkeypatch.setattr(ExternalVcd, "read_task", away)
    await asyncio.sleep(5 * SILENCE)
    site.update("BACK")
    await asyncio.sleep(5)
    assert site.vcd.calls[2:] == []
    monkeypatch.setattr(ExternalVcd, "read_task", original)
    await asyncio.sleep(30)
    assert site.told("GONE") == ENDED
    assert site.told("BACK") == ["accepted running"]


@virtually
async def test_an_ending_that_is_not_answered_is_looked_into_and_sent_again() -> None:
    site = _site()
    await site.start()
    site.create()
    await asyncio.sleep(SILENCE - 10)
    site.vcd.on_call = lambda call: NO_ANSWER
    await asyncio.sleep(60)
    assert site.vcd.shown()["status"] == "running"
    assert site.told() == ENDED[:1]
    site.vcd.on_call = site.vcd.keeping
    await asyncio.sleep(60)
    assert site.told() == ENDED


@virtually
async def test_silence_that_passes_while_an_update_waits_is_seen_before_it_is_sent() -> None:
    site = _site()
    await site.start()
    site.create()
    await asyncio.sleep(5)
    later = timedelta(seconds=2 * SILENCE)
    site.vcd.on_call = lambda call: Limited(code="HTTP_429", message="slow", http_status=429, retry_after=later)
    site.update(details="b")
    await asyncio.sleep(5)
    site.vcd.on_call = site.vcd.keeping
    await asyncio.sleep(3 * SILENCE)
    assert [body["status"] for body in site.vcd.bodies("PUT")] == ["running", "aborted"]
    assert site.told()[-1] == ENDED[-1]


@virtually
async def test_silence_ends_the_story_of_a_task_that_vcd_shows_no_more() -> None:
    site = _site()
    await site.start()
    site.create()
    await asyncio.sleep(5)
    site.vcd.loses(1)
    await asyncio.sleep(SILENCE / 2)
    assert site.told() == ["accepted running", "parked (task_vanished)"]
    await asyncio.sleep(SILENCE)
    assert site.told()[2:] == ["finished -> aborted (owner_silent)"]
    assert site.kept() == {}


@virtually
async def test_after_a_crash_none_runs_for_ever() -> None:
    site = _site()
    await site.start()
    site.create()
    await asyncio.sleep(SILENCE - 5)
    await site.next_owner()
    await asyncio.sleep(30)
    assert site.told() == ENDED


@virtually
async def test_silence_ends_a_task_whose_document_is_lost() -> None:
    site = _site()
    await site.start()
    site.create()
    await asyncio.sleep(5)
    site.damage("0|request", topic=TICKETS)
    await site.next_owner()
    await asyncio.sleep(2 * SILENCE)
    assert site.told()[-1] == ENDED[-1]
