"""Looks: what is asked of VCD about a call in doubt, when, and what no look may conclude."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from bridge.catalogue.load import Catalogue
from bridge.core.answers import (
    Busy,
    CallAnswer,
    EntityAbsent,
    EntityRead,
    HttpCall,
    ReadRefused,
    TaskPage,
    TaskQuery,
    Unavailable,
)
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.inputs import Looked
from bridge.core.lifecycle import Lifecycle, Phase, StoredRequest
from bridge.core.recognition import CLOCK_MARGIN
from bridge.core.task import Task
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.patience import CONCURRENT_LOOKS, Patience, SettleTimes
from bridge.engine.recovery.recovering import MAX_PAGES, Recovery
from tests.engine.harness import CATALOGUE, Site, control, request, vapp, virtually
from tests.engine.scripted_vcd import NO_ANSWER, ScriptedVcd, fits, page_of, row_of, task, urn
from tests.simulation.loop import EPOCH, VirtualClock
from tests.support.observer import SilentObserver

ENTITY = f"/vApp/{vapp(1)}"
OTHER = f"/vApp/{vapp(2)}"
LEASE, ANSWER = 5.0, 10.0


class _Desk:
    """One unsure call of ``operation`` on ``ENTITY``, whose intent was committed at second 100."""

    def __init__(self, operation: str = "createSnapshot", claimed: Collection[str] = (), **more: Any) -> None:
        self.vcd = ScriptedVcd()
        self.clock = VirtualClock(asyncio.get_running_loop(), Random(1))
        settle = SettleTimes(lease=timedelta(seconds=LEASE), answer=timedelta(seconds=ANSWER))
        self.recovery = Recovery(
            Patience(self.clock, SilentObserver()), self.vcd, CATALOGUE, settle, frozenset(claimed)
        )
        self.owned = OwnedPartition(TopicPartition("t", 0), 1, "id", 0, 0)
        fields: dict[str, Any] = {"entity": ENTITY, "intent_at": EPOCH + timedelta(seconds=100), **more}
        self.lifecycle = Lifecycle(
            birth=Birth("t", 0, 1), phase=Phase.UNSURE, request_id="A", key=None, received_at=EPOCH,
            operation=operation, attempt=1, unsure_code="no_answer", **fields,
        )  # fmt: skip
        self.owned.put(self.lifecycle)

    def may_probe(self, path: str, body: str | None = None) -> None:
        birth = self.lifecycle.birth
        self.owned.put_request(
            StoredRequest(birth=birth, method="POST", path=path, query=(), media_type=None, body=body)
        )

    def rows(self, *tasks: Task) -> None:
        """The task query shows these, whatever it is asked; each can be read."""
        self.vcd.tasks |= {one.id: one for one in tasks}
        self.vcd.query = lambda query: page_of(query, [row_of(one) for one in tasks])

    async def look(self, *, settle: bool = False) -> Looked:
        looked = await self.recovery.look(self.owned, self.lifecycle, settle=settle)
        assert looked is not None
        assert looked.attempt == 1
        return looked


def _ids(looked: Looked) -> list[str]:
    return [one.id for one in looked.candidates]


# --- what is asked ----------------------------------------------------------------------------------------------------


@virtually
async def test_the_entity_is_asked_for_its_tasks() -> None:
    desk = _Desk()
    mine, old = task(1, entity=ENTITY, began=101), task(2, "success", entity=ENTITY, began=10)
    desk.vcd.entity = lambda path: EntityRead({}, (mine, old)) if path == ENTITY else EntityAbsent(404, "")
    assert _ids(await desk.look()) == [urn(1)]


@virtually
async def test_both_task_queries_are_made_for_our_own_user() -> None:
    """A window shows what began since; what waits for its start has no start yet, so it is asked for by status."""
    for began, status in ((101.0, "running"), (None, "queued"), (None, "preRunning")):
        desk = _Desk()
        mine = task(1, status, entity=ENTITY, began=began)
        desk.vcd.tasks[mine.id] = mine
        desk.vcd.shows(1)
        assert _ids(await desk.look()) == [urn(1)]
        waiting, window = desk.vcd.queries
        assert window.own_only
        assert waiting.own_only
        assert window.statuses == ()
        assert waiting.started_at_or_after is None
        assert set(waiting.statuses) == {"queued", "preRunning"}
        # Neither is narrowed to the entity: how a row names it differs between versions.
        assert window.object_href is waiting.object_href is None


@pytest.mark.parametrize("ahead", [0, 45, -45])
@virtually
async def test_the_start_window_is_in_vcds_time(ahead: int) -> None:
    desk = _Desk()
    desk.vcd.clock_ahead = timedelta(seconds=ahead)
    margin = CLOCK_MARGIN.total_seconds()
    before = task(1, entity=ENTITY, began=100 + ahead - margin - 1)
    since = task(2, entity=ENTITY, began=100 + ahead - margin + 1)
    desk.vcd.entity = lambda path: EntityRead({}, (before, since))
    assert _ids(await desk.look()) == [urn(2)]
    assert desk.vcd.queries[1].started_at_or_after == EPOCH + timedelta(seconds=100 + ahead - margin)


@virtually
async def test_a_task_that_starts_between_the_two_queries_is_in_one_of_them() -> None:
    desk = _Desk()
    mine = task(1, "queued", entity=ENTITY)

    def starts_once_asked_for(query: TaskQuery) -> TaskPage:
        nonlocal mine
        shown = [row for row in [row_of(mine)] if fits(row, query)]
        mine = task(1, "running", entity=ENTITY, began=101)
        desk.vcd.tasks[mine.id] = mine
        return page_of(query, shown)

    desk.vcd.tasks[mine.id] = mine
    desk.vcd.query = starts_once_asked_for
    began = desk.clock.monotonic()
    assert _ids(await desk.look()) == [urn(1)]
    assert desk.clock.monotonic() - began < 1


@virtually
async def test_the_window_begins_with_the_first_call_in_doubt() -> None:
    desk = _Desk(unsure_since=EPOCH + timedelta(seconds=40))
    desk.vcd.entity = lambda path: EntityRead({}, (task(1, entity=ENTITY, began=41),))
    assert _ids(await desk.look()) == [urn(1)]


NOT_OURS: dict[str, Callable[[], Task]] = {
    "another user's": lambda: task(1, entity=ENTITY, began=101, user="someone"),
    "of another entity": lambda: task(1, entity=OTHER, began=101),
    "of another operation": lambda: task(1, entity=ENTITY, began=101, operation_name="vappDeploy"),
    "too old": lambda: task(1, entity=ENTITY, began=10),
}


@pytest.mark.parametrize("make", NOT_OURS.values(), ids=NOT_OURS)
@virtually
async def test_what_is_not_ours_is_not_found(make: Callable[[], Task]) -> None:
    desk = _Desk()
    other = make()
    desk.vcd.entity = lambda path: EntityRead({}, (other,))
    desk.rows(other)
    assert _ids(await desk.look()) == []


@virtually
async def test_what_is_claimed_or_named_as_in_our_way_is_not_found() -> None:
    desk = _Desk(claimed=[urn(1)], blockers=(urn(2),))
    tasks = tuple(task(number, entity=ENTITY, began=101) for number in (1, 2, 3))
    desk.vcd.entity = lambda path: EntityRead({}, tasks)
    desk.rows(*tasks)
    assert _ids(await desk.look()) == [urn(3)]


@virtually
async def test_the_sourced_name_decides_between_two_and_an_unknown_name_is_no_contradiction() -> None:
    desk = _Desk()
    named = task(1, entity=ENTITY, began=101, operation_name="vappCreateSnapshot")
    unknown = task(2, entity=ENTITY, began=101, operation_name="somethingNew")
    desk.vcd.entity = lambda path: EntityRead({}, (unknown, named))
    assert _ids(await desk.look()) == [urn(1)]
    desk.vcd.entity = lambda path: EntityRead({}, (unknown,))
    assert _ids(await desk.look()) == [urn(2)]


@virtually
async def test_a_create_is_found_by_the_name_of_what_it_makes() -> None:
    desk = _Desk("instantiateVAppTemplate", entity=None, created_name="web01")
    tasks = task(1, name="web02", began=101), task(2, name="web01", began=101)
    for shown in (True, False):  # a row need not say of what its Task is
        desk.rows(*tasks)
        rows = [row_of(one) if shown else replace(row_of(one), object_name=None) for one in tasks]
        desk.vcd.query = functools.partial(page_of, rows=rows)
        assert _ids(await desk.look()) == [urn(2)]
    nameless = _Desk("instantiateVAppTemplate", entity=None)
    nameless.rows(task(1, began=101))
    assert _ids(await nameless.look()) == [], "any other Task of our user would do as well"


@virtually
async def test_a_create_that_takes_a_key_is_found_by_it() -> None:
    for created_name in ("disk1", None):
        desk = _Desk("createDisk", entity=None, created_name=created_name)
        keys = {1: None, 2: "vb-of-another-bridge", 3: desk.lifecycle.birth.operation_key, 4: "a-person's"}
        tasks = []
        for number, key in keys.items():
            one = task(number, name=created_name, began=101)
            one.document["operationKey"] = key
            tasks.append(one)
        desk.rows(*tasks)
        assert _ids(await desk.look()) == [urn(3)]
        desk.rows(*tasks[:2])
        # Without its key it may still be told by the name; another bridge's key says that it is not ours.
        assert _ids(await desk.look()) == ([urn(1)] if created_name else [])


# --- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("settle", "seconds"), [(False, ANSWER), (True, LEASE + ANSWER)])
@virtually
async def test_nothing_counts_only_after_the_call_can_be_on_its_way_no_more(settle: bool, seconds: float) -> None:
    desk = _Desk()
    began = desk.clock.monotonic()
    looked = await desk.look(settle=settle)
    assert seconds <= desk.clock.monotonic() - began <= seconds + 1
    assert _ids(looked) == []
    (why,) = [line for line in looked.evidence if line.startswith(f"looked again {seconds:g} s later: ")]
    assert ("its last owner may have sent it 5 s late" in why) is settle
    assert len(desk.vcd.queries) == 4


@virtually
async def test_what_turns_up_meanwhile_is_found_by_the_second_look() -> None:
    desk = _Desk()
    looking = asyncio.ensure_future(desk.look())
    await asyncio.sleep(5)
    desk.vcd.entity = lambda path: EntityRead({}, (task(1, entity=ENTITY, began=101),))
    assert _ids(await looking) == [urn(1)]


@virtually
async def test_a_state_that_holds_proves_only_once_the_call_can_be_on_its_way_no_more() -> None:
    """It may have held before the call, which then works on when its request has long ended."""
    desk = _Desk("powerOnVApp")
    desk.may_probe(f"{ENTITY}/power/action/powerOn")
    desk.vcd.entity = lambda path: EntityRead({"status": 4}, ())
    began = desk.clock.monotonic()
    looked = await desk.look()
    assert looked.happened
    assert desk.clock.monotonic() - began >= ANSWER
    looking = asyncio.ensure_future(desk.look())
    await asyncio.sleep(5)
    desk.vcd.entity = lambda path: EntityRead({"status": 4}, (task(1, entity=ENTITY, began=101),))
    assert _ids(await looking) == [urn(1)]


@virtually
async def test_one_that_is_found_at_once_needs_no_second_look() -> None:
    desk = _Desk()
    desk.vcd.entity = lambda path: EntityRead({}, (task(1, entity=ENTITY, began=101),))
    began = desk.clock.monotonic()
    await desk.look(settle=True)
    assert desk.clock.monotonic() - began < 1


@virtually
async def test_a_vcd_that_cannot_be_asked_is_asked_again_until_it_can() -> None:
    desk = _Desk()
    desk.vcd.entity = lambda path: Unavailable("down")
    looking = asyncio.ensure_future(desk.look())
    await asyncio.sleep(600)
    assert not looking.done()
    desk.vcd.entity = lambda path: EntityRead({}, (task(1, entity=ENTITY, began=101),))
    assert _ids(await looking) == [urn(1)]


@virtually
async def test_a_look_for_a_partition_that_went_ends_without_a_word() -> None:
    desk = _Desk()
    desk.vcd.query = lambda query: Unavailable("down")
    looking = asyncio.ensure_future(desk.recovery.look(desk.owned, desk.lifecycle, settle=False))
    await asyncio.sleep(60)
    desk.owned.close()
    assert await looking is None


@virtually
async def test_looks_are_made_a_few_at_a_time() -> None:
    desk = _Desk()
    desk.vcd.travel_seconds = 1.0
    desk.vcd.entity = lambda path: EntityRead({}, (task(1, entity=ENTITY, began=101),))
    looks = [asyncio.ensure_future(desk.look()) for _ in range(100)]
    await asyncio.sleep(3.5)  # a look asks three times
    assert sum(one.done() for one in looks) == CONCURRENT_LOOKS
    await asyncio.gather(*looks)


# --- what no look may conclude ----------------------------------------------------------------------------------------


@virtually
async def test_a_look_that_could_not_see_everything_says_so() -> None:
    strangers = [row_of(task(number, entity=OTHER, began=101)) for number in range(10, 10 + MAX_PAGES * 128 + 1)]
    looks: list[Callable[[ScriptedVcd], None]] = [
        lambda vcd: setattr(vcd, "query", lambda query: ReadRefused(400, "no such filter")),
        lambda vcd: setattr(vcd, "entity", lambda path: ReadRefused(406, "no such type")),
        lambda vcd: setattr(vcd, "query", lambda query: page_of(query, strangers)),
    ]
    for hinder in looks:
        desk = _Desk()
        hinder(desk.vcd)
        looked = await desk.look()
        assert looked.incomplete is not None
        assert looked.incomplete in looked.evidence or "rows" in looked.incomplete
    whole = _Desk()
    whole.vcd.query = lambda query: page_of(query, strangers[:-1])
    assert (await whole.look()).incomplete is None


@virtually
async def test_one_that_cannot_be_read_may_be_ours_and_is_looked_at_again() -> None:
    """Another one that fits is not alone then."""
    desk = _Desk()
    mine, alike = task(1, entity=ENTITY, began=101), task(2, entity=ENTITY, began=101)
    desk.rows(mine, alike)
    del desk.vcd.tasks[mine.id]
    looked = await desk.look()
    assert _ids(looked) == [urn(2)]
    assert looked.incomplete is not None
    assert any("looked again" in line for line in looked.evidence)
    desk.vcd.tasks[mine.id] = mine
    whole = await desk.look()
    assert set(_ids(whole)) == {urn(1), urn(2)}
    assert whole.incomplete is None


@virtually
async def test_one_that_is_not_shown_any_more_at_the_second_look_was_there() -> None:
    """The first look saw it and not everything, so that there is a second one: that it shows nothing proves nothing."""
    desk = _Desk()
    mine = task(1, entity=ENTITY, began=101)
    desk.vcd.entity = lambda path: EntityRead({}, (mine,))
    desk.vcd.query = lambda query: ReadRefused(400, "no such filter")
    looking = asyncio.ensure_future(desk.look())
    await asyncio.sleep(1)
    desk.vcd.entity = lambda path: EntityRead({}, ())
    desk.vcd.query = lambda query: page_of(query, [])
    looked = await looking
    assert _ids(looked) == []
    assert looked.incomplete == f"{urn(1)} could be it and is not shown any more"
    assert looked.incomplete in looked.evidence


@virtually
async def test_one_that_bears_the_calls_key_is_ours_whatever_else_cannot_be_read() -> None:
    desk = _Desk("createDisk", entity=None, created_name="disk1")
    mine, other = (task(number, name="disk1", began=101) for number in (1, 2))
    mine.document["operationKey"] = desk.lifecycle.birth.operation_key
    desk.rows(mine, other)
    del desk.vcd.tasks[other.id]
    looked = await desk.look()
    assert _ids(looked) == [urn(1)]
    assert looked.incomplete is None


@virtually
async def test_all_pages_are_read() -> None:
    desk = _Desk()
    mine = task(1, entity=ENTITY, began=101)
    rows = [*(row_of(task(number, entity=OTHER, began=101)) for number in range(10, 1000)), row_of(mine)]
    desk.vcd.tasks[mine.id] = mine
    desk.vcd.query = lambda query: page_of(query, rows) if not query.statuses else page_of(query, [])
    assert _ids(await desk.look()) == [urn(1)]


@pytest.mark.parametrize(
    ("status", "happened"), [(4, True), (8, False), (20, False), (None, None)], ids=["on", "off", "suspended", "hidden"]
)
@virtually
async def test_the_entitys_state_is_probed_where_the_catalogue_knows_what_proves_it(
    status: int | None, happened: bool | None
) -> None:
    desk = _Desk("powerOnVApp")
    desk.may_probe(f"{ENTITY}/power/action/powerOn")
    desk.vcd.entity = lambda path: EntityAbsent(403, "") if status is None else EntityRead({"status": status}, ())
    looked = await desk.look()
    assert looked.happened is happened
    assert any(line.startswith(f"probe GET {ENTITY}") for line in looked.evidence)
    desk.vcd.entity = lambda path: ReadRefused(406, "no such type")
    refused = await desk.look()
    assert refused.happened is None
    assert refused.incomplete is not None


@virtually
async def test_an_operation_that_the_catalogue_lost_is_never_repeated() -> None:
    site = Site()
    site.vcd.on_call = lambda call: NO_ANSWER
    site.vcd.query = lambda query: Unavailable("down")
    await site.start()
    site.send(request("A", operation="mergeVAppMetadata", body={"metadataEntry": [{"key": "k"}]}))
    await asyncio.sleep(5)
    left = tuple(one for one in CATALOGUE.values() if one.name != "mergeVAppMetadata")
    site.catalogue = Catalogue(left, CATALOGUE.bodies)
    site.vcd.query = lambda query: page_of(query, [])
    await site.next_owner()
    await asyncio.sleep(60)
    assert site.story("A") == ["parked (outcome_unknown)"]
    assert "has no operation mergeVAppMetadata" in site.events("A")[0]["reason"]["message"]
    assert len(site.vcd.calls) == 1


# --- the whole way ----------------------------------------------------------------------------------------------------

BODY = {"metadataEntry": [{"key": "k"}]}


def _harmless(request_id: str) -> dict[str, Any]:
    """A request that may be called twice."""
    return request(request_id, operation="mergeVAppMetadata", body=BODY)


@virtually
async def test_a_new_owner_waits_out_the_old_ones_lease_and_vcds_answer_time() -> None:
    """The old owner's call was out when it died; it may still arrive, and its Task be late."""
    site = Site()

    async def never() -> CallAnswer:
        await asyncio.sleep(1000)
        return NO_ANSWER

    site.vcd.on_call = lambda call: never()
    await site.start()
    site.send(_harmless("A"))
    await asyncio.sleep(2)
    site.vcd.on_call = None
    await site.next_owner()
    taken_over = site.vcd.now() - 1
    await asyncio.sleep(60)
    assert len(site.vcd.calls) == 2
    assert LEASE + ANSWER <= site.vcd.calls[1].at - taken_over <= LEASE + ANSWER + 3
    assert any("looked again 15 s later" in line for line in site.events("A")[0]["evidence"])


