"""What whoever is on call finds in the log: why recovery did what it did, and what a restore found."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bridge.core.answers import CallAnswer, EntityRead, Unavailable
from bridge.core.external_rules import OrphanPolicy
from bridge.core.rules import Rules
from tests.engine.external import ExternalSite, mark
from tests.engine.harness import TOPIC, Site, control, request, vapp, virtually
from tests.engine.scripted_vcd import NO_ANSWER, page_of, row_of, task, urn

ENTITY = f"/vApp/{vapp(1)}"


def _noted(site: Site, name: str) -> list[tuple[Any, ...]]:
    return [fact.values for fact in site.noted.facts if fact.name == name]


def _decisions(site: Site) -> list[tuple[str, tuple[str, ...]]]:
    """Notes of recovery and operators with their evidence."""
    noted = _noted(site, "noted")
    return [(note, evidence) for _, note, evidence in noted if note.startswith(("recovery_", "operator_"))]


@virtually
async def test_a_repeated_call_says_why_it_may_be_repeated() -> None:
    site = Site()
    answers: list[CallAnswer] = [NO_ANSWER]
    site.vcd.on_call = lambda call: answers.pop() if answers else site.vcd.accept(1)
    await site.start()
    site.send(request("A", operation="mergeVAppMetadata", body={"metadataEntry": [{"key": "k"}]}))
    await asyncio.sleep(60)
    (decision,) = _decisions(site)
    assert decision[0] == "recovery_repeated"
    assert decision[1][0] == "attempt 1 is in doubt: no_answer"
    assert decision[1][-1].startswith("called again: recovery class idempotent, 1 of 10 tries, ")
    (settling,) = _noted(site, "look_again_later")
    assert settling[1:3] == (10.0, "VCD may take 10 s to act on a call that is on its way")
    assert site.events("A")[0]["evidence"] == list(decision[1])


@virtually
async def test_the_tasks_that_were_passed_over_are_named_with_the_reason() -> None:
    site = Site()
    site.vcd.on_call = lambda call: NO_ANSWER
    site.vcd.entity = lambda path: EntityRead({}, (task(8, entity=ENTITY, began=-100),))
    await site.start()
    site.send(request("A", operation="createSnapshot"))
    await asyncio.sleep(60)
    assert site.story("A") == ["parked (outcome_unknown)"]
    assert f"{urn(8)} is not it: began before the call" in site.events("A")[0]["evidence"]


@virtually
async def test_a_row_that_fits_and_cannot_be_read_is_not_nothing() -> None:
    """A repeat could be the second call: what may be ours is there, and nobody can say."""
    site = Site()
    site.vcd.on_call = lambda call: NO_ANSWER
    hidden = row_of(task(9, entity=ENTITY, began=20))
    site.vcd.query = lambda query: page_of(query, [hidden])
    await site.start()
    await asyncio.sleep(15)
    site.send(request("A", operation="mergeVAppMetadata", body={"metadataEntry": [{"key": "k"}]}))
    await asyncio.sleep(60)
    assert site.story("A") == ["parked (outcome_unknown)"]
    assert len(site.vcd.calls) == 1
    (event,) = site.events("A")
    assert f"{urn(9)} could be it and cannot be read (403)" in event["reason"]["message"]


@virtually
async def test_a_look_that_vcd_does_not_answer_is_told_once() -> None:
    site = Site()
    site.vcd.on_call = lambda call: NO_ANSWER
    site.vcd.entity = lambda path: Unavailable("down")
    await site.start()
    site.send(request("A", operation="createSnapshot"))
    await asyncio.sleep(30)
    assert [why for _, why in _noted(site, "look_put_off")] == ["down"]
    site.vcd.entity = lambda path: EntityRead({}, ())
    await asyncio.sleep(90)
    assert any("VCD could not be asked" in line for line in site.events("A")[0]["evidence"])


@virtually
async def test_an_operators_word_is_told_with_its_author() -> None:
    site = Site()
    answers: list[CallAnswer] = [NO_ANSWER]
    site.vcd.on_call = lambda call: answers.pop() if answers else site.vcd.accept(1)
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(60)
    assert site.story("A") == ["parked (outcome_unknown)"]
    site.send(control("retry", "A", requested_by="jo"))
    site.send(control("cancel", "A", requested_by="al"))
    await asyncio.sleep(5)
    assert [note for note, _ in _decisions(site)] == ["recovery_parked", "operator_retry", "operator_cancel"]
    last = site.events("A")[-1]
    assert "to be called again by the word of jo; parked before (outcome_unknown)" in last["evidence"]
    assert "cancel asked for by al" in last["evidence"]


@virtually
async def test_a_task_is_followed_for_one_request_only() -> None:
    """Whatever partition of this process the other one is on."""
    site = Site(partitions=2)
    await site.start()
    site.send(request("A"), partition=0)
    await asyncio.sleep(2)
    (mine,) = [event["task"] for event in site.events("A")]
    site.vcd.on_call = lambda call: NO_ANSWER
    site.send(request("B", 2, operation="createSnapshot"), partition=1)
    await asyncio.sleep(60)
    site.send(control("resolve", "B", resolution={"task_href": mine["href"]}, correlation_id="op"), partition=1)
    await asyncio.sleep(2)
    (refused,) = [event for event in site.events() if event["correlation_id"] == "op"]
    assert refused["reason"]["code"] == "not_possible"
    assert f"{mine['id']} is the Task of {TOPIC}/0/0" in refused["reason"]["message"]
    assert site.phases()["B"] == "parked"
    site.send(control("resolve", "B", resolution={"task_href": f"https://vcd/api/task/{urn(77)[-36:]}"}), partition=1)
    await asyncio.sleep(2)
    assert site.story("B")[1] == "accepted"


@virtually
async def test_a_lane_that_was_released_is_held_again_by_a_retry() -> None:
    """Who went ahead meanwhile ends first; the order of those two is the operator's doing."""
    site = Site()
    site.policies = replace(site.policies, rules=Rules(parked_lane_release=timedelta(seconds=30)))
    answers: list[CallAnswer] = [NO_ANSWER]
    site.vcd.on_call = lambda call: answers.pop() if answers else site.vcd.accept(1)
    await site.start()
    site.send(request("A"))
    site.send(request("B"))
    await asyncio.sleep(60)
    assert site.phases() == {"A": "parked", "B": "following"}
    site.send(control("retry", "A", requested_by="jo"))
    site.send(request("C"))
    await asyncio.sleep(5)
    assert site.phases() == {"A": "waiting", "B": "following", "C": "received"}
    assert len(site.vcd.calls) == 2


