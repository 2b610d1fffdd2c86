"""How many external tasks are taken, and how large: what is refused keeps no end from being read."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from bridge.core.answers import Unavailable
from bridge.engine.journal.gathering import RoundLimits
from tests.engine.external import TICKETS, ExternalSite, mark, running
from tests.engine.harness import NAMES, virtually


def _capped(**limits: Any) -> ExternalSite:
    site = ExternalSite()
    site.policies = replace(site.policies, rounds=RoundLimits(**limits))
    return site


@virtually
async def test_while_too_much_is_on_its_way_creates_are_refused_and_what_is_behind_them_is_read() -> None:
    site = _capped(max_open=3)
    await running(site)
    site.vcd.on_reference = lambda kind, text: Unavailable("away")
    for number in range(3):
        site.create(f"WAITS{number}")
    await asyncio.sleep(5)
    site.update(details="taken")
    early = site.update("NOBODY")
    left = site.create("LEFT")
    await asyncio.sleep(5)
    assert site.answers(early) == ["rejected -> rejected (unknown_external_key)"], "there is no room to wait"
    assert site.vcd.shown()["details"] == "taken"
    assert site.answers(left) == ["rejected -> rejected (too_many_tasks)"]
    site.finish()
    await asyncio.sleep(5)
    assert site.told()[-1] == "finished success -> success"
    site.vcd.on_reference = None
    await asyncio.sleep(60)
    left = site.create("LEFT")
    await asyncio.sleep(5)
    assert site.answers(left) == ["rejected -> rejected (too_many_tasks)"], "three are shown"
    site.finish("WAITS0")
    await asyncio.sleep(5)
    left = site.create("LEFT")
    await asyncio.sleep(5)
    assert site.answers(left) == ["accepted running"]


@virtually
async def test_a_create_takes_the_place_of_the_commands_that_wait_for_it() -> None:
    """Else they would keep out the very record that ends their wait."""
    site = _capped(max_open=3)
    await site.start()
    for number in range(3):
        site.update("CHG1", progress=number)
    await asyncio.sleep(5)
    refused, taken = site.create("CHG2"), site.create("CHG1")
    await asyncio.sleep(5)
    assert site.answers(refused) == ["rejected -> rejected (too_many_tasks)"]
    assert site.answers(taken) == ["accepted running"]
    assert site.vcd.shown()["progress"] == 2


@virtually
async def test_a_document_that_is_written_anew_is_not_counted_twice() -> None:
    """Updates of what is shown and creates in one round: of the updates only what they add is new."""
    site = _capped(max_waiting_bytes=10_000)
    await site.start()
    for key in ("CHG1", "CHG2"):
        site.create(key, details="x" * 4000)
    await asyncio.sleep(5)
    for key in ("CHG1", "CHG2"):
        site.update(key, details="y" * 4000)
    taken = [site.create(key, details="z" * 2500) for key in ("CHG3", "CHG4")]
    await asyncio.sleep(5)
    assert [site.answers(birth) for birth in taken] == [["accepted running"]] * 2


@virtually
async def test_documents_that_have_grown_to_the_cap_grow_no_further_and_can_be_ended() -> None:
    site = _capped(max_waiting_bytes=20_000)
    keys = [f"CHG{number}" for number in range(8)]
    await running(site, *keys)
    grown = [site.update(key, details="x" * 6000) for key in keys]
    await asyncio.sleep(5)
    refused = [birth for birth in grown if site.answers(birth)]
    assert [site.answers(birth) for birth in refused] == [["rejected -> rejected (too_much_stored)"]] * len(refused)
    assert 0 < len(refused) < len(keys)
    assert site.tickets().stored_bytes <= 20_000
    told = [event["reason"]["message"] for event in site.events() if event["birth"] == str(refused[0])]
    assert "intake.max_waiting_bytes_per_partition" in told[0]
    shorter, alive = site.update(keys[0], details="done soon"), site.update(keys[-1])
    ended = [site.finish(key, details="y" * 7000) for key in keys[1:]]
    await asyncio.sleep(10)
    for birth in (shorter, alive, *ended):
        assert site.answers(birth) == []
    [first] = [document for document in site.vcd.documents.values() if mark(keys[0]) in document["operation"]]
    assert first["details"] == "done soon"
    assert {site.told(key)[-1] for key in keys[1:]} == {"finished success -> success"}
    again = site.update(keys[0], details="x" * 6000)
    await asyncio.sleep(5)
    assert site.answers(again) == [], "the ends have made room"


@virtually
async def test_so_many_shown_tasks_that_no_more_are_taken_never_keep_their_ends_from_being_read() -> None:
    """Shown Tasks wait for commands that come in behind the creates: a create that waited for them would never go."""
    site = _capped(max_open=3)
    await running(site, "A", "B", "C")
    refused = site.create("D")
    site.finish("A")
    taken = site.create("E")
    await asyncio.sleep(5)
    assert site.answers(refused) == ["rejected -> rejected (too_many_tasks)"]
    assert site.told("A")[-1] == "finished success -> success"
    assert site.answers(taken) in (["accepted running"], ["rejected -> rejected (too_many_tasks)"])
    again = site.create("D")
    await asyncio.sleep(5)
    assert site.answers(again)[0].startswith("accepted" if not site.phase("E") else "rejected")


@virtually
async def test_a_document_that_the_store_cannot_take_is_refused_and_the_task_stays_as_it_is() -> None:
    site = ExternalSite(sizes={NAMES.changelog(TICKETS): 6000})
    await site.start()
    too_large = site.create("BIG", details="x" * 6000)
    early = site.update("EARLY", details="x" * 6000)
    site.create(details="a")
    await asyncio.sleep(5)
    grown = site.update(details="x" * 5800)
    site.update(progress=10)
    await asyncio.sleep(5)
    for birth in (too_large, early, grown):
        assert site.answers(birth) == ["rejected -> rejected (request_too_large)"]
    assert (site.vcd.shown()["details"], site.vcd.shown()["progress"]) == ("a", 10)
