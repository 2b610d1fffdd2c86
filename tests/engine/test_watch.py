"""The watch reads each running external task once per interval, within its budget, and tells what others did to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from bridge.core.answers import CallAnswer, HttpCall, TaskReading, TaskVanished, Unavailable
from bridge.core.coordinates import TopicPartition
from bridge.core.lifecycle import Lifecycle
from bridge.engine.following.watch import WatchPace, _Watched
from bridge.ports import NotCommitted
from tests.engine.external import ANSWER_SECONDS, TICKETS, ExternalSite
from tests.engine.external_vcd import ExternalVcd
from tests.engine.harness import virtually
from tests.engine.scripted_vcd import urn

INTERVAL = 15.0


class _Reads:
    """Notes every reading of a Task; ``answer`` may answer one instead of VCD."""

    def __init__(self, site: ExternalSite, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at: list[tuple[float, str]] = []
        self.answer: dict[str, TaskReading] = {}
        self.seconds = 0.0
        original = ExternalVcd.read_task

        async def read(vcd: ExternalVcd, task_id: str, href: str | None) -> TaskReading:
            self.at.append((vcd.now(), task_id))
            reading = self.answer.get(task_id) or await original(vcd, task_id, href)
            await asyncio.sleep(self.seconds)
            return reading

        monkeypatch.setattr(ExternalVcd, "read_task", read)

    def of(self, number: int = 1) -> list[float]:
        return [at for at, task_id in self.at if task_id == urn(number)]


async def _running(site: ExternalSite, count: int = 1) -> None:
    await site.start()
    for number in range(1, count + 1):
        site.create(f"CHG{number}")
    while len(site.vcd.documents) < count:
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)


def _paced(site: ExternalSite, reads_per_second: float = 20.0) -> None:
    pace = WatchPace(interval=timedelta(seconds=INTERVAL), reads_per_second=reads_per_second)
    site.policies = replace(site.policies, watch=pace)


# --- what it costs, and how soon it tells -----------------------------------------------------------------------------


@virtually
async def test_a_cancel_is_told_within_the_interval_whenever_it_comes() -> None:
    for after in (0.0, 3.0, 7.0, 14.0, 20.0):
        site = ExternalSite()
        await _running(site)
        await asyncio.sleep(after)
        site.vcd.person_cancels()
        began = site.vcd.now()
        while len(site.of()) < 2:
            await asyncio.sleep(0.1)
        assert site.vcd.now() - began <= INTERVAL + 0.5
        assert site.of()[1]["task"]["cancelRequested"] is True
        await asyncio.sleep(60)
        assert len(site.of()) == 2, "it is told once"
        assert site.vcd.bodies("PUT") == [], "what it answers is its owner's choice"
        await site.stop()


@virtually
async def test_a_cancel_is_told_in_time_while_updates_go_on() -> None:
    """An update's answer counts as a reading, while it is new."""
    site = ExternalSite()
    await _running(site)
    for pause in (1.0, 8.0, 14.0):
        for step in range(4):
            site.update(details=f"{pause} {step}")
            await asyncio.sleep(pause)
    site.vcd.person_cancels()
    began = site.vcd.now()
    told = len(site.of())
    while len(site.of()) == told:
        await asyncio.sleep(0.1)
    assert site.vcd.now() - began <= INTERVAL + 0.5


@virtually
async def test_the_interval_runs_from_what_an_update_has_shown() -> None:
    """A reading that falls due shortly after an update is put off, but not by more than an interval from that."""
    site = ExternalSite()
    await site.start()
    site.create("CHG1")
    await asyncio.sleep(INTERVAL - 6)
    site.update("CHG1", details="x")
    await asyncio.sleep(1)
    site.vcd.person_cancels()
    await asyncio.sleep(INTERVAL)
    assert [event["task"]["cancelRequested"] for event in site.of()] == [None, True]


@virtually
async def test_what_updates_have_just_shown_is_not_read_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    site = ExternalSite()
    reads = _Reads(site, monkeypatch)
    await _running(site)
    for step in range(60):
        site.update(details=str(step))
        await asyncio.sleep(2)
    assert reads.of() == []
    await asyncio.sleep(2 * INTERVAL)
    assert len(reads.of()) in {1, 2}


