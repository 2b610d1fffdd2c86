"""The message bus of one simulator: the broker, the door to it, and what is told on it."""

from __future__ import annotations

import asyncio
import traceback

from bridge.simulator.cloud import Cloud
from bridge.simulator.messaging.broker import MqttBroker
from bridge.simulator.messaging.door import Door
from bridge.simulator.messaging.news import TaskNews
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.serving.wire import Receive, Scope, Send


class MessageBus:
    """Lives in the server's loop."""

    def __init__(self, cloud: Cloud) -> None:
        self._broker = MqttBroker(cloud.clock)
        self._door = Door(cloud, self._broker)
        self._news = TaskNews(cloud, cloud.clock, self._broker.publish)
        self._telling: asyncio.Task[None] | None = None
        self._saying: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._broker.start()
        self._telling = asyncio.ensure_future(self._news.run())
        self._telling.add_done_callback(_tell_why)

    async def stop(self) -> None:
        telling, self._telling = self._telling, None
        if telling is not None:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        for saying in self._saying:
            saying.cancel()
        self._news.stop()
        self._door.throw_out()
        await self._broker.stop()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One client, from its handshake to its end."""
        await self._door.serve(scope, receive, send)

    def throw_out(self) -> int:
        """Ends all connections, as the restart of a cell does; tells how many."""
        return self._door.throw_out()

    def say(self, topic: str, payload: bytes) -> None:
        """Tells a message soon."""
        saying = asyncio.ensure_future(self._broker.publish(topic, payload))
        self._saying.add(saying)
        saying.add_done_callback(self._saying.discard)

    def document(self) -> JsonObject:
        """Clients inside, handshakes refused, messages told."""
        return {
            "connections": self._door.connections, "refused": self._door.refused, "published": self._news.published,
        }  # fmt: skip


def _tell_why(telling: asyncio.Task[None]) -> None:
    """A bus that falls silent by a bug of the simulator's says so: else whoever listens is blamed."""
    if not telling.cancelled() and telling.exception() is not None:
        traceback.print_exception(telling.exception())
