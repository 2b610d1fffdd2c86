"""How Tasks are looked at: what a round asks of VCD, and what it never concludes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from bridge.core.answers import TaskPage, TaskQuery, TaskRead, TaskReading, TaskRecord, TaskVanished, Unavailable
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.following_plan import Method
from bridge.core.inputs import Input, Observed, Vanished
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.rules import Rules
from bridge.core.task import Task, empty_document, is_final
from bridge.engine.following.follower import CENSUS_SECONDS, Follower, FollowPace
from bridge.engine.partition.owned_partition import OwnedPartition
from tests.simulation.loop import VirtualClock, VirtualLoop, run_virtually

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Vcd:
    """Tasks by number; every request is written down."""

    status: dict[int, str] = field(default_factory=dict)
    flagged: set[int] = field(default_factory=set)
    strangers: int = 0
    """Active Tasks of our user that other processes follow."""
    hidden_from_queries: set[int] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    """Ended, but their rows come too late for any window."""
    queries_fail: bool = False
    answer_seconds: float = 0.0
    reads: list[int] = field(default_factory=list)
    queries: list[TaskQuery] = field(default_factory=list)

    async def read_task(self, task_id: str, href: str | None) -> TaskReading:
        number = int(task_id.rsplit(":", 1)[-1])
        self.reads.append(number)
        await asyncio.sleep(self.answer_seconds)
        if number not in self.status:
            return TaskVanished(403, "no access")
        document = empty_document()
        document["id"], document["status"] = task_id, self.status[number]
        document["cancelRequested"] = number in self.flagged
        return TaskRead(Task(document))

    async def query_tasks(self, query: TaskQuery) -> TaskPage | Unavailable:
        self.queries.append(query)
        await asyncio.sleep(self.answer_seconds)
        if self.queries_fail:
            return Unavailable("503")
        rows = [_row(number, status) for number, status in self.status.items() if self._shown(number, status, query)]
        if query.statuses and "running" in query.statuses:
            rows += [_row(1_000_000 + number, "running") for number in range(self.strangers)]
        first = (query.page - 1) * query.page_size
        return TaskPage(tuple(rows[first : first + query.page_size]), query.page, len(rows), None)

    def _shown(self, number: int, status: str, query: TaskQuery) -> bool:
        if number in self.late and query.ended_at_or_after is not None:
            return False
        if number in self.hidden_from_queries or (query.ids and _urn(number) not in query.ids):
            return False
        return not query.statuses or status in query.statuses


def _urn(number: int) -> str:
    return f"urn:vcloud:task:{number}"


def _row(number: int, status: str) -> TaskRecord:
    return TaskRecord(
        id=_urn(number), status=status, progress=None, operation_name=None, operation=None, object_href=None,
        object_name=None, owner_name="bridge", service_namespace=None, start_date=None,
        end_date=RECEIVED if is_final(status) else None,
    )  # fmt: skip


class _Followed:
    """A follower of ``count`` running Tasks, with a partition that takes what it reports."""

    def __init__(self, count: int, *, partitions_of_the_input: int = 1, interval: float = 2.0) -> None:
        self.vcd = _Vcd(status=dict.fromkeys(range(count), "running"))
        self.said: dict[int, list[Input]] = {}
        self.hurried: list[int] = []
        self.clock = VirtualClock(_loop(), Random(1))
        pace = FollowPace(interval=timedelta(seconds=interval))
        self.follower = Follower(self.clock, self.vcd, Rules(), pace, timedelta(seconds=10))  # type: ignore[arg-type]
        self.owned = OwnedPartition(
            TopicPartition("t", 0), 1, "id", 0, 0, input_partitions=partitions_of_the_input
        )  # fmt: skip
        self.follower.partitions = lambda: [self.owned]
        self.follower.feed = lambda owned, birth, event: self.said.setdefault(birth.offset, []).append(event)
        self.follower.hurry_waiting = lambda owned, birth: self.hurried.append(birth.offset)
        for number in range(count):
            self.add(number)

    def add(self, number: int, **changes: Any) -> None:
        fields: dict[str, Any] = {"task_id": _urn(number), "status": "running", "rank": 2, **changes}
        lifecycle = Lifecycle(
            birth=Birth("t", 0, number), phase=fields.pop("phase", Phase.FOLLOWING), request_id=f"r{number}", key=None,
            received_at=RECEIVED, **fields,
        )  # fmt: skip
        self.owned.put(lifecycle)
        if lifecycle.phase is Phase.FOLLOWING:
            self.follower.add(self.owned, lifecycle)

    async def round(self) -> None:
        """An interval later, one look."""
        self.vcd.reads.clear()
        self.vcd.queries.clear()
        await self.clock.sleep(2.0)
        await self.follower.look()


def _loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def _run(main: Coroutine[Any, Any, None]) -> None:
    run_virtually(main)


def test_a_hint_has_a_task_read_at_once_and_of_others_nothing() -> None:
    async def main() -> None:
        many = _Followed(50)
        await many.round()
        many.vcd.reads.clear()
        many.vcd.status[7] = "success"
        running = asyncio.ensure_future(many.follower.run())
        before = many.clock.monotonic()
        await asyncio.sleep(0.5)
        for task in (_urn(7), _urn(7), _urn(4711), "no task"):
            many.follower.hurry_task(task)
        while 7 not in many.said:
            await asyncio.sleep(0.01)
        assert many.clock.monotonic() - before < 0.6
        assert many.vcd.reads.count(7) == 1
        running.cancel()

    _run(main())


def test_an_end_that_is_hinted_soon_after_another_look_is_read_at_once() -> None:
    """However seldom looks are; and though a message has come twice, or before what it tells could be read."""

    async def main() -> None:
        one = _Followed(1, interval=30.0)
        running = asyncio.ensure_future(one.follower.run())
        await asyncio.sleep(3)
        for _ in range(3):
            one.follower.hurry_task(_urn(0))
            await asyncio.sleep(0.05)
        one.vcd.status[0] = "success"
        one.follower.hurry_task(_urn(0))
        await asyncio.sleep(0.2)
        assert any(isinstance(event, Observed) and event.task.status == "success" for event in one.said[0])
        running.cancel()

    _run(main())


def test_an_end_that_is_said_outright_is_read_at_once_after_many_hints_in_vain() -> None:
    async def main() -> None:
        one = _Followed(1, interval=30.0)
        running = asyncio.ensure_future(one.follower.run())
        for _ in range(40):
            one.follower.hurry_task(_urn(0))
            await asyncio.sleep(0.1)
        one.vcd.status[0] = "success"
        one.follower.hurry_task(_urn(0), ends=True)
        await asyncio.sleep(0.2)
        assert any(isinstance(event, Observed) and event.task.status == "success" for event in one.said[0])
        running.cancel()

    _run(main())


def test_a_hint_that_comes_before_its_task_is_followed_is_heeded_when_it_is() -> None:
    async def main() -> None:
        some = _Followed(1, interval=30.0)
        running = asyncio.ensure_future(some.follower.run())
        await asyncio.sleep(1)
        some.vcd.status[7] = "success"
        some.follower.hurry_task(_urn(7))
        await asyncio.sleep(0.5)
        some.add(7)
        await asyncio.sleep(0.2)
        assert any(isinstance(event, Observed) and event.task.status == "success" for event in some.said[7])
        running.cancel()

    _run(main())


def test_a_storm_of_hints_of_one_task_reads_it_four_times_an_interval_at_most() -> None:
    async def main() -> None:
        one = _Followed(1)
        running = asyncio.ensure_future(one.follower.run())
        await asyncio.sleep(3)
        for _ in range(150):
            one.follower.hurry_task(_urn(0))
            await asyncio.sleep(0.01)
        one.vcd.reads.clear()
        for _ in range(400):
            one.follower.hurry_task(_urn(0))
            await asyncio.sleep(0.01)
        assert 4 <= len(one.vcd.reads) <= 9
        running.cancel()

    _run(main())


def test_a_hint_that_comes_while_its_task_is_read_has_it_read_again() -> None:
    async def main() -> None:
        many = _Followed(1000)
        many.vcd.answer_seconds = 0.1
        await many.round()
        many.vcd.reads.clear()
        many.follower.hurry_task(_urn(777))
        looking = asyncio.ensure_future(many.round())
        while 777 not in many.vcd.reads:
            await asyncio.sleep(0.01)
        many.follower.hurry_task(_urn(777))
        await looking
        await many.round()
        assert 777 in many.vcd.reads

    _run(main())


def test_what_cannot_be_read_now_is_not_asked_about_all_the_time() -> None:
    async def main() -> None:
        one = _Followed(1)
        one.owned.draining = True
        looks = 0

        async def look(partitions: object, hurry: object) -> None:
            nonlocal looks
            looks += 1

        one.follower._blockers.look = look  # type: ignore[method-assign]
        running = asyncio.ensure_future(one.follower.run())
        await asyncio.sleep(10)
        assert looks <= 21
        one.owned.draining = False
        await asyncio.sleep(2)
        assert one.vcd.reads
        running.cancel()

    _run(main())


def test_a_task_that_another_one_replaced_is_nobodys() -> None:
    async def main() -> None:
        one = _Followed(1)
        one.add(0, task_id=_urn(1))
        one.vcd.status[1] = "running"
        await one.round()
        one.vcd.reads.clear()
        one.follower.hurry_task(_urn(0))
        await one.follower.look()
        assert one.vcd.reads == []

    _run(main())


def test_a_hint_of_a_task_that_is_not_followed_any_more_wakes_nobody() -> None:
    async def main() -> None:
        one = _Followed(1)
        one.add(0, phase=Phase.ENDED)
        await one.round()
        assert one.follower.count == 0
        one.follower.hurry_task(_urn(0))
        await one.round()
        assert one.vcd.reads == []

    _run(main())


def test_a_few_are_read_one_by_one() -> None:
    async def main() -> None:
        one = _Followed(2)
        await one.round()
        assert sorted(one.vcd.reads) == [0, 1]
        assert one.vcd.queries == []

    _run(main())


def test_many_are_swept_with_few_requests_and_what_ended_is_read_once_in_full() -> None:
    async def main() -> None:
        many = _Followed(1000)
        await many.round()
        assert len(many.vcd.queries) == 8 + 1  # pages of active ones, and one of those that ended
        many.vcd.status[7] = "success"
        await many.round()
        assert len(many.vcd.queries) == 1
        assert many.vcd.reads.count(7) == 1
        assert len(many.vcd.reads) <= 1 + 2  # the others are reads for their cancel flags
        assert [type(event) for event in many.said[7]] == [Observed]

    _run(main())


def test_progress_of_many_is_told_by_a_slower_sweep_and_an_end_that_no_window_shows_too() -> None:
    async def main() -> None:
        many = _Followed(1000)
        await many.round()
        many.vcd.status[503] = "postRunning"
        many.vcd.status[504] = "success"
        many.vcd.late = {504}
        methods = []
        for _ in range(5):
            await many.round()
            methods.append(many.follower.last_method)
        assert methods == [Method.WINDOW] * 4 + [Method.SWEEP]
        assert {number: [type(event) for event in said] for number, said in many.said.items()} == {
            503: [Observed],
            504: [Observed],
        }

    _run(main())


def test_absence_from_a_query_is_read_and_not_concluded() -> None:
    async def main() -> None:
        many = _Followed(1000)
        many.vcd.hidden_from_queries = {5, 6}
        del many.vcd.status[6]
        await many.round()
        assert {5, 6} <= set(many.vcd.reads)
        for _ in range(4):
            await many.round()
            assert many.said == {}  # neither is a 403, nor a few of them within VCD's answer time
        await many.round()
        assert {number: [type(event) for event in said] for number, said in many.said.items()} == {6: [Vanished]}

    _run(main())


def test_a_query_that_fails_does_not_become_a_thousand_reads() -> None:
    async def main() -> None:
        many = _Followed(1000)
        many.vcd.queries_fail = True
        for _ in range(3):
            await many.round()
            assert len(many.vcd.queries) <= 50
            assert many.vcd.reads == []
        assert many.said == {}
        many.vcd.queries_fail = False
        many.vcd.status[3] = "error"
        await many.round()
        assert list(many.said) == [3]

    _run(main())


def test_a_vcd_that_hangs_is_not_a_follower_that_hangs() -> None:
    async def main() -> None:
        many = _Followed(1000)
        many.vcd.answer_seconds = 30.0
        many.vcd.hidden_from_queries = set(range(500))
        await many.clock.sleep(2.0)
        looking = asyncio.ensure_future(many.follower.look())
        longest = 0.0
        while not looking.done():
            await many.clock.sleep(1.0)
            longest = max(longest, many.clock.monotonic() - many.follower.last_progress)
        assert len(many.vcd.reads) >= 500
        assert longest <= 31.0

    _run(main())


def test_tasks_that_come_due_apart_are_looked_at_together_by_a_sweep() -> None:
    async def main() -> None:
        many = _Followed(500)
        await many.clock.sleep(1.0)
        for number in range(500, 1000):
            many.vcd.status[number] = "running"
            many.add(number)
        queries = 0
        for _ in range(16):  # eight seconds of looks every half second
            many.vcd.queries.clear()
            await many.clock.sleep(0.5)
            await many.follower.look()
            queries += len(many.vcd.queries)
        assert queries <= 6 * 9  # four intervals, and two looks until they share a rhythm

    _run(main())


def test_a_cancel_flag_is_seen_though_no_row_shows_it() -> None:
    async def main() -> None:
        many = _Followed(100)
        await many.round()
        many.vcd.flagged = {42}
        for _ in range(60):
            await many.round()
            if many.said:
                break
        assert list(many.said) == [42]

    _run(main())


def test_after_our_own_cancel_the_flag_is_read_at_once() -> None:
    async def main() -> None:
        many = _Followed(1000)
        await many.round()
        many.vcd.flagged = {42}
        many.follower.hurry(Birth("t", 0, 42))
        await many.follower.look()
        assert list(many.said) == [42]

    _run(main())


def test_a_cancel_flag_that_a_crash_kept_from_being_told_is_read_after_the_restart() -> None:
    async def main() -> None:
        many = _Followed(100)
        many.vcd.status[100] = "running"
        many.vcd.flagged = {100}
        many.add(100, cancel_wanted=True, cancel_sent=True)
        await many.round()
        assert list(many.said) == [100]

    _run(main())


def test_the_number_of_processes_is_told_by_the_share_of_the_partitions() -> None:
    async def main() -> None:
        alone, among_many = _Followed(100), _Followed(100, partitions_of_the_input=64)
        await alone.round()
        await among_many.round()
        assert alone.follower.last_method is Method.SWEEP
        assert among_many.follower.last_method is Method.BATCH

    _run(main())


def test_partitions_of_another_input_do_not_hide_other_processes() -> None:
    async def main() -> None:
        few = _Followed(100, partitions_of_the_input=36)
        await few.round()
        assert few.follower.last_method is Method.BATCH
        other = OwnedPartition(TopicPartition("u", 0), 1, "id", 0, 0, input_partitions=36)
        few.follower.partitions = lambda: [few.owned, other]
        await few.clock.sleep(3)
        await few.round()
        assert few.follower.last_method is Method.BATCH

    _run(main())


def test_a_count_of_long_ago_is_not_believed() -> None:
    async def main() -> None:
        many = _Followed(200)
        many.vcd.strangers = 6_500
        methods = []
        for pause in (0.0, 0.0, CENSUS_SECONDS):
            await many.clock.sleep(pause)
            await many.round()
            methods.append(many.follower.last_method)
        assert methods == [Method.SWEEP, Method.BATCH, Method.SWEEP]  # the first sweep has counted the strangers

    _run(main())


def test_overdue_tasks_are_looked_at_seldom() -> None:
    async def main() -> None:
        one = _Followed(0)
        one.vcd.status[0] = "running"
        one.add(0, overdue=True)
        await one.round()
        looks = 0
        for _ in range(60):
            await one.round()
            looks += len(one.vcd.reads)
        assert looks == 2

    _run(main())


def test_who_waits_for_a_task_is_hurried_when_it_ends_with_one_look_per_interval() -> None:
    async def main() -> None:
        one = _Followed(0)
        for number in range(100):
            one.vcd.status[number + 1000] = "running"
            one.add(number, phase=Phase.WAITING, task_id=None, waiting_for=_urn(number + 1000))
        asked = 0
        for _ in range(8):
            one.vcd.queries.clear()
            await one.clock.sleep(0.5)
            await one.follower.look()
            asked += len(one.vcd.queries) + len(one.vcd.reads)
        assert asked <= 2 * 5
        assert one.hurried == []
        one.vcd.status[1003] = "aborted"
        await one.round()
        assert one.hurried == [3]

    _run(main())
