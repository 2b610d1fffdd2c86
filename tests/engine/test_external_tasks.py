"""Commands about external tasks: before their create, repeated, in rounds that are not committed, refused by VCD."""

from __future__ import annotations

import asyncio

import pytest

from bridge.core.answers import Accepted, CallAnswer, HttpCall, Refused
from bridge.core.coordinates import TopicPartition
from bridge.ports import NotCommitted
from tests.engine.external import TICKETS, ExternalSite, running
from tests.engine.external_vcd import OWNER
from tests.engine.harness import virtually

OWNER_URN = f"urn:vcloud:vm:{OWNER}"
INTERVAL = 1.0


# --- before its create ------------------------------------------------------------------------------------------------


@virtually
async def test_commands_wait_for_their_create_over_a_restart_and_act_in_order() -> None:
    site = ExternalSite()
    await site.start()
    for number in range(3):
        site.update(details=f"{number}", progress=10 * number)
    site.finish(status="aborted", correlation_id="T")
    await asyncio.sleep(5)
    await site.next_owner()
    assert site.events() == []
    site.create(operation="late")
    await asyncio.sleep(5)
    [body] = site.vcd.bodies("POST")
    assert (body["status"], body["details"], body["progress"]) == ("aborted", "2", 20)
    assert site.told() == ["finished aborted -> aborted"]
    assert site.vcd.bodies("PUT") == []
    assert site.kept() == {}


@virtually
async def test_the_wait_for_a_create_is_bounded_also_over_a_restart() -> None:
    site = ExternalSite()
    await site.start()
    update = site.update(correlation_id="T")
    finish = site.finish()
    await asyncio.sleep(30)
    await site.next_owner()
    assert site.answers(update) == []
    await asyncio.sleep(25)
    for birth in (update, finish):
        assert site.answers(birth) == ["rejected -> rejected (unknown_external_key)"]
    assert site.of()[0]["correlation_id"] == "T"
    assert site.kept() == {}
    site.create()
    await asyncio.sleep(5)
    assert site.vcd.shown()["status"] == "running"


@virtually
async def test_after_a_rejected_create_commands_wait_for_the_next_one() -> None:
    site = ExternalSite()
    await site.start()
    site.create(organization="nobody")
    await asyncio.sleep(5)
    site.update(details="x")
    await asyncio.sleep(5)
    site.create()
    await asyncio.sleep(5)
    assert site.told() == ["rejected -> rejected (unknown_organization)", "accepted running"]
    assert site.vcd.shown()["details"] == "x"


@virtually
async def test_a_waiting_command_that_cannot_be_read_any_more_says_so() -> None:
    site = ExternalSite()
    await site.start()
    lost = site.update(details="x")
    await asyncio.sleep(5)
    site.damage("0|request", topic=TICKETS)
    await site.next_owner()
    site.create()
    await asyncio.sleep(5)
    assert site.answers(lost) == ["rejected -> rejected (state_unreadable)"]
    assert "details" not in site.vcd.shown()


# --- repeats ----------------------------------------------------------------------------------------------------------


@virtually
async def test_what_was_taken_before_changes_nothing_and_what_contradicts_is_answered() -> None:
    site = ExternalSite()
    await site.start()
    site.create(details="a", correlation_id="T1")
    await asyncio.sleep(5)
    site.update(details="b", command_id="u1", revision=2)
    await asyncio.sleep(5)
    silent = [site.create(details="a", correlation_id="T1"), site.update(details="b", command_id="u1", revision=2)]
    other = site.create(details="a", correlation_id="T2")
    conflict = site.create(details="other")
    lower = site.update(details="old", revision=1)
    only = site.update(owner=OWNER_URN)
    await asyncio.sleep(5)
    assert [site.answers(birth) for birth in silent] == [[], []]
    assert site.answers(other) == ["waiting (repeat)"]
    assert site.answers(conflict) == ["rejected -> rejected (external_key_conflict)"]
    assert site.answers(lower) == ["rejected -> rejected (revision_not_higher)"]
    assert site.answers(only) == ["rejected -> rejected (create_only)"]
    site.finish(command_id="f")
    await asyncio.sleep(5)
    await site.next_owner()
    repeat, late, again = site.finish(command_id="f"), site.finish(status="error"), site.create(details="a")
    await asyncio.sleep(5)
    assert site.answers(repeat) == []
    assert site.answers(late) == ["rejected -> rejected (already_finished)"]
    assert site.answers(again) == []
    assert len(site.vcd.bodies("POST")) == 1
    assert [body["status"] for body in site.vcd.bodies("PUT")] == ["running", "success"]


@virtually
async def test_a_login_that_is_no_providers_is_told_per_create() -> None:
    site = ExternalSite()
    site.vcd.is_provider = False
    await site.start()
    site.create()
    await asyncio.sleep(5)
    assert site.told() == ["rejected -> rejected (not_a_system_administrator)"]
    assert site.vcd.read_references == []


