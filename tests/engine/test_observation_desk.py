"""Records about observations, and what their looks find: each taken once, in order, and forgotten in time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from bridge.core.answers import ReadRefused, TaskPage, TaskQuery, Unavailable
from bridge.core.blocking_task import BlockingTask
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.lifecycle import Kind, Phase
from bridge.core.observation.order import order_part
from bridge.core.observation_seen import BlockingGone, LookOver, Seen, SeenBlocking, SeenMissing, SeenTask
from bridge.core.task import Task
from bridge.engine.journal.gathering import RoundLimits
from bridge.engine.observation.lookout_pace import LookoutPace
from bridge.ports import NotCommitted
from tests.core.observation.orders import VCD_NOW
from tests.core.observation.orders import task as row
from tests.engine.harness import NAMES, in_short, virtually
from tests.engine.observed_vcd import ObservedVcd
from tests.engine.observing import ORDERS, OVERLAP, ObservingSite
from tests.simulation.loop import EPOCH

DAY = LookoutPace(interval=timedelta(days=1), requests_per_second=20.0)


class DeskSite(ObservingSite):
    """Nothing is looked for: what is found is put into the queue by hand, as the look-out does."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.policies = replace(self.policies, lookout=DAY)

    def find(self, *seen: Seen) -> None:
        self.orders().found.extend(seen)
        self.engine._p.rounds.wake()

    def order_events(self) -> list[str]:
        return [in_short(event) for event in self.events()]

    def position(self, birth: Birth) -> datetime:
        position = order_part(self.orders().lifecycles[birth]).position
        assert position is not None
        return position


async def followed(**fields: Any) -> tuple[DeskSite, Birth]:
    site = DeskSite()
    await site.start()
    birth = site.observe(1, **fields)
    await asyncio.sleep(1)
    return site, birth


def seen(order: Birth, *tasks: Task) -> Iterable[SeenTask]:
    return (SeenTask(order=order, task=one) for one in tasks)


# --- records ----------------------------------------------------------------------------------------------------------


@virtually
async def test_an_observation_is_started_repeated_changed_and_stopped() -> None:
    site, _ = await followed(correlation_id="CHG1")
    site.observe(1)
    site.observe(1, blocking_tasks=True)
    site.observe(1, since="2020-01-01T00:00:00Z", blocking_tasks=True)
    await asyncio.sleep(1)
    site.stop_observing(1)
    site.stop_observing(1)
    await asyncio.sleep(1)
    site.stop_observing(1)
    await asyncio.sleep(1)
    assert site.order_events() == [
        "accepted",
        "changed (observation_changed)",
        "rejected -> rejected (since_earlier)",
        "finished -> success (observation_stopped)",
        "rejected -> rejected (not_observed)",
    ]
    assert {record.key for record in site.committed(NAMES.task_events)} == {b"org-1"}
    assert site.events()[0]["correlation_id"] == site.events()[3]["correlation_id"] == "CHG1"
    assert site.stored(ORDERS) == {}
    assert site.committed(NAMES.ended(ORDERS)) == [], "what ended here is not asked for again"


@virtually
async def test_a_record_without_a_value_stops_and_asks_for_nothing_where_nothing_stands() -> None:
    site, _ = await followed()
    site.send(None, key=b"org-1", topic=ORDERS)
    await asyncio.sleep(1)
    site.send(None, key=b"org-1", topic=ORDERS)
    site.send(None, key=None, topic=ORDERS)
    await asyncio.sleep(1)
    assert site.order_events() == ["accepted", "finished -> success (observation_stopped)"]
    assert len(site.committed(NAMES.dead_letters)) == 1, "without a key nobody knows what it is about"


@virtually
async def test_a_start_behind_a_stop_begins_when_nothing_of_the_old_one_is_left() -> None:
    site, first = await followed()
    site.find(*seen(first, *(row(str(number)) for number in range(700))))
    await asyncio.sleep(1)
    assert len(site.sighted()) == 700
    site.stop_observing(1)
    second = site.observe(1)
    await asyncio.sleep(2)
    assert [(event["birth"], in_short(event)) for event in site.events()] == [
        (str(first), "accepted"), (str(first), "finished -> success (observation_stopped)"), (str(second), "accepted"),
    ]  # fmt: skip
    assert site.sighted() == []
    site.find(*seen(second, row("0")))
    await asyncio.sleep(1)
    assert [in_short(event) for event in site.told()].count("accepted running") == 701
    assert len(site.stories()) == 701, "a new observation tells new stories"


