"""Memory is bounded, and the bounds never keep an operator's word from being read."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.answers import CallAnswer
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.lifecycle import Lifecycle, Phase, StoredRequest
from bridge.engine.journal.gathering import RoundLimits
from bridge.engine.partition import flow
from bridge.engine.partition.owned_partition import OwnedPartition, Room
from tests.engine.harness import TOPIC, Site, control, request, virtually
from tests.engine.scripted_vcd import NO_ANSWER
from tests.simulation.loop import EPOCH

CAP = 3


def _site(**limits: Any) -> Site:
    site = Site()
    site.policies = replace(site.policies, rounds=RoundLimits(**limits))
    return site


def _snapshot(number: int) -> dict[str, Any]:
    """Parks when its answer is lost: it is never called twice."""
    return request(f"R{number}", number, "createSnapshot")


async def _parked(site: Site, count: int = CAP) -> None:
    site.vcd.on_call = lambda call: NO_ANSWER
    await site.start()
    for number in range(count):
        site.send(_snapshot(number))
    await asyncio.sleep(60)
    assert list(site.phases().values()) == ["parked"] * count
    site.vcd.on_call = None


# --- counting ---------------------------------------------------------------------------------------------------------


def _owned() -> OwnedPartition:
    return OwnedPartition(TopicPartition("t", 0), 1, "id", 0, 0)


def _one(offset: int, phase: Phase) -> Lifecycle:
    birth = Birth("t", 0, offset)
    return Lifecycle(birth=birth, phase=phase, request_id=f"r{offset}", key=None, received_at=EPOCH)


def _request(offset: int, size: int = 100) -> StoredRequest:
    birth = Birth("t", 0, offset)
    return StoredRequest(birth=birth, method="POST", path="", query=(), media_type=None, body="x" * size)


def test_room_for_so_many_and_so_much() -> None:
    owned = _owned()
    assert owned.room(2, 1000) is Room.FREE
    assert owned.room(2, 1000, more=2) is Room.FULL
    assert owned.room(2, 1000, more_bytes=1000) is Room.FULL
    owned.put(_one(1, Phase.WAITING))
    owned.put_request(_request(1, 600))
    assert owned.room(2, 1000, more=1) is Room.FULL
    assert owned.room(2, 1000, more_bytes=400) is Room.FULL
    owned.put(_one(1, Phase.PARKED))
    assert owned.room(2, 1000, more=1, more_bytes=400) is Room.FREE
    assert owned.room(1, 1000) is Room.TOO_MUCH_RESTS
    assert owned.room(2, 600) is Room.TOO_MUCH_RESTS


_CHANGES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["request", "drop", Phase.RECEIVED, Phase.FOLLOWING, Phase.PARKED, Phase.ENDED]),
    ),
    max_size=30,
)


@given(_CHANGES)
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_what_is_counted_is_what_is_there(changes: list[tuple[int, str | Phase]]) -> None:
    """Whatever is put, parked, freed, replaced and dropped, in whatever order."""
    owned, requests, phases = _owned(), dict[int, int](), dict[int, Phase]()
    for step, (offset, change) in enumerate(changes):
        if isinstance(change, Phase):
            owned.put(_one(offset, change))
            phases[offset] = change
            if change is Phase.ENDED:
                owned.drop_request(Birth("t", 0, offset))
                phases.pop(offset)
                requests.pop(offset, None)
        elif change == "request" and offset in phases and offset not in requests:
            requests[offset] = 10 + step
            owned.put_request(_request(offset, 10 + step))
        elif change == "drop":
            requests.pop(offset, None)
            owned.drop_request(Birth("t", 0, offset))
    parked = [offset for offset, phase in phases.items() if phase is Phase.PARKED]
    parked_bytes = sum(requests.get(offset, 0) for offset in parked)
    working = len(phases) - len(parked)
    working_bytes = sum(requests.values()) - parked_bytes
    assert owned.room(len(parked) + 1, parked_bytes + 1, more=-99, more_bytes=-9999) is Room.FREE
    if parked:
        assert owned.room(len(parked), 10**9) is Room.TOO_MUCH_RESTS
    if parked_bytes:
        assert owned.room(10**9, parked_bytes) is Room.TOO_MUCH_RESTS
    # Above what is parked, so that only the rest decides.
    above, above_bytes = len(parked) + 1, parked_bytes + 1
    assert owned.room(above, 10**9, more=above - working) is Room.FULL
    assert owned.room(above, 10**9, more=above - working - 1) is Room.FREE
    assert owned.room(10**9, above_bytes, more_bytes=above_bytes - working_bytes) is Room.FULL
    assert owned.room(10**9, above_bytes, more_bytes=above_bytes - working_bytes - 1) is Room.FREE


# --- at the cap -------------------------------------------------------------------------------------------------------


@virtually
async def test_beyond_the_cap_requests_wait_until_others_end() -> None:
    site, most = _site(max_open=CAP), 0

    async def slow() -> CallAnswer:
        nonlocal most
        most = max(most, site.owned().open_count)
        await asyncio.sleep(1)
        return site.vcd.accept(len(site.vcd.calls), "success")

    site.vcd.on_call = lambda call: slow()
    await site.start()
    for number in range(10):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(20)
    assert all(site.story(f"R{number}") == ["finished success -> success"] for number in range(10))
    assert most == CAP


@virtually
async def test_a_backlog_larger_than_the_cap_is_worked_off() -> None:
    """What cannot be read before others end must not keep those from starting."""
    site = _site(max_open=CAP)
    site.vcd.on_call = lambda call: site.vcd.accept(len(site.vcd.calls), "success")
    for number in range(10):
        site.send(request(f"R{number}", number))
    await site.start()
    await asyncio.sleep(20)
    assert all(site.story(f"R{number}") == ["finished success -> success"] for number in range(10))


@virtually
async def test_at_the_cap_an_operators_word_that_comes_next_is_read() -> None:
    site = _site(max_open=CAP)
    site.vcd.session_ready = False
    await site.start()
    for number in range(CAP):
        site.send(request(f"R{number}", number))
    site.send(control("cancel", "R1"))
    site.send(request("R9", 9))
    await asyncio.sleep(5)
    assert site.story("R1") == ["finished -> canceled (canceled_before_start)"]
    assert set(site.phases()) == {"R0", "R2", "R9"}


@virtually
async def test_bodies_that_wait_are_bounded_by_their_size() -> None:
    site = _site(max_waiting_bytes=3000)
    site.vcd.session_ready = False
    await site.start()
    for number in range(10):
        body = {"metadataEntry": [{"key": "k" * 1000}]}
        site.send(request(f"R{number}", number, "mergeVAppMetadata", body=body))
    await asyncio.sleep(5)
    assert len(site.phases()) == 3
    site.vcd.session_ready = True
    await asyncio.sleep(20)
    assert len(site.vcd.calls) == 10


@virtually
async def test_restored_work_is_never_refused() -> None:
    site = _site()
    site.vcd.session_ready = False
    await site.start()
    for number in range(10):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(5)
    site.policies = replace(site.policies, rounds=RoundLimits(max_open=CAP))
    await site.next_owner()
    assert site.owned().open_count == 10
    site.vcd.session_ready = True
    await asyncio.sleep(10)
    assert len(site.vcd.calls) == 10


@virtually
async def test_a_flood_of_cancels_for_nobody_is_bounded_too() -> None:
    site = _site(max_open=CAP)
    await site.start()
    for number in range(50):
        site.send(control("cancel", f"nobody-{number}", correlation_id=f"T{number}"))
    site.send(request("A"))
    await asyncio.sleep(5)
    assert site.owned().open_count <= CAP
    await asyncio.sleep(90)
    told = [event["correlation_id"] for event in site.events() if event["change"] == "rejected"]
    assert sorted(told) == sorted(f"T{number}" for number in range(50))
    assert site.story("A") == ["accepted running"]


# --- parked work ------------------------------------------------------------------------------------------------------


@virtually
async def test_parked_work_does_not_count_against_those_that_work() -> None:
    site = _site(max_open=CAP)
    await _parked(site, CAP - 1)
    for number in range(10, 10 + CAP):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(5)
    assert [site.story(f"R{number}") for number in range(10, 10 + CAP)] == [["accepted running"]] * CAP


@virtually
async def test_where_too_much_is_parked_the_operators_records_are_read_behind_new_requests() -> None:
    site = _site(max_open=CAP)
    await _parked(site)
    for number in range(10, 20):
        site.send(request(f"R{number}", number, correlation_id="T"))
    site.send(control("resolve", "R0", resolution={"outcome": "success"}))
    site.send(control("cancel", "R1"))
    await asyncio.sleep(5)
    assert site.story("R0")[-1] == "finished -> success (resolved)"
    assert site.story("R1")[-1] == "finished -> canceled (canceled_while_parked)"
    refused = site.events("R10")
    assert [(event["reason"]["code"], event["correlation_id"]) for event in refused] == [("too_much_parked", "T")]
    site.send(request("R10", 10))
    await asyncio.sleep(5)
    assert site.story("R10")[-1] == "accepted running"


@virtually
async def test_a_repeat_is_recognised_though_too_much_is_parked() -> None:
    site = _site(max_open=CAP)
    await _parked(site)
    site.send({**_snapshot(0), "correlation_id": "T2"})
    await asyncio.sleep(5)
    assert site.story("R0") == ["parked (outcome_unknown)", "waiting (repeat)"]


@virtually
async def test_parked_bodies_have_a_cap_of_their_own() -> None:
    site = _site(max_waiting_bytes=400)
    await _parked(site, 3)
    site.send(request("A", 9))
    await asyncio.sleep(5)
    assert site.story("A") == ["accepted running"], "three small bodies are below it"
    site = _site(max_waiting_bytes=150)
    await _parked(site, 2)
    site.send(request("A", 9))
    site.send(control("cancel", "R0"))
    await asyncio.sleep(5)
    site.send(request("B", 8))
    await asyncio.sleep(5)
    assert site.story("A") == ["rejected -> rejected (too_much_parked)"]
    assert site.story("B") == ["accepted running"]


# --- undecided records ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["count", "bytes"])
@virtually
async def test_a_partition_is_paused_at_high_water_and_resumed_when_it_was_worked_off(
    by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    high, low = (
        (("HIGH_WATER", 20), ("LOW_WATER", 5))
        if by == "count"
        else (("HIGH_WATER_BYTES", 2000), ("LOW_WATER_BYTES", 500))
    )
    for name, value in (high, low):
        monkeypatch.setattr(flow, name, value)
    site = _site(max_open=CAP)
    site.vcd.session_ready = False
    await site.start()
    for number in range(100):
        site.send(request(f"R{number}", number))
    await asyncio.sleep(5)
    assert site.owned().paused
    assert site.inbox._paused == {TopicPartition(TOPIC, 0)}
    assert len(site.owned().inbox) <= 40  # high water and one more batch
    site.vcd.on_call = lambda call: site.vcd.accept(len(site.vcd.calls), "success")
    site.vcd.session_ready = True
    await asyncio.sleep(60)
    assert not site.owned().paused
    assert site.inbox._paused == set()
    assert len(site.vcd.calls) == 100
    assert (len(site.owned().inbox), site.owned().inbox.bytes) == (0, 0)
