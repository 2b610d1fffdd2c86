"""Answers on the wire, whole or spoiled, by ASGI's words and by the connection itself."""

from __future__ import annotations

import asyncio
import contextlib
import http
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from bridge.simulator.protocol.exchange import Answer, Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAXIMUM_READ_BYTES = 8 * 1024 * 1024
TRANSPORT = "simulator.transport"
"""Where the server keeps the connection's transport in ``scope["state"]``, for faults that cut it."""
CELL = "simulator.cell"
"""Where it keeps the name of the cell that the connection came to."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_BEATS_PER_SECOND = 20.0
"""How often at most a slow answer sends some bytes."""


async def read_request(scope: Scope, receive: Receive) -> Request:
    """The whole request.

    Raises:
        ConnectionAbortedError: The client left before its body was complete: nothing of it counts.
    """
    headers = dict(scope["headers"])
    if len(headers) < len(scope["headers"]):
        headers = _joined(scope["headers"])
    body = b""
    if b"content-length" in headers or b"transfer-encoding" in headers:
        message = await _part(receive)
        body = message.get("body", b"")
        if message.get("more_body"):
            body = await _rest(body, receive)
    raw = scope.get("raw_path") or scope["path"].encode()
    return Request(scope["method"], raw.decode("latin-1"), scope["query_string"].decode("latin-1"), headers, body)


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Fields that were sent more than once are one list (RFC 9110, section 5.3)."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined


async def _part(receive: Receive) -> MutableMapping[str, Any]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ConnectionAbortedError
    return message


async def _rest(body: bytes, receive: Receive) -> bytes:
    """Reads on; what goes beyond 8 MiB is dropped: it is refused for its size anyway."""
    parts, size, more = [body], len(body), True
    while more:
        message = await _part(receive)
        part = message.get("body", b"")
        if size < MAXIMUM_READ_BYTES:
            parts.append(part)
            size += len(part)
        more = bool(message.get("more_body"))
    return b"".join(parts)


def _headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in answer.headers]
    if answer.content_type is not None:
        headers.append((b"content-type", answer.content_type.encode("latin-1")))
    if answer.status != 204:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    return headers


async def respond(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer)})
    await send({"type": "http.response.body", "body": answer.body})


async def _gone(receive: Receive) -> None:
    """Waits until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def pause(seconds: float, stopping: asyncio.Event) -> None:
    """Waits so long, or until the simulator stops."""
    if seconds > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stopping.wait()


async def hang(scope: Scope, receive: Receive, stopping: asyncio.Event) -> None:
    """Nothing comes until the client leaves, or the simulator stops."""
    waits = {asyncio.ensure_future(_gone(receive)), asyncio.ensure_future(stopping.wait())}
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in waits:
        one.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await cut(scope, receive, reset=True)


async def cut(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Ends the connection without a further byte: by FIN, or by RST."""
    transport = scope["state"][TRANSPORT]
    if reset:
        connection = transport.get_extra_info("socket")
        if not transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
    await _gone(receive)


async def truncate(scope: Scope, receive: Receive, send: Send, answer: Answer) -> None:
    """The headers promise the whole body; half of it comes, then the connection ends."""
    await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer)})
    await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
    await cut(scope, receive, reset=False)


async def dribble(
    scope: Scope, receive: Receive, answer: Answer, bytes_per_second: float, stopping: asyncio.Event
) -> None:
    """The answer, head and body, so many bytes a second, below HTTP's machinery; then the connection ends."""
    transport = scope["state"][TRANSPORT]
    left = _written(answer)
    beats = min(_BEATS_PER_SECOND, bytes_per_second)
    size = max(1, round(bytes_per_second / beats))
    while left and not transport.is_closing() and not stopping.is_set():
        transport.write(left[:size])
        left = left[size:]
        await pause(1.0 / beats, stopping)
    await cut(scope, receive, reset=False)


def _written(answer: Answer) -> bytes:
    reason = http.HTTPStatus(answer.status).phrase if answer.status in set(http.HTTPStatus) else ""
    lines = [b"HTTP/1.1 %d %s" % (answer.status, reason.encode())]
    lines += [name + b": " + value for name, value in (*_headers(answer), (b"connection", b"close"))]
    return b"\r\n".join(lines) + b"\r\n\r\n" + answer.body