@virtually
async def test_a_stop_is_brought_to_its_end_by_the_next_owner() -> None:
    site, order = await followed()
    site.find(*seen(order, *(row(str(number)) for number in range(700))))
    await asyncio.sleep(1)
    commits = 0

    def crash() -> None:
        nonlocal commits
        commits += 1
        if commits == 3:
            site.crash()

    site.after_commit = crash
    site.stop_observing(1)
    await asyncio.sleep(1)
    assert 0 < sum(key.endswith("|state") for key in site.stored(ORDERS)) < 701, "in the midst of it"
    site.after_commit = None
    await asyncio.sleep(10)
    await site.start()
    assert site.stored(ORDERS) == {}
    assert site.order_events() == ["accepted", "finished -> success (observation_stopped)"]


@virtually
async def test_who_may_observe_what_is_told_at_once_or_by_vcd() -> None:
    site = DeskSite()
    site.vcd.is_provider = False
    await site.start()
    site.observe(0)
    site.observe(1, blocking_tasks=True)
    site.observe(99)
    site.send({"organization": "org-2"}, key=b"org-1", topic=ORDERS)
    await asyncio.sleep(1)
    assert sorted(site.order_events()) == [
        "rejected -> rejected (organization_mismatch)",
        "rejected -> rejected (provider_needed)",
        "rejected -> rejected (provider_needed)",
        "rejected -> rejected (unknown_organization)",
    ]


@virtually
async def test_all_organizations_and_one_of_them_are_two_streams() -> None:
    site = DeskSite()
    await site.start()
    everything, one = site.observe(0), site.observe(1)
    await asyncio.sleep(1)
    site.find(*seen(everything, row("t")), *seen(one, row("t")))
    await asyncio.sleep(1)
    assert list(site.stories().values()) == [["accepted running"]] * 2


@virtually
async def test_observations_have_a_cap_and_what_they_see_has_none() -> None:
    site = DeskSite()
    site.policies = replace(site.policies, rounds=RoundLimits(max_open=1))
    await site.start()
    order = site.observe(1)
    await asyncio.sleep(1)
    site.find(*seen(order, *(row(str(number)) for number in range(30))))
    await asyncio.sleep(1)
    site.observe(2)
    site.observe(1, blocking_tasks=True)
    await asyncio.sleep(1)
    assert site.order_events() == [
        "accepted", "rejected -> rejected (too_many_observations)", "changed (observation_changed)",
    ]  # fmt: skip
    assert len(site.told()) == 30


@virtually
async def test_while_vcd_is_away_the_observation_waits() -> None:
    site = DeskSite()
    site.vcd.on_reference = lambda kind, text: Unavailable("503")
    await site.start()
    order = site.observe(1)
    await asyncio.sleep(4 * 3600)
    site.host_ahead = timedelta(hours=-1)
    await site.next_owner()
    assert site.order_events() == ["waiting (reference_unanswered)"]
    site.vcd.on_reference = None
    await asyncio.sleep(60)
    assert site.order_events() == ["waiting (reference_unanswered)", "accepted"]
    assert site.orders().lifecycles[order].phase is Phase.FOLLOWING
    began = order_part(site.orders().lifecycles[order]).since
    assert began is not None
    assert began < EPOCH + timedelta(seconds=10), "what has ended meanwhile is told"


@virtually
async def test_from_now_is_vcds_now_though_our_clock_was_set_since_it_last_told_the_time() -> None:
    site = DeskSite(vcd=_Telling())
    await site.start()
    site.vcd.clock_ahead = timedelta(hours=1)
    order = site.observe(0)
    await asyncio.sleep(1)
    assert site.position(order) < EPOCH + timedelta(seconds=10)


@virtually
async def test_a_login_that_sees_no_tasks_is_told_so() -> None:
    site = DeskSite(vcd=_Refusing())
    await site.start()
    site.observe(1)
    await asyncio.sleep(1)
    (event,) = site.events()
    assert in_short(event) == "rejected -> rejected (unknown_organization)"
    assert "does not list its Tasks (403): no right" in event["reason"]["message"]


class _Telling(ObservedVcd):
    """Each page tells the time, which is ours."""

    async def query_tasks(self, query: TaskQuery) -> TaskPage | ReadRefused | Unavailable:
        self.clock_ahead = timedelta()
        return await super().query_tasks(query)


class _Refusing(ObservedVcd):
    async def query_tasks(self, query: TaskQuery) -> TaskPage | ReadRefused | Unavailable:
        return ReadRefused(403, "no right")