@virtually
async def test_a_restore_tells_what_it_found() -> None:
    site = Site()
    site.vcd.session_ready = False
    await site.start()
    site.send(request("A"))
    site.send(request("B", 2))
    await asyncio.sleep(2)
    site.crash()
    site.damage("0|state")
    site.damage("1|request")
    await asyncio.sleep(10)
    await site.start()
    (first, found) = [(dict(phases), remarks) for _, phases, remarks in _noted(site, "restored")]
    assert first == ({}, ())
    assert found[0] == {"parked": 1, "received": 1}
    assert sorted(text.split(":")[0] for text in found[1]) == [
        "a call cannot be made", "a lifecycle is told from its headers alone",
    ]  # fmt: skip


@virtually
async def test_a_marked_task_that_is_left_says_why() -> None:
    site = ExternalSite()
    site.rules(orphans=OrphanPolicy.REPORT)
    hidden = site.vcd.seed(f"Not to be read {mark('CHG9')}")
    row = site.vcd.row(site.vcd.tasks.pop(hidden))
    site.vcd.query = lambda query: page_of(query, [] if "queued" in query.statuses else [row])
    await site.start()
    await asyncio.sleep(30)
    assert [(values[1], values[3]) for values in _noted(site, "orphan_left")] == [("CHG9", "it cannot be read")]
