"""The bus on a real MQTT broker, behind the simulator's WebSocket door."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from bridge.notifications.bus import Access, BusConfig, MqttBus
from bridge.simulator.server import serve_in_thread
from tests.support.simulator import ACME_ORG, BETA_ORG, SYSTEM_ORG, Simulator

WAIT_SECONDS = 10.0


class QuickClock:
    """The machine's clocks; what the bus waits for between connections is shortened."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def random(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(min(seconds, 0.05))


@dataclass(slots=True)
class Listener:
    """A bus that listens, and all that is told of it."""

    simulator: Simulator
    user: str = "administrator@System"
    topic: str | None = None
    access: Access | None = None
    tasks: list[str] = field(default_factory=list)
    messages: list[tuple[str, int]] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    clock: QuickClock = field(default_factory=QuickClock)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def log_in(self) -> None:
        client = self.simulator.log_in(self.user)
        org = {"System": SYSTEM_ORG, "acme": ACME_ORG, "beta": BETA_ORG}[self.user.partition("@")[2]]
        self.access = Access(client.token, org, self.user.endswith("@System"))

    def bus_connected(self, url: str, topic: str) -> None:
        self.connected.append(topic)
        self._changed.set()

    def bus_lost(self, url: str, why: str, next_try_seconds: float) -> None:
        self.lost.append(why)
        self._changed.set()

    def bus_message(self, kind: str, tasks: int) -> None:
        self.messages.append((kind, tasks))
        self._changed.set()

    def hint(self, task_id: str) -> None:
        self.tasks.append(task_id)
        self._changed.set()

    async def until(self, what: Callable[[], bool]) -> None:
        """Fails with all that was told."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not what():
                self._changed.clear()
                await self._changed.wait()

    async def heard(self, task_id: str, times: int = 1) -> None:
        await self.until(lambda: self.tasks.count(task_id) >= times)


@pytest.fixture(scope="module")
def served() -> Iterator[Simulator]:
    with serve_in_thread(bus=True) as (url, _):
        yield Simulator(url)


@pytest.fixture
def simulator(served: Simulator) -> Iterator[Simulator]:
    served.settings(task_seconds=0.2)
    yield served
    served.settings(bus_silent=False, bus_loss=0, bus_duplicates=0, bus_delay_seconds=0)


_numbers = itertools.count(1)


def start_task(simulator: Simulator) -> str:
    """A new Task in acme: its URN."""
    vapp = simulator.create_entity("vApp", name=f"made-{next(_numbers)}", organization="acme")
    reply = simulator.log_in("admin@acme").post(f"/api{vapp['path']}/action/deploy", {"powerOn": False})
    assert reply.status == 202, (reply.status, reply.body)
    return str(reply.json()["id"])


@asynccontextmanager
async def listening(listener: Listener, *urls: str) -> AsyncIterator[Listener]:
    """A bus under way, connected."""
    if listener.access is None:
        listener.log_in()
    config = BusConfig(urls=urls or (listener.simulator.url,), topic=listener.topic)
    bus = MqttBus(config, listener.clock, lambda: listener.access, listener)
    running = asyncio.ensure_future(bus.run(listener.hint))
    try:
        await listener.until(lambda: bool(listener.connected) or running.done())
        yield listener
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def in_thread(call: Callable[[], str]) -> str:
    return await asyncio.to_thread(call)


async def test_a_task_is_heard_of_from_its_creation_to_its_end(simulator: Simulator) -> None:
    async with listening(Listener(simulator)) as listener:
        task = await in_thread(lambda: start_task(simulator))
        await listener.heard(task, times=3)
    assert listener.connected == ["publish/#"]
    assert ("EVENT", 1) in listener.messages


async def test_a_tenant_hears_its_own_organization(simulator: Simulator) -> None:
    async with (
        listening(Listener(simulator, "admin@acme")) as own,
        listening(Listener(simulator, "admin@beta")) as other,
    ):
        task = await in_thread(lambda: start_task(simulator))
        await own.heard(task, times=3)
    assert own.connected == [f"publish/{ACME_ORG}/+"]
    assert other.tasks == []


async def test_a_topic_beyond_ones_own_is_refused_and_tried_again(simulator: Simulator) -> None:
    listener = Listener(simulator, "admin@acme", topic="publish/#")
    listener.log_in()
    bus = MqttBus(
        BusConfig(urls=(simulator.url,), topic="publish/#"), listener.clock, lambda: listener.access, listener
    )
    running = asyncio.ensure_future(bus.run(listener.hint))
    await listener.until(lambda: len(listener.lost) >= 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert set(listener.lost) == {"the bus refuses a subscription to publish/#"}


async def test_a_connection_that_ends_is_made_again_and_subscribed_again(simulator: Simulator) -> None:
    async with listening(Listener(simulator)) as listener:
        await in_thread(lambda: str(simulator.admin("DELETE", "bus/connections")))
        await listener.until(lambda: len(listener.connected) == 2)
        task = await in_thread(lambda: start_task(simulator))
        await listener.heard(task)
    assert len(listener.lost) == 1


async def test_an_expired_token_is_thrown_out_and_a_new_one_let_in(simulator: Simulator) -> None:
    async with listening(Listener(simulator)) as listener:
        await in_thread(lambda: str(simulator.admin("POST", "sessions/expire", {})))
        await listener.until(lambda: len(listener.lost) >= 3)
        refused = simulator.admin("GET", "bus")["refused"]
        await asyncio.to_thread(listener.log_in)
        await listener.until(lambda: len(listener.connected) == 2)
        task = await in_thread(lambda: start_task(simulator))
        await listener.heard(task)
    assert refused >= 2
    assert listener.access is not None
    assert listener.access.token not in "".join(listener.lost)


async def test_a_new_token_is_used_before_the_old_one_fails(simulator: Simulator) -> None:
    async with listening(Listener(simulator)) as listener:
        await asyncio.to_thread(listener.log_in)
        await listener.until(lambda: len(listener.connected) == 2)
    assert listener.lost == []


async def test_without_a_session_nothing_is_tried(simulator: Simulator) -> None:
    listener = Listener(simulator)
    listener.log_in()
    access, listener.access = listener.access, None
    bus = MqttBus(BusConfig(urls=(simulator.url,)), listener.clock, lambda: listener.access, listener)
    running = asyncio.ensure_future(bus.run(listener.hint))
    while len(listener.clock.slept) < 3:
        await asyncio.sleep(0.01)
    assert listener.lost == []
    listener.access = access
    await listener.until(lambda: listener.connected == ["publish/#"])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_next_address_is_tried_where_one_fails(simulator: Simulator) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
    async with listening(Listener(simulator), dead, simulator.url) as listener:
        assert len(listener.lost) == 1
        assert listener.connected == ["publish/#"]


async def test_pauses_grow_while_nothing_can_be_reached() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
    listener = Listener(Simulator(dead), access=Access("token", None, is_provider=True))
    bus = MqttBus(BusConfig(urls=(dead,)), listener.clock, lambda: listener.access, listener)
    running = asyncio.ensure_future(bus.run(listener.hint))
    await listener.until(lambda: len(listener.lost) >= 8)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert listener.clock.slept[:7] == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


async def test_what_nobody_can_read_is_counted_and_harms_nothing(simulator: Simulator) -> None:
    async with listening(Listener(simulator)) as listener:
        for payload in ("", "{", "\x00", '{"type": "NEW_IN_11"}', "[" * 50_000, "x" * 300_000):
            simulator.admin("POST", "bus/messages", {"topic": f"publish/{ACME_ORG}/anybody", "payload": payload})
        await listener.until(lambda: ("other", 0) in listener.messages)
        task = await in_thread(lambda: start_task(simulator))
        await listener.heard(task)
    assert listener.lost == []


async def test_twice_late_and_out_of_order(simulator: Simulator) -> None:
    simulator.settings(bus_duplicates=1, bus_delay_seconds=0.5)
    async with listening(Listener(simulator)) as listener:
        tasks = [await in_thread(lambda: start_task(simulator)) for _ in range(2)]
        for task in tasks:
            await listener.heard(task, times=6)
    assert listener.lost == []


async def test_a_silent_bus_is_no_fault(simulator: Simulator) -> None:
    simulator.settings(bus_silent=True)
    async with listening(Listener(simulator)) as listener:
        silent = await in_thread(lambda: start_task(simulator))
        simulator.settings(bus_silent=False)
        task = await in_thread(lambda: start_task(simulator))
        await listener.heard(task)
    assert silent not in listener.tasks or silent == task
    assert listener.lost == []


async def test_the_token_is_in_no_log(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening(Listener(simulator)) as listener:
        assert listener.access is not None
        await in_thread(lambda: str(simulator.admin("DELETE", "bus/connections")))
        await listener.until(lambda: len(listener.connected) == 2)
        assert listener.access.token not in caplog.text
        assert listener.access.token not in repr(listener.access)
