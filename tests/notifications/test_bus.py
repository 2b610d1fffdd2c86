"""The bus on a real MQTT broker, behind the simulator's WebSocket door."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import httpx
import pytest

from bridge.notifications import bus as bus_module
from bridge.notifications.bus import BusConfig, MqttBus
from bridge.ports import SessionAccess
from bridge.simulator import server
from bridge.simulator.server import serve_in_thread
from bridge.simulator.serving.certificates import make_certificate
from bridge.simulator.state.founding.inventory import PASSWORD
from tests.support.simulator import ACME_ORG, BETA_ORG, SYSTEM_ORG, Simulator

WAIT_SECONDS = 10.0


class QuickClock:
    """The machine's clocks; what the bus waits for between connections is shortened."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._slept = asyncio.Event()

    async def until_slept(self, times: int) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while len(self.slept) < times:
                self._slept.clear()
                await self._slept.wait()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def random(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._slept.set()
        await asyncio.sleep(min(seconds, 0.05))


@dataclass(slots=True)
class Listener:
    """A bus that listens, and all that is told of it."""

    simulator: Simulator
    user: str = "administrator@System"
    topic: str | None = None
    access: SessionAccess | None = None
    tasks: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    messages: list[tuple[str, int]] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    left: int = 0
    clock: QuickClock = field(default_factory=QuickClock)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def log_in(self) -> None:
        client = self.simulator.log_in(self.user)
        org = {"System": SYSTEM_ORG, "acme": ACME_ORG, "beta": BETA_ORG}[self.user.partition("@")[2]]
        self.access = SessionAccess(client.token, org, self.user.endswith("@System"))

    def bus_connected(self, url: str, topic: str) -> None:
        self.connected.append(topic)
        self._changed.set()

    def bus_left(self) -> None:
        self.left += 1

    def bus_lost(self, url: str, why: str, next_try_seconds: float) -> None:
        self.lost.append(why)
        self._changed.set()

    def bus_message(self, kind: str, tasks: int) -> None:
        self.messages.append((kind, tasks))
        self._changed.set()

    def hint(self, task_id: str, *, ends: bool = False) -> None:
        self.tasks.append(task_id)
        if ends:
            self.ended.append(task_id)
        self._changed.set()

    async def until(self, what: Callable[[], bool]) -> None:
        """Fails with all that was told."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not what():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"connected {self.connected}, lost {self.lost}, heard {self.messages}") from None

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


async def test_over_tls_it_listens_with_the_authority_that_calls_have(tmp_path: Path) -> None:
    files = make_certificate(tmp_path, ["localhost"])
    trusting = ssl.create_default_context(cafile=str(files.authority))
    with serve_in_thread(tls=files.context(), bus=True) as (url, _):
        answer = httpx.post(
            f"{url}/cloudapi/1.0.0/sessions/provider", auth=("administrator@System", PASSWORD),
            headers={"Accept": "application/json;version=39.0"}, verify=trusting,
        )  # fmt: skip
        token = answer.headers["X-VMWARE-VCLOUD-ACCESS-TOKEN"]
        listener = Listener(Simulator(url), access=SessionAccess(token, SYSTEM_ORG, is_provider=True))
        async with under_way(listener, tls=trusting):
            await listener.until(lambda: bool(listener.connected))
        while httpx.get(f"{url}/simulator/bus", verify=trusting).json()["connections"]:
            await asyncio.sleep(0.02)  # its end is nothing that the client could be told of


_numbers = itertools.count(1)


def start_task(simulator: Simulator) -> str:
    """A new Task in acme: its URN."""
    vapp = simulator.create_entity("vApp", name=f"made-{next(_numbers)}", organization="acme")
    reply = simulator.log_in("admin@acme").post(f"/api{vapp['path']}/action/deploy", {"powerOn": False})
    assert reply.status == 202, (reply.status, reply.body)
    return str(reply.json()["id"])


def wait_ended(simulator: Simulator, task: str) -> None:
    client, deadline = simulator.log_in("admin@acme"), time.monotonic() + WAIT_SECONDS
    while client.get(f"/api/task/{task.rpartition(':')[2]}").json()["status"] != "success":
        assert time.monotonic() < deadline, f"{task} does not end"
        time.sleep(0.02)  # VCD is polled: there is nothing to be woken by


@asynccontextmanager
async def under_way(listener: Listener, *urls: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    """A bus under way, connected or not. Fails with what ended it, if something did."""
    config = BusConfig(urls=urls or (listener.simulator.url,), topic=listener.topic, tls=tls)
    bus = MqttBus(config, listener.clock, lambda: listener.access, listener)
    running = asyncio.ensure_future(bus.run(listener.hint))
    try:
        yield listener
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def listening(listener: Listener, *urls: str) -> AsyncIterator[Listener]:
    """The same, logged in and connected."""
    if listener.access is None:
        listener.log_in()
    async with under_way(listener, *urls):
        await listener.until(lambda: bool(listener.connected))
        yield listener


async def test_a_server_that_pings_keeps_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PING_SECONDS", 0.1)
    with serve_in_thread(bus=True) as (url, _):
        async with listening(Listener(Simulator(url))) as listener:
            await listener.clock.until_slept(20)  # 0.05 s each, by a loop that is there while it is connected
            assert (listener.lost, listener.left) == ([], 0)


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
        # What it was told before this would be there by now.
        simulator.admin("POST", "bus/messages", {"topic": f"publish/{BETA_ORG}/anybody", "payload": "{}"})
        await other.until(lambda: bool(other.messages))
    assert other.messages == [("other", 0)]
    assert own.connected == [f"publish/{ACME_ORG}/+"]
    assert other.tasks == []


async def test_a_topic_beyond_ones_own_is_refused_and_tried_again(simulator: Simulator) -> None:
    listener = Listener(simulator, "admin@acme", topic="publish/#")
    listener.log_in()
    async with under_way(listener):
        await listener.until(lambda: len(listener.lost) >= 2)
    assert set(listener.lost) == {"the bus refuses a subscription to publish/#"}
    assert listener.connected == []


async def test_a_connection_that_ends_is_made_again_and_subscribed_again(simulator: Simulator) -> None:
    async with listening(Listener(simulator)) as listener:
        await in_thread(lambda: str(simulator.admin("DELETE", "bus/connections")))
        await listener.until(lambda: len(listener.connected) == 2)
        task = await in_thread(lambda: start_task(simulator))
        await listener.heard(task)
    assert len(listener.lost) == 1
    assert listener.left == 2


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
    async with under_way(listener):
        await listener.clock.until_slept(3)
        assert listener.lost == []
        listener.access = access
        await listener.until(lambda: listener.connected == ["publish/#"])


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
    listener = Listener(Simulator(dead), access=SessionAccess("token", None, is_provider=True))
    async with under_way(listener):
        await listener.until(lambda: len(listener.lost) >= 8)
    assert listener.clock.slept[:8] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


async def test_an_odd_handshake_is_a_lost_connection_and_ends_nothing() -> None:
    """paho lets through what it makes of a header without a blank behind its colon, which is a legal one."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept:odd\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        listener = Listener(Simulator(url), access=SessionAccess("token", None, is_provider=True))
        async with under_way(listener):
            await listener.until(lambda: len(listener.lost) >= 2)
    assert listener.connected == []


async def test_a_cancel_ends_the_bus_whatever_the_client_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it leaves, the client may raise an error of its own in the place of the cancellation, or hang."""

    class Leaving:
        """A client that is connected and cannot leave."""

        def __init__(self, hangs: bool) -> None:
            self.messages = self
            self._hangs = hangs

        async def __aenter__(self) -> Leaving:
            return self

        async def __aexit__(self, *_: object) -> None:
            if self._hangs:
                await asyncio.Event().wait()
            raise aiomqtt.MqttError("operation timed out")

        async def subscribe(self, topic: str, qos: int) -> tuple[int, ...]:
            assert qos == 1
            return (qos,)

        def __aiter__(self) -> Leaving:
            return self

        async def __anext__(self) -> aiomqtt.Message:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(bus_module, "LEAVING_SECONDS", 0.1)
    for hangs in (False, True):
        monkeypatch.setattr(MqttBus, "_client", lambda bus, url, token, hangs=hangs: Leaving(hangs))
        listener = Listener(Simulator("http://x"), access=SessionAccess("token", None, is_provider=True))
        bus = MqttBus(BusConfig(urls=("http://x",)), listener.clock, lambda: listener.access, listener)  # noqa: B023
        running = asyncio.ensure_future(bus.run(listener.hint))
        await listener.until(lambda: bool(listener.connected))  # noqa: B023
        running.cancel()
        done, _ = await asyncio.wait({running}, timeout=WAIT_SECONDS)
        assert done
        assert running.cancelled()
        assert (len(listener.connected), listener.left) == (1, 1)


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
        await asyncio.to_thread(wait_ended, simulator, silent)
        simulator.settings(bus_silent=False)
        task = await in_thread(lambda: start_task(simulator))
        await listener.heard(task, times=3)
    assert silent not in listener.tasks
    assert (listener.lost, listener.connected) == ([], ["publish/#"])


async def test_the_token_is_in_no_log(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening(Listener(simulator)) as listener:
        assert listener.access is not None
        await in_thread(lambda: str(simulator.admin("DELETE", "bus/connections")))
        await listener.until(lambda: len(listener.connected) == 2)
        assert listener.access.token not in caplog.text
        assert listener.access.token not in repr(listener.access)