# --- rounds that are not committed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["undone", "stalled", "unknown"])
@virtually
async def test_what_a_round_decided_in_vain_is_decided_again(how: str) -> None:
    site = ExternalSite()
    await running(site)
    partition = TopicPartition(TICKETS, 0)
    stalled = frozenset({partition}) if how == "stalled" else frozenset()
    site.outcomes.extend([lambda entries: NotCommitted(stalled=stalled)] * 3)
    for number in range(5):
        site.update(details=str(number), revision=number)
    site.finish(status="error", error={"message": "no", "majorErrorCode": 1, "minorErrorCode": "X"}, revision=9)
    await asyncio.sleep(60)
    [body] = site.vcd.bodies("PUT")
    assert (body["details"], body["status"]) == ("4", "error")
    assert site.told() == ["accepted running", "finished error -> error"]
    assert site.kept() == {}


@virtually
async def test_a_partition_that_is_lost_with_a_changed_document_goes_on_from_what_is_committed() -> None:
    site = ExternalSite()
    await running(site)
    partition = TopicPartition(TICKETS, 0)
    site.outcomes.append(lambda entries: NotCommitted(lost=frozenset({partition})))
    site.update(details="once", command_id="u")
    await asyncio.sleep(2)
    assert partition not in site.engine.partitions
    site.inbox.lose_everything()
    site.inbox.assign([partition, TopicPartition("requests", 0)])
    await asyncio.sleep(10)
    assert site.vcd.shown()["details"] == "once"
    assert len(site.vcd.bodies("PUT")) == 1


@virtually
async def test_a_partition_that_is_stopped_shows_nothing_that_is_not_durable() -> None:
    site = ExternalSite()
    await running(site)
    partition = TopicPartition(TICKETS, 0)
    site.outcomes.append(lambda entries: NotCommitted(refused={partition: "too large"}))
    site.update(details="never")
    await asyncio.sleep(60)
    assert site.vcd.bodies("PUT") == []
    assert site.watch.count == 0


# --- VCD refuses ------------------------------------------------------------------------------------------------------


@virtually
async def test_an_update_that_vcd_refuses_is_told_to_who_asked_and_the_task_goes_on() -> None:
    site = ExternalSite()
    await running(site, details="good")

    def choosy(call: HttpCall) -> CallAnswer:
        if (call.body or {}).get("details") == "bad":
            return Refused(code="BAD_REQUEST", message="details are bad", http_status=400)
        return site.vcd.keeping(call)

    site.vcd.on_call = choosy
    bad = site.update(details="bad", correlation_id="T")
    await asyncio.sleep(5)
    assert site.answers(bad) == ["rejected -> rejected (BAD_REQUEST)"]
    site.update(progress=50)
    await asyncio.sleep(5)
    assert (site.vcd.shown()["details"], site.vcd.shown()["progress"]) == ("good", 50)
    site.finish()
    await asyncio.sleep(5)
    assert site.told()[-1] == "finished success -> success"


@virtually
async def test_a_create_that_vcd_refuses_is_a_rejection_with_its_word() -> None:
    site = ExternalSite()
    site.vcd.on_call = lambda call: Refused(code="BAD_REQUEST", message="no such thing", http_status=400)
    await site.start()
    site.create()
    await asyncio.sleep(5)
    assert site.told() == ["rejected -> rejected (BAD_REQUEST)"]
    assert "no such thing" in site.of()[0]["reason"]["message"]


@virtually
async def test_an_ending_that_vcd_takes_without_showing_it_is_not_sent_without_pause() -> None:
    site = ExternalSite()
    await running(site)

    def deaf(call: HttpCall) -> CallAnswer:
        return Accepted(task=site.vcd.tasks[site.vcd.shown()["id"]], http_status=200)

    site.vcd.on_call = deaf
    site.finish()
    await asyncio.sleep(60)
    assert len(site.vcd.bodies("PUT")) <= 60 / INTERVAL + 1
    site.vcd.on_call = site.vcd.keeping
    await asyncio.sleep(60)
    assert site.told()[-1] == "finished success -> success"


@virtually
async def test_a_refusal_says_what_to_do() -> None:
    site = ExternalSite()
    await site.start()
    site.create()
    await asyncio.sleep(5)
    refused = {
        site.create(details="other"): "an update changes it, another task needs another key",
        site.update(owner="urn:vcloud:vm:00000000-0000-4000-8000-000000000009"): "leave it out",
        site.update(status="queued"): "leave it out",
        site.create("CHG2", serviceNamespace="com.example.unlisted"): "add it, or name one",
        site.finish(): None,
    }
    await asyncio.sleep(5)
    another = "a reopened ticket needs another external key: this one rests for intake.dedupe_window_days"
    refused |= {site.update(): another, site.create(details="reopened"): another}
    await asyncio.sleep(5)
    told = {event["birth"]: event["reason"]["message"] for event in site.events() if event["outcome"] == "rejected"}
    assert len(told) == len(refused) - 1
    for birth, advice in refused.items():
        assert advice is None or advice in told[str(birth)]
