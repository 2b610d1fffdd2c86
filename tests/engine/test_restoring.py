"""What is restored is what was committed; and what cannot be read costs no more than it has to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.avro.store_codec import AvroStoreCodec
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.events import Outcome
from bridge.core.lifecycle import FORMAT_VERSION, Cursor, Ended, Lifecycle, Phase, StoredRequest
from bridge.engine.ownership import CONFLICT_SECONDS, CONFLICT_TIMES
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.records import CURSOR_KEY, request_key, state_key
from bridge.engine.partition.restoring import SLICE, build
from bridge.errors import StoreConflict
from bridge.ports import RestoredPartition, StoredRecord
from tests.engine.harness import CHANGELOG, NAMES, TOPIC, Document, Site, control, request, virtually
from tests.engine.scripted_kafka import SimStore
from tests.engine.scripted_vcd import NO_ANSWER
from tests.simulation.loop import EPOCH

CODEC = AvroStoreCodec()
PARTITION = TopicPartition("t", 0)


# --- records that cannot be read --------------------------------------------------------------------------------------


async def _with_unreadable_state(**more: Any) -> Site:
    """A request that waited for its permit; its state cannot be read back by the next owner."""
    site = Site()
    site.vcd.session_ready = False
    await site.start()
    site.send(request("A", correlation_id="T1", **more))
    await asyncio.sleep(2)
    site.crash()
    site.damage("0|state")
    site.vcd.session_ready = True
    await asyncio.sleep(10)
    await site.start()
    await asyncio.sleep(5)
    return site


@virtually
async def test_an_unreadable_state_is_parked_under_its_name_and_told_once() -> None:
    site = await _with_unreadable_state()
    await site.next_owner()
    await asyncio.sleep(5)
    assert site.vcd.calls == []
    [event] = site.events()
    assert site.story("A") == ["parked (state_unreadable)"]
    assert (event["birth"], event["sequence"], event["correlation_id"]) == ("requests/0/0", 1, "T1")
    assert site.phases() == {"A": "parked"}


WORDS: dict[str, tuple[Document, str]] = {
    "resolve": (control("resolve", "A", resolution={"outcome": "canceled"}), "finished -> canceled (resolved)"),
    "cancel": (control("cancel", "A"), "finished -> canceled (canceled_while_parked)"),
}


@pytest.mark.parametrize(("word", "told"), WORDS.values(), ids=WORDS)
@virtually
async def test_an_operators_word_reaches_an_unreadable_state(word: Document, told: str) -> None:
    site = await _with_unreadable_state()
    site.send(control("retry", "A", correlation_id="op"))
    site.send(word)
    await asyncio.sleep(5)
    [refused] = [event for event in site.events() if event["correlation_id"] == "op"]
    assert "cannot be read any more" in refused["reason"]["message"]
    assert site.story("A") == ["parked (state_unreadable)", told]
    assert [event["sequence"] for event in site.events("A")] == [1, 2]
    assert site.stored() == {}, "state and request have their tombstones"


@virtually
async def test_the_id_of_an_unreadable_state_is_no_new_request() -> None:
    site = await _with_unreadable_state()
    site.send(request("A", correlation_id="T2"))
    site.send(request("A", 2, correlation_id="T3"))
    await asyncio.sleep(5)
    assert site.story("A")[1:] == ["waiting (repeat)", "rejected -> rejected (request_id_conflict)"]
    assert site.vcd.calls == []


@virtually
async def test_an_unreadable_state_keeps_its_lane_for_a_while() -> None:
    site = await _with_unreadable_state()
    site.send(request("B"))
    site.send(request("C", 2))
    await asyncio.sleep(5)
    assert (site.story("B"), site.story("C")) == ([], ["accepted running"])
    site.send(control("cancel", "A"))
    await asyncio.sleep(5)
    assert site.story("B") == ["accepted running"]


@virtually
async def test_the_sequence_of_an_unreadable_state_goes_on() -> None:
    site = Site()
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(5)
    site.crash()
    site.damage("0|state")
    await asyncio.sleep(10)
    await site.start()
    await asyncio.sleep(5)
    assert site.story("A") == ["accepted running", "parked (state_unreadable)"]
    assert [event["sequence"] for event in site.events("A")] == [1, 2]


@virtually
async def test_an_unreadable_request_parks_when_its_turn_comes_and_is_tombstoned() -> None:
    site = Site()
    site.vcd.session_ready = False
    await site.start()
    for number in range(2):
        site.send(request(f"R{number}", number))
    site.send(request("later"))
    await asyncio.sleep(2)
    site.crash()
    site.damage("1|request")
    await asyncio.sleep(10)
    await site.start()
    await asyncio.sleep(5)
    assert site.events() == [], "nothing is called yet, so nothing is missing yet"
    site.vcd.session_ready = True
    await asyncio.sleep(5)
    assert site.story("R0") == ["accepted running"]
    assert site.story("R1") == ["parked (state_unreadable)"]
    assert [left.call.path for left in site.vcd.calls] == [site.vcd.calls[0].call.path]
    site.send(control("cancel", "R1"))
    await asyncio.sleep(5)
    assert site.story("later") == ["accepted running"], "its lane is free again"
    assert "1|request" not in site.stored()
    tombstones = [record for record in site.committed(CHANGELOG) if record.value is None]
    assert request_key(Birth(TOPIC, 0, 1)) in [record.key for record in tombstones]


@virtually
async def test_an_unreadable_request_that_is_not_needed_any_more_costs_nothing() -> None:
    site = Site()
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(2)
    site.damage("0|request")
    await site.next_owner()
    site.vcd.finish(1)
    await asyncio.sleep(5)
    assert site.story("A") == ["accepted running", "finished success -> success"]


@virtually
async def test_an_unreadable_cursor_stops_its_partition_only() -> None:
    site = Site(partitions=2)
    await site.start()
    for number in range(2):  # one after the other: VCD numbers its Tasks in this order
        site.send(request(f"R{number}", number), partition=number)
        await asyncio.sleep(2)
    site.damage("cursor", partition=0)
    await site.next_owner()
    assert list(site.engine.partitions) == [TopicPartition(TOPIC, 1)]
    assert list(site.engine.not_taken) == [TopicPartition(TOPIC, 0)]
    assert not site.engine.is_ready
    for number in range(2):
        site.send(request(f"N{number}", 10 + number), partition=number)
    site.vcd.finish(2)
    await asyncio.sleep(5)
    assert site.story("R1") == ["accepted running", "finished success -> success"]
    assert (site.story("N0"), site.story("N1")) == ([], ["accepted running"])
    [(partition, reason)] = [fact.values for fact in site.noted.facts if fact.name == "partition_stopped"]
    assert partition == TopicPartition(TOPIC, 0)
    assert "new group_id" in reason


# --- where to go on ---------------------------------------------------------------------------------------------------


def built(restored: RestoredPartition, epoch: int = 1) -> OwnedPartition:
    return asyncio.run(build(PARTITION, epoch, restored, CODEC, EPOCH))


def _restored(*records: StoredRecord, **more: Any) -> RestoredPartition:
    facts: dict[str, Any] = {
        "changelog": records, "ended": (), "committed": 5, "low": 0, "high": 10, "topic_id": "id",
        "store_partitions": 1, **more,
    }  # fmt: skip
    return RestoredPartition(**facts)


def _cursor(next_offset: int = 5, **more: Any) -> StoredRecord:
    value, headers = CODEC.encode_cursor(Cursor(**{"topic_id": "id", "next_offset": next_offset, **more}))
    return StoredRecord(CURSOR_KEY, value, headers)


def _state(offset: int = 1, **more: Any) -> StoredRecord:
    fields: dict[str, Any] = {"phase": Phase.WAITING, "request_id": f"r{offset}", **more}
    lifecycle = Lifecycle(birth=Birth("t", 0, offset), key=None, received_at=EPOCH, **fields)
    value, headers = CODEC.encode_state(lifecycle)
    return StoredRecord(state_key(lifecycle.birth), value, headers)


def _request(offset: int) -> StoredRecord:
    birth = Birth("t", 0, offset)
    value, headers = CODEC.encode_request(
        StoredRequest(birth=birth, method="POST", path="/x", query=(), media_type=None, body=None)
    )
    return StoredRecord(request_key(birth), value, headers)


def _ended(offset: int, ended_at_hour: int, **more: Any) -> StoredRecord:
    fields: dict[str, Any] = {
        "request_id": "r", "content_hash": "1:0", "correlation_id": None, "outcome": Outcome.SUCCESS, "task_id": None,
        "sequence": 1, **more,
    }  # fmt: skip
    birth = Birth("t", 0, offset)
    value, headers = CODEC.encode_ended(Ended(birth=birth, ended_at=EPOCH.replace(hour=ended_at_hour), **fields))
    return StoredRecord(str(birth).encode(), value, headers)


STARTS: dict[str, tuple[RestoredPartition, int]] = {
    "a first start": (_restored(committed=None, low=3), 3),
    "where the cursor stands": (_restored(_cursor()), 5),
    "offsets were reset": (_restored(_cursor(), committed=2), 5),
    "offsets were lost": (_restored(_cursor(), committed=None), 5),
    "the topic has forgotten what was not read": (_restored(_cursor(), low=7), 7),
}


@pytest.mark.parametrize(("restored", "offset"), STARTS.values(), ids=STARTS)
def test_reading_goes_on_where_the_work_stands(restored: RestoredPartition, offset: int) -> None:
    assert built(restored).next_offset == offset


def test_a_large_store_is_read_in_slices_between_which_everything_else_goes_on() -> None:
    slices = 5

    async def turns_meanwhile() -> int:
        endings = tuple(_ended(number, 1, request_id=f"r{number}") for number in range(slices * SLICE))
        building = asyncio.ensure_future(build(PARTITION, 1, _restored(_cursor(), ended=endings), CODEC, EPOCH))
        turns = 0
        while not building.done():
            await asyncio.sleep(0)
            turns += 1
        assert building.result().known(f"r{slices * SLICE - 1}") is not None
        return turns

    assert asyncio.run(turns_meanwhile()) > 2 * slices, "it is decoded in slices, and remembered in slices"


CONFLICTS: dict[str, tuple[RestoredPartition, str]] = {
    "no cursor, but committed": (_restored(), "no cursor"),
    "no cursor, but state": (_restored(_state(), committed=None), "no cursor"),
    "no cursor, but endings": (_restored(committed=None, ended=(_ended(1, 1),)), "no cursor although it knows"),
    "open lifecycles are missing": (
        _restored(_cursor(open_lifecycles=2), _state(1)),
        "holds 1 open lifecycles.* says 2",
    ),
    "open lifecycles are missing, the last removal was counted": (
        _restored(replace(_cursor(open_lifecycles=2), offset=6), _state(1), removed_at={b"state": 5, b"request": 9}),
        "holds 1 open lifecycles.* says 2",
    ),
    "cursor ahead of the topic": (_restored(_cursor(11)), "ahead of the topic"),
    "committed ahead of the cursor": (_restored(_cursor(), committed=7), "ahead of the store's cursor"),
    "another topic of the same name": (_restored(_cursor(topic_id="old")), "made again"),
    "written by a newer version": (_restored(_cursor(format_version=FORMAT_VERSION + 1)), "format"),
    "a store with too few partitions": (_restored(_cursor(), store_partitions=0), "too few"),
}


COUNTS: dict[str, RestoredPartition] = {
    "by nobody": _restored(_cursor(), _state(1), removed_at={b"state": 9}),
    "before a version that does not count ended one": _restored(
        replace(_cursor(open_lifecycles=2), offset=4), _state(1), removed_at={b"state": 5, b"request": 9}
    ),
    "before a version that does not count adopted a Task": _restored(_cursor(open_lifecycles=1), _state(1), _state(2)),
}


@pytest.mark.parametrize("restored", COUNTS.values(), ids=COUNTS)
def test_a_store_that_lost_nothing_is_taken_whoever_counted(restored: RestoredPartition) -> None:
    assert built(restored).open_count == len(restored.changelog) - 1


@pytest.mark.parametrize(("restored", "why"), CONFLICTS.values(), ids=CONFLICTS)
def test_what_contradicts_itself_is_not_taken(restored: RestoredPartition, why: str) -> None:
    with pytest.raises(StoreConflict, match=why) as refused:
        built(restored)
    assert refused.value.hint


@virtually
async def test_what_a_person_has_set_right_is_taken_without_a_rebalance() -> None:
    site = Site()
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(2)
    log = site.kafka.logs[TopicPartition(CHANGELOG, 0)]
    whole = [entry.record for entry in log]
    site.damage("cursor")
    await site.next_owner()
    await asyncio.sleep(CONFLICT_SECONDS + 1)
    assert list(site.engine.not_taken) == [TopicPartition(TOPIC, 0)]
    for entry, record in zip(log, whole, strict=False):
        entry.record = record
    await asyncio.sleep(CONFLICT_SECONDS)
    assert (site.engine.not_taken, site.engine.is_ready) == ({}, True)
    site.vcd.finish(1)
    await asyncio.sleep(5)
    assert site.story("A")[-1] == "finished success -> success"


@virtually
async def test_a_large_store_that_is_not_taken_is_not_read_all_the_time() -> None:
    site = Site()
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(2)
    site.damage("cursor")
    await site.next_owner()
    await asyncio.sleep(1)
    whole, seconds, looks = SimStore.restore, 30.0, 0

    async def slowly(store: SimStore, partition: TopicPartition, epoch: int) -> RestoredPartition | None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(seconds)
        return await whole(store, partition, epoch)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SimStore, "restore", slowly)
        await asyncio.sleep(3600)
    assert looks == pytest.approx(3600 / (seconds + CONFLICT_TIMES * seconds), abs=1)


@virtually
async def test_a_store_that_lost_its_past_under_a_running_owner_is_not_taken_by_the_next() -> None:
    """The owner knows everything and goes on; what it wrote before is gone, and it writes a new cursor."""
    site = Site()
    site.vcd.session_ready = False
    await site.start()
    site.send(request("A"))
    await asyncio.sleep(2)
    for entry in site.kafka.logs[TopicPartition(CHANGELOG, 0)]:
        entry.record = None
    site.send(request("B", 2))
    await asyncio.sleep(2)
    await site.next_owner()
    await asyncio.sleep(5)
    assert site.engine.partitions == {}
    [why] = site.engine.not_taken.values()
    assert "holds 1 open lifecycles, its cursor says 2" in why


@virtually
async def test_every_end_is_counted_off() -> None:
    """Also where no record is read meanwhile: the next owner finds as many as the cursor says."""
    site = Site()
    await site.start()
    for number in (1, 2):
        site.send(request(f"r{number}", number))
        await asyncio.sleep(2)
    site.vcd.finish(1)
    await asyncio.sleep(30)
    cursors = [record for record in site.committed(CHANGELOG) if record.key == CURSOR_KEY]
    assert [dict(record.headers)["vb_open"] for record in cursors] == [b"1", b"2", b"1"]
    await site.next_owner()
    await asyncio.sleep(5)
    assert site.engine.not_taken == {}


# --- what memory holds ------------------------------------------------------------------------------------------------


def test_lifecycles_requests_and_endings_come_back() -> None:
    records = (_cursor(), _state(2, lane="/l"), _state(1, lane="/l", task_id="t1"), _request(1), _request(9))
    owned = built(_restored(*records, ended=(_ended(3, 1, task_id="t3"),)), epoch=7)
    assert sorted(owned.lifecycles) == [Birth("t", 0, 1), Birth("t", 0, 2)]
    assert list(owned.requests) == [Birth("t", 0, 1)], "a request without a lifecycle is nobody's"
    assert owned.claimed == {"t1", "t3"}
    assert owned.lanes.head("/l") == Birth("t", 0, 1)
    assert owned.known("r2") is owned.lifecycles[Birth("t", 0, 2)]
    assert (owned.epoch, owned.admitting, owned.inputs) == (7, True, {})


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_endings_of_one_id_the_later_counts(order: int) -> None:
    endings = (_ended(1, 1, outcome=Outcome.REJECTED), _ended(2, 2))[::order]
    owned = built(_restored(_cursor(), ended=endings))
    known = owned.known("r")
    assert isinstance(known, Ended)
    assert known.outcome is Outcome.SUCCESS


def test_an_open_one_counts_more_than_an_ending_of_its_id() -> None:
    restored = _restored(_cursor(), _state(4, request_id="r"), ended=(_ended(1, 1),))
    assert isinstance(built(restored).known("r"), Lifecycle)


def test_an_unreadable_ending_costs_its_id_alone() -> None:
    broken = replace(_ended(1, 1, request_id="lost"), value=b"\xff")
    owned = built(_restored(_cursor(), ended=(broken, _ended(2, 2))))
    assert owned.known("lost") is None
    assert owned.known("r") is not None


@virtually
async def test_what_was_committed_is_what_the_next_owner_has() -> None:
    """Every phase that can be open, as the store holds it."""
    site = Site()
    await site.start()
    answers: dict[str, Callable[[], Any]] = {
        "following": lambda: site.vcd.accept(1),
        "parked": lambda: NO_ANSWER,
        "intent": lambda: asyncio.sleep(1000, NO_ANSWER),
    }
    for number, (phase, answer) in enumerate(answers.items()):
        site.vcd.on_call = lambda call, answer=answer: answer()
        site.send(request(phase, number, "createSnapshot"))
        await asyncio.sleep(1)
    site.vcd.session_ready = False
    site.send(request("received", 8))
    site.send(control("cancel", "nobody"))
    await asyncio.sleep(20)
    before = dict(site.owned().lifecycles)
    assert {one.phase.value for one in before.values()} == {*answers, "received", "pending"}
    restored = await SimStore(site.process, site.kafka, NAMES.group_id).restore(site.owned().partition, 2)
    assert restored is not None
    owned = await build(site.owned().partition, 2, restored, CODEC, EPOCH + timedelta(seconds=site.vcd.now()))
    # The store keeps times to the millisecond.
    assert {b: CODEC.encode_state(one) for b, one in owned.lifecycles.items()} == {
        b: CODEC.encode_state(one) for b, one in before.items()
    }
    assert owned.requests == site.owned().requests
    assert owned.claimed == site.owned().claimed
    assert owned.pending_controls == site.owned().pending_controls
    assert owned.next_offset == site.owned().next_offset