@virtually
async def test_a_task_that_was_late_is_adopted_and_nothing_called_again() -> None:
    site = Site()

    async def late(call: HttpCall) -> CallAnswer:
        site.vcd.entity = lambda path: EntityRead({}, ())
        asyncio.get_running_loop().call_later(5, arrive)
        return NO_ANSWER

    def arrive() -> None:
        made = site.vcd.make(1, entity=ENTITY)
        site.vcd.entity = lambda path: EntityRead({}, (made,))

    site.vcd.on_call = late
    await site.start()
    site.send(_harmless("A"))
    await asyncio.sleep(30)
    site.vcd.finish(1)
    await asyncio.sleep(10)
    assert site.story("A") == ["accepted running", "finished success -> success"]
    assert len(site.vcd.calls) == 1


@pytest.mark.parametrize("ahead", [600, -600])
@virtually
async def test_a_dead_owners_call_is_found_whatever_the_clock_of_its_host_said(ahead: int) -> None:
    """And what began before it is not taken for its Task."""
    site = Site(host_ahead=timedelta(seconds=ahead))
    before = site.vcd.make(1, entity=ENTITY)
    await asyncio.sleep(60)

    async def never(call: HttpCall) -> CallAnswer:
        made = site.vcd.make(2, entity=ENTITY)
        site.vcd.entity = lambda path: EntityRead({}, (before, made))
        await asyncio.sleep(1000)
        return NO_ANSWER

    site.vcd.on_call = never
    await site.start()
    site.send(_harmless("A"))
    await asyncio.sleep(2)
    site.host_ahead, site.vcd.clock_ahead = timedelta(), timedelta()
    await site.next_owner(after=60)
    await asyncio.sleep(60)
    assert site.story("A") == ["accepted running"]
    assert site.events("A")[0]["task"]["id"] == urn(2)
    assert len(site.vcd.calls) == 1


