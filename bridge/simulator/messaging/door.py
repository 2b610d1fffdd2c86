"""The WebSocket door ``/messaging/mqtt``: nobody comes in without a session's token, nobody stays when it has ended.

Source: VCD admin guide 10.4 (MQTT over WebSocket, Authorization: Bearer on the upgrade request, empty user and
password); message-broker.md of the object extensibility SDK.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable

from bridge.simulator.cloud import Cloud
from bridge.simulator.messaging.broker import Connection, MqttBroker
from bridge.simulator.protocol.exchange import Refusal, Request
from bridge.simulator.serving.wire import Receive, Scope, Send
from bridge.simulator.state.access.sessions import Session

PATH = "/messaging/mqtt"
SUBPROTOCOL = "mqtt"
_TOKEN_CHECK_SECONDS = 0.5
_NUMBERS = itertools.count(1)
"""Of the connections of all simulators in the process: their broker is told apart by them."""
_GOING_AWAY = 1001


class Door:
    """Lets clients of the bus in, and throws them out."""

    def __init__(self, cloud: Cloud, broker: MqttBroker) -> None:
        self._cloud = cloud
        self._broker = broker
        self._inside: dict[str, asyncio.Event] = {}
        """The open connections, and what ends each."""
        self.refused = 0

    @property
    def connections(self) -> int:
        return len(self._inside)

    def throw_out(self) -> int:
        """Ends all connections; tells how many."""
        for end in self._inside.values():
            end.set()
        return len(self._inside)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One WebSocket from its handshake to its end."""
        await receive()
        session = self._session(scope)
        offered = [one.strip() for one in scope.get("subprotocols", ())]
        if scope["path"] != PATH or session is None or SUBPROTOCOL not in offered:
            # Closed before it is accepted: the server answers the upgrade request with 403.
            self.refused += 1
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        await self._serve(session, receive, send)

    def _session(self, scope: Scope) -> Session | None:
        request = Request("GET", scope["path"], "", dict(scope["headers"]), b"")
        try:
            return self._cloud.sessions.of(request, self._cloud.clock())
        except Refusal:
            return None

    async def _serve(self, session: Session, receive: Receive, send: Send) -> None:
        name = f"client-{next(_NUMBERS)}"
        end = self._inside[name] = asyncio.Event()
        connection = Connection(name, _topic_of(session), _receiver(receive), _sender(send), _closer(send))
        served = asyncio.ensure_future(self._broker.serve(connection))
        watch = asyncio.ensure_future(self._until_expired(session, end))
        try:
            await asyncio.wait({served, watch}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._inside[name]
            for one in (served, watch):
                one.cancel()
            await asyncio.gather(served, watch, return_exceptions=True)
            await connection.close()

    async def _until_expired(self, session: Session, end: asyncio.Event) -> None:
        while not end.is_set():
            # Looked up without being used: listening does not keep a session alive.
            if self._cloud.sessions.with_token(session.token, self._cloud.clock()) is None:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TOKEN_CHECK_SECONDS):
                    await end.wait()


def _topic_of(session: Session) -> str:
    return "publish/#" if session.is_provider else f"publish/{session.user.org.uuid}/+"


def _receiver(receive: Receive) -> Callable[[], Awaitable[bytes]]:
    async def read() -> bytes:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return b""
            if message.get("bytes"):
                return bytes(message["bytes"])

    return read


def _sender(send: Send) -> Callable[[bytes], Awaitable[None]]:
    async def write(data: bytes) -> None:
        with contextlib.suppress(RuntimeError, OSError):  # the other side has gone
            await send({"type": "websocket.send", "bytes": data})

    return write


def _closer(send: Send) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        with contextlib.suppress(RuntimeError, OSError):
            await send({"type": "websocket.close", "code": _GOING_AWAY})

    return close
