"""The group's control topic on a real Kafka: read whole, then followed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from bridge.core.coordinates import TopicPartition
from bridge.core.freeze import THAWED, Freeze
from bridge.errors import ConfigurationError, TemporaryError
from bridge.kafka import control
from bridge.kafka.clients import send
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Connection
from bridge.kafka.control import KafkaControl, control_record
from bridge.kafka.embedded import EmbeddedBroker
from bridge.kafka.queries import high_watermarks
from bridge.ports import OutRecord
from tests.support.kafka import KafkaNode, create_topics, unique
from tests.support.proxy import KafkaProxy

if TYPE_CHECKING:
    from confluent_kafka import Message

FROZEN = b'{"frozen": true, "reason": "upgrade"}'
THAW = b'{"frozen": false}'


@dataclass
class Desk:
    """A control topic, and what its reader has found odd."""

    bootstrap: str
    topic: str = field(default_factory=lambda: unique("control"))
    troubles: list[str] = field(default_factory=list)

    @property
    def config(self) -> KafkaConfig:
        return KafkaConfig(bootstrap_servers=self.bootstrap, group_id="g")

    def reader(self, bootstrap: str | None = None) -> KafkaControl:
        config = KafkaConfig(bootstrap_servers=bootstrap or self.bootstrap, group_id="g")
        return KafkaControl(config, self.topic, trouble=lambda where, message: self.troubles.append(message))

    async def say(self, *values: bytes | None, key: bytes = b"freeze") -> None:
        records = [OutRecord(self.topic, 0, key, value) for value in values]
        await asyncio.to_thread(send, self.config, records)


@pytest.fixture
def desk(kafka: KafkaNode) -> Desk:
    desk = Desk(kafka.bootstrap)
    create_topics(kafka.bootstrap, {desk.topic: 1}, configs={desk.topic: {"cleanup.policy": "compact"}})
    return desk


class _Timed:
    """A message as far as its time."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def timestamp(self) -> tuple[int, int]:
        return 1, self._milliseconds


@pytest.mark.parametrize("milliseconds", [-1, 0, 2**63 - 1, 10**15])
def test_a_time_that_no_calendar_has_is_none(milliseconds: int) -> None:
    assert control._written_at(cast("Message", _Timed(milliseconds))) is None


async def said_next(reader: KafkaControl) -> Freeze:
    return await asyncio.wait_for(reader.next(), 10)


async def test_the_last_word_holds_whatever_was_said_before(desk: Desk) -> None:
    reader = desk.reader()
    assert await reader.open() == THAWED
    await reader.close()
    await desk.say(FROZEN, THAW, FROZEN)
    await desk.say(b"something newer", key=b"another")
    reader = desk.reader()
    found = await reader.open()
    assert (found.frozen, found.reason) == (True, "upgrade")
    await reader.close()


async def test_a_leader_that_is_not_there_yet_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE]

    def asked(connection: Connection, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        if refusals:
            raise KafkaException(KafkaError(refusals.pop()))
        return high_watermarks(connection, partitions)

    monkeypatch.setattr(control, "high_watermarks", asked)
    await desk.say(FROZEN)
    reader = desk.reader()
    assert (await reader.open()).reason == "upgrade"
    await reader.close()
    refusals.append(KafkaError.NOT_LEADER_FOR_PARTITION)
    monkeypatch.setattr(control, "OPEN_SECONDS", 0.0)
    with pytest.raises(TemporaryError, match="NOT_LEADER_FOR_PARTITION"):
        await desk.reader().open()


async def test_it_is_followed_and_a_tombstone_thaws(desk: Desk) -> None:
    reader = desk.reader()
    await reader.open()
    waiting = asyncio.ensure_future(said_next(reader))
    await desk.say(FROZEN)
    assert (await waiting).frozen
    await desk.say(None)
    assert not (await said_next(reader)).frozen
    await reader.close()


async def test_what_cannot_be_read_changes_nothing_and_is_told(desk: Desk) -> None:
    await desk.say(FROZEN, b"rubbish")
    reader = desk.reader()
    assert (await reader.open()).frozen
    await desk.say(b'{"frozen": "no"}', THAW)
    assert not (await said_next(reader)).frozen
    assert [message.partition(" ")[0] for message in desk.troubles] == [f"{desk.topic}/0/1", f"{desk.topic}/0/2"]
    await reader.close()


async def test_what_is_said_during_an_outage_is_heard_after_it(desk: Desk, kafka: KafkaNode) -> None:
    async with KafkaProxy(kafka.proxied_port, kafka.proxied_listener) as proxy:
        reader = desk.reader(kafka.proxied_bootstrap)
        await reader.open()
        proxy.silent = True
        waiting = asyncio.ensure_future(reader.next())
        await desk.say(FROZEN)
        await asyncio.wait({waiting}, timeout=1.0)
        assert not waiting.done()
        proxy.heal()
        assert (await asyncio.wait_for(waiting, 60)).frozen
        await reader.close()


async def test_a_topic_that_is_not_there_or_has_no_order_is_refused(kafka: KafkaNode) -> None:
    desk = Desk(kafka.bootstrap)
    with pytest.raises(ConfigurationError, match=f"no such topic: {desk.topic}"):
        await desk.reader().open()
    create_topics(kafka.bootstrap, {desk.topic: 2})
    with pytest.raises(ConfigurationError, match="has 2 partitions"):
        await desk.reader().open()


async def test_it_works_on_the_embedded_broker() -> None:
    with EmbeddedBroker({"g.control": 1}) as broker:
        desk = Desk(broker.bootstrap, "g.control")
        await asyncio.to_thread(send, desk.config, [control_record("g.control", FROZEN)])
        reader = desk.reader()
        assert (await reader.open()).frozen
        await desk.say(THAW)
        assert not (await said_next(reader)).frozen
        await reader.close()


IN_A_PROCESS = """
import asyncio, sys
from bridge.kafka.config import KafkaConfig
from bridge.kafka.control import KafkaControl, read_control

config = KafkaConfig(bootstrap_servers=sys.argv[1], group_id="g")

async def main(reader):
    await reader.open()
    await reader.close()

read_control(config, sys.argv[2])
kept_until_the_end = KafkaControl(config, sys.argv[2])
asyncio.run(main(kept_until_the_end))
"""


async def test_a_process_that_has_read_it_can_end(desk: Desk) -> None:
    """What is left to the end of the interpreter must start no thread there: it would wait for it for ever."""
    done = subprocess.run([sys.executable, "-c", IN_A_PROCESS, desk.bootstrap, desk.topic], timeout=30, check=False)
    assert done.returncode == 0


async def test_what_cannot_be_read_in_time_leaves_no_client(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[object] = []
    monkeypatch.setattr(control, "OPEN_SECONDS", -1.0)
    monkeypatch.setattr(control, "let_go", released.append)
    await desk.say(FROZEN)
    with pytest.raises(TemporaryError, match="cannot be read to its end"):
        await desk.reader().open()
    assert len(released) == 1
