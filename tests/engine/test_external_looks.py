"""After a call without an answer the bridge looks for its own mark, or at its Task, before it calls again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.core.answers import (
    Accepted,
    CallAnswer,
    Done,
    HttpCall,
    OutcomeUnknown,
    ReadRefused,
    Refused,
    TaskPage,
    TaskQuery,
    Unavailable,
)
from bridge.core.external_rules import OrphanPolicy
from tests.engine.external import ANSWER_SECONDS, TICKETS, ExternalSite, mark
from tests.engine.external_vcd import NAMESPACE
from tests.engine.harness import virtually
from tests.engine.scripted_vcd import NO_ANSWER, page_of, urn

SETTLED = ANSWER_SECONDS + 5


def _lost(site: ExternalSite, *, acted: bool, calls: int = 1) -> None:
    """The next ``calls`` are not answered; ``acted``: though VCD carried them out."""
    left = calls

    def answer(call: HttpCall) -> CallAnswer:
        nonlocal left
        if left == 0:
            return site.vcd.keeping(call)
        left -= 1
        if acted:
            site.vcd.keeping(call)
        return NO_ANSWER

    site.vcd.on_call = answer


@virtually
async def test_its_own_task_is_found_by_the_mark_and_adopted() -> None:
    site = ExternalSite()
    _lost(site, acted=True)
    await site.start()
    site.create(details="a")
    await asyncio.sleep(SETTLED)
    assert site.told() == ["accepted running"]
    assert any("bear the mark" in line for line in site.of()[0]["evidence"])
    assert len(site.vcd.documents) == 1
    site.update(details="b")
    await asyncio.sleep(5)
    assert site.vcd.shown()["details"] == "b"


@virtually
async def test_what_was_not_carried_out_is_posted_again_after_a_second_look() -> None:
    site = ExternalSite()
    _lost(site, acted=False, calls=2)
    await site.start()
    site.create()
    await asyncio.sleep(4 * SETTLED)
    assert site.told() == ["accepted running"]
    first, second, third = site.vcd.at("POST")
    assert second - first >= ANSWER_SECONDS
    assert third - second >= ANSWER_SECONDS


@virtually
async def test_rows_of_similar_names_and_similar_marks_are_not_its_own() -> None:
    """VCD compares namespaces without case; keys begin like others, groups and topics too; texts are copied."""
    site = ExternalSite()
    _lost(site, acted=False)
    await site.start()
    site.vcd.seed(f"x {mark('CHG1')}", namespace=NAMESPACE.upper())
    site.vcd.seed(f"x {mark('CHG1')}", namespace=f"{NAMESPACE}.more")
    copied = f"{mark('CHG1')} [g/tickets-1/CHG2]"
    for other in (
        "[g/tickets-0/CHG12]", "[g/tickets-1/CHG1]", "[gg/tickets-0/CHG1]", "[g/tickets-0/chg1]", "CHG1", copied,
    ):  # fmt: skip
        site.vcd.seed(f"x {other}")
    before = set(site.vcd.documents)
    site.create()
    await asyncio.sleep(3 * SETTLED)
    [told] = {event["task"]["id"] for event in site.of()}
    assert told not in before
    assert len(site.vcd.bodies("POST")) == 2


@virtually
async def test_text_that_vcd_writes_behind_the_mark_does_not_hide_it() -> None:
    site = ExternalSite()

    def appending(call: HttpCall) -> CallAnswer:
        body = {**(call.body or {})}
        body["operation"] = f"{body['operation']} Organization acme(0000)"
        site.vcd.keeping(replace(call, body=body))
        site.vcd.on_call = site.vcd.keeping
        return NO_ANSWER

    site.vcd.on_call = appending
    await site.start()
    site.create()
    await asyncio.sleep(2 * SETTLED)
    assert len(site.vcd.documents) == 1
    assert site.told() == ["accepted running"]


@virtually
async def test_a_task_that_waits_for_its_start_is_found_though_it_has_no_start_date() -> None:
    site = ExternalSite()
    _lost(site, acted=True)
    original = site.vcd.keeping

    def without_start(call: HttpCall) -> CallAnswer:
        original(call)
        site.vcd._change(urn(1), startTime=None)
        site.vcd.on_call = site.vcd.keeping
        return NO_ANSWER

    site.vcd.on_call = without_start
    await site.start()
    site.create(status="queued")
    await asyncio.sleep(2 * SETTLED)
    assert len(site.vcd.documents) == 1
    assert site.told() == ["accepted queued"]


@pytest.mark.parametrize("policy", list(OrphanPolicy))
@virtually
async def test_of_two_candidates_the_older_is_its_own_and_the_other_an_orphan(policy: OrphanPolicy) -> None:
    site = ExternalSite()
    site.rules(orphans=policy)

    def twice(call: HttpCall) -> CallAnswer:
        site.vcd.keeping(call)
        site.vcd.keeping(call)
        site.vcd.documents[urn(2)]["startTime"] = "2026-01-01T00:10:00+00:00"
        site.vcd._change(urn(2))
        site.vcd.on_call = site.vcd.keeping
        return NO_ANSWER

    site.vcd.on_call = twice
    await site.start()
    birth = site.create()
    await asyncio.sleep(SETTLED)
    assert {event["task"]["id"] for event in site.of() if event["birth"] == str(birth)} == {urn(1)}
    assert "external_duplicate" in [values[1] for values in site.noted_of("noted")]
    assert [(values[2], values[3]) for values in site.noted_of("orphan_found")] == [(urn(2), policy)]
    site.finish()
    await asyncio.sleep(5)
    assert site.vcd.shown(1)["status"] == "success"
    assert site.vcd.shown(2)["status"] == ("aborted" if policy is OrphanPolicy.END else "running")


def _refused(site: ExternalSite) -> Callable[[TaskQuery], TaskPage | ReadRefused | Unavailable]:
    return lambda query: ReadRefused(400, "bad filter")


def _too_many(site: ExternalSite) -> Callable[[TaskQuery], TaskPage | ReadRefused | Unavailable]:
    site.vcd.seed("Somebody's own")
    row = site.vcd.row(site.vcd.tasks[urn(1)])
    return lambda query: TaskPage((row,), query.page, 10**6, None)


@pytest.mark.parametrize("incomplete", [_refused, _too_many], ids=["refused", "too many"])
@virtually
async def test_an_incomplete_look_proves_nothing_and_a_command_looks_again(
    incomplete: Callable[[ExternalSite], Callable[[TaskQuery], TaskPage | ReadRefused | Unavailable]],
) -> None:
    site = ExternalSite()
    _lost(site, acted=False)
    await site.start()
    site.vcd.query = incomplete(site)
    site.create()
    await asyncio.sleep(2 * SETTLED)
    assert site.told() == ["parked (outcome_unknown)"]
    assert site.of()[0]["evidence"]
    assert len(site.vcd.bodies("POST")) == 1
    await site.next_owner()
    await asyncio.sleep(SETTLED)
    assert len(site.told()) == 1, "a restart alone tells nothing new"
    site.vcd.query = site.vcd.rows
    site.update(details="now")
    await asyncio.sleep(2 * SETTLED)
    assert site.told()[1:] == ["accepted running"]
    assert [body.get("details") for body in site.vcd.bodies("POST")] == [None, "now"]


@virtually
async def test_vcd_away_during_the_look_is_asked_until_it_is_back() -> None:
    site = ExternalSite()
    _lost(site, acted=True)
    await site.start()
    site.vcd.query = lambda query: Unavailable("away")
    site.create()
    await asyncio.sleep(600)
    assert site.told() == []
    site.vcd.query = site.vcd.rows
    await asyncio.sleep(60)
    assert site.told() == ["accepted running"]
    assert len(site.vcd.documents) == 1


@virtually
async def test_the_next_owner_waits_for_a_call_that_may_still_be_on_its_way() -> None:
    """A dead process's POST is carried out seconds later: it is found, and no second one is made."""
    site = ExternalSite()

    async def late(call: HttpCall) -> CallAnswer:
        await asyncio.sleep(15)
        return site.vcd.keeping(call)

    site.vcd.on_call = late
    await site.start()
    site.create()
    await asyncio.sleep(1)
    site.crash()
    site.vcd.on_call = site.vcd.keeping
    # The call is VCD's by now: it is carried out though nobody waits for it.
    [left] = site.vcd.calls
    asyncio.get_running_loop().call_later(20, site.vcd.keeping, left.call)
    await asyncio.sleep(7)
    await site.start()
    await asyncio.sleep(60)
    assert site.told() == ["accepted running"]
    assert len(site.vcd.documents) == 1