@pytest.mark.parametrize("ahead", [None, timedelta(), timedelta(minutes=9)])
@virtually
async def test_a_time_that_vcd_has_not_told_is_not_kept_as_vcds(ahead: timedelta | None) -> None:
    site = Site()
    site.vcd.on_call = lambda call: NO_ANSWER
    await site.start()
    site.vcd.clock_ahead = ahead
    birth = site.send(_harmless("A"))
    await asyncio.sleep(1)
    unsure = site.engine.partitions[birth.topic_partition].lifecycles[birth]
    assert unsure.intent_at is not None
    assert unsure.vcd_called_at == (unsure.intent_at + ahead if ahead is not None else None)


@pytest.mark.parametrize("hinder", ["truncated", "query refused", "entity refused"])
@virtually
async def test_a_look_that_could_not_see_everything_never_repeats(hinder: str) -> None:
    site = Site()
    site.vcd.on_call = lambda call: NO_ANSWER
    strangers = [row_of(task(number, entity=OTHER, began=20)) for number in range(10, 10 + MAX_PAGES * 128 + 1)]

    def query(query: TaskQuery) -> TaskPage | ReadRefused:
        return ReadRefused(400, "no such filter") if hinder == "query refused" else page_of(query, strangers)

    if hinder == "entity refused":
        site.vcd.entity = lambda path: ReadRefused(406, "no such type")
    else:
        site.vcd.query = query
    await site.start()
    site.send(_harmless("A"))
    await asyncio.sleep(60)
    assert site.story("A") == ["parked (outcome_unknown)"]
    assert "not everything could be looked at" in site.events("A")[0]["reason"]["message"]
    assert len(site.vcd.calls) == 1


