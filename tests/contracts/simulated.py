"""The simulated Kafka of a scenario, in virtual time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from bridge.kafka.config import KafkaConfig
from tests.contracts.facade import Client, Kafka, Lost, Network
from tests.simulation.cluster.admin import SimConnection
from tests.simulation.cluster.broker import Fate, SimKafka, Timing
from tests.simulation.cluster.consumer import Consumer as SimConsumer
from tests.simulation.cluster.producer import Producer as SimProducer
from tests.simulation.process import Process
from tests.simulation.threads import Time


class SimulatedKafka(Kafka):
    """Timed as the broker of the tests is."""

    def __init__(self, seed: int) -> None:
        timing = Timing(session=3.0, heartbeat=0.5, transaction_cleanup=1.0)
        self._cluster = SimKafka(Random(seed), 1, timing=timing)
        self.bootstrap = self._cluster.address
        self._names = 0

    def name(self) -> str:
        self._names += 1
        return f"contract-{self._names}"

    def topic(self, partitions: int = 1) -> str:
        name = self.name()
        self._cluster.create_topic(name, partitions)
        return name

    def compacted_topic(self) -> str:
        name = self.name()
        self._cluster.create_topic(name, 1, compacted=True)
        return name

    def make_producer(self, settings: dict[str, Any]) -> Client:
        return SimProducer(settings)

    def make_consumer(self, settings: dict[str, Any]) -> Client:
        return SimConsumer(settings)

    def sleep(self, seconds: float) -> None:
        Time.sleep(seconds)

    def now(self) -> float:
        return Time.monotonic()

    def connection(self) -> Any:
        return SimConnection(KafkaConfig(bootstrap_servers=self.bootstrap, group_id="contract"))

    @contextlib.contextmanager
    def network(self) -> Iterator[Network]:
        yield _Simulated(self._cluster)


class _Simulated(Network):
    """Its members are of a process that stands still while nothing passes."""

    def __init__(self, cluster: SimKafka) -> None:
        self.bootstrap = cluster.address
        self._cluster = cluster
        self._process = Process("behind the network")

    def lose_end(self, what: Lost) -> None:
        fates = {
            Lost.REQUEST: Fate.SILENCE, Lost.ANSWER: Fate.SILENT_ANSWER,
            Lost.HELD: Fate.HELD, Lost.SILENTLY_HELD: Fate.SILENT_HELD,
        }  # fmt: skip
        self._cluster.befalls["transactions"] = [fates[what]]

    def release(self) -> None:
        self._cluster.release()
        Time.sleep(self._cluster.timing.travel)

    def go_silent(self) -> None:
        self._process.pause()
        self._cluster.silence(self._process)

    def heal(self) -> None:
        self._cluster.befalls.clear()
        self._cluster.hear(self._process)
        self._process.resume()

    def settings(self, protocol: str) -> dict[str, str]:
        return {}

    def run(self, make: Callable[..., Client]) -> Client:
        return self._process.run(make)
