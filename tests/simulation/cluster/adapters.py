"""The bridge's own adapters on the simulated cluster: their code runs unchanged, in threads of virtual time."""

from __future__ import annotations

import contextlib
import importlib
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from unittest import mock

from bridge.kafka.config import KafkaConfig
from bridge.kafka.consumer import KafkaInbox
from bridge.kafka.journal import TransactionalJournal
from bridge.kafka.store import KafkaStore
from bridge.ports import TopicNames
from tests.simulation.cluster.admin import SimConnection
from tests.simulation.cluster.broker import SimKafka
from tests.simulation.cluster.consumer import Consumer
from tests.simulation.cluster.hanging import Watchdog
from tests.simulation.cluster.producer import Producer
from tests.simulation.process import Process
from tests.simulation.threads import Threading, Time, end_all

_PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class _Names:
    """In the place of the module ``uuid``: names that a seed repeats."""

    random: Random

    def uuid4(self) -> uuid.UUID:
        return uuid.UUID(int=self.random.getrandbits(128))


def _doubles(random: Random) -> Mapping[str, Mapping[str, Any]]:
    clients = {"Consumer": Consumer, "Producer": Producer}
    return {
        "worker": {"threading": Threading, "Watchdog": Watchdog},
        "polling": {"threading": Threading, "time": Time, "Watchdog": Watchdog, "Consumer": Consumer},
        "rebalancing": {"time": Time, "Consumer": Consumer},
        "consumer_errors": {"time": Time},
        "transaction": {"time": Time, "Producer": Producer},
        "producers": {"time": Time, "Producer": Producer},
        "producing": {"time": Time, "Producer": Producer},
        "tags": {"time": Time, "Consumer": Consumer},
        "letting_go": {"threading": Threading, "_LOOKS": 0},
        "fencing": {"time": Time, **clients},
        "restoring": {
            "threading": Threading, "time": Time, "Watchdog": Watchdog,
            "Consumer": Consumer, "Connection": SimConnection,
        },
        # Simulated consumers tell nothing of what they hear, and topics stay: nobody needs to look after them.
        "consumer": {"Connection": SimConnection, "LookingAfter": mock.Mock()},
        "journal": {"Connection": SimConnection, "uuid": _Names(random)},
    }  # fmt: skip


@contextlib.contextmanager
def simulated_clients(random: Random) -> Iterator[None]:
    """While this lasts ``bridge.kafka`` has simulated clients, threads and clocks."""
    _real_threads_end()
    with contextlib.ExitStack() as stack:
        for module, doubles in _doubles(random).items():
            stack.enter_context(mock.patch.multiple(importlib.import_module(f"bridge.kafka.{module}"), **doubles))
        try:
            yield
        finally:
            end_all()


def _real_threads_end() -> None:
    """Those of a test before this one, in the same process: a loop that is just ending would meet the doubles."""
    for thread in threading.enumerate():
        if thread.name in {"kafka-store", "kafka-polling"}:
            thread.join(_PATIENCE_SECONDS)
            assert not thread.is_alive(), f"{thread.name} of an earlier test was not closed"


@dataclass(frozen=True, slots=True)
class KafkaSide:
    """One process's adapters. ``troubles``: what they cured without the engine."""

    inbox: KafkaInbox
    journal: TransactionalJournal
    store: KafkaStore
    troubles: list[tuple[str, str]]


def adapters(
    process: Process,
    kafka: SimKafka,
    names: TopicNames,
    *,
    properties: Mapping[str, str] | None = None,
    reach: Callable[[str], None] = lambda point: None,
) -> KafkaSide:
    """Made within ``simulated_clients``; what they begin belongs to ``process``, whose death is noticed."""
    config = KafkaConfig(
        bootstrap_servers=kafka.address,
        group_id=names.group_id,
        properties=dict(properties or {}),
        session_timeout_seconds=kafka.timing.session,
    )
    troubles: list[tuple[str, str]] = []

    def trouble(where: str, message: str) -> None:
        troubles.append((where, message))

    def hung(message: str) -> None:
        trouble("kafka", message)
        process.kill()

    def make() -> KafkaSide:
        inbox = KafkaInbox(config, names.inputs, trouble=trouble, on_hung=hung)
        journal = TransactionalJournal(config, inbox, names, reach=reach, trouble=trouble, on_hung=hung)
        store = KafkaStore(
            config, inbox.membership, names, writer_id=journal.transactional_id, trouble=trouble, on_hung=hung,
            reach=reach,
        )  # fmt: skip
        return KafkaSide(inbox, journal, store, troubles)

    process.on_death(lambda: kafka.silence(process))
    return process.run(make)
