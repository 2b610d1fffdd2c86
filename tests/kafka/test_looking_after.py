"""What a member does not hear from its own client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.errors import TemporaryError
from bridge.kafka import looking_after
from bridge.kafka.connection import Connection
from bridge.kafka.looking_after import LookingAfter
from tests.kafka.member import PROTOCOLS, Stage, restore, running
from tests.support.kafka import KafkaNode, produce
from tests.support.positions import recreate_topic
from tests.support.proxy import API_VERSIONS, METADATA, Fate, KafkaProxy


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking_after, "ASK_SECONDS", 0.1)
    monkeypatch.setattr(looking_after, "ANSWER_SECONDS", 1.0)


async def test_a_member_that_is_deaf_beside_a_healthy_kafka_ends_its_process(
    kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while Kafka is away for all; but when what it asks gets no answer, and a new client's question does."""
    monkeypatch.setattr(looking_after, "DEAF_SECONDS", 2.0)
    stage, loop = Stage.make(kafka), asyncio.get_running_loop()
    ended: asyncio.Future[str] = loop.create_future()

    def end(told: str) -> None:
        loop.call_soon_threadsafe(ended.set_result, told)

    asked = asyncio.Event()
    is_there = LookingAfter.is_there

    def look(looking: LookingAfter) -> bool:
        there = is_there(looking)
        loop.call_soon_threadsafe(asked.set)
        return there

    monkeypatch.setattr(LookingAfter, "is_there", look)
    async with (
        KafkaProxy(kafka.proxied_port, kafka.proxied_listener) as proxy,
        running(
            stage,
            bootstrap=kafka.proxied_bootstrap,
            on_hung=end,
        ) as member,
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
    """By its id alone: nothing is fetched of it, so no position in it can be out of range."""
    stage = Stage.make(kafka)
    produce(kafka.bootstrap, stage.source, [b"old"] * 5)
    async with running(stage, PROTOCOLS[protocol]) as member:
        await member.owning(0)
        epoch, old = member.owned[stage.partition()], await restore(member)
        member.begin()
        await member.until(lambda: len(member.delivered) == 5)
        member.inbox.pause(stage.partition())
        recreate_topic(kafka.bootstrap, stage.source, 1)
        await member.until(lambda: member.owned.get(stage.partition(), epoch) > epoch, seconds=30)
        assert frozenset({stage.partition()}) in member.lost
        assert any("was deleted and made again" in told for _, told in member.troubles)
        assert (await restore(member)).topic_id != old.topic_id


async def test_a_topic_that_stays_is_left_alone(kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, loop = Stage.make(kafka), asyncio.get_running_loop()
    looked = asyncio.Semaphore(0)
    facts = looking_after.topic_facts  # type: ignore[attr-defined]

    def counted(*args: Any, **more: Any) -> Any:
        found = facts(*args, **more)
        loop.call_soon_threadsafe(looked.release)
        return found

    monkeypatch.setattr(looking_after, "topic_facts", counted)
    async with running(stage) as member:
        await member.owning(0)
        await restore(member)
        for _ in range(5):
            await asyncio.wait_for(looked.acquire(), 20)
        assert (member.lost, member.assignments, member.troubles) == ([], 1, [])


async def test_a_look_that_fails_is_told_once_and_made_again(kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another client after the fourth failure in a row."""
    stage, loop = Stage.make(kafka), asyncio.get_running_loop()
    facts = looking_after.topic_facts  # type: ignore[attr-defined]
    failures = iter([RuntimeError("no thread"), *[TemporaryError("refused")] * 5])
    looked = asyncio.Event()
    clients: list[Connection] = []

    def failing(*args: Any, **more: Any) -> Any:
        clients.append(args[0])
        if (failure := next(failures, None)) is not None:
            raise failure
        loop.call_soon_threadsafe(looked.set)
        return facts(*args, **more)

    monkeypatch.setattr(looking_after, "topic_facts", failing)
    async with running(stage) as member:
        await member.owning(0)
        await restore(member)
        await asyncio.wait_for(looked.wait(), 20)
        told = [message for where, message in member.troubles if where == "kafka consumer"]
        assert told == [
            "a look after the member failed: RuntimeError('no thread')",
            f"the id of {stage.source} cannot be read: refused",
        ]
        assert [one is clients[0] for one in clients[:7]] == [True] * 5 + [False] * 2
