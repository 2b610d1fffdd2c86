"""Every thread of the client is watched: a call that does not return ends the process."""

from __future__ import annotations

import threading

import pytest

from bridge.kafka import polling, rebalancing, restoring
from bridge.kafka import watchdog as module
from bridge.kafka.consumer import KafkaInbox
from bridge.kafka.store import KafkaStore
from bridge.kafka.watchdog import Watchdog
from tests.kafka.member import Stage
from tests.support.kafka import KafkaNode


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.02)


def test_who_rests_is_never_taken_for_hung() -> None:
    told = threading.Event()
    watchdog = Watchdog("test", bound_seconds=0.1, on_hung=lambda message: told.set())
    watchdog.begin("something")
    watchdog.rest()
    assert not told.wait(0.4)
    watchdog.close()


def test_what_is_under_way_for_too_long_is_named() -> None:
    told: list[str] = []
    heard = threading.Event()

    def hung(message: str) -> None:
        told.append(message)
        heard.set()

    Watchdog("kafka-store", bound_seconds=0.1, on_hung=hung).begin("a look at the store")
    assert heard.wait(5)
    assert told == ["kafka-store: a look at the store has not returned for 0 s"]


async def test_a_polling_thread_that_hangs_ends_the_process(kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "HUNG_SECONDS", 0.3)
    monkeypatch.setattr(rebalancing, "HANDOVER_SECONDS", 0.1)  # nobody reads what the inbox brings
    stage, told, release = Stage.make(kafka), threading.Event(), threading.Event()
    inbox = KafkaInbox(
        stage.config(), [stage.source], trouble=lambda where, message: None, on_hung=lambda message: told.set()
    )
    await inbox.open()
    assert inbox._thread is not None

    def hang() -> None:
        release.wait(20)

    inbox._thread.submit(hang)
    assert told.wait(5)
    release.set()
    await inbox.close()


async def test_a_restore_that_hangs_ends_the_process(kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "HUNG_SECONDS", 0.3)
    told, release = threading.Event(), threading.Event()
    monkeypatch.setattr(restoring.RestoreThread, "_turn", lambda self: release.wait(20) and None)
    stage = Stage.make(kafka)
    inbox = KafkaInbox(stage.config(), [stage.source], trouble=lambda where, message: None)
    store = KafkaStore(
        stage.config(), inbox.membership, stage.names, writer_id="w", trouble=lambda where, message: None,
        on_hung=lambda message: told.set(),
    )  # fmt: skip
    assert told.wait(5)
    release.set()
    await store.close()
