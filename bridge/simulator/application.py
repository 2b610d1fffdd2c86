"""The simulator as an ASGI application: bodies in, faults on the wire, answers out."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bridge.simulator.administration import PREFIX, Administration
from bridge.simulator.calls.call import Call
from bridge.simulator.director import Director
from bridge.simulator.faults import Fault
from bridge.simulator.protocol.exchange import Answer, Refusal, Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAXIMUM_READ_BYTES = 8 * 1024 * 1024
TRANSPORT = "simulator.transport"
"""Where the server keeps the connection's transport in ``scope["state"]``, for faults that cut it."""

_INSTEAD_OF_AN_ANSWER = ("drop", "reset", "hang", "status")

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Application:
    """One ASGI application around a :class:`Director`."""

    def __init__(self, director: Director) -> None:
        self.director = director
        self.administration = Administration(director)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            request = await _request(scope, receive)
        except ConnectionAbortedError:
            return
        if request.path.startswith(PREFIX):
            await _respond(send, self.administration.handle(request))
            return
        director = self.director
        call = director.call(request)
        fault = director.fault_for(call)
        if fault is not None:
            await self._interfere(call, fault, scope, receive, send)
            return
        answer = director.finish(call, director.answer(call))
        director.record(call, answer.status, None)
        await _respond(send, answer)

    async def _interfere(self, call: Call, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """The order of effect, ledger entry, waiting and answer is what a fault is about."""
        director = self.director
        if not fault.effect:
            await asyncio.sleep(fault.seconds)
        answer = director.answer(call) if fault.effect or fault.do not in _INSTEAD_OF_AN_ANSWER else None
        if fault.do in ("drop", "reset", "hang"):
            director.record(call, None, fault)
            await asyncio.sleep(fault.seconds)
            if fault.do == "hang":
                await _gone(receive)
            else:
                await _cut(scope, receive, reset=fault.do == "reset")
            return
        if fault.do == "status":
            answer = self._scripted(call, fault)
        if answer is None:
            raise RuntimeError(f"fault {fault.id} leaves no answer")
        if fault.do == "content_type" and answer.content_type is not None:
            answer.content_type = fault.content_type
        director.record(call, answer.status, fault)
        if fault.effect:
            await asyncio.sleep(fault.seconds)
        director.finish(call, answer)
        if fault.do == "truncate":
            await _truncate(scope, receive, send, answer)
        else:
            await _respond(send, answer)

    def _scripted(self, call: Call, fault: Fault) -> Answer:
        if fault.body is not None:
            return Answer(fault.status, fault.body, fault.content_type, list(fault.headers))
        message = fault.message if fault.message is not None else f"Simulated fault {fault.status}"
        return self.director.refuse(call, Refusal(fault.status, fault.code, message, fault.headers))


async def _request(scope: Scope, receive: Receive) -> Request:
    """The whole request.

    Raises:
        ConnectionAbortedError: The client left before its body was complete: nothing of it counts.
    """
    headers = dict(scope["headers"])
    body = b""
    if b"content-length" in headers or b"transfer-encoding" in headers:
        message = await _part(receive)
        body = message.get("body", b"")
        if message.get("more_body"):
            body = await _rest(body, receive)
    raw = scope.get("raw_path") or scope["path"].encode()
    return Request(scope["method"], raw.decode("latin-1"), scope["query_string"].decode("latin-1"), headers, body)


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


def _start(answer: Answer) -> MutableMapping[str, Any]:
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in answer.headers]
    if answer.content_type is not None:
        headers.append((b"content-type", answer.content_type.encode("latin-1")))
    if answer.status != 204:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _respond(send: Send, answer: Answer) -> None:
    await send(_start(answer))
    await send({"type": "http.response.body", "body": answer.body})


async def _gone(receive: Receive) -> None:
    """Waits until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cut(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Ends the connection without a further byte: by FIN, or by RST."""
    transport = scope["state"][TRANSPORT]
    if reset:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
    await _gone(receive)


async def _truncate(scope: Scope, receive: Receive, send: Send, answer: Answer) -> None:
    """The headers promise the whole body; half of it comes, then the connection ends."""
    await send(_start(answer))
    await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
    await _cut(scope, receive, reset=False)