@pytest.mark.parametrize(("budget", "longest"), [(20.0, 15.5), (5.0, 61.0)])
def test_300_tasks_are_read_within_the_budget_each_in_its_turn(
    budget: float, longest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    @virtually
    async def play() -> None:
        site = ExternalSite()
        _paced(site, reads_per_second=budget)
        reads = _Reads(site, monkeypatch)
        await _running(site, 300)
        await asyncio.sleep(200)
        per_second = Counter(int(at) for at, _ in reads.at)
        assert max(per_second.values()) <= budget + 1
        assert sum(per_second.values()) >= 0.95 * 180 * min(budget, 300 / INTERVAL)
        for number in range(1, 301):
            at = reads.of(number)
            assert at, f"{number} was never read"
            assert max((b - a for a, b in pairwise(at)), default=0.0) <= longest

    play()


@virtually
async def test_tasks_that_come_due_together_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 Tasks that were made, or shown, at once: each is read within the interval, from the first time on."""
    site = ExternalSite()
    reads = _Reads(site, monkeypatch)
    await _running(site, 200)
    made = site.vcd.now()
    await asyncio.sleep(20)
    updated = site.vcd.now()
    for number in range(1, 201):
        site.update(f"CHG{number}", details="all at once")
    while any(one.shown < 2 for one in site.lifecycles(TICKETS)):
        await asyncio.sleep(0.1)
    shown = site.vcd.now()
    await asyncio.sleep(40)
    for number in range(1, 201):
        of_it = [made - 2.0, *reads.of(number)]
        last_before = max(at for at in of_it if at <= updated)
        after = [at for at in of_it if at > shown]
        assert updated - last_before <= INTERVAL
        assert after[0] - shown <= INTERVAL
        assert max(later - earlier for earlier, later in pairwise(after)) <= INTERVAL
    await site.stop()


@virtually
async def test_readings_that_take_long_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    site = ExternalSite()
    reads = _Reads(site, monkeypatch)
    await _running(site, 100)
    reads.seconds = 30.0
    await asyncio.sleep(120)
    assert len(site.watch._reading) <= 16
    per_30_seconds = Counter(int(at / 30) for at, _ in reads.at)
    assert max(per_30_seconds.values()) <= 2 * 16
    await site.stop()
    assert site.watch._reading == set()


@virtually
async def test_the_next_one_is_found_without_looking_at_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of watched Tasks must not cost the loop more than their readings."""
    site = ExternalSite()
    await _running(site)
    watch, owned, [lifecycle] = site.watch, site.tickets(), site.tickets().lifecycles.values()
    for number in range(5000):
        other = replace(lifecycle, birth=replace(lifecycle.birth, offset=1000 + number))
        owned.lifecycles[other.birth] = other
        watch.add(owned, other)
    looked, original = 0, _Watched.lifecycle

    def counted(watched: _Watched) -> Lifecycle | None:
        nonlocal looked
        looked += 1
        return original(watched)

    monkeypatch.setattr(_Watched, "lifecycle", counted)
    while watch._next_due() is not None:  # some may be due at this very moment
        continue
    looked = 0
    for _ in range(100):
        assert watch._next_due() is None
    assert looked <= 100


# --- what it tells ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("aborted", "finished aborted -> aborted (ended_in_vcd)"),
        ("success", "finished success -> success (ended_in_vcd)"),
    ],
)
@virtually
async def test_a_task_that_somebody_else_ended_is_told(status: str, told: str) -> None:
    site = ExternalSite()
    await _running(site)
    site.vcd.ends(1, status)
    await asyncio.sleep(INTERVAL + 1)
    assert site.told() == ["accepted running", told]
    late = site.update(details="x")
    await asyncio.sleep(INTERVAL)
    assert site.answers(late) == ["rejected -> rejected (already_finished)"]
    assert site.watch.count == 0
    assert site.kept() == {}


@virtually
async def test_a_task_that_is_missing_for_long_is_parked_and_a_command_looks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = ExternalSite()
    reads = _Reads(site, monkeypatch)
    await _running(site)
    reads.answer[urn(1)] = TaskVanished(403, "no access")
    while not reads.of():
        await asyncio.sleep(0.1)
    await asyncio.sleep(ANSWER_SECONDS - 1)
    assert len(reads.of()) > 2
    del reads.answer[urn(1)]
    await asyncio.sleep(60)
    assert site.told() == ["accepted running"], "not for long enough, and then it was shown"
    reads.answer[urn(1)] = TaskVanished(404, "not found")
    await asyncio.sleep(INTERVAL + ANSWER_SECONDS + 3)
    assert site.told()[1:] == ["parked (task_vanished)"]
    await asyncio.sleep(2 * INTERVAL)
    assert site.watch.count == 0
    reads.answer.clear()
    site.update(details="back")
    await asyncio.sleep(20)
    assert site.vcd.shown()["details"] == "back"
    assert site.phase() == ["following"]
    site.vcd.person_cancels()
    await asyncio.sleep(INTERVAL + 1)
    assert site.of()[-1]["task"]["cancelRequested"] is True


@virtually
async def test_an_unanswered_reading_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    site = ExternalSite()
    reads = _Reads(site, monkeypatch)
    await _running(site)
    reads.answer[urn(1)] = Unavailable("away")
    await asyncio.sleep(10 * INTERVAL)
    assert site.told() == ["accepted running"]
    assert len(reads.of()) == pytest.approx(10, abs=1)


