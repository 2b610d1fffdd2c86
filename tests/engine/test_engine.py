"""Partitions come and go under load; Tasks are followed from the first moment on; what waits is weighed."""

from __future__ import annotations

import asyncio

import pytest

from bridge.core.answers import CallAnswer
from bridge.core.coordinates import TopicPartition
from bridge.engine.partition.flow import HIGH_WATER_BYTES
from bridge.ports import Headers, NotCommitted, OutRecord, RestoredPartition
from tests.engine.harness import NAMES, TOPIC, Site, request, vapp, virtually
from tests.engine.scripted_kafka import SimStore

SECOND = TopicPartition(TOPIC, 1)


@virtually
async def test_a_handover_does_not_wait_for_the_commits_of_other_partitions() -> None:
    site = Site(partitions=2)
    site.vcd.session_ready = False
    await site.start()
    _slow_commits(site, 0.04)

    async def load() -> None:
        for number in range(600):
            site.send(request(f"r{number}", number), partition=0)
            await asyncio.sleep(0.01)

    loading = asyncio.ensure_future(load())
    await asyncio.sleep(2)
    began = site.vcd.now()
    await site.inbox.revoke_all_but([TopicPartition(TOPIC, 0)])
    took = site.vcd.now() - began
    await loading
    assert took < 0.5


@virtually
async def test_a_restore_that_is_under_way_when_its_partition_is_revoked_takes_nothing_up() -> None:
    site = Site(partitions=2)
    site.vcd.session_ready = False
    await site.start()
    site.send(request("waits", 1), partition=1)
    await asyncio.sleep(1)
    site.vcd.session_ready = True
    site.vcd.on_call = lambda call: _later(site, 6)
    slow = _restores_slowly(3.0)
    await site.next_owner()
    site.send(request("out", 2), partition=0)
    await asyncio.sleep(1)
    assert SECOND not in site.engine.partitions
    await site.inbox.revoke_all_but(set())
    slow.undo()
    assert [left.call.path for left in site.vcd.calls] == [f"/vApp/{vapp(2)}/power/action/powerOn"]
    assert site.phases()["waits"] == "received"


@virtually
async def test_a_process_that_is_told_to_stop_takes_up_no_partition_any_more() -> None:
    site = Site(partitions=2)
    site.vcd.session_ready = False
    await site.start()
    site.send(request("waits", 1), partition=1)
    await asyncio.sleep(1)
    site.vcd.session_ready = True
    slow = _restores_slowly(3.0)
    await site.next_owner()
    await site.stop()
    slow.undo()
    assert site.vcd.calls == []


@virtually
async def test_tasks_are_followed_while_the_backlog_waits_for_the_registry() -> None:
    site = Site()
    await site.start()
    site.send(request("A", 1))
    await asyncio.sleep(1)
    unknown: Headers = (("content-type", b"application/avro"),)
    site.send(b"\x00\x00\x00\x00\x63rubbish", headers=unknown)
    site.crash()
    await asyncio.sleep(10)
    await site.start()
    site.vcd.finish(1)
    await asyncio.sleep(5)
    assert site.story("A")[-1] == "finished success -> success"


@virtually
async def test_large_records_pause_their_partition_before_there_are_many() -> None:
    site = Site()
    site.vcd.session_ready = False
    await site.start()
    _slow_commits(site, 30.0)
    body = {"name": "n", "description": "x" * 400_000}
    for number in range(100):
        site.send(request(f"r{number}", number, "createSnapshot", body=body))
    heaviest = 0
    for _ in range(600):
        await asyncio.sleep(0.5)
        heaviest = max(heaviest, site.owned().inbox.bytes)
    assert HIGH_WATER_BYTES <= heaviest <= 2.5 * HIGH_WATER_BYTES
    await asyncio.sleep(4000)
    assert len(site.phases()) == 100


@virtually
async def test_a_partition_whose_records_are_not_acknowledged_waits_and_goes_on_later() -> None:
    site = Site(partitions=2)
    await site.start()
    stalled = TopicPartition(TOPIC, 0)
    site.outcomes.extend([lambda entries: NotCommitted(stalled=frozenset({stalled}))] * 2)
    site.send(request("slow", 1), partition=0)
    site.send(request("quick", 2), partition=1)
    await asyncio.sleep(1.5)
    assert site.story("quick") == ["accepted running"]
    assert site.story("slow") == []
    await asyncio.sleep(10)
    assert site.story("slow") == ["accepted running"]
    assert [left.call.operation for left in site.vcd.calls] == ["powerOnVApp", "powerOnVApp"]


@virtually
async def test_a_store_with_a_foreign_record_stops_its_partition_and_no_other() -> None:
    site = Site(partitions=2)
    changelog = NAMES.changelog(TOPIC)
    site.kafka.append(TopicPartition(changelog, 0), OutRecord(changelog, 0, b"who/wrote/this", b"?"))
    await site.start()
    site.send(request("A", 1), partition=1)
    await asyncio.sleep(1)
    assert site.story("A") == ["accepted running"]
    assert list(site.engine.not_taken) == [TopicPartition(TOPIC, 0)]
    assert not site.engine.is_ready


def _slow_commits(site: Site, seconds: float) -> None:
    async def wait(entries: object) -> None:
        await asyncio.sleep(seconds)

    site.before_commit = wait


def _restores_slowly(seconds: float) -> pytest.MonkeyPatch:
    """Partition 1 is restored only after so long."""
    patch = pytest.MonkeyPatch()
    restore = SimStore.restore

    async def slowly(store: SimStore, partition: TopicPartition, epoch: int) -> RestoredPartition | None:
        if partition == SECOND:
            await asyncio.sleep(seconds)
        return await restore(store, partition, epoch)

    patch.setattr(SimStore, "restore", slowly)
    return patch


async def _later(site: Site, seconds: float) -> CallAnswer:
    await asyncio.sleep(seconds)
    return site.vcd.accept(1)
