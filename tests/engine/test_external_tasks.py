"""An external task through the engine: asked for, made once, kept as wanted at its pace, ended once and last."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from bridge.core.answers import (
    Accepted,
    CallAnswer,
    HttpCall,
    Limited,
    NeverSent,
    OutcomeUnknown,
    ReferenceKind,
    ReferenceReading,
    Refused,
    Unavailable,
)
from bridge.core.coordinates import TopicPartition
from bridge.engine.journal.gathering import RoundLimits
from bridge.ports import NotCommitted
from tests.engine.external import TICKETS, ExternalSite, mark
from tests.engine.external_vcd import ORG, OWNER, USER
from tests.engine.harness import NAMES, virtually
from tests.engine.scripted_vcd import NO_ANSWER

OWNER_URN = f"urn:vcloud:vm:{OWNER}"
INTERVAL = 1.0


async def _running(site: ExternalSite, *keys: str, **fields: Any) -> None:
    """Started, with a Task that VCD shows for each key."""
    await site.start()
    for key in keys or ("CHG1",):
        site.create(key, **fields)
    await asyncio.sleep(5)
    assert {tuple(site.told(key)) for key in keys or ("CHG1",)} == {("accepted running",)}


# --- what it names ----------------------------------------------------------------------------------------------------


@virtually
async def test_what_a_task_names_is_read_before_it_is_posted() -> None:
    site = ExternalSite()
    await site.start()
    site.create(owner=OWNER_URN, operation="Change", operationName="change")
    await asyncio.sleep(5)
    kinds = [(kind, text) for kind, text in site.vcd.read_references]
    assert kinds == [
        (ReferenceKind.ORGANIZATION, "acme"), (ReferenceKind.OWNER, OWNER_URN), (ReferenceKind.USER, None),
    ]  # fmt: skip
    (left,) = site.vcd.calls
    assert (left.call.method, left.call.path, left.call.operation) == (
        "POST",
        f"/tasksList/{ORG}",
        "createExternalTask",
    )
    [body] = site.vcd.bodies("POST")
    assert body["owner"]["id"] == OWNER_URN
    assert body["user"]["id"] == f"urn:vcloud:user:{USER}"
    assert body["operation"] == f"Change {mark('CHG1')}"
    assert left.call.organization is None, "the call is the provider's own"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"organization": "nobody"}, "rejected -> rejected (unknown_organization)"),
        ({"owner": "urn:vcloud:vm:none"}, "rejected -> rejected (unknown_owner)"),
        ({"user": "urn:vcloud:user:none"}, "rejected -> rejected (unknown_user)"),
    ],
)
@virtually
async def test_what_does_not_exist_is_named_and_nothing_is_posted(fields: dict[str, Any], told: str) -> None:
    site = ExternalSite()
    await site.start()
    site.create(**fields)
    await asyncio.sleep(5)
    assert site.told() == [told]
    assert site.vcd.calls == []
    assert site.kept() == {}
    site.create()
    await asyncio.sleep(5)
    assert site.told()[1:] == ["accepted running"], "a rejected create does not occupy its key"


@virtually
async def test_an_outage_refuses_nothing_and_one_silent_object_holds_up_nobody_else() -> None:
    """Twenty owners of which VCD cannot tell are more than are read at the same time."""
    site = ExternalSite()
    away = True

    def read(kind: ReferenceKind, text: str | None) -> ReferenceReading:
        silent = away or (kind is ReferenceKind.OWNER and text != OWNER_URN)
        return Unavailable("HTTP 500") if silent else site.vcd.references.read(kind, text)

    site.vcd.on_reference = read
    await site.start()
    for number in range(20):
        site.create(f"SILENT{number}", owner=f"urn:vcloud:vm:{number}")
    site.create(owner=OWNER_URN)
    await asyncio.sleep(300)
    assert site.vcd.calls == []
    assert [site.told(f"SILENT{number}") for number in range(20)] == [["waiting (reference_unanswered)"]] * 20
    assert set(site.phase()) == {"resolving"}
    away = False
    await asyncio.sleep(60)
    assert site.told() == ["waiting (reference_unanswered)", "accepted running"]
    assert [one.phase.value for one in site.lifecycles(TICKETS)].count("resolving") == 20


@virtually
async def test_a_reference_that_is_never_answered_is_told_once_and_given_up_in_the_end() -> None:
    """Also over restarts; the commands that came meanwhile are told with it, and the others are read behind it."""
    site = ExternalSite()
    answered = site.vcd.references.read
    site.vcd.on_reference = lambda kind, text: (
        Unavailable("HTTP 500") if kind is ReferenceKind.OWNER and text == OWNER_URN else answered(kind, text)
    )
    await site.start()
    site.create(owner=OWNER_URN)
    update = site.update(progress=10)
    other = site.create("CHG2")
    await asyncio.sleep(60)
    assert site.told() == ["waiting (reference_unanswered)"]
    [event] = site.of()
    assert (event["reason"]["field"], event["reason"]["message"]) == ("owner", "HTTP 500")
    assert site.answers(other) == ["accepted running"]
    await site.next_owner()
    await asyncio.sleep(site.policies.rules.longest_wait.total_seconds() - 120)
    assert site.told() == ["waiting (reference_unanswered)"]
    await asyncio.sleep(180)
    assert site.told()[-1] == "rejected -> rejected (retries_exhausted)"
    assert site.answers(update) == ["rejected -> rejected (retries_exhausted)"]
    asked = len(site.vcd.read_references)
    await asyncio.sleep(600)
    assert len(site.vcd.read_references) == asked, "nobody asks any more"
    again = site.create(owner=OWNER_URN)
    site.vcd.on_reference = None
    await asyncio.sleep(5)
    assert site.answers(again) == ["accepted running"], "its key is free"


@virtually
async def test_one_answer_that_is_missing_is_no_news() -> None:
    site = ExternalSite()
    missing = [Unavailable("HTTP 500")] * 4
    site.vcd.on_reference = lambda kind, text: missing.pop() if missing else site.vcd.references.read(kind, text)
    await site.start()
    site.create()
    await asyncio.sleep(30)
    assert site.told() == ["accepted running"]


@virtually
async def test_references_are_read_again_by_the_next_owner() -> None:
    site = ExternalSite()
    site.vcd.on_reference = lambda kind, text: Unavailable("away")
    await site.start()
    site.create()
    await asyncio.sleep(5)
    site.crash()
    site.vcd.on_reference = None
    site.vcd.read_references.clear()
    await asyncio.sleep(10)
    await site.start()
    await asyncio.sleep(5)
    assert site.told()[-1] == "accepted running"
    assert len(site.vcd.read_references) == 2


@virtually
async def test_what_the_backlog_brings_is_read_once() -> None:
    site = ExternalSite()
    for number in range(50):
        site.create(f"CHG{number}")
    await site.start()
    await asyncio.sleep(30)
    assert len(site.vcd.bodies("POST")) == 50
    assert len(site.vcd.read_references) == 2 * 50


# --- the pace of updates ----------------------------------------------------------------------------------------------


@virtually
async def test_of_a_burst_the_last_content_is_shown_with_few_calls() -> None:
    site = ExternalSite()
    await _running(site)
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
    await _running(site, *keys)
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
    await _running(site)
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
    await _running(site)
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


# --- caps -------------------------------------------------------------------------------------------------------------


def _capped(**limits: Any) -> ExternalSite:
    site = ExternalSite()
    site.policies = replace(site.policies, rounds=RoundLimits(**limits))
    return site


@virtually
async def test_while_too_much_is_on_its_way_creates_are_refused_and_what_is_behind_them_is_read() -> None:
    site = _capped(max_open=3)
    await _running(site)
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
    await _running(site, *keys)
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
    await _running(site, "A", "B", "C")
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


# --- rounds that are not committed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["undone", "stalled", "unknown"])
@virtually
async def test_what_a_round_decided_in_vain_is_decided_again(how: str) -> None:
    site = ExternalSite()
    await _running(site)
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
    await _running(site)
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
    await _running(site)
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
    await _running(site, details="good")

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
    await _running(site)

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