@pytest.mark.parametrize(
    "answer", [Done(http_status=200), OutcomeUnknown(code="HTTP_502", message="", http_status=502)]
)
@virtually
async def test_an_answer_without_a_task_is_looked_into(answer: CallAnswer) -> None:
    site = ExternalSite()

    def odd(call: HttpCall) -> CallAnswer:
        site.vcd.keeping(call)
        site.vcd.on_call = site.vcd.keeping
        return answer

    site.vcd.on_call = odd
    await site.start()
    site.create()
    await asyncio.sleep(SETTLED)
    site.vcd.on_call = odd
    site.update(details="b")
    await asyncio.sleep(3 * SETTLED)
    assert site.vcd.shown()["details"] == "b"
    assert len(site.vcd.documents) == 1
    assert site.phase() == ["following"]


@virtually
async def test_another_tasks_answer_to_an_update_is_not_believed() -> None:
    site = ExternalSite()
    await site.start()
    site.create()
    await asyncio.sleep(5)
    site.vcd.seed("Somebody's own")

    def mixed_up(call: HttpCall) -> CallAnswer:
        site.vcd.on_call = site.vcd.keeping
        return Accepted(task=site.vcd.tasks[urn(2)], http_status=200)

    site.vcd.on_call = mixed_up
    site.update(details="b")
    await asyncio.sleep(3 * SETTLED)
    assert site.vcd.shown(1)["details"] == "b"
    assert {event["task"]["id"] for event in site.of()} == {urn(1)}


