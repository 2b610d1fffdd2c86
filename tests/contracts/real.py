"""The real Kafka of a scenario."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import confluent_kafka
from confluent_kafka import KafkaException

from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Connection
from bridge.kafka.letting_go import let_go
from tests.contracts.facade import PATIENCE_SECONDS, Client, Kafka, Lost, Network
from tests.support.kafka import KafkaNode, committed_offset, create_topics, unique
from tests.support.proxy import END_TXN, Fate, KafkaProxy

Result = TypeVar("Result")

_READY: dict[tuple[str, int], list[str]] = {}
"""Real topics that nobody has used, by cluster and number of partitions: made several at once, they cost little."""
_AT_ONCE = 12
_CLEANED_OFTEN = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "delete.retention.ms": "100",
}
"""The cleaner looks for what is dirty twice a second: the tests' broker has it so."""


class RealKafka(Kafka):
    """``close`` lets all its clients go: one that is only dropped may block in its destructor, for good."""

    def __init__(self, node: KafkaNode) -> None:
        self._node = node
        self.bootstrap = node.bootstrap
        self._clients: list[Client] = []
        _have_group_coordinators(node.bootstrap)

    def close(self) -> None:
        while self._clients:
            client = self._clients.pop()
            # A producer that is closed waits for its records, and its network may be gone.
            if isinstance(client, confluent_kafka.Consumer):
                with contextlib.suppress(RuntimeError, KafkaException):  # closed already
                    client.close()
            let_go(client)

    def topic(self, partitions: int = 1) -> str:
        ready = _READY.setdefault((self.bootstrap, partitions), [])
        if not ready:
            ready += [self.name() for _ in range(_AT_ONCE)]
            create_topics(self.bootstrap, dict.fromkeys(ready, partitions))
        return ready.pop()

    def compacted_topic(self) -> str:
        name = self.name()
        create_topics(self.bootstrap, {name: 1}, configs={name: _CLEANED_OFTEN})
        return name

    def make_producer(self, settings: dict[str, Any]) -> Client:
        self._clients.append(confluent_kafka.Producer(settings))
        return self._clients[-1]

    def make_consumer(self, settings: dict[str, Any]) -> Client:
        self._clients.append(confluent_kafka.Consumer(settings))
        return self._clients[-1]

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> float:
        return time.monotonic()

    def connection(self) -> Any:
        return Connection(KafkaConfig(bootstrap_servers=self.bootstrap, group_id="contract"))

    @contextlib.contextmanager
    def network(self) -> Iterator[Network]:
        network = _Proxied(self._node)
        try:
            yield network
        finally:
            network.close()


@functools.cache
def _have_group_coordinators(bootstrap: str) -> None:
    """Of all groups: their topic is made when the first one is asked for.

    Until it is there, ``send_offsets_to_transaction`` may not return at all: told three times in a row that there is no
    coordinator, which takes 15 ms at this back-off, librdkafka asks again only when a connection comes or goes.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            committed_offset(bootstrap, unique("contract"), unique("contract"))
        except KafkaException:
            assert time.monotonic() < deadline, "the cluster has no group coordinator"
        else:
            return


class _Proxied(Network):
    """A proxy, whose loop runs in a thread of its own."""

    def __init__(self, node: KafkaNode) -> None:
        self.bootstrap = node.proxied_bootstrap
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._proxy = KafkaProxy(node.proxied_port, node.proxied_listener)
        try:
            self._do(self._proxy.__aenter__())
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        try:
            self._do(self._proxy.__aexit__())
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def lose_end(self, what: Lost) -> None:
        if what in {Lost.HELD, Lost.SILENTLY_HELD}:
            met = iter((Fate.HOLD if what is Lost.HELD else Fate.HOLD_SILENTLY,))
            self._proxy.fate = lambda api_key: next(met, Fate.PASS) if api_key == END_TXN else Fate.PASS
        else:
            self._proxy.lose_commits(Fate.SWALLOW if what is Lost.REQUEST else Fate.SWALLOW_ANSWER)

    def release(self) -> None:
        self._do(self._proxy.lost.wait())  # until its connection is given up
        assert self._do(self._proxy.release()) == 1

    def go_silent(self) -> None:
        self._proxy.silent = True

    def heal(self) -> None:
        async def heal() -> None:
            self._proxy.heal()

        self._do(heal())

    def settings(self, protocol: str) -> dict[str, str]:
        # Under KIP-848 the broker decides.
        return {} if protocol == "kip-848" else {"session.timeout.ms": "1500"}

    def run(self, make: Callable[..., Client]) -> Client:
        return make(bootstrap=self.bootstrap)

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)
