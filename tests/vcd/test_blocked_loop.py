"""Leases hold though the event loop stands still while calls leave: what the peer reads, it reads in time or never."""

from __future__ import annotations

import asyncio
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from bridge.vcd.transport.httpx_transport import HttpxTransport
from bridge.vcd.transport.transports import TlsFiles, TransportFault, TransportLimits
from tests.vcd.sending import leaving, post

BLOCKED_SECONDS = 2.0
LEASE_SECONDS = 1.0
CALLS = 12
ON_THE_WAY_SECONDS = 0.3
"""From the transport's last look at the clock to the peer's reading, on a busy machine."""


class _Peer(socketserver.ThreadingTCPServer):
    """In threads of its own: it reads, and notes when, whatever the loop does."""

    daemon_threads = True
    request_queue_size = CALLS

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.read_at: list[float] = []


class _Answering(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline():
            assert isinstance(self.server, _Peer)
            self.server.read_at.append(time.monotonic())
            length = 0
            while line := self.rfile.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            self.rfile.read(length)
            self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def peer() -> Iterator[_Peer]:
    with _Peer() as peer:
        threading.Thread(target=peer.serve_forever, daemon=True).start()
        yield peer
        peer.shutdown()


@pytest.mark.parametrize("turns", [1, 3, 10])
async def test_no_call_leaves_after_its_lease_though_the_loop_is_blocked(peer: _Peer, turns: int) -> None:
    """The loop is blocked after so many of its turns: some calls wait for a slot then, some for a connection."""
    limits = TransportLimits(connections=4, connect=0.5, pool=0.3, answer=10.0)
    transport = HttpxTransport(limits, TlsFiles(), time.monotonic)
    url = f"http://127.0.0.1:{peer.server_address[1]}"
    by = time.monotonic() + LEASE_SECONDS
    calls = [asyncio.ensure_future(transport.send(post(url), leaving(by))) for _ in range(CALLS)]
    for _ in range(turns):
        await asyncio.sleep(0)
    time.sleep(BLOCKED_SECONDS)  # that is the fault
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    await transport.close()
    assert all(at <= by + ON_THE_WAY_SECONDS for at in peer.read_at), "a call left after its lease"
    unsent = [one for one in outcomes if isinstance(one, TransportFault) and one.verdict.never_sent]
    assert len(peer.read_at) <= CALLS - len(unsent), "what was read was told as never sent"