@virtually
async def test_a_repeat_that_is_refused_after_doubt_is_looked_into_before_it_is_believed() -> None:
    """The first POST was acted on, its row came late; the second is refused because of the first."""
    site = ExternalSite()
    hidden = True
    site.vcd.query = lambda query: page_of(query, []) if hidden else site.vcd.rows(query)

    def answer(call: HttpCall) -> CallAnswer:
        nonlocal hidden
        if len(site.vcd.calls) == 1:
            site.vcd.keeping(call)
            return NO_ANSWER
        hidden = False
        return Refused(code="BAD_REQUEST", message="there is one", http_status=400)

    site.vcd.on_call = answer
    await site.start()
    site.create()
    await asyncio.sleep(4 * SETTLED)
    assert site.told() == ["accepted running"]


@virtually
async def test_a_document_that_the_store_has_lost_is_read_back_from_vcd() -> None:
    site = ExternalSite()
    await site.start()
    site.create(details="a", operation="Change", progress=10)
    await asyncio.sleep(5)
    site.damage("0|request", topic=TICKETS)
    await site.next_owner()
    await asyncio.sleep(2 * SETTLED)
    assert site.phase() == ["following"]
    site.update(progress=20)
    await asyncio.sleep(5)
    [body] = site.vcd.bodies("PUT")
    assert (body["details"], body["progress"]) == ("a", 20)
    assert body["operation"] == f"Change {mark('CHG1')}"
    assert "rejected" not in [event["change"] for event in site.of()]


@pytest.mark.parametrize("parts", [("0|state",), ("0|state", "0|request")])
@virtually
async def test_a_task_whose_record_is_unreadable_is_found_by_its_mark(parts: tuple[str, ...]) -> None:
    site = ExternalSite()
    await site.start()
    site.create(details="a")
    await asyncio.sleep(5)
    for part in parts:
        site.damage(part, topic=TICKETS)
    await site.next_owner()
    await asyncio.sleep(2 * SETTLED)
    assert site.phase() == ["following"]
    [stored] = site.lifecycles(TICKETS)
    assert (stored.task_id, stored.service_namespace) == (urn(1), NAMESPACE)
    site.finish(details="done")
    await asyncio.sleep(5)
    assert site.vcd.shown()["status"] == "success"
    assert site.told()[-1] == "finished success -> success"
    sequences = [event["sequence"] for event in site.of()]
    assert sequences == list(range(1, len(sequences) + 1))
    assert len(site.vcd.documents) == 1


