"""A TCP proxy in front of a Kafka listener that knows where requests begin and end and can lose chosen ones.

Source of the framing: Kafka protocol guide, "Common Request and Response Structure".
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from enum import Enum, auto

PRODUCE = 0
JOIN_GROUP = 11
SYNC_GROUP = 14
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


class KafkaProxy:
    """Forwards ``port`` to ``target``, both on loopback. ``fate(api_key)`` decides for each request.

    ``silent`` True: connections are accepted and nothing passes. ``seen`` counts requests by API key.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self.fate: Callable[[int], Fate] = lambda api_key: Fate.PASS
        self.silent = False
        self.seen: dict[int, int] = {}
        self.passed: Callable[[int], None] = lambda api_key: None
        """Called with the API key of each request that was passed on."""
        self.lost = asyncio.Event()
        """Set when a request or an answer was swallowed for the first time."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> KafkaProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
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

    def lose_commits(self, fate: Fate) -> None:
        """From the next commit request on, on whatever connection."""
        self.lose(END_TXN, fate)

    def lose(self, lost: int, fate: Fate) -> None:
        """From the next request with this API key on, on whatever connection."""
        self.lost.clear()
        self.fate = lambda api_key: fate if api_key == lost else Fate.PASS

    def heal(self) -> None:
        """Pass everything again; connections that lost something are cut, as a network would in the end."""
        self.fate = lambda api_key: Fate.PASS
        self.silent = False
        self.cut()

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
            connection = _Connection(self)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(connection.requests(reader, upstream))
                    group.create_task(connection.answers(upstream_reader, writer))
            except* (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                self._writers -= {writer, upstream}
                writer.close()
                upstream.close()


class _Connection:
    def __init__(self, proxy: KafkaProxy) -> None:
        self._proxy = proxy
        self._deaf = False
        self._mute = False

    async def requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy = self._proxy
        while True:
            head = await reader.readexactly(6)
            size, api_key = struct.unpack(">ih", head)
            body = await reader.readexactly(size - 2)
            fate = proxy.fate(api_key)
            if fate is not Fate.PASS:
                proxy.lost.set()
            self._mute = self._mute or fate is Fate.SWALLOW_ANSWER
            self._deaf = self._deaf or fate is Fate.SWALLOW
            if self._deaf or proxy.silent:
                continue
            proxy.seen[api_key] = proxy.seen.get(api_key, 0) + 1
            writer.write(head + body)
            await writer.drain()
            proxy.passed(api_key)

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            data = await reader.read(65536)
            if not data:
                raise ConnectionResetError
            if self._mute or self._deaf or self._proxy.silent:
                continue
            writer.write(data)
            await writer.drain()
