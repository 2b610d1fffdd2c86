"""What waits to be sent to one client of the bus, and for how long it does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from bridge.simulator.clock import Clock

EXPIRY_SECONDS = 300.0
"""VCD's broker gives a message up that it could not hand over for so long (message-broker.md of the object
extensibility SDK)."""
_PUBLISH = 3
"""MQTT 3.1.1, section 2.2.1: the type of a packet is in the upper half of its first byte."""


class Outgoing:
    """Packets for one client, in order. Who does not read gets no message that is older than ``EXPIRY_SECONDS``; what
    the connection itself needs (acknowledgements, answers to pings) stays."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], clock: Clock) -> None:
        self._send = send
        self._clock = clock
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._more = asyncio.Event()

    def put(self, packet: bytes) -> None:
        self._waiting.append((self._clock(), packet))
        self._more.set()

    async def run(self) -> None:
        """Send until canceled."""
        while True:
            self._more.clear()
            while self._waiting:
                since, packet = self._waiting.popleft()
                if packet[0] >> 4 != _PUBLISH or self._clock() - since < EXPIRY_SECONDS:
                    await self._send(packet)
            await self._more.wait()