@virtually
async def test_the_task_that_held_the_entity_is_not_adopted() -> None:
    """The first call met another's Task; the second one's answer was lost, and it never arrived."""
    site = Site()
    answers: list[CallAnswer] = [NO_ANSWER]

    def on_call(call: HttpCall) -> CallAnswer:
        if len(site.vcd.calls) > 1:
            return answers[0]
        made = site.vcd.make(7, entity=ENTITY)
        site.vcd.entity = lambda path: EntityRead({}, (made,))
        return Busy(message="busy", http_status=400, task_id=urn(7))

    site.vcd.on_call = on_call
    await site.start()
    site.send(request("A", operation="createSnapshot"))
    await asyncio.sleep(3)
    site.vcd.finish(7)
    await asyncio.sleep(60)
    assert site.story("A") == ["waiting (BUSY_ENTITY)", "parked (outcome_unknown)"]


@virtually
async def test_a_look_survives_the_owner_that_made_it() -> None:
    site = Site()
    site.vcd.on_call = lambda call: NO_ANSWER
    site.vcd.entity = lambda path: Unavailable("down")
    await site.start()
    site.send(_harmless("A"))
    await asyncio.sleep(5)
    assert site.phases() == {"A": "unsure"}
    site.vcd.entity = lambda path: EntityRead({}, ())
    site.vcd.on_call = None
    await site.next_owner()
    await asyncio.sleep(60)
    assert site.story("A") == ["accepted running"]
    assert len(site.vcd.calls) == 2


@virtually
async def test_restored_work_is_looked_into_only_after_the_backlog_was_read() -> None:
    """An operator's word in the backlog counts before anything is called or concluded."""
    site = Site()
    site.policies = replace(site.policies, answer_timeout=timedelta(seconds=1))
    site.vcd.session_ready = False
    await site.start()
    site.send(_harmless("A"))
    await asyncio.sleep(2)
    site.crash()
    for _ in range(200):
        site.send(_harmless("A"))
    site.send(control("cancel", "A"))
    site.vcd.session_ready = True
    await asyncio.sleep(10)
    await site.start()
    await asyncio.sleep(10)
    assert site.story("A") == ["finished -> canceled (canceled_before_start)"]
    assert site.vcd.calls == []
