"""One engine, two inputs: each has its own records, store and owner, and neither holds up the other."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bridge.core.answers import ReferenceKind, ReferenceRead
from bridge.core.coordinates import TopicPartition
from bridge.core.requests import SchemaAnswer
from bridge.engine.journal.gathering import RoundLimits
from bridge.ports import NotCommitted, OutRecord
from tests.engine.external import TICKETS, ExternalSite
from tests.engine.harness import CHANGELOG, NAMES, TOPIC, request, vapp, virtually
from tests.engine.scripted_vcd import NO_ANSWER

REQUESTS, EXTERNAL = TopicPartition(TOPIC, 0), TopicPartition(TICKETS, 0)


@virtually
async def test_each_input_keeps_a_store_of_its_own() -> None:
    site = ExternalSite()
    await site.start()
    site.send(request("A"))
    site.create("A")
    await asyncio.sleep(5)
    assert {event["lifecycle"] for event in site.events()} == {"action_request", "external_task"}
    assert set(site.stored(TOPIC)) == {"0|state"}
    assert set(site.kept()) == {"0|state", "0|request"}
    await site.next_owner()
    await asyncio.sleep(5)
    site.vcd.ends(1, "success")
    site.finish("A")
    await asyncio.sleep(20)
    assert site.stored(TOPIC) == {}
    assert site.kept() == {}
    finished = {event["lifecycle"] for event in site.events() if event["final"]}
    assert finished == {"action_request", "external_task"}


@pytest.mark.parametrize(("stalled", "other"), [(REQUESTS, EXTERNAL), (EXTERNAL, REQUESTS)])
@virtually
async def test_a_stalled_input_does_not_hold_up_the_other(stalled: TopicPartition, other: TopicPartition) -> None:
    site = ExternalSite()
    await site.start()
    site.outcomes.extend([lambda entries: NotCommitted(stalled=frozenset({stalled}))] * 4)
    site.send(request("A"))
    site.create("B")
    await asyncio.sleep(1.9)
    told = {EXTERNAL: site.told("B"), REQUESTS: site.story("A")}
    assert told[other] == ["accepted running"]
    assert told[stalled] == []
    await asyncio.sleep(120)
    assert (site.told("B"), site.story("A")) == (["accepted running"], ["accepted running"])


@virtually
async def test_many_that_could_start_on_a_stalled_input_do_not_hold_up_the_other() -> None:
    """More than are started in one round wait for a permit when their partition stalls."""
    site = ExternalSite()
    site.vcd.session_ready = False
    await site.start()
    for number in range(300):
        site.create(f"CHG{number}")
    while site.phase("CHG299") != ["received"]:
        await asyncio.sleep(1)
    site.outcomes.extend([lambda entries: NotCommitted(stalled=frozenset({EXTERNAL}))] * 5)
    site.update("CHG0")
    await asyncio.sleep(0.5)
    site.vcd.session_ready = True
    site.send(request("A"))
    await asyncio.sleep(1)
    assert site.story("A") == ["accepted running"]
    assert site.tickets().stalled_until > site.vcd.now()


@virtually
async def test_an_external_task_of_the_same_entity_is_not_taken_for_a_requests_own() -> None:
    """The bridge's own user made it, of the very vApp, while the answer to a call of that is missing."""
    site = ExternalSite()
    site.vcd.on_call = lambda call: site.vcd.keeping(call) if call.operation == "createExternalTask" else NO_ANSWER
    owner = f"https://vcd/api/vApp/{vapp(1)}"
    reference = ReferenceRead({"href": owner, "id": None, "type": None, "name": "web"}, vapp(1))
    site.vcd.references.known[ReferenceKind.OWNER, owner] = reference
    await site.start()
    site.send(request("A", 1, "createSnapshot"))
    site.create("CHG1", owner=owner)
    await asyncio.sleep(60)
    assert site.told() == ["accepted running"]
    assert site.story("A") == ["parked (outcome_unknown)"]
    await site.next_owner()
    await asyncio.sleep(30)
    assert site.story("A") == ["parked (outcome_unknown)"]