@virtually
async def test_a_reading_that_an_updates_answer_has_overtaken_takes_nothing_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It began before a person pressed cancel, and comes back after an update's answer has told the flag."""
    site = ExternalSite()
    reads = _Reads(site, monkeypatch)
    await _running(site)
    reads.seconds = 5.0
    while not reads.of():
        await asyncio.sleep(0.1)
    site.vcd.person_cancels()
    site.update(details="x")
    await asyncio.sleep(2)
    assert [event["task"]["cancelRequested"] for event in site.of()] == [None, True]
    reads.seconds = 0.0
    await asyncio.sleep(3 * INTERVAL)
    assert [event["task"]["cancelRequested"] for event in site.of()] == [None, True]


# --- memory, and partitions that go -----------------------------------------------------------------------------------


@virtually
async def test_while_nothing_can_be_committed_readings_do_not_pile_up() -> None:
    site = ExternalSite()
    await _running(site)
    stalled = frozenset({TopicPartition(TICKETS, 0)})
    site.outcomes.extend([lambda entries: NotCommitted(stalled=stalled)] * 30)
    site.vcd.person_cancels()
    for _ in range(40):
        await asyncio.sleep(INTERVAL)
        assert sum(len(queue) for queue in site.tickets().inputs.values()) <= 1
    site.outcomes.clear()
    await asyncio.sleep(120)
    assert [event["task"]["cancelRequested"] for event in site.of()] == [None, True]


@virtually
async def test_a_partition_that_is_handed_over_is_not_read_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    site = ExternalSite()
    reads = _Reads(site, monkeypatch)
    await _running(site, 20)
    out: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def slow(call: HttpCall) -> CallAnswer:
        await out
        return site.vcd.keeping(call)

    site.vcd.on_call = slow
    await asyncio.sleep(INTERVAL - 5)
    site.update("CHG1", details="x")
    await asyncio.sleep(1)
    handover = asyncio.ensure_future(site.inbox.revoke_all_but(()))
    await asyncio.sleep(0.1)
    reads.at.clear()
    await asyncio.sleep(8)
    assert reads.at == [], "while the call is waited for"
    out.set_result(None)
    await handover
    await asyncio.sleep(2 * INTERVAL)
    assert reads.at == []
    assert site.watch.count == 0
    site.vcd.on_call = site.vcd.keeping
    site.inbox.assign([TopicPartition(TICKETS, 0), TopicPartition("requests", 0)])
    await asyncio.sleep(2 * INTERVAL)
    assert {task_id for _, task_id in reads.at} == {urn(number) for number in range(1, 21)}


@virtually
async def test_restored_tasks_are_read_spread_over_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    site = ExternalSite()
    await _running(site, 100)
    reads = _Reads(site, monkeypatch)
    await site.next_owner()
    began = site.vcd.now()
    await asyncio.sleep(INTERVAL + 1)
    assert {task_id for _, task_id in reads.at} == {urn(number) for number in range(1, 101)}
    thirds = Counter(int(3 * (at - began + 1) / INTERVAL) for at, _ in reads.at)
    assert all(thirds[third] >= 15 for third in range(3))


@virtually
async def test_a_task_whose_update_waits_is_watched_by_the_next_owner_too() -> None:
    site = ExternalSite()
    await _running(site)
    site.vcd.session_ready = False
    site.update("CHG1", details="x")
    await asyncio.sleep(5)
    await site.next_owner()
    assert site.phase("CHG1") == ["waiting"]
    site.vcd.person_cancels()
    await asyncio.sleep(INTERVAL + 1)
    assert site.of()[-1]["task"]["cancelRequested"] is True


def test_the_queue_of_the_watch_stays_as_large_as_what_is_watched() -> None:
    @virtually
    async def play() -> None:
        site = ExternalSite()
        _paced(site)
        await _running(site, 10)
        for step in range(50):
            for number in range(1, 11):
                site.update(f"CHG{number}", details=str(step))
            await asyncio.sleep(3)
        assert site.watch.count == 10
        assert len(site.watch._queue) <= 2 * 10
        for number in range(1, 11):
            site.finish(f"CHG{number}")
        await asyncio.sleep(2 * INTERVAL)
        assert (site.watch.count, site.watch._queue) == (0, [])

    play()


@virtually
async def test_a_reading_that_breaks_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the cancels and ends of that Task would never be seen again."""
    site = ExternalSite()
    await _running(site)

    async def broken(vcd: ExternalVcd, task_id: str, href: str | None) -> TaskReading:
        raise RuntimeError("broken")

    monkeypatch.setattr(ExternalVcd, "read_task", broken)
    await asyncio.sleep(INTERVAL + 1)
    assert [str(failure) for failure in site.failures] == ["broken"]


@virtually
async def test_a_task_that_is_watched_anew_leaves_its_slot() -> None:
    site = ExternalSite()
    await _running(site)
    (lifecycle,) = site.lifecycles(TICKETS)
    for _ in range(50):
        site.watch.add(site.tickets(), lifecycle)
    assert len(site.watch._timetable._taken) == 1
    await site.stop()