# --- what is found ----------------------------------------------------------------------------------------------------


@virtually
async def test_what_is_found_is_told_in_its_order_and_once_whatever_is_not_committed() -> None:
    site, order = await followed()
    begun = site.position(order)
    site.fail_commits(3)
    site.find(
        *seen(order, row("a", "queued"), row("b"), row("a"), row("a", "queued")),
        *seen(order, row("a", "success", ended=begun + timedelta(seconds=1))),
        SeenMissing(order=order, task_id="urn:vcloud:task:b", http_status=403, message="no access", at=begun),
        LookOver(order=order, position=begun + timedelta(seconds=2)),
    )
    await asyncio.sleep(5)
    assert list(site.stories().values()) == [
        ["accepted queued", "changed running", "finished success -> success"],
        ["accepted running", "finished -> unknown (task_vanished)"],
    ]
    site.check_stories()
    assert site.position(order) == begun + timedelta(seconds=2)
    assert not site.outcomes


@virtually
async def test_the_position_never_passes_what_is_not_committed() -> None:
    site, order = await followed()
    begun = site.position(order)
    site.outcomes.append(lambda entries: NotCommitted())
    site.find(*seen(order, row("a")), LookOver(order=order, position=begun + timedelta(seconds=60)))
    await asyncio.sleep(0.001)
    assert site.position(order) == begun
    site.crash()
    assert site.told() == []
    await asyncio.sleep(10)
    await site.start()
    assert site.position(order) < begun + timedelta(seconds=60), "the next owner looks from there"


@virtually
async def test_an_ended_task_is_remembered_until_no_window_shows_it() -> None:
    site, order = await followed()
    begun = site.position(order)
    ended = row("a", "success", ended=begun)
    site.find(*seen(order, ended))
    for seconds in (1, OVERLAP):
        site.find(*seen(order, ended), LookOver(order=order, position=begun + timedelta(seconds=seconds)))
        await asyncio.sleep(1)
        assert [one.phase for one in site.sighted()] == [Phase.KEPT]
    site.find(LookOver(order=order, position=begun + timedelta(seconds=OVERLAP, milliseconds=1)))
    await asyncio.sleep(1)
    assert site.sighted() == []
    assert sum(key.endswith("|state") for key in site.stored(ORDERS)) == 1, "the observation's own"
    site.find(*seen(order, ended))
    await asyncio.sleep(1)
    assert len(site.told()) == 1, "a message that comes late brings nothing back"


@virtually
async def test_what_ended_before_the_beginning_and_is_shown_late_is_told_once() -> None:
    """A row shows it active when the observation has begun, a reading how it ended, and the next row is late too."""
    site, order = await followed()
    begun = site.position(order)
    ended = row("a", "success", ended=begun - timedelta(seconds=2))
    for position in (1, OVERLAP):
        told = LookOver(order=order, position=begun + timedelta(seconds=position))
        site.find(*seen(order, row("a"), ended), told)
        await asyncio.sleep(1)
    assert list(site.stories().values()) == [["accepted running", "finished success -> success"]]
    site.find(LookOver(order=order, position=begun + timedelta(seconds=OVERLAP, milliseconds=1)))
    await asyncio.sleep(1)
    assert site.sighted() == []


@virtually
async def test_a_new_owner_knows_what_was_told() -> None:
    site, order = await followed()
    begun = site.position(order)
    ended = row("b", "error", ended=begun + timedelta(seconds=1))
    site.find(*seen(order, row("a", progress=20), ended))
    await asyncio.sleep(1)
    before = {one.birth: (one.phase, one.sequence, one.rank, one.observation) for one in site.sighted()}
    await site.next_owner()
    assert {one.birth: (one.phase, one.sequence, one.rank, one.observation) for one in site.sighted()} == before
    assert len(site.orders().sighted_by(order)) == 2
    site.find(*seen(order, row("a", progress=25), ended, row("a", progress=40)))
    await asyncio.sleep(1)
    assert list(site.stories().values()) == [["accepted running", "changed running"], ["finished error -> error"]]
    site.check_stories()