@pytest.mark.parametrize("full", [REQUESTS, EXTERNAL])
@virtually
async def test_a_flood_on_one_input_does_not_keep_the_other_waiting(full: TopicPartition) -> None:
    site = ExternalSite()
    site.policies = replace(site.policies, rounds=RoundLimits(max_open=10_000))
    await site.start()
    for number in range(600):
        if full == REQUESTS:
            site.send(request(f"R{number}", number))
        else:
            site.create(f"CHG{number}")
    await asyncio.sleep(0.3)
    began = site.vcd.now()
    if full == REQUESTS:
        site.create("B")
    else:
        site.send(request("B", 5000))
    name = "external_key" if full == REQUESTS else "request_id"
    while not any(event[name] == "B" for event in site.events()):
        await asyncio.sleep(0.2)
    took = site.vcd.now() - began
    while len(site.events()) < 601:
        await asyncio.sleep(1)
    assert took < (site.vcd.now() - began) / 2


@pytest.mark.parametrize(("broken", "other"), [(TOPIC, TICKETS), (TICKETS, TOPIC)])
@virtually
async def test_one_inputs_store_that_cannot_be_taken_stops_it_alone(broken: str, other: str) -> None:
    site = ExternalSite()
    changelog = NAMES.changelog(broken)
    site.kafka.append(TopicPartition(changelog, 0), OutRecord(changelog, 0, b"who/wrote/this", b"?"))
    await site.start()
    site.send(request("A"))
    site.create("B")
    await asyncio.sleep(5)
    told = {TOPIC: site.story("A"), TICKETS: site.told("B")}
    assert told == {broken: [], other: ["accepted running"]}
    assert list(site.engine.not_taken) == [TopicPartition(broken, 0)]


@virtually
async def test_a_schema_that_cannot_be_had_stops_its_input_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    site = ExternalSite()
    await site.start()

    async def refresh(schema_id: int) -> SchemaAnswer:
        return SchemaAnswer.UNANSWERED

    monkeypatch.setattr(site.engine._p.rounds._gatherer._intake._schemas, "_refresh", refresh)
    # Without a registry its framing is a dead letter; what comes behind is taken.
    site.send(b"\x00\x00\x00\x00\x07x", topic=TICKETS, key=b"CHG1")
    site.create("CHG1")
    site.send(request("A"))
    await asyncio.sleep(5)
    [letter] = site.committed(NAMES.dead_letters)
    assert dict(letter.headers)["__connect.errors.topic"] == TICKETS.encode()
    assert (site.told(), site.story("A")) == (["accepted running"], ["accepted running"])


@virtually
async def test_partitions_of_the_two_inputs_may_have_different_owners() -> None:
    site = ExternalSite()
    await site.start()
    site.send(request("A"))
    site.create("B")
    await asyncio.sleep(5)
    await site.inbox.revoke_all_but([REQUESTS])
    await asyncio.sleep(1)
    assert list(site.engine.partitions) == [REQUESTS]
    site.vcd.person_cancels(1)
    assert site.watch.count == 0 or site.watch._first() is None
    site.send(request("C", 3))
    site.create("D")
    await asyncio.sleep(30)
    assert site.story("C") == ["accepted running"]
    assert site.told("D") == []
    site.inbox.assign([EXTERNAL])
    await asyncio.sleep(30)
    assert site.told("D") == ["accepted running"]
    assert site.committed(CHANGELOG)


@virtually
async def test_without_external_tasks_their_topic_is_not_read() -> None:
    site = ExternalSite()
    site.policies = replace(site.policies, names=NAMES, rules=replace(site.policies.rules, external=None))
    site.create("B")
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(5)
    assert set(site.engine.partitions) == {REQUESTS}
    assert [event["request_id"] for event in site.events()] == ["A"]
    await site.stop()
