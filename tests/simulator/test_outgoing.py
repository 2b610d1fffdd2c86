"""What the bus has not handed over is given up as VCD's broker does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bridge.simulator.messaging.outgoing import EXPIRY_SECONDS, Outgoing
from tests.engine.harness import virtually

PUBLISH, PING_ANSWER = 0x32, 0xD0


@dataclass(slots=True)
class SlowClient:
    """Reads when it is told to."""

    now: float = 1000.0
    read: list[bytes] = field(default_factory=list)
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, packet: bytes) -> None:
        await self.reads.wait()
        self.read.append(packet)


@virtually
async def test_a_client_that_does_not_read_loses_what_has_become_old() -> None:
    client = SlowClient()
    outgoing = Outgoing(client.take, lambda: client.now)
    running = asyncio.ensure_future(outgoing.run())
    under_way, old, pong, young = (bytes([kind, 1, number]) for number, kind in enumerate(
        (PUBLISH, PUBLISH, PING_ANSWER, PUBLISH)
    ))  # fmt: skip
    outgoing.put(under_way)
    await asyncio.sleep(0)
    outgoing.put(old)
    outgoing.put(pong)
    client.now += EXPIRY_SECONDS - 1
    outgoing.put(young)
    client.now += 1
    client.reads.set()
    await asyncio.sleep(1)
    assert client.read == [under_way, pong, young]
    running.cancel()


@virtually
async def test_a_client_that_reads_gets_everything_in_order() -> None:
    client = SlowClient()
    client.reads.set()
    outgoing = Outgoing(client.take, lambda: client.now)
    running = asyncio.ensure_future(outgoing.run())
    packets = [bytes([PUBLISH, 1, number]) for number in range(9)]
    for packet in packets:
        outgoing.put(packet)
        client.now += EXPIRY_SECONDS / 4
        await asyncio.sleep(0.1)
    assert client.read == packets
    running.cancel()
