"""The ids of the bridge's own schemas: from a real Apicurio, and from a real changelog while it is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from confluent_kafka import Producer

from bridge.errors import BridgeError, ConfigurationError, TemporaryError
from bridge.kafka.config import KafkaConfig
from bridge.kafka.registry import SchemaRegistry
from bridge.kafka.registry_access import RegistryAccess
from bridge.kafka.settling import HEADER, OwnSchemas, recall
from bridge.kafka.subjects import OwnSchema
from bridge.ports import Headers
from bridge.wiring import EVENT, REQUEST, own_schema
from tests.kafka.test_registry import FOREIGN, scripted
from tests.support.kafka import KafkaNode, create_topics, unique
from tests.support.registry import Registry, register, set_level

NOWHERE = "http://127.0.0.1:1"


@dataclass
class Facts:
    told: list[str] = field(default_factory=list)

    def fact(self, event: str, **facts: object) -> None:
        self.told.append(event)

    def trouble(self, where: str, message: str, **facts: object) -> None:
        self.told.append(f"trouble: {message}")


@dataclass
class Stage:
    """The changelogs of two inputs and two schemas under subjects of its own."""

    kafka: KafkaNode
    facts: Facts = field(default_factory=Facts)
    changelogs: tuple[str, str] = field(default_factory=lambda: (unique("changelog"), unique("changelog")))

    def __post_init__(self) -> None:
        create_topics(self.kafka.bootstrap, dict.fromkeys(self.changelogs, 2))

    @property
    def config(self) -> KafkaConfig:
        return KafkaConfig(bootstrap_servers=self.kafka.bootstrap, group_id="settling")

    @property
    def schemas(self) -> tuple[OwnSchema, OwnSchema]:
        return own_schema(REQUEST, f"{self.changelogs[0]}.in"), own_schema(EVENT, f"{self.changelogs[0]}.out")

    @contextmanager
    def own(self, url: str, schemas: tuple[OwnSchema, ...] | None = None) -> Iterator[OwnSchemas]:
        registry = SchemaRegistry(RegistryAccess(url, timeout_seconds=5))
        try:
            yield OwnSchemas(registry, schemas or self.schemas, self.facts)
        finally:
            registry._threads.shutdown(wait=True)
            registry._client.close()

    async def settled(
        self, url: str, *, register: bool = True, schemas: tuple[OwnSchema, ...] | None = None
    ) -> OwnSchemas:
        with self.own(url, schemas) as own:
            await own.settle(register=register, needed=(EVENT,), kafka=self.config, changelogs=self.changelogs)
            return own

    def write(self, partition: int, headers: Headers, *, topic: int = 0) -> None:
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap, "linger.ms": 0})
        producer.produce(self.changelogs[topic], b"x", b"cursor", partition=partition, headers=list(headers))
        assert producer.flush(20) == 0


@pytest.fixture
def stage(kafka: KafkaNode) -> Stage:
    return Stage(kafka)


async def test_both_are_registered_with_their_levels_and_remembered(stage: Stage, schema_registry: Registry) -> None:
    own = await stage.settled(schema_registry.url)
    assert sorted(own.ids) == [REQUEST, EVENT]
    with stage.own(schema_registry.url) as again:
        states = [await again._registry.state(schema) for schema in stage.schemas]
    assert [(state.schema_id, state.level) for state in states] == [
        (own.ids[REQUEST], "BACKWARD_TRANSITIVE"), (own.ids[EVENT], "FULL_TRANSITIVE"),
    ]  # fmt: skip
    stage.write(1, (("vb_kind", b"cursor"), *own.header))
    assert sorted(recall(stage.config, stage.changelogs).values()) == sorted(own.ids.values())


async def test_a_level_that_somebody_chose_stays(stage: Stage, schema_registry: Registry) -> None:
    event = stage.schemas[1]
    register(schema_registry, event.subject, event.text)
    set_level(schema_registry, event.subject, "FULL")
    with stage.own(schema_registry.url) as own:
        await own.settle(register=True, needed=(EVENT,), kafka=stage.config, changelogs=stage.changelogs)
        assert (await own._registry.state(event)).level == "FULL"


@pytest.mark.parametrize("index", [0, 1])
async def test_either_subject_may_refuse(stage: Stage, schema_registry: Registry, index: int) -> None:
    register(schema_registry, stage.schemas[index].subject, FOREIGN)
    with pytest.raises(ConfigurationError, match=r"acme\.Other"):
        await stage.settled(schema_registry.url)


async def test_the_first_start_needs_the_registry(stage: Stage) -> None:
    with pytest.raises(TemporaryError, match="cannot be asked"):
        await stage.settled(NOWHERE)
    with scripted(404, b"<html>not here</html>") as (url, _), pytest.raises(ConfigurationError, match="answers 404"):
        await stage.settled(url)
    assert not stage.facts.told


@pytest.mark.parametrize("answer", [None, (404, b"<html>not here</html>"), (401, b"{}"), (503, b"")])
async def test_a_later_one_goes_on_with_what_the_store_remembers(
    stage: Stage, answer: tuple[int, bytes] | None
) -> None:
    """Nobody there, and whatever may stand in the registry's place."""
    if answer is None:
        await _goes_on(stage, NOWHERE)
        return
    with scripted(*answer) as (url, _):
        await _goes_on(stage, url)


async def _goes_on(stage: Stage, url: str) -> None:
    request, event = stage.schemas
    with stage.own(url) as one:
        mark, other = one._registry.mark(event), one._registry.mark(request)
    stage.write(0, ((HEADER, f"{mark}=7 garbage =8 {other}=x".encode()), ("other", None), (HEADER, None)), topic=1)
    stage.write(1, ((HEADER, f"{'0' * 32}=9".encode()),))
    own = await stage.settled(url)
    assert own.ids == {EVENT: 7}, "without the request's, its intake waits"
    assert own.header == ((HEADER, f"{mark}=7".encode()),)
    assert own._registry.known(7) == event.text
    assert [fact[:25] for fact in stage.facts.told] == ["trouble: schema registry "]
    newer = (request, replace(event, text=event.text.replace("sequence", "number")))
    with pytest.raises(BridgeError):
        await stage.settled(url, schemas=newer)
