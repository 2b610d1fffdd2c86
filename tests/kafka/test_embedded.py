"""The embedded broker: what it is good for, and that other processes can use it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from bridge.errors import ConfigurationError
from bridge.kafka.clients import look, send, tail
from bridge.kafka.config import KafkaConfig
from bridge.kafka.embedded import EmbeddedBroker, serve_embedded
from bridge.ports import Committed, OutRecord, TopicNames
from tests.kafka.member import Stage, running
from tests.support.kafka import REPOSITORY

OTHER_PROCESS = """
import sys
from bridge.kafka.clients import send
from bridge.kafka.config import KafkaConfig
from bridge.ports import OutRecord
config = KafkaConfig(bootstrap_servers=sys.argv[1], group_id="g")
print(send(config, [OutRecord(sys.argv[2], 2, b"k", b"from another process")])[0])
"""
NAMES = TopicNames(action_requests="in", external_tasks="ext", task_events="events", dead_letters="dead", group_id="g")
TOPICS = {
    "in": 3, "g.in.changelog": 3, "g.in.ended": 3, "ext": 1, "g.ext.changelog": 1, "g.ext.ended": 1,
    "events": 2, "dead": 1,
}  # fmt: skip


async def test_the_bridges_kafka_side_works_on_it() -> None:
    with EmbeddedBroker(TOPICS) as broker:
        stage = Stage(broker.bootstrap, NAMES)
        send(stage.config(), [OutRecord("in", 1, b"k", b"request")])
        async with running(stage) as member:
            await member.owning(0, 1, 2, stage.second())
            restored = await member.store.restore(stage.partition(1), member.owned[stage.partition(1)])
            assert restored is not None
            assert (restored.committed, restored.high, restored.topic_id) == (None, 1, "")
            assert (restored.store_partitions, restored.input_partitions) == (3, 3)
            member.begin(1)
            await member.until(lambda: len(member.delivered) == 1)
            task = member.entries(stage.second(), event=b"task")
            assert await member.journal.commit([member.entries(1, event=b"event", next_offset=1), task]) == Committed()
            restored = await member.store.restore(stage.partition(1), member.owned[stage.partition(1)])
            assert restored is not None
            assert [record.value for record in restored.changelog] == [b"event"]
            restored = await member.store.restore(stage.second(), member.owned[stage.second()])
            assert restored is not None
            assert [record.value for record in restored.changelog] == [b"task"]
        values = [record.value for record in tail(stage.config(), ["events"], until_end=True) if record is not None]
    assert sorted(values, key=str) == [b"event", b"task"]


async def test_another_process_can_write_to_it() -> None:
    with EmbeddedBroker(TOPICS) as broker:
        told = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", OTHER_PROCESS, broker.bootstrap, "in"],
            capture_output=True, text=True, check=True, cwd=REPOSITORY, timeout=30,
        )  # fmt: skip
        config = KafkaConfig(bootstrap_servers=broker.bootstrap, group_id="g")
        found = [record for record in tail(config, ["in"], until_end=True) if record is not None]
    assert told.stdout == "in/2/0\n"
    assert [(str(record.at), record.value) for record in found] == [("in/2/0", b"from another process")]


def test_topics_have_the_partitions_that_were_asked_for() -> None:
    with EmbeddedBroker(TOPICS) as broker:
        broker.create_topic("in", 9)
        broker.create_topic("later", 5)
        cluster = look(KafkaConfig(bootstrap_servers=broker.bootstrap, group_id="g"))
    assert cluster.is_embedded
    assert {name: cluster.partitions(name) for name in (*TOPICS, "later")} == {**TOPICS, "later": 5}


def test_a_topic_that_cannot_be_is_a_configuration_error() -> None:
    with EmbeddedBroker({}) as broker, pytest.raises(ConfigurationError, match="nothing with 0 partitions"):
        broker.create_topic("nothing", 0)


def test_serving_ends_when_asked_to() -> None:
    stop, served = threading.Event(), threading.Event()
    told: list[str] = []

    def ready(bootstrap: str) -> None:
        told.append(bootstrap)
        served.set()

    serving = threading.Thread(target=serve_embedded, args=({"in": 1}, ready, stop))
    serving.start()
    assert served.wait(10)
    stop.set()
    serving.join(10)
    assert not serving.is_alive()
    assert told[0].startswith("127.0.0.1:")
