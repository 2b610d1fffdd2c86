"""A raw TCP or TLS peer: reads and answers byte by byte as a test scripts it, and counts what it has read."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Exchange:
    """One connection as the script sees it."""

    peer: Peer
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read_request(self) -> bytes:
        """One complete request; b"" when the connection ended before one."""
        head = bytearray()
        while b"\r\n\r\n" not in head:
            piece = await self.reader.read(65536)
            if not piece:
                return b""
            self.peer.bytes_read += len(piece)
            head += piece
        text, _, body = bytes(head).partition(b"\r\n\r\n")
        length = 0
        for line in text.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            piece = await self.reader.read(65536)
            if not piece:
                return b""
            self.peer.bytes_read += len(piece)
            body += piece
        self.peer.requests.append(text + b"\r\n\r\n" + body)
        return self.peer.requests[-1]

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Answer"]
        lines += [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
        if status != 204:
            lines.append(f"Content-Length: {len(body)}")
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None]]


@dataclass(slots=True)
class Peer:
    """A listening peer. ``bytes_read`` counts every byte of any request that the script has read."""

    port: int
    scheme: str = "http"
    host: str = "127.0.0.1"
    bytes_read: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


@asynccontextmanager
async def listening(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """A peer that runs ``script`` for each connection; what still runs is canceled at the end."""
    peer = Peer(0, "https" if tls is not None else "http")
    running: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        writers.append(writer)
        peer.connections += 1
        try:
            await script(Exchange(peer, reader, writer))
        except (asyncio.CancelledError, ConnectionError, ssl.SSLError):
            writer.transport.abort()
        finally:
            running.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def ok(exchange: Exchange) -> None:
    """Answers every request of the connection with 200 and a small body."""
    while await exchange.read_request():
        await exchange.answer(200, b"{}", Content_Type="application/json")


def after_reading(act: Callable[[Exchange], Awaitable[None] | None]) -> Script:
    async def script(exchange: Exchange) -> None:
        if await exchange.read_request():
            done = act(exchange)
            if done is not None:
                await done

    return script


def sending(data: bytes, *, then: str = "close") -> Script:
    async def act(exchange: Exchange) -> None:
        await exchange.send(data)
        if then == "close":
            exchange.close()
        elif then == "reset":
            await asyncio.sleep(0.02)
            exchange.reset()
        else:
            await asyncio.Event().wait()

    return after_reading(act)


HEAD = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: 100\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