@virtually
async def test_an_unreadable_record_without_a_task_is_parked_and_told_once() -> None:
    site = ExternalSite()
    site.vcd.on_call = lambda call: NO_ANSWER
    await site.start()
    site.create()
    await asyncio.sleep(2)
    site.damage("0|state", topic=TICKETS)
    await site.next_owner()
    await asyncio.sleep(4 * SETTLED)
    assert site.told() == ["parked (state_unreadable)"]
    assert len(site.vcd.bodies("POST")) == 1


# --- hosts whose clocks differ, and lists that move -------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [-50, 2, 50, 600])
@virtually
async def test_the_task_of_a_host_with_another_clock_is_found(minutes: int) -> None:
    """The intent bears the clock of the host that died, which the next one has never seen."""
    site = ExternalSite()
    site.host_ahead = timedelta(minutes=minutes)
    site.vcd.on_call = lambda call: _carried_out_unanswered(site, call)
    await asyncio.sleep(7200)
    await site.start()
    site.create()
    await asyncio.sleep(2)
    site.vcd.on_call = site.vcd.keeping
    site.host_ahead, site.vcd.clock_ahead = timedelta(), timedelta()
    await site.next_owner()
    await asyncio.sleep(4 * SETTLED)
    assert len(site.vcd.bodies("POST")) == 1
    assert site.told() == ["accepted running"]


async def _carried_out_unanswered(site: ExternalSite, call: HttpCall) -> CallAnswer:
    site.vcd.keeping(call)
    await asyncio.sleep(3600)
    return NO_ANSWER


@virtually
async def test_an_orphan_of_the_key_is_not_taken_for_the_task_that_was_just_made() -> None:
    site = ExternalSite()
    site.vcd.seed(f"left behind {mark('CHG1')}")
    _lost(site, acted=True)
    await site.start()
    await asyncio.sleep(600)
    site.create(details="a")
    await asyncio.sleep(2 * SETTLED)
    assert {event["task"]["id"] for event in site.of()} == {urn(2)}
    assert len(site.vcd.bodies("POST")) == 1


@virtually
async def test_a_task_that_waits_for_its_start_is_found_though_the_rows_move_between_the_pages() -> None:
    """Once per look a newcomer stands before it, and another one begins before the second page is read: it is on
    neither."""
    site = ExternalSite()
    _lost(site, acted=True)
    await site.start()
    await asyncio.sleep(5)
    others = [site.vcd.seed(f"other {number}", status="queued") for number in range(127)]
    moved: list[float] = []

    def rows(query: TaskQuery) -> TaskPage:
        waiting = "queued" in query.statuses
        if waiting and query.page == 1 and (not moved or site.vcd.now() - moved[-1] > 5):
            moved.append(site.vcd.now())
            newcomer = site.vcd.seed("newcomer", status="queued")
            site.vcd.tasks = {newcomer: site.vcd.tasks.pop(newcomer), **site.vcd.tasks}
        if waiting and query.page == 2 and len(others) > 127 - len(moved):
            site.vcd._change(others.pop(0), status="running")
        answer = site.vcd.rows(query)
        # Without a start date the window does not show them.
        return answer if waiting else page_of(query, [row for row in answer.records if row.status != "queued"])

    site.vcd.query = rows
    site.create(status="queued")
    await asyncio.sleep(4 * SETTLED)
    assert moved
    assert len(site.vcd.bodies("POST")) == 1
    assert site.told() == ["accepted queued"]


@virtually
async def test_from_rows_that_never_rest_nothing_is_concluded() -> None:
    site = ExternalSite()
    _lost(site, acted=False)
    await site.start()
    for number in range(200):
        site.vcd.seed(f"other {number}", status="queued")

    def rows(query: TaskQuery) -> TaskPage:
        answer = site.vcd.rows(query)
        if "queued" in query.statuses and query.page == 2:
            first = next(task for task in site.vcd.tasks.values() if task.status == "queued")
            site.vcd._change(first.id, status="success")
            site.vcd.seed("newcomer", status="queued")
        return answer

    site.vcd.query = rows
    site.create()
    await asyncio.sleep(2 * SETTLED)
    assert site.told() == ["parked (outcome_unknown)"]
    assert "faster than they can be read" in site.of()[0]["reason"]["message"]
    assert len(site.vcd.bodies("POST")) == 1