@virtually
async def test_a_damaged_state_goes_on_by_its_headers() -> None:
    site, order = await followed()
    site.find(*seen(order, row("a"), row("b", "success", ended=site.position(order))))
    await asyncio.sleep(1)
    for key in list(site.stored(ORDERS)):
        site.damage(key, topic=ORDERS)
    await site.next_owner()
    assert {one.kind for one in site.orders().lifecycles.values()} == {Kind.OBSERVATION, Kind.OBSERVED_TASK}
    end = row("a", "success", ended=site.position(order))
    site.find(*seen(order, end, row("b", "success", ended=site.position(order))))
    await asyncio.sleep(1)
    assert list(site.stories().values()) == [
        ["accepted running", "finished success -> success"], ["finished success -> success"],
    ]  # fmt: skip
    site.check_stories()


@virtually
async def test_a_state_without_readable_headers_stops_its_partition() -> None:
    """Begun anew it would tell again what it has told."""
    site, order = await followed()
    site.find(*seen(order, row("a")))
    await asyncio.sleep(1)
    changelog = site.kafka.logs[TopicPartition(NAMES.changelog(ORDERS), 0)]
    for entry in changelog:
        if entry.record is not None and dict(entry.record.headers).get("vb_lifecycle") == b"observed_task":
            lost = tuple(one for one in entry.record.headers if one[0] != "vb_observation")
            entry.record = replace(entry.record, headers=lost)
    await site.next_owner()
    assert list(site.engine.not_taken) == [TopicPartition(ORDERS, 0)]
    assert "is damaged" in site.engine.not_taken[TopicPartition(ORDERS, 0)]


@virtually
async def test_blocking_tasks_are_told_on_their_own_topic_while_they_are_wanted() -> None:
    site, order = await followed(blocking_tasks=True)
    one = BlockingTask(id="urn:vcloud:blockingTask:b", operation="vappDeploy", task=row("t", "preRunning"))
    other = replace(one, id="urn:vcloud:blockingTask:c")
    site.find(*(SeenBlocking(order=order, blocking=blocking) for blocking in (one, other)))
    await asyncio.sleep(1)
    site.find(
        BlockingGone(order=order, blocking_task_id=one.id, task=row("t", "running"), at=site.position(order)),
        BlockingGone(order=order, blocking_task_id="urn:vcloud:blockingTask:never", task=None, at=site.position(order)),
    )
    await asyncio.sleep(1)
    told = [(event["id"], event["state"], event["sequence"], event["final"]) for event in site.blocking()]
    assert told == [
        (one.id, "pending", 1, False), (other.id, "pending", 1, False), (one.id, "resumed", 2, True),
    ]  # fmt: skip
    assert {record.key for record in site.committed("blocking-tasks")} == {one.id.encode(), other.id.encode()}
    site.observe(1)
    await asyncio.sleep(1)
    site.find(SeenBlocking(order=order, blocking=other))
    await asyncio.sleep(1)
    assert len(site.blocking()) == 3, "not wanted any more"
    assert not site.orders().sighted_by(order)
    site.observe(1, blocking_tasks=True)
    await asyncio.sleep(1)
    site.find(SeenBlocking(order=order, blocking=other))
    await asyncio.sleep(1)
    assert site.blocking()[-1]["sequence"] == 1
    assert len({event["event_id"] for event in site.blocking()}) == 4, "wanted again: another story"


@virtually
async def test_tickets_hear_of_the_observation_and_not_of_each_task() -> None:
    site = DeskSite()
    site.policies = replace(site.policies, names=replace(site.policies.names, ticket_updates="tickets"))
    await site.start()
    order = site.observe(1, correlation_id="CHG1")
    await asyncio.sleep(1)
    site.find(*seen(order, row("a", "success", ended=site.position(order))))
    await asyncio.sleep(1)
    assert site.committed("tickets") == []
    site.stop_observing(1)
    await asyncio.sleep(1)
    assert [record.key for record in site.committed("tickets")] == [b"CHG1"]


@virtually
async def test_what_is_found_for_nobody_is_dropped() -> None:
    site, order = await followed()
    site.find(*seen(replace(order, offset=99), row("a")))
    site.stop_observing(1)
    await asyncio.sleep(1)
    site.find(*seen(order, row("a")), LookOver(order=order, position=VCD_NOW))
    await asyncio.sleep(1)
    assert site.told() == []
    assert not site.orders().found
    assert site.failures == []


@pytest.mark.parametrize("share", [1, 3])
@virtually
async def test_a_drained_partition_hands_over_what_it_was_told(share: int) -> None:
    site, order = await followed()
    site.find(*seen(order, *(row(str(number)) for number in range(share))))
    await asyncio.sleep(1)
    await site.stop()
    await site.start()
    assert len(site.sighted()) == share
