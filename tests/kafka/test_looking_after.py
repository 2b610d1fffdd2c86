"""What a member does not hear from its own client."""

from __future__ import annotations

import asyncio

import pytest

from bridge.kafka import looking_after
from bridge.kafka.looking_after import LookingAfter
from tests.kafka.member import PROTOCOLS, Stage, restore, running
from tests.support.kafka import KafkaNode, produce
from tests.support.positions import recreate_topic
from tests.support.proxy import API_VERSIONS, METADATA, Fate, KafkaProxy


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking_after, "DEAF_SECONDS", 2.0)
    monkeypatch.setattr(looking_after, "ASK_SECONDS", 0.1)
    monkeypatch.setattr(looking_after, "ANSWER_SECONDS", 1.0)


async def test_a_member_that_is_deaf_beside_a_healthy_kafka_ends_its_process(
    kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while Kafka is away for all; but when what it asks gets no answer, and a new client's question does."""
    stage, loop = Stage.make(kafka), asyncio.get_running_loop()
    ended: asyncio.Future[str] = loop.create_future()
    asked = asyncio.Event()
    is_there = LookingAfter.is_there

    def look(looking: LookingAfter) -> bool:
        there = is_there(looking)
        loop.call_soon_threadsafe(asked.set)
        return there

    monkeypatch.setattr(LookingAfter, "is_there", look)
    async with (
        KafkaProxy(kafka.proxied_port, kafka.proxied_listener) as proxy,
        running(stage, bootstrap=kafka.proxied_bootstrap, on_hung=ended.set_result) as member,
    ):
        await member.owning(0)
        proxy.silent = True
        await asyncio.wait_for(asked.wait(), 30)
        assert not ended.done()
        proxy.heal()
        proxy.fate = lambda api_key: Fate.PASS if api_key in {API_VERSIONS, METADATA} else Fate.SWALLOW
        assert "heard no broker for" in await asyncio.wait_for(ended, 60)
        proxy.heal()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_topic_that_was_made_anew_at_once_is_assigned_anew(kafka: KafkaNode, protocol: str) -> None:
    """Also where it has more records than the old one, so that no position in it is out of range."""
    stage = Stage.make(kafka)
    produce(kafka.bootstrap, stage.source, [b"old"] * 5)
    async with running(stage, PROTOCOLS[protocol]) as member:
        await member.owning(0)
        epoch, old = member.owned[stage.partition()], await restore(member)
        member.begin()
        await member.until(lambda: len(member.delivered) == 5)
        recreate_topic(kafka.bootstrap, stage.source, 1)
        produce(kafka.bootstrap, stage.source, [b"new"] * 20)
        await member.until(lambda: member.owned.get(stage.partition(), epoch) > epoch, seconds=30)
        assert frozenset({stage.partition()}) in member.lost
        assert (await restore(member)).topic_id != old.topic_id


async def test_a_topic_that_stays_is_left_alone(kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, loop = Stage.make(kafka), asyncio.get_running_loop()
    looks = asyncio.Semaphore(0)
    look_for_renewed = LookingAfter._look_for_renewed

    def look(looking: LookingAfter) -> None:
        look_for_renewed(looking)
        loop.call_soon_threadsafe(looks.release)

    monkeypatch.setattr(LookingAfter, "_look_for_renewed", look)
    async with running(stage) as member:
        await member.owning(0)
        await restore(member)
        for _ in range(5):
            await asyncio.wait_for(looks.acquire(), 20)
        assert (member.lost, member.assignments) == ([], 1)
