"""A TCP proxy in front of a Kafka listener that knows where requests begin and end and can lose or hold chosen ones.

Source of the framing: Kafka protocol guide, "Common Request and Response Structure".
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

PRODUCE = 0
LIST_OFFSETS = 2
METADATA = 3
OFFSET_FETCH = 9
JOIN_GROUP = 11
SYNC_GROUP = 14
API_VERSIONS = 18
END_TXN = 26
CONSUMER_GROUP_HEARTBEAT = 68
"""API keys (Kafka protocol guide)."""


class Fate(Enum):
    """What becomes of a request."""

    PASS = auto()
    SWALLOW = auto()
    """The broker never sees it; the connection stays open and silent from then on."""
    SWALLOW_ANSWER = auto()
    """The broker sees it; no answer comes back on this connection any more."""
    HOLD = auto()
    """The client's connection is cut; the broker sees the request when ``release`` is called, however late."""
    HOLD_SILENTLY = auto()
    """The same, but the client's connection stays open and silent: it finds out by waiting."""
    AFTER_HELD = auto()
    """The broker sees what is held first, as by ``release``, and then this one."""


class KafkaProxy:
    """Forwards ``port`` to ``target``, both on loopback. ``fate(api_key)`` decides for each request.

    ``silent`` True: connections are accepted and nothing passes. ``latency_seconds``: how long each request and each
    answer travels. ``seen`` counts requests by API key.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self.fate: Callable[[int], Fate] = lambda api_key: Fate.PASS
        self.silent = False
        self.latency_seconds = 0.0
        self.seen: dict[int, int] = {}
        self.passed: Callable[[int], None] = lambda api_key: None
        """Called with the API key of each request that was passed on."""
        self.lost = asyncio.Event()
        """Set when a request or an answer was swallowed or held for the first time."""
        self._held: list[_Held] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> KafkaProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for held in self._held:
            held.writer.close()
        self.cut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while self._tasks:
                    # Cut, they end by themselves; asyncio's streams complain of one that is canceled. More than once,
                    # because of a client that came back just before.
                    await asyncio.wait(self._tasks, timeout=0.1)
                    self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def arrived(self, api_key: int, *, answer_lost: bool) -> None:
        """A request is with the broker."""
        self.passed(api_key)
        if answer_lost:
            self.lost.set()

    def lose_commits(self, fate: Fate) -> None:
        """From the next commit request on, on whatever connection."""
        self.lose(END_TXN, fate)

    def lose(self, lost: int, fate: Fate) -> None:
        """From the next request with this API key on, on whatever connection."""
        self.lost.clear()
        self.fate = lambda api_key: fate if api_key == lost else Fate.PASS

    def heal(self) -> None:
        """Pass everything again; connections that lost something are cut, as a network would in the end. What is held
        stays so."""
        self.fate = lambda api_key: Fate.PASS
        self.silent = False
        self.latency_seconds = 0.0
        self.cut()

    async def release(self) -> int:
        """The broker gets what was held, each on the connection it was sent on; returns when it has answered. How many
        there were."""
        held, self._held = self._held, []
        for one in held:
            one.writer.write(one.request)
            await one.writer.drain()
            size = await one.reader.readexactly(4)
            await one.reader.readexactly(*struct.unpack(">i", size))
            one.writer.close()
        return len(held)

    @property
    def holds(self) -> bool:
        """Whether a request waits here whose connection is gone."""
        return bool(self._held)

    def cut(self) -> None:
        """Close all connections."""
        for writer in list(self._writers):
            writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers |= {writer, upstream}
            connection = _Connection(self, upstream_reader, upstream)
            try:
                async with asyncio.TaskGroup() as group:
                    for forwarding in connection.both_ways(reader, writer):
                        group.create_task(forwarding)
            except* (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                self._writers -= {writer, upstream}
                writer.close()
                if connection.held is not None:
                    self._held.append(connection.held)
                    self.lost.set()
                else:
                    upstream.close()


@dataclass(frozen=True, slots=True)
class _Held:
    """A request, and the connection to the broker that it was sent on."""

    request: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class _Line:
    """Bytes on their way to ``writer``: in order, each ``latency()`` seconds after it was put there."""

    def __init__(self, writer: asyncio.StreamWriter, latency: Callable[[], float]) -> None:
        self._writer = writer
        self._latency = latency
        self._travelling: asyncio.Queue[tuple[float, bytes, Callable[[], None]]] = asyncio.Queue(1000)

    async def put(self, data: bytes, arrived: Callable[[], None] = lambda: None) -> None:
        due = asyncio.get_running_loop().time() + self._latency()
        await self._travelling.put((due, data, arrived))

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data, arrived = await self._travelling.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            self._writer.write(data)
            await self._writer.drain()
            arrived()


class _Connection:
    """``held``: the request that ended it, where one did."""

    def __init__(self, proxy: KafkaProxy, broker: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._broker = broker
        self._upstream = upstream
        self._deaf = False
        self._mute = False
        self.held: _Held | None = None

    def both_ways(
        self, client: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[Coroutine[None, None, None], ...]:
        to_broker = _Line(self._upstream, lambda: self._proxy.latency_seconds)
        to_client = _Line(writer, lambda: self._proxy.latency_seconds)
        return self._requests(client, to_broker), self._answers(to_client), to_broker.run(), to_client.run()

    async def _requests(self, client: asyncio.StreamReader, line: _Line) -> None:
        proxy = self._proxy
        while True:
            head = await client.readexactly(6)
            size, api_key = struct.unpack(">ih", head)
            body = await client.readexactly(size - 2)
            fate = proxy.fate(api_key)
            if fate is Fate.HOLD:
                self.held = _Held(head + body, self._broker, self._upstream)
                raise ConnectionResetError
            if fate is Fate.HOLD_SILENTLY:
                self.held, self._deaf = _Held(head + body, self._broker, self._upstream), True
            if fate is Fate.AFTER_HELD:
                await proxy.release()
            if fate is Fate.SWALLOW:
                proxy.lost.set()
            self._mute = self._mute or fate is Fate.SWALLOW_ANSWER
            self._deaf = self._deaf or fate is Fate.SWALLOW
            if self._deaf or proxy.silent:
                continue
            proxy.seen[api_key] = proxy.seen.get(api_key, 0) + 1
            # Whoever waits for a lost answer may end the connection at once: the broker shall have the request by then.
            lost = fate is Fate.SWALLOW_ANSWER
            await line.put(head + body, partial(proxy.arrived, api_key, answer_lost=lost))

    async def _answers(self, line: _Line) -> None:
        while True:
            data = await self._broker.read(65536)
            if not data:
                raise ConnectionResetError
            if self._mute or self._deaf or self._proxy.silent:
                continue
            await line.put(data)
