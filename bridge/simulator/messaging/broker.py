"""A real MQTT broker in the simulator's own loop; its clients come through the door, never by a port of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action, BaseContext
from amqtt.plugins.base import BaseTopicPlugin
from amqtt.session import Session as MqttSession

from bridge.simulator.clock import Clock
from bridge.simulator.messaging.outgoing import Outgoing

QOS = 1
_LISTENER = "door"
_GRANTS: dict[str, str] = {}
"""Topic filter that a connection may subscribe to, by the address that the broker knows it under."""


class MayHear(BaseTopicPlugin):
    """A login hears its own organization, a provider's everything; nobody publishes but VCD itself."""

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)

    async def topic_filtering(
        self, *, session: MqttSession | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        granted = _GRANTS.get("" if session is None else str(session.remote_address))
        if granted is None or topic is None or action is Action.PUBLISH:
            return False
        return _within(topic, granted)


def _within(asked: str, granted: str) -> bool:
    """Whether all that one filter matches the other matches too."""
    one, other = asked.split("/"), granted.split("/")
    for level, allowed in enumerate(other):
        if allowed == "#":
            return True
        if level >= len(one) or one[level] == "#" or (allowed != "+" and one[level] != allowed):
            return False
    return len(one) == len(other)


@dataclass(slots=True)
class Connection:
    """One WebSocket as the broker sees it. ``name`` stands for the client's address; ``granted``: what it may hear."""

    name: str
    granted: str
    receive: Callable[[], Awaitable[bytes]]
    """The next bytes; empty at the end."""
    send: Callable[[bytes], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


class _Reader(ReaderAdapter):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._ended = False

    async def read(self, n: int = -1) -> bytes:
        while not self._ended and len(self._buffer) < n:
            part = await self._connection.receive()
            self._ended = not part
            self._buffer += part
        if n < 0:
            raise ValueError("a packet says how long it is")
        taken = bytes(self._buffer[:n])
        del self._buffer[:n]
        return taken

    def feed_eof(self) -> None:
        self._ended = True


class _Writer(WriterAdapter):
    """``outgoing``: sends what is drained, each time whole packets."""

    def __init__(self, connection: Connection, outgoing: Outgoing) -> None:
        self._connection = connection
        self._outgoing = outgoing
        self._buffer = bytearray()

    def write(self, data: bytes) -> None:
        self._buffer += data

    async def drain(self) -> None:
        data = bytes(self._buffer)
        self._buffer.clear()
        if data:
            self._outgoing.put(data)

    def get_peer_info(self) -> tuple[str, int] | None:
        return self._connection.name, 0

    def get_ssl_info(self) -> Any:
        return None

    async def close(self) -> None:
        await self._connection.close()


class MqttBroker:
    """Starts with the simulator and ends with it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._broker: Broker | None = None

    async def start(self) -> None:
        plugins: dict[str, Any] = {
            "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
            f"{MayHear.__module__}.{MayHear.__qualname__}": {},
        }
        listeners = {"default": {"type": "external"}, _LISTENER: {"type": "external"}}
        self._broker = Broker({"listeners": listeners, "plugins": plugins}, loop=asyncio.get_running_loop())
        await self._broker.start()

    async def serve(self, connection: Connection) -> None:
        """Until the connection ends."""
        if self._broker is None:
            await connection.close()
            return
        _GRANTS[connection.name] = connection.granted
        outgoing = Outgoing(connection.send, self._clock)
        sending = asyncio.ensure_future(outgoing.run())
        try:
            await self._broker.external_connected(_Reader(connection), _Writer(connection, outgoing), _LISTENER)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            del _GRANTS[connection.name]

    async def publish(self, topic: str, payload: bytes) -> None:
        if self._broker is not None:
            await self._broker.internal_message_broadcast(topic, payload, QOS)

    async def stop(self) -> None:
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.shutdown()
